package api

import (
	"context"
	"net/http"

	"gostack/internal/neutron"
	"gostack/internal/neutron/attr"
	"gostack/internal/policy"
	"gostack/internal/rest"
)

var bindingTable = attr.NewTable("binding", "bindings", []attr.Attribute{
	{Name: "project_id", Post: true},
	{Name: "tenant_id", Post: true},
	{Name: "host", Post: true, Required: true, Check: attr.String(255)},
	{Name: "vnic_type", Post: true, Check: vnicTypes},
	{Name: "profile", Post: true, Check: attr.Dict},
})

// bindingRoutes are the extension binding-extended: more than one host for a port, of which one is active.
func (a *api) bindingRoutes(ports *resource) []rest.Route {
	target := func(r *rest.Request) (policy.Target, error) { return a.find(r, ports) }
	tracked := func(r *rest.Request, do func(ctx context.Context) (any, error)) (any, error) {
		ctx := neutron.Track(r.Context())
		answer, err := do(ctx)
		if err != nil {
			return nil, err
		}
		a.n.Await(ctx)
		return answer, nil
	}
	return []rest.Route{
		{
			Method: "GET", Path: "/v2.0/ports/{id}/bindings", Policy: "get_port_binding", Target: target,
			Handle: func(r *rest.Request) (any, error) {
				all, err := a.n.PortBindings(r.Context(), id(r))
				return map[string]any{"bindings": all}, err
			},
		},
		{
			Method: "POST", Path: "/v2.0/ports/{id}/bindings", Policy: "create_port_binding", Target: target, Body: anything, Status: http.StatusCreated,
			Handle: func(r *rest.Request) (any, error) {
				items, _, err := bindingTable.Items(r.Body, false)
				if err != nil {
					return nil, err
				}
				v, _, err := bindingTable.ForCreate(items[0])
				if err != nil {
					return nil, err
				}
				return tracked(r, func(ctx context.Context) (any, error) {
					b, err := a.n.CreatePortBinding(ctx, id(r), v)
					return map[string]any{"binding": b}, err
				})
			},
		},
		{
			Method: "DELETE", Path: "/v2.0/ports/{id}/bindings/{host}", Policy: "delete_port_binding", Target: target, Status: http.StatusNoContent,
			Handle: func(r *rest.Request) (any, error) {
				return nil, a.n.DeletePortBinding(r.Context(), id(r), r.Path("host"))
			},
		},
		{
			Method: "PUT", Path: "/v2.0/ports/{id}/bindings/{host}/activate", Policy: "activate", Target: target,
			Handle: func(r *rest.Request) (any, error) {
				return tracked(r, func(ctx context.Context) (any, error) {
					b, err := a.n.ActivatePortBinding(ctx, id(r), r.Path("host"))
					return map[string]any{"binding": b}, err
				})
			},
		},
	}
}
