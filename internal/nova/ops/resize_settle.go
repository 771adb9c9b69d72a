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

type settleRun = saga.Run[nova.SettleState]

// confirm gives up what a resized server could go back to. The server runs on meanwhile, and whatever happens it stays what it is.
func (o *Ops) confirm() *saga.Definition[nova.SettleState] {
	end := func(status string, failure func(*settleRun) string) func(context.Context, store.Tx, *settleRun) error {
		return func(ctx context.Context, tx store.Tx, r *settleRun) error {
			return errors.Join(
				o.dropOld(ctx, tx, r),
				o.settle(ctx, tx, r.Operation, func(srv *nova.Server) []string {
					srv.VMState = nova.Active
					if srv.PowerState == int(driver.Shutdown) {
						srv.VMState = nova.Stopped
					}
					return []string{"vm_state"}
				}),
				db.SetMigration(ctx, tx, r.State.Migration, o.Nova.Now(), map[string]any{"status": status}),
				o.finishAction(ctx, tx, r.Operation, "compute_confirm_resize", r.State.Move.Source.Host, failure(r)),
			)
		}
	}
	return &saga.Definition[nova.SettleState]{
		Kind: nova.KindConfirm, Deadline: 48 * time.Hour, Workers: 32,
		Steps: []saga.Step[nova.SettleState]{
			{Name: "drop source", Do: o.dropSource, Deadline: 24 * time.Hour},
			{Name: "release", Save: o.dropOld},
		},
		OnDone:   end(nova.MoveConfirmed, func(*settleRun) string { return "" }),
		OnUndone: end(nova.MoveError, func(r *settleRun) string { return r.Cause }),
	}
}

// dropSource removes what is aside. A source that is down removes it when it returns.
func (o *Ops) dropSource(ctx context.Context, r *settleRun) error {
	move := r.State.Move
	r.At(move.Source.Host)
	if move.Source.Host != move.Dest.Host {
		return o.destroy(ctx, move.Source.Host, r.State.ServerID)
	}
	err := o.callOn(ctx, move.Source.Host, rpc.DropAside, rpc.MoveRef{ServerID: r.State.ServerID, Move: r.State.Migration})
	if errors.Is(err, driver.ErrNotFound) {
		return nil
	}
	return err
}

// dropOld gives back what the migration has held; the server counts as what it is.
func (o *Ops) dropOld(ctx context.Context, tx store.Tx, r *settleRun) error {
	f := r.State.New.Flavor
	return errors.Join(
		o.Nova.Placement.Release(ctx, tx, r.State.Migration),
		o.update(ctx, tx, r.Operation, "", map[string]any{"vcpus": f.VCPUs, "memory_mb": f.MemoryMB}),
	)
}

// revert brings a resized server back. Its copy goes first: two of a server never run. From then on there is no other way, and a server that
// cannot be brought up where it was is in error there.
func (o *Ops) revert() *saga.Definition[nova.SettleState] {
	return &saga.Definition[nova.SettleState]{
		Kind: nova.KindRevert, Deadline: 48 * time.Hour, Workers: 32,
		Steps: []saga.Step[nova.SettleState]{
			{Name: "drop copy", Do: o.dropResized, Save: o.goBack, Deadline: time.Hour},
			{Name: "restore", Do: o.restore, Deadline: 24 * time.Hour},
			{Name: "bind ports", Do: func(ctx context.Context, r *settleRun) error {
				r.At(r.State.Move.Source.Host)
				_, err := o.bind(ctx, r.State.ServerID, r.State.Move.Source.Host)
				return err
			}, Deadline: time.Hour},
			{Name: "start guest", Do: o.startReverted, Deadline: time.Hour},
		},
		OnDone: func(ctx context.Context, tx store.Tx, r *settleRun) error {
			return errors.Join(
				o.settle(ctx, tx, r.Operation, func(srv *nova.Server) []string {
					srv.VMState, srv.PowerState = nova.Active, power(r.State.Move.Off)
					if r.State.Move.Off {
						srv.VMState = nova.Stopped
					}
					return []string{"vm_state", "power_state"}
				}),
				db.SetMigration(ctx, tx, r.State.Migration, o.Nova.Now(), map[string]any{"status": nova.MoveReverted}),
				o.finishAction(ctx, tx, r.Operation, "compute_finish_revert_resize", r.State.Move.Source.Host, ""),
			)
		},
		OnUndone: func(ctx context.Context, tx store.Tx, r *settleRun) error {
			status, event, at := nova.MoveFinished, "compute_revert_resize", r.State.Move.Dest.Host
			if r.State.Dropped {
				status, event, at = nova.MoveError, "compute_finish_revert_resize", r.State.Move.Source.Host
				if err := o.goBack(ctx, tx, r); err != nil {
					return err
				}
			}
			return errors.Join(
				o.settle(ctx, tx, r.Operation, func(srv *nova.Server) []string {
					srv.Fault = o.fault(r.Operation, "")
					if r.State.Dropped {
						srv.VMState = nova.InError
					}
					return []string{"vm_state", "fault"}
				}),
				db.SetMigration(ctx, tx, r.State.Migration, o.Nova.Now(), map[string]any{"status": status}),
				o.finishAction(ctx, tx, r.Operation, event, at, r.Cause),
			)
		},
	}
}

func (o *Ops) dropResized(ctx context.Context, r *settleRun) error {
	r.At(r.State.Move.Dest.Host)
	err := o.callOn(ctx, r.State.Move.Dest.Host, rpc.DropCopy, rpc.MoveRef{ServerID: r.State.ServerID, Move: r.State.Migration})
	if err != nil && !errors.Is(err, driver.ErrNotFound) {
		return err
	}
	r.State.Dropped = true
	return nil
}

// goBack makes rows and allocations say that the server is where and what it was.
func (o *Ops) goBack(ctx context.Context, tx store.Tx, r *settleRun) error {
	if r.State.Back {
		return nil
	}
	r.State.Back = true
	f := r.State.Old.Flavor
	return errors.Join(
		o.giveBack(ctx, tx, r.State.ServerID, r.State.Migration),
		o.place(ctx, tx, r.Operation, nova.TaskResizeReverting, r.State.Move.Source, r.State.Old, map[string]any{"vcpus": f.VCPUs, "memory_mb": f.MemoryMB}),
		o.event(ctx, tx, r.Operation, "compute_revert_resize", r.State.Move.Dest.Host),
	)
}

func (o *Ops) restore(ctx context.Context, r *settleRun) error {
	r.At(r.State.Move.Source.Host)
	return o.callOn(ctx, r.State.Move.Source.Host, rpc.Restore, rpc.MoveRef{ServerID: r.State.ServerID, Move: r.State.Migration})
}

func (o *Ops) startReverted(ctx context.Context, r *settleRun) error {
	srv, err := o.server(ctx, r.State.ServerID)
	if err != nil || srv == nil {
		return gone(err)
	}
	at := r.State.Move.Source.Host
	r.At(at)
	if err := o.defineAs(ctx, srv, r.State.Old, at); err != nil {
		return err
	}
	if r.State.Move.Off {
		return nil
	}
	return o.callOn(ctx, at, rpc.Start, rpc.ServerRef{ServerID: srv.ID, StepID: stepID(r.Operation, "start guest")})
}
