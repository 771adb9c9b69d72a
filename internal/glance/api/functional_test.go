package api_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gostack/internal/glance"
	"gostack/internal/glance/api"
	"gostack/internal/rest"
	"gostack/internal/rest/resttest"
	"gostack/internal/store/storetest"
)

// What upstream's functional tests (glance/tests/functional/v2) ask for beside what the stories tell.
func TestWhatFunctionalTestsAsk(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		member, admin := c.As("member").With("Accept", "application/json"), c.As("admin").With("Accept", "application/json")
		id := c.create("member", `{"disk_format": "raw", "container_format": "bare"}`)
		path := images + "/" + id
		member.With("Content-Type", octets).Put(path+"/file", strings.Repeat("Z", 15)).Want(204)

		// A range that goes beyond the data is given as far as it goes, but not when it is asked for with Content-Range.
		member.With("Content-Range", "bytes 14-14/15").Get(path + "/file").Want(206)
		member.With("Content-Range", "bytes 3-16/15").Get(path + "/file").Want(416)
		member.With("Range", "bytes=3-16").Get(path + "/file").Want(206)

		// Who sends a body where none is read has mistaken the request.
		for _, request := range []string{
			"GET " + path, "DELETE " + path, "POST " + path + "/actions/deactivate", "PUT " + path + "/tags/mytag", "GET " + path + "/members", "GET " + path + "/file",
			"GET /image/v2/schemas/image", "GET /image/v2/info/import", "GET /image/v2/metadefs/resource_types",
		} {
			method, target, _ := strings.Cut(request, " ")
			for _, body := range []string{`["body"]`, `{"hello"]`} {
				member.Do(method, target, body).Want(400).Says("A body is not expected with this request.")
			}
		}
		member.Do("GET", images, `["body"]`).Want(200)

		// Only shared images have members.
		member.Post(path+"/members", `{"member": "project-2"}`).Want(200)
		c.patch("member", id, `[{"op": "replace", "path": "/visibility", "value": "private"}]`).Want(200)
		member.Get(path + "/members/project-2").Want(404)
		member.Delete(path + "/members/project-2").Want(403).Says("Not allowed to delete members for image " + id)
		admin.Put(path+"/members/project-2", `{"status": "accepted"}`).Want(403).Says("Not allowed to update members for image " + id)
	})
}

func TestWhatFunctionalTestsAskOfDefinitions(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		admin := c.As("admin").With("Accept", "application/json")
		made := admin.Post(namespaces, `{"namespace": "N", "visibility": "public"}`).Want(201)
		at := strings.TrimSuffix(made.Header.Get("Location"), "/image/v2/metadefs/namespaces/N")
		if !strings.HasPrefix(at, "http://") {
			t.Errorf("Location: %s", made.Header.Get("Location"))
		}
		made = admin.Post(namespaces+"/N/properties", `{"name": "p", "title": "P", "type": "integer", "default": 100, "minimum": 100}`).Want(201)
		if got := made.Header.Get("Location"); got != at+"/image/v2/metadefs/namespaces/N/properties/p" {
			t.Errorf("Location: %s", got)
		}
		// A default value is a text, whatever the type.
		admin.Get(namespaces+"/N/properties/p").Want(200).Has("default", "100").Has("minimum", 100)
		admin.Get(namespaces+"/N/properties").Want(200).Has("properties.p.name", "p").Has("properties.p.default", "100")
		admin.Post(namespaces+"/N/objects", `{"name": "o", "properties": {"b": {"title": "B", "type": "boolean", "default": true}}}`).Want(201).Has("properties.b.default", "True")
	})
}

// A policy may be about any attribute of an image, and about its properties.
func TestPoliciesKnowWhatImagesAre(t *testing.T) {
	file := filepath.Join(t.TempDir(), "policy.yaml")
	text := "restricted: \"not ('secret':%(x_class)s and role:reader) and not 'aki':%(container_format)s\"\ndownload_image: 'role:admin or rule:restricted'\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := glance.New(storetest.Either(t, glance.Migrations), glance.Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	c := &cloud{API: resttest.Serve(t, rest.Config{Services: []*rest.Service{api.Service(s)}, Authenticator: resttest.Tokens(resttest.Personas), PolicyFile: file})}
	for properties, status := range map[string]int{
		`"container_format": "bare"`: 200, `"container_format": "bare", "x_class": "open"`: 200, `"container_format": "bare", "x_class": "secret"`: 403,
		`"container_format": "aki"`: 403, `"container_format": "bare", "owner_of": "x"`: 200,
	} {
		id := c.create("member", fmt.Sprintf(`{"disk_format": "raw", %s}`, properties))
		c.As("member").With("Content-Type", octets).Put(images+"/"+id+"/file", "data").Want(204)
		c.As("member").Get(images + "/" + id + "/file").Want(status)
		c.As("admin").Get(images + "/" + id + "/file").Want(200)
	}
}

// Upstream's base rule for administrators may be named, and what a client may write but not read it is not shown.
func TestProtectionsByAdministrators(t *testing.T) {
	c := protected(t, "[x_secret]\ncreate = context_is_admin\nread = !\nupdate = !\ndelete = !\n[.*]\ncreate = @\nread = @\nupdate = @\ndelete = @\n", glance.PoliciesFormat, "")
	c.As("member").Post(images, `{"x_secret": "1"}`).Want(403)
	c.As("admin").Post(images, `{"x_secret": "1", "x": "2"}`).Want(201).Has("x_secret", nil).Has("x", "2")
}

// Operators change policies; what lists then show, what is not there, and what creating and clearing ask for is as upstream has it
// (glance/tests/functional/v2/*_api_policy.py).
func TestChangedPolicies(t *testing.T) {
	db := storetest.Either(t, glance.Migrations)
	with := func(rules string) *resttest.API {
		file := filepath.Join(t.TempDir(), "policy.yaml")
		if err := os.WriteFile(file, []byte(rules), 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := glance.New(db, glance.Config{Dir: t.TempDir()})
		if err != nil {
			t.Fatal(err)
		}
		served := resttest.Serve(t, rest.Config{Services: []*rest.Service{api.Service(s)}, Authenticator: resttest.Tokens(resttest.Personas), PolicyFile: file})
		return served.As("admin").With("Accept", "application/json")
	}
	ns := namespaces + "/N"
	full := `{"namespace": "%s", "visibility": "public", "tags": [{"name": "t"}], "objects": [{"name": "o"}], "properties": {"p": {"title": "P", "type": "string"}},
		"resource_type_associations": [{"name": "OS::Nova::Flavor", "prefix": "hw:"}]}`
	open := with(`{}`)
	open.Post(namespaces, fmt.Sprintf(full, "N")).Want(201)
	id := (&cloud{API: open}).create("admin", `{}`)
	open.Post(images+"/"+id+"/members", `{"member": "project-2"}`).Want(200)

	blind := with(`{get_image: "!", get_metadef_namespace: "!", delete_metadef_namespace: "!", add_metadef_object: "!"}`)
	if n := blind.Get(images).Want(200).Len("images"); n != 0 {
		t.Errorf("%d images", n)
	}
	if n := blind.Get(namespaces).Want(200).Len("namespaces"); n != 0 {
		t.Errorf("%d namespaces", n)
	}
	blind.Get(ns).Want(404).Says("Metadata definition namespace=N was not found.")
	blind.Delete(ns).Want(404)
	blind.Post(ns+"/objects", `{"name": "o2"}`).Want(404)

	tied := with(`{delete_metadef_namespace: "!", get_member: "!", get_metadef_object: "!", get_metadef_resource_type: "!", add_metadef_tag: "!"}`)
	if n := tied.Get(images + "/" + id + "/members").Want(200).Len("members"); n != 0 {
		t.Errorf("%d members", n)
	}
	for path, list := range map[string]string{"objects": "objects", "resource_types": "resource_type_associations"} {
		if n := tied.Get(ns + "/" + path).Want(200).Len(list); n != 0 {
			t.Errorf("%d %s", n, path)
		}
	}
	tied.Get(ns + "/properties/hw:p?resource_type=OS::Nova::Flavor").Want(403)
	for _, kind := range []string{"objects", "properties", "tags"} {
		tied.Delete(ns + "/" + kind).Want(403)
	}
	tied.Post(namespaces, fmt.Sprintf(full, "M")).Want(403).Says("add_metadef_tag")
	with(`{list_metadef_resource_types: "!"}`).Get(namespaces).Want(403)
	with(`{get_metadef_tags: "!"}`).Get(ns).Want(403).Says("get_metadef_tags")
}
