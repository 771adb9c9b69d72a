package api

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"gostack/internal/nova"
	"gostack/internal/rest"
)

// oldGroupRoutes are security groups as nova-network had them, with rules for what comes in only.
func (a *api) oldGroupRoutes() []rest.Route {
	route := func(method, path, rule string, handle func(*rest.Request) (any, error)) rest.Route {
		return rest.Route{Method: method, Path: path, Policy: "os_compute_api:os-security-groups:" + rule, Max: lastProxy, Handle: handle}
	}
	with := func(r rest.Route, status int, body *rest.Schema) rest.Route {
		r.Status, r.Body = status, body
		return r
	}
	group := rest.JSON(`{"type": "object", "required": ["security_group"], "properties": {"security_group": {"type": "object", "properties": {
		"name": {"type": "string", "minLength": 0, "maxLength": 255}, "description": {"type": "string", "minLength": 0, "maxLength": 255}}}}}`)
	rule := rest.JSON(`{"type": "object", "required": ["security_group_rule"], "properties": {"security_group_rule": {"type": "object"}}}`)
	gone := func(do func(*rest.Request) error) func(*rest.Request) (any, error) {
		return func(r *rest.Request) (any, error) {
			if err := do(r); err != nil {
				return nil, err
			}
			return accepted()
		}
	}
	return []rest.Route{
		route("GET", "/os-security-groups", "get", a.oldGroups),
		route("GET", "/os-security-groups/{id}", "show", func(r *rest.Request) (any, error) {
			g, err := a.nova.OldGroup(r.Context(), r.Caller, r.Path("id"))
			return object{"security_group": g}, err
		}),
		with(route("POST", "/os-security-groups", "create", a.saveGroup), 0, group),
		with(route("PUT", "/os-security-groups/{id}", "update", a.saveGroup), 0, group),
		with(route("DELETE", "/os-security-groups/{id}", "delete", gone(func(r *rest.Request) error {
			return a.nova.DeleteOldGroup(r.Context(), r.Caller, r.Path("id"))
		})), 202, nil),
		with(route("POST", "/os-security-group-rules", "rule:create", a.createOldRule), 0, rule),
		with(route("DELETE", "/os-security-group-rules/{id}", "rule:delete", gone(func(r *rest.Request) error {
			return a.nova.DeleteOldRule(r.Context(), r.Caller, r.Path("id"))
		})), 202, nil),
	}
}

func (a *api) oldGroups(r *rest.Request) (any, error) {
	limit, err := r.QueryInt("limit", maxPage)
	if err != nil {
		return nil, err
	}
	offset, err := r.QueryInt("offset", 0)
	if err != nil {
		return nil, err
	}
	groups, err := a.nova.OldNetwork.Groups(r.Context(), r.Caller, "", r.Caller.IsAdmin() && r.QueryValues().Has("all_tenants"))
	if err != nil {
		return nil, err
	}
	groups = groups[min(offset, len(groups)):]
	groups = groups[:min(limit, maxPage, len(groups))]
	slices.SortFunc(groups, func(x, y nova.SecurityGroup) int {
		return strings.Compare(x.ProjectID+"\x00"+x.Name, y.ProjectID+"\x00"+y.Name)
	})
	return object{"security_groups": groups}, nil
}

func (a *api) saveGroup(r *rest.Request) (any, error) {
	var body struct {
		Group struct{ Name, Description *string } `json:"security_group"`
	}
	if err := r.Decode(&body); err != nil {
		return nil, err
	}
	in := body.Group
	for name, v := range map[string]*string{"name": in.Name, "description": in.Description} {
		if v == nil {
			return nil, rest.BadRequest("%s is not a string or unicode", name)
		}
	}
	var g *nova.SecurityGroup
	var err error
	if r.HTTP.Method == "PUT" {
		g, err = a.nova.UpdateOldGroup(r.Context(), r.Caller, r.Path("id"), *in.Name, *in.Description)
	} else {
		g, err = a.nova.CreateOldGroup(r.Context(), r.Caller, *in.Name, *in.Description)
	}
	return object{"security_group": g}, err
}

func (a *api) createOldRule(r *rest.Request) (any, error) {
	var body struct {
		Rule map[string]any `json:"security_group_rule"`
	}
	if err := r.Decode(&body); err != nil {
		return nil, err
	}
	in := body.Rule
	optional := func(name string) *string {
		if in[name] == nil {
			return nil
		}
		s := plainText(in[name])
		return &s
	}
	rule, err := a.nova.CreateOldRule(r.Context(), r.Caller, nova.GroupRuleRequest{
		ParentGroupID: plainText(in["parent_group_id"]), CIDR: plainText(in["cidr"]), GroupID: plainText(in["group_id"]),
		Protocol: optional("ip_protocol"), FromPort: optional("from_port"), ToPort: optional("to_port"),
	})
	return object{"security_group_rule": rule}, err
}

// plainText is a string or number of JSON as text; "" for none.
func plainText(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	return fmt.Sprint(v)
}
