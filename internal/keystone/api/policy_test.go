package api_test

import (
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gostack/internal/keystone/api"
	"gostack/internal/policy"
	"gostack/internal/rest"
	"gostack/test/upstream"
)

// Every route lets in exactly those whom upstream's policies do.
func TestPoliciesAreUpstreams(t *testing.T) {
	upstream.ComparePolicies(t, api.Services(nil)[0], "identity", upstream.PolicyExceptions{})
	rules, err := upstream.Rules(upstream.Need(t), "identity")
	if err != nil {
		t.Fatal(err)
	}
	byName := map[string]policy.Rule{}
	for _, r := range rules {
		byName[r.Name] = r
	}
	for _, r := range api.Policies {
		if diff := cmp.Diff(byName[r.Name], r); diff != "" {
			t.Errorf("%s (-upstream +here):\n%s", r.Name, diff)
		}
	}
}

var parameter = regexp.MustCompile(`\{[^}]*\}`)

// Every operation that upstream's table gives a policy, and that is served here, asks that policy.
func TestRoutesAskUpstreamsPolicies(t *testing.T) {
	rules := map[string][]string{}
	rows, err := upstream.Table(filepath.Join(upstream.Need(t), "policies.tsv"), "identity")
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range rows {
		for op := range strings.SplitSeq(row["operations"], ";") {
			key := parameter.ReplaceAllString(strings.TrimSpace(op), "{}")
			rules[key] = append(rules[key], row["policy"])
		}
	}
	// These handlers choose between policies by what they find, and the last is gone (410) for everybody.
	chosen := map[string]bool{"/roles": true, "/roles/{}": true, "/role_assignments": true, "/auth/tokens/OS-PKI/revoked": true, "/OS-TRUST/trusts": true}
	checked := 0
	for _, route := range api.Services(nil)[0].Routes {
		path := parameter.ReplaceAllString(route.Path, "{}")
		want := rules[route.Method+" /v3"+path]
		if len(want) == 0 || chosen[path] {
			continue
		}
		checked++
		if !slices.Contains(want, route.Policy) {
			t.Errorf("%s %s asks %s, upstream one of %v", route.Method, route.Path, route.Policy, want)
		}
	}
	if checked < 90 {
		t.Errorf("only %d routes were compared", checked)
	}
	for _, route := range api.Services(nil)[0].Routes {
		path := parameter.ReplaceAllString(route.Path, "{}")
		if route.Policy == rest.Authenticated && !chosen[path] {
			t.Errorf("%s %s asks no policy", route.Method, route.Path)
		}
	}
}

// TestPersonas sends requests with real tokens of every kind of caller. d is a domain with project p; the people named with "d-" have
// their role on the domain, those named with "p-" on the project, and "x-" are from another domain altogether.
func TestPersonas(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		d, far := c.domain(), c.domain()
		p, _ := c.project(d, "")
		farP, _ := c.project(far, "")
		victim, _ := c.user(d)
		g := c.group(d)
		farUser, _ := c.user(far)
		tokens := map[string]string{"admin": c.token("admin", adminPassword, adminProject), "s-admin": c.token("admin", adminPassword, system)}
		persona := func(name, domain, path, role, scope string) string {
			id, _ := c.user(domain)
			c.grant(fmt.Sprintf(path, id), role)
			tokens[name] = c.As("none").Post("/v3/auth/tokens", fmt.Sprintf(`{"auth": {"identity": {"methods": ["password"], "password": {"user":
				{"id": %q, "password": "pw"}}}, "scope": %s}}`, id, scope)).Want(201).Header.Get("X-Subject-Token")
			return id
		}
		persona("s-reader", "default", "system/users/%s", "reader", system)
		for _, role := range []string{"reader", "member", "manager", "admin"} {
			persona("d-"+role, d, "domains/"+d+"/users/%s", role, onDomain(d))
			persona("p-"+role, d, "projects/"+p+"/users/%s", role, on(p))
		}
		persona("x-manager", far, "domains/"+far+"/users/%s", "manager", onDomain(far))
		persona("x-member", far, "projects/"+farP+"/users/%s", "member", on(farP))
		tokens["admin"], tokens["s-admin"] = c.token("admin", adminPassword, adminProject), c.token("admin", adminPassword, system)

		const (
			admins    = "admin s-admin p-admin" // role:admin in a scope that the policy accepts
			withD     = admins + " d-admin"
			sysRead   = " s-reader"
			domRead   = " d-reader d-member d-manager"
			projRead  = " p-reader p-member p-manager"
			everybody = withD + sysRead + domRead + projRead + " x-manager x-member"
		)
		reader, member := c.made.RoleIDs["reader"], c.made.RoleIDs["member"]
		endpoint := c.admin().Get("/v3/endpoints").Want(200).Text("endpoints.0.id")
		for _, r := range []struct{ method, path, body, allowed string }{
			{"GET", "/domains", "", withD + sysRead + domRead + " x-manager"},
			{"GET", "/domains/" + d, "", withD + sysRead + domRead + projRead},
			{"POST", "/domains", `{"domain": {"name": "%s"}}`, admins},
			{"PATCH", "/domains/" + d, `{"domain": {"description": "x"}}`, admins},
			{"DELETE", "/domains/nothing", "", everybody}, // 404: that it is not there is told to all
			{"GET", "/projects", "", withD + sysRead + domRead + " x-manager"},
			{"GET", "/projects/" + p, "", withD + sysRead + domRead + projRead},
			{"POST", "/projects", `{"project": {"name": "%s", "domain_id": "` + d + `"}}`, withD + " d-manager"},
			{"PATCH", "/projects/" + p, `{"project": {"description": "x"}}`, withD + " d-manager"},
			{"DELETE", "/projects/nothing", "", withD},
			{"PUT", "/projects/" + p + "/tags/x", "", withD + " d-manager"},
			{"GET", "/projects/" + p + "/tags", "", withD + sysRead + domRead + projRead},
			{"GET", "/users", "", withD + sysRead + domRead + " x-manager"},
			{"GET", "/users/" + victim, "", withD + sysRead + domRead},
			{"GET", "/users/" + farUser, "", withD + sysRead + " x-manager"},
			{"POST", "/users", `{"user": {"name": "%s", "domain_id": "` + d + `"}}`, withD + " d-manager"},
			{"PATCH", "/users/" + victim, `{"user": {"description": "x"}}`, withD + " d-manager"},
			{"DELETE", "/users/nobody", "", withD},
			{"GET", "/users/" + victim + "/projects", "", withD + sysRead + domRead},
			{"GET", "/users/" + victim + "/groups", "", withD + sysRead + domRead},
			{"GET", "/groups", "", withD + sysRead + domRead + " x-manager"},
			{"GET", "/groups/" + g, "", withD + sysRead + domRead},
			{"POST", "/groups", `{"group": {"name": "%s", "domain_id": "` + d + `"}}`, withD + " d-manager"},
			{"PATCH", "/groups/" + g, `{"group": {"description": "x"}}`, withD + " d-manager"},
			{"GET", "/groups/" + g + "/users", "", withD + sysRead + domRead},
			{"PUT", "/groups/" + g + "/users/" + victim, "", withD + " d-manager"},
			{"PUT", "/groups/" + g + "/users/" + farUser, "", withD},
			{"GET", "/roles", "", withD + sysRead + " d-manager x-manager"},
			{"GET", "/roles/" + reader, "", withD + sysRead + " d-manager p-manager x-manager"},
			{"GET", "/roles/" + c.made.RoleIDs["service"], "", withD + sysRead},
			{"GET", "/roles?domain_id=" + d, "", admins + sysRead},
			{"POST", "/roles", `{"role": {"name": "%s"}}`, admins},
			{"GET", "/role_inferences", "", admins + sysRead},
			{"GET", "/roles/" + member + "/implies/" + reader, "", admins + sysRead},
			{"PUT", "/projects/" + p + "/users/" + victim + "/roles/" + reader, "", withD + " d-manager"},
			{"PUT", "/projects/" + p + "/users/" + victim + "/roles/" + c.made.RoleIDs["admin"], "", withD},
			{"PUT", "/projects/" + p + "/users/" + farUser + "/roles/" + reader, "", withD},
			{"PUT", "/domains/" + far + "/users/" + victim + "/roles/" + reader, "", withD},
			{"GET", "/projects/" + p + "/users/" + victim + "/roles", "", withD + sysRead + domRead},
			{"GET", "/projects/" + p + "/users/" + victim + "/roles/" + reader, "", withD + sysRead + domRead},
			{"PUT", "/system/users/" + victim + "/roles/" + reader, "", admins},
			{"GET", "/system/users/" + victim + "/roles", "", admins + sysRead},
			{"GET", "/role_assignments", "", withD + sysRead + domRead + " x-manager"},
			{"GET", "/role_assignments?include_subtree&scope.project.id=" + p, "", withD + sysRead + domRead},
			{"GET", "/regions", "", everybody},
			{"POST", "/regions", `{"region": {}}`, admins},
			{"GET", "/services", "", admins + sysRead},
			{"POST", "/services", `{"service": {"type": "x"}}`, admins},
			{"GET", "/endpoints", "", admins + sysRead},
			{"PATCH", "/endpoints/" + endpoint, `{"endpoint": {"enabled": true}}`, admins},
			{"GET", "/endpoints/" + endpoint, "", admins + sysRead},
			{"DELETE", "/endpoints/nothing", "", everybody},
			{"PATCH", "/domains/nothing", `{"domain": {}}`, everybody},
			{"PATCH", "/projects/" + p, `{"project": {"name": 5}}`, withD + " d-manager"}, // 400 to whom it may concern
			{"GET", "/roles/nothing", "", everybody},
			{"DELETE", "/groups/nobody", "", everybody},
			{"GET", "/auth/projects", "", everybody},
			{"GET", "/auth/domains", "", everybody},
			{"GET", "/auth/system", "", everybody},
		} {
			c.As("none").Do(r.method, "/v3"+r.path, nil).Want(401)
			for name, token := range tokens {
				var body any
				if r.body != "" {
					body = strings.ReplaceAll(r.body, "%s", c.name(name))
				}
				a := c.As(token).Do(r.method, "/v3"+r.path, body)
				allowed := slices.Contains(strings.Fields(r.allowed), name)
				if a.Code == 401 || a.Code >= 500 || allowed == (a.Code == 403) {
					t.Errorf("%s %s as %s: %d, allowed is %v\n%s", r.method, r.path, name, a.Code, allowed, a.Body)
				}
			}
		}
	})
}

// A domain's own people see their domain and nothing of others, in lists too.
func TestDomainScopedLists(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		d := c.domain()
		id, _ := c.user(d)
		p, _ := c.project(d, "")
		g := c.group(d)
		c.project("default", "")
		c.group("default")
		c.grant("domains/"+d+"/users/"+id, "reader")
		c.grant("projects/"+p+"/users/"+id, "reader")
		token := c.As("none").Post("/v3/auth/tokens", fmt.Sprintf(`{"auth": {"identity": {"methods": ["password"], "password": {"user":
			{"id": %q, "password": "pw"}}}, "scope": %s}}`, id, onDomain(d))).Want(201).Header.Get("X-Subject-Token")
		own := c.As(token)
		for path, want := range map[string]string{"users": id, "projects": p, "groups": g, "domains": d} {
			if a := own.Get("/v3/"+path).Want(200).Has(path+".0.id", want); a.Len(path) != 1 {
				t.Errorf("%s: %s", path, a.Body)
			}
			if a := own.Get("/v3/" + path + "?domain_id=default").Want(200); path != "domains" && a.Len(path) != 0 {
				t.Errorf("%s of another domain: %s", path, a.Body)
			}
		}
		if a := own.Get("/v3/role_assignments").Want(200); a.Len("role_assignments") != 2 {
			t.Errorf("role assignments %s", a.Body)
		}
		admin, far := c.admin(), c.made.AdminUserID
		for _, member := range []string{id, far} {
			admin.Put("/v3/groups/"+g+"/users/"+member, nil).Want(204)
		}
		if a := own.Get("/v3/groups/"+g+"/users").Want(200).Has("users.0.id", id); a.Len("users") != 1 {
			t.Errorf("a domain's reader sees users of other domains in a group: %s", a.Body)
		}
		own.Get("/v3/users/" + c.made.AdminUserID).Want(403)
		own.Get("/v3/users/nobody").Want(403)
		own.Get("/v3/projects/nothing").Want(403)
	})
}
