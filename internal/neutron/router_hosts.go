package neutron

import (
	"context"
	"slices"

	"github.com/uptrace/bun"

	"gostack/internal/neutron/db"
	"gostack/internal/neutron/driver"
	"gostack/internal/neutron/driver/gateways"
)

// This file is the extension l3_agent_scheduler for OVN, with l3-agent-scheduler-ha-chassis-priority (neutron/services/ovn_l3/plugin.py of 2026.2):
// an agent is a chassis, a router is on the chassis of its gateways, the one with the highest priority carries it. Until an operator says
// something of a router, the engine chooses and keeps its choice; then what it had chosen and what the operator says are kept here, so unlike
// upstream neither an event of some chassis nor the loss of OVN's database undoes it. A chassis that a router was taken from is kept too, with a
// priority below 0: it is not for the engine to put the router there again.

const gatewayAgent = "OVN Controller Gateway agent"

// Priorities of hosts (ovn-nb(5), HA_Chassis).
const (
	lowestPriority  = 0
	highestPriority = 32767
	keptAway        = -1
)

// GatewayAgents are the agents that have a router's gateways, the one that carries them first.
func (s *Service) GatewayAgents(ctx context.Context, router string) ([]Agent, error) {
	hosts, err := s.hostsOfRouter(ctx, router)
	out := []Agent{}
	if err != nil || len(hosts) == 0 {
		return out, err
	}
	all, err := s.Agents(ctx)
	for _, h := range hosts {
		if i := slices.IndexFunc(all, func(a Agent) bool { return a.ID == h.Chassis && a.AgentType == gatewayAgent }); i >= 0 {
			a := all[i]
			a.HAChassisPriority = &h.Priority
			out = append(out, a)
		}
	}
	return out, err
}

// AgentRouters are the routers that have a gateway on an agent.
func (s *Service) AgentRouters(ctx context.Context, agent string) ([]string, error) {
	has, err := s.Backend.Gateways(ctx, "", agent)
	var out []string
	for _, g := range has {
		out = append(out, g.Router)
	}
	slices.Sort(out)
	return slices.Compact(out), err
}

// L3Agent refuses what is no agent, in the words of the scheduler.
func (s *Service) L3Agent(ctx context.Context, id string) error {
	all, err := s.Backend.Known(ctx, "")
	if err != nil || slices.ContainsFunc(all, func(c driver.Chassis) bool { return c.Name == id || metadataAgentID(c.Name) == id }) {
		return err
	}
	return invalidL3Agent(id)
}

// ScheduleRouter gives a router's gateways one more host. Without a priority it stands by behind all others.
func (s *Service) ScheduleRouter(ctx context.Context, agent, router string, priority *int64) error {
	if err := inPriorities(priority); err != nil {
		return err
	}
	r, err := db.Get[db.Router](ctx, s.DB.Read(ctx), router)
	if err != nil {
		return or(err, RouterNotFound(router))
	}
	if err := s.L3Agent(ctx, agent); err != nil {
		return err
	}
	physnets, err := s.gatewayPhysnets(ctx, router)
	if err != nil {
		return err
	}
	all, err := s.Backend.Known(ctx, "")
	if err != nil {
		return err
	}
	return s.changeHosts(ctx, agent, router, func(now []driver.GatewayHost) (int64, error) {
		if slices.ContainsFunc(now, func(h driver.GatewayHost) bool { return h.Chassis == agent }) {
			return 0, conflict("RouterHostedByL3Agent", "The router %s has been already hosted by the L3 Agent %s.", router, agent)
		}
		if err := free(now, priority); err != nil {
			return 0, err
		}
		for _, physnet := range physnets {
			if !slices.Contains(gateways.Possible(all, physnet, s.gatewayZones(r.AvailabilityZoneHints)), agent) {
				return 0, invalidL3Agent(agent)
			}
		}
		if len(physnets) == 0 { // upstream fails here with an internal error: it has no HA_Chassis_Group
			return 0, conflict("RouterSchedulingFailed", "Failed scheduling router %s to the L3 Agent %s.", router, agent)
		}
		if priority != nil {
			return *priority, nil
		}
		least := int64(gateways.Most)
		if len(now) > 0 {
			least = int64(now[len(now)-1].Priority) - 1
		}
		return least, inPriorities(&least)
	})
}

// RescheduleRouter changes the priority of one of a router's hosts. Without a priority nothing is asked for.
func (s *Service) RescheduleRouter(ctx context.Context, agent, router string, priority *int64) error {
	if priority == nil {
		return nil
	}
	if err := inPriorities(priority); err != nil {
		return err
	}
	if err := s.L3Agent(ctx, agent); err != nil {
		return err
	}
	return s.changeHosts(ctx, agent, router, func(now []driver.GatewayHost) (int64, error) {
		if err := hosted(now, agent, router); err != nil {
			return 0, err
		}
		return *priority, free(now, priority)
	})
}

// UnscheduleRouter takes a router from one of its hosts. The others keep their priorities.
func (s *Service) UnscheduleRouter(ctx context.Context, agent, router string) error {
	if err := s.L3Agent(ctx, agent); err != nil {
		return err
	}
	return s.changeHosts(ctx, agent, router, func(now []driver.GatewayHost) (int64, error) {
		return keptAway, hosted(now, agent, router)
	})
}

// changeHosts gives a host of a router the priority that decide says, knowing those the router has now.
func (s *Service) changeHosts(ctx context.Context, agent, router string, decide func(now []driver.GatewayHost) (int64, error)) error {
	has, err := s.Backend.Gateways(ctx, router, "")
	if err != nil {
		return err
	}
	return s.write(ctx, func(ctx context.Context, u *unit) error {
		chosen, now, err := routerHosts(ctx, u.tx, router, has)
		if err != nil {
			return err
		}
		priority, err := decide(now)
		if err != nil {
			return err
		}
		if len(chosen) == 0 { // from here on what the engine chose is kept too
			for _, h := range now {
				chosen = append(chosen, &db.RouterChassis{RouterID: router, Chassis: h.Chassis, Priority: int64(h.Priority)})
			}
		}
		chosen = slices.DeleteFunc(chosen, func(c *db.RouterChassis) bool { return c.Chassis == agent })
		chosen = append(chosen, &db.RouterChassis{RouterID: router, Chassis: agent, Priority: priority})
		u.changed(kindRouter, router)
		return db.SetRouterHosts(ctx, u.tx, router, chosen)
	})
}

// hostsOfRouter are the hosts of a router's gateways, the one that carries them first.
func (s *Service) hostsOfRouter(ctx context.Context, router string) ([]driver.GatewayHost, error) {
	has, err := s.Backend.Gateways(ctx, router, "")
	if err != nil {
		return nil, err
	}
	_, now, err := routerHosts(ctx, s.DB.Read(ctx), router, has)
	return now, err
}

// routerHosts are the hosts that were chosen for a router, and those it has: the engine's, corrected by what was chosen a moment ago. Without a
// gateway it has none.
func routerHosts(ctx context.Context, h bun.IDB, router string, has []driver.Gateway) (chosen []*db.RouterChassis, now []driver.GatewayHost, err error) {
	chosen, err = db.RouterHosts(ctx, h, func(q *bun.SelectQuery) { q.Where("t.router_id = ?", router) })
	if err != nil {
		return nil, nil, err
	}
	var gateway []string
	if err := h.NewRaw("SELECT gw_port_id FROM neutron_routers WHERE id = ? AND gw_port_id <> ''", router).Scan(ctx, &gateway); err != nil || len(gateway) == 0 {
		return chosen, nil, err
	}
	of, taken := map[string]int{}, map[int]bool{}
	twice := false // of several gateways each has an order of its own
	for _, g := range has {
		if p, known := of[g.Chassis]; !known || p < g.Priority {
			of[g.Chassis] = g.Priority
		}
	}
	for _, c := range chosen {
		if of[c.Chassis] = int(c.Priority); c.Priority < lowestPriority {
			delete(of, c.Chassis)
		}
	}
	for chassis, priority := range of {
		now = append(now, driver.GatewayHost{Chassis: chassis, Priority: priority})
		twice, taken[priority] = twice || taken[priority], true
	}
	now = gateways.Ordered(now)
	if twice && len(chosen) == 0 {
		var names []string
		for _, h := range now {
			names = append(names, h.Chassis)
		}
		now = gateways.Ranked(names)
	}
	return chosen, now, nil
}

// gatewayPhysnets are the physical networks of a router's gateways, one for each.
func (s *Service) gatewayPhysnets(ctx context.Context, router string) (out []string, err error) {
	err = s.DB.Read(ctx).NewRaw(`SELECT n.physical_network FROM neutron_ports p JOIN neutron_networks n ON n.id = p.network_id
WHERE p.router_id = ? AND p.device_owner = 'network:router_gateway' ORDER BY p.id`, router).Scan(ctx, &out)
	return out, err
}

func inPriorities(priority *int64) error {
	if priority == nil || *priority >= lowestPriority && *priority <= highestPriority {
		return nil
	}
	return bad("InvalidHAChassisPriority", "The HA_Chassis priority must be in the range [%d, %d].", lowestPriority, highestPriority)
}

// free refuses a priority that one of the hosts has.
func free(now []driver.GatewayHost, priority *int64) error {
	if priority == nil || !slices.ContainsFunc(now, func(h driver.GatewayHost) bool { return int64(h.Priority) == *priority }) {
		return nil
	}
	return conflict("HAChassisPriorityAlreadyAssigned", "The HA_Chassis priority %d is already assigned to a chassis of the router.", *priority)
}

func hosted(now []driver.GatewayHost, agent, router string) error {
	if slices.ContainsFunc(now, func(h driver.GatewayHost) bool { return h.Chassis == agent }) {
		return nil
	}
	return conflict("RouterNotHostedByL3Agent", "The router %s is not hosted by L3 agent %s.", router, agent)
}

func invalidL3Agent(id string) error {
	return missing("InvalidL3Agent", "Agent %s is not a L3 Agent or has been disabled", id)
}
