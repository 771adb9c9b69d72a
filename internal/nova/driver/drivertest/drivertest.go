// Package drivertest is the conformance suite of hypervisor drivers: what
// package driver promises, whatever runs the servers.
package drivertest

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"gostack/internal/nova/driver"
)

// Suite is a driver under test.
type Suite struct {
	Driver driver.Driver
	// Spec makes a server that boots in a moment, with an id of its own.
	Spec func() driver.GuestSpec
	// Booted waits until a started server listens to its power button; nil:
	// it does at once.
	Booted func(id string)
	// Grace is how long a server may take to obey the button.
	Grace time.Duration
}

// Conform runs the suite.
func (s Suite) Conform(t *testing.T) {
	t.Run("LifeAndDeath", s.life)
	t.Run("EverythingTwice", s.twice)
	t.Run("UnknownServer", s.unknown)
	t.Run("WrongState", s.wrongState)
	t.Run("Events", s.events)
	t.Run("DisksWithoutDefinition", s.disksOnly)
	t.Run("Snapshots", s.snapshots)
	t.Run("Repairs", s.repairs)
	t.Run("Moves", s.moves)
	t.Run("Adoption", s.adoption)
}

func (s Suite) prepare(t *testing.T) driver.GuestSpec {
	t.Helper()
	spec := s.Spec()
	ctx := t.Context()
	must(t, "image", s.Driver.EnsureImage(ctx, *spec.Image))
	must(t, "disks", s.Driver.PrepareDisks(ctx, spec))
	must(t, "define", s.Driver.Define(ctx, spec))
	t.Cleanup(func() { _ = s.Driver.Destroy(context.Background(), spec.ID) })
	s.state(t, spec.ID, driver.Shutdown)
	return spec
}

func (s Suite) boot(t *testing.T) driver.GuestSpec {
	t.Helper()
	spec := s.prepare(t)
	must(t, "start", s.Driver.Start(t.Context(), spec.ID))
	if s.Booted != nil {
		s.Booted(spec.ID)
	}
	return spec
}

func (s Suite) state(t *testing.T, id string, want driver.PowerState) {
	t.Helper()
	got, err := s.Driver.PowerState(t.Context(), id)
	if err != nil || got != want {
		t.Fatalf("power state %v, %v; want %v", got, err, want)
	}
}

// listed answers the server as List has it, or nil.
func (s Suite) listed(t *testing.T, id string) *driver.Guest {
	t.Helper()
	guests, err := s.Driver.List(t.Context())
	must(t, "list", err)
	i := slices.IndexFunc(guests, func(g driver.Guest) bool { return g.ID == id })
	if i < 0 {
		return nil
	}
	return &guests[i]
}

func (s Suite) hasDisks(t *testing.T, id string) bool {
	t.Helper()
	sets, err := s.Driver.Disks(t.Context())
	must(t, "disks", err)
	return slices.ContainsFunc(sets, func(d driver.DiskSet) bool { return d.ID == id })
}

func must(t *testing.T, what string, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

func (s Suite) life(t *testing.T) {
	d, ctx := s.Driver, t.Context()
	before, err := d.HostInfo(ctx)
	must(t, "host", err)
	spec := s.boot(t)
	id := spec.ID
	s.state(t, id, driver.Running)
	g := s.listed(t, id)
	if g == nil || g.Name != spec.Name || g.Project != spec.Project.ID || g.State != driver.Running || g.VCPUs != spec.Flavor.VCPUs || g.MemMB != spec.Flavor.MemoryMB {
		t.Errorf("listed as %+v", g)
	}
	if !s.hasDisks(t, id) {
		t.Error("has no disks")
	}
	after, err := d.HostInfo(ctx)
	if err != nil || after.RunningServers != before.RunningServers+1 {
		t.Errorf("%d servers run, %v; before %d", after.RunningServers, err, before.RunningServers)
	}
	for _, step := range []struct {
		name string
		do   func() error
		want driver.PowerState
	}{
		{"pause", func() error { return d.Pause(ctx, id) }, driver.Paused},
		{"start a paused one", func() error { return d.Start(ctx, id) }, driver.Running},
		{"pause", func() error { return d.Pause(ctx, id) }, driver.Paused},
		{"stop a paused one", func() error { return d.Stop(ctx, id, s.Grace) }, driver.Shutdown},
		{"start", func() error { return d.Start(ctx, id) }, driver.Running},
		{"suspend", func() error { return d.Suspend(ctx, id) }, driver.Suspended},
		{"resume", func() error { return d.Resume(ctx, id) }, driver.Running},
		{"suspend", func() error { return d.Suspend(ctx, id) }, driver.Suspended},
		{"stop a suspended one", func() error { return d.Stop(ctx, id, s.Grace) }, driver.Shutdown},
		{"hard reboot of a stopped one", func() error { return d.Reboot(ctx, id, driver.RebootHard, 0) }, driver.Running},
		{"stop by force", func() error { return d.Stop(ctx, id, 0) }, driver.Shutdown},
	} {
		must(t, step.name, step.do())
		s.state(t, id, step.want)
	}
	must(t, "destroy", d.Destroy(ctx, id))
	if s.listed(t, id) != nil || s.hasDisks(t, id) {
		t.Error("something is left of a destroyed server")
	}
}

func (s Suite) twice(t *testing.T) {
	d, ctx := s.Driver, t.Context()
	spec := s.boot(t)
	id := spec.ID
	for _, step := range []struct {
		name string
		do   func() error
		want driver.PowerState
	}{
		{"image", func() error { return d.EnsureImage(ctx, *spec.Image) }, driver.Running},
		{"disks", func() error { return d.PrepareDisks(ctx, spec) }, driver.Running},
		{"define", func() error { return d.Define(ctx, spec) }, driver.Running},
		{"start", func() error { return d.Start(ctx, id) }, driver.Running},
		{"unpause", func() error { return d.Unpause(ctx, id) }, driver.Running},
		{"resume", func() error { return d.Resume(ctx, id) }, driver.Running},
		{"pause", func() error { return d.Pause(ctx, id) }, driver.Paused},
		{"unpause", func() error { return d.Unpause(ctx, id) }, driver.Running},
		{"suspend", func() error { return d.Suspend(ctx, id) }, driver.Suspended},
		{"resume", func() error { return d.Resume(ctx, id) }, driver.Running},
		{"stop", func() error { return d.Stop(ctx, id, 0) }, driver.Shutdown},
		{"detach what is not there", func() error { return d.DetachInterface(ctx, id, "00000000-0000-4000-8000-0000000000ff") }, driver.Shutdown},
	} {
		must(t, step.name, step.do())
		must(t, step.name+" again", step.do())
		s.state(t, id, step.want)
	}
	must(t, "destroy", d.Destroy(ctx, id))
	must(t, "destroy again", d.Destroy(ctx, id))
}

func (s Suite) unknown(t *testing.T) {
	d, ctx, id := s.Driver, t.Context(), s.Spec().ID
	for name, err := range map[string]error{
		"start":   d.Start(ctx, id),
		"stop":    d.Stop(ctx, id, 0),
		"reboot":  d.Reboot(ctx, id, driver.RebootHard, 0),
		"pause":   d.Pause(ctx, id),
		"unpause": d.Unpause(ctx, id),
		"suspend": d.Suspend(ctx, id),
		"resume":  d.Resume(ctx, id),
		"attach":  d.AttachInterface(ctx, id, driver.NIC{PortID: id, Bridge: "br-int"}),
		"detach":  d.DetachInterface(ctx, id, id),
		"state":   second(d.PowerState(ctx, id)),
		"log":     second(d.ConsoleLog(ctx, id, -1)),
		"numbers": second(d.Diagnostics(ctx, id)),
	} {
		if !errors.Is(err, driver.ErrNotFound) {
			t.Errorf("%s: %v", name, err)
		}
	}
	must(t, "destroy", d.Destroy(ctx, id))
}

func second[T any](_ T, err error) error { return err }

func (s Suite) wrongState(t *testing.T) {
	d, ctx, id := s.Driver, t.Context(), s.prepare(t).ID
	for name, err := range map[string]error{
		"pause of a stopped server":   d.Pause(ctx, id),
		"unpause of a stopped server": d.Unpause(ctx, id),
		"suspend of a stopped server": d.Suspend(ctx, id),
		"numbers of a stopped server": second(d.Diagnostics(ctx, id)),
	} {
		if !errors.Is(err, driver.ErrBadState) {
			t.Errorf("%s: %v", name, err)
		}
	}
	s.state(t, id, driver.Shutdown)
}

func (s Suite) events(t *testing.T) {
	d, id := s.Driver, s.boot(t).ID
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	events, err := d.Events(ctx)
	must(t, "events", err)
	wait := func(what string, is func(driver.Event) bool) {
		t.Helper()
		for e := range events {
			if e.ServerID == id && is(e) {
				if e.At.IsZero() {
					t.Errorf("%s: no time in %+v", what, e)
				}
				return
			}
		}
		t.Fatalf("%s: not told", what)
	}
	is := func(state driver.PowerState) func(driver.Event) bool {
		return func(e driver.Event) bool { return !e.Gone && e.State == state }
	}
	wait("the state at the start", is(driver.Running))
	must(t, "pause", d.Pause(ctx, id))
	wait("pause", is(driver.Paused))
	must(t, "unpause", d.Unpause(ctx, id))
	wait("unpause", is(driver.Running))
	must(t, "stop", d.Stop(ctx, id, 0))
	wait("stop", is(driver.Shutdown))
	must(t, "destroy", d.Destroy(ctx, id))
	wait("destroy", func(e driver.Event) bool { return e.Gone })
	cancel()
	for range events { //nolint:revive // until it is closed
	}
}

// A killed create leaves disks and no definition: they are seen, and go.
func (s Suite) disksOnly(t *testing.T) {
	d, ctx, spec := s.Driver, t.Context(), s.Spec()
	must(t, "image", d.EnsureImage(ctx, *spec.Image))
	must(t, "disks", d.PrepareDisks(ctx, spec))
	t.Cleanup(func() { _ = d.Destroy(context.Background(), spec.ID) })
	if s.listed(t, spec.ID) != nil || !s.hasDisks(t, spec.ID) {
		t.Error("a server without a definition is listed, or its disks are not")
	}
	if err := d.Start(ctx, spec.ID); !errors.Is(err, driver.ErrNotFound) {
		t.Errorf("start: %v", err)
	}
	must(t, "destroy", d.Destroy(ctx, spec.ID))
	if s.hasDisks(t, spec.ID) {
		t.Error("disks are left")
	}
}
