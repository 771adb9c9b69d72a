package neutron

import (
	"context"
	"encoding/json"
	"slices"

	"github.com/uptrace/bun"

	"gostack/internal/neutron/attr"
	"gostack/internal/neutron/db"
)

// This file answers the agent schedulers of Neutron (extensions dhcp_agent_scheduler and l3_agent_scheduler) for OVN, in which every
// ovn-controller answers DHCP for its own ports and the gateway chassis carry the routers' external side.

const gatewayAgent = "OVN Controller Gateway agent"

// UpdateAgent changes an agent's description. Agents of OVN cannot be switched off.
func (s *Service) UpdateAgent(ctx context.Context, id string, v attr.Values) (*Agent, error) {
	a, err := s.Agent(ctx, id)
	if err != nil {
		return nil, err
	}
	if v.Has("admin_state_up") && !v.Bool("admin_state_up") {
		return nil, badRequest("agent", "OVN agent status cannot be updated")
	}
	if !v.Has("description") {
		return a, nil
	}
	a.Description = v.String("description")
	return a, s.write(ctx, func(ctx context.Context, u *unit) error {
		_, err := u.tx.NewInsert().Model(&db.AgentDescription{AgentID: id, Description: a.Description}).
			On("CONFLICT (agent_id) DO UPDATE").Set("description = EXCLUDED.description").Exec(ctx)
		return err
	})
}

// describe adds what administrators said of agents.
func (s *Service) describe(ctx context.Context, agents []Agent) error {
	rows, err := db.Find[db.AgentDescription](ctx, s.DB.Read(ctx), func(*bun.SelectQuery) {})
	said := map[string]string{}
	for _, r := range rows {
		said[r.AgentID] = r.Description
	}
	for i := range agents {
		agents[i].Description = said[agents[i].ID]
	}
	return err
}

// GatewayAgents are the agents that may carry one of a router's gateways: those of the chassis that reach its external network and are in
// one of the zones that the router asks for.
func (s *Service) GatewayAgents(ctx context.Context, router string) ([]Agent, error) {
	if _, err := db.Get[db.Router](ctx, s.DB.Read(ctx), router); err != nil {
		return nil, or(err, RouterNotFound(router))
	}
	gateways, err := s.placedGateways(ctx, "r.id = ?", router)
	if err != nil {
		return nil, err
	}
	out := []Agent{}
	if len(gateways) == 0 {
		return out, nil
	}
	all, err := s.Agents(ctx)
	for _, a := range all {
		if slices.ContainsFunc(gateways, func(g placedGateway) bool { return s.carries(a, g) }) {
			out = append(out, a)
		}
	}
	return out, err
}

// AgentRouters are the routers of which an agent may carry a gateway.
func (s *Service) AgentRouters(ctx context.Context, agent string) ([]string, error) {
	a, err := s.Agent(ctx, agent)
	if err != nil {
		return nil, err
	}
	gateways, err := s.placedGateways(ctx, "r.id <> ?", "")
	var out []string
	for _, g := range gateways {
		if s.carries(*a, g) && !slices.Contains(out, g.Router) {
			out = append(out, g.Router)
		}
	}
	return out, err
}

// placedGateway is what decides on which hosts a gateway may be.
type placedGateway struct {
	Router, Physnet string
	Hints           []string
}

func (s *Service) placedGateways(ctx context.Context, where string, arg any) (out []placedGateway, err error) {
	var rows []struct{ Router, Physnet, Hints string }
	err = s.DB.Read(ctx).NewRaw(`SELECT r.id AS router, n.physical_network AS physnet, COALESCE(r.availability_zone_hints, '') AS hints FROM neutron_routers r
JOIN neutron_ports p ON p.router_id = r.id AND p.device_owner = 'network:router_gateway' JOIN neutron_networks n ON n.id = p.network_id
WHERE `+where+` ORDER BY r.id, p.id`, arg).Scan(ctx, &rows)
	for _, r := range rows {
		g := placedGateway{Router: r.Router, Physnet: r.Physnet}
		if r.Hints != "" {
			if err := json.Unmarshal([]byte(r.Hints), &g.Hints); err != nil {
				return nil, err
			}
		}
		out = append(out, g)
	}
	return out, err
}

// carries tells whether a gateway may be on an agent's host.
func (s *Service) carries(a Agent, g placedGateway) bool {
	if a.AgentType != gatewayAgent || !a.reaches(g.Physnet) {
		return false
	}
	zones := a.zones
	if len(zones) == 0 {
		zones = []string{s.AvailabilityZone}
	}
	return len(g.Hints) == 0 || slices.ContainsFunc(zones, func(z string) bool { return slices.Contains(g.Hints, z) })
}

func (a Agent) reaches(physnet string) bool { return physnet == "" || a.bridges[physnet] != "" }

// ScheduleRouter refuses to put a router on an agent: OVN chooses, and keeps its choice.
func (s *Service) ScheduleRouter(ctx context.Context, agent, router string) error {
	hosted, err := s.AgentRouters(ctx, agent)
	if err != nil {
		return err
	}
	for _, id := range hosted {
		if id == router {
			return conflict("RouterHostedByL3Agent", "The router %s has been already hosted by the L3 Agent %s.", router, agent)
		}
	}
	if _, err := db.Get[db.Router](ctx, s.DB.Read(ctx), router); err != nil {
		return or(err, RouterNotFound(router))
	}
	return conflict("RouterSchedulingFailed", "Failed scheduling router %s to the L3 Agent %s.", router, agent)
}

// UnscheduleRouter refuses to take a router from an agent.
func (s *Service) UnscheduleRouter(ctx context.Context, agent, router string) error {
	if _, err := s.Agent(ctx, agent); err != nil {
		return err
	}
	return conflict("RouterNotHostedByL3Agent", "The router %s is not hosted by L3 agent %s.", router, agent)
}

// ScheduleDHCP refuses: there is no DHCP agent.
func (s *Service) ScheduleDHCP(ctx context.Context, agent string) error {
	if _, err := s.Agent(ctx, agent); err != nil {
		return err
	}
	return missing("InvalidDHCPAgent", "Agent %s is not a valid DHCP Agent or has been disabled.", agent)
}

// UnscheduleDHCP refuses too.
func (s *Service) UnscheduleDHCP(ctx context.Context, agent, network string) error {
	if _, err := s.Agent(ctx, agent); err != nil {
		return err
	}
	return conflict("NetworkNotHostedByDhcpAgent", "The network %s is not hosted by the DHCP Agent %s.", network, agent)
}
