package nova

import (
	"context"
	"strconv"

	"gostack/internal/nova/db"
	"gostack/internal/rest"
	"gostack/internal/store"
)

// Hypervisor is a host as os-hypervisors shows it.
type Hypervisor struct {
	*ComputeNode
	Service *ServiceRow
	Up      bool
	Use     db.HostUse
	Servers []*Server // when asked for
}

// Hypervisors returns the hosts after a marker (0: from the first), at most limit (0: all), in three statements, or four with servers.
func (s *Service) Hypervisors(ctx context.Context, after int64, limit int, servers bool) ([]*Hypervisor, error) {
	h := s.DB.Read(ctx)
	nodes, err := db.ListComputeNodes(ctx, h, after, limit)
	if err != nil {
		return nil, err
	}
	v, err := db.ListServices(ctx, h, BinaryCompute, "")
	if err != nil {
		return nil, err
	}
	byHost := make(map[string]*ServiceRow, len(v))
	for _, sv := range v {
		byHost[sv.Host] = sv
	}
	use, err := db.UseOfHosts(ctx, h)
	if err != nil {
		return nil, err
	}
	on := map[string][]*Server{}
	if servers {
		list, err := db.ListServers(ctx, h, ServerFilter{Sort: []Order{{Column: "seq"}}})
		if err != nil {
			return nil, err
		}
		for _, srv := range list {
			on[srv.Host] = append(on[srv.Host], srv)
		}
	}
	out := make([]*Hypervisor, 0, len(nodes))
	for _, n := range nodes {
		sv := byHost[n.Host]
		if sv == nil {
			continue
		}
		out = append(out, &Hypervisor{ComputeNode: n, Service: sv, Up: s.Up(sv), Use: use[n.Host], Servers: on[n.Host]})
	}
	return out, nil
}

// CountMoves adds to what is in use on hosts what they keep for servers that wait to have a resize confirmed: the source what there is to go back to, while
// the destination has what the new flavor takes. One statement.
func (s *Service) CountMoves(ctx context.Context, hosts ...*Hypervisor) error {
	moves, err := db.ListMigrations(ctx, s.DB.Read(ctx), MigrationFilter{Statuses: []string{MoveFinished}})
	for _, m := range moves {
		was, is := m.OldFlavor.Flavor, m.NewFlavor.Flavor
		for _, h := range hosts {
			if h.Host == m.DestCompute { // its row counts with the larger of both
				h.Use.VCPUs -= max(was.VCPUs, is.VCPUs) - is.VCPUs
				h.Use.MemoryMB -= max(was.MemoryMB, is.MemoryMB) - is.MemoryMB
			}
			if h.Host == m.SourceCompute {
				h.Use.VCPUs, h.Use.MemoryMB, h.Use.DiskGB = h.Use.VCPUs+was.VCPUs, h.Use.MemoryMB+was.MemoryMB, h.Use.DiskGB+was.RootGB+was.EphemeralGB
			}
		}
	}
	return err
}

// Hypervisor returns one host, by UUID or number.
func (s *Service) Hypervisor(ctx context.Context, id string, servers bool) (*Hypervisor, error) {
	all, err := s.Hypervisors(ctx, 0, 0, servers)
	if err != nil {
		return nil, err
	}
	for _, h := range all {
		if h.ComputeNode.ID == id || strconv.FormatInt(h.Seq, 10) == id {
			return h, nil
		}
	}
	return nil, rest.NotFound("Compute host %s could not be found.", id)
}

// Aggregates returns all aggregates.
func (s *Service) Aggregates(ctx context.Context) ([]*Aggregate, error) {
	return db.ListAggregates(ctx, s.DB.Read(ctx))
}

// Aggregate returns one aggregate.
func (s *Service) Aggregate(ctx context.Context, id string) (*Aggregate, error) {
	return s.aggregate(ctx, s.DB.Read(ctx), id)
}

func (s *Service) aggregate(ctx context.Context, h store.Tx, id string) (*Aggregate, error) {
	n, err := strconv.ParseInt(id, 10, 64)
	if err != nil {
		return nil, rest.BadRequest("Invalid input received: id must be an integer")
	}
	a, err := db.GetAggregate(ctx, h, n)
	if store.IsNotFound(err) {
		return nil, rest.NotFound("Aggregate %s could not be found.", id)
	}
	return a, err
}

// ServersOn returns the servers that a host has, or that are on their way to it.
func (s *Service) ServersOn(ctx context.Context, host string) ([]*Server, error) {
	return db.ServersOnHost(ctx, s.DB.Read(ctx), host)
}
