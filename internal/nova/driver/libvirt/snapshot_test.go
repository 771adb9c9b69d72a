package libvirt_test

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gostack/internal/nova/driver"
)

// A snapshot boots as what the server was: the guest counts its boots on the disk.
func TestSnapshotBoots(t *testing.T) {
	l := newLab(t)
	ctx := t.Context()
	s := spec()
	l.boot(s)
	const live, cold = "00000000-0000-4000-8000-0000000000d1", "00000000-0000-4000-8000-0000000000d2"
	keep := func(name string) {
		t.Helper()
		l.must("snapshot", l.Snapshot(ctx, s.ID, name, driver.QuiesceTry))
		from, _, err := l.OpenSnapshot(ctx, s.ID, name)
		l.must("open", err)
		defer from.Close()
		l.sources[name] = filepath.Join(l.dir, name)
		to, err := os.Create(l.sources[name])
		l.must("create", err)
		_, err = io.Copy(to, from)
		l.must("copy", errors.Join(err, to.Close()))
		l.must("drop", l.DropSnapshot(ctx, s.ID, name))
	}
	keep(live)
	l.state(s.ID, driver.Running)
	l.must("stop", l.Stop(ctx, s.ID, 0))
	keep(cold)
	for _, name := range []string{live, cold} {
		copied := spec()
		image := *copied.Image
		image.ID = name
		copied.Image = &image
		l.boot(copied)
		if log := l.until(copied.ID, "BOOTS"); !strings.Contains(log, "BOOTS 2 ") {
			t.Errorf("the copy does not have the disk of the server:\n%s", tail(log))
		}
		l.must("destroy", l.Destroy(ctx, copied.ID))
	}
}

// A snapshot that is given up leaves nothing, neither does one whose process died.
func TestSnapshotGivenUp(t *testing.T) {
	l := newLab(t)
	s := spec()
	l.boot(s)
	const name = "00000000-0000-4000-8000-0000000000d3"
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := l.Snapshot(ctx, s.ID, name, driver.QuiesceNot); err == nil {
		t.Fatal("a snapshot that nobody wants succeeded")
	}
	part := filepath.Join(l.dir, "instances", s.ID, "snapshot-"+name+".part")
	l.must("a killed process's file", os.WriteFile(part, []byte("half"), 0o600))
	l.must("snapshot", l.open().Snapshot(t.Context(), s.ID, name, driver.QuiesceNot))
	l.must("drop", l.DropSnapshot(t.Context(), s.ID, name))
	left, err := filepath.Glob(filepath.Join(l.dir, "instances", s.ID, "snapshot*"))
	if err != nil || len(left) != 0 {
		t.Errorf("left: %v, %v", left, err)
	}
	l.state(s.ID, driver.Running)
}
