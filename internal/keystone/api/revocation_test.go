package api_test

import (
	"fmt"
	"testing"
	"time"

	"gostack/internal/keystone/api"
	"gostack/internal/rest"
	"gostack/internal/rest/resttest"
)

// good tells whether a token still lets its owner in.
func (c *cloud) good(token string) bool {
	return c.As(token).Get("/v3/auth/projects").Code == 200
}

func TestRevokedTokens(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		root := c.token("admin", adminPassword, unscoped)
		one := c.rescope(root, adminProject).Want(201).Header.Get("X-Subject-Token")
		two := c.rescope(root, adminProject).Want(201).Header.Get("X-Subject-Token")
		other := c.token("admin", adminPassword, unscoped)
		c.As(one).With("X-Subject-Token", one).Delete("/v3/auth/tokens").Want(204)
		if c.good(one) || !c.good(two) || !c.good(root) {
			t.Error("revoking a rescoped token must end that token only")
		}
		c.As(two).With("X-Subject-Token", one).Delete("/v3/auth/tokens").Want(404)
		c.rescope(one, adminProject).Want(404)
		c.As(root).With("X-Subject-Token", root).Delete("/v3/auth/tokens").Want(204)
		if c.good(root) || !c.good(two) || !c.good(other) {
			t.Error("revoking the token that others were made from must end that token only")
		}
	})
}

// What happens to a user, a project or a grant is seen by the very next request of an old token.
func TestTokensLoseTheirWorthAtOnce(t *testing.T) {
	endings := map[string]func(c *cloud, user, project, group string){
		"user disabled": func(c *cloud, u, _, _ string) {
			c.admin().Patch("/v3/users/"+u, `{"user": {"enabled": false}}`).Want(200)
		},
		"user deleted": func(c *cloud, u, _, _ string) { c.admin().Delete("/v3/users/" + u).Want(204) },
		"password reset": func(c *cloud, u, _, _ string) {
			c.admin().Patch("/v3/users/"+u, `{"user": {"password": "new"}}`).Want(200)
		},
		"left the group":  func(c *cloud, u, _, g string) { c.admin().Delete("/v3/groups/" + g + "/users/" + u).Want(204) },
		"group deleted":   func(c *cloud, _, _, g string) { c.admin().Delete("/v3/groups/" + g).Want(204) },
		"project deleted": func(c *cloud, _, p, _ string) { c.admin().Delete("/v3/projects/" + p).Want(204) },
		"project disabled": func(c *cloud, _, p, _ string) {
			c.admin().Patch("/v3/projects/"+p, `{"project": {"enabled": false}}`).Want(200)
		},
		"grant revoked": func(c *cloud, _, p, g string) {
			c.admin().Delete("/v3/projects/" + p + "/groups/" + g + "/roles/" + c.made.RoleIDs["member"]).Want(204)
		},
		"own password changed": func(c *cloud, u, _, _ string) {
			c.As("none").Post("/v3/users/"+u+"/password", `{"user": {"original_password": "pw", "password": "new"}}`).Want(204)
		},
	}
	each(t, func(t *testing.T, c *cloud) {
		for name, end := range endings {
			u, userName := c.user("default")
			p, _ := c.project("default", "")
			g := c.group("default")
			c.admin().Put("/v3/groups/"+g+"/users/"+u, nil).Want(204)
			c.grant("projects/"+p+"/groups/"+g, "member")
			token := c.token(userName, "pw", on(p))
			for range 2 { // looked up, then remembered
				if !c.good(token) {
					t.Fatalf("%s: the token is no good to begin with", name)
				}
			}
			end(c, u, p, g)
			if c.good(token) {
				t.Errorf("%s: the token is still good", name)
			}
			c.rescope(token, unscoped).Want(404)
			c.admin().With("X-Subject-Token", token).Get("/v3/auth/tokens").Want(404)
		}
	})
}

func TestDisablingADomainEndsItsTokens(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		d := c.domain()
		u, _ := c.user(d)
		p, _ := c.project(d, "")
		c.grant("projects/"+p+"/users/"+u, "member")
		c.grant("projects/"+p+"/users/"+c.made.AdminUserID, "member")
		login := func() *resttest.Answer {
			return c.As("none").Post("/v3/auth/tokens", fmt.Sprintf(`{"auth": {"identity": {"methods": ["password"], "password": {"user":
				{"id": %q, "password": "pw"}}}, "scope": {"project": {"id": %q}}}}`, u, p))
		}
		own := login().Want(201).Header.Get("X-Subject-Token")
		guest := c.token("admin", adminPassword, on(p))
		c.admin().Patch("/v3/domains/"+d, `{"domain": {"enabled": false}}`).Want(200)
		if c.good(own) || c.good(guest) {
			t.Error("a token in a disabled domain is good")
		}
		login().Want(401)
		c.login("admin", adminPassword, on(p)).Want(401)
		c.admin().Patch("/v3/domains/"+d, `{"domain": {"enabled": true}}`).Want(200)
		login().Want(201)
	})
}

// A role that is taken away is missing from the next request, a role that is given is there.
func TestRolesOfATokenFollowTheGrants(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		u, name := c.user("default")
		p, _ := c.project("default", "")
		c.grant("projects/"+p+"/users/"+u, "reader")
		token := c.token(name, "pw", on(p))
		roles := func() int {
			return c.admin().With("X-Subject-Token", token).Get("/v3/auth/tokens").Want(200).Len("token.roles")
		}
		if n := roles(); n != 1 {
			t.Errorf("%d roles", n)
		}
		c.grant("projects/"+p+"/users/"+u, "manager")
		if n := roles(); n != 3 {
			t.Errorf("%d roles after a grant", n)
		}
		c.admin().Delete("/v3/roles/" + c.made.RoleIDs["manager"] + "/implies/" + c.made.RoleIDs["member"]).Want(204)
		if n := roles(); n != 2 {
			t.Errorf("%d roles after the end of an implication", n)
		}
		c.admin().Delete("/v3/projects/" + p + "/users/" + u + "/roles/" + c.made.RoleIDs["manager"]).Want(204)
		if n := roles(); n != 1 {
			t.Errorf("%d roles after a revocation", n)
		}
	})
}

// Fernet tokens tell their birth to the second: logging in again within the second of a change must work all the same, however often.
func TestLoginInTheSecondOfAPasswordChange(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		u, name := c.user("default")
		old := c.token(name, "pw", unscoped)
		for i := range 3 {
			was, is := fmt.Sprintf("pw%d", i), fmt.Sprintf("pw%d", i+1)
			if i == 0 {
				was = "pw"
			}
			c.As("none").Post("/v3/users/"+u+"/password", fmt.Sprintf(`{"user": {"original_password": %q, "password": %q}}`, was, is)).Want(204)
			if c.good(old) {
				t.Fatal("the old token is good")
			}
			c.login(name, was, unscoped).Want(401)
			old = c.token(name, is, unscoped)
			if !c.good(old) {
				t.Fatal("the new token is no good")
			}
		}
	})
}

// Another process on the same database: what one revokes the other refuses within a second.
func TestReplicas(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		second := c.replica()
		far := resttest.Serve(t, rest.Config{Services: api.Services(second), Authenticator: second})
		u, name := c.user("default")
		p, _ := c.project("default", "")
		c.grant("projects/"+p+"/users/"+u, "member")
		one, two, three := c.token(name, "pw", on(p)), c.token(name, "pw", on(p)), c.token(name, "pw", on(p))
		for _, token := range []string{one, two, three} {
			far.As(token).Get("/v3/auth/projects").Want(200)
		}
		c.As(one).With("X-Subject-Token", one).Delete("/v3/auth/tokens").Want(204)
		far.As(two).With("X-Subject-Token", two).Delete("/v3/auth/tokens").Want(204)
		c.clock.Advance(time.Second)
		far.As(one).Get("/v3/auth/projects").Want(401)
		c.As(two).Get("/v3/auth/projects").Want(401)
		far.As(three).Get("/v3/auth/projects").Want(200)
		c.admin().Patch("/v3/projects/"+p, `{"project": {"enabled": false}}`).Want(200)
		c.clock.Advance(time.Second)
		far.As(three).Get("/v3/auth/projects").Want(401)
		// A password changed here, a login there, within one second: the new token is good everywhere.
		c.As("none").Post("/v3/users/"+u+"/password", `{"user": {"original_password": "pw", "password": "new"}}`).Want(204)
		there := &cloud{API: far, t: t}
		four := there.token(name, "new", unscoped)
		c.clock.Advance(time.Second)
		c.As(four).Get("/v3/auth/projects").Want(200)
		far.As(four).Get("/v3/auth/projects").Want(200)
		// A process that starts anew knows all of it.
		third := c.replica()
		fresh := resttest.Serve(t, rest.Config{Services: api.Services(third), Authenticator: third})
		fresh.As(one).Get("/v3/auth/projects").Want(401)
		fresh.As(three).Get("/v3/auth/projects").Want(401)
	})
}

func TestRotatedKeys(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		token := c.token("admin", adminPassword, unscoped)
		if err := c.keys.Rotate(); err != nil {
			t.Fatal(err)
		}
		if !c.good(token) {
			t.Error("a token is lost by the first rotation")
		}
		if err := c.keys.Rotate(); err != nil {
			t.Fatal(err)
		}
		if c.good(token) {
			t.Error("a token outlives its key")
		}
	})
}

// Revocations that can no longer matter are removed as new ones come.
func TestRevocationsDoNotPileUp(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		for range 3 {
			token := c.token("admin", adminPassword, unscoped)
			c.As(token).With("X-Subject-Token", token).Delete("/v3/auth/tokens?cascade=false").Want(204)
			c.clock.Advance(50 * time.Hour)
		}
		if n := c.rows("keystone_revocations"); n != 1 {
			t.Errorf("%d revocations are kept", n)
		}
	})
}
