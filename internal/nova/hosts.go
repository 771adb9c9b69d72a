package nova

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"gostack/internal/bus"
	"gostack/internal/nova/db"
	"gostack/internal/nova/rpc"
	"gostack/internal/placement"
	"gostack/internal/store"
)

// The names of processes in os-services.
const (
	BinaryCompute   = "nova-compute"
	BinaryConductor = "nova-conductor"
	BinaryScheduler = "nova-scheduler"
)

// flushAfter is how long heard heartbeats may stay in memory: one statement then writes those of all hosts.
const flushAfter = 10 * time.Second

// heartbeats are those that were heard and not yet written.
type heartbeats struct {
	mu    sync.Mutex
	hosts map[string]map[string]bool // by binary
	last  time.Time
}

// Up tells whether a service reports.
func (s *Service) Up(sv *ServiceRow) bool {
	return !sv.ForcedDown && sv.LastSeenAt != nil && s.Now().Sub(*sv.LastSeenAt) <= s.downAfter()
}

// downAfter is how long a service may be silent.
func (s *Service) downAfter() time.Duration {
	if s.Config.DownAfter == 0 {
		return time.Minute
	}
	return s.Config.DownAfter
}

// Heartbeat notes that a binary lives on a host. Writes of many hosts are gathered.
func (s *Service) Heartbeat(ctx context.Context, binary, host string) error {
	now := s.Now()
	s.heard.mu.Lock()
	if s.heard.hosts == nil {
		s.heard.hosts = map[string]map[string]bool{}
	}
	if s.heard.hosts[binary] == nil {
		s.heard.hosts[binary] = map[string]bool{}
	}
	s.heard.hosts[binary][host] = true
	if now.Sub(s.heard.last) < flushAfter {
		s.heard.mu.Unlock()
		return nil
	}
	hosts := s.heard.hosts
	s.heard.hosts, s.heard.last = nil, now
	s.heard.mu.Unlock()
	err := s.write(ctx, func(ctx context.Context, tx store.Tx) error {
		for binary, set := range hosts {
			if err := db.SeenServices(ctx, tx, binary, keysOf(set), now); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil { // the next one writes these too: hosts must not seem dead because the database was away for a moment
		s.heard.mu.Lock()
		defer s.heard.mu.Unlock()
		for binary, set := range s.heard.hosts {
			if hosts[binary] == nil {
				hosts[binary] = set
			}
			maps.Copy(hosts[binary], set)
		}
		s.heard.hosts, s.heard.last = hosts, time.Time{}
	}
	return err
}

func keysOf(set map[string]bool) []string {
	out := make([]string, 0, len(set))
	for k := range set {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

// EnsureService makes the row of a process and notes that it lives.
func (s *Service) EnsureService(ctx context.Context, binary, host string) error {
	return s.write(ctx, func(ctx context.Context, tx store.Tx) error {
		_, err := s.ensureService(ctx, tx, binary, host)
		return err
	})
}

func (s *Service) ensureService(ctx context.Context, tx store.Tx, binary, host string) (*ServiceRow, error) {
	now := s.Now()
	sv, err := db.GetServiceOf(ctx, tx, binary, host)
	if store.IsNotFound(err) {
		sv = &ServiceRow{ID: s.newID(), Binary: binary, Host: host, LastSeenAt: &now, CreatedAt: now, UpdatedAt: now}
		return sv, db.Insert(ctx, tx, sv)
	}
	if err != nil {
		return nil, err
	}
	sv.LastSeenAt = &now
	return sv, db.UpdateService(ctx, tx, sv, "last_seen_at")
}

// HostUp takes what a host says of itself: its service, its hypervisor and its resource provider follow. It answers who the
// host is and which servers it should have.
func (s *Service) HostUp(ctx context.Context, host string, info rpc.HostInfo) (rpc.HostUpReply, error) {
	var reply rpc.HostUpReply
	if err := s.hostReturns(ctx, host); err != nil {
		return reply, err
	}
	err := s.write(ctx, func(ctx context.Context, tx store.Tx) error {
		now := s.Now()
		if _, err := s.ensureService(ctx, tx, BinaryCompute, host); err != nil {
			return err
		}
		n, err := db.GetComputeNodeOf(ctx, tx, host)
		switch {
		case store.IsNotFound(err):
			n = &ComputeNode{ID: s.newID(), Host: host, Hostname: info.Hostname, Info: info, CreatedAt: now, UpdatedAt: now}
			if err := db.Insert(ctx, tx, n); err != nil {
				return err
			}
		case err != nil:
			return err
		default:
			if n.Hostname != info.Hostname || !sameForDecisions(n.Info, info) {
				n.Revision++
			}
			n.Hostname, n.Info, n.UpdatedAt = info.Hostname, info, now
			if err := db.UpdateComputeNode(ctx, tx, n, "hostname", "info", "updated_at", "revision"); err != nil {
				return err
			}
		}
		reply = rpc.HostUpReply{NodeID: n.ID}
		servers, err := db.ServersOnHost(ctx, tx, host)
		for _, srv := range servers {
			reply.Servers = append(reply.Servers, srv.ID)
		}
		if err != nil {
			return err
		}
		reply.Evacuations, err = s.evacuationsFrom(ctx, tx, host)
		return err
	})
	if err != nil || s.Placement == nil {
		return reply, err
	}
	return reply, s.Placement.EnsureHost(ctx, s.inventory(reply.NodeID, info))
}

// hostReturns cleans a host that was away, before it counts as up. When its answer does not come, it introduces itself again, and this is
// tried again; what the host itself cannot do keeps nobody away.
func (s *Service) hostReturns(ctx context.Context, host string) error {
	if s.Placement == nil {
		return nil
	}
	sv, err := db.GetServiceOf(ctx, s.DB.Read(ctx), BinaryCompute, host)
	if store.IsNotFound(err) || err == nil && s.Up(sv) {
		return nil
	}
	if err == nil {
		err = s.cleanHost(ctx, host)
	}
	if err == nil || errors.Is(err, bus.ErrUnroutable) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	s.log().WarnContext(ctx, "what was deleted while the host was away is still on it", "host", host, "error", err)
	return nil
}

// cleanHost removes from a host that was away what was deleted, or moved elsewhere, in the meantime: nobody could tell it. Guests that
// the database never knew are left for an operator's audit.
func (s *Service) cleanHost(ctx context.Context, host string) error {
	var have rpc.AuditReply
	if err := s.Hosts.Call(ctx, host, rpc.Audit, struct{}{}, &have); err != nil {
		return err
	}
	ids := []string{}
	for _, g := range have.Guests {
		ids = append(ids, g.ID)
	}
	for _, d := range have.Disks {
		ids = append(ids, d.ID)
	}
	slices.Sort(ids)
	ids = slices.Compact(ids)
	known, err := db.ListServers(ctx, s.DB.Read(ctx), ServerFilter{IDs: ids, Both: true})
	if err != nil {
		return err
	}
	for _, srv := range known {
		// What a resize may go back to is kept where the server was.
		if srv.DeletedAt == nil && (srv.Host == host || srv.OperationID != nil || srv.VMState == Resized) {
			continue
		}
		if err := s.Hosts.Call(ctx, host, rpc.Destroy, rpc.ServerRef{ServerID: srv.ID}, nil); err != nil {
			return err
		}
		s.log().InfoContext(ctx, "removed what was left of a server", "server", srv.ID, "host", host)
	}
	return nil
}

// How far a new host may be promised when nothing is configured (upstream's initial_cpu_allocation_ratio and so on). An operator may
// set another ratio in placement.
const (
	InitialCPURatio  = 4
	InitialRAMRatio  = 1
	InitialDiskRatio = 1
)

// inventory is what placement shall know of a host. A ratio that is configured holds; without one placement's stays.
func (s *Service) inventory(nodeID string, info rpc.HostInfo) placement.HostInventory {
	reserved := s.Config.ReservedMemoryMB
	if reserved == 0 {
		reserved = 512
	}
	h := placement.HostInventory{
		UUID: nodeID, Name: info.Hostname, Traits: info.Traits, Inventories: map[string]placement.Inventory{
			"VCPU":      {Total: int64(info.VCPUs), AllocationRatio: s.Config.CPURatio},
			"MEMORY_MB": {Total: int64(info.MemoryMB), Reserved: int64(min(reserved, info.MemoryMB/2)), AllocationRatio: s.Config.RAMRatio},
			"DISK_GB":   {Total: int64(info.DiskGB), Reserved: int64(min((s.Config.ReservedDiskMB+1023)/1024, info.DiskGB/2)), AllocationRatio: s.Config.DiskRatio},
		},
		InitialRatios: map[string]float64{"VCPU": InitialCPURatio, "MEMORY_MB": InitialRAMRatio, "DISK_GB": InitialDiskRatio},
	}
	if info.PCPUs > 0 { // what belongs to one server is promised to no other
		h.Inventories[placement.PCPU] = placement.Inventory{Total: int64(info.PCPUs), AllocationRatio: 1}
	}
	if info.VCPUs == 0 {
		delete(h.Inventories, placement.VCPU)
	}
	return h
}

// ConductorHandlers answer what hosts report. A host speaks for itself alone.
func (s *Service) ConductorHandlers() bus.Handlers {
	foreign := func(from, host string) error {
		if from != "" && from != host {
			return bus.Fail(bus.CodeForbidden, "host %s cannot speak for host %s", from, host)
		}
		return nil
	}
	return bus.Handlers{
		rpc.HostUp: bus.Handle(func(ctx context.Context, from string, a rpc.HostUpArgs) (rpc.HostUpReply, error) {
			if err := foreign(from, a.Host); err != nil {
				return rpc.HostUpReply{}, err
			}
			if err := rpc.CheckVersion(a.RPC); err != nil {
				return rpc.HostUpReply{}, bus.Fail(bus.CodeForbidden, "%s", err.Error())
			}
			reply, err := s.HostUp(ctx, a.Host, a.Info)
			if err == nil {
				err = s.ResumeGuests(ctx, a.Host, a.Resume)
			}
			return reply, err
		}),
		rpc.EvacuationsDone: bus.Handle(func(ctx context.Context, from string, a rpc.EvacuationsDoneArgs) (any, error) {
			if err := foreign(from, a.Host); err != nil {
				return nil, err
			}
			return nil, s.evacuationsDone(ctx, a.Host, a.Migrations)
		}),
		rpc.Heartbeat: bus.Handle(func(ctx context.Context, from string, a rpc.HeartbeatArgs) (any, error) {
			if err := foreign(from, a.Host); err != nil {
				return nil, err
			}
			return nil, s.Heartbeat(ctx, BinaryCompute, a.Host)
		}),
		rpc.PowerEvents: bus.Handle(func(ctx context.Context, from string, a rpc.PowerEventsArgs) (any, error) {
			if err := foreign(from, a.Host); err != nil {
				return nil, err
			}
			return nil, s.PowerEvents(ctx, a.Host, a.Events)
		}),
	}
}

// The states of a server's host, as host_status shows them.
const (
	HostStatusUp   = "UP"
	HostUnknown    = "UNKNOWN"
	HostDown       = "DOWN"
	HostMaintained = "MAINTENANCE"
)

// HostStatuses returns the state of some compute hosts, in one statement; of none without any.
func (s *Service) HostStatuses(ctx context.Context, hosts ...string) (map[string]string, error) {
	if len(hosts) == 0 {
		return map[string]string{}, nil
	}
	rows, err := db.ServicesOfHosts(ctx, s.DB.Read(ctx), BinaryCompute, hosts)
	out := make(map[string]string, len(rows))
	for _, sv := range rows {
		switch {
		case sv.ForcedDown:
			out[sv.Host] = HostDown
		case sv.Disabled:
			out[sv.Host] = HostMaintained
		case s.Up(sv):
			out[sv.Host] = HostStatusUp
		default:
			out[sv.Host] = HostUnknown
		}
	}
	return out, err
}
