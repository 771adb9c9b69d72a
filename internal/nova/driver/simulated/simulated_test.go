package simulated_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"gostack/internal/nova/driver"
	"gostack/internal/nova/driver/drivertest"
	"gostack/internal/nova/driver/simulated"
)

func host(t *testing.T, o simulated.Options) *simulated.Driver {
	t.Helper()
	o.Hostname = "sim-1"
	d, err := simulated.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func spec(id string) driver.GuestSpec {
	return driver.GuestSpec{ID: id, Name: "s-" + id, Flavor: driver.Flavor{VCPUs: 2, MemoryMB: 512, RootGB: 10}}
}

func boot(t *testing.T, d driver.Driver, s driver.GuestSpec) {
	t.Helper()
	ctx := t.Context()
	if err := errors.Join(d.PrepareDisks(ctx, s), d.Define(ctx, s), d.Start(ctx, s.ID)); err != nil {
		t.Fatal(err)
	}
}

func TestPowerWalk(t *testing.T) {
	d := host(t, simulated.Options{})
	ctx := t.Context()
	boot(t, d, spec("a"))
	for _, step := range []struct {
		name string
		do   func() error
		want driver.PowerState
	}{
		{"start again", func() error { return d.Start(ctx, "a") }, driver.Running},
		{"pause", func() error { return d.Pause(ctx, "a") }, driver.Paused},
		{"unpause", func() error { return d.Unpause(ctx, "a") }, driver.Running},
		{"suspend", func() error { return d.Suspend(ctx, "a") }, driver.Suspended},
		{"suspend again", func() error { return d.Suspend(ctx, "a") }, driver.Suspended},
		{"resume", func() error { return d.Resume(ctx, "a") }, driver.Running},
		{"stop", func() error { return d.Stop(ctx, "a", time.Minute) }, driver.Shutdown},
		{"hard reboot", func() error { return d.Reboot(ctx, "a", driver.RebootHard, 0) }, driver.Running},
	} {
		if err := step.do(); err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		if got, err := d.PowerState(ctx, "a"); err != nil || got != step.want {
			t.Errorf("%s: %v, %v", step.name, got, err)
		}
	}
	if err := errors.Join(d.Stop(ctx, "a", 0)); err != nil {
		t.Fatal(err)
	}
	if err := d.Pause(ctx, "a"); !errors.Is(err, driver.ErrBadState) {
		t.Errorf("pause of a stopped server: %v", err)
	}
	if err := d.Start(ctx, "b"); !errors.Is(err, driver.ErrNotFound) {
		t.Errorf("start of nobody: %v", err)
	}
	if err := errors.Join(d.Destroy(ctx, "a"), d.Destroy(ctx, "a")); err != nil {
		t.Error(err)
	}
	guests, _ := d.List(ctx)
	disks, _ := d.Disks(ctx)
	if len(guests)+len(disks) != 0 {
		t.Errorf("left over: %v %v", guests, disks)
	}
}

func TestDelaysAndEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := host(t, simulated.Options{Delays: simulated.Delays{Power: time.Second, Image: time.Minute}})
		ctx, cancel := context.WithCancel(t.Context())
		began := time.Now()
		boot(t, d, spec("a"))
		if took := time.Since(began); took != time.Second {
			t.Errorf("boot took %v", took)
		}
		events, err := d.Events(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if err := d.Stop(ctx, "a", 0); err != nil {
			t.Fatal(err)
		}
		for _, want := range []driver.PowerState{driver.Running, driver.Shutdown} {
			if e := <-events; e.ServerID != "a" || e.State != want {
				t.Errorf("event %+v, want %v", e, want)
			}
		}
		began = time.Now()
		for range 2 {
			if err := d.EnsureImage(ctx, driver.Image{ID: "i"}); err != nil {
				t.Fatal(err)
			}
		}
		if took := time.Since(began); took != time.Minute {
			t.Errorf("two uses of an image took %v", took)
		}
		cancel()
		synctest.Wait()
		if _, open := <-events; open {
			t.Error("events go on after the end")
		}
		if err := d.Start(ctx, "a"); !errors.Is(err, context.Canceled) {
			t.Errorf("start without time: %v", err)
		}
	})
}

func TestRestartAdopts(t *testing.T) {
	file := filepath.Join(t.TempDir(), "servers")
	first := host(t, simulated.Options{StateFile: file})
	boot(t, first, spec("a"))
	boot(t, first, spec("b"))
	if err := first.Destroy(t.Context(), "b"); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time from the journal that the first wrote anew
		again := host(t, simulated.Options{StateFile: file})
		guests, err := again.List(t.Context())
		if err != nil || len(guests) != 1 || guests[0].ID != "a" || guests[0].State != driver.Running {
			t.Errorf("after restart %+v, %v", guests, err)
		}
		if err := again.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestManyHostsAreCheap(t *testing.T) {
	before := runtime.NumGoroutine()
	var hosts []*simulated.Driver
	allocs := testing.AllocsPerRun(1, func() {
		for i := range 1000 {
			d, err := simulated.New(simulated.Options{Hostname: fmt.Sprint("sim-", i)})
			if err != nil {
				t.Fatal(err)
			}
			hosts = append(hosts, d)
		}
	})
	if allocs > 10_000 {
		t.Errorf("1,000 hosts took %.0f allocations", allocs)
	}
	if after := runtime.NumGoroutine(); after > before+5 {
		t.Errorf("%d goroutines for %d hosts", after-before, len(hosts))
	}
}

func TestConforms(t *testing.T) {
	drivertest.Suite{
		Driver: host(t, simulated.Options{}),
		Spec: func() driver.GuestSpec {
			s := spec(uuid.NewString())
			s.Project.ID, s.Image = "p1", &driver.Image{ID: "i1"}
			return s
		},
	}.Conform(t)
}
