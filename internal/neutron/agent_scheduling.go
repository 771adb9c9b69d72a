package neutron

import (
	"context"

	"github.com/uptrace/bun"

	"gostack/internal/neutron/attr"
	"gostack/internal/neutron/db"
)

// This file answers the extension dhcp_agent_scheduler for OVN, in which every ovn-controller answers DHCP for its own ports, and changes what of
// an agent can be changed.

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
