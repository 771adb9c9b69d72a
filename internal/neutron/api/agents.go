package api

import (
	"net/http"
	"slices"

	"gostack/internal/neutron"
	"gostack/internal/neutron/attr"
	"gostack/internal/policy"
	"gostack/internal/rest"
)

// agentRoutes are the agents as networking-ovn shows them, the availability zones and the service providers.
func (a *api) agentRoutes() (routes []rest.Route) {
	get := func(path, policy string, target func(*rest.Request) (policy.Target, error), handle func(*rest.Request) (any, error)) {
		routes = append(routes, rest.Route{Method: "GET", Path: path, Policy: policy, Target: target, Handle: handle})
	}
	for _, suffix := range []string{"", ".json"} {
		get("/v2.0/agents"+suffix, rest.Authenticated, nil, a.listAgents)
		for _, base := range spellings("availability-zones") {
			get("/v2.0/"+base+suffix, "get_availability_zone", nil, a.listZones)
		}
		get("/v2.0/service-providers"+suffix, "get_service_provider", nil, func(*rest.Request) (any, error) {
			return map[string]any{"service_providers": []any{map[string]any{"service_type": "L3_ROUTER_NAT", "name": "ovn", "default": true}}}, nil
		})
	}
	find := func(r *rest.Request) (policy.Target, error) {
		agent, err := a.n.Agent(r.Context(), id(r))
		r.Loaded = agent
		return policy.Target{}, err
	}
	get("/v2.0/agents/{id}", "get_agent", find, func(r *rest.Request) (any, error) { return map[string]any{"agent": r.Loaded}, nil })
	routes = append(routes,
		rest.Route{Method: "PUT", Path: "/v2.0/agents/{id}", Policy: "update_agent", Target: find, Body: anything, Handle: a.updateAgent},
		rest.Route{
			Method: "DELETE", Path: "/v2.0/agents/{id}", Policy: "delete_agent", Target: find, Status: http.StatusNoContent,
			Handle: func(r *rest.Request) (any, error) { return nil, a.n.DeleteAgent(r.Context(), id(r)) },
		})
	return routes
}

func (a *api) listAgents(r *rest.Request) (any, error) {
	if err := refusedScope(r, "get_agent"); err != nil {
		return nil, err
	}
	shown := []neutron.Agent{}
	if r.Can("get_agent", policy.Target{}) {
		all, err := a.n.Agents(r.Context())
		if err != nil {
			return nil, err
		}
		q := r.QueryValues()
		for _, g := range all {
			alive := map[bool]string{true: "True", false: "False"}[g.Alive]
			if matches(q["host"], g.Host) && matches(q["agent_type"], g.AgentType) && matches(q["binary"], g.Binary) && matches(q["alive"], alive) && matches(q["id"], g.ID) &&
				matches(q["availability_zone"], g.Zone) {
				shown = append(shown, g)
			}
		}
	}
	return memoryList(r, "agents", "id", shown, "agent_type", "binary", "host", "topic", "alive", "admin_state_up", "availability_zone", "created_at",
		"started_at", "heartbeat_timestamp", "description")
}

func matches(wanted []string, have string) bool {
	return len(wanted) == 0 || slices.Contains(wanted, have)
}

var agentTable = attr.NewTable("agent", "agents", []attr.Attribute{
	{Name: "admin_state_up", Put: true, Check: attr.Boolean},
	{Name: "description", Put: true, Check: attr.NullIsEmpty(attr.String(descriptionLength))},
})

func (a *api) updateAgent(r *rest.Request) (any, error) {
	items, _, err := agentTable.Items(r.Body, false)
	if err != nil {
		return nil, err
	}
	v, _, err := agentTable.ForUpdate(items[0])
	if err != nil {
		return nil, err
	}
	agent, err := a.n.UpdateAgent(r.Context(), id(r), v)
	return map[string]any{"agent": agent}, err
}

func (a *api) listZones(r *rest.Request) (any, error) {
	names, err := a.n.AvailabilityZones(r.Context())
	if err != nil {
		return nil, err
	}
	zones := []any{}
	q := r.QueryValues()
	for _, name := range names {
		for _, kind := range []string{"network", "router"} {
			if matches(q["resource"], kind) && matches(q["name"], name) && matches(q["state"], "available") {
				zones = append(zones, map[string]string{"name": name, "resource": kind, "state": "available"})
			}
		}
	}
	return map[string]any{"availability_zones": zones}, nil
}

// ipAvailabilityRoutes count addresses per network and subnet.
func (a *api) ipAvailabilityRoutes() []rest.Route {
	list := func(r *rest.Request) (any, error) {
		if err := refusedScope(r, "get_network_ip_availability"); err != nil {
			return nil, err
		}
		out := []neutron.NetworkIPAvailability{}
		if r.Can("get_network_ip_availability", policy.Target{}) {
			q := r.QueryValues()
			all, err := a.n.IPAvailability(r.Context(), "")
			if err != nil {
				return nil, err
			}
			for _, n := range all {
				if matches(q["network_id"], n.NetworkID) && matches(q["network_name"], n.NetworkName) && matches(append(q["project_id"], q["tenant_id"]...), n.ProjectID) {
					out = append(out, n.OfVersion(q.Get("ip_version")))
				}
			}
		}
		return memoryList(r, "network_ip_availabilities", "network_id", out, "network_name", "project_id", "tenant_id", "total_ips", "used_ips")
	}
	return []rest.Route{
		{Method: "GET", Path: "/v2.0/network-ip-availabilities", Policy: rest.Authenticated, Handle: list},
		{Method: "GET", Path: "/v2.0/network-ip-availabilities.json", Policy: rest.Authenticated, Handle: list},
		{
			Method: "GET", Path: "/v2.0/network-ip-availabilities/{id}", Policy: "get_network_ip_availability", Target: nobody,
			Handle: func(r *rest.Request) (any, error) {
				all, err := a.n.IPAvailability(r.Context(), id(r))
				if err == nil && len(all) == 0 {
					err = neutron.NetworkNotFound(id(r))
				}
				if err != nil {
					return nil, err
				}
				return map[string]any{"network_ip_availability": all[0]}, nil
			},
		},
	}
}
