package ops

import (
	"context"
	"errors"
	"time"

	"gostack/internal/nova"
	"gostack/internal/nova/db"
	"gostack/internal/nova/driver"
	"gostack/internal/nova/rpc"
	"gostack/internal/saga"
	"gostack/internal/store"
)

type resetRun = saga.Run[nova.ResetState]

// reset finds out what is true of a server whose state an administrator has set by hand. It waits for operations that were under way, which
// were cancelled, to have unwound; then it asks the host. Upstream writes the state and leaves the truth to chance.
func (o *Ops) reset() *saga.Definition[nova.ResetState] {
	return &saga.Definition[nova.ResetState]{
		Kind: nova.KindReset, Deadline: time.Hour, Workers: 32,
		Steps: []saga.Step[nova.ResetState]{{Name: "look", Do: o.lookAt, Deadline: time.Minute}},
		OnDone: func(ctx context.Context, tx store.Tx, r *resetRun) error {
			return o.settle(ctx, tx, r.Operation, func(srv *nova.Server) []string { return o.truth(srv, r) })
		},
		OnUndone: func(ctx context.Context, tx store.Tx, r *resetRun) error {
			return o.settle(ctx, tx, r.Operation, func(srv *nova.Server) []string { return o.truth(srv, r) })
		},
	}
}

// lookAt asks the host what it has of the server. A host that does not answer within the deadline is not waited for: what was set holds until it
// tells.
func (o *Ops) lookAt(ctx context.Context, r *resetRun) error {
	srv, err := o.server(ctx, r.State.ServerID)
	if err != nil || srv == nil {
		return gone(err)
	}
	if srv.Host == "" {
		r.State.Missing, r.State.Known = true, true
		return nil
	}
	moves, err := db.ListMigrations(ctx, o.Nova.DB.Read(ctx), nova.MigrationFilter{ServerID: srv.ID, Statuses: []string{nova.MoveFinished}, Limit: 1})
	if err != nil {
		return err
	}
	r.State.Waiting = len(moves) > 0
	r.At(srv.Host)
	if up, err := o.hostUp(ctx, srv.Host); err != nil || !up {
		return err
	}
	var now rpc.PowerStateReply
	err = o.Nova.Hosts.Call(ctx, srv.Host, rpc.PowerState, rpc.ServerRef{ServerID: srv.ID}, &now)
	if errors.Is(err, driver.ErrNotFound) {
		r.State.Missing, r.State.Known = true, true
		return nil
	}
	if err != nil {
		return err
	}
	r.State.Known, r.State.Power = true, int(now.State)
	return nil
}

// truth is the state of a server as its host has it. What an administrator calls broken stays broken.
func (o *Ops) truth(srv *nova.Server, r *resetRun) []string {
	if !r.State.Known {
		return []string{"vm_state"}
	}
	if r.State.Missing {
		srv.PowerState = int(driver.NoState)
		if r.State.Wanted == nova.Active {
			srv.VMState = nova.InError
			srv.Fault = &nova.Fault{Code: 500, Message: "The server's host does not have it. A hard reboot makes it anew.", At: o.Nova.Now()}
		}
		return []string{"vm_state", "power_state", "fault"}
	}
	srv.PowerState = r.State.Power
	if r.State.Wanted == nova.Active {
		srv.Fault = nil
		switch driver.PowerState(r.State.Power) {
		case driver.Shutdown, driver.Crashed:
			srv.VMState = nova.Stopped
		case driver.Paused:
			srv.VMState = nova.Paused
		case driver.Suspended:
			srv.VMState = nova.Suspended
		}
		// Called active it would keep the old host's resources and files for ever, and nobody could bring it back.
		if r.State.Waiting {
			srv.VMState = nova.Resized
		}
	}
	return []string{"vm_state", "power_state", "fault"}
}
