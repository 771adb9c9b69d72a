package api_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"gostack/internal/rest/resttest"
)

func names(a *resttest.Answer) []string {
	var doc struct{ Images []struct{ Name *string } }
	a.Want(200).JSON(&doc)
	list := []string{}
	for _, img := range doc.Images {
		if img.Name == nil {
			list = append(list, "-")
			continue
		}
		list = append(list, *img.Name)
	}
	return list
}

func TestListFilters(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		make := func(as, name, more string) string {
			c.clock.Advance(time.Minute)
			return c.create(as, fmt.Sprintf(`{"name": %q%s}`, name, more))
		}
		a := make("member", "a", `, "disk_format": "raw", "container_format": "bare", "tags": ["x", "y"], "os": "debian"`)
		make("member", "b", `, "disk_format": "qcow2", "container_format": "bare", "tags": ["x"], "min_ram": 512, "protected": true`)
		make("member", "c, d", `, "os": "debian"`)
		make("member", "hidden", `, "os_hidden": true`)
		c.create("member", `{}`)
		c.upload("member", a, make1(1000)).Want(204)
		for _, s := range []struct {
			query string
			want  string
		}{
			{"", "- c, d b a"},
			{"name=a", "a"},
			{"name=in:a,b", "b a"},
			{`name=in:"c, d",a`, "c, d a"},
			{"id=" + a, "a"},
			{"id=in:" + a + ",nothing", "a"},
			{"status=active", "a"},
			{"status=in:active,queued", "- c, d b a"},
			{"disk_format=in:raw,qcow2", "b a"},
			{"container_format=bare&disk_format=raw", "a"},
			{"visibility=private", ""},
			{"visibility=shared", "- c, d b a"},
			{"owner=project-1", "- c, d b a"},
			{"owner=project-2", ""},
			{"protected=true", "b"},
			{"protected=false", "- c, d a"},
			{"os_hidden=true", "hidden"},
			{"min_ram=512", "b"},
			{"size_min=1000", "a"},
			{"size_max=999", ""},
			{"size_max=1000&size_min=1", "a"},
			{"tag=x", "b a"},
			{"tag=x&tag=y", "a"},
			{"os=debian", "c, d a"},
			{"os=debian&tag=x", "a"},
			{"os=windows", ""},
			{"checksum=" + md5of(make1(1000)), "a"},
			{"created_at=2026-11-22T10:02:00Z", "b"},
			{"created_at=eq:2026-11-22T10:02:00Z", "b"},
			{"created_at=gt:2026-11-22T10:02:00Z", "- c, d"},
			{"created_at=gte:2026-11-22T10:02:00Z", "- c, d b"},
			{"created_at=lt:2026-11-22T10:02:00Z", "a"},
			{"created_at=lte:2026-11-22T10:02:00", "b a"},
			{"created_at=neq:2026-11-22T10:02:00Z", "- c, d a"},
			{"created_at=gt:2026-11-22T12:02:00%2B02:00", "- c, d"},
			{"updated_at=gte:2026-11-22T10:03:00Z", "- c, d a"},
			{"sort=name:asc", "- a b c, d"},
			{"sort=name", "c, d b a -"},
			{"sort_key=name&sort_dir=asc", "- a b c, d"},
			{"sort=size:desc,name:asc", "a - b c, d"},
			{"sort_key=disk_format&sort_dir=asc&sort_key=name&sort_dir=desc", "c, d - b a"},
		} {
			t.Run(s.query, func(t *testing.T) {
				path := images + "?" + strings.NewReplacer(" ", "%20", `"`, "%22").Replace(s.query)
				if got := strings.Join(names(c.On(t).As("member").Get(path)), " "); got != s.want {
					t.Errorf("got %q, want %q", got, s.want)
				}
			})
		}
		for query, says := range map[string]string{
			"visibility=secret": "Invalid visibility value: secret", "limit=x": "limit param must be an integer", "limit=-1": "limit param must be positive",
			"sort=colour": "Invalid sort key: colour", "sort=name:up": "Invalid sort direction: up", "sort=name&sort_key=name": "cannot be combined",
			"sort_key=name&sort_dir=asc&sort_dir=asc": "Number of sort dirs", "size_min=x": "Unable to filter using the specified range.",
			"created_at=gt:yesterday": "Invalid time format", "created_at=near:2026-11-22T10:02:00Z": "unknown operator &#39;near&#39;",
			"name=like:a": "unknown operator &#39;like&#39;", "marker=nothing": "No image found with ID nothing", "os_hidden=maybe": "os_hidden",
			"protected=maybe": "protected", "member_status=no": "Invalid status: no", "changes-since=x": "no longer available",
			"name=in:%22a": "not closed", "min_ram=much": "min_ram", "x=%00": "no text in UTF-8",
		} {
			c.As("member").With("Accept", "*/*").Get(images + "?" + query).Want(400).Says(says)
		}
	})
}

func make1(n int) []byte { return []byte(strings.Repeat("1", n)) }

// Every way of sorting walks the same images once, page by page.
func TestPaging(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		want := []string{}
		for i := range 23 {
			if i%5 == 0 {
				c.clock.Advance(time.Minute)
			}
			name := fmt.Sprintf(`"n%d"`, i%4)
			if i%6 == 0 {
				name = "null"
			}
			want = append(want, c.create("member", fmt.Sprintf(`{"name": %s, "p": "v"}`, name)))
		}
		slices.Sort(want)
		for _, sort := range []string{"", "sort=name:asc", "sort=name:desc", "sort=size:asc,name:desc", "sort=status:desc,created_at:asc", "sort=id:asc", "sort=updated_at:desc,disk_format:asc"} {
			for _, limit := range []int{1, 5, 23, 100} {
				path, got := fmt.Sprintf("%s?limit=%d&p=v&%s", images, limit, sort), []string{}
				for path != "" && len(got) < 100 {
					var page struct {
						Images []struct{ ID string }
						Next   string
						First  string
					}
					c.As("member").Get(path).Want(200).JSON(&page)
					for _, img := range page.Images {
						got = append(got, img.ID)
					}
					path = page.Next
					if path != "" {
						path = "/image" + path
					}
				}
				slices.Sort(got)
				if !slices.Equal(got, want) {
					t.Errorf("%s limit %d: %d images, %d of them different, want %d", sort, limit, len(got), len(slices.Compact(got)), len(want))
				}
			}
		}
		c.As("member").Get(images+"?limit=0").Want(200).Has("images", "[]").Has("next", nil)
		c.As("member").Get(images+"?limit=2&tag=a&tag=b").Want(200).Has("first", "/v2/images?limit=2&tag=a&tag=b")
		c.As("member").Get(images).Want(200).Has("first", "/v2/images").Has("schema", "/v2/schemas/images")
	})
}

func TestVisibilityAndMembers(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		shared := c.active("member", `{"name": "shared", "disk_format": "raw", "container_format": "bare"}`, []byte("s"))
		private := c.create("member", `{"name": "private", "visibility": "private"}`)
		community := c.create("member", `{"name": "community", "visibility": "community"}`)
		public := c.create("admin", `{"name": "public", "visibility": "public"}`)
		self, members := images+"/"+shared, images+"/"+shared+"/members"

		sees := func(as, query, want string) {
			t.Helper()
			got := names(c.As(as).Get(images + "?sort=name:asc" + query))
			if strings.Join(got, " ") != want {
				t.Errorf("%s with %q sees %v, want %s", as, query, got, want)
			}
		}
		sees("member", "", "community private public shared")
		sees("reader", "", "community private public shared")
		sees("other", "", "public")
		sees("other", "&visibility=community", "community")
		sees("other", "&visibility=all", "community public")
		sees("other", "&visibility=private", "")
		sees("admin", "", "private public shared")
		sees("admin", "&visibility=all", "community private public shared")
		c.As("system-reader").Get(images).Want(403)
		c.As("none").Get(images).Want(401)
		for id, code := range map[string]int{shared: 404, private: 404, community: 200, public: 200} {
			c.As("other").Get(images + "/" + id).Want(code)
		}
		c.As("other").Get(self + "/file").Want(404)
		c.As("other").Get(members).Want(404).Says("No image found with ID " + shared)

		// The owner shares; the other side is pending until it accepts.
		for body, code := range map[string]int{`{}`: 400, `{"member": ""}`: 400, `{"member": 5}`: 400, ``: 400, `{"member": "` + strings.Repeat("m", 256) + `"}`: 400} {
			c.As("member").Post(members, body).Want(code)
		}
		c.As("reader").Post(members, `{"member": "project-2"}`).Want(403)
		c.As("member").Post(members, `{"member": "project-2"}`).Want(200).Has("member_id", "project-2").Has("status", "pending").Has("image_id", shared).Has("schema", "/v2/schemas/member")
		c.As("member").Post(members, `{"member": "project-2"}`).Want(409).Says("Member project-2 is duplicated for image " + shared)
		c.As("member").Post(members, `{"member": "project-3"}`).Want(200)
		sees("other", "", "public")
		sees("other", "&member_status=pending", "public shared")
		sees("other", "&member_status=all&visibility=shared", "shared")
		c.As("other").Get(self).Want(200)
		c.As("other").Get(self + "/file").Want(200).Says("s")
		c.As("member").Get(members).Want(200).Has("members.0.member_id", "project-2").Has("members.1.member_id", "project-3").Has("schema", "/v2/schemas/members")
		c.As("other").Get(members).Want(200).Has("members.0.member_id", "project-2").Has("members.1", nil)
		c.As("other").Get(members+"/project-2").Want(200).Has("status", "pending")
		c.As("other").Get(members + "/project-3").Want(404)

		c.As("member").Put(members+"/project-2", `{"status": "accepted"}`).Want(403)
		c.As("other").Put(members+"/project-2", `{"status": "maybe"}`).Want(400).Says("Incorrect request")
		c.As("other").Put(members+"/project-2", `{}`).Want(400).Says("Status not specified")
		c.clock.Advance(time.Minute)
		c.As("other").Put(members+"/project-2", `{"status": "accepted"}`).Want(200).Has("status", "accepted").Has("updated_at", "2026-11-22T10:01:00Z")
		c.As("other").Put(members+"/project-3", `{"status": "accepted"}`).Want(403)
		sees("other", "", "public shared")
		c.patch("other", shared, `[{"op": "add", "path": "/x", "value": "y"}]`).Want(403)
		c.upload("other", shared, []byte("x")).Want(403)
		c.As("other").Delete(self).Want(403)
		c.As("other").Post(members, `{"member": "project-4"}`).Want(403)
		c.As("other").Delete(members + "/project-2").Want(403)

		c.As("member").Delete(members + "/project-2").Want(204)
		c.As("member").Delete(members + "/project-2").Want(404).Says("project-2 not found in the member list of the image " + shared)
		c.As("other").Get(self).Want(404)

		c.As("member").Get(images + "/" + private + "/members").Want(403).Says("Only shared images have members.")
		c.As("admin").Post(images+"/"+public+"/members", `{"member": "project-2"}`).Want(403).Says("Only shared images have members.")
		for i := range 127 {
			c.As("member").Post(members, fmt.Sprintf(`{"member": "m%d"}`, i)).Want(200)
		}
		c.As("member").Post(members, `{"member": "one-more"}`).Want(413).Says("Attempted: 129, Maximum: 128")
		c.As("member").Delete(self).Want(204)
		c.As("member").Get(members).Want(404)
		c.clean()
	})
}
