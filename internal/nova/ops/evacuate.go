package ops

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gostack/internal/bus"
	"gostack/internal/nova"
	"gostack/internal/nova/db"
	"gostack/internal/nova/driver"
	"gostack/internal/nova/rpc"
	"gostack/internal/saga"
	"gostack/internal/store"
)

type evacuateRun = saga.Run[nova.EvacuateState]

// evacuate runs a server on another host because its own is lost: from its image, or from its disks where storage is shared.
//
// The lost host is fenced by the migration's row, which is there since the request: when its agent comes back, at whatever moment, it learns of
// it before it starts anything (rpc.HostUpReply.Evacuations). A host that still answers is told to power the server off at once.
func (o *Ops) evacuate() *saga.Definition[nova.EvacuateState] {
	on := func(do func(*mover, context.Context, *evacuateRun) error) func(context.Context, *evacuateRun) error {
		return func(ctx context.Context, r *evacuateRun) error { return do(o.evacuatorOf(r), ctx, r) }
	}
	return &saga.Definition[nova.EvacuateState]{
		Kind: nova.KindEvacuate, Deadline: 6 * time.Hour, Workers: 32,
		Steps: []saga.Step[nova.EvacuateState]{
			{Name: "fence source", Do: on((*mover).fence), Deadline: 5 * time.Minute},
			{Name: "pick host", Do: on((*mover).pickRefuge), Save: func(ctx context.Context, tx store.Tx, r *evacuateRun) error {
				return o.evacuatorOf(r).claim(ctx, tx, nova.MovePreMigrating, func(host string) bool { return host != r.State.Source.Host })
			}, UndoSave: func(ctx context.Context, tx store.Tx, r *evacuateRun) error { return o.evacuatorOf(r).unclaim(ctx, tx) }, Deadline: 2 * time.Minute},
			{Name: "take disks", Do: on((*mover).takeDisks), Undo: on(func(m *mover, ctx context.Context, r *evacuateRun) error { return m.clear(ctx, r.At, rpc.Abandon) }), Save: func(ctx context.Context, tx store.Tx, r *evacuateRun) error {
				return o.update(ctx, tx, r.Operation, "rebuild_spawning", nil)
			}, Deadline: 2 * time.Hour},
			{Name: "bind ports", Do: on(func(m *mover, ctx context.Context, r *evacuateRun) error { return m.bindThere(ctx, r.At) }), Undo: on(func(m *mover, ctx context.Context, r *evacuateRun) error { return m.bindBack(ctx, r.At) }), Deadline: 5 * time.Minute},
			{Name: "define guest", Do: on(func(m *mover, ctx context.Context, r *evacuateRun) error { return m.defineThere(ctx, r.At, nil) }), Save: func(ctx context.Context, tx store.Tx, r *evacuateRun) error {
				return o.moveRow(ctx, tx, r.Operation, destOf(&r.State.Progress))
			}, UndoSave: func(ctx context.Context, tx store.Tx, r *evacuateRun) error {
				return o.moveRow(ctx, tx, r.Operation, r.State.Source)
			}, Deadline: 15 * time.Minute},
			{Name: "start guest", Do: on(func(m *mover, ctx context.Context, r *evacuateRun) error { return m.startThere(ctx, r.At, r.State.Off) }), Deadline: 10 * time.Minute},
			{Name: "wait for ports", Do: on(func(m *mover, ctx context.Context, r *evacuateRun) error { return m.awaitThere(ctx, r.State.Off) }), Deadline: o.vifTimeout()},
		},
		OnDone:   o.evacuated,
		OnUndone: o.notEvacuated,
	}
}

func (o *Ops) evacuatorOf(r *evacuateRun) *mover {
	return &mover{o: o, op: r.Operation, server: r.State.ServerID, migration: r.State.Migration, source: r.State.Source, p: &r.State.Progress}
}

func (o *Ops) evacuated(ctx context.Context, tx store.Tx, r *evacuateRun) error {
	details, err := nova.EncodeDetails(nova.MoveDetails{Source: r.State.Source, Dest: destOf(&r.State.Progress), Off: r.State.Off})
	if err != nil {
		return err
	}
	if r.State.Progress.Fenced { // it is alive: it need not keep for a minute what it has of the server
		store.AfterCommit(ctx, func() {
			short, cancel := context.WithTimeout(context.Background(), fenceTime)
			defer cancel()
			if err := o.Nova.Hosts.Call(short, r.State.Source.Host, rpc.ReportNow, struct{}{}, nil); err != nil {
				o.Log.DebugContext(short, "the host of an evacuated server hears of it later", "host", r.State.Source.Host, "error", err)
			}
		})
	}
	return errors.Join(
		o.settle(ctx, tx, r.Operation, func(srv *nova.Server) []string {
			now := o.Nova.Now()
			srv.VMState, srv.PowerState, srv.Fault, srv.LaunchedAt, srv.Requested.AdminPass = nova.Active, power(r.State.Off), nil, &now, ""
			if r.State.Off {
				srv.VMState = nova.Stopped
			}
			return []string{"vm_state", "power_state", "fault", "launched_at", "requested"}
		}),
		db.SetMigration(ctx, tx, r.State.Migration, o.Nova.Now(), map[string]any{"status": nova.MoveDone, "details": details}),
		o.finishAction(ctx, tx, r.Operation, "compute_rebuild_instance", r.State.Progress.Choice.Host, ""),
	)
}

// notEvacuated leaves the server in error on the host that is lost. What the host has of it, it keeps, powered off.
func (o *Ops) notEvacuated(ctx context.Context, tx store.Tx, r *evacuateRun) error {
	event := "rebuild_server"
	if r.State.Progress.Choice != nil {
		event = "compute_rebuild_instance"
	}
	return errors.Join(
		o.settle(ctx, tx, r.Operation, func(srv *nova.Server) []string {
			srv.VMState, srv.PowerState, srv.Fault, srv.Requested.AdminPass = nova.InError, int(driver.NoState), o.fault(r.Operation, r.State.Progress.Details), ""
			return []string{"vm_state", "power_state", "fault", "requested"}
		}),
		db.SetMigration(ctx, tx, r.State.Migration, o.Nova.Now(), map[string]any{"status": nova.MoveError}),
		o.finishAction(ctx, tx, r.Operation, event, r.State.Source.Host, r.Cause),
	)
}

// moveRow makes a server's row say where it is.
func (o *Ops) moveRow(ctx context.Context, tx store.Tx, op saga.Operation, at nova.Site) error {
	return o.update(ctx, tx, op, "rebuild_spawning", map[string]any{"host": at.Host, "node": at.Node, "availability_zone": at.Zone})
}

// fenceTime is how long a host that is taken for dead gets to prove that it is not.
const fenceTime = 10 * time.Second

// fence powers the server off on its source, should that answer. One that answers and does not do it is not dead, and the server may run there.
func (m *mover) fence(ctx context.Context, r *evacuateRun) error {
	r.At(m.source.Host)
	short, cancel := context.WithTimeout(ctx, fenceTime)
	defer cancel()
	err := m.o.Nova.Hosts.Call(short, m.source.Host, rpc.Stop, rpc.StopArgs{ServerID: m.server, StepID: stepID(r.Operation, "fence")}, nil)
	switch {
	case err == nil, errors.Is(err, driver.ErrNotFound):
		m.p.Fenced = true
		r.Note("the host answered: the server is off there")
		return nil
	case errors.Is(err, bus.ErrUnroutable), short.Err() != nil, errors.Is(err, context.DeadlineExceeded):
		r.Note("the host does not answer")
		return nil
	}
	return fmt.Errorf("host %s answers and does not power the server off: %w", m.source.Host, err)
}

func (m *mover) pickRefuge(ctx context.Context, r *evacuateRun) error {
	srv, err := m.o.server(ctx, m.server)
	if err != nil || srv == nil {
		return gone(err)
	}
	return m.pick(ctx, nova.Placing{Server: srv, Host: r.State.Target, Force: r.State.Force, Ignore: []string{m.source.Host}}, r.Note)
}

// takeDisks takes over the disks where this host sees them, else makes them anew.
func (m *mover) takeDisks(ctx context.Context, r *evacuateRun) error {
	srv, err := m.o.server(ctx, m.server)
	if err != nil || srv == nil {
		return gone(err)
	}
	r.At(m.host())
	var adopted rpc.AdoptReply
	if err := m.o.Nova.Hosts.Call(ctx, m.host(), rpc.AdoptDisks, rpc.AdoptArgs{ServerID: m.server, Move: m.migration, From: m.source.Host}, &adopted); err != nil {
		return m.judge(err, rpc.AdoptDisks)
	}
	m.p.Shared = adopted.Shared
	r.Note("the disks are shared: %v", adopted.Shared)
	// nova/exception.py, InvalidSharedStorage.
	switch want := r.State.Demand; {
	case want != nil && *want && !adopted.Shared:
		return saga.Permanent(fmt.Errorf("%s is not on shared storage: Instance files are not on storage that the hosts share", m.host()))
	case want != nil && !*want && adopted.Shared:
		return saga.Permanent(fmt.Errorf("%s is on shared storage: Instance files are on storage that the hosts share", m.host()))
	}
	if srv.ImageID != "" {
		if err := m.onChosen(ctx, rpc.EnsureImage, guestImage(srv)); err != nil {
			return err
		}
	}
	spec, err := m.o.guestSpec(ctx, srv)
	if err != nil {
		return err
	}
	return m.onChosen(ctx, rpc.PrepareDisks, rpc.Guest{Spec: spec})
}

// judge is what the failure of a call to the chosen host means.
func (m *mover) judge(err error, method string) error {
	if m.op.Attempt < patienceFailed && !errors.Is(err, driver.ErrUnsupported) {
		return err
	}
	m.p.Tried, m.p.LastError = append(m.p.Tried, m.host()), err.Error()
	return saga.Rewind("pick host", fmt.Errorf("%s on %s: %w", method, m.host(), err))
}
