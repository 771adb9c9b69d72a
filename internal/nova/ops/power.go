package ops

import (
	"context"
	"errors"
	"strconv"
	"time"

	"gostack/internal/nova"
	"gostack/internal/nova/driver"
	"gostack/internal/nova/rpc"
	"gostack/internal/saga"
	"gostack/internal/store"
)

type powerRun = saga.Run[nova.PowerState]

// powerAction is what a power action does on the host, and what the server is afterwards.
type powerAction struct {
	method string
	vm     string
	power  driver.PowerState
	// renew says that the guest is defined and its ports are bound anew before: what changed meanwhile takes effect.
	renew bool
	event string
}

var powerActions = map[nova.PowerAction]powerAction{
	nova.ActStart:   {rpc.Start, nova.Active, driver.Running, true, "compute_start_instance"},
	nova.ActStop:    {rpc.Stop, nova.Stopped, driver.Shutdown, false, "compute_stop_instance"},
	nova.ActReboot:  {rpc.Reboot, nova.Active, driver.Running, false, "compute_reboot_instance"},
	nova.ActPause:   {rpc.Pause, nova.Paused, driver.Paused, false, "compute_pause_instance"},
	nova.ActUnpause: {rpc.Unpause, nova.Active, driver.Running, false, "compute_unpause_instance"},
	nova.ActSuspend: {rpc.Suspend, nova.Suspended, driver.Suspended, false, "compute_suspend_instance"},
	nova.ActResume:  {rpc.Resume, nova.Active, driver.Running, true, "compute_resume_instance"},

	nova.ActSoftDelete: {rpc.Stop, nova.SoftDeleted, driver.Shutdown, false, "compute_soft_delete_instance"},
	nova.ActRestore:    {rpc.Start, nova.Active, driver.Running, true, "compute_restore_instance"},
}

// power changes whether and how a server runs. Nothing is undone: when the host refuses, the server stays as it was.
func (o *Ops) power() *saga.Definition[nova.PowerState] {
	return &saga.Definition[nova.PowerState]{
		Kind: nova.KindPower, Deadline: time.Hour, Workers: 64,
		Steps: []saga.Step[nova.PowerState]{
			{Name: "renew guest", Do: o.renew, Deadline: 10 * time.Minute},
			{Name: "act", Do: o.act, Deadline: 20 * time.Minute},
		},
		OnDone: func(ctx context.Context, tx store.Tx, r *powerRun) error {
			a := powerActions[r.State.Action]
			at := ""
			err := o.settle(ctx, tx, r.Operation, func(srv *nova.Server) []string {
				at = srv.Host
				srv.VMState, srv.PowerState, srv.Fault = a.vm, int(a.power), nil
				if srv.LaunchedAt == nil {
					srv.LaunchedAt = ptr(o.Nova.Now())
				}
				return []string{"vm_state", "power_state", "fault", "launched_at"}
			})
			return errors.Join(err, o.finishAction(ctx, tx, r.Operation, a.event, at, ""))
		},
		OnUndone: func(ctx context.Context, tx store.Tx, r *powerRun) error {
			at := ""
			err := o.settle(ctx, tx, r.Operation, func(srv *nova.Server) []string {
				at = srv.Host
				srv.Fault = o.fault(r.Operation, "")
				return []string{"fault"}
			})
			return errors.Join(err, o.finishAction(ctx, tx, r.Operation, powerActions[r.State.Action].event, at, r.Cause))
		},
	}
}

func ptr[T any](v T) *T { return &v }

// renew binds the ports and defines the guest anew before it is started.
func (o *Ops) renew(ctx context.Context, r *powerRun) error {
	if !powerActions[r.State.Action].renew && r.State.Reboot != driver.RebootHard {
		return nil
	}
	srv, err := o.server(ctx, r.State.ServerID)
	if err != nil || srv == nil {
		return gone(err)
	}
	r.At(srv.Host)
	ports, err := o.Nova.Network.PortsOf(ctx, []string{srv.ID})
	if err != nil {
		return err
	}
	if ids := portIDs(ports[srv.ID]); len(ids) > 0 {
		if _, err := o.Nova.Network.BindPorts(ctx, ids, srv.Host); err != nil {
			return refused(err)
		}
	}
	spec, err := o.guestSpec(ctx, srv)
	if err != nil {
		return err
	}
	if r.State.Action == nova.ActResume {
		return nil // the saved memory belongs to the definition it was saved with
	}
	if err := here(o.call(ctx, r.Attempt, srv.Host, rpc.Define, rpc.Guest{Spec: spec})); err != nil {
		return err
	}
	return o.noteDevices(ctx, srv.Host, spec)
}

// act makes the one call that the action is. The host knows the step by its id: a repetition that comes after the guest has
// gone on by itself does not act twice.
func (o *Ops) act(ctx context.Context, r *powerRun) error {
	srv, err := o.server(ctx, r.State.ServerID)
	if err != nil || srv == nil {
		return gone(err)
	}
	if srv.Host == "" {
		return saga.Permanent(errors.New("the server is on no host"))
	}
	r.At(srv.Host)
	var args any = rpc.ServerRef{ServerID: srv.ID, StepID: stepID(r.Operation, "act")}
	switch r.State.Action {
	case nova.ActStop, nova.ActSoftDelete:
		args = rpc.StopArgs{ServerID: srv.ID, GraceSeconds: grace(srv), StepID: stepID(r.Operation, "act")}
	case nova.ActReboot:
		args = rpc.RebootArgs{ServerID: srv.ID, Kind: r.State.Reboot, GraceSeconds: grace(srv), StepID: stepID(r.Operation, "act")}
	}
	return here(o.call(ctx, r.Attempt, srv.Host, powerActions[r.State.Action].method, args))
}

// grace is how long a guest may take to go down by itself: the image says, or a minute (upstream's shutdown_timeout).
func grace(srv *nova.Server) int {
	if n, err := strconv.Atoi(srv.Image.Properties[driver.PropShutdown]); err == nil && n >= 0 {
		return n
	}
	return 60
}
