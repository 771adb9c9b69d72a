package api

import (
	"net/http"

	"gostack/internal/keystone"
	"gostack/internal/rest"
)

const policyProperties = `"blob": {"type": ["string", "object"]}, "type": {"type": "string", "maxLength": 255}`

// servicePolicies are the routes of texts that services keep here, and of what these are for (OS-ENDPOINT-POLICY). They are not the rules that
// decide about requests.
func (a *api) servicePolicies() []rest.Route {
	const all, one = "/policies", "/policies/{policy_id}"
	routes := []rest.Route{
		{Method: "GET", Path: all, Policy: "identity:list_policies", Handle: func(r *rest.Request) (any, error) {
			o, err := listOptions(r, filterable{"type", "p.type", false})
			if err != nil {
				return nil, err
			}
			list, err := a.ListPolicies(r.Context(), o)
			return collection(r, "policies", list, policyView), err
		}},
		{
			Method: "POST", Path: all, Policy: "identity:create_policy", Status: http.StatusCreated, Body: body("policy", policyProperties, "blob", "type"),
			Handle: func(r *rest.Request) (any, error) {
				p, err := a.CreatePolicy(r.Context(), object(r, "policy"))
				return oneOf("policy", err, func() any { return policyView(r, p) })
			},
		},
		{Method: "GET", Path: one, Policy: "identity:get_policy", Handle: func(r *rest.Request) (any, error) {
			p, err := a.Policy(r.Context(), r.Path("policy_id"))
			return oneOf("policy", err, func() any { return policyView(r, p) })
		}},
		{
			Method: "PATCH", Path: one, Policy: "identity:update_policy", Body: body("policy", policyProperties),
			Handle: func(r *rest.Request) (any, error) {
				p, err := a.UpdatePolicy(r.Context(), r.Path("policy_id"), object(r, "policy"))
				return oneOf("policy", err, func() any { return policyView(r, p) })
			},
		},
		{
			Method: "DELETE", Path: one, Policy: "identity:delete_policy", Status: http.StatusNoContent,
			Handle: func(r *rest.Request) (any, error) { return nil, a.DeletePolicy(r.Context(), r.Path("policy_id")) },
		},
		{
			Method: "GET", Path: one + "/OS-ENDPOINT-POLICY/endpoints", Policy: "identity:list_endpoints_for_policy",
			Handle: func(r *rest.Request) (any, error) {
				list, err := a.EndpointsOfPolicy(r.Context(), r.Path("policy_id"))
				return collection(r, "endpoints", list, endpointView), err
			},
		},
		{
			Method: "GET", Path: "/endpoints/{endpoint_id}/OS-ENDPOINT-POLICY/policy", Policy: "identity:get_policy_for_endpoint",
			Handle: func(r *rest.Request) (any, error) {
				p, err := a.PolicyForEndpoint(r.Context(), r.Path("endpoint_id"))
				return oneOf("policy", err, func() any { return policyView(r, p) })
			},
		},
	}
	for path, what := range map[string]string{
		"/endpoints/{endpoint_id}": "endpoint", "/services/{service_id}": "service", "/services/{service_id}/regions/{region_id}": "region_and_service",
	} {
		for method, op := range map[string]struct {
			verb string
			do   func(*rest.Request, *keystone.PolicyAssociation) error
		}{
			"GET": {"check", func(r *rest.Request, x *keystone.PolicyAssociation) error {
				return a.CheckPolicyAssociation(r.Context(), x)
			}},
			"PUT": {"create", func(r *rest.Request, x *keystone.PolicyAssociation) error { return a.AssociatePolicy(r.Context(), x) }},
			"DELETE": {"delete", func(r *rest.Request, x *keystone.PolicyAssociation) error {
				return a.DissociatePolicy(r.Context(), x)
			}},
		} {
			routes = append(routes, rest.Route{
				Method: method, Path: one + "/OS-ENDPOINT-POLICY" + path, Policy: "identity:" + op.verb + "_policy_association_for_" + what,
				Status: http.StatusNoContent, Handle: func(r *rest.Request) (any, error) {
					return nil, op.do(r, &keystone.PolicyAssociation{
						PolicyID: r.Path("policy_id"), EndpointID: r.Path("endpoint_id"), ServiceID: r.Path("service_id"), RegionID: r.Path("region_id"),
					})
				},
			})
		}
	}
	return routes
}

func policyView(r *rest.Request, p *keystone.Policy) map[string]any {
	v := view(r, "policies", p.ID, p.Extra)
	v["type"], v["blob"] = p.Type, p.Blob.V
	return v
}
