package api_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"

	"gostack/internal/store"
)

// statements runs one request and returns how many statements it cost.
func (c *cloud) statements(method, path, token, body string) int {
	c.t.Helper()
	ctx, counter := store.Count(context.Background())
	r := httptest.NewRequestWithContext(ctx, method, path, strings.NewReader(body))
	r.Header.Set("X-Auth-Token", token)
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	c.Handler.ServeHTTP(w, r)
	if w.Code >= 300 {
		c.t.Fatalf("%s %s: %d %s", method, path, w.Code, w.Body)
	}
	return counter.Statements()
}

// The budgets of the architecture, section 7: showing one thing costs at most 2 statements, a list 3 whatever its length, a write 12; a
// token that has been seen costs none.
func TestStatementBudgets(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		d := c.domain()
		u, _ := c.user(d)
		p, _ := c.project(d, "")
		g := c.group(d)
		c.admin().Put("/v3/groups/"+g+"/users/"+u, nil).Want(204)
		for range 5 {
			c.user(d)
			id, _ := c.project(d, p)
			c.grant("projects/"+id+"/users/"+u, "member")
		}
		c.grant("projects/"+p+"/users/"+u, "member")
		token := c.token("admin", adminPassword, adminProject)
		svc := c.admin().Get("/v3/services").Want(200).Text("services.0.id")
		reader := c.made.RoleIDs["reader"]
		for _, b := range []struct {
			budget       int
			method, path string
			body         string
		}{
			{0, "GET", "/v3/", ""},
			{0, "GET", "/v3/auth/catalog", ""},
			{2, "GET", "/v3/auth/projects", ""},
			{2, "GET", "/v3/auth/domains", ""},
			{2, "GET", "/v3/users/" + u, ""},
			{2, "GET", "/v3/projects/" + p, ""},
			{2, "GET", "/v3/domains/" + d, ""},
			{2, "GET", "/v3/groups/" + g, ""},
			{2, "GET", "/v3/roles/" + reader, ""},
			{2, "GET", "/v3/services/" + svc, ""},
			{3, "GET", "/v3/users", ""},
			{3, "GET", "/v3/projects", ""},
			{3, "GET", "/v3/domains", ""},
			{3, "GET", "/v3/groups", ""},
			{3, "GET", "/v3/groups/" + g + "/users", ""},
			{3, "GET", "/v3/users/" + u + "/projects", ""},
			{3, "GET", "/v3/roles", ""},
			{3, "GET", "/v3/role_inferences", ""},
			{3, "GET", "/v3/endpoints", ""},
			{3, "GET", "/v3/services", ""},
			{3, "GET", "/v3/regions", ""},
			{1, "GET", "/v3/role_assignments", ""},
			{6, "GET", "/v3/role_assignments?include_names", ""},
			{9, "GET", "/v3/role_assignments?include_names&effective", ""},
			{3, "GET", "/v3/projects/" + p + "/users/" + u + "/roles", ""},
			{12, "POST", "/v3/users", `{"user": {"name": "fresh", "domain_id": "` + d + `"}}`},
			{12, "POST", "/v3/projects", `{"project": {"name": "fresh", "domain_id": "` + d + `", "parent_id": "` + p + `"}}`},
			{12, "PUT", "/v3/projects/" + p + "/users/" + u + "/roles/" + reader, ""},
			{12, "POST", "/v3/endpoints", `{"endpoint": {"interface": "public", "url": "http://x", "service_id": "` + svc + `"}}`},
			{3, "GET", "/v3/credentials", ""},
			{3, "GET", "/v3/users/" + u + "/application_credentials", ""},
			{3, "GET", "/v3/users/" + c.made.AdminUserID + "/access_rules", ""},
			{3, "GET", "/v3/OS-TRUST/trusts", ""},
			{3, "GET", "/v3/limits", ""},
			{3, "GET", "/v3/registered_limits", ""},
			{1, "GET", "/v3/limits/model", ""},
			{3, "GET", "/v3/policies", ""},
			{3, "GET", "/v3/OS-EP-FILTER/endpoint_groups", ""},
			{4, "GET", "/v3/OS-EP-FILTER/projects/" + p + "/endpoints", ""},
			{3, "GET", "/v3/OS-OAUTH1/consumers", ""},
			{3, "GET", "/v3/OS-REVOKE/events", ""},
			{2, "GET", "/v3/domains/config/default", ""},
			{12, "POST", "/v3/credentials", fmt.Sprintf(`{"credential": {"type": "x", "user_id": %q, "blob": "b"}}`, u)},
			{12, "POST", "/v3/policies", `{"policy": {"type": "x", "blob": "b"}}`},
			{12, "POST", "/v3/OS-OAUTH1/consumers", `{"consumer": {}}`},
			{12, "POST", "/v3/registered_limits", fmt.Sprintf(`{"registered_limits": [{"service_id": %q, "resource_name": "x", "default_limit": 1}]}`, svc)},
			{6, "POST", "/v3/auth/tokens", fmt.Sprintf(`{"auth": {"identity": {"methods": ["password"], "password": {"user": {"name": "admin",
				"domain": {"name": "Default"}, "password": %q}}}, "scope": %s}}`, adminPassword, adminProject)},
		} {
			c.statements("GET", "/v3/", token, "") // looks the token up again after a write
			if n := c.statements(b.method, b.path, token, b.body); n > b.budget {
				t.Errorf("%s %s costs %d statements, budget %d", b.method, b.path, n, b.budget)
			}
		}
	})
}
