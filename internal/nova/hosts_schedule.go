package nova

import (
	"context"
	"fmt"

	"gostack/internal/nova/db"
	"gostack/internal/nova/scheduler"
	"gostack/internal/store"
)

// SchedulerHosts is what a decision depends on besides placement: the hosts and the aggregates. With servers set, the hosts know
// which of those they have.
func (s *Service) SchedulerHosts(ctx context.Context, servers []*Server) ([]scheduler.Host, []scheduler.Aggregate, error) {
	v, err := s.hostView(ctx, s.DB.Read(ctx))
	if err != nil {
		return nil, nil, err
	}
	busy, err := db.BusyServers(ctx, s.DB.Read(ctx))
	if err != nil {
		return nil, nil, err
	}
	hosts := make([]scheduler.Host, 0, len(v.list))
	for _, n := range v.list {
		sv := v.services[n.Host]
		if sv == nil {
			continue
		}
		h := scheduler.Host{
			Name: n.Host, Node: n.Hostname, Provider: n.ID, Up: s.Up(sv), Disabled: sv.Disabled, HypervisorType: n.Info.HypervisorType,
			HypervisorVersion: n.Info.HypervisorVersion, Address: n.Info.HostIP, IOOps: busy[n.Host],
			Capabilities: map[string]any{"cpu_info": map[string]any{"arch": n.Info.CPU.Arch, "model": n.Info.CPU.Model, "vendor": n.Info.CPU.Vendor, "features": n.Info.CPU.Features}},
		}
		for _, g := range n.Info.Supported {
			h.Supported = append(h.Supported, scheduler.Guest{Architecture: g[0], Hypervisor: g[1], Mode: g[2]})
		}
		for _, srv := range servers {
			if srv.Host == n.Host {
				h.Servers = append(h.Servers, srv.ID)
			}
		}
		hosts = append(hosts, h)
	}
	aggregates := make([]scheduler.Aggregate, len(v.aggregates))
	for i, a := range v.aggregates {
		aggregates[i] = scheduler.Aggregate{UUID: a.UUID, Name: a.Name, Metadata: a.Metadata, Hosts: a.Hosts}
	}
	return hosts, aggregates, nil
}

// ZoneOf is the availability zone of a host.
func (s *Service) ZoneOf(ctx context.Context, host string) (string, error) {
	v := &hostView{fallback: s.DefaultZone()}
	var err error
	v.aggregates, err = db.ListAggregates(ctx, s.DB.Read(ctx))
	return v.zoneOf(host), err
}

// SchedulerSpec is what to place for a server, and the servers whose places matter for it.
func (s *Service) SchedulerSpec(ctx context.Context, srv *Server) (*scheduler.Spec, []*Server, error) {
	f := srv.Flavor
	spec := &scheduler.Spec{
		Servers: []string{srv.ID}, Project: srv.ProjectID, AvailabilityZone: deref(srv.PinnedZone), Hints: hintLists(srv.SchedulerHints),
		Flavor: scheduler.Flavor{
			ID: srv.FlavorID, Name: f.Name, VCPUs: int(f.VCPUs), MemoryMB: int(f.MemoryMB), RootGB: int(f.RootGB), EphemeralGB: int(f.EphemeralGB), SwapMB: int(f.SwapMB), ExtraSpecs: f.ExtraSpecs,
		},
		Image: scheduler.Image{ID: srv.ImageID, Properties: srv.Image.Properties},
	}
	if srv.Requested.ForceHost {
		spec.ForcedHost, spec.ForcedNode = srv.Requested.Host, srv.Requested.Node
	} else {
		spec.Host, spec.Node = srv.Requested.Host, srv.Requested.Node
	}
	var matter []*Server
	if srv.ServerGroupID != nil {
		g, err := db.GetServerGroup(ctx, s.DB.Read(ctx), *srv.ServerGroupID)
		if err != nil {
			return nil, nil, err
		}
		if matter, err = db.GroupMembers(ctx, s.DB.Read(ctx), g.ID); err != nil {
			return nil, nil, err
		}
		spec.Group = &scheduler.Group{Policy: g.Policy, MaxPerHost: g.Rules["max_server_per_host"]}
		for _, m := range matter {
			if m.ID != srv.ID {
				spec.Group.Members = append(spec.Group.Members, m.ID)
			}
		}
	}
	var named []string
	for _, hint := range []string{"same_host", "different_host"} {
		named = append(named, spec.Hints[hint]...)
	}
	if len(named) > 0 {
		more, err := db.ListServers(ctx, s.DB.Read(ctx), ServerFilter{IDs: named})
		if err != nil {
			return nil, nil, err
		}
		matter = append(matter, more...)
	}
	return spec, matter, nil
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// GroupAllows tells whether a host fits the server's group as the members are in this transaction.
func (s *Service) GroupAllows(ctx context.Context, tx store.Tx, srv *Server) (func(host string) bool, error) {
	if srv.ServerGroupID == nil {
		return func(string) bool { return true }, nil
	}
	g, err := db.GetServerGroup(ctx, tx, *srv.ServerGroupID)
	if store.IsNotFound(err) {
		return func(string) bool { return true }, nil // a group can be deleted; its servers stay
	}
	if err != nil {
		return nil, err
	}
	members, err := db.GroupMembers(ctx, tx, g.ID)
	if err != nil {
		return nil, err
	}
	var hosts []string
	for _, m := range members {
		if m.ID != srv.ID && m.Host != "" {
			hosts = append(hosts, m.Host)
		}
	}
	group := &scheduler.Group{Policy: g.Policy, MaxPerHost: g.Rules["max_server_per_host"]}
	return func(host string) bool { return group.Allows(host, hosts) }, nil
}

// hintLists reads hints whose values are texts or lists of texts.
func hintLists(hints map[string]any) map[string][]string {
	out := make(map[string][]string, len(hints))
	for k, v := range hints {
		if list, ok := v.([]any); ok {
			for _, x := range list {
				out[k] = append(out[k], fmt.Sprint(x))
			}
			continue
		}
		out[k] = []string{fmt.Sprint(v)}
	}
	return out
}
