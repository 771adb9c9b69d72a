package ops

import (
	"context"
	"errors"
	"time"

	"gostack/internal/nova"
	"gostack/internal/nova/driver"
	"gostack/internal/saga"
	"gostack/internal/store"
)

type (
	shelveRun  = saga.Run[nova.ShelveState]
	offloadRun = saga.Run[nova.OffloadState]
)

// shelve turns a server off and makes it into an image. A failure turns it on again.
func (o *Ops) shelve() *saga.Definition[nova.ShelveState] {
	at := func(r *shelveRun, step string) onHost { return onHost{r.Operation, r.State.ServerID, r.At, step} }
	image := func(r *shelveRun, step string) snapshotOf { return snapshotOf{at(r, step), r.State.ImageID} }
	task := func(name string) func(context.Context, store.Tx, *shelveRun) error {
		return func(ctx context.Context, tx store.Tx, r *shelveRun) error {
			return o.update(ctx, tx, r.Operation, name, nil)
		}
	}
	const event = "compute_shelve_instance"
	return &saga.Definition[nova.ShelveState]{
		Kind: nova.KindShelve, Deadline: snapshotDeadline + uploadDeadline, Workers: 16,
		Steps: []saga.Step[nova.ShelveState]{
			{
				Name: "stop guest", Deadline: 20 * time.Minute, Save: task("shelving_image_pending_upload"),
				Do: func(ctx context.Context, r *shelveRun) error { return o.stopGuest(ctx, at(r, "stop guest"), true) },
				Undo: func(ctx context.Context, r *shelveRun) error {
					if !r.State.Running || r.Canceled {
						return nil
					}
					return o.startAgain(ctx, at(r, "start again"))
				},
			},
			{
				Name: "take the disk", Deadline: snapshotDeadline, Save: task("shelving_image_uploading"),
				Do:   func(ctx context.Context, r *shelveRun) error { return o.takeSnapshot(ctx, image(r, "snapshot")) },
				Undo: func(ctx context.Context, r *shelveRun) error { return o.dropSnapshot(ctx, image(r, anyTime)) },
			},
			{Name: "upload", Deadline: uploadDeadline, Do: func(ctx context.Context, r *shelveRun) error { return o.uploadSnapshot(ctx, image(r, "upload")) }},
			{Name: "drop the copy", Deadline: time.Hour, Do: func(ctx context.Context, r *shelveRun) error { return o.dropSnapshot(ctx, image(r, anyTime)) }},
		},
		OnDone: func(ctx context.Context, tx store.Tx, r *shelveRun) error {
			host, there := "", false
			err := o.settle(ctx, tx, r.Operation, func(srv *nova.Server) []string {
				host, there = srv.Host, true
				srv.VMState, srv.PowerState, srv.Fault = nova.Shelved, int(driver.Shutdown), nil
				srv.Kept.SnapshotID, srv.Kept.ShelvedImage, srv.Kept.ShelvedAt = "", r.State.ImageID, ptr(o.Nova.Now())
				return []string{"vm_state", "power_state", "fault", "kept"}
			})
			if err := errors.Join(err, o.finishAction(ctx, tx, r.Operation, event, host, "")); err != nil || !there {
				return err
			}
			return o.Nova.GoOnToOffload(ctx, tx, r.Caller, r.State.ServerID, r.ID)
		},
		OnUndone: func(ctx context.Context, tx store.Tx, r *shelveRun) error {
			host := ""
			err := o.settle(ctx, tx, r.Operation, func(srv *nova.Server) []string {
				host = srv.Host
				srv.Kept.SnapshotID, srv.Fault = "", o.fault(r.Operation, "")
				switch srv.VMState {
				case nova.Paused: // its memory is gone
					srv.VMState = nova.Active
				case nova.Suspended:
					srv.VMState = nova.Stopped
				}
				return []string{"vm_state", "kept", "fault"}
			})
			return errors.Join(err, o.Nova.Made.Discard(ctx, r.State.ImageID), o.finishAction(ctx, tx, r.Operation, event, host, r.Cause))
		},
	}
}

// offload removes a shelved server from its host and gives back what it took there. Its ports stay.
func (o *Ops) offload() *saga.Definition[nova.OffloadState] {
	const event = "compute_shelve_offload_instance"
	return &saga.Definition[nova.OffloadState]{
		Kind: nova.KindOffload, Deadline: always, Workers: 32,
		Steps: []saga.Step[nova.OffloadState]{
			{Name: "destroy guest", Deadline: always, Do: func(ctx context.Context, r *offloadRun) error {
				srv, err := o.server(ctx, r.State.ServerID)
				if err != nil || srv == nil || srv.Host == "" {
					return err
				}
				r.At(srv.Host)
				return o.destroy(ctx, srv.Host, srv.ID)
			}},
			{Name: "unbind ports", Deadline: always, Do: func(ctx context.Context, r *offloadRun) error {
				ports, err := o.Nova.Network.PortsOf(ctx, []string{r.State.ServerID})
				if err != nil || len(ports[r.State.ServerID]) == 0 {
					return err
				}
				return o.Nova.Network.UnbindPorts(ctx, portIDs(ports[r.State.ServerID]))
			}},
		},
		OnDone: func(ctx context.Context, tx store.Tx, r *offloadRun) error {
			from := ""
			err := o.settle(ctx, tx, r.Operation, func(srv *nova.Server) []string {
				from = srv.Host
				srv.VMState, srv.PowerState, srv.Host, srv.Node, srv.AvailabilityZone, srv.Fault = nova.ShelvedOffloaded, int(driver.NoState), "", "", "", nil
				if srv.PinnedZone != nil {
					srv.AvailabilityZone = *srv.PinnedZone
				}
				return []string{"vm_state", "power_state", "host", "node", "availability_zone", "fault"}
			})
			return errors.Join(err, o.Nova.Placement.Release(ctx, tx, r.State.ServerID), o.finishAction(ctx, tx, r.Operation, event, from, ""))
		},
		OnUndone: func(ctx context.Context, tx store.Tx, r *offloadRun) error {
			at := ""
			err := o.settle(ctx, tx, r.Operation, func(srv *nova.Server) []string {
				at = srv.Host
				srv.Fault = o.fault(r.Operation, "")
				return []string{"fault"}
			})
			return errors.Join(err, o.finishAction(ctx, tx, r.Operation, event, at, r.Cause))
		},
	}
}
