package api

import (
	"encoding/json"
	"fmt"

	"gostack/internal/nova"
	"gostack/internal/rest"
)

const extraSpecsPolicy = "os_compute_api:os-flavor-extra-specs:"

func (a *api) extraSpecRoutes() []rest.Route {
	return []rest.Route{
		{Method: "GET", Path: "/flavors/{id}/os-extra_specs", Policy: extraSpecsPolicy + "index", Handle: func(r *rest.Request) (any, error) {
			f, err := a.nova.Flavor(r.Context(), r.Caller, r.Path("id"))
			if err != nil {
				return nil, err
			}
			return object{"extra_specs": notNil(f.ExtraSpecs)}, nil
		}},
		{Method: "POST", Path: "/flavors/{id}/os-extra_specs", Policy: extraSpecsPolicy + "create", Handle: a.createExtraSpecs, Body: rest.JSON(`{
			"type": "object", "required": ["extra_specs"], "additionalProperties": false, "properties": {"extra_specs": ` + extraSpecsSchema + `}}`)},
		{Method: "GET", Path: "/flavors/{id}/os-extra_specs/{key}", Policy: extraSpecsPolicy + "show", Handle: func(r *rest.Request) (any, error) {
			f, err := a.nova.Flavor(r.Context(), r.Caller, r.Path("id"))
			if err != nil {
				return nil, err
			}
			v, ok := f.ExtraSpecs[r.Path("key")]
			if !ok {
				return nil, nova.NoExtraSpec(f.ID, r.Path("key"))
			}
			return object{r.Path("key"): v}, nil
		}},
		{Method: "PUT", Path: "/flavors/{id}/os-extra_specs/{key}", Policy: extraSpecsPolicy + "update", Handle: a.updateExtraSpec, Body: rest.JSON(extraSpecsSchema)},
		{Method: "DELETE", Path: "/flavors/{id}/os-extra_specs/{key}", Policy: extraSpecsPolicy + "delete", Handle: func(r *rest.Request) (any, error) {
			return nil, a.nova.DeleteExtraSpec(r.Context(), r.Path("id"), r.Path("key"))
		}},
	}
}

const extraSpecsSchema = `{"type": "object", "additionalProperties": false, "patternProperties": {"^[a-zA-Z0-9-_:. ]{1,255}$": {"type": ["string", "number"], "maxLength": 255}}}`

// stringMap reads an object whose values are strings or numbers; numbers keep the form in which they were written.
func stringMap(raw json.RawMessage) (map[string]string, error) {
	var in map[string]json.RawMessage
	if err := json.Unmarshal(raw, &in); err != nil {
		return nil, rest.BadRequest("Malformed request body").Because(err)
	}
	out := make(map[string]string, len(in))
	for k, v := range in {
		var s string
		if json.Unmarshal(v, &s) != nil {
			s = string(v)
		}
		out[k] = s
	}
	return out, nil
}

func (a *api) createExtraSpecs(r *rest.Request) (any, error) {
	var body struct {
		Specs json.RawMessage `json:"extra_specs"`
	}
	if err := r.Decode(&body); err != nil {
		return nil, err
	}
	specs, err := stringMap(body.Specs)
	if err != nil {
		return nil, err
	}
	if err := checkExtraSpecs(r, specs); err != nil {
		return nil, err
	}
	if _, err := a.nova.SetExtraSpecs(r.Context(), r.Path("id"), specs); err != nil {
		return nil, err
	}
	return object{"extra_specs": specs}, nil
}

func (a *api) updateExtraSpec(r *rest.Request) (any, error) {
	specs, err := stringMap(r.Raw)
	if err != nil {
		return nil, err
	}
	if _, ok := specs[r.Path("key")]; !ok || len(specs) != 1 {
		return nil, rest.BadRequest("Request body and URI mismatch")
	}
	if err := checkExtraSpecs(r, specs); err != nil {
		return nil, err
	}
	if _, err := a.nova.SetExtraSpecs(r.Context(), r.Path("id"), specs); err != nil {
		return nil, err
	}
	return specs, nil
}

func (a *api) flavorAccessRoutes() []rest.Route {
	action := func(key string) *rest.Schema {
		return rest.JSON(fmt.Sprintf(`{"type": "object", "required": [%q], "additionalProperties": false, "properties": {%q: {
			"type": "object", "required": ["tenant"], "additionalProperties": false, "properties": {"tenant": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[a-zA-Z0-9-]*$"}}}}}`, key, key))
	}
	tenant := func(r *rest.Request, key string) string {
		var body map[string]struct{ Tenant string }
		_ = json.Unmarshal(r.Raw, &body) // the schema has judged it
		return body[key].Tenant
	}
	view := func(list []*nova.FlavorAccess, err error) (any, error) {
		if err != nil {
			return nil, err
		}
		out := make([]object, len(list))
		for i, x := range list {
			out[i] = object{"flavor_id": x.FlavorID, "tenant_id": x.ProjectID}
		}
		return object{"flavor_access": out}, nil
	}
	return []rest.Route{
		{Method: "GET", Path: "/flavors/{id}/os-flavor-access", Policy: "os_compute_api:os-flavor-access", Handle: func(r *rest.Request) (any, error) {
			return view(a.nova.FlavorAccessList(r.Context(), r.Caller, r.Path("id")))
		}},
		{
			Method: "POST", Path: "/flavors/{id}/action", Action: "addTenantAccess", Policy: "os_compute_api:os-flavor-access:add_tenant_access",
			Body: action("addTenantAccess"), Handle: func(r *rest.Request) (any, error) {
				return view(a.nova.GrantFlavor(r.Context(), r.Path("id"), tenant(r, "addTenantAccess"), r.Version.AtLeast(2, 7)))
			},
		},
		{
			Method: "POST", Path: "/flavors/{id}/action", Action: "removeTenantAccess", Policy: "os_compute_api:os-flavor-access:remove_tenant_access",
			Body: action("removeTenantAccess"), Handle: func(r *rest.Request) (any, error) {
				return view(a.nova.RevokeFlavor(r.Context(), r.Path("id"), tenant(r, "removeTenantAccess")))
			},
		},
	}
}
