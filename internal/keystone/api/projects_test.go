package api_test

import (
	"fmt"
	"strings"
	"testing"
)

func TestDomains(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		admin := c.admin()
		a := admin.Post("/v3/domains", `{"domain": {"name": "d", "description": "x", "tags": ["t"], "color": "blue"}}`).Want(201).
			Has("domain.name", "d").Has("domain.enabled", true).Has("domain.tags.0", "t").Has("domain.color", "blue").
			Has("domain.options", "map[]").Has("domain.domain_id", nil).Has("domain.parent_id", nil).Has("domain.is_domain", nil)
		d := a.Text("domain.id")
		a.Has("domain.links.self", "http://example.com/v3/domains/"+d)
		admin.Post("/v3/domains", `{"domain": {"name": "d"}}`).Want(409).
			Has("error.message", "Conflict occurred attempting to store project - it is not permitted to have two projects acting as domains with "+
				"the same name: d.")
		admin.Post("/v3/domains", `{"domain": {"name": "Federated"}}`).Want(400)
		admin.Post("/v3/domains", `{"domain": {"name": "e", "explicit_domain_id": "0123456789abcdef0123456789abcdef"}}`).Want(201).
			Has("domain.id", "0123456789abcdef0123456789abcdef")
		admin.Post("/v3/domains", `{"domain": {"name": "f", "explicit_domain_id": "short"}}`).Want(400)
		admin.Post("/v3/domains", `{"domain": {"name": "`+strings.Repeat("x", 65)+`"}}`).Want(400).Says("is too long")
		admin.Get("/v3/domains/"+d).Want(200).Has("domain.description", "x")
		admin.Get("/v3/domains?name=d").Want(200).Has("domains.0.id", d)
		// A domain is a project that acts as one.
		admin.Get("/v3/projects/"+d).Want(200).Has("project.is_domain", true).Has("project.domain_id", nil).Has("project.parent_id", nil)
		admin.Get("/v3/projects?is_domain=true&name=d").Want(200).Has("projects.0.id", d)
		p, _ := c.project(d, "")
		admin.Get("/v3/domains/"+p).Want(404).Has("error.message", "Could not find domain: "+p+".")
		u, _ := c.user(d)
		g := c.group(d)
		c.grant("projects/"+p+"/users/"+c.made.AdminUserID, "member")
		c.grant("domains/"+d+"/groups/"+g, "member")
		admin.Post("/v3/roles", fmt.Sprintf(`{"role": {"name": "local", "domain_id": %q}}`, d)).Want(201)
		admin.Delete("/v3/domains/"+d).Want(403).Has("error.message", "Cannot delete a domain that is enabled, please disable it first.")
		admin.Patch("/v3/domains/"+d, `{"domain": {"enabled": false, "name": "renamed"}}`).Want(200).Has("domain.enabled", false).Has("domain.color", "blue")
		admin.Get("/v3/domains?enabled=false").Want(200).Has("domains.0.name", "renamed")
		admin.Delete("/v3/domains/" + d).Want(204)
		for _, gone := range []string{"domains/" + d, "projects/" + p, "users/" + u, "groups/" + g} {
			admin.Get("/v3/" + gone).Want(404)
		}
		if n := c.rows("keystone_assignments"); n != 2 {
			t.Errorf("%d grants are left, want the two of bootstrap", n)
		}
		admin.Delete("/v3/domains/" + d).Want(404)
		admin.Patch("/v3/domains/"+d, `{"domain": {"name": "x"}}`).Want(404)
	})
}

func TestProjects(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		admin := c.admin()
		d := c.domain()
		a := admin.Post("/v3/projects", fmt.Sprintf(`{"project": {"name": "p", "domain_id": %q, "description": "x", "owner": "o"}}`, d)).Want(201).
			Has("project.name", "p").Has("project.parent_id", d).Has("project.enabled", true).Has("project.is_domain", false).
			Has("project.owner", "o").Has("project.tags", "[]")
		p := a.Text("project.id")
		admin.Post("/v3/projects", fmt.Sprintf(`{"project": {"name": "p", "domain_id": %q}}`, d)).Want(409).
			Says("it is not permitted to have two projects with either the same name or same id in the same domain: name is p, project id ")
		admin.Post("/v3/projects", `{"project": {"name": "p"}}`).Want(201).Has("project.domain_id", "default")
		child, _ := c.project(d, p)
		for body, says := range map[string]string{
			`{"name": ""}`: "should be non-empty", `{"name": "a", "enabled": 1}`: "is not of type 'boolean'",
			`{"name": "a", "domain_id": "nowhere"}`:                           "Could not find domain: nowhere.",
			`{"name": "a", "domain_id": "` + p + `"}`:                         "Could not find domain: " + p,
			`{"name": "a", "parent_id": "nothing"}`:                           "Could not find project: nothing.",
			`{"name": "a", "domain_id": "default", "parent_id": "` + p + `"}`: "specifies a parent in a different domain",
			`{"name": "a", "domain_id": "default", "parent_id": "` + d + `"}`: "is acting as a domain, but this project's domain id (default) does not match",
			`{"name": "a", "is_domain": true, "parent_id": "` + p + `"}`:      "only root projects are allowed to act as domains.",
			`{"name": "a", "tags": ["a,b"]}`:                                  "does not match",
			`{"name": "a", "tags": ["a", "a"]}`:                               "has non-unique elements",
			`{"name": "a", "options": {"other": true}}`:                       "Additional properties",
		} {
			admin.Post("/v3/projects", `{"project": `+body+`}`).Want(400).Says(says)
		}
		admin.Patch("/v3/projects/"+p, `{"project": {"name": "q", "owner": null, "is_domain": false}}`).Want(200).
			Has("project.name", "q").Has("project.owner", nil).Has("project.description", "x")
		admin.Patch("/v3/projects/"+p, `{"project": {"parent_id": "default"}}`).Want(403).Says("Update of `parent_id` is not allowed.")
		admin.Patch("/v3/projects/"+p, `{"project": {"is_domain": true}}`).Want(400).Says("Update of `is_domain` is not allowed.")
		admin.Patch("/v3/projects/"+p, `{"project": {"domain_id": "default"}}`).Want(400).Says("Cannot change Domain ID")
		admin.Patch("/v3/projects/"+p, `{"project": {"enabled": false}}`).Want(403).Says("its subtree contains enabled projects.")
		admin.Patch("/v3/projects/"+child, `{"project": {"enabled": false}}`).Want(200)
		admin.Patch("/v3/projects/"+p, `{"project": {"enabled": false}}`).Want(200)
		admin.Patch("/v3/projects/"+child, `{"project": {"enabled": true}}`).Want(403).Says("since it has disabled parents")
		admin.Post("/v3/projects", fmt.Sprintf(`{"project": {"name": "late", "domain_id": %q, "parent_id": %q}}`, d, p)).Want(400).
			Says("cannot create a project in a branch containing a disabled project: " + p)
		admin.Delete("/v3/projects/" + p).Want(403).Says("since it is not a leaf in the hierarchy.")
		admin.Delete("/v3/projects/" + child).Want(204)
		admin.Delete("/v3/projects/" + p).Want(204)
		admin.Get("/v3/projects/"+p).Want(404).Has("error.message", "Could not find project: "+p+".")
		admin.Patch("/v3/projects/"+p, `{"project": {"name": "x"}}`).Want(404)
		admin.Delete("/v3/projects/" + p).Want(404)
	})
}

func TestProjectTree(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		ids := []string{"default"}
		for range 5 {
			id, _ := c.project("default", ids[len(ids)-1])
			ids = append(ids, id)
		}
		c.admin().Post("/v3/projects", fmt.Sprintf(`{"project": {"name": "deep", "parent_id": %q}}`, ids[5])).Want(403).
			Says("Max hierarchy depth reached for " + ids[5] + " branch.")
		admin := c.admin()
		admin.Get("/v3/projects/"+ids[3]+"?parents_as_ids&subtree_as_ids").Want(200).
			Has("project.parents."+ids[2]+"."+ids[1]+".default", nil).Has("project.subtree."+ids[4]+"."+ids[5], nil)
		admin.Get("/v3/projects/"+ids[5]+"?subtree_as_ids").Want(200).Has("project.subtree", nil)
		// Only those on which the caller has a role are listed.
		admin.Get("/v3/projects/"+ids[3]+"?parents_as_list&subtree_as_list").Want(200).Has("project.parents", "[]").Has("project.subtree", "[]")
		c.grant("projects/"+ids[2]+"/users/"+c.made.AdminUserID, "reader")
		c.grant("projects/"+ids[5]+"/users/"+c.made.AdminUserID, "reader")
		admin.Get("/v3/projects/"+ids[3]+"?parents_as_list&subtree_as_list").Want(200).
			Has("project.parents.0.project.id", ids[2]).Has("project.subtree.0.project.id", ids[5])
		service := admin.Get("/v3/services?type=compute").Want(200).Text("services.0.id")
		admin.Post("/v3/registered_limits", fmt.Sprintf(`{"registered_limits": [{"service_id": %q, "resource_name": "cores", "default_limit": 1}]}`,
			service)).Want(201)
		admin.Post("/v3/limits", fmt.Sprintf(`{"limits": [{"service_id": %q, "resource_name": "cores", "resource_limit": 7, "project_id": %q}]}`,
			service, ids[2])).Want(201)
		admin.Get("/v3/projects/"+ids[3]+"?include_limits").Want(200).Has("project.limits", nil)
		admin.Get("/v3/projects/"+ids[3]+"?include_limits&parents_as_list&subtree_as_list=False").Want(200).Has("project.limits", nil).
			Has("project.parents.0.project.limits.0.resource_limit", 7).Has("project.subtree.0.project.limits", "[]")
		admin.Get("/v3/projects/" + ids[3] + "?parents_as_list&parents_as_ids").Want(400).Says("Cannot use parents_as_list and parents_as_ids")
		admin.Get("/v3/projects/" + ids[3] + "?subtree_as_list&subtree_as_ids").Want(400)
		admin.Get("/v3/projects/"+ids[3]+"?subtree_as_list=0").Want(200).Has("project.subtree", nil)
	})
}

func TestProjectLists(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		d := c.domain()
		admin := c.admin()
		for name, more := range map[string]string{"a": `"tags": ["red", "big"]`, "b": `"tags": ["red"]`, "c": `"tags": []`, "d": `"enabled": false`} {
			admin.Post("/v3/projects", fmt.Sprintf(`{"project": {"name": %q, "domain_id": %q, %s}}`, name, d, more)).Want(201)
		}
		for query, want := range map[string]string{
			"": "abcd", "&name=a": "a", "&enabled=false": "d", "&parent_id=" + d: "abcd", "&is_domain=true": "", "&tags=red": "ab", "&tags=red,big": "a",
			"&tags-any=big,blue": "a", "&not-tags=red,big": "bcd", "&not-tags-any=red,big": "cd", "&tags=re": "", "&name__icontains=A": "a",
		} {
			a := admin.Get("/v3/projects?domain_id=" + d + query).Want(200)
			var got []string
			for i := range a.Len("projects") {
				got = append(got, a.Text(fmt.Sprintf("projects.%d.name", i)))
			}
			for _, name := range strings.Split(want, "") {
				if !strings.Contains(strings.Join(got, ""), name) {
					t.Errorf("%q lacks %s: %v", query, name, got)
				}
			}
			if len(got) != len(want) {
				t.Errorf("%q gives %v, want %s", query, got, want)
			}
		}
		id, name := c.user(d)
		p, _ := c.project(d, "")
		c.grant("projects/"+p+"/users/"+id, "reader")
		c.admin().Get("/v3/users/"+id+"/projects").Want(200).Has("projects.0.id", p)
		_ = name
	})
}

func TestProjectTags(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		p, _ := c.project("default", "")
		admin := c.admin()
		tags := "/v3/projects/" + p + "/tags"
		admin.Put(tags, `{"tags": ["a", " b "]}`).Want(200).Has("tags.0", "a").Has("tags.1", "b").Has("links.self", "http://example.com"+tags)
		admin.Put(tags+"/c%20d", nil).Want(201)
		admin.Put(tags+"/c%20d", nil).Want(400)
		admin.Get(tags).Want(200).Has("tags", "[a b c d]")
		admin.Get(tags + "/c%20d").Want(204)
		admin.Head(tags + "/a").Want(204)
		admin.Get(tags+"/x").Want(404).Has("error.message", "Could not find project tag: x.")
		admin.Put(tags+"/a,b", nil).Want(400)
		admin.Put(tags, `{"tags": ["a/b"]}`).Want(400)
		admin.Put(tags, `{}`).Want(400)
		admin.Delete(tags + "/a").Want(204)
		admin.Delete(tags + "/a").Want(404)
		many := strings.TrimSuffix(strings.Repeat(`"t%d",`, 80), ",")
		numbers := make([]any, 80)
		for i := range numbers {
			numbers[i] = i
		}
		admin.Put(tags, `{"tags": [`+fmt.Sprintf(many, numbers...)+`]}`).Want(200)
		admin.Put(tags+"/more", nil).Want(400)
		admin.Delete(tags).Want(204)
		admin.Get(tags).Want(200).Has("tags", "[]")
		admin.Get("/v3/projects/nothing/tags").Want(404)
	})
}

func TestImmutableResources(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		p, _ := c.project("default", "")
		d := c.domain()
		r := c.admin().Post("/v3/roles", `{"role": {"name": "r"}}`).Want(201).Text("role.id")
		admin := c.admin()
		for path, key := range map[string]string{"/v3/projects/" + p: "project", "/v3/domains/" + d: "domain", "/v3/roles/" + r: "role"} {
			change := func(members string) string { return `{"` + key + `": {` + members + `}}` }
			admin.Patch(path, change(`"options": {"immutable": true}`)).Want(200).Has(key+".options.immutable", true)
			admin.Patch(path, change(`"name": "n"`)).Want(403).Says("Unable to update immutable " + key + " resource")
			admin.Patch(path, change(`"name": "n", "options": {"immutable": false}`)).Want(403)
			admin.Delete(path).Want(403).Says("Unable to delete immutable " + key + " resource")
			if key == "project" {
				admin.Put(path+"/tags/x", nil).Want(403).Says("project is immutable")
			}
			admin.Patch(path, change(`"options": {"immutable": null}`)).Want(200).Has(key+".options", "map[]")
			admin.Patch(path, change(`"name": "n-`+key+`"`)).Want(200)
		}
	})
}
