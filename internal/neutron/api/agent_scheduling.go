package api

import (
	"net/http"

	"gostack/internal/policy"
	"gostack/internal/rest"
)

// dhcpSchedulingRoutes are the extension dhcp_agent_scheduler as far as OVN has something to answer.
func (a *api) dhcpSchedulingRoutes(networks *resource) []rest.Route {
	nothing := func(key string) func(*rest.Request) (any, error) {
		return func(*rest.Request) (any, error) { return map[string]any{key: []any{}}, nil }
	}
	agent := func(r *rest.Request) (policy.Target, error) {
		found, err := a.n.Agent(r.Context(), id(r))
		r.Loaded = found
		return policy.Target{}, err
	}
	return []rest.Route{
		{Method: "GET", Path: "/v2.0/networks/{id}/dhcp-agents", Policy: "get_dhcp-agents", Target: a.target(networks), Handle: nothing("agents")},
		{Method: "GET", Path: "/v2.0/agents/{id}/dhcp-networks", Policy: "get_dhcp-networks", Target: agent, Handle: nothing("networks")},
		{
			Method: "POST", Path: "/v2.0/agents/{id}/dhcp-networks", Policy: "create_dhcp-network", Target: agent, Body: anything, Status: http.StatusCreated,
			Handle: func(r *rest.Request) (any, error) {
				if _, err := namedID(r, "network_id"); err != nil {
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
	}
}
