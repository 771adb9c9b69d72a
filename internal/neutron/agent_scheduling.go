package neutron

import (
	"context"

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

// GatewayAgents are the agents that may carry a router's gateway: those of the chassis that reach its external network.
func (s *Service) GatewayAgents(ctx context.Context, router string) ([]Agent, error) {
	r, err := db.Get[db.Router](ctx, s.DB.Read(ctx), router)
	if err != nil {
		return nil, or(err, RouterNotFound(router))
	}
	out := []Agent{}
	if r.GWNetworkID == "" {
		return out, nil
	}
	n, err := oneNetwork(ctx, s.DB.Read(ctx), r.GWNetworkID, "")
	if err != nil {
		return nil, err
	}
	all, err := s.Agents(ctx)
	for _, a := range all {
		if a.AgentType == gatewayAgent && a.reaches(n.PhysicalNetwork) {
			out = append(out, a)
		}
	}
	return out, err
}

// AgentRouters are the routers whose gateway an agent may carry.
func (s *Service) AgentRouters(ctx context.Context, agent string) ([]string, error) {
	a, err := s.Agent(ctx, agent)
	if err != nil {
		return nil, err
	}
	if a.AgentType != gatewayAgent {
		return nil, nil
	}
	var rows []struct{ ID, PhysicalNetwork string }
	err = s.DB.Read(ctx).NewRaw(`SELECT r.id, n.physical_network FROM neutron_routers r JOIN neutron_networks n ON n.id = r.gw_network_id ORDER BY r.id`).Scan(ctx, &rows)
	var out []string
	for _, r := range rows {
		if a.reaches(r.PhysicalNetwork) {
			out = append(out, r.ID)
		}
	}
	return out, err
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
