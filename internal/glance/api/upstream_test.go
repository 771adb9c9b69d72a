package api_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"gostack/internal/glance"
	"gostack/internal/glance/api"
	"gostack/internal/rest/resttest"
	"gostack/internal/store/storetest"
	"gostack/test/upstream"
)

// Every route lets in exactly those whom upstream's policies do.
func TestPoliciesAreUpstreams(t *testing.T) {
	s, err := glance.New(storetest.SQLite(t, glance.Migrations), glance.Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	upstream.ComparePolicies(t, api.Service(s), "image", upstream.PolicyExceptions{})
}

// Answers have the form that upstream's OpenAPI document gives them.
func TestAnswersFitOpenAPI(t *testing.T) {
	document := upstream.LoadOpenAPI(t, "image")
	each(t, func(t *testing.T, c *cloud) {
		id := c.active("member", body(`, "os_distro": "debian", "tags": ["a"]`), []byte("data"))
		c.create("member", `{}`)
		c.As("member").Post(images+"/"+id+"/members", `{"member": "project-2"}`).Want(200)
		fits := func(method, path string, a *resttest.Answer) {
			t.Helper()
			if err := document.Check(method, path, a.Code, a.Body); err != nil {
				t.Errorf("%s %s: %v\n%s", method, path, err, a.Body)
			}
		}
		fits("POST", "/v2/images", c.As("member").Post(images, body(`, "p": "v"`)))
		fits("PATCH", "/v2/images/"+id, c.patch("member", id, `[{"op": "add", "path": "/q", "value": "v"}]`))
		fits("POST", "/v2/images/"+id+"/members", c.As("member").Post(images+"/"+id+"/members", `{"member": "project-3"}`))
		fits("PUT", "/v2/images/"+id+"/members/project-2", c.As("other").Put(images+"/"+id+"/members/project-2", `{"status": "accepted"}`))
		// Left out, because the document is wrong there: it has schemas as strings and the usage as a list, which upstream's own
		// samples and code do not.
		for _, path := range []string{
			"/v2/images", "/v2/images?limit=1", "/v2/images/" + id, "/v2/images/" + id + "/members", "/v2/images/" + id + "/members/project-2",
			"/v2/images/" + id + "/tasks", "/v2/info/import",
		} {
			fits("GET", strings.SplitN(path, "?", 2)[0], c.As("member").Get("/image"+path).Want(200))
		}
	})
	if document.Checked == 0 {
		t.Error("no answer was checked")
	}
}

// The members of an image are those of upstream's sample, no more and no fewer.
func TestViewHasUpstreamsMembers(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		var got map[string]any
		c.As("member").Post(images, `{}`).Want(201).JSON(&got)
		want := "checksum container_format created_at disk_format file id min_disk min_ram name os_hash_algo os_hash_value os_hidden owner protected schema self size status tags updated_at virtual_size visibility"
		for _, name := range strings.Fields(want) {
			if _, there := got[name]; !there {
				t.Errorf("%s is missing", name)
			}
			delete(got, name)
		}
		if len(got) > 0 {
			b, err := json.Marshal(got)
			t.Error(fmt.Sprint("too many: ", string(b), err))
		}
	})
}
