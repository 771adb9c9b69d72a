package nova

import (
	"bytes"
	"context"
	"encoding/json"
	"sync"
	"time"

	"gostack/internal/nova/db"
	"gostack/internal/nova/hardware"
	"gostack/internal/nova/rpc"
	"gostack/internal/nova/scheduler"
)

// hypervisors are those that have been read, in order of age: what a host says of itself is long and changes seldom.
type hypervisors struct {
	mu    sync.Mutex
	mark  db.NodesMark
	whole time.Time // when all were read
	known []*hypervisor
}

// hypervisor is one of them, ready for decisions.
type hypervisor struct {
	id       string
	revision int64
	host     scheduler.Host
}

// readWhole is how often all hypervisors are read, whatever their revisions say: a replica of an older version may not have counted them up.
const readWhole = time.Minute

// SchedulerNeeds says what decisions weigh that costs more to find out than hosts and aggregates.
type SchedulerNeeds struct {
	Servers    func(aggregates []scheduler.Aggregate) bool // numbers of servers
	Properties bool                                        // properties of the images of servers
}

// SchedulerHosts is what a decision depends on besides placement: the hosts and the aggregates. Six statements, or eight when hosts have said something new, however
// many hosts there are; of hosts that are as they were nothing is read.
func (s *Service) SchedulerHosts(ctx context.Context, needs SchedulerNeeds) ([]scheduler.Host, []scheduler.Aggregate, error) {
	h := s.DB.Read(ctx)
	known, err := s.knownHypervisors(ctx)
	if err != nil {
		return nil, nil, err
	}
	unusual, err := db.UnusualHosts(ctx, h, s.Now().Add(-s.downAfter()))
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
	claims, err := db.NUMAClaims(ctx, h, "")
	if err != nil {
		return nil, nil, err
	}
	placed := map[string][]*hardware.Guest{}
	for _, c := range claims {
		placed[c.Host] = append(placed[c.Host], c.Topology)
	}
	free, err := s.freePCI(ctx, known)
	if err != nil {
		return nil, nil, err
	}
	states := make(map[string]*db.HostState, len(unusual))
	for i := range unusual {
		states[unusual[i].NodeID] = &unusual[i]
	}
	hosts := make([]scheduler.Host, 0, len(known))
	for _, n := range known {
		host := n.host
		host.Up = true
		if st := states[n.id]; st != nil {
			if !st.Served {
				continue
			}
			host.Up = s.Up(&ServiceRow{Disabled: st.Disabled, ForcedDown: st.ForcedDown, LastSeenAt: st.LastSeenAt})
			host.Disabled, host.FailedBuilds = st.Disabled, st.FailedBuilds
		}
		if guests := placed[host.Name]; host.NUMA != nil && guests != nil {
			used := host.NUMA.Using(guests...)
			host.NUMA = &used
		}
		host.PCI = free[host.Name]
		host.IOOps, host.Count, host.ImageProperties = busy[host.Name], counts[host.Name], properties[host.Name]
		hosts = append(hosts, host)
	}
	return hosts, aggregates, nil
}

// knownHypervisors returns all hypervisors, reading those that have changed since they were read last.
func (s *Service) knownHypervisors(ctx context.Context) ([]*hypervisor, error) {
	k := &s.hypervisors
	k.mu.Lock()
	defer k.mu.Unlock()
	h := s.DB.Read(ctx)
	mark, err := db.MarkNodes(ctx, h)
	whole := time.Since(k.whole) > readWhole
	if err != nil || mark == k.mark && !whole {
		return k.known, err
	}
	// What changes between these statements has another mark, and is read next time.
	now := time.Now()
	rows, err := db.NodeRevisions(ctx, h)
	if err != nil {
		return nil, err
	}
	had := make(map[string]*hypervisor, len(k.known))
	for _, n := range k.known {
		had[n.id] = n
	}
	var changed []string
	for _, r := range rows {
		if n := had[r.ID]; n == nil || n.revision != r.Revision || whole {
			changed = append(changed, r.ID)
		}
	}
	if len(changed) > 0 {
		nodes, err := db.ComputeNodesByID(ctx, h, changed)
		if err != nil {
			return nil, err
		}
		for _, n := range nodes {
			had[n.ID] = &hypervisor{n.ID, n.Revision, scheduler.Host{
				Name: n.Host, Node: n.Hostname, Provider: n.ID, HypervisorType: n.Info.HypervisorType, HypervisorVersion: n.Info.HypervisorVersion,
				Address: n.Info.HostIP, Capabilities: capabilitiesOf(&n.Info), Supported: guestsOf(&n.Info), NUMA: n.Info.NUMA, PCI: n.Info.PCI,
			}}
		}
	}
	known := make([]*hypervisor, 0, len(rows))
	for _, r := range rows {
		if n := had[r.ID]; n != nil { // else it went between two statements
			known = append(known, n)
		}
	}
	k.known, k.mark = known, mark
	if whole {
		k.whole = now
	}
	return known, nil
}

// sameForDecisions tells whether two descriptions of a host differ only in what decisions do not weigh.
func sameForDecisions(a, b rpc.HostInfo) bool {
	for _, i := range []*rpc.HostInfo{&a, &b} {
		i.MemoryMBUsed, i.DiskGBUsed, i.DiskGBFree, i.Uptime, i.RunningServers = 0, 0, 0, "", 0
	}
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && bytes.Equal(x, y)
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
