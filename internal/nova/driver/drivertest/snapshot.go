package drivertest

import (
	"errors"
	"io"
	"testing"

	"gostack/internal/imageformat"
	"gostack/internal/nova/driver"
)

// Ids of snapshots.
const (
	coldSnapshot = "00000000-0000-4000-8000-0000000000c0"
	liveSnapshot = "00000000-0000-4000-8000-0000000000c1"
)

// snapshots takes a server that is off and one that runs.
func (s Suite) snapshots(t *testing.T) {
	d, ctx := s.Driver, t.Context()
	spec := s.boot(t)
	id := spec.ID
	take := func(name string, power driver.PowerState) {
		t.Helper()
		must(t, "snapshot", d.Snapshot(ctx, id, name, driver.QuiesceTry))
		s.state(t, id, power)
		must(t, "snapshot again", d.Snapshot(ctx, id, name, driver.QuiesceTry))
		file, size, err := d.OpenSnapshot(ctx, id, name)
		must(t, "open", err)
		defer file.Close()
		inspector := imageformat.New()
		n, err := io.Copy(inspector, file)
		must(t, "read", err)
		report := inspector.Report()
		if err := report.Check(imageformat.QCOW2); err != nil || n != size || report.VirtualSize != int64(spec.Flavor.RootGB)<<30 {
			t.Errorf("the snapshot has %d of %d bytes, a disk of %d, %v", n, size, report.VirtualSize, err)
		}
	}
	take(liveSnapshot, driver.Running)
	must(t, "pause", d.Pause(ctx, id))
	must(t, "drop", d.DropSnapshot(ctx, id, liveSnapshot))
	take(liveSnapshot, driver.Paused)
	must(t, "unpause", d.Unpause(ctx, id))
	if err := d.Snapshot(ctx, id, coldSnapshot, driver.QuiesceMust); !errors.Is(err, driver.ErrUnsupported) {
		t.Errorf("snapshot of a guest that cannot be quiesced and must: %v", err)
	}
	if _, _, err := d.OpenSnapshot(ctx, id, coldSnapshot); !errors.Is(err, driver.ErrNotFound) {
		t.Errorf("open what was not made: %v", err)
	}
	must(t, "stop", d.Stop(ctx, id, 0))
	take(coldSnapshot, driver.Shutdown)
	for _, name := range []string{coldSnapshot, liveSnapshot} {
		must(t, "drop", d.DropSnapshot(ctx, id, name))
		must(t, "drop again", d.DropSnapshot(ctx, id, name))
		if _, _, err := d.OpenSnapshot(ctx, id, name); !errors.Is(err, driver.ErrNotFound) {
			t.Errorf("open what was dropped: %v", err)
		}
	}
	must(t, "destroy", d.Destroy(ctx, id))
	if err := d.Snapshot(ctx, id, coldSnapshot, driver.QuiesceNot); !errors.Is(err, driver.ErrNotFound) {
		t.Errorf("snapshot of an unknown server: %v", err)
	}
	must(t, "drop of an unknown server", d.DropSnapshot(ctx, id, coldSnapshot))
}
