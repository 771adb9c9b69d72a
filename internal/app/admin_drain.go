package app

import (
	"context"

	"gostack/internal/nova"
	"gostack/internal/nova/rpc"
	"gostack/internal/policy"
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
	return h.Nova.Drain(ctx, nova.Drain{
		Host: c.host, Cold: c.cold, Say: c.say,
		Live: func(ctx context.Context, c *policy.Caller, serverID string) error {
			return h.Nova.LiveMigrate(ctx, c, serverID, nova.LiveRequest{OverCommit: true})
		},
	})
}
