package api_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"gostack/internal/keystone"
	"gostack/internal/rest/resttest"
	"gostack/internal/store/storetest"
)

// What a project's catalogue shows follows the endpoints and groups it was given; without any it shows all.
func TestEndpointFilter(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		admin := c.admin()
		_, name, project := c.worker("reader")
		const filter = "/v3/OS-EP-FILTER"
		compute := admin.Get("/v3/services?type=compute").Text("services.0.id")
		public := admin.Get("/v3/endpoints?interface=public&service_id=" + compute).Text("endpoints.0.id")
		one := filter + "/projects/" + project + "/endpoints/" + public
		admin.Head(one).Want(404)
		admin.Put(filter+"/projects/nothing/endpoints/"+public, nil).Want(404)
		admin.Get(filter+"/projects/"+project+"/endpoints").Want(200).Has("endpoints.0", nil)
		if n := c.login(name, "pw", on(project)).Want(201).Len("token.catalog"); n != 3 {
			t.Errorf("%d services without a filter", n)
		}
		admin.Put(one, nil).Want(204)
		admin.Put(one, nil).Want(409)
		admin.Get(one).Want(204)
		admin.Get(filter+"/endpoints/"+public+"/projects").Want(200).Has("projects.0.id", project)
		admin.Get(filter+"/projects/"+project+"/endpoints").Want(200).Has("endpoints.0.id", public)
		c.login(name, "pw", on(project)).Want(201).Has("token.catalog.0.type", "compute").Has("token.catalog.0.endpoints.0.interface", "public").
			Has("token.catalog.0.endpoints.1", nil).Has("token.catalog.1", nil)
		if n := c.login("admin", adminPassword, adminProject).Want(201).Len("token.catalog"); n != 3 {
			t.Errorf("another project's filter counts for all: %d", n)
		}
		for _, filters := range []string{`{"strange": "x"}`, `{"interface": "private"}`} {
			admin.Post(filter+"/endpoint_groups", `{"endpoint_group": {"name": "g", "filters": `+filters+`}}`).Want(400)
		}
		g := admin.Post(filter+"/endpoint_groups", `{"endpoint_group": {"name": "g", "description": "d", "filters": {"interface": "admin"}}}`).
			Want(201).Has("endpoint_group.filters.interface", "admin").Text("endpoint_group.id")
		group := filter + "/endpoint_groups/" + g
		if n := admin.Get(group + "/endpoints").Want(200).Len("endpoints"); n != 3 {
			t.Errorf("%d admin endpoints", n)
		}
		admin.Get(filter+"/endpoint_groups?name=g").Want(200).Has("endpoint_groups.0.id", g)
		admin.Get(group + "/projects/" + project).Want(404)
		admin.Put(group+"/projects/"+project, nil).Want(204)
		admin.Get(group+"/projects/"+project).Want(200).Has("project.id", project)
		admin.Get(group+"/projects").Want(200).Has("projects.0.id", project)
		admin.Get(filter+"/projects/"+project+"/endpoint_groups").Want(200).Has("endpoint_groups.0.id", g)
		if n := c.login(name, "pw", on(project)).Want(201).Len("token.catalog"); n != 3 {
			t.Errorf("%d services with the group", n)
		}
		admin.Patch(group, `{"endpoint_group": {"filters": {"service_id": "`+compute+`"}}}`).Want(200).Has("endpoint_group.name", "g").
			Has("endpoint_group.filters.interface", nil)
		c.login(name, "pw", on(project)).Want(201).Has("token.catalog.1", nil)
		admin.Delete(group + "/projects/" + project).Want(204)
		admin.Delete(group + "/projects/" + project).Want(404)
		admin.Delete(one).Want(204)
		admin.Delete(one).Want(404)
		admin.Delete(group).Want(204)
		admin.Get(group).Want(404)
	})
}

func TestServicePolicies(t *testing.T) {
	once(t, func(t *testing.T, c *cloud) {
		admin := c.admin()
		admin.Post("/v3/policies", `{"policy": {"type": "x"}}`).Want(400)
		id := admin.Post("/v3/policies", `{"policy": {"type": "application/json", "blob": "{'x': 'role:y'}", "note": 1}}`).Want(201).
			Has("policy.blob", "{'x': 'role:y'}").Has("policy.note", 1).Text("policy.id")
		other := admin.Post("/v3/policies", `{"policy": {"type": "text", "blob": {"a": ["b"]}}}`).Want(201).Has("policy.blob.a.0", "b").Text("policy.id")
		admin.Get("/v3/policies?type=text").Want(200).Has("policies.0.id", other).Has("policies.1", nil)
		admin.Patch("/v3/policies/"+id, `{"policy": {"blob": "new"}}`).Want(200).Has("policy.blob", "new").Has("policy.type", "application/json")

		admin.Post("/v3/regions", `{"region": {"id": "inner", "parent_region_id": "RegionOne"}}`).Want(201)
		compute := admin.Get("/v3/services?type=compute").Text("services.0.id")
		e := admin.Post("/v3/endpoints", fmt.Sprintf(`{"endpoint": {"interface": "public", "service_id": %q, "region_id": "inner", "url": "http://x/"}}`,
			compute)).Want(201).Text("endpoint.id")
		of := "/v3/endpoints/" + e + "/OS-ENDPOINT-POLICY/policy"
		admin.Get(of).Want(404)
		base := "/v3/policies/" + id + "/OS-ENDPOINT-POLICY"
		theirs := "/v3/policies/" + other + "/OS-ENDPOINT-POLICY"
		// The nearest association rules: endpoint, region and those above, service.
		admin.Put(base+"/services/"+compute, nil).Want(204)
		admin.Get(base + "/services/" + compute).Want(204)
		admin.Get(of).Want(200).Has("policy.id", id)
		admin.Put(theirs+"/services/"+compute+"/regions/RegionOne", nil).Want(204)
		admin.Head(of).Want(200)
		admin.Get(of).Want(200).Has("policy.id", other)
		admin.Put(base+"/endpoints/"+e, nil).Want(204)
		admin.Get(of).Want(200).Has("policy.id", id)
		admin.Get(base+"/endpoints").Want(200).Has("endpoints.0.id", e).Has("endpoints.1", nil)
		admin.Delete(base + "/endpoints/" + e).Want(204)
		admin.Head(base + "/endpoints/" + e).Want(404)
		admin.Put(base+"/endpoints/nothing", nil).Want(404)
		admin.Delete("/v3/policies/" + other).Want(204)
		admin.Get(of).Want(200).Has("policy.id", id)
		admin.Delete("/v3/policies/" + id).Want(204)
		admin.Get("/v3/policies/" + id).Want(404)
		admin.Get(of).Want(404)
	})
}

func TestDomainConfiguration(t *testing.T) {
	once(t, func(t *testing.T, c *cloud) {
		admin := c.admin()
		d := c.domain()
		all := "/v3/domains/" + d + "/config"
		admin.Get(all).Want(404)
		for body, code := range map[string]int{
			`{"config": {}}`:                       403,
			`{"config": {"strange": {"x": 1}}}`:    403,
			`{"config": {"ldap": {"strange": 1}}}`: 403,
			`{"config": {"ldap": {}}}`:             403,
			`{"config": {"ldap": "x"}}`:            403,
			`{}`:                                   400,
		} {
			if a := admin.Put(all, body); a.Code != code {
				t.Errorf("%s: %d, want %d\n%s", body, a.Code, code, a.Body)
			}
		}
		const body = `{"config": {"ldap": {"url": "ldap://x", "password": "never-shown"}, "identity": {"driver": "ldap"}}}`
		a := admin.Put(all, body).Want(201).Has("config.ldap.url", "ldap://x").Has("config.identity.driver", "ldap")
		if strings.Contains(string(a.Body), "never-shown") {
			t.Error("a secret is shown")
		}
		admin.Put(all, body).Want(200)
		admin.Get(all+"/ldap").Want(200).Has("config.ldap.url", "ldap://x").Has("config.ldap.password", nil)
		admin.Get(all+"/ldap/url").Want(200).Has("config.url", "ldap://x")
		admin.Get(all + "/ldap/password").Want(404)
		admin.Get(all + "/ldap/suffix").Want(404)
		admin.Get(all + "/strange").Want(403)
		admin.Patch(all, `{"config": {"ldap": {"suffix": "s"}}}`).Want(200).Has("config.ldap.suffix", "s").Has("config.ldap.url", "ldap://x")
		admin.Patch(all+"/ldap", `{"config": {"ldap": {"url": "y"}}}`).Want(200).Has("config.ldap.url", "y")
		admin.Patch(all+"/ldap", `{"config": {"identity": {"driver": "y"}}}`).Want(403)
		admin.Patch(all+"/ldap/url", `{"config": {"url": "z"}}`).Want(200).Has("config.ldap.url", "z")
		admin.Patch(all+"/ldap/user", `{"config": {"user": "z"}}`).Want(404)
		admin.Delete(all + "/ldap/url").Want(204)
		admin.Delete(all + "/ldap/url").Want(404)
		admin.Delete(all + "/ldap").Want(204)
		admin.Delete(all).Want(204)
		admin.Get(all).Want(404)
		admin.Get("/v3/domains/config/default").Want(200).Has("config.identity.driver", "sql").Has("config.ldap.page_size", 0)
		admin.Get("/v3/domains/config/ldap/default").Want(200).Has("config.ldap.query_scope", "one").Has("config.identity", nil)
		admin.Get("/v3/domains/config/ldap/url/default").Want(200).Has("config.url", "ldap://localhost")
		admin.Get("/v3/domains/config/ldap/password/default").Want(403)
		_, name, project := c.worker("reader")
		me := c.As(c.token(name, "pw", on(project)))
		me.Get("/v3/domains/default/config/security_compliance").Want(200).Has("config.security_compliance.password_regex", nil)
		me.Get("/v3/domains/" + d + "/config/security_compliance").Want(403)
		me.Get("/v3/domains/default/config/security_compliance/lockout").Want(403)
		for path, config := range map[string]string{"": `{"security_compliance": {"password_regex": "x"}}`, "/password_regex": `{"password_regex": "x"}`} {
			for _, anybody := range []*resttest.API{me, c.admin()} {
				anybody.Patch("/v3/domains/default/config/security_compliance"+path, `{"config": `+config+`}`).Want(403)
				anybody.Delete("/v3/domains/default/config/security_compliance" + path).Want(403)
			}
		}
	})
}

func TestRevocationEvents(t *testing.T) {
	once(t, func(t *testing.T, c *cloud) {
		c.admin().With("X-Subject-Token", c.token("admin", adminPassword, adminProject)).Delete("/v3/auth/tokens").Want(204)
		admin := c.admin()
		events := admin.Get("/v3/OS-REVOKE/events").Want(200)
		if events.Len("events") != 1 || events.Text("events.0.audit_id") == "" {
			t.Errorf("%s", events.Body)
		}
		admin.Get("/v3/OS-REVOKE/events?since=2026-11-22T11:00:00Z").Want(200).Has("events.0", nil)
		admin.Get("/v3/OS-REVOKE/events?since=yesterday").Want(400)
		_, name, project := c.worker("member")
		c.As(c.token(name, "pw", on(project))).Get("/v3/OS-REVOKE/events").Want(403)
		c.As("none").Get("/v3/OS-SIMPLE-CERT/ca").Want(410)
		c.As("none").Get("/v3/OS-SIMPLE-CERT/certificates").Want(410)
	})
}

func TestPasswordRules(t *testing.T) {
	c := cloudWith(t, storetest.Either(t, keystone.Migrations), keystone.Options{PasswordRules: keystone.PasswordRules{
		Regex: `^pw`, RegexDescription: "begins with pw", LockoutAttempts: 3, LockoutDuration: 10 * time.Minute, ExpiresDays: 30, UniqueLast: 3,
		MinimumAgeDays: 1, InactiveDays: 90, ChangeUponFirstUse: true,
	}, TokenLifetime: 400 * 24 * time.Hour})
	c.admin().Patch("/v3/users/"+c.made.AdminUserID, `{"user": {"options": {"ignore_user_inactivity": true}}}`).Want(200)
	admin := c.admin()
	id, name := c.user("default") // with "pw"
	change := func(from, to string) int {
		return c.As("none").Post("/v3/users/"+id+"/password", fmt.Sprintf(`{"user": {"original_password": %q, "password": %q}}`, from, to)).Code
	}
	try := func(password string) int { return c.login(name, password, unscoped).Code }
	expect := func(what string, got, want int) {
		t.Helper()
		if got != want {
			t.Errorf("%s: %d, want %d", what, got, want)
		}
	}
	admin.Post("/v3/users", `{"user": {"name": "x", "password": "xx"}}`).Want(400).Says("begins with pw")
	c.login(name, "pw", unscoped).Want(401).Says("expired and needs to be changed") // somebody else set it
	expect("a password that breaks the rule", change("pw", "xx"), 400)
	expect("the first change", change("pw", "pw1"), 204)
	c.clock.Advance(time.Second)
	expect("login", try("pw1"), 201)
	admin.Get("/v3/users/"+id).Want(200).Has("user.password_expires_at", "2026-12-22T10:00:00.400000")
	expect("a second change on the same day", change("pw1", "pw2"), 400)
	c.clock.Advance(25 * time.Hour)
	expect("back to the one before", change("pw1", "pw"), 400)
	expect("another", change("pw1", "pw2"), 204)

	// Three wrong ones lock the account, for the right one too, and nobody is told (OSSA-2021-003).
	c.clock.Advance(time.Minute)
	for range 3 {
		expect("wrong", try("no"), 401)
	}
	locked := c.login(name, "pw2", unscoped).Want(401)
	if unknown := c.login("nobody", "pw2", unscoped).Want(401); string(unknown.Body) != string(locked.Body) {
		t.Errorf("a locked account shows: %s, an unknown one %s", locked.Body, unknown.Body)
	}
	expect("a change while locked", change("pw2", "pw9"), 401)
	c.clock.Advance(11 * time.Minute)
	expect("after the lock", try("pw2"), 201)
	for range 3 {
		try("no")
	}
	admin.Patch("/v3/users/"+id, `{"user": {"password": "pw3"}}`).Want(200)
	c.clock.Advance(25 * time.Hour)
	expect("a reset ends the lock, and must be changed", change("pw3", "pw4"), 204)

	c.clock.Advance(31 * 24 * time.Hour)
	c.login(name, "pw4", unscoped).Want(401).Says("expired")
	admin.Patch("/v3/users/"+id, `{"user": {"options": {"ignore_password_expiry": true, "ignore_lockout_failure_attempts": true}}}`).Want(200)
	expect("expiry is ignored", try("pw4"), 201)
	for range 4 {
		try("no")
	}
	expect("no lock", try("pw4"), 201)
	expect("a time filter", admin.Get("/v3/users?password_expires_at=lt:2027-12-22T10:00:00Z").Want(200).Code, 200)

	c.clock.Advance(92 * 24 * time.Hour)
	expect("after long silence", try("pw4"), 401)
	admin.Get("/v3/users/"+id).Want(200).Has("user.enabled", false)
	admin.Patch("/v3/users/"+id, `{"user": {"enabled": false}}`).Want(200)
	admin.Patch("/v3/users/"+id, `{"user": {"enabled": true}}`).Want(200)
	c.clock.Advance(time.Minute)
	expect("enabled again", try("pw4"), 201)
}
