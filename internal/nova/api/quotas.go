package api

import (
	"encoding/json"
	"fmt"
	"strings"

	"gostack/internal/nova"
	"gostack/internal/policy"
	"gostack/internal/rest"
)

const quotasPolicy = "os_compute_api:os-quota-sets:"

// gone from quotas: what belongs to Neutron (2.36), and file injection (2.57).
var (
	networkQuotas = map[string]bool{"fixed_ips": true, "floating_ips": true, "security_groups": true, "security_group_rules": true}
	fileQuotas    = map[string]bool{"injected_files": true, "injected_file_content_bytes": true, "injected_file_path_bytes": true}
)

func quotaShown(minor int, name string) bool {
	return !(minor >= 36 && networkQuotas[name] || minor >= 57 && fileQuotas[name])
}

// classShown is quotaShown for quota classes, which came to know server groups and lost networks at 2.50.
func classShown(minor int, name string) bool {
	switch {
	case strings.HasPrefix(name, "server_group"):
		return minor >= 50
	case networkQuotas[name]:
		return minor < 50
	}
	return minor < 57 || !fileQuotas[name]
}

func limitsSchema(key, more string, shown func(string) bool) *rest.Schema {
	props := []string{`"tenant_id": {"type": "string"}`}
	if more != "" {
		props = append(props, more)
	}
	for _, q := range nova.QuotaResources {
		if shown(q.Name) {
			props = append(props, fmt.Sprintf(`%q: {"type": ["integer", "string"], "pattern": "^-?[0-9]+$", "minimum": -1, "maximum": 2147483647, "minLength": 1}`, q.Name))
		}
	}
	return rest.JSON(fmt.Sprintf(`{"type": "object", "required": [%q], "additionalProperties": false, "properties": {%q: {
		"type": "object", "additionalProperties": false, "properties": {%s}}}}`, key, key, strings.Join(props, ", ")))
}

func (a *api) quotaRoutes() []rest.Route {
	target := func(r *rest.Request) (policy.Target, error) {
		return policy.Target{"project_id": r.Path("project"), "tenant_id": r.Path("project")}, nil
	}
	update := func(minor int) *rest.Schema {
		return limitsSchema("quota_set", `"force": `+booleanSchema, func(n string) bool { return quotaShown(minor, n) })
	}
	class := func(minor int) *rest.Schema {
		return limitsSchema("quota_class_set", `"id": {"type": "string"}`, func(n string) bool { return classShown(minor, n) })
	}
	routes := windows(rest.Route{Method: "PUT", Path: "/os-quota-sets/{project}", Policy: quotasPolicy + "update", Target: target, Handle: a.updateQuotas}, schemas([]int{1, 36, 57}, update)...)
	routes = append(routes, windows(rest.Route{Method: "PUT", Path: "/os-quota-class-sets/{class}", Policy: "os_compute_api:os-quota-class-sets:update", Handle: a.updateClass}, schemas([]int{1, 50, 57}, class)...)...)
	return append(append(routes, a.quotaReads(target)...),
		rest.Route{Method: "DELETE", Path: "/os-quota-sets/{project}", Policy: quotasPolicy + "delete", Target: target, Status: 202, Handle: func(r *rest.Request) (any, error) {
			if err := a.verified(r, nil); err != nil {
				return nil, err
			}
			return nil, a.nova.ResetQuotas(r.Context(), r.Path("project"), r.Query("user_id"))
		}},
		rest.Route{Method: "GET", Path: "/os-quota-class-sets/{class}", Policy: "os_compute_api:os-quota-class-sets:show", Handle: func(r *rest.Request) (any, error) {
			limits, err := a.nova.ClassLimits(r.Context(), r.Path("class"))
			v := classView(r, limits)
			v["id"] = r.Path("class")
			return object{"quota_class_set": v}, err
		}},
	)
}

// quotaReads show quotas; from 2.75 on they refuse parameters other than user_id.
func (a *api) quotaReads(target func(*rest.Request) (policy.Target, error)) (routes []rest.Route) {
	loose, strict := querySchema(false, "user_id"), querySchema(true, "user_id")
	for _, r := range []rest.Route{
		{Method: "GET", Path: "/os-quota-sets/{project}", Policy: quotasPolicy + "show", Target: target, Handle: func(r *rest.Request) (any, error) {
			limits, err := a.nova.Limits(r.Context(), r.Path("project"), r.Query("user_id"))
			return object{"quota_set": quotaView(r, r.Path("project"), limits)}, a.verified(r, err)
		}},
		{Method: "GET", Path: "/os-quota-sets/{project}/defaults", Policy: quotasPolicy + "defaults", Handle: func(r *rest.Request) (any, error) {
			limits, err := a.nova.ClassLimits(r.Context(), "default")
			return object{"quota_set": quotaView(r, r.Path("project"), limits)}, a.verified(r, err)
		}},
		{Method: "GET", Path: "/os-quota-sets/{project}/detail", Policy: quotasPolicy + "detail", Target: target, Handle: a.quotaDetail},
	} {
		now := r
		r.Query, r.Max = loose, rest.V(2, 74)
		now.Query, now.Min = strict, rest.V(2, 75)
		routes = append(routes, r, now)
	}
	return routes
}

// verified refuses projects that do not exist.
func (a *api) verified(r *rest.Request, err error) error {
	if err != nil {
		return err
	}
	return a.nova.NeedProject(r.Context(), r.Path("project"))
}

func quotaView(r *rest.Request, id string, limits nova.Limits) object {
	v := object{}
	if id != "" {
		v["id"] = id
	}
	for name, limit := range limits {
		if quotaShown(r.Version.Minor, name) {
			v[name] = limit
		}
	}
	return v
}

func classView(r *rest.Request, limits nova.Limits) object {
	v := object{}
	for name, limit := range limits {
		if classShown(r.Version.Minor, name) {
			v[name] = limit
		}
	}
	return v
}

func (a *api) quotaDetail(r *rest.Request) (any, error) {
	limits, err := a.nova.Limits(r.Context(), r.Path("project"), r.Query("user_id"))
	if err = a.verified(r, err); err != nil {
		return nil, err
	}
	use, err := a.nova.Use(r.Context(), r.Path("project"), r.Query("user_id"))
	v := object{"id": r.Path("project")}
	for name, limit := range limits {
		if quotaShown(r.Version.Minor, name) {
			v[name] = object{"limit": limit, "in_use": use[name], "reserved": 0}
		}
	}
	return object{"quota_set": v}, err
}

// limitsAsked reads the limits of a body; "force" comes apart.
func limitsAsked(r *rest.Request, key string) (limits nova.Limits, force bool, err error) {
	var body map[string]map[string]any
	if err := json.Unmarshal(r.Raw, &body); err != nil {
		return nil, false, rest.BadRequest("Malformed request body").Because(err)
	}
	limits = nova.Limits{}
	for name, v := range body[key] {
		switch name {
		case "force":
			force = truth(v)
		case "tenant_id", "id":
		default:
			n, err := whole(v)
			if err != nil || n < -1 || n > 0x7FFFFFFF {
				return nil, false, rest.BadRequest("Invalid input for field/attribute %s. Value: %v. %v is less than the minimum of -1", name, v, v)
			}
			limits[name] = n
		}
	}
	return limits, force, nil
}

func (a *api) updateQuotas(r *rest.Request) (any, error) {
	limits, force, err := limitsAsked(r, "quota_set")
	if err = a.verified(r, err); err != nil {
		return nil, err
	}
	if err := a.nova.SetQuotas(r.Context(), r.Path("project"), r.Query("user_id"), limits, force); err != nil {
		return nil, err
	}
	now, err := a.nova.Limits(r.Context(), r.Path("project"), r.Query("user_id"))
	return object{"quota_set": quotaView(r, "", now)}, err
}

func (a *api) updateClass(r *rest.Request) (any, error) {
	limits, _, err := limitsAsked(r, "quota_class_set")
	if err != nil {
		return nil, err
	}
	if err := a.nova.SetClassQuotas(r.Context(), r.Path("class"), limits); err != nil {
		return nil, err
	}
	now, err := a.nova.ClassLimits(r.Context(), r.Path("class"))
	return object{"quota_class_set": classView(r, now)}, err
}
