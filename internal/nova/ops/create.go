package ops

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gostack/internal/neutron"
	"gostack/internal/nova"
	"gostack/internal/nova/db"
	"gostack/internal/nova/driver"
	"gostack/internal/nova/rpc"
	"gostack/internal/saga"
	"gostack/internal/store"
)

type createRun = saga.Run[nova.CreateState]

// create builds a server: a host, ports, disks, a running guest.
func (o *Ops) create() *saga.Definition[nova.CreateState] {
	return &saga.Definition[nova.CreateState]{
		Kind: nova.KindCreate, Deadline: 2 * time.Hour, Workers: 64,
		Steps: []saga.Step[nova.CreateState]{
			{Name: "pick host", Do: o.pick, Save: o.claim, UndoSave: o.unclaim, Deadline: 2 * time.Minute},
			{Name: "create ports", Save: o.createPorts, UndoSave: o.deletePorts, Skip: func(s *nova.CreateState) bool { return len(s.Plan) == 0 }},
			{Name: "fetch image", Do: o.fetchImage, Deadline: time.Hour},
			{Name: "bind ports", Do: o.bindPorts, Undo: o.unbindPorts, Deadline: 5 * time.Minute, Skip: noPorts},
			{Name: "define guest", Do: o.define, Undo: o.destroyGuest, Deadline: 15 * time.Minute},
			{Name: "start guest", Do: o.startGuest, Deadline: 10 * time.Minute},
			{Name: "wait for ports", Do: o.awaitPorts, Deadline: o.vifTimeout(), Skip: noPorts},
		},
		OnDone: func(ctx context.Context, tx store.Tx, r *createRun) error {
			err := o.settle(ctx, tx, r.Operation, func(srv *nova.Server) []string {
				now := o.Nova.Now()
				srv.VMState, srv.PowerState, srv.LaunchedAt, srv.Fault, srv.Requested.AdminPass = nova.Active, int(driver.Running), &now, nil, ""
				return []string{"vm_state", "power_state", "launched_at", "fault", "requested"}
			})
			if o.failing(host(r)) {
				err = errors.Join(err, db.BuildDone(ctx, tx, host(r)))
			}
			return errors.Join(err, o.finishAction(ctx, tx, r.Operation, "compute__do_build_and_run_instance", host(r), ""))
		},
		OnUndone: func(ctx context.Context, tx store.Tx, r *createRun) error {
			if r.State.Progress.Claimed { // it ended before the first step took over what was claimed for it
				if err := o.unclaim(ctx, tx, r); err != nil {
					return err
				}
			}
			err := o.settle(ctx, tx, r.Operation, func(srv *nova.Server) []string {
				srv.VMState, srv.PowerState, srv.Fault = nova.InError, int(driver.NoState), o.fault(r.Operation, r.State.Progress.Details)
				srv.Requested.AdminPass = ""
				return []string{"vm_state", "power_state", "fault", "requested"}
			})
			return errors.Join(err, o.finishAction(ctx, tx, r.Operation, "compute__do_build_and_run_instance", host(r), r.Cause))
		},
	}
}

func noPorts(s *nova.CreateState) bool { return len(s.Progress.PortIDs) == 0 }

func host(r *createRun) string {
	if r.State.Progress.Choice == nil {
		return ""
	}
	return r.State.Progress.Choice.Host
}

// update changes columns of an operation's server; its task only while the server still belongs to the operation.
func (o *Ops) update(ctx context.Context, tx store.Tx, op saga.Operation, task string, set map[string]any) error {
	return db.SetServer(ctx, tx, op.Resource.ID, op.ID, task, o.Nova.Now(), set)
}

func (o *Ops) unclaim(ctx context.Context, tx store.Tx, r *createRun) error {
	for p := &r.State.Progress; p.Blamed < len(p.Tried); p.Blamed++ {
		if err := db.BuildFailed(ctx, tx, p.Tried[p.Blamed]); err != nil {
			return err
		}
	}
	if err := o.Nova.Placement.Release(ctx, tx, r.State.ServerID); err != nil {
		return err
	}
	return o.update(ctx, tx, r.Operation, "scheduling", map[string]any{"host": "", "node": ""})
}

func (o *Ops) createPorts(ctx context.Context, tx store.Tx, r *createRun) error {
	if len(r.State.Plan) == 0 {
		return nil
	}
	srv, err := o.known.read(ctx, tx, r)
	if err != nil {
		return err
	}
	ports, err := o.Nova.Network.CreatePorts(ctx, tx, r.Caller, neutron.ServerRef{ID: srv.ID, Name: srv.Hostname, Project: srv.ProjectID, AZ: srv.AvailabilityZone}, r.State.Plan)
	if err != nil {
		return refused(err)
	}
	r.State.Progress.PortIDs = nil
	for _, p := range ports {
		r.State.Progress.PortIDs = append(r.State.Progress.PortIDs, p.ID)
	}
	return o.update(ctx, tx, r.Operation, "spawning", nil)
}

func (o *Ops) deletePorts(ctx context.Context, tx store.Tx, r *createRun) error {
	r.State.Progress.PortIDs = nil
	return o.Nova.Network.DeletePorts(ctx, tx, r.State.ServerID)
}

// onChosen makes a call to the chosen host; a host that cannot do it is noted and another one is picked.
func (o *Ops) onChosen(ctx context.Context, r *createRun, method string, args any) error {
	h := host(r)
	r.At(h)
	err := o.call(ctx, r.Attempt, h, method, args)
	if e := (elsewhere{}); errors.As(err, &e) {
		p := &r.State.Progress
		p.Tried, p.LastError = append(p.Tried, h), e.Error()
		return saga.Rewind("pick host", e.error)
	}
	return err
}

func (o *Ops) fetchImage(ctx context.Context, r *createRun) error {
	srv, err := o.known.read(ctx, o.Nova.DB.Read(ctx), r)
	if err != nil {
		return gone(err)
	}
	if srv.ImageID == "" {
		return nil
	}
	return o.onChosen(ctx, r, rpc.EnsureImage, guestImage(srv))
}

func (o *Ops) bindPorts(ctx context.Context, r *createRun) error {
	r.At(host(r))
	if len(r.State.Progress.PortIDs) == 0 {
		return nil
	}
	_, err := o.Nova.Network.BindPorts(ctx, r.State.Progress.PortIDs, host(r))
	return refused(err)
}

func (o *Ops) unbindPorts(ctx context.Context, r *createRun) error {
	if len(r.State.Progress.PortIDs) == 0 {
		return nil
	}
	return o.Nova.Network.UnbindPorts(ctx, r.State.Progress.PortIDs)
}

func (o *Ops) define(ctx context.Context, r *createRun) error {
	srv, err := o.known.read(ctx, o.Nova.DB.Read(ctx), r)
	if err != nil {
		return gone(err)
	}
	spec, err := o.guestSpec(ctx, srv)
	if err != nil {
		return err
	}
	if err := o.onChosen(ctx, r, rpc.PrepareDisks, rpc.Guest{Spec: spec, StepID: stepID(r.Operation, "disks")}); err != nil {
		return err
	}
	if err := o.onChosen(ctx, r, rpc.Define, rpc.Guest{Spec: spec, StepID: stepID(r.Operation, "define")}); err != nil {
		return err
	}
	return o.noteDevices(ctx, host(r), spec)
}

// destroyGuest removes what a creation left on its host. A host that is down removes it when it comes back: what it reports and
// the database does not know goes.
func (o *Ops) destroyGuest(ctx context.Context, r *createRun) error {
	r.At(host(r))
	return o.destroyAs(ctx, host(r), rpc.ServerRef{ServerID: r.State.ServerID, StepID: stepID(r.Operation, rpc.StepUndone)})
}

func (o *Ops) destroy(ctx context.Context, h, server string) error {
	return o.destroyAs(ctx, h, rpc.ServerRef{ServerID: server})
}

func (o *Ops) destroyAs(ctx context.Context, h string, ref rpc.ServerRef) error {
	err := o.Nova.Hosts.Call(ctx, h, rpc.Destroy, ref, nil)
	if err == nil || errors.Is(err, driver.ErrNotFound) {
		return nil
	}
	if up, upErr := o.hostUp(ctx, h); upErr == nil && !up {
		return nil
	}
	return fmt.Errorf("destroy on %s: %w", h, err)
}

func (o *Ops) startGuest(ctx context.Context, r *createRun) error {
	return o.onChosen(ctx, r, rpc.Start, rpc.ServerRef{ServerID: r.State.ServerID, StepID: stepID(r.Operation, "start")})
}

func (o *Ops) vifTimeout() time.Duration {
	if o.Nova.Config.VIFTimeout > 0 {
		return o.Nova.Config.VIFTimeout
	}
	return 5 * time.Minute // upstream's vif_plugging_timeout
}

func (o *Ops) awaitPorts(ctx context.Context, r *createRun) error {
	if len(r.State.Progress.PortIDs) == 0 {
		return nil
	}
	ready, err := o.Nova.Network.PortsReady(ctx, r.State.Progress.PortIDs)
	if err != nil {
		return err
	}
	if !ready {
		return saga.Wait(100*time.Millisecond, "the ports are not up yet")
	}
	return nil
}
