package libvirt_test

import (
	"context"
	"errors"
	"path/filepath"
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
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
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
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
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
