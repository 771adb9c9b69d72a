package api

import (
	"net/http"

	"gostack/internal/neutron/attr"
	"gostack/internal/neutron/db"
	"gostack/internal/policy"
	"gostack/internal/rest"
)

// schedulingRoutes are the extensions dhcp_agent_scheduler and l3_agent_scheduler as far as OVN has something to answer.
func (a *api) schedulingRoutes(networks, routers *resource) []rest.Route {
	nothing := func(key string) func(*rest.Request) (any, error) {
		return func(*rest.Request) (any, error) { return map[string]any{key: []any{}}, nil }
	}
	agent := func(r *rest.Request) (policy.Target, error) {
		found, err := a.n.Agent(r.Context(), id(r))
		r.Loaded = found
		return policy.Target{}, err
	}
	named := func(r *rest.Request, name string) (string, error) {
		doc, _ := r.Body.(map[string]any)
		v, reason := attr.UUID(doc[name])
		if reason != "" {
			return "", attr.Bad("Invalid input for %s. Reason: %s.", name, reason)
		}
		return v.(string), nil //nolint:forcetypeassert // UUID gives nothing else
	}
	of := func(res *resource) func(*rest.Request) (policy.Target, error) {
		return func(r *rest.Request) (policy.Target, error) { return a.find(r, res) }
	}
	return []rest.Route{
		{Method: "GET", Path: "/v2.0/networks/{id}/dhcp-agents", Policy: "get_dhcp-agents", Target: of(networks), Handle: nothing("agents")},
		{Method: "GET", Path: "/v2.0/agents/{id}/dhcp-networks", Policy: "get_dhcp-networks", Target: agent, Handle: nothing("networks")},
		{
			Method: "POST", Path: "/v2.0/agents/{id}/dhcp-networks", Policy: "create_dhcp-network", Target: agent, Body: anything, Status: http.StatusCreated,
			Handle: func(r *rest.Request) (any, error) {
				if _, err := named(r, "network_id"); err != nil {
					return nil, err
				}
				return nil, a.n.ScheduleDHCP(r.Context(), id(r))
			},
		},
		{
			Method: "DELETE", Path: "/v2.0/agents/{id}/dhcp-networks/{network_id}", Policy: "delete_dhcp-network", Target: agent, Status: http.StatusNoContent,
			Handle: func(r *rest.Request) (any, error) {
				return nil, a.n.UnscheduleDHCP(r.Context(), id(r), r.Path("network_id"))
			},
		},
		{
			Method: "GET", Path: "/v2.0/routers/{id}/l3-agents", Policy: "get_l3-agents", Target: of(routers),
			Handle: func(r *rest.Request) (any, error) {
				agents, err := a.n.GatewayAgents(r.Context(), id(r))
				return map[string]any{"agents": agents}, err
			},
		},
		{
			Method: "GET", Path: "/v2.0/agents/{id}/l3-routers", Policy: "get_l3-routers", Target: agent,
			Handle: func(r *rest.Request) (any, error) {
				ids, err := a.n.AgentRouters(r.Context(), id(r))
				if err != nil {
					return nil, err
				}
				views, err := routers.List(r.Context(), r.Caller, db.Query{Where: []db.Cond{db.In("t.id", ids)}})
				shown := make([]any, len(views))
				for i, v := range views {
					shown[i] = a.shape(r, routers, v)
				}
				return map[string]any{"routers": shown}, err
			},
		},
		{
			Method: "POST", Path: "/v2.0/agents/{id}/l3-routers", Policy: "create_l3-router", Target: agent, Body: anything, Status: http.StatusCreated,
			Handle: func(r *rest.Request) (any, error) {
				router, err := named(r, "router_id")
				if err != nil {
					return nil, err
				}
				return nil, a.n.ScheduleRouter(r.Context(), id(r), router)
			},
		},
		{
			Method: "DELETE", Path: "/v2.0/agents/{id}/l3-routers/{router_id}", Policy: "delete_l3-router", Target: agent, Status: http.StatusNoContent,
			Handle: func(r *rest.Request) (any, error) {
				return nil, a.n.UnscheduleRouter(r.Context(), id(r), r.Path("router_id"))
			},
		},
	}
}
