package ops

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gostack/internal/nova"
	"gostack/internal/nova/db"
	"gostack/internal/nova/driver"
	"gostack/internal/rest"
	"gostack/internal/saga"
	"gostack/internal/store"
)

// unshelve brings a shelved server back: where it is, if it has not left its host, else like a new one that boots from the image it was
// made into. A failure leaves it shelved.
func (o *Ops) unshelve() *saga.Definition[nova.CreateState] {
	// away does a step only for a server that has left its host.
	away := func(do func(context.Context, *createRun) error) func(context.Context, *createRun) error {
		return func(ctx context.Context, r *createRun) error {
			if r.State.Stay {
				return nil
			}
			return do(ctx, r)
		}
	}
	awaySave := func(save func(context.Context, store.Tx, *createRun) error, task string) func(context.Context, store.Tx, *createRun) error {
		return func(ctx context.Context, tx store.Tx, r *createRun) error {
			if r.State.Stay {
				return nil
			}
			if err := save(ctx, tx, r); err != nil {
				return err
			}
			return o.update(ctx, tx, r.Operation, task, nil)
		}
	}
	const event = "compute_unshelve_instance"
	return &saga.Definition[nova.CreateState]{
		Kind: nova.KindUnshelve, Deadline: 2 * time.Hour, Workers: 64,
		Steps: []saga.Step[nova.CreateState]{
			{Name: "find image", Do: away(o.findShelved), Save: awaySave(o.keepShelved, "unshelving")},
			{Name: "pick host", Do: away(o.pick), Save: awaySave(o.claim, "spawning"), UndoSave: awaySave(o.leave, "unshelving"), Deadline: 2 * time.Minute},
			{Name: "fetch image", Do: away(o.fetchImage), Deadline: time.Hour},
			{Name: "bind ports", Do: away(o.bindPorts), Undo: away(o.unbindPorts), Deadline: 5 * time.Minute},
			{Name: "define guest", Do: away(o.define), Undo: away(o.destroyGuest), Deadline: 30 * time.Minute},
			{
				Name: "start guest", Deadline: 10 * time.Minute,
				Do: func(ctx context.Context, r *createRun) error {
					if r.State.Stay {
						return o.startGuestOf(ctx, onHost{r.Operation, r.State.ServerID, r.At, "start in place"})
					}
					return o.startGuest(ctx, r)
				},
				Undo: func(ctx context.Context, r *createRun) error {
					if !r.State.Stay {
						return nil
					}
					return unlessGone(o.stopGuest(ctx, onHost{r.Operation, r.State.ServerID, r.At, "stop again"}, false))
				},
			},
			{Name: "wait for ports", Do: away(o.awaitPorts), Deadline: o.vifTimeout()},
		},
		OnDone: func(ctx context.Context, tx store.Tx, r *createRun) error {
			host, image := "", ""
			err := o.settle(ctx, tx, r.Operation, func(srv *nova.Server) []string {
				host, image = srv.Host, srv.Kept.ShelvedImage
				srv.VMState, srv.PowerState, srv.LaunchedAt, srv.Fault = nova.Active, int(driver.Running), ptr(o.Nova.Now()), nil
				srv.Kept.ShelvedImage, srv.Kept.ShelvedAt, srv.Kept.Shelved = "", nil, nil
				return []string{"vm_state", "power_state", "launched_at", "fault", "kept"}
			})
			if image != "" {
				err = errors.Join(err, o.Nova.Made.Discard(ctx, image))
			}
			return errors.Join(err, o.finishAction(ctx, tx, r.Operation, event, host, ""))
		},
		OnUndone: func(ctx context.Context, tx store.Tx, r *createRun) error {
			err := o.settle(ctx, tx, r.Operation, func(srv *nova.Server) []string {
				srv.Fault = o.fault(r.Operation, r.State.Progress.Details)
				if r.State.Lost {
					srv.VMState = nova.InError
				}
				return []string{"fault", "vm_state"}
			})
			return errors.Join(err, o.finishAction(ctx, tx, r.Operation, event, host(r), r.Cause))
		},
	}
}

// findShelved looks for the image that a shelved server waits in, and for the ports that it has.
func (o *Ops) findShelved(ctx context.Context, r *createRun) error {
	srv, err := o.server(ctx, r.State.ServerID)
	if err != nil || srv == nil {
		return gone(err)
	}
	image, err := o.Nova.Images.Image(ctx, nil, srv.Kept.ShelvedImage)
	if rest.IsNotFound(err) || err == nil && image.Status != "active" {
		r.State.Lost = true
		return saga.Permanent(fmt.Errorf("Unshelve attempted but the image %s cannot be found.", srv.Kept.ShelvedImage)) //nolint:staticcheck // upstream's sentence
	}
	if err != nil {
		return err
	}
	r.State.Image = &nova.ImageCopy{
		Name: image.Name, DiskFormat: image.DiskFormat, Size: image.Size, HashAlgo: image.HashAlgo, HashValue: image.HashValue, Properties: srv.Image.Properties,
	}
	ports, err := o.Nova.Network.PortsOf(ctx, []string{srv.ID})
	r.State.Progress.PortIDs = portIDs(ports[srv.ID])
	return err
}

// keepShelved notes what is known of the image, for those steps that see only the row.
func (o *Ops) keepShelved(ctx context.Context, tx store.Tx, r *createRun) error {
	srv, err := db.GetServer(ctx, tx, r.State.ServerID)
	if store.IsNotFound(err) {
		return gone(nil)
	}
	if err != nil {
		return err
	}
	srv.Kept.Shelved = r.State.Image
	return db.UpdateServer(ctx, tx, srv, "kept")
}

// leave gives back what a server has claimed on a host.
func (o *Ops) leave(ctx context.Context, tx store.Tx, r *createRun) error {
	zone := ""
	if srv, err := db.GetServer(ctx, tx, r.State.ServerID); err == nil && srv.PinnedZone != nil {
		zone = *srv.PinnedZone
	}
	return errors.Join(o.unclaim(ctx, tx, r), o.update(ctx, tx, r.Operation, "unshelving", map[string]any{"availability_zone": zone}))
}
