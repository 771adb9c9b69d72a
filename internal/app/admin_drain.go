package app

import (
	"context"
	"fmt"

	"gostack/internal/nova/rpc"
)

// tellRemoved lets the other hosts ask at once whom they must refuse. Who does not hear it asks within minutes.
func (h *House) tellRemoved(ctx context.Context) {
	if err := h.Bus.Fanout(ctx, rpc.ComputeTopic, rpc.MembersChanged, struct{}{}); err != nil {
		h.Log.Warn("hosts are not told that one was removed; they will ask", "error", err)
	}
}

// drainHost moves every server away.
func (h *House) drainHost(ctx context.Context, c hostCommand) error {
	if c.reason == "" {
		c.reason = "drained"
	}
	if err := h.disableHost(ctx, c); err != nil {
		return err
	}
	servers, err := h.Nova.ServersOn(ctx, c.host)
	if err != nil {
		return err
	}
	if len(servers) > 0 {
		return fmt.Errorf("%d servers are still on host %s", len(servers), c.host)
	}
	c.say("no server is on host %s", c.host)
	return nil
}
