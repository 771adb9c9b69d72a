package drivertest

import (
	"context"
	"errors"
	"io"
	"slices"
	"testing"

	"github.com/google/uuid"

	"gostack/internal/nova/driver"
)

// copyOf opens what a driver has aside as a stream.
func copyOf(d driver.Driver, id, move string) func(context.Context) (io.ReadCloser, error) {
	return func(ctx context.Context) (io.ReadCloser, error) {
		r, w := io.Pipe()
		go func() { _ = w.CloseWithError(d.ExportDisks(ctx, id, move, false, w)) }()
		return r, nil
	}
}

func (s Suite) aside(t *testing.T, id string) bool {
	t.Helper()
	sets, err := s.Driver.Disks(t.Context())
	must(t, "disks", err)
	return slices.ContainsFunc(sets, func(d driver.DiskSet) bool { return d.ID == id && d.Aside })
}

func (s Suite) own(t *testing.T, id string) bool {
	t.Helper()
	sets, err := s.Driver.Disks(t.Context())
	must(t, "disks", err)
	return slices.ContainsFunc(sets, func(d driver.DiskSet) bool { return d.ID == id && !d.Aside })
}

// moves is a resize on one host, gone back from and gone through with: everything twice, as a step that is repeated does.
func (s Suite) moves(t *testing.T) {
	d, ctx := s.Driver, t.Context()
	spec := s.boot(t)
	id, move := spec.ID, uuid.NewString()
	bigger := spec
	bigger.Flavor.RootGB++
	bigger.Flavor.MemoryMB += 16

	twice := func(name string, do func() error) {
		t.Helper()
		must(t, name, do())
		must(t, name+" again", do())
	}
	there := func() {
		t.Helper()
		twice("set aside", func() error { return d.SetAside(ctx, id, move, "other", s.Grace) })
		if _, err := d.PowerState(ctx, id); !errors.Is(err, driver.ErrNotFound) || s.own(t, id) || !s.aside(t, id) {
			t.Errorf("after it was set aside: %v, own files %v, aside %v", err, s.own(t, id), s.aside(t, id))
		}
		if to, err := d.AsideFor(ctx, id, move); err != nil || to != "other" {
			t.Errorf("aside for %q, %v", to, err)
		}
		if _, err := d.AsideFor(ctx, id, uuid.NewString()); !errors.Is(err, driver.ErrNotFound) {
			t.Errorf("aside for another move: %v", err)
		}
		twice("copy", func() error { return d.ImportDisks(ctx, bigger, move, copyOf(d, id, move)) })
		must(t, "other disks", d.PrepareDisks(ctx, bigger))
		if !s.own(t, id) || !s.aside(t, id) {
			t.Error("a copy, and what it is of, are not both there")
		}
		must(t, "set aside once more, late", d.SetAside(ctx, id, move, "other", 0))
		twice("define", func() error { return d.Define(ctx, bigger) })
		twice("start", func() error { return d.Start(ctx, id) })
		s.state(t, id, driver.Running)
		if g := s.listed(t, id); g == nil || g.MemMB != bigger.Flavor.MemoryMB {
			t.Errorf("resized as %+v", g)
		}
	}
	there()
	if err := d.Restore(ctx, id, move); !errors.Is(err, driver.ErrBadState) {
		t.Errorf("restored over a copy: %v", err)
	}
	twice("drop the copy", func() error { return d.DropCopy(ctx, id) })
	if _, err := d.PowerState(ctx, id); !errors.Is(err, driver.ErrNotFound) || s.own(t, id) || !s.aside(t, id) {
		t.Errorf("after the copy was dropped: %v", err)
	}
	must(t, "restore of another move", d.Restore(ctx, id, uuid.NewString()))
	if s.own(t, id) {
		t.Error("restored for another move")
	}
	twice("restore", func() error { return d.Restore(ctx, id, move) })
	if s.aside(t, id) || !s.own(t, id) {
		t.Error("not restored")
	}
	must(t, "define", d.Define(ctx, spec))
	must(t, "start", d.Start(ctx, id))
	s.state(t, id, driver.Running)

	move = uuid.NewString()
	there()
	twice("drop what is aside", func() error { return d.DropAside(ctx, id) })
	s.state(t, id, driver.Running)
	if s.aside(t, id) || !s.own(t, id) {
		t.Error("something else was dropped than what is aside")
	}
	smaller := spec
	smaller.Flavor.RootGB = spec.Flavor.RootGB
	move = uuid.NewString()
	must(t, "set aside", d.SetAside(ctx, id, move, "other", 0))
	if err := d.ImportDisks(ctx, smaller, move, copyOf(d, id, move)); !errors.Is(err, driver.ErrDiskTooSmall) || s.own(t, id) {
		t.Errorf("a disk was made smaller: %v", err)
	}
	must(t, "destroy", d.Destroy(ctx, id))
	if s.aside(t, id) || s.own(t, id) {
		t.Error("destroyed, and something is left")
	}
	if err := d.SetAside(ctx, id, move, "other", 0); !errors.Is(err, driver.ErrNotFound) {
		t.Errorf("set aside when gone: %v", err)
	}
}

// adoption is what a host does with the disks of a lost one: here it sees none.
func (s Suite) adoption(t *testing.T) {
	d, ctx := s.Driver, t.Context()
	spec := s.Spec()
	move := uuid.NewString()
	t.Cleanup(func() { _ = d.Destroy(context.Background(), spec.ID) })
	must(t, "image", d.EnsureImage(ctx, *spec.Image))
	if shared, err := d.AdoptDisks(ctx, spec.ID, move, "lost"); err != nil || shared {
		t.Fatalf("adopted nothing: %v %v", shared, err)
	}
	must(t, "disks", d.PrepareDisks(ctx, spec))
	must(t, "define", d.Define(ctx, spec))
	// A leftover of an earlier stay is not what the lost host has.
	if shared, err := d.AdoptDisks(ctx, spec.ID, uuid.NewString(), "lost"); err != nil || shared || s.own(t, spec.ID) {
		t.Errorf("adopted a leftover: %v %v", shared, err)
	}
	must(t, "disks", d.PrepareDisks(ctx, spec))
	must(t, "define", d.Define(ctx, spec))
	must(t, "start", d.Start(ctx, spec.ID))
	must(t, "abandon", d.Abandon(ctx, spec.ID, move))
	must(t, "abandon again", d.Abandon(ctx, spec.ID, move))
	if s.own(t, spec.ID) || s.listed(t, spec.ID) != nil {
		t.Error("abandoned, and something is left")
	}
}
