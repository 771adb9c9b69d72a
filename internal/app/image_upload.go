package app

import (
	"context"
	"io"

	"gostack/internal/nova/agent"
	"gostack/internal/nova/rpc"
	"gostack/internal/nova/snapshotlink"
)

// imageSink is how a host's agent hands over the images that servers become: to Nova in the same process, else over the link to control.
func (h *House) imageSink(host string) agent.ImageSink {
	return func(ctx context.Context, ref rpc.SnapshotRef, size int64, body io.Reader) (string, error) {
		if h.Nova != nil {
			return h.Nova.ReceiveSnapshot(ctx, host, ref.ServerID, ref.ImageID, size, body)
		}
		return snapshotlink.Send(ctx, h.Link, ref, size, body)
	}
}
