package api_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"gostack/internal/placement"
	"gostack/internal/placement/api"
	"gostack/internal/rest/resttest"
	"gostack/internal/store/storetest"
)

// neverFails sends a request and fails the test for anything that is our fault.
func neverFails(t *testing.T, handler http.Handler, method, path, body, version string) {
	t.Helper()
	req := httptest.NewRequest(method, "/placement/x", strings.NewReader(body))
	target, query, _ := strings.Cut(path, "?")
	req.URL = &url.URL{Path: "/placement" + target, RawQuery: query}
	req.Header.Set("X-Auth-Token", "admin")
	req.Header.Set("OpenStack-API-Version", "placement "+version)
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	w := httptest.NewRecorder()
	if handler.ServeHTTP(w, req); w.Code >= 500 {
		t.Errorf("%s %s %s at %s: %d %s", method, path, body, version, w.Code, w.Body)
	}
}

func fuzzed(f *testing.F) http.Handler {
	f.Helper()
	c := &cloud{API: resttest.New(f, api.New(&placement.Service{DB: storetest.SQLite(f, placement.Migrations)}))}
	c.provider(rp1, "", "VCPU", 8)
	c.provider(rp2, rp1, "VGPU", 2)
	return c.Handler
}

func FuzzQueries(f *testing.F) {
	handler := fuzzed(f)
	for _, query := range []string{
		"resources=VCPU:1&required=HW_CPU_X86_AVX2,!CUSTOM_A&member_of=in:" + agg1 + "," + agg2,
		"resources1=VCPU:1&resources_A=VGPU:1&group_policy=isolate&same_subtree=1,_A&root_required=!COMPUTE_NODE&limit=3",
		"resources=VCPU:9999999999999999999", "resources=:&required=in:", "limit=99999999999999999999&resources=VCPU:1", "%zz", "resources=VCPU:%00",
	} {
		f.Add(query)
	}
	f.Fuzz(func(t *testing.T, query string) {
		for _, path := range []string{"/allocation_candidates?", "/resource_providers?", "/traits?", "/usages?"} {
			for _, version := range []string{"1.10", "1.28", "1.39"} {
				neverFails(t, handler, "GET", path+query, "", version)
			}
		}
	})
}

func FuzzBodies(f *testing.F) {
	handler := fuzzed(f)
	for _, body := range []string{
		`{"allocations": {"` + rp1 + `": {"resources": {"VCPU": 1}}}, "project_id": "p", "user_id": "u", "consumer_generation": null, "consumer_type": "INSTANCE"}`,
		`{"` + con1 + `": {"allocations": {}, "project_id": "p", "user_id": "u", "consumer_generation": 1e3, "consumer_type": "X"}}`,
		`{"resource_provider_generation": 1.0, "inventories": {"VCPU": {"total": 1e9, "allocation_ratio": 1e38}, "x": 7}}`,
		`{"name": "\u0000", "uuid": "` + rp3 + `", "parent_provider_uuid": null}`, `[]`, `null`, `{"traits": [""], "resource_provider_generation": -1}`,
	} {
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body string) {
		for path, method := range map[string]string{
			"/allocations/" + con1: "PUT", "/allocations": "POST", "/resource_providers/" + rp1 + "/inventories": "PUT", "/resource_providers": "POST",
			"/resource_providers/" + rp1 + "/traits": "PUT", "/resource_providers/" + rp1 + "/aggregates": "PUT", "/resource_providers/" + rp2: "PUT",
			"/reshaper": "POST", "/resource_classes": "POST",
		} {
			neverFails(t, handler, method, path, body, "1.39")
		}
	})
}

func FuzzNames(f *testing.F) {
	handler := fuzzed(f)
	f.Add("CUSTOM_A")
	f.Add("a/b")
	f.Add("%00")
	f.Fuzz(func(t *testing.T, name string) {
		for path, methods := range map[string]string{
			"/traits/": "GET PUT DELETE", "/resource_classes/": "GET PUT DELETE", "/resource_providers/": "GET DELETE", "/allocations/": "GET DELETE",
			"/resource_providers/" + rp1 + "/inventories/": "GET DELETE",
		} {
			for method := range strings.FieldsSeq(methods) {
				neverFails(t, handler, method, path+name, "", "1.39")
			}
		}
	})
}
