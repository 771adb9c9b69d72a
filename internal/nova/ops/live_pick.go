package ops

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"gostack/internal/nova"
	"gostack/internal/nova/db"
	"gostack/internal/nova/driver"
	"gostack/internal/nova/rpc"
	"gostack/internal/nova/scheduler"
	"gostack/internal/saga"
)

// livePick finds a host that can take the server as it runs: the one asked for, or one after the other of those that the scheduler names
// (nova/conductor/tasks/live_migrate.py). Refusals are upstream's sentences.
func (o *Ops) livePick(ctx context.Context, r *liveRun) error {
	p := &r.State.Progress
	srv, err := o.server(ctx, r.State.ServerID)
	if err != nil || srv == nil {
		return gone(err)
	}
	source := r.State.SourceHost
	r.At(source)
	if refused := nova.LiveDevices(srv); refused != "" {
		return saga.Permanent(errors.New(refused))
	}
	if s := driver.PowerState(srv.PowerState); s != driver.Running && s != driver.Paused {
		return saga.Permanent(fmt.Errorf("Instance %s in power_state %s. Cannot live migrate while the instance is in this state.", srv.ID, s)) //nolint:staticcheck // upstream's sentence
	}
	if err := o.liveUp(ctx, source); err != nil {
		return err
	}
	if r.State.Target == source {
		return saga.Permanent(fmt.Errorf("Unable to migrate instance (%s) to current host (%s).", srv.ID, source)) //nolint:staticcheck // upstream's sentence
	}
	if r.State.Target != "" {
		if err := o.liveUp(ctx, r.State.Target); err != nil {
			return err
		}
	}
	var from driver.LiveSource
	if err := o.Nova.Hosts.Call(ctx, source, rpc.LiveSource, rpc.ServerRef{ServerID: srv.ID}, &from); err != nil {
		return refusedByHost(err)
	}
	defer func() {
		_ = o.Nova.Hosts.Call(context.WithoutCancel(ctx), source, rpc.LiveUnprobe, rpc.ProbeArgs{ServerID: srv.ID, Probe: from.Probe}, nil) // the host sweeps what is left
	}()
	if r.State.Force {
		choice, err := o.liveForced(ctx, srv, r.State.Target)
		if err != nil {
			return err
		}
		return o.liveCheck(ctx, r, srv, from, choice)
	}
	tried := []string{source}
	for {
		places, err := o.Choose(ctx, nova.Placing{Server: srv, Host: r.State.Target, Ignore: tried, Moving: true, Fresh: true})
		var none *scheduler.NoValidHostError
		if errors.As(err, &none) {
			p.Details, p.Tried = eliminations(none.Considered, none.Eliminated), tried
			r.Note("%s", p.Details)
			return saga.Permanent(err)
		}
		if err != nil {
			return err
		}
		choice := places[0]
		err = o.liveCheck(ctx, r, srv, from, choice)
		if err == nil {
			return nil
		}
		if r.State.Target != "" || !saga.IsPermanent(err) {
			return err
		}
		r.Note("%s: %v", choice.Host, err)
		tried = append(tried, choice.Host)
	}
}

// liveForced is the host that an administrator insists on, with what the server takes where it is (nova/scheduler/utils.py,
// claim_resources_on_destination).
func (o *Ops) liveForced(ctx context.Context, srv *nova.Server, host string) (nova.Place, error) {
	node, err := db.GetComputeNodeOf(ctx, o.Nova.DB.Read(ctx), host)
	if err != nil {
		return nova.Place{}, err
	}
	has, err := o.Nova.Placement.Consumer(ctx, srv.ID)
	if err != nil {
		return nova.Place{}, err
	}
	takes := map[string]int{}
	if has != nil {
		if len(has.Allocations) > 1 {
			return nova.Place{}, saga.Permanent(fmt.Errorf("No valid host was found. Unable to move instance %s to host %s. The instance has complex allocations on the source host so move cannot be forced.", srv.ID, host)) //nolint:staticcheck // upstream's sentence
		}
		for _, of := range has.Allocations {
			for class, n := range of {
				takes[class] = int(n)
			}
		}
	}
	return nova.Place{Host: host, Node: node.Hostname, Allocations: map[string]map[string]int{node.ID: takes}}, nil
}

// liveUp refuses hosts whose agent does not report.
func (o *Ops) liveUp(ctx context.Context, host string) error {
	up, err := o.hostUp(ctx, host)
	if err == nil && !up {
		err = saga.Permanent(fmt.Errorf("Compute service of %s is unavailable at this time.", host)) //nolint:staticcheck // upstream's sentence
	}
	return err
}

// refusedByHost makes a driver's refusal final.
func refusedByHost(err error) error {
	for _, final := range []error{driver.ErrUnsupported, driver.ErrBadState, driver.ErrNotFound} {
		if errors.Is(err, final) {
			return saga.Permanent(err)
		}
	}
	return err
}

// liveCheck asks a host whether it can take the server, and plans the move.
func (o *Ops) liveCheck(ctx context.Context, r *liveRun, srv *nova.Server, from driver.LiveSource, choice nova.Place) error {
	h := o.Nova.DB.Read(ctx)
	here, err := db.GetComputeNodeOf(ctx, h, r.State.SourceHost)
	if err != nil {
		return err
	}
	there, err := db.GetComputeNodeOf(ctx, h, choice.Host)
	if err != nil {
		return err
	}
	switch {
	case here.Info.HypervisorType != there.Info.HypervisorType:
		return saga.Permanent(errors.New("The supplied hypervisor type of is invalid.")) //nolint:staticcheck // upstream's sentence
	case here.Info.HypervisorVersion > there.Info.HypervisorVersion:
		return saga.Permanent(errors.New("The instance requires a newer hypervisor version than has been provided.")) //nolint:staticcheck // upstream's sentence
	}
	var target driver.LiveTarget
	if err := o.Nova.Hosts.Call(ctx, choice.Host, rpc.LiveTarget, rpc.LiveTargetArgs{ServerID: srv.ID, From: from}, &target); err != nil {
		return refusedByHost(err)
	}
	block := !target.Shared
	switch {
	case r.State.Block == nil || *r.State.Block == block:
	case *r.State.Block:
		return saga.Permanent(fmt.Errorf("%s is not on local storage: Block migration can not be used with shared storage.", r.State.SourceHost)) //nolint:staticcheck // upstream's sentence
	default:
		return saga.Permanent(fmt.Errorf("%s is not on shared storage: Shared storage live-migration requires either shared storage or boot-from-volume with no local disks.", r.State.SourceHost)) //nolint:staticcheck // upstream's sentence
	}
	if need := from.Bytes(r.State.OverCommit); block && need > target.FreeBytes {
		return saga.Permanent(fmt.Errorf("Migration pre-check error: Unable to migrate %s: Disk of instance is too large(available on destination host:%d < need:%d)", srv.ID, target.FreeBytes, need)) //nolint:staticcheck // upstream's sentence
	}
	p := &r.State.Progress
	p.Choice, p.FreeMB = &choice, there.Info.MemoryMB-there.Info.MemoryMBUsed
	p.Plan = driver.LivePlan{
		ServerID: srv.ID, Ticket: uuid.NewString(), Source: r.State.SourceHost, Dest: choice.Host, Address: there.Info.LinkAddress, Block: block, Disks: from.Disks, Target: target,
		Limits: o.Nova.LiveLimits(),
	}
	return nil
}
