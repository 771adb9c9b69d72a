package ops

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"gostack/internal/neutron"
	"gostack/internal/nova"
	"gostack/internal/nova/db"
	"gostack/internal/nova/driver"
	"gostack/internal/nova/rpc"
	"gostack/internal/placement"
	"gostack/internal/saga"
	"gostack/internal/store"
)

type (
	attachRun = saga.Run[nova.AttachState]
	detachRun = saga.Run[nova.DetachState]
)

// attach plugs a new interface into a server.
func (o *Ops) attach() *saga.Definition[nova.AttachState] {
	done := func(failure func(*attachRun) string) func(context.Context, store.Tx, *attachRun) error {
		return func(ctx context.Context, tx store.Tx, r *attachRun) error {
			at := ""
			err := o.settle(ctx, tx, r.Operation, func(srv *nova.Server) []string { at = srv.Host; return nil })
			return errors.Join(err, o.finishAction(ctx, tx, r.Operation, "compute_attach_interface", at, failure(r)))
		}
	}
	return &saga.Definition[nova.AttachState]{
		Kind: nova.KindAttach, Deadline: 10 * time.Minute,
		Steps: []saga.Step[nova.AttachState]{
			{Name: "create port", Do: o.portRoom, Save: o.attachPort, UndoSave: func(ctx context.Context, tx store.Tx, r *attachRun) error {
				if r.State.PortID == "" {
					return nil
				}
				if err := o.Nova.Placement.Adjust(ctx, tx, r.State.ServerID, negative(r.State.Allocations)); err != nil {
					return err
				}
				r.State.Allocations = nil
				return o.Nova.Network.DetachPort(ctx, tx, r.State.ServerID, r.State.PortID)
			}},
			{Name: "bind port", Do: func(ctx context.Context, r *attachRun) error {
				srv, err := o.server(ctx, r.State.ServerID)
				if err != nil || srv == nil {
					return gone(err)
				}
				r.At(srv.Host)
				_, err = o.Nova.Network.BindPorts(ctx, []string{r.State.PortID}, srv.Host)
				return refused(err)
			}, Undo: func(ctx context.Context, r *attachRun) error {
				return o.Nova.Network.UnbindPorts(ctx, []string{r.State.PortID})
			}},
			{Name: "plug", Do: o.plug, Undo: func(ctx context.Context, r *attachRun) error {
				return o.unplugAgain(ctx, r)
			}},
		},
		OnDone:   done(func(*attachRun) string { return "" }),
		OnUndone: done(func(r *attachRun) string { return r.Cause }),
	}
}

// portRoom finds out from where on its host the server takes what the port asks for.
func (o *Ops) portRoom(ctx context.Context, r *attachRun) error {
	r.State.Allocations = nil
	if len(r.State.Plan) != 1 || r.State.Plan[0].Request == nil || r.State.Plan[0].PortID == "" {
		return nil
	}
	srv, err := o.server(ctx, r.State.ServerID)
	if err != nil || srv == nil {
		return gone(err)
	}
	r.State.Allocations, err = o.Nova.PortAllocation(ctx, srv, *r.State.Plan[0].Request)
	if errors.Is(err, placement.ErrCapacity) {
		return saga.Permanent(fmt.Errorf("Failed to allocate additional resources to attach interface to instance %s", srv.ID)) //nolint:staticcheck // upstream's sentence
	}
	return err
}

func negative(a placement.Allocations) placement.Allocations {
	out := placement.Allocations{}
	for provider, resources := range a {
		out[provider] = map[string]int64{}
		for class, n := range resources {
			out[provider][class] = -n
		}
	}
	return out
}

func (o *Ops) attachPort(ctx context.Context, tx store.Tx, r *attachRun) error {
	srv, err := db.GetServer(ctx, tx, r.State.ServerID)
	if err != nil {
		return gone(err)
	}
	ref := neutron.ServerRef{ID: srv.ID, Name: srv.Hostname, Project: srv.ProjectID, AZ: srv.AvailabilityZone}
	have, err := o.Nova.Network.PortsOf(ctx, []string{srv.ID})
	if err != nil {
		return err
	}
	if len(r.State.Plan) != 1 {
		return saga.Permanent(errors.New("one interface is attached at a time"))
	}
	r.State.Plan[0].Index = 0
	for _, p := range have[srv.ID] {
		r.State.Plan[0].Index = max(r.State.Plan[0].Index, p.Index+1)
	}
	ports, err := o.Nova.Network.CreatePorts(ctx, tx, r.Caller, ref, r.State.Plan)
	if err != nil {
		return refused(err)
	}
	if len(r.State.Allocations) > 0 {
		if err := o.Nova.Placement.Adjust(ctx, tx, srv.ID, r.State.Allocations); err != nil {
			return err
		}
	}
	// The network answers with all ports of the server.
	for _, p := range ports {
		if p.Index == r.State.Plan[0].Index {
			r.State.PortID = p.ID
			return nil
		}
	}
	return saga.Permanent(errors.New("the network made no port"))
}

func (o *Ops) plug(ctx context.Context, r *attachRun) error {
	srv, err := o.server(ctx, r.State.ServerID)
	if err != nil || srv == nil {
		return gone(err)
	}
	r.At(srv.Host)
	vifs, err := o.Nova.Network.NetworkInfo(ctx, srv.ID)
	if err != nil {
		return err
	}
	for _, v := range vifs {
		if v.PortID == r.State.PortID {
			if err := here(o.call(ctx, r.Attempt, srv.Host, rpc.AttachInterface, rpc.NICArgs{ServerID: srv.ID, NIC: nic(v, srv)})); err != nil || v.Tag == "" {
				return err
			}
			spec, err := o.guestSpec(ctx, srv)
			if err != nil {
				return err
			}
			return o.noteDevices(ctx, srv.Host, spec)
		}
	}
	return saga.Permanent(errors.New("the port is gone"))
}

// unplug takes an interface from the guest; a guest or a host that is gone has none.
func (o *Ops) unplug(ctx context.Context, _ saga.Operation, server, port, step string) error {
	srv, err := o.server(ctx, server)
	if err != nil || srv == nil || srv.Host == "" {
		return err
	}
	err = o.Nova.Hosts.Call(ctx, srv.Host, rpc.DetachInterface, rpc.NICArgs{ServerID: server, NIC: driver.NIC{PortID: port}, StepID: step}, nil)
	if errors.Is(err, driver.ErrNotFound) {
		return nil
	}
	return err
}

// unplugAgain undoes an attachment. A host that is down keeps the interface until the guest is defined anew: what comes after must not wait for it.
func (o *Ops) unplugAgain(ctx context.Context, r *attachRun) error {
	err := o.unplug(ctx, r.Operation, r.State.ServerID, r.State.PortID, "")
	if err == nil {
		return nil
	}
	srv, srvErr := o.server(ctx, r.State.ServerID)
	if srvErr != nil || srv == nil {
		return gone(srvErr)
	}
	return o.unlessDown(ctx, srv.Host, err)
}

// detach unplugs an interface from a server and deletes its port, or gives it back to the user who made it.
func (o *Ops) detach() *saga.Definition[nova.DetachState] {
	done := func(failure func(*detachRun) string) func(context.Context, store.Tx, *detachRun) error {
		return func(ctx context.Context, tx store.Tx, r *detachRun) error {
			at := ""
			err := o.settle(ctx, tx, r.Operation, func(srv *nova.Server) []string { at = srv.Host; return nil })
			return errors.Join(err, o.finishAction(ctx, tx, r.Operation, "compute_detach_interface", at, failure(r)))
		}
	}
	return &saga.Definition[nova.DetachState]{
		Kind: nova.KindDetach, Deadline: 10 * time.Minute,
		Steps: []saga.Step[nova.DetachState]{
			{Name: "unplug", Deadline: 5 * time.Minute, Do: func(ctx context.Context, r *detachRun) error {
				if err := o.portTakes(ctx, r); err != nil {
					return err
				}
				return o.unplug(ctx, r.Operation, r.State.ServerID, r.State.PortID, stepID(r.Operation, "unplug"))
			}, Undo: o.replug},
			{Name: "unbind", Do: func(ctx context.Context, r *detachRun) error {
				return o.Nova.Network.UnbindPorts(ctx, []string{r.State.PortID})
			}, Save: o.portGives, UndoSave: o.portTakesAgain},
			{Name: "release", Save: func(ctx context.Context, tx store.Tx, r *detachRun) error {
				return o.Nova.Network.DetachPort(ctx, tx, r.State.ServerID, r.State.PortID)
			}},
		},
		OnDone:   done(func(*detachRun) string { return "" }),
		OnUndone: done(func(r *detachRun) string { return r.Cause }),
	}
}

// portTakes finds out what a port has got of what it asks for. One that has been deleted meanwhile has given it back.
func (o *Ops) portTakes(ctx context.Context, r *detachRun) error {
	asked, err := o.Nova.Network.PortRequests(ctx, r.State.ServerID)
	if err != nil {
		return err
	}
	r.State.Allocations = nil
	for _, g := range asked {
		if g.ID == r.State.PortID && g.Provider != "" {
			r.State.Allocations = placement.Allocations{g.Provider: g.Resources}
		}
	}
	return nil
}

// portGives gives that back, unless the port's deletion has.
func (o *Ops) portGives(ctx context.Context, tx store.Tx, r *detachRun) error {
	if len(r.State.Allocations) == 0 {
		return nil
	}
	ports, err := o.Nova.Network.PortsOf(ctx, []string{r.State.ServerID})
	if err != nil || !slices.ContainsFunc(ports[r.State.ServerID], func(p neutron.Port) bool { return p.ID == r.State.PortID }) {
		return err
	}
	r.State.Given = true
	return o.Nova.Placement.Adjust(ctx, tx, r.State.ServerID, negative(r.State.Allocations))
}

// portTakesAgain takes it back. When it has gone meanwhile the port stays without.
func (o *Ops) portTakesAgain(ctx context.Context, tx store.Tx, r *detachRun) error {
	if !r.State.Given {
		return nil
	}
	r.State.Given = false
	err := o.Nova.Placement.Adjust(ctx, tx, r.State.ServerID, r.State.Allocations)
	if errors.Is(err, placement.ErrCapacity) {
		return nil
	}
	return err
}

// replug puts back an interface whose detachment failed.
func (o *Ops) replug(ctx context.Context, r *detachRun) error {
	srv, err := o.server(ctx, r.State.ServerID)
	if err != nil || srv == nil || srv.Host == "" || r.Canceled {
		return err
	}
	vifs, err := o.Nova.Network.BindPorts(ctx, []string{r.State.PortID}, srv.Host)
	if err != nil || len(vifs) == 0 {
		return refused(err)
	}
	err = o.Nova.Hosts.Call(ctx, srv.Host, rpc.AttachInterface, rpc.NICArgs{ServerID: srv.ID, NIC: nic(vifs[0], srv)}, nil)
	if errors.Is(err, driver.ErrNotFound) {
		return nil
	}
	return err
}
