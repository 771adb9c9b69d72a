package novatest

import (
	"context"
	"io"
	"testing"

	"gostack/internal/glance"
	"gostack/internal/nova"
	"gostack/internal/nova/agent"
	"gostack/internal/nova/rpc"
	"gostack/internal/policy"
	"gostack/internal/rest"
	"gostack/internal/store"
)

// newGlance is a real image service on the same database, with its data in a directory of the test.
func newGlance(t testing.TB, d *store.DB) *glance.Service {
	t.Helper()
	s, err := glance.New(d, glance.Config{Dir: t.TempDir(), Host: "control", Log: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// sink is how the agent of a host sends images to the control side.
func (w *Cloud) sink(host string) agent.ImageSink {
	return func(ctx context.Context, ref rpc.SnapshotRef, size int64, body io.Reader) (string, error) {
		return w.Nova.ReceiveSnapshot(ctx, host, ref.ServerID, ref.ImageID, size, body)
	}
}

// bothImages are the pretended images and those that servers have become.
type bothImages struct {
	pretended Images
	glance    *glance.Service
}

func (b bothImages) Image(ctx context.Context, c *policy.Caller, id string) (*nova.Image, error) {
	i, err := b.pretended.Image(ctx, c, id)
	if !rest.IsNotFound(err) {
		return i, err
	}
	g, err := b.glance.Image(ctx, c, id)
	if err != nil {
		return nil, err
	}
	i = &nova.Image{ID: g.ID, Status: g.Status, MinDiskGB: g.MinDisk, MinRAMMB: g.MinRAM, Properties: g.Properties}
	for from, to := range map[*string]*string{g.Name: &i.Name, g.DiskFormat: &i.DiskFormat, g.HashAlgo: &i.HashAlgo, g.HashValue: &i.HashValue} {
		if from != nil {
			*to = *from
		}
	}
	for from, to := range map[*int64]*int64{g.Size: &i.Size, g.VirtualSize: &i.DiskSize} {
		if from != nil {
			*to = *from
		}
	}
	return i, nil
}
