package nova

import (
	"context"
	"sync"

	"gostack/internal/nova/db"
	"gostack/internal/nova/rpc"
	"gostack/internal/nova/scheduler"
)

// hypervisors are those that have been read, by id: what a host says of itself is long and changes seldom.
type hypervisors struct {
	mu    sync.Mutex
	known map[string]*ComputeNode
}

// SchedulerNeeds says what decisions weigh that costs more to find out than hosts and aggregates.
type SchedulerNeeds struct {
	Servers    func(aggregates []scheduler.Aggregate) bool // numbers of servers
	Properties bool                                        // properties of the images of servers
}

// SchedulerHosts is what a decision depends on besides placement: the hosts and the aggregates. Four statements, or five when
// hosts have said something new, however many hosts there are.
func (s *Service) SchedulerHosts(ctx context.Context, needs SchedulerNeeds) ([]scheduler.Host, []scheduler.Aggregate, error) {
	h := s.DB.Read(ctx)
	states, err := db.HostStates(ctx, h)
	if err != nil {
		return nil, nil, err
	}
	nodes, err := s.hypervisorsOf(ctx, states)
	if err != nil {
		return nil, nil, err
	}
	busy, err := db.BusyServers(ctx, h)
	if err != nil {
		return nil, nil, err
	}
	rows, err := db.ListAggregates(ctx, h)
	if err != nil {
		return nil, nil, err
	}
	aggregates := make([]scheduler.Aggregate, len(rows))
	for i, a := range rows {
		aggregates[i] = scheduler.Aggregate{UUID: a.UUID, Name: a.Name, Metadata: a.Metadata, Hosts: a.Hosts}
	}
	counts := map[string]int{}
	if needs.Servers != nil && needs.Servers(aggregates) {
		if counts, err = db.CountByHost(ctx, h); err != nil {
			return nil, nil, err
		}
	}
	properties := map[string]map[string]map[string]int{}
	if needs.Properties {
		if properties, err = s.propertiesOnHosts(ctx); err != nil {
			return nil, nil, err
		}
	}
	hosts := make([]scheduler.Host, 0, len(states))
	for i := range states {
		st := &states[i]
		n := nodes[st.NodeID]
		if n == nil {
			continue // it came between two statements
		}
		sv := ServiceRow{Disabled: st.Disabled, ForcedDown: st.ForcedDown, LastSeenAt: st.LastSeenAt}
		host := scheduler.Host{
			Name: n.Host, Node: n.Hostname, Provider: n.ID, Up: s.Up(&sv), Disabled: st.Disabled, HypervisorType: n.Info.HypervisorType,
			HypervisorVersion: n.Info.HypervisorVersion, Address: n.Info.HostIP, IOOps: busy[n.Host], Count: counts[n.Host], FailedBuilds: st.FailedBuilds,
			ImageProperties: properties[n.Host], Capabilities: capabilitiesOf(&n.Info), Supported: guestsOf(&n.Info),
		}
		hosts = append(hosts, host)
	}
	return hosts, aggregates, nil
}

// hypervisorsOf returns the hypervisors of states, reading those that have changed since they were read last.
func (s *Service) hypervisorsOf(ctx context.Context, states []db.HostState) (map[string]*ComputeNode, error) {
	s.hypervisors.mu.Lock()
	defer s.hypervisors.mu.Unlock()
	known := make(map[string]*ComputeNode, len(states))
	var changed []string
	for i := range states {
		if n := s.hypervisors.known[states[i].NodeID]; n != nil && n.UpdatedAt.Equal(states[i].UpdatedAt) {
			known[n.ID] = n
		} else {
			changed = append(changed, states[i].NodeID)
		}
	}
	if len(changed) > 0 {
		rows, err := db.ComputeNodesByID(ctx, s.DB.Read(ctx), changed)
		if err != nil {
			return nil, err
		}
		for _, n := range rows {
			known[n.ID] = n
		}
	}
	s.hypervisors.known = known
	return known, nil
}

func (s *Service) propertiesOnHosts(ctx context.Context) (map[string]map[string]map[string]int, error) {
	images, err := db.ImagesByHost(ctx, s.DB.Read(ctx))
	out := make(map[string]map[string]map[string]int, len(images))
	for host, list := range images {
		out[host] = map[string]map[string]int{}
		for _, image := range list {
			for key, value := range image.Properties {
				if out[host][key] == nil {
					out[host][key] = map[string]int{}
				}
				out[host][key][value]++
			}
		}
	}
	return out, err
}

func capabilitiesOf(i *rpc.HostInfo) map[string]any {
	t := i.CPU.Topology
	return map[string]any{
		"cpu_info": map[string]any{
			"arch": i.CPU.Arch, "model": i.CPU.Model, "vendor": i.CPU.Vendor, "features": i.CPU.Features,
			"topology": map[string]any{"cells": t.Cells, "sockets": t.Sockets, "cores": t.Cores, "threads": t.Threads},
		},
		"hypervisor_type": i.HypervisorType, "virt_type": i.VirtType,
	}
}

func guestsOf(i *rpc.HostInfo) []scheduler.Guest {
	guests := make([]scheduler.Guest, len(i.Supported))
	for n, g := range i.Supported {
		guests[n] = scheduler.Guest{Architecture: g[0], Hypervisor: g[1], Mode: g[2]}
	}
	return guests
}
