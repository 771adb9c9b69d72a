package api

import (
	"net/http"

	"gostack/internal/keystone"
	"gostack/internal/policy"
	"gostack/internal/rest"
)

const endpointProperties = `"enabled": ` + boolean + `, "interface": {"type": "string", "enum": ["admin", "internal", "public"]},
	"region_id": {"type": ["string", "null"]}, "region": {"type": ["string", "null"]}, "service_id": {"type": "string"},
	"url": {"type": "string", "maxLength": 225, "pattern": "^[a-zA-Z0-9+.-]+:.+"}`

func (a *api) endpoints() []rest.Route {
	one := func(r *rest.Request) func(*keystone.Endpoint, error) (any, error) {
		return func(e *keystone.Endpoint, err error) (any, error) {
			if err != nil {
				return nil, err
			}
			return map[string]any{"endpoint": endpointView(r, e)}, nil
		}
	}
	const path = "/endpoints/{endpoint_id}"
	return []rest.Route{
		{Method: "GET", Path: "/endpoints", Policy: "identity:list_endpoints", Handle: func(r *rest.Request) (any, error) {
			o, err := listOptions(r, filterable{"interface", "e.interface", false}, filterable{"service_id", "e.service_id", false},
				filterable{"region_id", "e.region_id", false})
			if err != nil {
				return nil, err
			}
			list, err := a.Endpoints(r.Context(), o)
			return collection(r, "endpoints", list, endpointView), err
		}},
		{
			Method: "POST", Path: "/endpoints", Policy: "identity:create_endpoint",
			Body: body("endpoint", endpointProperties, "interface", "service_id", "url"), Status: http.StatusCreated,
			Handle: func(r *rest.Request) (any, error) {
				return one(r)(a.CreateEndpoint(r.Context(), object(r, "endpoint")))
			},
		},
		{Method: "GET", Path: path, Policy: "identity:get_endpoint", Target: a.endpointMustExist, Handle: func(r *rest.Request) (any, error) {
			return one(r)(loaded[*keystone.Endpoint](r))
		}},
		{
			Method: "PATCH", Path: path, Policy: "identity:update_endpoint", Target: a.endpointMustExist, Body: body("endpoint", endpointProperties),
			Handle: func(r *rest.Request) (any, error) {
				return one(r)(a.UpdateEndpoint(r.Context(), r.Path("endpoint_id"), object(r, "endpoint")))
			},
		},
		{
			Method: "DELETE", Path: path, Policy: "identity:delete_endpoint", Target: a.endpointMustExist, Status: http.StatusNoContent,
			Handle: func(r *rest.Request) (any, error) { return nil, a.DeleteEndpoint(r.Context(), r.Path("endpoint_id")) },
		},
	}
}

// endpointMustExist tells everybody that there is no such endpoint, as upstream does.
func (a *api) endpointMustExist(r *rest.Request) (policy.Target, error) {
	e, err := a.Endpoint(r.Context(), r.Path("endpoint_id"))
	r.Loaded = e
	return policy.Target{}, err
}
