package libvirt_test

import (
	"context"
	"testing"
	"time"

	"gostack/internal/nova/driver"
)

// Where the time goes between a request and libvirt's start call, image cached.
func TestStepTimes(t *testing.T) {
	l := newLab(t)
	ctx := t.Context()
	l.prepare(spec()) // fills the cache
	s := spec()
	step := func(name string, do func() error) {
		began := time.Now()
		l.must(name, do())
		t.Logf("%-14s %5.1f ms", name, float64(time.Since(began).Microseconds())/1000)
	}
	step("ensure image", func() error { return l.EnsureImage(ctx, *s.Image) })
	step("prepare disks", func() error { return l.PrepareDisks(ctx, s) })
	step("define", func() error { return l.Define(ctx, s) })
	step("start", func() error { return l.Start(ctx, s.ID) })
	step("power state", func() error { _, err := l.PowerState(ctx, s.ID); return err })
	step("list", func() error { _, err := l.List(ctx); return err })
	step("destroy", func() error { return l.Destroy(context.WithoutCancel(ctx), s.ID) })
	if _, err := l.PowerState(ctx, s.ID); driver.CodeOf(err) != driver.CodeNotFound {
		t.Errorf("after destroy: %v", err)
	}
}
