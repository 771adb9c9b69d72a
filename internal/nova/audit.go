package nova

import (
	"context"
	"errors"
	"fmt"

	"gostack/internal/bus"
	"gostack/internal/nova/db"
	"gostack/internal/nova/driver"
	"gostack/internal/nova/rpc"
)

// AuditFinding is a difference between the database and a host.
type AuditFinding struct {
	ID       string // of the server, or the name of the host
	Problem  string
	Repaired bool
}

// Audit compares what hosts have with what the database says they have. With repair, what nobody owns is removed from hosts and power
// states are taken over. Servers in the hands of an operation are left out: the operation sees to them.
func (s *Service) Audit(ctx context.Context, repair bool) ([]AuditFinding, error) {
	services, err := db.ListServices(ctx, s.DB.Read(ctx), BinaryCompute, "")
	if err != nil {
		return nil, err
	}
	var all []AuditFinding
	for _, sv := range services {
		found, err := s.auditHost(ctx, sv.Host, repair)
		if errors.Is(err, bus.ErrUnroutable) {
			all = append(all, AuditFinding{ID: sv.Host, Problem: "host does not answer: its servers are not compared"})
			continue
		}
		if err != nil {
			return all, fmt.Errorf("host %s: %w", sv.Host, err)
		}
		all = append(all, found...)
	}
	more, err := s.auditAllocations(ctx, repair)
	return append(all, more...), err
}

func (s *Service) auditHost(ctx context.Context, host string, repair bool) ([]AuditFinding, error) {
	// The host first: a row is there before its guest and goes after it, so a guest without a row in the later look is nobody's.
	var have rpc.AuditReply
	if err := s.Hosts.Call(ctx, host, rpc.Audit, struct{}{}, &have); err != nil {
		return nil, err
	}
	var ids []string
	for _, g := range have.Guests {
		ids = append(ids, g.ID)
	}
	for _, d := range have.Disks {
		ids = append(ids, d.ID)
	}
	known := map[string]*Server{}
	expected, err := db.ServersOnHost(ctx, s.DB.Read(ctx), host)
	if err != nil {
		return nil, err
	}
	if len(ids) > 0 {
		elsewhere, err := db.ListServers(ctx, s.DB.Read(ctx), ServerFilter{IDs: ids})
		if err != nil {
			return nil, err
		}
		expected = append(expected, elsewhere...)
	}
	for _, srv := range expected {
		known[srv.ID] = srv
	}
	a := hostAudit{service: s, host: host, repair: repair, known: known, seen: map[string]bool{}}
	for _, g := range have.Guests {
		if err := a.guest(ctx, g); err != nil {
			return a.found, err
		}
	}
	for _, d := range have.Disks {
		if err := a.disks(ctx, d); err != nil {
			return a.found, err
		}
	}
	for _, srv := range known {
		if err := a.server(ctx, srv); err != nil {
			return a.found, err
		}
	}
	return a.found, nil
}

// hostAudit is the comparison of one host.
type hostAudit struct {
	service *Service
	host    string
	repair  bool
	known   map[string]*Server
	seen    map[string]bool // has a guest, or was found fault with
	found   []AuditFinding
}

func (a *hostAudit) guest(ctx context.Context, g driver.Guest) error {
	a.seen[g.ID] = true
	srv := a.known[g.ID]
	switch {
	case srv == nil:
		return a.remove(ctx, g.ID, "guest of no server on host "+a.host)
	case srv.OperationID != nil:
		return nil
	case srv.Host == a.host:
		return a.power(ctx, srv, g.State)
	case srv.Host == "":
		return a.remove(ctx, g.ID, "guest on host "+a.host+", where the server is not")
	default:
		return a.remove(ctx, g.ID, fmt.Sprintf("guest on host %s, but the server is on %s", a.host, srv.Host))
	}
}

func (a *hostAudit) disks(ctx context.Context, d driver.DiskSet) error {
	srv := a.known[d.ID]
	if d.Aside && srv != nil {
		return a.aside(ctx, srv, d)
	}
	if a.seen[d.ID] {
		return nil
	}
	if srv != nil && (srv.OperationID != nil || srv.Host == a.host) {
		return nil // a missing guest is told below
	}
	a.seen[d.ID] = true
	return a.remove(ctx, d.ID, fmt.Sprintf("%d bytes of files of no server on host %s", d.Bytes, a.host))
}

// aside looks at files that a move has put aside. They belong to a server that waits for its resize to be confirmed or reverted, or that an
// operation holds; those of one in error may be all there is of it.
func (a *hostAudit) aside(ctx context.Context, srv *Server, d driver.DiskSet) error {
	if srv.OperationID != nil || srv.VMState == Resized {
		return nil
	}
	f := AuditFinding{ID: d.ID, Problem: fmt.Sprintf("%d bytes of files are aside on host %s, and the server is %s", d.Bytes, a.host, srv.VMState)}
	var err error
	if a.repair && srv.VMState != InError {
		err = a.service.Hosts.Call(ctx, a.host, rpc.DropAside, rpc.MoveRef{ServerID: srv.ID}, nil)
		f.Repaired = err == nil
	}
	a.found = append(a.found, f)
	return err
}

// server looks at a server that should have a guest here.
func (a *hostAudit) server(ctx context.Context, srv *Server) error {
	if a.seen[srv.ID] || srv.OperationID != nil || srv.Host != a.host {
		return nil
	}
	switch srv.VMState {
	case Active, Paused, Suspended, Stopped, Rescued, Resized:
	default:
		return nil
	}
	// It may have been made since the first look.
	err := a.service.Hosts.Call(ctx, a.host, rpc.PowerState, rpc.ServerRef{ServerID: srv.ID}, nil)
	if errors.Is(err, driver.ErrNotFound) {
		a.found = append(a.found, AuditFinding{ID: srv.ID, Problem: fmt.Sprintf("the server is %s, but host %s has no guest; a hard reboot makes it anew", srv.VMState, a.host)})
		return nil
	}
	return err
}

func (a *hostAudit) power(ctx context.Context, srv *Server, state driver.PowerState) error {
	if int(state) == srv.PowerState && followPower(srv, state) == srv.VMState {
		return nil
	}
	f := AuditFinding{ID: srv.ID, Problem: fmt.Sprintf("the server is %s with power state %s, its guest is %s", srv.VMState, driver.PowerState(srv.PowerState), state)}
	var err error
	if a.repair {
		err = a.service.PowerEvents(ctx, a.host, []driver.Event{{ServerID: srv.ID, State: state, At: a.service.Now()}})
		f.Repaired = err == nil
	}
	a.found = append(a.found, f)
	return err
}

func (a *hostAudit) remove(ctx context.Context, id, problem string) error {
	f := AuditFinding{ID: id, Problem: problem}
	var err error
	if a.repair {
		err = a.service.Hosts.Call(ctx, a.host, rpc.Destroy, rpc.ServerRef{ServerID: id}, nil)
		f.Repaired = err == nil
	}
	a.found = append(a.found, f)
	return err
}
