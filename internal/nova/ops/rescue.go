package ops

import (
	"context"
	"errors"
	"time"

	"gostack/internal/nova"
	"gostack/internal/nova/driver"
	"gostack/internal/nova/rpc"
	"gostack/internal/saga"
	"gostack/internal/store"
)

type (
	rescueRun   = saga.Run[nova.RescueState]
	unrescueRun = saga.Run[nova.UnrescueState]
)

// rescue boots a server from another image. A failure leaves the server as it was.
func (o *Ops) rescue() *saga.Definition[nova.RescueState] {
	at := func(r *rescueRun, step string) onHost { return onHost{r.Operation, r.State.ServerID, r.At, step} }
	const event = "compute_rescue_instance"
	spec := func(r *rescueRun) func(context.Context, *nova.Server) (any, error) {
		return func(ctx context.Context, srv *nova.Server) (any, error) {
			spec, err := o.rescueSpec(ctx, srv, r.State)
			return rpc.Guest{Spec: spec, StepID: stepID(r.Operation, "rescue disk")}, err
		}
	}
	return &saga.Definition[nova.RescueState]{
		Kind: nova.KindRescue, Deadline: 4 * time.Hour, Workers: 32,
		Steps: []saga.Step[nova.RescueState]{
			{Name: "fetch image", Deadline: time.Hour, Do: func(ctx context.Context, r *rescueRun) error {
				return o.onItsHost(ctx, at(r, anyTime), rpc.EnsureImage, func(context.Context, *nova.Server) (any, error) { return imageOf(r.State.ImageID, r.State.Image), nil })
			}},
			{
				Name: "stop guest", Deadline: 20 * time.Minute,
				Do: func(ctx context.Context, r *rescueRun) error { return o.stopGuest(ctx, at(r, "stop guest"), true) },
				Undo: func(ctx context.Context, r *rescueRun) error {
					if !r.State.Running || r.Canceled {
						return nil
					}
					return o.startAgain(ctx, at(r, "start again"))
				},
			},
			{
				Name: "make rescue disk", Deadline: time.Hour,
				Do: func(ctx context.Context, r *rescueRun) error {
					return o.onItsHost(ctx, at(r, "rescue disk"), rpc.PrepareDisks, spec(r))
				},
				Undo: func(ctx context.Context, r *rescueRun) error { return o.dropRescue(ctx, at(r, "drop rescue disk")) },
			},
			{
				Name: "define rescue", Deadline: 10 * time.Minute,
				Do: func(ctx context.Context, r *rescueRun) error {
					if err := o.bindAgain(ctx, r.State.ServerID); err != nil {
						return err
					}
					return o.defineOn(ctx, at(r, "define rescue"), func(ctx context.Context, srv *nova.Server) (driver.GuestSpec, error) {
						return o.rescueSpec(ctx, srv, r.State)
					})
				},
				Undo: func(ctx context.Context, r *rescueRun) error {
					return unlessGone(o.defineAgain(ctx, at(r, "define again")))
				},
			},
			{
				Name: "start rescue", Deadline: 10 * time.Minute,
				Do: func(ctx context.Context, r *rescueRun) error { return o.startGuestOf(ctx, at(r, "start rescue")) },
				Undo: func(ctx context.Context, r *rescueRun) error {
					return unlessGone(o.stopGuest(ctx, at(r, "stop rescue"), false))
				},
			},
		},
		OnDone: func(ctx context.Context, tx store.Tx, r *rescueRun) error {
			host := ""
			r.State.AdminPass = ""
			err := o.settle(ctx, tx, r.Operation, func(srv *nova.Server) []string {
				host = srv.Host
				srv.VMState, srv.PowerState, srv.LaunchedAt, srv.Fault, srv.Kept.RescueImage = nova.Rescued, int(driver.Running), ptr(o.Nova.Now()), nil, r.State.ImageID
				return []string{"vm_state", "power_state", "launched_at", "fault", "kept"}
			})
			return errors.Join(err, o.finishAction(ctx, tx, r.Operation, event, host, ""))
		},
		OnUndone: func(ctx context.Context, tx store.Tx, r *rescueRun) error {
			host := ""
			r.State.AdminPass = ""
			err := o.settle(ctx, tx, r.Operation, func(srv *nova.Server) []string {
				host = srv.Host
				srv.Fault = o.fault(r.Operation, "")
				return []string{"fault"}
			})
			return errors.Join(err, o.finishAction(ctx, tx, r.Operation, event, host, r.Cause))
		},
	}
}

// unlessGone forgives that the host does not have the server: then there is nothing to stop or to undo.
func unlessGone(err error) error {
	if errors.Is(err, driver.ErrNotFound) {
		return nil
	}
	return err
}

// rescueSpec is a server that boots from a rescue image. Its config drive tells the guest the password that goes with the rescue.
func (o *Ops) rescueSpec(ctx context.Context, srv *nova.Server, s *nova.RescueState) (driver.GuestSpec, error) {
	told := *srv
	told.Requested.AdminPass = s.AdminPass
	spec, err := o.guestSpec(ctx, &told)
	if err != nil {
		return spec, err
	}
	p := s.Image.Properties
	spec.Rescue = &driver.Rescue{Image: imageOf(s.ImageID, s.Image), Device: p[driver.PropRescueDevice], Bus: p[driver.PropRescueBus]}
	return spec, nil
}

// dropRescue removes the rescue disk. A host that is down keeps it until the server is rescued again or goes.
func (o *Ops) dropRescue(ctx context.Context, h onHost) error {
	srv, err := o.server(ctx, h.server)
	if err != nil || srv == nil || srv.Host == "" {
		return err
	}
	h.at(srv.Host)
	err = o.Nova.Hosts.Call(ctx, srv.Host, rpc.DropRescue, rpc.ServerRef{ServerID: srv.ID, StepID: h.stepID()}, nil)
	return o.unlessDown(ctx, srv.Host, err)
}

// unrescue boots a rescued server from its own disk. Nothing is undone: it stays rescued until it runs from its own disk, and can be
// asked for again.
func (o *Ops) unrescue() *saga.Definition[nova.UnrescueState] {
	at := func(r *unrescueRun, step string) onHost { return onHost{r.Operation, r.State.ServerID, r.At, step} }
	const event = "compute_unrescue_instance"
	end := func(ctx context.Context, tx store.Tx, r *unrescueRun, cause string) error {
		host := ""
		err := o.settle(ctx, tx, r.Operation, func(srv *nova.Server) []string {
			host = srv.Host
			srv.Fault = nil
			if cause != "" {
				srv.Fault = o.fault(r.Operation, "")
			}
			if r.State.Started {
				srv.VMState, srv.PowerState, srv.LaunchedAt, srv.Kept.RescueImage = nova.Active, int(driver.Running), ptr(o.Nova.Now()), ""
			}
			return []string{"vm_state", "power_state", "launched_at", "fault", "kept"}
		})
		return errors.Join(err, o.finishAction(ctx, tx, r.Operation, event, host, cause))
	}
	return &saga.Definition[nova.UnrescueState]{
		Kind: nova.KindUnrescue, Deadline: time.Hour, Workers: 32,
		Steps: []saga.Step[nova.UnrescueState]{
			{Name: "stop rescue", Deadline: 10 * time.Minute, Do: func(ctx context.Context, r *unrescueRun) error { return o.stopGuest(ctx, at(r, "stop rescue"), false) }},
			{Name: "define guest", Deadline: 10 * time.Minute, Do: func(ctx context.Context, r *unrescueRun) error { return o.defineAgain(ctx, at(r, "define guest")) }},
			{
				Name: "start guest", Deadline: 10 * time.Minute, Do: func(ctx context.Context, r *unrescueRun) error { return o.startGuestOf(ctx, at(r, "start guest")) },
				Save: func(_ context.Context, _ store.Tx, r *unrescueRun) error {
					r.State.Started = true
					return nil
				},
			},
			{Name: "drop rescue disk", Deadline: 10 * time.Minute, Do: func(ctx context.Context, r *unrescueRun) error { return o.dropRescue(ctx, at(r, "drop rescue disk")) }},
		},
		OnDone:   func(ctx context.Context, tx store.Tx, r *unrescueRun) error { return end(ctx, tx, r, "") },
		OnUndone: func(ctx context.Context, tx store.Tx, r *unrescueRun) error { return end(ctx, tx, r, r.Cause) },
	}
}
