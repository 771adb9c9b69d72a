package api_test

import (
	"fmt"
	"strings"
	"testing"
)

func TestCreateRefusals(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		many := func(n int, format string) string {
			parts := make([]string, n)
			for i := range parts {
				parts[i] = fmt.Sprintf(format, i)
			}
			return strings.Join(parts, ",")
		}
		for _, s := range []struct {
			name, body string
			status     int
			says       string
		}{
			{"malformed", `{"name": `, 400, "Malformed"},
			{"no body", "", 400, "Body expected in request."},
			{"a list", `[]`, 400, "Body expected in request."},
			{"name of wrong type", `{"name": 5}`, 400, "5 is not of type"},
			{"long name", `{"name": "` + strings.Repeat("n", 256) + `"}`, 400, "is too long"},
			{"bad id", `{"id": "abc"}`, 400, "does not match"},
			{"unknown disk format", `{"disk_format": "floppy"}`, 400, "is not one of"},
			{"unknown container format", `{"container_format": "box"}`, 400, "is not one of"},
			{"unknown visibility", `{"visibility": "secret"}`, 400, "is not one of"},
			{"negative min_disk", `{"min_disk": -1}`, 400, "Cannot be a negative value"},
			{"huge min_ram", `{"min_ram": 4294967296}`, 400, "min_ram"},
			{"fraction", `{"min_ram": 1.5}`, 400, "is not of type"},
			{"property of wrong type", `{"p": {"q": 1}}`, 400, "is not of type"},
			{"kernel_id", `{"kernel_id": "x"}`, 400, "does not match"},
			{"long property name", `{"` + strings.Repeat("p", 256) + `": "v"}`, 400, "Custom property should not be greater than 255 characters."},
			{"many properties", `{` + many(129, `"p%d": "v"`) + `}`, 413, "Attempted: 129, Maximum: 128"},
			{"many tags", `{"tags": [` + many(129, `"t%d"`) + `]}`, 413, "Attempted: 129, Maximum: 128"},
			{"NUL", `{"name": "a\u0000b"}`, 400, "NUL"},
			{"read-only", `{"status": "active"}`, 403, "Attribute &#39;status&#39; is read-only."},
			{"checksum", `{"checksum": "0"}`, 403, "read-only"},
			{"self", `{"self": "/x"}`, 403, "read-only"},
			{"locations", `{"locations": [{"url": "file:///etc/passwd", "metadata": {}}]}`, 403, "Attribute &#39;locations&#39; is reserved."},
			{"deleted", `{"deleted": "true"}`, 403, "reserved"},
			{"own namespace", `{"os_glance_x": "y"}`, 403, "reserved"},
			{"foreign owner", `{"owner": "project-2"}`, 403, "You are not permitted to create images owned by &#39;project-2&#39;"},
			{"public", `{"visibility": "public"}`, 403, "You are not authorized to complete publicize_image action."},
		} {
			t.Run(s.name, func(t *testing.T) {
				c.On(t).As("member").With("Accept", "*/*").Post(images, s.body).Want(s.status).Says(s.says)
			})
		}
		c.As("member").Get(images).Want(200).Has("images", "[]")
		c.As("reader").Post(images, `{}`).Want(403)
		c.As("none").Post(images, `{}`).Want(401)
		id := c.create("admin", `{"owner": "project-1", "visibility": "public", "id": "6F4E6B3B-5C1C-4C57-9F5B-2F6C6A3A0001"}`)
		c.As("other").Get(images+"/"+id).Want(200).Has("id", "6f4e6b3b-5c1c-4c57-9f5b-2f6c6a3a0001").Has("owner", "project-1")
		c.As("member").Post(images, fmt.Sprintf(`{"id": %q}`, id)).Want(409).Says("already exists")
		c.create("member", `{"visibility": "community", "name": null, "disk_format": null, "kernel_id": null}`)
	})
}

func TestPatch(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		id := c.create("member", body(`, "p": "1", "tags": ["a"]`))
		for _, s := range []struct {
			name, body string
			status     int
			says       string
		}{
			{"nothing", `[]`, 200, ""},
			{"several", `[{"op": "replace", "path": "/name", "value": "new"}, {"op": "add", "path": "/q", "value": "2"}, {"op": "remove", "path": "/p"}, {"op": "replace", "path": "/tags", "value": ["z", "y", "z"]}]`, 200, `"tags":["y","z"]`},
			{"escaped", `[{"op": "add", "path": "/a~1b~0c", "value": "2"}]`, 200, `"a/b~c":"2"`},
			{"replace absent", `[{"op": "replace", "path": "/absent", "value": "2"}]`, 409, "Property absent does not exist."},
			{"remove absent", `[{"op": "remove", "path": "/absent"}]`, 409, "Property absent does not exist."},
			{"remove base", `[{"op": "remove", "path": "/name"}]`, 403, "Property name may not be removed."},
			{"half", `[{"op": "add", "path": "/half", "value": "1"}, {"op": "remove", "path": "/absent"}]`, 409, ""},
			{"read-only", `[{"op": "replace", "path": "/status", "value": "active"}]`, 403, "read-only"},
			{"id", `[{"op": "replace", "path": "/id", "value": "x"}]`, 403, "read-only"},
			{"reserved", `[{"op": "add", "path": "/location", "value": "file:///etc/passwd"}]`, 403, "reserved"},
			{"namespace", `[{"op": "add", "path": "/os_glance_x", "value": "y"}]`, 403, "reserved"},
			{"owner", `[{"op": "replace", "path": "/owner", "value": "project-2"}]`, 403, "Owner can&#39;t be updated by non admin."},
			{"public", `[{"op": "replace", "path": "/visibility", "value": "public"}]`, 403, "publicize_image"},
			{"add location", `[{"op": "add", "path": "/locations/-", "value": {"url": "file:///etc/passwd", "metadata": {}}}]`, 403, "locations are invisible"},
			{"replace locations", `[{"op": "replace", "path": "/locations", "value": []}]`, 403, "Cannot set locations to empty list."},
			{"remove location", `[{"op": "remove", "path": "/locations/0"}]`, 403, "delete_image_location"},
			{"not a list", `{"op": "add"}`, 400, "must be a JSON array"},
			{"not objects", `["x"]`, 400, "Operations must be JSON objects."},
			{"no op", `[{"path": "/a", "value": "x"}]`, 400, "Unable to find `op`"},
			{"unknown op", `[{"op": "move", "path": "/a", "from": "/b"}]`, 400, "Invalid operation: `move`"},
			{"no path", `[{"op": "add", "value": "x"}]`, 400, "path"},
			{"no value", `[{"op": "add", "path": "/a"}]`, 400, "requires a member named"},
			{"bad pointer", `[{"op": "add", "path": "a", "value": "x"}]`, 400, "does not start with"},
			{"empty pointer", `[{"op": "add", "path": "/", "value": "x"}]`, 400, "valid token"},
			{"bad escape", `[{"op": "add", "path": "/a~2", "value": "x"}]`, 400, "recognized escape"},
			{"adjacent", `[{"op": "add", "path": "/a//b", "value": "x"}]`, 400, "adjacent"},
			{"trailing", `[{"op": "add", "path": "/a/", "value": "x"}]`, 400, "end with"},
			{"too deep", `[{"op": "add", "path": "/tags/-", "value": "x"}]`, 400, "Invalid JSON pointer for this resource"},
			{"wrong type", `[{"op": "replace", "path": "/min_ram", "value": "much"}]`, 400, "is not of type"},
			{"negative", `[{"op": "replace", "path": "/min_ram", "value": -5}]`, 400, "negative"},
			{"null visibility", `[{"op": "replace", "path": "/visibility", "value": null}]`, 400, "is not"},
			{"null property", `[{"op": "add", "path": "/x", "value": null}]`, 400, "is not of type"},
		} {
			t.Run(s.name, func(t *testing.T) {
				d := *c
				d.API = c.On(t)
				d.patch("member", id, s.body).Want(s.status).Says(s.says)
			})
		}
		c.As("member").Get(images+"/"+id).Want(200).Has("name", "new").Has("q", "2").Has("p", nil).Has("half", nil).Has("location", nil)
		c.As("member").Patch(images+"/"+id, `[]`).Want(415)
		if got := c.As("member").Patch(images+"/"+id, `[]`).Header.Get("Accept-Patch"); !strings.Contains(got, patch) {
			t.Errorf("Accept-Patch: %q", got)
		}
		old := c.As("member").With("Content-Type", "application/openstack-images-v2.0-json-patch")
		old.Patch(images+"/"+id, `[{"add": "/q", "value": "3"}]`).Want(409).Says("Property q already present.")
		old.Patch(images+"/"+id, `[{"replace": "/q", "value": "3"}, {"add": "/r", "value": "4"}]`).Want(200).Has("q", "3").Has("r", "4")
		old.Patch(images+"/"+id, `[{"add": "/s", "remove": "/s"}]`).Want(400)
		c.patch("reader", id, `[{"op": "replace", "path": "/name", "value": "x"}]`).Want(403)
		c.patch("other", id, `[]`).Want(404)
		c.patch("admin", id, `[{"op": "replace", "path": "/owner", "value": "project-2"}]`).Want(200)
		c.As("member").Get(images + "/" + id).Want(404)
		c.As("other").Get(images + "/" + id).Want(200)
	})
}

func TestPatchAfterUpload(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		id := c.active("member", body(""), []byte("data"))
		c.patch("member", id, `[{"op": "replace", "path": "/disk_format", "value": "qcow2"}]`).Want(403).Says("Attribute disk_format can be only replaced for a queued image.")
		c.patch("member", id, `[{"op": "replace", "path": "/protected", "value": true}]`).Want(200)
		c.As("member").Delete(images + "/" + id).Want(403).Says("is protected and cannot be deleted.")
		c.As("member").Get(images + "/" + id + "/file").Want(200).Says("data")
		c.patch("member", id, `[{"op": "replace", "path": "/protected", "value": false}]`).Want(200).Has("size", 4).Has("status", "active")
		c.As("other").Delete(images + "/" + id).Want(404)
		c.As("reader").Delete(images + "/" + id).Want(403)
		c.As("member").Delete(images + "/" + id).Want(204)
		c.clean()
	})
}

func TestTagsAndState(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		id := c.create("member", body(""))
		self := images + "/" + id
		c.As("member").Put(self+"/tags/a%20b%2Fc", nil).Want(204)
		c.As("member").Put(self+"/tags/x", nil).Want(204)
		c.As("member").Put(self+"/tags/x", nil).Want(204)
		c.As("member").Get(self).Has("tags", "[a b/c x]")
		c.As("member").Delete(self + "/tags/x").Want(204)
		c.As("member").Delete(self + "/tags/x").Want(404)
		c.As("other").Put(self+"/tags/x", nil).Want(404)
		c.As("reader").Put(self+"/tags/x", nil).Want(403)
		c.As("member").Put(self+"/tags/"+strings.Repeat("t", 256), nil).Want(400)
		c.As("member").Get(self).Has("tags", "[a b/c]")

		c.As("member").Post(self+"/actions/deactivate", nil).Want(403).Says("Not allowed to deactivate image in status &#39;queued&#39;")
		c.upload("member", id, []byte("data")).Want(204)
		c.As("member").Post(self+"/actions/deactivate", nil).Want(204)
		c.As("member").Post(self+"/actions/deactivate", nil).Want(204)
		c.As("member").Get(self).Has("status", "deactivated")
		c.As("member").Get(self + "/file").Want(403).Says("has been deactivated")
		c.As("admin").Get(self + "/file").Want(200)
		c.As("other").Post(self+"/actions/reactivate", nil).Want(404)
		c.As("member").Post(self+"/actions/reactivate", nil).Want(204)
		c.As("member").Get(self + "/file").Want(200).Says("data")
		c.clean()
	})
}

func TestDiscovery(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		c.As("none").Get("/image").Want(300).Has("versions.0.id", "v2.17").Has("versions.0.status", "CURRENT").Has("versions.10.id", "v2.0").
			Has("versions.0.links.0.href", "http://example.com/image/v2/")
		c.As("none").Get("/image/").Want(300)
		c.As("reader").Get(images + "/").Want(404) // no image has an empty id, and it is not the list either
		c.As("member").Delete(images + "/").Want(404)
		c.As("none").Get("/image/versions").Want(200).Has("versions.1.status", "SUPPORTED")
		for _, name := range []string{"image", "images", "member", "members", "task", "tasks"} {
			c.As("reader").Get("/image/v2/schemas/"+name).Want(200).Has("name", name)
		}
		c.As("none").Get("/image/v2/schemas/image").Want(401)
		c.As("reader").Get("/image/v2/schemas/image").Has("properties.kernel_id.is_base", false).Has("additionalProperties.type", "string").Has("properties.disk_format.enum.7", "raw")
		c.As("reader").Get("/image/v2/info/import").Want(200).Has("import-methods.value", "[]")
		c.As("reader").Get("/image/v2/info/stores").Want(404).Says("Multi backend is not supported at this site.")
		c.As("reader").Get("/image/v2/info/usage").Want(200)
		c.As("member").Get("/image/v2/tasks").Want(403)
		c.As("admin").Get("/image/v2/tasks").Want(200).Has("tasks", "[]")
		id := c.create("member", body(""))
		c.As("member").Get(images+"/"+id+"/tasks").Want(200).Has("tasks", "[]")
		c.As("member").Post(images+"/"+id+"/import", `{"method": {"name": "web-download", "uri": "http://169.254.169.254/"}}`).Want(400).Says("Unknown import method name")
		c.As("member").Post(images+"/"+id+"/import", `{}`).Want(400).Says("requires a &#39;method&#39; field")
	})
}

// Errors have the forms in which upstream's clients read them.
func TestErrorForms(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		const gone = images + "/<b>"
		html := c.As("member").With("Accept", "*/*").Get(gone).Want(404)
		html.Says("<title>404 Not Found</title>").Says("No image found with ID &lt;b&gt;<br /><br />")
		if got := html.Header.Get("Content-Type"); !strings.HasPrefix(got, "text/html") {
			t.Error(got)
		}
		c.As("member").With("Accept", "application/json").Get(gone).Want(404).Has("message", "No image found with ID <b>").Has("code", "404 Not Found").Has("title", "Not Found")
		c.As("member").With("Accept", "text/plain").Get(gone).Want(404).Says("404 Not Found\n\nNo image found with ID <b>")
		c.As("member").With("Accept", "application/json;q=0.5, text/html;q=0.1").Get(gone).Want(404).Has("title", "Not Found")
		c.As("member").Do("POST", images+"/x/file", nil).Want(405)
	})
}
