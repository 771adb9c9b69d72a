package nova

import (
	"context"

	"gostack/internal/nova/db"
	"gostack/internal/nova/driver"
	"gostack/internal/store"
)

// PowerEvents takes what hypervisors say of servers on a host. A server that is in the hands of an operation only gets its
// power state: the operation knows why it changed. Otherwise the vm_state follows, as upstream's synchronisation has it.
func (s *Service) PowerEvents(ctx context.Context, host string, events []driver.Event) error {
	if len(events) == 0 {
		return nil
	}
	return s.write(ctx, func(ctx context.Context, tx store.Tx) error {
		ids := make([]string, len(events))
		for i := range events {
			ids[i] = events[i].ServerID
		}
		servers, err := db.ListServers(ctx, tx, ServerFilter{IDs: ids})
		if err != nil {
			return err
		}
		byID := map[string]*Server{}
		for _, srv := range servers {
			byID[srv.ID] = srv
		}
		changed := map[string]*Server{}
		for _, e := range events {
			srv := byID[e.ServerID]
			if srv == nil || srv.Host != host {
				continue
			}
			state := e.State
			if e.Gone {
				state = driver.NoState
			}
			vm := followPower(srv, state)
			if int(state) == srv.PowerState && vm == srv.VMState {
				continue
			}
			srv.PowerState, srv.VMState = int(state), vm
			changed[srv.ID] = srv
		}
		for _, srv := range servers { // in a fixed order
			if changed[srv.ID] == nil {
				continue
			}
			srv.UpdatedAt = s.Now()
			if err := db.UpdateServer(ctx, tx, srv, "power_state", "vm_state", "updated_at"); err != nil {
				return err
			}
		}
		return nil
	})
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
