package ops

import (
	"context"

	"gostack/internal/nova"
	"gostack/internal/nova/driver"
	"gostack/internal/nova/rpc"
	"gostack/internal/saga"
)

// onHost is a step of some operation on a server that has a host. The host remembers the step's name when it has done it: a call that comes once
// more when the operation is further, as after a broken connection to the broker, does nothing.
type onHost struct {
	saga.Operation
	server string
	at     func(host string)
	step   string // anyTime when the host keeps no note of it
}

// anyTime is the step of calls that may come once more, and late, without harm: they bring an image into the cache, or remove a file that belongs to
// one operation.
const anyTime = ""

func (h onHost) stepID() string { return stepID(h.Operation, h.step) }

// onItsHost makes a call to the host where a server is. What that host cannot do nobody can.
func (o *Ops) onItsHost(ctx context.Context, h onHost, method string, args func(ctx context.Context, srv *nova.Server) (any, error)) error {
	srv, err := o.server(ctx, h.server)
	if err != nil || srv == nil {
		return gone(err)
	}
	a, err := args(ctx, srv)
	if err != nil {
		return err
	}
	h.at(srv.Host)
	return here(o.call(ctx, h.Attempt, srv.Host, method, a))
}

// stopGuest turns a guest off, gently when it is given its time. One that is off stays off.
func (o *Ops) stopGuest(ctx context.Context, h onHost, gently bool) error {
	return o.onItsHost(ctx, h, rpc.Stop, func(_ context.Context, srv *nova.Server) (any, error) {
		args := rpc.StopArgs{ServerID: srv.ID, StepID: h.stepID()}
		if gently {
			args.GraceSeconds = grace(srv)
		}
		return args, nil
	})
}

// startGuestOf turns a guest on.
func (o *Ops) startGuestOf(ctx context.Context, h onHost) error {
	return o.onItsHost(ctx, h, rpc.Start, func(_ context.Context, srv *nova.Server) (any, error) {
		return rpc.ServerRef{ServerID: srv.ID, StepID: h.stepID()}, nil
	})
}

// defineAgain binds a server's ports and defines its guest as its row says.
func (o *Ops) defineAgain(ctx context.Context, h onHost) error {
	if err := o.bindAgain(ctx, h.server); err != nil {
		return err
	}
	return o.defineOn(ctx, h, o.guestSpec)
}

// defineOn defines a server's guest on the host where it is.
func (o *Ops) defineOn(ctx context.Context, h onHost, as func(context.Context, *nova.Server) (driver.GuestSpec, error)) error {
	at, spec := "", driver.GuestSpec{}
	err := o.onItsHost(ctx, h, rpc.Define, func(ctx context.Context, srv *nova.Server) (_ any, err error) {
		at = srv.Host
		spec, err = as(ctx, srv)
		return rpc.Guest{Spec: spec, StepID: h.stepID()}, err
	})
	if err != nil {
		return err
	}
	return o.noteDevices(ctx, at, spec)
}

// bindAgain binds a server's ports to its host.
func (o *Ops) bindAgain(ctx context.Context, server string) error {
	srv, err := o.server(ctx, server)
	if err != nil || srv == nil {
		return gone(err)
	}
	ports, err := o.Nova.Network.PortsOf(ctx, []string{srv.ID})
	if err != nil {
		return err
	}
	if ids := portIDs(ports[srv.ID]); len(ids) > 0 {
		_, err = o.Nova.Network.BindPorts(ctx, ids, srv.Host)
	}
	return refused(err)
}

// startAgain turns a guest on that an operation which is being undone has turned off. A host that cannot is no reason to stop undoing:
// the server is then what its host says it is.
func (o *Ops) startAgain(ctx context.Context, h onHost) error {
	err := o.startGuestOf(ctx, h)
	if saga.IsPermanent(err) {
		o.Log.WarnContext(ctx, "a server that was turned off for an operation does not start again", "server", h.server, "error", err)
		return nil
	}
	return err
}
