package api_test

import (
	"slices"
	"strings"
	"testing"
	"time"
)

func TestPasswordLogin(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		a := c.login("admin", adminPassword, adminProject).Want(201).
			Has("token.user.name", "admin").Has("token.user.domain.id", "default").Has("token.user.domain.name", "Default").
			Has("token.project.name", "admin").Has("token.project.domain.id", "default").Has("token.is_domain", false).
			Has("token.methods.0", "password").Has("token.issued_at", "2026-11-22T10:00:00.000000Z").
			Has("token.expires_at", "2026-11-22T11:00:00.000000Z").Has("token.user.password_expires_at", nil)
		if a.Header.Get("X-Subject-Token") == "" || !slices.Contains(a.Header.Values("Vary"), "X-Auth-Token") {
			t.Errorf("headers %v", a.Header)
		}
		var roles []string
		for i := range a.Len("token.roles") {
			roles = append(roles, a.Text("token.roles."+string(rune('0'+i))+".name"))
		}
		if got := strings.Join(roles, " "); got != "admin manager member reader" {
			t.Errorf("roles %s", got)
		}
		if a.Len("token.audit_ids") != 1 || a.Len("token.catalog") != 3 {
			t.Errorf("audit ids or catalogue of %s", a.Body)
		}
		a.Says("http://cloud.example:5000/object-store/v1/AUTH_" + c.made.AdminProjectID)

		c.login("admin", adminPassword, unscoped).Want(201).Has("token.roles", nil).Has("token.catalog", nil).Has("token.project", nil)
		c.login("admin", adminPassword, "").Want(201).Has("token.project", nil)
		c.login("admin", adminPassword, system).Want(201).Has("token.system.all", true).Has("token.roles.0.name", "admin").
			Has("token.catalog.0.type", "compute")
		c.grant("domains/default/users/"+c.made.AdminUserID, "reader")
		s := c.login("admin", adminPassword, `{"domain": {"name": "Default"}}`).Want(201).Has("token.domain.id", "default").Has("token.roles.0.name", "reader")
		if strings.Contains(string(s.Body), "AUTH_") {
			t.Error("an address that needs a project is in a catalogue without one")
		}
		byID := `{"auth": {"identity": {"methods": ["password"], "password": {"user": {"id": "` + c.made.AdminUserID + `", "password": "` +
			adminPassword + `"}}}, "scope": {"project": {"id": "` + c.made.AdminProjectID + `"}}}}`
		c.As("none").Post("/v3/auth/tokens?nocatalog", byID).Want(201).Has("token.catalog", nil).Has("token.project.name", "admin")
	})
}

// OSSA-2021-003: nobody learns why a login failed.
func TestRefusedLoginsLookAlike(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		disabled, disabledName := c.user("default")
		c.admin().Patch("/v3/users/"+disabled, `{"user": {"enabled": false}}`).Want(200)
		_, plain := c.user("default")
		_, other := c.project("default", "")
		c.admin().Post("/v3/users", `{"user": {"name": "no-password"}}`).Want(201)
		if h := c.login("admin", "wrong", "").Want(401).Header.Get("WWW-Authenticate"); h != `Keystone uri="http://example.com/identity"` {
			t.Errorf("WWW-Authenticate: %s", h)
		}
		want := ""
		for name, a := range map[string]string{
			"wrong password":       string(c.login("admin", "wrong", "").Want(401).Body),
			"empty password":       string(c.login("admin", "", "").Want(401).Body),
			"unknown user":         string(c.login("nobody", adminPassword, "").Want(401).Body),
			"disabled user":        string(c.login(disabledName, "pw", "").Want(401).Body),
			"no password at all":   string(c.login("no-password", "", "").Want(401).Body),
			"no role on project":   string(c.login(plain, "pw", `{"project": {"name": "`+other+`", "domain": {"id": "default"}}}`).Want(401).Body),
			"unknown project":      string(c.login("admin", adminPassword, on("nothing")).Want(401).Body),
			"unknown project name": string(c.login("admin", adminPassword, `{"project": {"name": "x", "domain": {"id": "default"}}}`).Want(401).Body),
			"unknown domain":       string(c.login("admin", adminPassword, `{"domain": {"name": "x"}}`).Want(401).Body),
			"no role on domain":    string(c.login("admin", adminPassword, onDomain("default")).Want(401).Body),
			"no role on system":    string(c.login(plain, "pw", system).Want(401).Body),
			"trust":                string(c.login("admin", adminPassword, `{"OS-TRUST:trust": {"id": "x"}}`).Want(401).Body),
		} {
			if want == "" {
				want = a
			}
			if a != want || !strings.Contains(a, `"The request you have made requires authentication."`) {
				t.Errorf("%s: %s", name, a)
			}
		}
	})
}

func TestMalformedLogins(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		user := `{"name": "admin", "domain": {"id": "default"}, "password": "x"}`
		for body, says := range map[string]string{
			`{`:                          "Malformed request body",
			`{}`:                         "'auth' is a required property",
			`{"auth": {}}`:               "'identity' is a required property",
			`{"auth": {"identity": {}}}`: "'methods' is a required property",
			`{"auth": {"identity": {"methods": "password"}}}`:                                                                                                 "is not of type 'array'",
			`{"auth": {"identity": {"methods": ["password"]}}}`:                                                                                               "Expecting to find password in identity.",
			`{"auth": {"identity": {"methods": ["token"]}}}`:                                                                                                  "Expecting to find token in identity.",
			`{"auth": {"identity": {"methods": ["token"], "token": {}}}}`:                                                                                     "'id' is a required property",
			`{"auth": {"identity": {"methods": ["password"], "password": {}}}}`:                                                                               "Expecting to find id or name in user.",
			`{"auth": {"identity": {"methods": ["password"], "password": {"user": {"password": "x"}}}}}`:                                                      "id or name must be present",
			`{"auth": {"identity": {"methods": ["password"], "password": {"user": {"name": "admin", "password": "x"}}}}}`:                                     "Expecting to find domain in user.",
			`{"auth": {"identity": {"methods": ["password"], "password": {"user": {"name": "admin", "domain": {}, "password": "x"}}}}}`:                       "identity/password/user/domain: id or name must be present",
			`{"auth": {"identity": {"methods": ["password"], "password": {"user": ` + user + `}}, "scope": {}}}`:                                              "Expecting to find project, domain, OS-TRUST:trust or unscoped in scope.",
			`{"auth": {"identity": {"methods": ["password"], "password": {"user": ` + user + `}}, "scope": {"project": {}}}}`:                                 "scope/project: id or name must be present",
			`{"auth": {"identity": {"methods": ["password"], "password": {"user": ` + user + `}}, "scope": {"project": {"name": "admin"}}}}`:                  "Expecting to find domain in project.",
			`{"auth": {"identity": {"methods": ["password"], "password": {"user": ` + user + `}}, "scope": {"project": {"id": "a"}, "domain": {"id": "b"}}}}`: "Expecting to find project, domain",
			`{"auth": {"identity": {"methods": ["password"], "password": {"user": ` + user + `}}, "scope": "elsewhere"}}`:                                     "Expecting to find project, domain",
			`{"auth": {"identity": {"methods": ["password"], "password": {"user": {"name": 7}}}}}`:                                                            "is not of type 'string'",
		} {
			c.As("none").Post("/v3/auth/tokens", body).Want(400).Has("error.code", 400).Has("error.title", "Bad Request").Says(says)
		}
		c.As("none").Post("/v3/auth/tokens", `{"auth": {"identity": {"methods": ["magic"], "magic": {}}}}`).Want(401).
			Has("error.message", "Attempted to authenticate with an unsupported method.")
		c.As("none").Post("/v3/auth/tokens", `{"auth": {"identity": {"methods": ["oauth1"]}}}`).Want(401)
		c.As("none").Post("/v3/auth/tokens", `{"auth": {"identity": {"methods": []}}}`).Want(401)
	})
}

func TestTokenLogin(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		first := c.login("admin", adminPassword, unscoped).Want(201)
		c.clock.Advance(10 * time.Minute)
		second := c.rescope(first.Header.Get("X-Subject-Token"), adminProject).Want(201).
			Has("token.project.name", "admin").Has("token.methods.0", "token").Has("token.methods.1", "password").
			Has("token.expires_at", first.Text("token.expires_at")).Has("token.issued_at", "2026-11-22T10:10:00.000000Z").
			Has("token.audit_ids.1", first.Text("token.audit_ids.0"))
		third := c.rescope(second.Header.Get("X-Subject-Token"), unscoped).Want(201).Has("token.project", nil)
		if third.Text("token.audit_ids.1") != first.Text("token.audit_ids.0") {
			t.Error("the chain does not begin with the first token")
		}
		sys := c.token("admin", adminPassword, system)
		c.rescope(sys, adminProject).Want(403).Says("Using a system-scoped token to create a project-scoped or domain-scoped token is not allowed.")
		c.rescope(sys, "").Want(201)
		c.rescope("gAAAAABnonsense", adminProject).Want(404)
		c.clock.Advance(51 * time.Minute)
		c.rescope(first.Header.Get("X-Subject-Token"), adminProject).Want(404)
	})
}

func TestValidate(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		id, name := c.user("default")
		p, _ := c.project("default", "")
		c.grant("projects/"+p+"/users/"+id, "member")
		token := c.token(name, "pw", on(p))
		issued := c.login(name, "pw", on(p)).Want(201)
		subject := issued.Header.Get("X-Subject-Token")

		shown := c.As(token).With("X-Subject-Token", subject).Get("/v3/auth/tokens").Want(200).Has("token.roles.0.name", "member")
		if string(shown.Body) != string(issued.Body) || shown.Header.Get("X-Subject-Token") != subject {
			t.Errorf("shown as\n%s\nissued as\n%s", shown.Body, issued.Body)
		}
		c.admin().With("X-Subject-Token", subject).Get("/v3/auth/tokens?nocatalog").Want(200).Has("token.catalog", nil)
		if a := c.admin().With("X-Subject-Token", subject).Head("/v3/auth/tokens").Want(200); a.Header.Get("X-Subject-Token") != subject {
			t.Error("HEAD does not name the token")
		}
		c.admin().Get("/v3/auth/tokens").Want(404).Has("error.message", "No token in the request")
		c.admin().With("X-Subject-Token", "gAAAAABnonsense").Get("/v3/auth/tokens").Want(404).Has("error.title", "Not Found")
		// Somebody else's token is nobody's business.
		id2, name2 := c.user("default")
		c.grant("projects/"+p+"/users/"+id2, "member")
		stranger := c.As(c.token(name2, "pw", on(p)))
		stranger.With("X-Subject-Token", subject).Get("/v3/auth/tokens").Want(403)
		stranger.With("X-Subject-Token", subject).Head("/v3/auth/tokens").Want(403)
		stranger.With("X-Subject-Token", subject).Delete("/v3/auth/tokens").Want(403)
		// Services validate tokens, and after their end too for a while.
		c.grant("projects/"+p+"/users/"+id2, "service")
		stranger.With("X-Subject-Token", subject).Get("/v3/auth/tokens").Want(200)
		c.clock.Advance(time.Hour)
		c.As(token).Get("/v3/auth/projects").Want(401)
		service := c.As(c.token(name2, "pw", on(p)))
		service.With("X-Subject-Token", subject).Get("/v3/auth/tokens").Want(404)
		service.With("X-Subject-Token", subject).Get("/v3/auth/tokens?allow_expired=1").Want(200)
		c.clock.Advance(48 * time.Hour)
		service = c.As(c.token(name2, "pw", on(p)))
		service.With("X-Subject-Token", subject).Get("/v3/auth/tokens?allow_expired=1").Want(404)
	})
}

func TestAuthLists(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		id, name := c.user("default")
		p, _ := c.project("default", "")
		child, _ := c.project("default", p)
		c.grant("projects/"+p+"/users/"+id, "reader")
		d := c.domain()
		g := c.group("default")
		c.admin().Put("/v3/groups/"+g+"/users/"+id, nil).Want(204)
		c.grant("domains/"+d+"/groups/"+g, "reader")
		api := c.As(c.token(name, "pw", unscoped))
		if a := api.Get("/v3/auth/projects").Want(200).Has("projects.0.id", p); a.Len("projects") != 1 {
			t.Errorf("projects %s", a.Body)
		}
		api.Get("/v3/auth/domains").Want(200).Has("domains.0.id", d)
		api.Get("/v3/auth/system").Want(200).Has("system", "[]")
		api.Get("/v3/auth/catalog").Want(403)
		c.admin().Put("/v3/OS-INHERIT/projects/"+p+"/users/"+id+"/roles/"+c.made.RoleIDs["reader"]+"/inherited_to_projects", nil).Want(204)
		c.grant("system/groups/"+g, "reader")
		if a := api.Get("/v3/auth/projects").Want(200); a.Len("projects") != 2 {
			t.Errorf("projects %s", a.Body)
		}
		api.Get("/v3/auth/system").Want(200).Has("system.0.all", true)
		c.As(c.token(name, "pw", on(child))).Get("/v3/auth/catalog").Want(200).Has("catalog.0.name", "nova").
			Has("links.self", "http://example.com/v3/auth/catalog")
	})
}
