package ops

import (
	"context"
	"errors"
	"time"

	"gostack/internal/neutron"
	"gostack/internal/nova"
	"gostack/internal/nova/db"
	"gostack/internal/nova/driver"
	"gostack/internal/rest"
	"gostack/internal/saga"
	"gostack/internal/store"
)

type deleteRun = saga.Run[nova.DeleteState]

// always is the deadline of steps that nothing may end but success: what is to be deleted is deleted.
const always = 100 * 365 * 24 * time.Hour

// remove deletes a server: its guest, its ports' places, and in one transaction its ports, its resources and its row.
func (o *Ops) remove() *saga.Definition[nova.DeleteState] {
	return &saga.Definition[nova.DeleteState]{
		Kind: nova.KindDelete, NoCancel: true, Deadline: always, Workers: 64,
		Steps: []saga.Step[nova.DeleteState]{
			{Name: "destroy guest", Deadline: always, Do: func(ctx context.Context, r *deleteRun) error {
				srv, err := o.server(ctx, r.State.ServerID)
				if err != nil || srv == nil || srv.Host == "" {
					return err
				}
				r.At(srv.Host)
				if err := o.destroy(ctx, srv.Host, srv.ID); err != nil {
					return err
				}
				return o.destroyMoved(ctx, srv)
			}},
			{Name: "unbind ports", Deadline: always, Do: func(ctx context.Context, r *deleteRun) error {
				ports, err := o.Nova.Network.PortsOf(ctx, []string{r.State.ServerID})
				if err != nil || len(ports[r.State.ServerID]) == 0 {
					return err
				}
				return o.Nova.Network.UnbindPorts(ctx, portIDs(ports[r.State.ServerID]))
			}},
			{Name: "release", Deadline: always, Save: o.release},
		},
		OnDone: func(ctx context.Context, tx store.Tx, r *deleteRun) error {
			return o.finishAction(ctx, tx, r.Operation, "compute_terminate_instance", "", "")
		},
		OnUndone: func(ctx context.Context, tx store.Tx, r *deleteRun) error {
			err := o.settle(ctx, tx, r.Operation, func(srv *nova.Server) []string {
				srv.VMState, srv.Fault = nova.InError, o.fault(r.Operation, "")
				return []string{"vm_state", "fault"}
			})
			return errors.Join(err, o.finishAction(ctx, tx, r.Operation, "compute_terminate_instance", "", r.Cause))
		},
	}
}

// destroyMoved removes what moves of a server have left on other hosts: what a resize may go back to, what a move that failed could not take back.
func (o *Ops) destroyMoved(ctx context.Context, srv *nova.Server) error {
	moves, err := db.MovesOf(ctx, o.Nova.DB.Read(ctx), srv.ID)
	if err != nil {
		return err
	}
	seen := map[string]bool{"": true, srv.Host: true}
	for _, m := range moves {
		for _, host := range []string{m.SourceCompute, m.DestCompute} {
			if seen[host] || m.Type == nova.TypeLiveMigration {
				continue
			}
			seen[host] = true
			if err := o.destroy(ctx, host, srv.ID); err != nil {
				return err
			}
		}
	}
	return nil
}

// releaseMoves gives back what moves of a server hold. A resize counts as confirmed. An evacuation holds until its source is heard of.
func (o *Ops) releaseMoves(ctx context.Context, tx store.Tx, server string) error {
	moves, err := db.MovesOf(ctx, tx, server)
	if err != nil {
		return err
	}
	for _, m := range moves {
		if m.Type == nova.TypeEvacuation && m.Status == nova.MoveDone {
			continue
		}
		if err := o.Nova.Placement.Release(ctx, tx, m.UUID); err != nil {
			return err
		}
		if m.Status == nova.MoveFinished {
			if err := db.SetMigration(ctx, tx, m.UUID, o.Nova.Now(), map[string]any{"status": nova.MoveConfirmed}); err != nil {
				return err
			}
		}
	}
	return nil
}

func portIDs(ports []neutron.Port) []string {
	ids := make([]string, len(ports))
	for i, p := range ports {
		ids[i] = p.ID
	}
	return ids
}

// release gives everything back, in one transaction: afterwards nothing of the server is left but its place in the history.
func (o *Ops) release(ctx context.Context, tx store.Tx, r *deleteRun) error {
	id := r.State.ServerID
	if err := o.Nova.Network.DeletePorts(ctx, tx, id); err != nil {
		return err
	}
	if err := o.Nova.Placement.Release(ctx, tx, id); err != nil {
		return err
	}
	if err := o.releaseMoves(ctx, tx, id); err != nil {
		return err
	}
	now := o.Nova.Now()
	if err := db.DeleteConsoleTokens(ctx, tx, id, now); err != nil {
		return err
	}
	srv, err := db.GetServer(ctx, tx, id)
	if store.IsNotFound(err) {
		return nil
	}
	if err == nil && srv.Requested.Devices {
		err = db.DeleteBlockDevices(ctx, tx, id)
	}
	if err != nil {
		return err
	}
	if srv.Kept.ShelvedImage != "" {
		if err := o.Nova.Made.Discard(ctx, srv.Kept.ShelvedImage); err != nil {
			return err
		}
	}
	srv.VMState, srv.TaskState, srv.OperationID, srv.PowerState = nova.Deleted, "", nil, int(driver.NoState)
	srv.TerminatedAt, srv.DeletedAt, srv.UpdatedAt = &now, &now, now
	srv.Requested.AdminPass = ""
	return db.MoveToDeleted(ctx, tx, srv)
}

// refused makes refusals that a user would get as an answer final; other errors are tried again.
func refused(err error) error {
	var e *rest.Error
	if errors.As(err, &e) && e.Status >= 400 && e.Status < 500 {
		return saga.Permanent(err)
	}
	return err
}
