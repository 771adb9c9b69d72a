package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"

	"gostack/internal/bus"
	"gostack/internal/hostlink"
	"gostack/internal/nova/driver"
	"gostack/internal/nova/rpc"
)

// Streams opens streams to other hosts; *hostlink.Link is one.
type Streams interface {
	Dial(ctx context.Context, to hostlink.Peer, service string, header any) (net.Conn, error)
}

// DisksHeader says which disks a host wants of another one.
type DisksHeader struct {
	Host     string `json:"host"` // that has them: several simulated hosts share a process
	ServerID string `json:"server_id"`
	Move     string `json:"move"`
	For      string `json:"for"` // the host that asks
	Alone    bool   `json:"alone,omitempty"`
}

// moveHandlers serve the calls about servers that move while they are off.
func (a *Agent) moveHandlers() bus.Handlers {
	d := a.Driver
	ref := func(do func(context.Context, rpc.MoveRef) error) bus.Handler { return change(a, do) }
	return bus.Handlers{
		rpc.SetAside: change(a, func(ctx context.Context, s rpc.SetAsideArgs) error {
			return d.SetAside(ctx, s.ServerID, s.Move, s.To, seconds(s.GraceSeconds))
		}),
		rpc.ImportDisks: change(a, a.importDisks),
		rpc.Restore:     ref(func(ctx context.Context, m rpc.MoveRef) error { return d.Restore(ctx, m.ServerID, m.Move) }),
		rpc.DropAside:   ref(func(ctx context.Context, m rpc.MoveRef) error { return d.DropAside(ctx, m.ServerID) }),
		rpc.DropCopy:    ref(func(ctx context.Context, m rpc.MoveRef) error { return d.DropCopy(ctx, m.ServerID) }),
		rpc.Abandon:     ref(func(ctx context.Context, m rpc.MoveRef) error { return d.Abandon(ctx, m.ServerID, m.Move) }),
		rpc.AdoptDisks: read(func(ctx context.Context, m rpc.AdoptArgs) (rpc.AdoptReply, error) {
			shared, err := d.AdoptDisks(ctx, m.ServerID, m.Move, m.From)
			return rpc.AdoptReply{Shared: shared}, err
		}),
	}
}

// importDisks makes a moving server's disks: of what this host sees aside itself (the same host, or shared storage), else of what the source
// streams. Disks that the new flavor has in addition are made.
func (a *Agent) importDisks(ctx context.Context, m rpc.ImportArgs) error {
	err := a.Driver.ImportDisks(ctx, m.Spec, m.Move, func(ctx context.Context) (io.ReadCloser, error) {
		if _, err := a.Driver.AsideFor(ctx, m.Spec.ID, m.Move); err == nil {
			r, w := io.Pipe()
			go func() { _ = w.CloseWithError(a.Driver.ExportDisks(ctx, m.Spec.ID, m.Move, m.Alone, w)) }()
			return r, nil
		} else if !errors.Is(err, driver.ErrNotFound) {
			return nil, err
		}
		if a.Streams == nil {
			return nil, driver.Refuse(driver.CodeUnsupported, "This host has no way to other hosts.")
		}
		return a.Streams.Dial(ctx, hostlink.Host(m.Source, m.Address), driver.DisksService, DisksHeader{Host: m.Source, ServerID: m.Spec.ID, Move: m.Move, For: a.Host, Alone: m.Alone})
	})
	if err != nil {
		return err
	}
	return a.Driver.PrepareDisks(ctx, m.Spec)
}

// ServeDisks gives the disks of a server that is aside to the host that it is aside for. The control side has named that host when it had the server
// put aside; who asks is known by certificate, but for hosts of this very process.
func (a *Agent) ServeDisks(ctx context.Context, s *hostlink.Stream, h DisksHeader) error {
	to, err := a.Driver.AsideFor(ctx, h.ServerID, h.Move)
	if errors.Is(err, driver.ErrNotFound) {
		return hostlink.Refuse(hostlink.CodeNotFound, "nothing of server %s is aside for migration %s", h.ServerID, h.Move)
	}
	if err != nil {
		return err
	}
	asks := s.Peer.Host
	if s.Remote == "" {
		asks = h.For
	}
	if asks != to {
		a.Log.WarnContext(ctx, "a host asks for disks that are not for it", "asks", asks, "for", to, "server", h.ServerID)
		return hostlink.Refuse(hostlink.CodeForbidden, "the disks of server %s are not for host %s", h.ServerID, asks)
	}
	conn, err := s.Accept()
	if err != nil {
		return err
	}
	if err := a.Driver.ExportDisks(ctx, h.ServerID, h.Move, h.Alone, conn); err != nil {
		return fmt.Errorf("send disks: %w", err)
	}
	return nil
}

// DisksHandler serves the disks of all agents of a process.
func DisksHandler(agents func(host string) *Agent) hostlink.Handler {
	return func(ctx context.Context, s *hostlink.Stream) error {
		var h DisksHeader
		if err := json.Unmarshal(s.Header, &h); err != nil {
			return hostlink.Refuse(hostlink.CodeBad, "the header does not read: %v", err)
		}
		a := agents(h.Host)
		if a == nil {
			return hostlink.Refuse(hostlink.CodeNotFound, "host %s is not here", h.Host)
		}
		return a.ServeDisks(ctx, s, h)
	}
}
