package host

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"gostack/test/machine"
)

func finding(t *testing.T, h *Host, name string) Finding {
	t.Helper()
	all := h.Doctor(t.Context())
	i := slices.IndexFunc(all, func(f Finding) bool { return f.Name == name })
	if i < 0 {
		t.Fatalf("nothing found about %q in %+v", name, all)
	}
	return all[i]
}

// What is not well says what to do; what is well does not.
func TestDoctorAlwaysSaysWhatToDo(t *testing.T) {
	for _, f := range New(Options{}).Doctor(t.Context()) {
		if f.What == "" || (f.Level == Degraded || f.Level == Broken) != (f.Do != "") && f.Level != Note {
			t.Errorf("%+v", f)
		}
	}
}

func TestDoctorSeesEngines(t *testing.T) {
	needEngines(t)
	machine.Inside(t, func(t *testing.T) {
		h := New(Options{})
		if f := finding(t, h, "ovs-vswitchd"); f.Level != Note || f.Do != "gostack up" {
			t.Errorf("before up: %+v", f)
		}
		up(t, h)
		for _, e := range h.Engines() {
			if f := finding(t, h, e.Name); f.Level != OK {
				t.Errorf("after up: %+v", f)
			}
		}
		// A daemon that hangs is not well although it runs.
		pid := status(t, h, "ovn-northd").PID
		if err := unix.Kill(pid, unix.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 1e9)
		defer cancel()
		if level, what, do := h.checkEngine(ctx, *h.engine("ovn-northd")); level != Broken || !strings.Contains(do, "ovn-northd.log") {
			t.Errorf("a daemon that hangs: %s %s %s", level, what, do)
		}
		if err := unix.Kill(pid, unix.SIGCONT); err != nil {
			t.Fatal(err)
		}
	})
}

func TestDoctorSeesAMissingProgram(t *testing.T) {
	h := testHost(t, Engine{
		Name: "e", Program: "/no/such/program", Package: "some-package", Why: "does things",
		ready: func(context.Context) error { return errors.New("no") },
	}, systemd{})
	if f := finding(t, h, "e"); f.Level != Broken || !strings.Contains(f.What, "some-package") || !strings.Contains(f.What, "does things") {
		t.Errorf("%+v", f)
	}
}

func TestDoctorSeesADirectoryClosedToQEMU(t *testing.T) {
	h := testHost(t, Engine{Name: "e", Program: "/bin/true", ready: func(context.Context) error { return nil }}, systemd{})
	if err := os.Mkdir(h.opts.StateDir, 0o700); err != nil {
		t.Fatal(err)
	}
	if f := finding(t, h, "qemu's user"); f.Level != Broken || !strings.HasPrefix(f.Do, "chmod o+x /") {
		t.Errorf("%+v", f)
	}
}

func TestThresholds(t *testing.T) {
	for mib, want := range map[int64]Level{100: Broken, 511: Broken, 512: Degraded, 2047: Degraded, 2048: OK} {
		if got, _, _ := memoryFinding(4096, mib); got != want {
			t.Errorf("%d MiB free: %s, want %s", mib, got, want)
		}
	}
	for gib, want := range map[int64]Level{0: Broken, 2: Degraded, 19: Degraded, 20: OK} {
		if got, _, _ := diskFinding("/x", gib); got != want {
			t.Errorf("%d GiB free: %s, want %s", gib, got, want)
		}
	}
}
