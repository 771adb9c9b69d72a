package drivertest

import (
	"errors"
	"testing"

	"gostack/internal/nova/driver"
)

// repairs renews a server's disks, rescues it and reaches into it.
func (s Suite) repairs(t *testing.T) {
	d, ctx := s.Driver, t.Context()
	spec := s.boot(t)
	id := spec.ID
	if err := d.RenewDisks(ctx, spec, false); !errors.Is(err, driver.ErrBadState) {
		t.Errorf("new disks for a server that runs: %v", err)
	}
	if err := d.SetPassword(ctx, id, "root", "x"); !errors.Is(err, driver.ErrUnsupported) {
		t.Errorf("password without an agent: %v", err)
	}
	must(t, "interrupt", d.InjectNMI(ctx, id))
	must(t, "stop", d.Stop(ctx, id, 0))
	if err := d.InjectNMI(ctx, id); !errors.Is(err, driver.ErrBadState) {
		t.Errorf("interrupt of a stopped server: %v", err)
	}
	for _, keep := range []bool{false, true} {
		must(t, "new disks", d.RenewDisks(ctx, spec, keep))
	}
	must(t, "define", d.Define(ctx, spec))
	must(t, "start", d.Start(ctx, id))
	must(t, "stop", d.Stop(ctx, id, 0))

	rescued := spec
	rescued.Rescue = &driver.Rescue{Image: *spec.Image}
	for range 2 {
		must(t, "rescue disk", d.PrepareDisks(ctx, rescued))
		must(t, "define rescue", d.Define(ctx, rescued))
	}
	must(t, "start rescue", d.Start(ctx, id))
	s.state(t, id, driver.Running)
	must(t, "stop rescue", d.Stop(ctx, id, 0))
	must(t, "define", d.Define(ctx, spec))
	for range 2 {
		must(t, "drop rescue", d.DropRescue(ctx, id))
	}
	must(t, "start", d.Start(ctx, id))
	s.state(t, id, driver.Running)
	must(t, "destroy", d.Destroy(ctx, id))
	for what, err := range map[string]error{"password": d.SetPassword(ctx, id, "root", "x"), "interrupt": d.InjectNMI(ctx, id)} {
		if !errors.Is(err, driver.ErrNotFound) {
			t.Errorf("%s of an unknown server: %v", what, err)
		}
	}
	must(t, "drop rescue of an unknown server", d.DropRescue(ctx, id))
}
