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

type moveRun = saga.Run[nova.MoveState]

// resize gives a server another flavor or another host, and leaves it to be confirmed or reverted: what it was stays aside on the source, and
// what it had there stays allocated to the migration. Should anything fail, the server goes on where and as it was.
func (o *Ops) resize() *saga.Definition[nova.MoveState] {
	on := func(do func(*mover, context.Context, *moveRun) error) func(context.Context, *moveRun) error {
		return func(ctx context.Context, r *moveRun) error { return do(o.moverOf(r), ctx, r) }
	}
	task := func(task, status, event string, at func(*moveRun) string) func(context.Context, store.Tx, *moveRun) error {
		return func(ctx context.Context, tx store.Tx, r *moveRun) error {
			err := errors.Join(o.update(ctx, tx, r.Operation, task, nil), db.SetMigration(ctx, tx, r.State.Migration, o.Nova.Now(), map[string]any{"status": status}))
			if event != "" {
				err = errors.Join(err, o.event(ctx, tx, r.Operation, event, at(r)))
			}
			return err
		}
	}
	source := func(r *moveRun) string { return r.State.Source.Host }
	return &saga.Definition[nova.MoveState]{
		Kind: nova.KindResize, Deadline: 24 * time.Hour, Workers: 32,
		Steps: []saga.Step[nova.MoveState]{
			{Name: "pick host", Do: on((*mover).pickMove), Save: o.claimMove, UndoSave: o.unclaimMove, Deadline: 2 * time.Minute},
			{Name: "fetch image", Do: on((*mover).fetchMove), Save: task(nova.TaskResizeMigrating, nova.MoveMigrating, "compute_prep_resize", movedTo), Deadline: time.Hour},
			{Name: "set aside", Do: on((*mover).setAside), Undo: on((*mover).takeBack), Save: task(nova.TaskResizeMigrated, nova.MovePostMigrating, "compute_resize_instance", source), Deadline: time.Hour},
			{Name: "copy disks", Do: on((*mover).copyDisks), Undo: on(func(m *mover, ctx context.Context, r *moveRun) error { return m.clear(ctx, r.At, rpc.DropCopy) }), Save: task(nova.TaskResizeFinish, nova.MovePostMigrating, "", nil), Deadline: 12 * time.Hour},
			{Name: "bind ports", Do: on(func(m *mover, ctx context.Context, r *moveRun) error { return m.bindThere(ctx, r.At) }), Undo: on(func(m *mover, ctx context.Context, r *moveRun) error { return m.bindBack(ctx, r.At) }), Deadline: 5 * time.Minute},
			{Name: "define guest", Do: on(func(m *mover, ctx context.Context, r *moveRun) error { return m.defineThere(ctx, r.At, &r.State.New) }), Save: o.arrive, UndoSave: o.comeBack, Deadline: 15 * time.Minute},
			{Name: "start guest", Do: on(func(m *mover, ctx context.Context, r *moveRun) error { return m.startThere(ctx, r.At, r.State.Off) }), Deadline: 10 * time.Minute},
			{Name: "wait for ports", Do: on(func(m *mover, ctx context.Context, r *moveRun) error { return m.awaitThere(ctx, r.State.Off) }), Deadline: o.vifTimeout()},
		},
		OnDone: func(ctx context.Context, tx store.Tx, r *moveRun) error {
			details, err := nova.EncodeDetails(nova.MoveDetails{Source: r.State.Source, Dest: destOf(&r.State.Progress), Off: r.State.Off})
			if err != nil {
				return err
			}
			return errors.Join(
				o.settle(ctx, tx, r.Operation, func(srv *nova.Server) []string {
					now := o.Nova.Now()
					srv.VMState, srv.PowerState, srv.Fault, srv.LaunchedAt = nova.Resized, power(r.State.Off), nil, &now
					return []string{"vm_state", "power_state", "fault", "launched_at"}
				}),
				db.SetMigration(ctx, tx, r.State.Migration, o.Nova.Now(), map[string]any{"status": nova.MoveFinished, "details": details}),
				o.finishAction(ctx, tx, r.Operation, "compute_finish_resize", movedTo(r), ""),
			)
		},
		OnUndone: func(ctx context.Context, tx store.Tx, r *moveRun) error {
			event := "conductor_migrate_server"
			if r.State.Progress.Choice != nil {
				event = "compute_prep_resize"
			}
			return errors.Join(
				o.settle(ctx, tx, r.Operation, func(srv *nova.Server) []string {
					srv.Fault = o.fault(r.Operation, r.State.Progress.Details)
					if r.State.Progress.Aside { // the source did not take it back
						srv.VMState, srv.PowerState = nova.InError, int(driver.NoState)
					}
					return []string{"vm_state", "power_state", "fault"}
				}),
				db.SetMigration(ctx, tx, r.State.Migration, o.Nova.Now(), map[string]any{"status": nova.MoveError}),
				o.finishAction(ctx, tx, r.Operation, event, source(r), r.Cause),
			)
		},
	}
}

// power is the power state of a server that was left off or not.
func power(off bool) int {
	if off {
		return int(driver.Shutdown)
	}
	return int(driver.Running)
}

func (o *Ops) moverOf(r *moveRun) *mover {
	return &mover{o: o, op: r.Operation, server: r.State.ServerID, migration: r.State.Migration, source: r.State.Source, p: &r.State.Progress, flavor: &r.State.New}
}

func movedTo(r *moveRun) string {
	if r.State.Progress.Choice == nil {
		return ""
	}
	return r.State.Progress.Choice.Host
}

func destOf(p *nova.MoveProgress) nova.Site {
	return nova.Site{Host: p.Choice.Host, Node: p.Choice.Node, Zone: p.Zone}
}

func (m *mover) pickMove(ctx context.Context, r *moveRun) error {
	srv, err := m.o.server(ctx, m.server)
	if err != nil || srv == nil {
		return gone(err)
	}
	old, next := r.State.Old.Flavor, r.State.New.Flavor
	if next.RootGB < old.RootGB || next.EphemeralGB < old.EphemeralGB {
		return saga.Permanent(errors.New("Resize error: Unable to resize disk down.")) //nolint:staticcheck // upstream's sentence
	}
	w := nova.Placing{Server: srv, Host: r.State.Target}
	if r.State.Resize {
		w.Flavor = flavorOf(r.State.New)
	}
	// A migration goes to another host always, a resize unless the operator permits the same one.
	if !r.State.Resize || !m.o.Nova.Config.ResizeToSameHost {
		w.Ignore = []string{m.source.Host}
	}
	return m.pick(ctx, w, r.Note)
}

func flavorOf(f nova.MovedFlavor) *nova.Flavor {
	c := f.Flavor
	return &nova.Flavor{
		ID: f.ID, Name: c.Name, VCPUs: c.VCPUs, MemoryMB: c.MemoryMB, RootGB: c.RootGB, EphemeralGB: c.EphemeralGB, SwapMB: c.SwapMB, RxTxFactor: c.RxTxFactor, ExtraSpecs: c.ExtraSpecs,
	}
}

func (o *Ops) claimMove(ctx context.Context, tx store.Tx, r *moveRun) error {
	m := o.moverOf(r)
	return errors.Join(m.claim(ctx, tx, nova.MovePreMigrating, nil), o.event(ctx, tx, r.Operation, "conductor_migrate_server", r.State.Source.Host))
}

// unclaimMove gives back what was claimed; from here the server counts as what it was again.
func (o *Ops) unclaimMove(ctx context.Context, tx store.Tx, r *moveRun) error {
	old := r.State.Old.Flavor
	return errors.Join(
		o.moverOf(r).unclaim(ctx, tx),
		o.update(ctx, tx, r.Operation, nova.TaskResizePrep, map[string]any{"vcpus": old.VCPUs, "memory_mb": old.MemoryMB}),
	)
}

func (m *mover) fetchMove(ctx context.Context, r *moveRun) error {
	srv, err := m.o.server(ctx, m.server)
	if err != nil || srv == nil {
		return gone(err)
	}
	r.At(m.host())
	return m.fetchImages(ctx, srv)
}

// setAside powers the server off on its source, which then gives its disks to the destination and nobody else.
func (m *mover) setAside(ctx context.Context, r *moveRun) error {
	srv, err := m.o.server(ctx, m.server)
	if err != nil || srv == nil {
		return gone(err)
	}
	r.At(m.source.Host)
	m.p.Aside = true
	return here(m.o.call(ctx, r.Attempt, m.source.Host, rpc.SetAside, rpc.SetAsideArgs{
		ServerID: m.server, Move: m.migration, To: m.host(), GraceSeconds: grace(srv), StepID: m.step("set aside"),
	}))
}

// step names a step to hosts. A move that was sent to another host does its steps anew.
func (m *mover) step(name string) string { return stepID(m.op, name) + "/" + m.host() }

// takeBack brings the server up again on its source, as it was.
func (m *mover) takeBack(ctx context.Context, r *moveRun) error {
	r.At(m.source.Host)
	if !m.p.Aside {
		return nil
	}
	if err := m.o.callOn(ctx, m.source.Host, rpc.Restore, rpc.MoveRef{ServerID: m.server, Move: m.migration}); err != nil {
		return err
	}
	srv, err := m.o.server(ctx, m.server)
	if err != nil {
		return err
	}
	if srv != nil && srv.TaskState != nova.TaskDeleting {
		if err := m.o.defineAs(ctx, srv, r.State.Old, m.source.Host); err != nil {
			return err
		}
		if !r.State.Off {
			if err := m.o.callOn(ctx, m.source.Host, rpc.Start, rpc.ServerRef{ServerID: m.server}); err != nil {
				return err
			}
		}
	}
	m.p.Aside = false
	return nil
}

// defineAs defines a server on a host with a flavor.
func (o *Ops) defineAs(ctx context.Context, srv *nova.Server, f nova.MovedFlavor, host string) error {
	spec, err := o.specAs(ctx, srv, f)
	if err != nil {
		return err
	}
	if err := o.callOn(ctx, host, rpc.Define, rpc.Guest{Spec: spec}); err != nil {
		return err
	}
	return o.noteDevices(ctx, host, spec)
}

func (o *Ops) specAs(ctx context.Context, srv *nova.Server, f nova.MovedFlavor) (driver.GuestSpec, error) {
	as := *srv
	as.FlavorID, as.Flavor = f.ID, f.Flavor
	return o.guestSpec(ctx, &as)
}

func (m *mover) copyDisks(ctx context.Context, r *moveRun) error {
	srv, err := m.o.server(ctx, m.server)
	if err != nil || srv == nil {
		return gone(err)
	}
	r.At(m.host())
	spec, err := m.o.specAs(ctx, srv, r.State.New)
	if err != nil {
		return err
	}
	return m.onChosen(ctx, rpc.ImportDisks, rpc.ImportArgs{
		Spec: spec, Move: m.migration, Source: m.source.Host, Address: m.p.Address, Alone: m.p.Alone, StepID: m.step("copy disks"),
	})
}

// arrive makes the row say where and what the server is now. What counts for the quota is the larger of both flavors until it is settled.
func (o *Ops) arrive(ctx context.Context, tx store.Tx, r *moveRun) error {
	return o.place(ctx, tx, r.Operation, nova.TaskResizeFinish, destOf(&r.State.Progress), r.State.New, nil)
}

func (o *Ops) comeBack(ctx context.Context, tx store.Tx, r *moveRun) error {
	return o.place(ctx, tx, r.Operation, nova.TaskResizeFinish, r.State.Source, r.State.Old, nil)
}

// place makes a server's row say where it is and what flavor it has.
func (o *Ops) place(ctx context.Context, tx store.Tx, op saga.Operation, task string, at nova.Site, f nova.MovedFlavor, more map[string]any) error {
	columns := map[string]any{
		"host": at.Host, "node": at.Node, "availability_zone": at.Zone, "flavor_id": f.ID, "flavor": f.Flavor, "root_gb": f.Flavor.RootGB, "ephemeral_gb": f.Flavor.EphemeralGB,
	}
	for k, v := range more {
		columns[k] = v
	}
	return o.update(ctx, tx, op, task, columns)
}
