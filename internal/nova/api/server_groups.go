package api

import (
	"gostack/internal/nova"
	"gostack/internal/policy"
	"gostack/internal/rest"
)

const groupsPolicy = "os_compute_api:os-server-groups:"

func (a *api) serverGroupRoutes() []rest.Route {
	old := func(policies string) *rest.Schema {
		return rest.JSON(`{"type": "object", "required": ["server_group"], "additionalProperties": false, "properties": {"server_group": {
			"type": "object", "required": ["name", "policies"], "additionalProperties": false, "properties": {"name": ` + nameSchema + `,
			"policies": {"type": "array", "minItems": 1, "maxItems": 1, "items": {"type": "string", "enum": [` + policies + `]}}}}}}`)
	}
	const hard, soft = `"affinity", "anti-affinity"`, `"soft-affinity", "soft-anti-affinity"`
	one := rest.JSON(`{"type": "object", "required": ["server_group"], "additionalProperties": false, "properties": {"server_group": {
		"type": "object", "required": ["name", "policy"], "additionalProperties": false, "properties": {"name": ` + nameSchema + `, "policy": {"type": "string", "enum": [` + hard + `, ` + soft + `]},
		"rules": {"type": "object", "additionalProperties": false, "properties": {"max_server_per_host": ` + number(1) + `}}}}}}`)
	loose, strict := querySchema(false, "all_projects", "limit", "offset"), querySchema(true, "all_projects", "limit", "offset")
	routes := windows(rest.Route{Method: "POST", Path: "/os-server-groups", Policy: groupsPolicy + "create", Handle: a.createServerGroup},
		window{rest.V(2, 1), old(hard)}, window{rest.V(2, 15), old(hard + ", " + soft)}, window{rest.V(2, 64), one})
	return append(routes,
		rest.Route{Method: "GET", Path: "/os-server-groups", Policy: groupsPolicy + "index", Query: loose, Max: rest.V(2, 74), Handle: a.listServerGroups},
		rest.Route{Method: "GET", Path: "/os-server-groups", Policy: groupsPolicy + "index", Query: strict, Min: rest.V(2, 75), Handle: a.listServerGroups},
		rest.Route{Method: "GET", Path: "/os-server-groups/{id}", Policy: groupsPolicy + "show", Target: a.serverGroup, Handle: func(r *rest.Request) (any, error) {
			g, _ := r.Loaded.(*nova.ServerGroup)
			return object{"server_group": groupView(r, g)}, nil
		}},
		rest.Route{Method: "DELETE", Path: "/os-server-groups/{id}", Policy: groupsPolicy + "delete", Target: a.serverGroup, Status: 204, Handle: func(r *rest.Request) (any, error) {
			return nil, a.nova.DeleteServerGroup(r.Context(), r.Path("id"))
		}})
}

func (a *api) serverGroup(r *rest.Request) (policy.Target, error) {
	g, err := a.nova.ServerGroup(r.Context(), r.Caller, r.Path("id"))
	if err != nil {
		return nil, err
	}
	r.Loaded = g
	return policy.Target{"project_id": g.ProjectID, "user_id": g.UserID}, nil
}

func groupView(r *rest.Request, g *nova.ServerGroup) object {
	v := object{"id": g.ID, "name": g.Name, "members": notNilList(g.Members)}
	if r.Version.AtLeast(2, 64) {
		v["policy"] = g.Policy
		rules := g.Rules
		if rules == nil {
			rules = map[string]int{}
		}
		v["rules"] = rules
	} else {
		v["policies"], v["metadata"] = []string{g.Policy}, object{}
	}
	if r.Version.AtLeast(2, 13) {
		v["project_id"], v["user_id"] = g.ProjectID, g.UserID
	}
	return v
}

func (a *api) listServerGroups(r *rest.Request) (any, error) {
	limit, err := r.QueryInt("limit", maxPage)
	if err != nil {
		return nil, err
	}
	offset, err := r.QueryInt("offset", 0)
	if err != nil {
		return nil, err
	}
	project := r.Caller.ProjectID
	if r.QueryValues().Has("all_projects") && r.Caller.IsAdmin() {
		if err := r.Enforce(groupsPolicy+"index:all_projects", nil); err != nil {
			return nil, err
		}
		project = ""
	}
	rows, err := a.nova.ServerGroups(r.Context(), project, offset, min(limit, maxPage))
	views := make([]object, len(rows))
	for i, g := range rows {
		views[i] = groupView(r, g)
	}
	return object{"server_groups": views}, err
}

func (a *api) createServerGroup(r *rest.Request) (any, error) {
	var body struct {
		Group struct {
			Name, Policy string
			Policies     []string
			Rules        struct {
				Max any `json:"max_server_per_host"`
			}
		} `json:"server_group"`
	}
	if err := r.Decode(&body); err != nil {
		return nil, err
	}
	g := &nova.ServerGroup{Name: body.Group.Name, Policy: body.Group.Policy, Rules: map[string]int{}}
	if g.Policy == "" {
		g.Policy = body.Group.Policies[0]
	}
	if body.Group.Rules.Max != nil {
		if g.Policy != "anti-affinity" {
			return nil, rest.BadRequest("Only anti-affinity policy supports rules.")
		}
		n, err := whole(body.Group.Rules.Max)
		if err != nil || n < 1 {
			return nil, rest.BadRequest("Invalid input for field/attribute max_server_per_host. Value: %v. %v is less than the minimum of 1", body.Group.Rules.Max, body.Group.Rules.Max)
		}
		g.Rules["max_server_per_host"] = int(n)
	}
	if err := a.nova.CreateServerGroup(r.Context(), r.Caller, g); err != nil {
		return nil, err
	}
	return object{"server_group": groupView(r, g)}, nil
}
