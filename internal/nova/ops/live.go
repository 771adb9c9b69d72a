package ops

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gostack/internal/nova"
	"gostack/internal/nova/db"
	"gostack/internal/nova/driver"
	"gostack/internal/nova/rpc"
	"gostack/internal/placement"
	"gostack/internal/saga"
	"gostack/internal/store"
)

type liveRun = saga.Run[nova.LiveMoveState]

// liveMigrate moves a server to another host while it runs. Until it has landed there every failure leaves it where it was; once it has,
// nothing brings it back, and the operation ends as done however it came there: where the guest runs is asked of the hosts, not of the plan.
func (o *Ops) liveMigrate() *saga.Definition[nova.LiveMoveState] {
	return &saga.Definition[nova.LiveMoveState]{
		Kind: nova.KindLive, Deadline: 7 * 24 * time.Hour, Workers: 64,
		Steps: []saga.Step[nova.LiveMoveState]{
			{Name: "pick host", Do: o.livePick, Save: o.liveClaim, UndoSave: o.liveUnclaim, Deadline: 3 * time.Minute},
			{Name: "wait for a turn", Save: o.liveTurn, Deadline: 24 * time.Hour},
			{Name: "prepare destination", Do: o.livePrepare, Undo: o.liveCleanUp, Deadline: time.Hour},
			{Name: "prepare ports", Do: o.livePorts, Save: o.liveRunning, Undo: o.livePortsBack, Deadline: 5 * time.Minute},
			{Name: "begin", Do: o.liveBegin, Undo: o.liveSettle, UndoSave: o.liveArrived, Deadline: 5 * time.Minute},
			{Name: "migrate", Do: o.liveWatch, Save: o.liveArrived, Deadline: 5 * 24 * time.Hour},
			{Name: "bind ports", Do: func(ctx context.Context, r *liveRun) error { return o.liveBind(ctx, r) }, Deadline: 10 * time.Minute},
			{Name: "clean up", Do: o.liveCleanUp, Deadline: 10 * time.Minute},
		},
		OnDone:   o.liveEnd,
		OnUndone: o.liveEnd,
	}
}

func liveDest(r *liveRun) string {
	if r.State.Progress.Choice == nil {
		return ""
	}
	return r.State.Progress.Choice.Host
}

// liveClaim gives the migration what the server has on its source, and the server what it takes from the destination.
func (o *Ops) liveClaim(ctx context.Context, tx store.Tx, r *liveRun) error {
	p := &r.State.Progress
	srv, err := db.GetServer(ctx, tx, r.State.ServerID)
	if store.IsNotFound(err) {
		return gone(nil)
	}
	if err != nil {
		return err
	}
	fits, err := o.Nova.GroupAllows(ctx, tx, srv)
	if err != nil {
		return err
	}
	if !r.State.Force && !fits(p.Choice.Host) {
		return errTaken
	}
	if _, err := o.Nova.Placement.Move(ctx, tx, srv.ID, r.State.Migration, placement.ConsumerMigration); err != nil {
		return err
	}
	err = o.Nova.ClaimOn(ctx, tx, srv, srv.Flavor, p.Choice.Host, placement.Claim{Consumer: srv.ID, Project: srv.ProjectID, User: srv.UserID, Allocations: p.Choice.Allocations})
	if errors.Is(err, placement.ErrCapacity) && r.State.Force {
		return saga.Permanent(fmt.Errorf("Migration pre-check error: Unable to migrate %s to %s: Lack of memory(host:%d <= instance:%d)", srv.ID, p.Choice.Host, p.FreeMB, srv.MemoryMB)) //nolint:staticcheck // upstream's sentence
	}
	if err != nil {
		return err
	}
	if p.Zone, err = o.Nova.ZoneOf(ctx, tx, p.Choice.Host); err != nil {
		return err
	}
	columns := map[string]any{"dest_compute": p.Choice.Host, "dest_node": p.Choice.Node, "status": nova.MoveQueued}
	if node, err := db.GetComputeNodeOf(ctx, tx, p.Choice.Host); err == nil {
		columns["dest_host"] = node.Info.HostIP
		p.Plan.Address = node.Info.LinkAddress
	} else if !store.IsNotFound(err) {
		return err
	}
	return db.SetMigration(ctx, tx, r.State.Migration, o.Nova.Now(), columns)
}

// liveUnclaim gives the server back what it had, unless it has landed.
func (o *Ops) liveUnclaim(ctx context.Context, tx store.Tx, r *liveRun) error {
	if r.State.Progress.Landed {
		return nil
	}
	_, err := o.Nova.Placement.Move(ctx, tx, r.State.Migration, r.State.ServerID, placement.ConsumerInstance)
	return err
}

// liveTurn lets only so many servers leave a host at once; the others are queued.
func (o *Ops) liveTurn(ctx context.Context, tx store.Tx, r *liveRun) error {
	under, err := db.ListMigrations(ctx, tx, nova.MigrationFilter{
		SourceCompute: r.State.SourceHost, Type: nova.TypeLiveMigration, Statuses: []string{nova.MovePreparing, nova.MoveRunning},
	})
	if err != nil {
		return err
	}
	if len(under) >= o.Nova.LiveConcurrency() {
		return saga.Wait(time.Second, "other servers leave the host")
	}
	return db.SetMigration(ctx, tx, r.State.Migration, o.Nova.Now(), map[string]any{"status": nova.MovePreparing})
}

// livePrepare makes room on the destination: the image that the disks stand on, and the disks.
func (o *Ops) livePrepare(ctx context.Context, r *liveRun) error {
	r.At(liveDest(r))
	srv, err := o.server(ctx, r.State.ServerID)
	if err != nil || srv == nil {
		return gone(err)
	}
	plan := &r.State.Progress.Plan
	spec, err := o.guestSpec(ctx, srv)
	if err != nil {
		return err
	}
	spec.ConfigDrive = nil // the guest has it open: it is copied as it is
	plan.Spec = &spec
	if plan.Block {
		for _, k := range plan.Disks {
			if k.Image == "" {
				continue
			}
			if err := here(o.call(ctx, r.Attempt, liveDest(r), rpc.EnsureImage, guestImage(srv))); err != nil {
				return err
			}
			break
		}
	}
	return here(o.call(ctx, r.Attempt, liveDest(r), rpc.LivePrepare, rpc.LiveArgs{ServerID: srv.ID, Plan: *plan}))
}

// livePorts lets both hosts have the server's ports.
func (o *Ops) livePorts(ctx context.Context, r *liveRun) error {
	ports, err := o.Nova.Network.PortsOf(ctx, []string{r.State.ServerID})
	if err != nil {
		return err
	}
	r.State.Progress.PortIDs = portIDs(ports[r.State.ServerID])
	if len(r.State.Progress.PortIDs) == 0 {
		return nil
	}
	return refused(o.Nova.Network.PrepareMigration(ctx, r.State.Progress.PortIDs, liveDest(r)))
}

func (o *Ops) liveRunning(ctx context.Context, tx store.Tx, r *liveRun) error {
	return db.SetMigration(ctx, tx, r.State.Migration, o.Nova.Now(), map[string]any{"status": nova.MoveRunning})
}

// livePortsBack leaves the ports with the host that has the server.
func (o *Ops) livePortsBack(ctx context.Context, r *liveRun) error {
	if r.State.Progress.Landed {
		return o.liveBind(ctx, r)
	}
	if len(r.State.Progress.PortIDs) == 0 {
		return nil
	}
	return o.Nova.Network.PrepareMigration(ctx, r.State.Progress.PortIDs, "")
}

func (o *Ops) liveBind(ctx context.Context, r *liveRun) error {
	r.At(liveDest(r))
	if len(r.State.Progress.PortIDs) == 0 {
		return nil
	}
	_, err := o.Nova.Network.BindPorts(ctx, r.State.Progress.PortIDs, liveDest(r))
	return refused(err)
}

// liveArrived writes where the server is, when it has landed.
func (o *Ops) liveArrived(ctx context.Context, tx store.Tx, r *liveRun) error {
	p := &r.State.Progress
	if !p.Landed {
		return nil
	}
	if err := o.Nova.Placement.Release(ctx, tx, r.State.Migration); err != nil {
		return err
	}
	if err := db.SetMigration(ctx, tx, r.State.Migration, o.Nova.Now(), map[string]any{"status": nova.MovePostMigrating}); err != nil {
		return err
	}
	return o.update(ctx, tx, r.Operation, nova.TaskMigrating, map[string]any{"host": p.Choice.Host, "node": p.Choice.Node, "availability_zone": p.Zone, "progress": 100})
}

// liveCleanUp makes the end last on both hosts. A source that is down loses what it has left when it returns.
func (o *Ops) liveCleanUp(ctx context.Context, r *liveRun) error {
	p := &r.State.Progress
	args := rpc.LiveArgs{ServerID: r.State.ServerID, Plan: p.Plan}
	if !p.Landed {
		r.At(liveDest(r))
		return o.unlessDown(ctx, liveDest(r), o.Nova.Hosts.Call(ctx, liveDest(r), rpc.LiveCancel, args, nil))
	}
	r.At(liveDest(r))
	var took driver.LiveResult
	err := o.Nova.Hosts.Call(ctx, liveDest(r), rpc.LiveArrive, args, &took)
	if err != nil && !errors.Is(err, driver.ErrNotFound) { // a server that was deleted inside and undefined needs nothing
		return err
	}
	if took.TotalMS > 0 {
		r.Note("took %d ms, the server paused for %d ms", took.TotalMS, max(took.DowntimeMS, p.PausedMS))
	}
	return o.unlessDown(ctx, r.State.SourceHost, o.Nova.Hosts.Call(ctx, r.State.SourceHost, rpc.LiveLeave, args, nil))
}

// unlessDown forgets the error of a host that is down.
func (o *Ops) unlessDown(ctx context.Context, host string, err error) error {
	if err == nil || errors.Is(err, driver.ErrNotFound) {
		return nil
	}
	if up, upErr := o.hostUp(ctx, host); upErr == nil && !up {
		return nil
	}
	return err
}

// liveEnd ends the operation by where the server is.
func (o *Ops) liveEnd(ctx context.Context, tx store.Tx, r *liveRun) error {
	p := &r.State.Progress
	status, failure, at := nova.MoveCompleted, "", liveDest(r)
	if !p.Landed {
		at, failure = r.State.SourceHost, r.Cause
		switch {
		case r.Canceled, p.Aborted: // upstream's driver says so of each migration that libvirt was told to end
			status = nova.MoveCancelled
		case p.Begun:
			status = nova.MoveFailed
		default:
			status = nova.MoveError
		}
	}
	return errors.Join(
		o.settle(ctx, tx, r.Operation, func(srv *nova.Server) []string {
			if !p.Landed && !r.Canceled {
				srv.Fault = o.fault(r.Operation, p.Details)
				return []string{"fault"}
			}
			srv.Fault = nil
			return []string{"fault"}
		}),
		db.SetMigration(ctx, tx, r.State.Migration, o.Nova.Now(), map[string]any{"status": status}),
		o.finishAction(ctx, tx, r.Operation, "compute__do_live_migration", at, failure),
	)
}
