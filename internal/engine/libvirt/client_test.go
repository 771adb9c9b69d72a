package libvirt_test

import (
	"context"
	"errors"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	rpc "github.com/digitalocean/go-libvirt"

	"gostack/internal/engine/libvirt"
	"gostack/internal/engine/libvirt/libvirttest"
)

func TestMain(m *testing.M) { libvirttest.Main(m) }

func version(l *rpc.Libvirt) (uint64, error) { return l.ConnectGetLibVersion() }

func TestCallSurvivesRestart(t *testing.T) {
	daemon := libvirttest.Need(t)
	c := libvirt.New(libvirttest.Socket)
	defer c.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	before, err := libvirt.Call(ctx, c, version)
	if err != nil {
		t.Fatal(err)
	}
	daemon.Kill()
	restarted := make(chan error, 1)
	time.AfterFunc(300*time.Millisecond, func() { restarted <- daemon.Start() })
	after, err := libvirt.Call(ctx, c, version)
	if err != nil || after != before {
		t.Errorf("after restart: version %d, %v; before %d", after, err, before)
	}
	if err := <-restarted; err != nil {
		t.Fatal(err)
	}
}

func TestCallGivesUpAtDeadline(t *testing.T) {
	c := libvirt.New(filepath.Join(t.TempDir(), "nobody"))
	defer c.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	_, err := libvirt.Call(ctx, c, version)
	if !errors.Is(err, libvirt.ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("err = %v", err)
	}
}

// A libvirtd that hangs costs its callers their deadline and nothing more.
func TestHangingDaemon(t *testing.T) {
	daemon := libvirttest.Need(t)
	c := libvirt.New(libvirttest.Socket)
	defer c.Close()
	if _, err := libvirt.Call(t.Context(), c, version); err != nil {
		t.Fatal(err)
	}
	before := runtime.NumGoroutine()
	if err := daemon.Freeze(); err != nil {
		t.Fatal(err)
	}
	for range 5 {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		_, err := libvirt.Call(ctx, c, version)
		cancel()
		if !errors.Is(err, libvirt.ErrUnavailable) {
			t.Errorf("err = %v", err)
		}
	}
	if err := daemon.Thaw(); err != nil {
		t.Fatal(err)
	}
	if _, err := libvirt.Call(t.Context(), c, version); err != nil {
		t.Errorf("after the hang: %v", err)
	}
	for end := time.Now().Add(2 * time.Minute); runtime.NumGoroutine() > before+3; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d goroutines, %d before", runtime.NumGoroutine(), before)
		}
	}
}

func TestCallAnswersLibvirtsErrors(t *testing.T) {
	libvirttest.Need(t)
	c := libvirt.New(libvirttest.Socket)
	defer c.Close()
	_, err := libvirt.Call(t.Context(), c, func(l *rpc.Libvirt) (rpc.Domain, error) {
		return l.DomainLookupByName("nobody")
	})
	if !libvirt.Is(err, rpc.ErrNoDomain) {
		t.Errorf("err = %v", err)
	}
}

func TestEventsResyncAfterRestart(t *testing.T) {
	daemon := libvirttest.Need(t)
	c := libvirt.New(libvirttest.Socket)
	defer c.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	events := c.Events(ctx)
	if e := <-events; !e.Resync {
		t.Fatalf("first event %+v", e)
	}
	daemon.Kill()
	if err := daemon.Start(); err != nil {
		t.Fatal(err)
	}
	if e, ok := <-events; !ok || !e.Resync {
		t.Fatalf("after restart: %+v", e)
	}
	cancel()
	for range events { //nolint:revive // until closed
	}
}
