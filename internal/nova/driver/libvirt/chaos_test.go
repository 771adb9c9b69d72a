package libvirt_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"gostack/internal/nova/driver"
)

// Whatever libvirtd does meanwhile, an operation that is asked for happens, and
// once only: answers get lost and calls run again.
func TestOperationsWhileLibvirtdDies(t *testing.T) {
	l := newLab(t)
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Minute)
	defer cancel()
	l.prepare(spec()) // images are there

	kills := 0
	// try does a step as an operation does, until it is done or refused; early in
	// it libvirtd dies, a little later at each step, and comes back.
	try := func(what string, do func() error) {
		t.Helper()
		kills++
		back := make(chan error, 1)
		time.AfterFunc(time.Duration(kills*37%250)*time.Millisecond, func() {
			l.daemon.Kill()
			back <- l.daemon.Start()
		})
		defer func() {
			if err := <-back; err != nil {
				t.Fatal(err)
			}
		}()
		for {
			err := do()
			if err == nil {
				return
			}
			if ctx.Err() != nil || driver.CodeOf(err) != "" {
				t.Fatalf("%s: %v", what, err)
			}
			time.Sleep(50 * time.Millisecond) // as the operation's retry does
		}
	}
	for range 2 {
		s := spec()
		t.Cleanup(func() { _ = l.Destroy(context.Background(), s.ID) })
		try("disks", func() error { return l.PrepareDisks(ctx, s) })
		try("define", func() error { return l.Define(ctx, s) })
		try("start", func() error { return l.Start(ctx, s.ID) })
		try("pause", func() error { return l.Pause(ctx, s.ID) })
		try("unpause", func() error { return l.Unpause(ctx, s.ID) })
		try("suspend", func() error { return l.Suspend(ctx, s.ID) })
		try("resume", func() error { return l.Resume(ctx, s.ID) })
		try("stop", func() error { return l.Stop(ctx, s.ID, 0) })
		try("start", func() error { return l.Start(ctx, s.ID) })
		try("hard reboot", func() error { return l.Reboot(ctx, s.ID, driver.RebootHard, 0) })
		if state, err := l.PowerState(ctx, s.ID); err != nil || state != driver.Running {
			t.Errorf("after all: %v, %v", state, err)
		}
		try("destroy", func() error { return l.Destroy(ctx, s.ID) })
		if _, err := l.PowerState(ctx, s.ID); !errors.Is(err, driver.ErrNotFound) {
			t.Errorf("after destroy: %v", err)
		}
	}
	t.Logf("libvirtd was killed %d times", kills)
}
