package nova

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"gostack/internal/neutron"
	"gostack/internal/nova/db"
	"gostack/internal/nova/hardware"
	"gostack/internal/nova/scheduler"
	"gostack/internal/placement"
	"gostack/internal/store"
)

// ZoneOf is the availability zone of a host, as the transaction sees it.
func (s *Service) ZoneOf(ctx context.Context, tx store.Tx, host string) (string, error) {
	in, err := db.AggregatesOf(ctx, tx, host)
	for _, a := range in {
		if zone := a.Metadata[zoneKey]; zone != "" {
			return zone, err
		}
	}
	return s.DefaultZone(), err
}

// Placing is a wish for a host: the server as it is, and in what it differs from the server's own first placing.
type Placing struct {
	Server *Server

	// Flavor is what the server shall become (resize); nil is what it has.
	Flavor *Flavor

	// Image replaces the server's own (rebuild); nil is what it has.
	Image *ImageCopy

	// Ignore are hosts that do not come into question: those that failed, or the one to move away from.
	Ignore []string

	// Host and Node name the only host, filters included, as an administrator asks of a move. Force skips the filters
	// (live-migrate and evacuate with force, up to 2.67).
	Host, Node string
	Force      bool

	// Moving leaves out what bound the first placing only: the host that POST /servers named. The zone stays, as do hints.
	Moving bool

	// BootFromVolume tells that the root disk is a volume.
	BootFromVolume bool

	// Plan are the ports of a server that has none yet; what its ports ask for is asked together with what the flavor does.
	Plan []neutron.NICPlan

	// Fresh decides on what is true now instead of a moment ago.
	Fresh bool
}

// SchedulerSpec is what to place for a server.
func (s *Service) SchedulerSpec(ctx context.Context, w Placing) (*scheduler.Spec, error) {
	srv, f := w.Server, w.Server.Flavor
	id := srv.FlavorID
	if w.Flavor != nil {
		f, id = flavorCopy(w.Flavor), w.Flavor.ID
	}
	image := srv.Image
	if w.Image != nil {
		image = *w.Image
	}
	spec := &scheduler.Spec{
		Servers: []string{srv.ID}, Project: srv.ProjectID, AvailabilityZone: deref(srv.PinnedZone), Hints: hintLists(srv.SchedulerHints),
		Flavor: scheduler.Flavor{
			ID: id, Name: f.Name, VCPUs: int(f.VCPUs), MemoryMB: int(f.MemoryMB), RootGB: int(f.RootGB), EphemeralGB: int(f.EphemeralGB), SwapMB: int(f.SwapMB), ExtraSpecs: f.ExtraSpecs,
		},
		Image: scheduler.Image{ID: srv.ImageID, DiskFormat: image.DiskFormat, Properties: image.Properties}, IgnoredHosts: w.Ignore, BootFromVolume: w.BootFromVolume,
	}
	var err error
	if guest, err := WishOf(f, srv.ImageID, image).Guest(); err == nil {
		spec.NUMA = guest
	}
	if spec.PCI, err = s.pciOf(f, srv.ImageID, image); err != nil { // a name that has gone meanwhile
		spec.PCI = []hardware.PCIRequest{{Count: 1}}
	}
	host, node, force := w.Host, w.Node, w.Force
	if host == "" && node == "" && !w.Moving {
		host, node, force = srv.Requested.Host, srv.Requested.Node, srv.Requested.ForceHost
	}
	if force {
		spec.ForcedHost, spec.ForcedNode = host, node
	} else {
		spec.Host, spec.Node = host, node
	}
	if spec.Ports, err = s.portGroups(ctx, w); err != nil {
		return nil, err
	}
	return spec, s.locate(ctx, srv, spec)
}

// portGroups are what the ports of a server ask of Placement, one group for each that asks.
func (s *Service) portGroups(ctx context.Context, w Placing) ([]placement.RequestGroup, error) {
	var asked []neutron.RequestGroup
	for _, nic := range w.Plan {
		if nic.Request != nil && nic.PortID != "" {
			asked = append(asked, *nic.Request)
		}
	}
	if w.Moving {
		var err error
		if asked, err = s.Network.PortRequests(ctx, w.Server.ID); err != nil {
			return nil, err
		}
	}
	var out []placement.RequestGroup
	for _, g := range asked {
		out = append(out, portGroup(g))
	}
	return out, nil
}

func portGroup(g neutron.RequestGroup) placement.RequestGroup {
	out := placement.RequestGroup{Suffix: "_port-" + g.ID, Resources: g.Resources}
	for _, trait := range g.Required {
		out.Required = append(out.Required, []string{trait})
	}
	return out
}

// PortAllocation is from where on its host a server can have what one more port asks for; placement.ErrCapacity when it can not.
func (s *Service) PortAllocation(ctx context.Context, srv *Server, g neutron.RequestGroup) (placement.Allocations, error) {
	node, err := db.GetComputeNodeOf(ctx, s.DB.Read(ctx), srv.Host)
	if store.IsNotFound(err) {
		return nil, placement.ErrCapacity
	}
	if err != nil {
		return nil, err
	}
	have, err := s.Placement.Snapshot(ctx)
	if err != nil {
		return nil, err
	}
	group := portGroup(g)
	group.InTree = node.ID
	found, err := have.Candidates(placement.CandidateRequest{Groups: []placement.RequestGroup{group}, Limit: 1})
	if _, refused := placement.IsRefusal(err); refused || err == nil && len(found.Requests) == 0 {
		return nil, placement.ErrCapacity
	}
	if err != nil {
		return nil, err
	}
	out := placement.Allocations{}
	for _, r := range found.Requests[0].Resources {
		if out[r.Provider.UUID] == nil {
			out[r.Provider.UUID] = map[string]int64{}
		}
		out[r.Provider.UUID][r.Class] += r.Amount
	}
	return out, nil
}

// locate finds out where the servers are that the group and the hints are about: at most three statements, none for most servers.
func (s *Service) locate(ctx context.Context, srv *Server, spec *scheduler.Spec) (err error) {
	h := s.DB.Read(ctx)
	if srv.ServerGroupID != nil {
		g, err := db.ServerGroupRule(ctx, h, *srv.ServerGroupID)
		if store.IsNotFound(err) {
			return nil // a group can be deleted; its servers stay
		}
		if err != nil {
			return err
		}
		if spec.Located, err = db.GroupHosts(ctx, h, g.ID); err != nil {
			return err
		}
		delete(spec.Located, srv.ID)
		spec.Group = &scheduler.Group{Policy: g.Policy, MaxPerHost: g.Rules["max_server_per_host"], Members: keysOfMap(spec.Located)}
	}
	var named []string
	for _, hint := range []string{"same_host", "different_host"} {
		named = append(named, spec.Hints[hint]...)
	}
	if len(named) == 0 {
		return nil
	}
	more, err := db.HostsOfServers(ctx, h, named)
	if spec.Located == nil {
		spec.Located = more
	} else {
		maps.Copy(spec.Located, more)
	}
	return err
}

func keysOfMap(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }

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
	g, err := db.ServerGroupRule(ctx, tx, *srv.ServerGroupID)
	if store.IsNotFound(err) {
		return func(string) bool { return true }, nil // a group can be deleted; its servers stay
	}
	if err != nil {
		return nil, err
	}
	members, err := db.GroupHosts(ctx, tx, g.ID)
	if err != nil {
		return nil, err
	}
	var hosts []string
	for id, host := range members {
		if id != srv.ID && host != "" {
			hosts = append(hosts, host)
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
