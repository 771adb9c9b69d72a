package api

import (
	"net/http"
	"slices"

	"gostack/internal/neutron"
	"gostack/internal/policy"
	"gostack/internal/rest"
)

// autoTopologyRoutes are the extension auto-allocated-topology: asking for a project's topology makes it.
func (a *api) autoTopologyRoutes() (routes []rest.Route) {
	project := func(r *rest.Request) string {
		if p := id(r); p != "None" && p != "null" {
			return p
		}
		return r.Caller.ProjectID
	}
	target := func(r *rest.Request) (policy.Target, error) {
		return policy.Target{"project_id": project(r), "tenant_id": project(r)}, nil
	}
	for _, base := range spellings("auto-allocated-topology") {
		path := "/v2.0/" + base + "/{id}"
		routes = append(routes,
			rest.Route{
				Method: "GET", Path: path, Policy: "get_auto_allocated_topology", Target: target,
				Handle: func(r *rest.Request) (any, error) {
					dry := slices.Contains(r.QueryValues()["fields"], "dry-run")
					ctx := neutron.Track(r.Context())
					network, err := a.n.AutoTopology(ctx, r.Caller, project(r), dry)
					if err != nil {
						return nil, err
					}
					a.n.Await(ctx)
					if dry {
						network = "dry-run=pass"
					}
					return map[string]any{"auto_allocated_topology": map[string]any{
						"id": network, "tenant_id": project(r), "project_id": project(r),
					}}, nil
				},
			},
			rest.Route{
				Method: "DELETE", Path: path, Policy: "delete_auto_allocated_topology", Target: target, Status: http.StatusNoContent,
				Handle: func(r *rest.Request) (any, error) {
					ctx := neutron.Track(r.Context())
					err := a.n.DeleteAutoTopology(ctx, project(r))
					if err == nil {
						a.n.Await(ctx)
					}
					return nil, err
				},
			})
	}
	return routes
}
