package api

import (
	"net/http"
	"strings"

	"gostack/internal/keystone"
	"gostack/internal/policy"
	"gostack/internal/rest"
)

// keystone/limit/schema.py. A limit of -1 is none.
const (
	amount    = `{"type": "integer", "minimum": -1, "maximum": 2147483647}`
	shortName = `{"type": "string", "minLength": 1, "maxLength": 255}`

	registeredProperties = `"service_id": ` + idString + `, "region_id": {"type": ["string", "null"]}, "resource_name": ` + shortName + `,
		"default_limit": ` + amount + `, "description": ` + textOrNull
	limitProperties = `"service_id": ` + idString + `, "region_id": {"type": ["string", "null"]}, "resource_name": ` + shortName + `,
		"resource_limit": ` + amount + `, "description": ` + textOrNull + `, "project_id": ` + idOrNull + `, "domain_id": ` + idOrNull
)

// many makes the schema of {"limits": [{…}, …]}: a list of objects of exactly these properties, of which some are required.
func many(key, properties string, required ...string) *rest.Schema {
	return rest.JSON(`{"type": "object", "required": ["` + key + `"], "properties": {"` + key + `": {"type": "array", "minItems": 1, "items":
		{"type": "object", "additionalProperties": false, "required": ["` + strings.Join(required, `", "`) + `"], "properties": {` + properties + `}}}}}`)
}

// change makes the schema of {"limit": {…}} that changes some of these properties and no others.
func change(key, properties string) *rest.Schema {
	return rest.JSON(`{"type": "object", "required": ["` + key + `"], "properties": {"` + key + `":
		{"type": "object", "additionalProperties": false, "properties": {` + properties + `}}}}`)
}

func (a *api) limits() []rest.Route {
	const registered, oneRegistered, limits, one = "/registered_limits", "/registered_limits/{registered_limit_id}", "/limits", "/limits/{limit_id}"
	return []rest.Route{
		{Method: "GET", Path: registered, Policy: "identity:list_registered_limits", Handle: a.listRegisteredLimits},
		{
			Method: "POST", Path: registered, Policy: "identity:create_registered_limits", Status: http.StatusCreated, Handle: a.createRegisteredLimits,
			Body: many("registered_limits", registeredProperties, "service_id", "resource_name", "default_limit"),
		},
		{Method: "GET", Path: oneRegistered, Policy: "identity:get_registered_limit", Handle: func(r *rest.Request) (any, error) {
			l, err := a.RegisteredLimit(r.Context(), r.Path("registered_limit_id"))
			return oneOf("registered_limit", err, func() any { return registeredView(r, l) })
		}},
		{
			Method: "PATCH", Path: oneRegistered, Policy: "identity:update_registered_limit", Body: change("registered_limit", registeredProperties),
			Handle: func(r *rest.Request) (any, error) {
				var in struct {
					Wanted keystone.RegisteredLimitWanted `json:"registered_limit"`
				}
				if err := r.Decode(&in); err != nil {
					return nil, err
				}
				l, err := a.UpdateRegisteredLimit(r.Context(), r.Path("registered_limit_id"), in.Wanted)
				return oneOf("registered_limit", err, func() any { return registeredView(r, l) })
			},
		},
		{
			Method: "DELETE", Path: oneRegistered, Policy: "identity:delete_registered_limit", Status: http.StatusNoContent,
			Handle: func(r *rest.Request) (any, error) {
				return nil, a.DeleteRegisteredLimit(r.Context(), r.Path("registered_limit_id"))
			},
		},
		{Method: "GET", Path: "/limits/model", Policy: "identity:get_limit_model", Handle: func(*rest.Request) (any, error) {
			m := a.LimitModel()
			return map[string]any{"model": map[string]any{"name": m, "description": m.Description()}}, nil
		}},
		{Method: "GET", Path: limits, Policy: "identity:list_limits", Handle: a.listLimits},
		{
			Method: "POST", Path: limits, Policy: "identity:create_limits", Status: http.StatusCreated, Handle: a.createLimits,
			Body: many("limits", limitProperties, "service_id", "resource_name", "resource_limit"),
		},
		{Method: "GET", Path: one, Policy: "identity:get_limit", Target: a.limitTarget, Handle: func(r *rest.Request) (any, error) {
			l, err := loaded[*keystone.Limit](r)
			return oneOf("limit", err, func() any { return limitView(r, l) })
		}},
		{
			Method: "PATCH", Path: one, Policy: "identity:update_limit",
			Body: change("limit", `"resource_limit": `+amount+`, "description": `+textOrNull),
			Handle: func(r *rest.Request) (any, error) {
				var in struct {
					Wanted keystone.LimitWanted `json:"limit"`
				}
				if err := r.Decode(&in); err != nil {
					return nil, err
				}
				l, err := a.UpdateLimit(r.Context(), r.Path("limit_id"), in.Wanted)
				return oneOf("limit", err, func() any { return limitView(r, l) })
			},
		},
		{
			Method: "DELETE", Path: one, Policy: "identity:delete_limit", Status: http.StatusNoContent,
			Handle: func(r *rest.Request) (any, error) { return nil, a.DeleteLimit(r.Context(), r.Path("limit_id")) },
		},
	}
}

// oneOf is the body {key: view()}, or the error.
func oneOf(key string, err error, view func() any) (any, error) {
	if err != nil {
		return nil, err
	}
	return map[string]any{key: view()}, nil
}

func registeredView(r *rest.Request, l *keystone.RegisteredLimit) map[string]any {
	return map[string]any{
		"id": l.ID, "service_id": l.ServiceID, "region_id": l.RegionID, "resource_name": l.ResourceName, "default_limit": l.DefaultLimit,
		"description": l.Description, "links": map[string]any{"self": r.BaseURL() + "/registered_limits/" + l.ID},
	}
}

func limitView(r *rest.Request, l *keystone.Limit) map[string]any {
	v := map[string]any{
		"id": l.ID, "service_id": l.ServiceID, "region_id": l.RegionID, "resource_name": l.ResourceName, "resource_limit": l.ResourceLimit,
		"description": l.Description, "project_id": l.TargetID, "domain_id": nil,
		"links": map[string]any{"self": r.BaseURL() + "/limits/" + l.ID},
	}
	if l.IsDomain {
		v["project_id"], v["domain_id"] = nil, l.TargetID
	}
	return v
}

func (a *api) limitTarget(r *rest.Request) (policy.Target, error) {
	l, err := a.Limit(r.Context(), r.Path("limit_id"))
	if rest.IsNotFound(err) {
		r.Loaded = err
		return policy.Target{}, nil
	}
	if err != nil {
		return nil, err
	}
	r.Loaded = l
	limit := policy.Target{"project_id": nil, "domain": policy.Target{"id": l.TargetID}}
	if !l.IsDomain {
		limit = policy.Target{"project_id": l.TargetID, "project": policy.Target{"domain_id": l.DomainID}}
	}
	return policy.Target{"target": policy.Target{"limit": limit}}, nil
}

var limitFilters = []filterable{{"service_id", "r.service_id", false}, {"region_id", "r.region_id", false}, {"resource_name", "r.resource_name", false}}

func (a *api) listRegisteredLimits(r *rest.Request) (any, error) {
	o, err := listOptions(r, limitFilters...)
	if err != nil {
		return nil, err
	}
	list, err := a.RegisteredLimits(r.Context(), o)
	return collection(r, "registered_limits", list, registeredView), err
}

func (a *api) createRegisteredLimits(r *rest.Request) (any, error) {
	var in struct {
		Wanted []keystone.RegisteredLimitWanted `json:"registered_limits"`
	}
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	list, err := a.CreateRegisteredLimits(r.Context(), in.Wanted)
	if err != nil {
		return nil, err
	}
	v := collection(r, "registered_limits", list, registeredView)
	delete(v, "links")
	return v, nil
}

func (a *api) listLimits(r *rest.Request) (any, error) {
	o, err := listOptions(r, limitFilters...)
	if err != nil {
		return nil, err
	}
	if id := r.Query("project_id"); id != "" {
		o = o.Equals("l.target_id", id).Equals("l.is_domain", false)
	}
	if id := r.Query("domain_id"); id != "" {
		o = o.Equals("l.target_id", id).Equals("l.is_domain", true)
	}
	var in keystone.LimitScope
	if !r.Caller.IsAdmin() { // an administrator sees all, in whatever scope
		in = keystone.LimitScope{ProjectID: r.Caller.ProjectID, DomainID: r.Caller.DomainID}
	}
	list, err := a.ListLimits(r.Context(), o, in)
	return collection(r, "limits", list, limitView), err
}

func (a *api) createLimits(r *rest.Request) (any, error) {
	var in struct {
		Wanted []keystone.LimitWanted `json:"limits"`
	}
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	for _, w := range in.Wanted {
		if (w.ProjectID == "") == (w.DomainID == "") {
			return nil, rest.BadRequest("Invalid input for field 'limits': exactly one of project_id and domain_id is required.")
		}
	}
	list, err := a.CreateLimits(r.Context(), in.Wanted)
	if err != nil {
		return nil, err
	}
	v := collection(r, "limits", list, limitView)
	delete(v, "links")
	return v, nil
}
