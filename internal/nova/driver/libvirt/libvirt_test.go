package libvirt_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"gostack/internal/nova/driver"
)

func TestBootAndPowerActions(t *testing.T) {
	l := newLab(t)
	ctx := t.Context()
	s := spec()
	s.Flavor.EphemeralGB, s.Flavor.SwapMB = 1, 16
	began := time.Now()
	l.boot(s)
	t.Logf("guest booted after %.1f s", time.Since(began).Seconds())
	log := l.until(s.ID, "MICRO-READY")
	for _, want := range []string{
		"BOOTS 1 SECTORS 2097152", // 1 GiB: the overlay is grown to the flavor
		`CONFIG {"name": "web"}`,
		"ext4=ephemeral0", "swap=SWAPSPACE2",
	} {
		if !strings.Contains(log, want) {
			t.Errorf("console lacks %q:\n%s", want, tail(log))
		}
	}
	l.state(s.ID, driver.Running)
	l.must("start again", l.Start(ctx, s.ID))
	base, err := os.Stat(filepath.Join(l.dir, "instances", "_base", diskID))
	if err != nil || base.Sys().(*syscall.Stat_t).Uid != 0 || base.Mode().Perm() != 0o644 {
		t.Errorf("the shared image belongs to user %d, mode %v, %v", base.Sys().(*syscall.Stat_t).Uid, base.Mode(), err)
	}

	l.must("pause", l.Pause(ctx, s.ID))
	l.must("pause again", l.Pause(ctx, s.ID))
	l.state(s.ID, driver.Paused)
	l.must("unpause", l.Unpause(ctx, s.ID))
	l.state(s.ID, driver.Running)

	l.must("suspend", l.Suspend(ctx, s.ID))
	l.must("suspend again", l.Suspend(ctx, s.ID))
	l.state(s.ID, driver.Suspended)
	l.must("resume", l.Resume(ctx, s.ID))
	l.state(s.ID, driver.Running)
	before := ticks(l.until(s.ID, "TICK 1 "))
	l.untilCount(s.ID, "TICK", before+1)
	if log := l.until(s.ID, "TICK"); strings.Contains(log, "BOOTS 2") {
		t.Error("resume booted the guest anew")
	}

	began = time.Now()
	const grace = 5 * time.Minute
	l.must("soft stop", l.Stop(ctx, s.ID, grace))
	t.Logf("power button took %.1f s", time.Since(began).Seconds())
	l.state(s.ID, driver.Shutdown)
	if time.Since(began) >= grace {
		t.Error("the guest did not obey the power button")
	}
	l.must("stop again", l.Stop(ctx, s.ID, time.Second))
	if _, err := l.Diagnostics(ctx, s.ID); !errors.Is(err, driver.ErrBadState) {
		t.Errorf("diagnostics of a stopped server: %v", err)
	}

	l.must("start", l.Start(ctx, s.ID))
	l.until(s.ID, "BOOTS 2 ")
	l.untilCount(s.ID, "MICRO-READY", 2)
	l.must("soft reboot", l.Reboot(ctx, s.ID, driver.RebootSoft, grace))
	l.until(s.ID, "BOOTS 3 ")
	l.must("hard reboot", l.Reboot(ctx, s.ID, driver.RebootHard, 0))
	l.until(s.ID, "BOOTS 4 ")

	diag, err := l.Diagnostics(ctx, s.ID)
	if err != nil || diag.State != "running" || diag.NumCPUs != 1 || diag.NumDisks != 4 || diag.MemoryMaxMB != 96 || !diag.ConfigDrive {
		t.Errorf("diagnostics %+v, %v", diag, err)
	}
	if diag.NumDisks > 0 && diag.Disks[0].ReadRequests == 0 {
		t.Errorf("no reads counted: %+v", diag.Disks)
	}

	l.must("destroy", l.Destroy(ctx, s.ID))
	l.must("destroy again", l.Destroy(ctx, s.ID))
	if _, err := l.PowerState(ctx, s.ID); !errors.Is(err, driver.ErrNotFound) {
		t.Errorf("after destroy: %v", err)
	}
	left, err := filepath.Glob(filepath.Join(l.dir, "instances", "*"))
	if err != nil || len(left) != 1 || filepath.Base(left[0]) != "_base" {
		t.Errorf("left over: %v, %v", left, err)
	}
	if sets, err := l.Disks(ctx); err != nil || len(sets) != 0 {
		t.Errorf("disks %v, %v", sets, err)
	}
}

// A guest must not notice that libvirtd or this process comes and goes.
func TestGuestSurvivesLibvirtd(t *testing.T) {
	l := newLab(t)
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Minute)
	defer cancel()
	s := spec()
	l.boot(s)
	events, err := l.Events(ctx)
	if err != nil {
		t.Fatal(err)
	}
	wait := func(want driver.PowerState) {
		t.Helper()
		for e := range events {
			if e.ServerID == s.ID && e.State == want {
				return
			}
		}
		t.Fatalf("no event with %v", want)
	}
	wait(driver.Running)

	before := ticks(l.until(s.ID, "TICK"))
	l.daemon.Kill()
	if err := l.daemon.Start(); err != nil {
		t.Fatal(err)
	}
	wait(driver.Running)
	again := l.open()
	guests, err := again.List(ctx)
	if err != nil || len(guests) != 1 || guests[0].ID != s.ID || guests[0].State != driver.Running || guests[0].Name != s.Name {
		t.Errorf("adopted %+v, %v", guests, err)
	}
	l.untilCount(s.ID, "TICK", before+2)
	if log := l.until(s.ID, "TICK"); strings.Contains(log, "BOOTS 2") {
		t.Error("the guest booted again")
	}

	l.must("pause", l.Pause(ctx, s.ID))
	wait(driver.Paused)
	l.must("unpause", l.Unpause(ctx, s.ID))
	wait(driver.Running)
	l.must("suspend", l.Suspend(ctx, s.ID))
	wait(driver.Suspended)
	l.must("resume", l.Resume(ctx, s.ID))
	wait(driver.Running)
	l.must("stop", l.Stop(ctx, s.ID, 0))
	wait(driver.Shutdown)
	l.must("destroy", l.Destroy(ctx, s.ID))
	for e := range events {
		if e.ServerID == s.ID && e.Gone {
			break
		}
	}
}

func TestVNCListensOnLoopback(t *testing.T) {
	l := newLab(t)
	s := spec()
	l.prepare(s)
	if _, err := l.Console(t.Context(), s.ID, driver.ConsoleVNC); !errors.Is(err, driver.ErrBadState) {
		t.Errorf("console of a stopped server: %v", err)
	}
	l.must("start", l.Start(t.Context(), s.ID))
	a, err := l.Console(t.Context(), s.ID, driver.ConsoleVNC)
	if err != nil || a.Host != "127.0.0.1" || a.Port < 5900 {
		t.Fatalf("console %+v, %v", a, err)
	}
	greetRFB(t, a)
	if _, err := l.Console(t.Context(), s.ID, "spice"); !errors.Is(err, driver.ErrUnsupported) {
		t.Errorf("spice: %v", err)
	}
}

// A guest that does not hear the button is cut off when grace is over.
func TestStopOfDeafGuest(t *testing.T) {
	l := newLab(t)
	s := spec()
	s.Image.Properties[driver.PropCommandLine] = "console=ttyS0 acpi=off"
	l.prepare(s)
	l.must("start", l.Start(t.Context(), s.ID))
	began := time.Now()
	l.must("stop", l.Stop(t.Context(), s.ID, 1500*time.Millisecond))
	l.state(s.ID, driver.Shutdown)
	if time.Since(began) < 1500*time.Millisecond {
		t.Error("cut off before grace was over")
	}
	l.must("start", l.Start(t.Context(), s.ID))
	l.must("soft reboot", l.Reboot(t.Context(), s.ID, driver.RebootSoft, time.Second))
	l.state(s.ID, driver.Running)
}

func TestForeignDomainIsNotTouched(t *testing.T) {
	l := newLab(t)
	s := spec()
	l.prepare(s)
	other := newLab(t)
	other.Driver.Owner = "cloud-2"
	if guests, err := other.List(t.Context()); err != nil || len(guests) != 0 {
		t.Errorf("list of another cloud: %v, %v", guests, err)
	}
	if err := other.Destroy(t.Context(), s.ID); !errors.Is(err, driver.ErrBadState) {
		t.Errorf("destroy by another cloud: %v", err)
	}
	if err := other.Define(t.Context(), s); !errors.Is(err, driver.ErrBadState) {
		t.Errorf("define by another cloud: %v", err)
	}
	l.state(s.ID, driver.Shutdown)
}

func TestRootDiskTooSmall(t *testing.T) {
	l := newLab(t)
	s := spec()
	big := filepath.Join(l.dir, "big.raw")
	f, err := os.Create(big)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(f.Truncate(2<<30), f.Close()); err != nil {
		t.Fatal(err)
	}
	l.sources[diskID] = big
	s.Image.DiskFormat = "raw"
	l.must("image", l.EnsureImage(t.Context(), *s.Image))
	if err := l.PrepareDisks(t.Context(), s); !errors.Is(err, driver.ErrDiskTooSmall) {
		t.Errorf("err = %v", err)
	}
	// No half disk stays behind.
	if _, err := os.Stat(filepath.Join(l.dir, "instances", s.ID, "disk")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("disk: %v", err)
	}
	l.must("destroy", l.Destroy(t.Context(), s.ID))
	// The cached copy keeps the holes.
	base, err := os.Stat(filepath.Join(l.dir, "instances", "_base", diskID))
	if err != nil || blocks(base) > 1<<20 {
		t.Errorf("base takes %d bytes, %v", blocks(base), err)
	}
}

func TestHostInfo(t *testing.T) {
	l := newLab(t)
	info, err := l.HostInfo(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if info.VCPUs < 1 || info.MemoryMB < 256 || info.DiskGB < 1 || info.HypervisorVersion < 7000000 ||
		info.Hostname != "gostack-test" || len(info.Traits) < 10 || len(info.Supported) == 0 || info.Uptime == "" || info.CPU.Arch == "" {
		t.Errorf("host info %+v", info)
	}
	if want := map[string]string{"qemu": "QEMU", "kvm": "KVM"}[info.VirtType]; info.HypervisorType != want {
		t.Errorf("type %q of %q", info.HypervisorType, info.VirtType)
	}
}
