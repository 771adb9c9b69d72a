package ops

import (
	"context"
	"errors"
	"time"

	"gostack/internal/nova"
	"gostack/internal/nova/rpc"
	"gostack/internal/saga"
	"gostack/internal/store"
)

type (
	passwordRun = saga.Run[nova.PasswordState]
	nmiRun      = saga.Run[nova.NMIState]
)

// password has a guest change its administrator's password. Nothing is undone: the old one is not known.
func (o *Ops) password() *saga.Definition[nova.PasswordState] {
	return &saga.Definition[nova.PasswordState]{
		Kind: nova.KindPassword, Deadline: 10 * time.Minute, Workers: 16,
		Steps: []saga.Step[nova.PasswordState]{
			{
				Name: "ask the guest", Deadline: 2 * time.Minute,
				Do: func(ctx context.Context, r *passwordRun) error {
					return o.onItsHost(ctx, onHost{r.Operation, r.State.ServerID, r.At, "password"}, rpc.SetPassword, func(_ context.Context, srv *nova.Server) (any, error) {
						return rpc.PasswordArgs{ServerID: srv.ID, User: r.State.User, Password: r.State.Password, StepID: stepID(r.Operation, "password")}, nil
					})
				},
			},
		},
		OnDone: func(ctx context.Context, tx store.Tx, r *passwordRun) error {
			r.State.Password = ""
			return o.settleAsIs(ctx, tx, r.Operation, "compute_set_admin_password", "")
		},
		OnUndone: func(ctx context.Context, tx store.Tx, r *passwordRun) error {
			r.State.Password = ""
			return o.settleAsIs(ctx, tx, r.Operation, "compute_set_admin_password", r.Cause)
		},
	}
}

// nmi interrupts a guest, so that its kernel dumps its memory.
func (o *Ops) nmi() *saga.Definition[nova.NMIState] {
	return &saga.Definition[nova.NMIState]{
		Kind: nova.KindNMI, Deadline: 10 * time.Minute, Workers: 16,
		Steps: []saga.Step[nova.NMIState]{
			{Name: "interrupt", Deadline: 2 * time.Minute, Do: func(ctx context.Context, r *nmiRun) error {
				return o.onItsHost(ctx, onHost{r.Operation, r.State.ServerID, r.At, "interrupt"}, rpc.InjectNMI, func(_ context.Context, srv *nova.Server) (any, error) {
					return rpc.ServerRef{ServerID: srv.ID, StepID: stepID(r.Operation, "interrupt")}, nil
				})
			}},
		},
		OnDone: func(ctx context.Context, tx store.Tx, r *nmiRun) error {
			return o.settleAsIs(ctx, tx, r.Operation, "compute_trigger_crash_dump", "")
		},
		OnUndone: func(ctx context.Context, tx store.Tx, r *nmiRun) error {
			return o.settleAsIs(ctx, tx, r.Operation, "compute_trigger_crash_dump", r.Cause)
		},
	}
}

// settleAsIs ends an operation that leaves the server in the state it was in.
func (o *Ops) settleAsIs(ctx context.Context, tx store.Tx, op saga.Operation, event, cause string) error {
	host := ""
	err := o.settle(ctx, tx, op, func(srv *nova.Server) []string {
		host = srv.Host
		return nil
	})
	return errors.Join(err, o.finishAction(ctx, tx, op, event, host, cause))
}
