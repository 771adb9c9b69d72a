package ops

import (
	"context"
	"errors"

	"gostack/internal/nova"
	"gostack/internal/nova/driver"
	"gostack/internal/nova/rpc"
)

// The steps that resize, cold migration and evacuation do alike on the chosen host. at tells the operation's story where it is.

// bindThere gives the server's ports to the chosen host.
func (m *mover) bindThere(ctx context.Context, at func(host string)) (err error) {
	at(m.host())
	m.p.PortIDs, err = m.o.bind(ctx, m.server, m.host())
	return err
}

// bindBack gives them back to the source.
func (m *mover) bindBack(ctx context.Context, at func(host string)) error {
	at(m.source.Host)
	_, err := m.o.bind(ctx, m.server, m.source.Host)
	return err
}

// defineThere defines the server with a flavor, or with nil the one that it has.
func (m *mover) defineThere(ctx context.Context, at func(host string), flavor *nova.MovedFlavor) error {
	srv, err := m.o.server(ctx, m.server)
	if err != nil || srv == nil {
		return gone(err)
	}
	at(m.host())
	var spec driver.GuestSpec
	if flavor == nil {
		spec, err = m.o.guestSpec(ctx, srv)
	} else {
		spec, err = m.o.specAs(ctx, srv, *flavor)
	}
	if err != nil {
		return err
	}
	if err := m.onChosen(ctx, rpc.Define, rpc.Guest{Spec: spec}); err != nil {
		return err
	}
	return m.o.noteDevices(ctx, m.host(), spec)
}

// startThere starts the server unless it was off.
func (m *mover) startThere(ctx context.Context, at func(host string), off bool) error {
	at(m.host())
	if off {
		return nil
	}
	return m.onChosen(ctx, rpc.Start, rpc.ServerRef{ServerID: m.server, StepID: m.step("start guest")})
}

// awaitThere waits for the ports of a server that was started.
func (m *mover) awaitThere(ctx context.Context, off bool) error {
	if off {
		return nil
	}
	return m.o.awaitAll(ctx, m.p.PortIDs)
}

// clear has the chosen host remove what came to it, by a method of rpc. One that is down is told when it returns.
func (m *mover) clear(ctx context.Context, at func(host string), method string) error {
	at(m.host())
	err := m.o.Nova.Hosts.Call(ctx, m.host(), method, rpc.MoveRef{ServerID: m.server, Move: m.migration}, nil)
	if err == nil || errors.Is(err, driver.ErrNotFound) {
		return nil
	}
	if up, upErr := m.o.hostUp(ctx, m.host()); upErr == nil && !up && m.host() != m.source.Host {
		return nil
	}
	return err
}
