package api

import (
	"net/http"
	"slices"
	"strings"

	"gostack/internal/keystone"
	"gostack/internal/policy"
	"gostack/internal/rest"
)

const projectProperties = `"name": ` + resourceName + `, "description": ` + textOrNull + `, "domain_id": ` + idOrNull + `,
	"parent_id": ` + idOrNull + `, "enabled": ` + boolean + `, "is_domain": ` + boolean + `, "tags": ` + tagList + `,
	"options": ` + immutability

var projectFilters = []filterable{
	{"domain_id", "p.domain_id", false},
	{"enabled", "p.enabled", true},
	{"name", "p.name", false},
	{"parent_id", "p.parent_id", false},
	{"is_domain", "p.is_domain", true},
}

func (a *api) projects() []rest.Route {
	const one = "/projects/{project_id}"
	member := func(method, path, rule string) rest.Route {
		return rest.Route{Method: method, Path: path, Policy: rule, Target: a.projectTarget}
	}
	with := func(route rest.Route, status int, body *rest.Schema, handle func(*rest.Request) (any, error)) rest.Route {
		route.Status, route.Body, route.Handle = status, body, handle
		return route
	}
	return []rest.Route{
		{Method: "GET", Path: "/projects", Policy: "identity:list_projects", Target: ownDomain, Handle: a.listProjects},
		{
			Method: "POST", Path: "/projects", Policy: "identity:create_project", Body: body("project", projectProperties, "name"),
			Target: newProjectTarget, Status: http.StatusCreated, Handle: a.createProject,
		},
		with(member("GET", one, "identity:get_project"), 0, nil, a.showProject),
		with(member("PATCH", one, "identity:update_project"), 0, body("project", projectProperties), a.updateProject),
		with(member("DELETE", one, "identity:delete_project"), http.StatusNoContent, nil, func(r *rest.Request) (any, error) {
			return nil, a.DeleteProject(r.Context(), r.Path("project_id"))
		}),
		with(member("GET", one+"/tags", "identity:list_project_tags"), 0, nil, a.listTags),
		with(member("PUT", one+"/tags", "identity:update_project_tags"), 0, tagsBody, a.setTags),
		with(member("DELETE", one+"/tags", "identity:delete_project_tags"), http.StatusNoContent, nil, a.clearTags),
		with(member("GET", one+"/tags/{value}", "identity:get_project_tag"), http.StatusNoContent, nil, a.checkTag),
		with(member("PUT", one+"/tags/{value}", "identity:create_project_tag"), http.StatusCreated, nil, a.addTag),
		with(member("DELETE", one+"/tags/{value}", "identity:delete_project_tag"), http.StatusNoContent, nil, a.removeTag),
	}
}

func projectAttributes(p *keystone.Project) policy.Target {
	var domain any = p.DomainID
	if p.DomainID == "" {
		domain = nil
	}
	return policy.Target{"id": p.ID, "domain_id": domain}
}

func (a *api) projectTarget(r *rest.Request) (policy.Target, error) {
	p, err := a.Project(r.Context(), r.Path("project_id"))
	if rest.IsNotFound(err) {
		r.Loaded = err
		return policy.Target{}, nil
	}
	if err != nil {
		return nil, err
	}
	r.Loaded = p
	return policy.Target{"target": policy.Target{"project": projectAttributes(p)}}, nil
}

func newProjectTarget(r *rest.Request) (policy.Target, error) {
	p := object(r, "project")
	domain := p["domain_id"]
	if is, _ := p["is_domain"].(bool); !is {
		domain = placement(r, p)
	}
	return policy.Target{"target": policy.Target{"project": policy.Target{"domain_id": domain}}}, nil
}

func (a *api) listProjects(r *rest.Request) (any, error) {
	o, err := listOptions(r, projectFilters...)
	if err != nil {
		return nil, err
	}
	if !r.QueryValues().Has("is_domain") {
		o = o.Equals("p.is_domain", false)
	}
	if r.Caller.DomainID != "" {
		o = o.Equals("p.domain_id", r.Caller.DomainID)
	}
	for _, op := range []string{"tags", "tags-any", "not-tags", "not-tags-any"} {
		if v := r.Query(op); v != "" {
			o.Filters = append(o.Filters, keystone.Filter{Column: "p.tags", Op: op, Value: strings.Split(v, ",")})
		}
	}
	list, err := a.Projects(r.Context(), o)
	return collection(r, "projects", list, projectView), err
}

func (a *api) createProject(r *rest.Request) (any, error) {
	attrs := object(r, "project")
	if is, _ := attrs["is_domain"].(bool); !is {
		placed(r, attrs)
	}
	p, err := a.CreateProject(r.Context(), attrs)
	if err != nil {
		return nil, err
	}
	return map[string]any{"project": projectView(r, p)}, nil
}

func (a *api) updateProject(r *rest.Request) (any, error) {
	p, err := a.UpdateProject(r.Context(), r.Path("project_id"), object(r, "project"))
	if err != nil {
		return nil, err
	}
	return map[string]any{"project": projectView(r, p)}, nil
}

// showProject shows a project, with what is above and below it if asked.
func (a *api) showProject(r *rest.Request) (any, error) {
	p, err := loaded[*keystone.Project](r)
	if err != nil {
		return nil, err
	}
	for _, what := range []string{"parents", "subtree"} {
		if asked(r, what+"_as_list") && asked(r, what+"_as_ids") {
			return nil, rest.BadRequest("Cannot use %s_as_list and %s_as_ids query params at the same time.", what, what)
		}
	}
	v := projectView(r, p)
	if list := asked(r, "parents_as_list"); list || asked(r, "parents_as_ids") {
		above, err := a.Ancestors(r.Context(), p.ID)
		if err != nil {
			return nil, err
		}
		if v["parents"] = parentIDs(above); list {
			if v["parents"], err = a.mine(r, above); err != nil {
				return nil, err
			}
		}
	}
	if list := asked(r, "subtree_as_list"); list || asked(r, "subtree_as_ids") {
		below, err := a.Descendants(r.Context(), p.ID)
		if err != nil {
			return nil, err
		}
		if v["subtree"] = childIDs(p.ID, below); list {
			if v["subtree"], err = a.mine(r, below); err != nil {
				return nil, err
			}
		}
	}
	return map[string]any{"project": v}, nil
}

// mine shows those projects on which the caller has a role: relatives of a project are no reason to see them. With include_limits each
// has its limits.
func (a *api) mine(r *rest.Request, list []*keystone.Project) (any, error) {
	own, err := a.ProjectsOfUser(r.Context(), r.Caller.UserID, keystone.ListOptions{})
	if err != nil {
		return nil, err
	}
	list = slices.DeleteFunc(list, func(p *keystone.Project) bool {
		return !slices.ContainsFunc(own, func(o *keystone.Project) bool { return o.ID == p.ID })
	})
	var ids []string
	for _, p := range list {
		ids = append(ids, p.ID)
	}
	limits := map[string][]*keystone.Limit{}
	if asked(r, "include_limits") && len(ids) > 0 {
		if limits, err = a.LimitsOf(r.Context(), ids); err != nil {
			return nil, err
		}
	}
	out := []any{}
	for _, p := range list {
		v := projectView(r, p)
		if asked(r, "include_limits") {
			shown := []any{}
			for _, l := range limits[p.ID] {
				one := limitView(r, l)
				delete(one, "links")
				shown = append(shown, one)
			}
			v["limits"] = shown
		}
		out = append(out, map[string]any{"project": v})
	}
	return out, nil
}

// parentIDs nests the ids of what is above a project, the nearest outside.
func parentIDs(above []*keystone.Project) any {
	if len(above) == 0 {
		return nil
	}
	return map[string]any{above[0].ID: parentIDs(above[1:])}
}

// childIDs nests the ids of what is below a project.
func childIDs(id string, below []*keystone.Project) any {
	out := map[string]any{}
	for _, p := range below {
		if p.ParentID == id {
			out[p.ID] = childIDs(p.ID, below)
		}
	}
	if len(out) == 0 {
		return nil
	}
	return out
}
