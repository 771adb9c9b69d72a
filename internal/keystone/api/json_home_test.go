package api

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"gostack/internal/keystone"
	"gostack/internal/rest/resttest"
)

// Every path has a relation, but for those that upstream has none for, and every relation has a path.
func TestHomeHasAllPaths(t *testing.T) {
	none := []string{"/domains/{domain_id}/config/security_compliance", "/domains/{domain_id}/config/security_compliance/{option}", "/projects/{project_id}/tags"}
	paths := map[string]bool{}
	for _, route := range (&api{&keystone.Service{}}).routes() {
		paths[route.Path] = true
	}
	for _, path := range none {
		delete(paths, path)
	}
	names := map[string]string{}
	for path := range paths {
		if relations[path] == "" {
			t.Errorf("%s has no relation", path)
		}
	}
	for path, name := range relations {
		name = extensionOf(path) + " " + name
		if !paths[path] || names[name] != "" {
			t.Errorf("%s is no path, or %s is that of %s too", path, name, names[name])
		}
		names[name] = path
	}
}

func TestHomeDocuments(t *testing.T) {
	a := resttest.New(t, Services(&keystone.Service{})...)
	ask := func(path, accept string) (status int, kind string, resources map[string]map[string]any) {
		t.Helper()
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
		if accept != "" {
			r.Header.Set("Accept", accept)
		}
		w := httptest.NewRecorder()
		a.Handler.ServeHTTP(w, r)
		var doc struct{ Resources map[string]map[string]any }
		if err := json.Unmarshal(w.Body.Bytes(), &doc); err != nil {
			t.Fatalf("%s: %s", path, w.Body)
		}
		return w.Code, w.Header().Get("Content-Type"), doc.Resources
	}
	for accept, home := range map[string]bool{
		"": false, "application/json": false, "*/*": false, "text/html": false, "application/json-home": true, "application/json-home; q=0": false,
		"application/json-home, application/json;q=0.9": true, "application/json, application/json-home;q=0.9": false, "application/json-home;q=0.5, */*;q=0.1": true,
	} {
		if status, kind, _ := ask("/v3", accept); status != 200 || strings.HasPrefix(kind, jsonHome) != home {
			t.Errorf("%q: %d %s", accept, status, kind)
		}
		if status, _, _ := ask("/identity", accept); (status == 200) != home || (status == 300) == home {
			t.Errorf("%q: %d", accept, status)
		}
	}
	const base = "https://docs.openstack.org/api/openstack-identity/3/"
	for path, prefix := range map[string]string{"/v3": "", "/identity/v3/": "", "/identity": "/identity/v3"} {
		_, _, doc := ask(path, jsonHome)
		if got := doc[base+"rel/auth_tokens"]["href"]; got != prefix+"/auth/tokens" {
			t.Errorf("%s: %v", path, got)
		}
		for relation, want := range map[string]string{
			"rel/implied_role":                          `{"href-template":"/roles/{prior_role_id}/implies/{implied_role_id}","href-vars":{"implied_role_id":"param/role_id","prior_role_id":"param/role_id"}}`,
			"rel/limit_model":                           `{"hints":{"status":"experimental"},"href":"/limits/model"}`,
			"rel/project_tags":                          `{"href-template":"/projects/{project_id}/tags/{value}","href-vars":{"project_id":"param/project_id","value":"param/tag_value"}}`,
			"ext/OS-TRUST/1.0/rel/trust_role":           `{"href-template":"/OS-TRUST/trusts/{trust_id}/roles/{role_id}","href-vars":{"role_id":"param/role_id","trust_id":"ext/OS-TRUST/1.0/param/trust_id"}}`,
			"ext/OS-EC2/1.0/rel/user_credential":        `{"href-template":"/users/{user_id}/credentials/OS-EC2/{credential_id}","href-vars":{"credential_id":"ext/OS-EC2/1.0/param/credential_id","user_id":"param/user_id"}}`,
			"ext/s3tokens/1.0/rel/s3tokens":             `{"href":"/s3tokens"}`,
			"ext/OS-PKI/1.0/rel/revocations":            `{"href":"/auth/tokens/OS-PKI/revoked"}`,
			"ext/OS-EP-FILTER/1.0/rel/project_endpoint": `{"href-template":"/OS-EP-FILTER/projects/{project_id}/endpoints/{endpoint_id}","href-vars":{"endpoint_id":"param/endpoint_id","project_id":"param/project_id"}}`,
		} {
			got, err := json.Marshal(doc[base+relation])
			if err != nil {
				t.Fatal(err)
			}
			if text := strings.ReplaceAll(strings.ReplaceAll(string(got), base, ""), `":"`+prefix+"/", `":"/`); text != want {
				t.Errorf("%s: %s", relation, text)
			}
		}
	}
}
