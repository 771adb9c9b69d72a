package api_test

import (
	"fmt"
	"strings"
	"testing"
)

func TestRoles(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		d := c.domain()
		admin := c.admin()
		a := admin.Post("/v3/roles", `{"role": {"name": "r", "description": "d", "more": 1}}`).Want(201).
			Has("role.name", "r").Has("role.domain_id", nil).Has("role.description", "d").Has("role.options", "map[]").Has("role.more", 1)
		r := a.Text("role.id")
		admin.Post("/v3/roles", `{"role": {"name": "r"}}`).Want(409).
			Has("error.message", "Conflict occurred attempting to store role - Duplicate entry found with name r.")
		l := admin.Post("/v3/roles", fmt.Sprintf(`{"role": {"name": "r", "domain_id": %q}}`, d)).Want(201).Has("role.domain_id", d).Text("role.id")
		admin.Post("/v3/roles", `{"role": {"name": "x", "domain_id": "nowhere"}}`).Want(404)
		admin.Post("/v3/roles", `{"role": {}}`).Want(400)
		admin.Get("/v3/roles/"+r).Want(200).Has("role.links.self", "http://example.com/v3/roles/"+r)
		admin.Get("/v3/roles?name=r").Want(200).Has("roles.0.id", r).Has("roles.1", nil)
		admin.Get("/v3/roles?domain_id="+d).Want(200).Has("roles.0.id", l).Has("roles.1", nil)
		if a := admin.Get("/v3/roles").Want(200); a.Len("roles") != 6 {
			t.Errorf("%d global roles", a.Len("roles"))
		}
		admin.Patch("/v3/roles/"+r, `{"role": {"name": "s", "description": null}}`).Want(200).Has("role.name", "s").Has("role.description", nil)
		admin.Patch("/v3/roles/"+r, fmt.Sprintf(`{"role": {"domain_id": %q}}`, d)).Want(400).Says("Update of `domain_id` is not allowed.")
		admin.Patch("/v3/roles/"+r, `{"role": {"id": "x"}}`).Want(400)
		admin.Patch("/v3/roles/nothing", `{"role": {"name": "s"}}`).Want(404).Has("error.message", "Could not find role: nothing.")
		admin.Get("/v3/roles/nothing").Want(404)
		admin.Delete("/v3/roles/nothing").Want(404)
		u, _ := c.user("default")
		admin.Put("/v3/system/users/"+u+"/roles/"+r, nil).Want(204)
		admin.Delete("/v3/roles/" + r).Want(204)
		if n := c.rows("keystone_assignments"); n != 2 {
			t.Errorf("%d grants are left", n)
		}
		admin.Delete("/v3/roles/" + c.made.RoleIDs["admin"]).Want(403).Says("Unable to delete immutable role resource")
	})
}

func TestImpliedRoles(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		d := c.domain()
		admin := c.admin()
		make := func(name, more string) string {
			return admin.Post("/v3/roles", `{"role": {"name": "`+name+`"`+more+`}}`).Want(201).Text("role.id")
		}
		x, y, local := make("x", ""), make("y", ""), make("local", `, "domain_id": "`+d+`"`)
		one := "/v3/roles/" + x + "/implies/" + y
		admin.Get(one).Want(404).Has("error.message", x+" does not imply "+y+".")
		admin.Head(one).Want(404)
		admin.Put(one, nil).Want(201).Has("role_inference.prior_role.id", x).Has("role_inference.implies.name", "y").
			Has("role_inference.implies.links.self", "http://example.com/v3/roles/"+y).Has("links.self", "http://example.com"+one)
		admin.Put(one, nil).Want(409)
		admin.Get(one).Want(200).Has("role_inference.implies.id", y)
		admin.Head(one).Want(204)
		admin.Get("/v3/roles/"+x+"/implies").Want(200).Has("role_inference.prior_role.name", "x").Has("role_inference.implies.0.id", y)
		admin.Get("/v3/roles/"+y+"/implies").Want(200).Has("role_inference.implies", "[]")
		if a := admin.Get("/v3/role_inferences").Want(200); a.Len("role_inferences") != 4 {
			t.Errorf("%s", a.Body)
		}
		admin.Put("/v3/roles/"+x+"/implies/"+c.made.RoleIDs["admin"], nil).Want(403).Says("cannot be an implied roles.")
		admin.Put("/v3/roles/"+x+"/implies/"+local, nil).Want(403).Says("Global role cannot imply a domain-specific role")
		admin.Put("/v3/roles/"+local+"/implies/"+x, nil).Want(201)
		admin.Put("/v3/roles/"+x+"/implies/nothing", nil).Want(404)
		admin.Get("/v3/roles/nothing/implies").Want(404)
		admin.Delete(one).Want(204)
		admin.Delete(one).Want(404).Has("error.message", x+" does not imply "+y+".")
	})
}

func TestGrants(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		d := c.domain()
		u, _ := c.user(d)
		g := c.group(d)
		p, _ := c.project(d, "")
		reader := c.made.RoleIDs["reader"]
		admin := c.admin()
		for _, actor := range []string{"users/" + u, "groups/" + g} {
			for _, target := range []string{"projects/" + p, "domains/" + d, "system", "OS-INHERIT/projects/" + p, "OS-INHERIT/domains/" + d} {
				list, one := "/v3/"+target+"/"+actor+"/roles", "/v3/"+target+"/"+actor+"/roles/"+reader
				if strings.HasPrefix(target, "OS-INHERIT") {
					list, one = list+"/inherited_to_projects", one+"/inherited_to_projects"
				}
				admin.Get(one).Want(404).Says("Could not find role assignment with role: " + reader)
				admin.Put(one, nil).Want(204)
				admin.Put(one, nil).Want(204)
				admin.Head(one).Want(204)
				admin.Get(one).Want(204)
				if !strings.HasPrefix(target, "OS-INHERIT/projects") {
					if a := admin.Get(list).Want(200).Has("roles.0.name", "reader"); a.Len("roles") != 1 {
						t.Errorf("%s: %s", list, a.Body)
					}
				}
			}
		}
		if n := c.rows("keystone_assignments"); n != 2+10 {
			t.Errorf("%d grants", n)
		}
		one := "/v3/projects/" + p + "/users/" + u + "/roles/" + reader
		admin.Delete(one).Want(204)
		c.admin().Delete(one).Want(404)
		for _, missing := range []string{
			"projects/nothing/users/" + u + "/roles/" + reader, "projects/" + p + "/users/nobody/roles/" + reader,
			"projects/" + p + "/users/" + u + "/roles/nothing", "domains/nothing/groups/" + g + "/roles/" + reader,
			"system/groups/nothing/roles/" + reader, "domains/" + p + "/users/" + u + "/roles/" + reader,
		} {
			c.admin().Put("/v3/"+missing, nil).Want(404)
			c.admin().Get("/v3/" + missing).Want(404)
		}
		local := c.admin().Post("/v3/roles", fmt.Sprintf(`{"role": {"name": "local", "domain_id": %q}}`, d)).Want(201).Text("role.id")
		c.admin().Put("/v3/projects/"+p+"/users/"+u+"/roles/"+local, nil).Want(204)
		c.admin().Put("/v3/system/users/"+u+"/roles/"+local, nil).Want(400).Says("is a domain-specific role")
		elsewhere, _ := c.project("default", "")
		c.admin().Put("/v3/projects/"+elsewhere+"/users/"+u+"/roles/"+local, nil).Want(403).
			Says("must be in the same domain as the role " + local + " being assigned.")
		c.admin().Delete("/v3/users/" + u).Want(204)
		if n := c.rows("keystone_assignments"); n != 2+5 {
			t.Errorf("%d grants after the user is gone", n)
		}
	})
}

func TestRoleAssignments(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		d := c.domain()
		u, uName := c.user(d)
		g := c.group(d)
		p, pName := c.project(d, "")
		child, _ := c.project(d, p)
		c.admin().Put("/v3/groups/"+g+"/users/"+u, nil).Want(204)
		member, reader := c.made.RoleIDs["member"], c.made.RoleIDs["reader"]
		c.grant("projects/"+p+"/users/"+u, "member")
		c.grant("system/users/"+u, "reader")
		c.admin().Put("/v3/OS-INHERIT/domains/"+d+"/groups/"+g+"/roles/"+reader+"/inherited_to_projects", nil).Want(204)
		admin := c.admin()
		const path = "/v3/role_assignments?"

		admin.Get(path+"user.id="+u+"&scope.project.id="+p).Want(200).
			Has("role_assignments.0.scope.project.id", p).Has("role_assignments.0.user.id", u).Has("role_assignments.0.role.id", member).
			Has("role_assignments.0.links.assignment", "http://example.com/v3/projects/"+p+"/users/"+u+"/roles/"+member)
		admin.Get(path+"group.id="+g).Want(200).Has("role_assignments.0.group.id", g).
			Has("role_assignments.0.scope.OS-INHERIT:inherited_to", "projects").
			Has("role_assignments.0.links.assignment", "http://example.com/v3/OS-INHERIT/domains/"+d+"/groups/"+g+"/roles/"+reader+"/inherited_to_projects")
		a := admin.Get(path+"user.id="+u+"&scope.project.id="+child+"&effective").Want(200).
			Has("role_assignments.0.role.id", reader).Has("role_assignments.0.scope.OS-INHERIT:inherited_to", "projects").
			Has("role_assignments.0.links.membership", "http://example.com/v3/groups/"+g+"/users/"+u)
		if a.Len("role_assignments") != 1 {
			t.Errorf("%s", a.Body)
		}
		admin.Get(path+"user.id="+u+"&scope.project.id="+p+"&effective&role.id="+reader+"&scope.OS-INHERIT:inherited_to=no").Want(200).
			Has("role_assignments.0.links.prior_role", "http://example.com/v3/prior_role/"+reader+"/implies/"+member)
		admin.Get(path+"scope.system=all&user.id="+u+"&include_names").Want(200).
			Has("role_assignments.0.scope.system.all", true).Has("role_assignments.0.user.name", uName).Has("role_assignments.0.role.name", "reader").
			Has("role_assignments.0.user.domain.id", d)
		admin.Get(path+"user.id="+u+"&scope.project.id="+p+"&include_names=true").Want(200).
			Has("role_assignments.0.scope.project.name", pName).Has("role_assignments.0.scope.project.domain.id", d)
		for query, want := range map[string]int{
			"": 5, "user.id=" + u: 2, "role.id=" + member: 1, "scope.domain.id=" + d: 1, "scope.system=all": 2, "scope.project.id=" + child: 0,
			"scope.OS-INHERIT:inherited_to=projects": 1, "scope.project.id=" + p + "&include_subtree": 1,
			"effective&user.id=" + u: 5, "effective&user.id=" + u + "&scope.project.id=" + p: 3, "effective&scope.domain.id=" + d: 0,
			"effective&scope.project.id=" + p + "&include_subtree": 4, "effective=0&user.id=" + u: 2, "user.id=nobody": 0,
		} {
			if a := admin.Get(path + query).Want(200); a.Len("role_assignments") != want {
				t.Errorf("%q: %d, want %d\n%s", query, a.Len("role_assignments"), want, a.Body)
			}
		}
		for query, says := range map[string]string{
			"scope.domain.id=a&scope.project.id=b": "Specify a domain or project, not both", "scope.domain.id=a&scope.system=all": "Specify system or domain, not both",
			"scope.project.id=a&scope.system=all": "Specify system or project, not both", "user.id=a&group.id=b": "Specify a user or group, not both",
			"effective&group.id=b": "Combining effective and group filter", "include_subtree": "scope.project.id must be specified",
			"effective&scope.domain.id=a&scope.OS-INHERIT:inherited_to=projects": "Combining effective, domain and inherited filters",
		} {
			admin.Get(path + query).Want(400).Says(says)
		}
		admin.Get(path + "include_subtree&scope.project.id=nothing").Want(404)
	})
}
