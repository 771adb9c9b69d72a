package ops

import (
	"context"
	"errors"
	"slices"
	"time"

	"gostack/internal/nova"
	"gostack/internal/nova/driver"
	"gostack/internal/nova/rpc"
	"gostack/internal/nova/scheduler"
	"gostack/internal/saga"
	"gostack/internal/store"
)

type rebuildRun = saga.Run[nova.RebuildState]

// rebuild gives a server new disks on its host. Until its disks are touched a failure leaves it as it was, with the image it had; after
// that it is in error, and can be rebuilt again.
func (o *Ops) rebuild() *saga.Definition[nova.RebuildState] {
	at := func(r *rebuildRun, step string) onHost { return onHost{r.Operation, r.State.ServerID, r.At, step} }
	const event = "compute_rebuild_instance"
	return &saga.Definition[nova.RebuildState]{
		Kind: nova.KindRebuild, Deadline: 4 * time.Hour, Workers: 32,
		Steps: []saga.Step[nova.RebuildState]{
			{Name: "judge host", Do: o.judgeImage, Deadline: 2 * time.Minute},
			{Name: "fetch image", Deadline: time.Hour, Do: func(ctx context.Context, r *rebuildRun) error {
				return o.onItsHost(ctx, at(r, anyTime), rpc.EnsureImage, func(_ context.Context, srv *nova.Server) (any, error) { return guestImage(srv), nil })
			}},
			{
				Name: "stop guest", Deadline: 20 * time.Minute,
				Do: func(ctx context.Context, r *rebuildRun) error {
					return unlessGone(o.stopGuest(ctx, at(r, "stop guest"), true))
				},
				Save: func(_ context.Context, _ store.Tx, r *rebuildRun) error {
					r.State.Touched = true
					return nil
				},
				Undo: func(ctx context.Context, r *rebuildRun) error {
					if r.State.Touched || r.State.Stopped || r.Canceled {
						return nil
					}
					return o.startAgain(ctx, at(r, "start again"))
				},
			},
			{
				Name: "renew disks", Deadline: time.Hour,
				Do: func(ctx context.Context, r *rebuildRun) error {
					return o.onItsHost(ctx, at(r, "renew"), rpc.RenewDisks, func(ctx context.Context, srv *nova.Server) (any, error) {
						spec, err := o.guestSpec(ctx, srv)
						return rpc.RenewArgs{Guest: rpc.Guest{Spec: spec, StepID: stepID(r.Operation, "renew")}, KeepEphemeral: r.State.KeepEphemeral}, err
					})
				},
				Save: func(ctx context.Context, tx store.Tx, r *rebuildRun) error {
					return o.update(ctx, tx, r.Operation, "rebuild_spawning", nil)
				},
			},
			{Name: "define guest", Deadline: 10 * time.Minute, Do: func(ctx context.Context, r *rebuildRun) error { return o.defineAgain(ctx, at(r, "define guest")) }},
			{Name: "start guest", Deadline: 10 * time.Minute, Do: func(ctx context.Context, r *rebuildRun) error {
				if r.State.Stopped {
					return nil
				}
				return o.startGuestOf(ctx, at(r, "start guest"))
			}},
		},
		OnDone: func(ctx context.Context, tx store.Tx, r *rebuildRun) error {
			host := ""
			err := o.settle(ctx, tx, r.Operation, func(srv *nova.Server) []string {
				host = srv.Host
				srv.VMState, srv.PowerState, srv.Fault, srv.LaunchedAt, srv.Requested.AdminPass = nova.Active, int(driver.Running), nil, ptr(o.Nova.Now()), ""
				if r.State.Stopped {
					srv.VMState, srv.PowerState = nova.Stopped, int(driver.Shutdown)
				}
				return []string{"vm_state", "power_state", "fault", "launched_at", "requested"}
			})
			return errors.Join(err, o.finishAction(ctx, tx, r.Operation, event, host, ""))
		},
		OnUndone: func(ctx context.Context, tx store.Tx, r *rebuildRun) error {
			host := ""
			err := o.settle(ctx, tx, r.Operation, func(srv *nova.Server) []string {
				host = srv.Host
				srv.Fault, srv.Requested.AdminPass = o.fault(r.Operation, ""), ""
				if r.State.Touched {
					srv.VMState = nova.InError
				} else {
					srv.ImageID, srv.Image = r.State.OldImageID, r.State.OldImage
				}
				return []string{"vm_state", "fault", "requested", "image_id", "image"}
			})
			return errors.Join(err, o.finishAction(ctx, tx, r.Operation, event, host, r.Cause))
		},
	}
}

// rebuildFilters are the filters that upstream asks about a new image (those with RUN_ON_REBUILD): OSSA-2017-005.
var rebuildFilters = []string{"ImagePropertiesFilter", "AggregateImagePropertiesIsolation", "IsolatedHostsFilter"}

// judgeImage asks whether a new image may run on the host where the server is. What the server takes there it has already.
func (o *Ops) judgeImage(ctx context.Context, r *rebuildRun) error {
	if !r.State.NewImage {
		return nil
	}
	srv, err := o.server(ctx, r.State.ServerID)
	if err != nil || srv == nil {
		return gone(err)
	}
	spec, err := o.Nova.SchedulerSpec(ctx, nova.Placing{Server: srv, Host: srv.Host, Node: srv.Node, Moving: true})
	if err != nil {
		return err
	}
	spec.Flavor.VCPUs, spec.Flavor.MemoryMB, spec.Flavor.RootGB, spec.Flavor.EphemeralGB, spec.Flavor.SwapMB = 0, 0, 0, 0, 0
	spec.AvailabilityZone, spec.NUMA, spec.PCI, spec.Ports = "", nil, nil, nil
	hosts, aggregates, err := o.Nova.SchedulerHosts(ctx, nova.SchedulerNeeds{})
	if err != nil {
		return err
	}
	from, err := o.Nova.Placement.Snapshot(ctx)
	if err != nil {
		return err
	}
	config := o.Scheduler
	config.Filters = slices.DeleteFunc(slices.Clone(rebuildFilters), func(f string) bool { return !slices.Contains(o.Scheduler.Filters, f) })
	_, err = scheduler.Select(scheduler.NewSnapshot(config, hosts, aggregates, from), spec)
	var none *scheduler.NoValidHostError
	if errors.As(err, &none) {
		r.Note("%s", eliminations(none.Considered, none.Eliminated))
		return saga.Permanent(err)
	}
	return err
}
