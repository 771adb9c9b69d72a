package agent

import (
	"context"
	"encoding/json"
	"net"

	"gostack/internal/bus"
	"gostack/internal/hostlink"
	"gostack/internal/nova/driver"
	"gostack/internal/nova/rpc"
)

// LiveHeader opens a channel of a live migration to its destination.
type LiveHeader struct {
	Host    string          `json:"host"`    // the destination: several simulated hosts share a process
	From    string          `json:"from"`    // the source; believed of this process alone
	Channel json.RawMessage `json:"channel"` // what the driver says
}

// liveHandlers serve the calls about servers that move while they run, when the driver's servers can.
func (a *Agent) liveHandlers() bus.Handlers {
	d, ok := a.Driver.(driver.Mover)
	if !ok {
		return nil
	}
	ref := func(do func(context.Context, string) error) bus.Handler {
		return change(a, func(ctx context.Context, r rpc.ServerRef) error { return do(ctx, r.ServerID) })
	}
	plan := func(do func(context.Context, driver.LivePlan) error) bus.Handler {
		return change(a, func(ctx context.Context, l rpc.LiveArgs) error { return do(ctx, l.Plan) })
	}
	return bus.Handlers{
		rpc.LiveSource: read(func(ctx context.Context, r rpc.ServerRef) (driver.LiveSource, error) {
			return d.LiveSource(ctx, r.ServerID)
		}),
		rpc.LiveTarget: read(func(ctx context.Context, t rpc.LiveTargetArgs) (driver.LiveTarget, error) {
			return d.LiveTarget(ctx, t.ServerID, t.From)
		}),
		rpc.LiveState: read(func(ctx context.Context, r rpc.ServerRef) (driver.LiveState, error) {
			return d.LiveState(ctx, r.ServerID)
		}),
		rpc.LiveUnprobe: change(a, func(ctx context.Context, p rpc.ProbeArgs) error { return d.LiveUnprobe(ctx, p.Probe) }),
		rpc.LivePrepare: plan(d.LivePrepare),
		rpc.LiveStart: plan(func(ctx context.Context, p driver.LivePlan) error {
			return d.LiveStart(ctx, p, func(ctx context.Context, header any) (net.Conn, error) { return a.channel(ctx, p, header) })
		}),
		rpc.LiveAbort:  ref(d.LiveAbort),
		rpc.LiveForce:  ref(d.LiveForce),
		rpc.LiveArrive: read(func(ctx context.Context, l rpc.LiveArgs) (driver.LiveResult, error) { return d.LiveArrive(ctx, l.Plan) }),
		rpc.LiveLeave:  plan(d.LiveLeave),
		rpc.LiveForget: ref(d.LiveForget),
		rpc.LiveCancel: plan(d.LiveCancel),
	}
}

// channel opens a channel to the destination of a move.
func (a *Agent) channel(ctx context.Context, p driver.LivePlan, header any) (net.Conn, error) {
	if a.Streams == nil {
		return nil, driver.Refuse(driver.CodeUnsupported, "This host has no way to other hosts.")
	}
	raw, err := json.Marshal(header)
	if err != nil {
		return nil, err
	}
	return a.Streams.Dial(ctx, hostlink.Host(p.Dest, p.Address), driver.LiveService, LiveHeader{Host: p.Dest, From: a.Host, Channel: raw})
}

// LiveHandler serves the channels of incoming moves for all agents of a process.
func LiveHandler(agents func(host string) *Agent) hostlink.Handler {
	return func(ctx context.Context, s *hostlink.Stream) error {
		var h LiveHeader
		if err := json.Unmarshal(s.Header, &h); err != nil {
			return hostlink.Refuse(hostlink.CodeBad, "the header does not read: %v", err)
		}
		a := agents(h.Host)
		if a == nil {
			return hostlink.Refuse(hostlink.CodeNotFound, "host %s is not here", h.Host)
		}
		d, ok := a.Driver.(driver.Mover)
		if !ok {
			return hostlink.Refuse(hostlink.CodeNotFound, "servers of host %s do not move", h.Host)
		}
		// Who opens the channel is known by certificate, but for hosts of this very process.
		peer := s.Peer.Host
		if s.Remote == "" {
			peer = h.From
		}
		return d.ServeLive(ctx, peer, h.Channel, s.Accept)
	}
}
