package nova

import (
	"context"
	"errors"

	"gostack/internal/nova/db"
	"gostack/internal/nova/driver"
	"gostack/internal/nova/rpc"
	"gostack/internal/store"
)

// PowerEvents takes what hypervisors say of servers on a host. An event may be late, so it is only the reason to look: what differs is
// asked for, and what the host says now is what the row gets. Servers in the hands of an operation are left alone; the operation looks
// when it has ended (SyncPower).
func (s *Service) PowerEvents(ctx context.Context, host string, events []driver.Event) error {
	if len(events) == 0 {
		return nil
	}
	ids := make([]string, len(events))
	for i := range events {
		ids[i] = events[i].ServerID
	}
	servers, err := db.PowerOfServers(ctx, s.DB.Read(ctx), ids)
	if err != nil {
		return err
	}
	byID := make(map[string]*Server, len(servers))
	for _, srv := range servers {
		byID[srv.ID] = srv
	}
	var errs []error
	for _, e := range events {
		srv := byID[e.ServerID]
		if srv == nil || srv.Host != host || srv.OperationID != nil {
			continue
		}
		state := e.State
		if e.Gone {
			state = driver.NoState
		}
		if int(state) != srv.PowerState || followPower(srv, state) != srv.VMState {
			errs = append(errs, s.SyncPower(ctx, srv.ID))
		}
	}
	return errors.Join(errs...)
}

// ComparePower is SyncPower for a server whose row has just been written: it is not read again unless its host says otherwise.
func (s *Service) ComparePower(ctx context.Context, srv *Server) error {
	if srv.OperationID != nil || srv.Host == "" {
		return nil
	}
	var now rpc.PowerStateReply
	err := s.Hosts.Call(ctx, srv.Host, rpc.PowerState, rpc.ServerRef{ServerID: srv.ID}, &now)
	if err != nil && !errors.Is(err, driver.ErrNotFound) {
		return err
	}
	if int(now.State) == srv.PowerState && followPower(srv, now.State) == srv.VMState {
		return nil
	}
	return s.SyncPower(ctx, srv.ID)
}

// syncTries is how often SyncPower looks again when the row changed while it looked at the host.
const syncTries = 3

// SyncPower makes a server's power state, and the vm_state that follows from it, what its host says now.
func (s *Service) SyncPower(ctx context.Context, id string) error {
	for range syncTries {
		srv, err := db.GetServer(ctx, s.DB.Read(ctx), id)
		if store.IsNotFound(err) {
			return nil
		}
		if err != nil || srv.OperationID != nil || srv.Host == "" {
			return err
		}
		var now rpc.PowerStateReply
		err = s.Hosts.Call(ctx, srv.Host, rpc.PowerState, rpc.ServerRef{ServerID: id}, &now)
		if err != nil && !errors.Is(err, driver.ErrNotFound) {
			return err
		}
		if int(now.State) == srv.PowerState && followPower(srv, now.State) == srv.VMState {
			return nil
		}
		changed, err := s.setPower(ctx, srv, now.State)
		if err != nil || !changed {
			return err
		}
	}
	return nil
}

// setPower stores a power state unless the row is not the one that was seen.
func (s *Service) setPower(ctx context.Context, seen *Server, state driver.PowerState) (changed bool, err error) {
	err = s.write(ctx, func(ctx context.Context, tx store.Tx) error {
		srv, err := db.GetServer(ctx, tx, seen.ID)
		if store.IsNotFound(err) {
			return nil
		}
		if err != nil || srv.OperationID != nil {
			return err
		}
		if changed = !srv.UpdatedAt.Equal(seen.UpdatedAt); changed {
			return nil
		}
		srv.PowerState, srv.VMState, srv.UpdatedAt = int(state), followPower(srv, state), s.Now()
		return db.UpdateServer(ctx, tx, srv, "power_state", "vm_state", "updated_at")
	})
	return changed, err
}

// followPower is the vm_state that a server without a task has when the hypervisor says state.
func followPower(srv *Server, state driver.PowerState) string {
	if srv.OperationID != nil {
		return srv.VMState
	}
	switch srv.VMState {
	case Active, Paused, Suspended, Stopped:
	default: // building, error, rescued and the like are not the hypervisor's to change
		return srv.VMState
	}
	switch state {
	case driver.Running:
		return Active
	case driver.Paused:
		if srv.VMState == Active || srv.VMState == Paused {
			return Paused
		}
	case driver.Shutdown, driver.Crashed:
		if srv.VMState != Suspended { // a suspended server is off, with its memory on disk
			return Stopped
		}
	case driver.Suspended:
		return Suspended
	}
	return srv.VMState
}
