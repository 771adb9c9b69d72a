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
		theSouthboundDatabase(t)
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

// theSouthboundDatabase looks at how a host of somebody's cloud reaches it, on a machine whose Open vSwitch runs.
func theSouthboundDatabase(t *testing.T) {
	tls := TLSFiles{Key: t.TempDir() + "/key.pem", Certificate: "/etc/x/cert.pem", CA: t.TempDir() + "/ca.pem"}
	member := func(southbound string) *Host {
		return New(Options{Member: true, Hostname: "compute7", Southbound: southbound, SouthboundTLS: tls})
	}
	see := func(h *Host, level Level, words string) {
		t.Helper()
		if f := finding(t, h, "ovn southbound"); f.Level != level || !strings.Contains(f.What, words) {
			t.Errorf("%+v", f)
		}
	}
	see(member("tcp:10.0.0.1:6642"), Degraded, "not TLS")
	h := member("ssl:10.0.0.1:6642")
	see(h, Broken, "is not here yet")
	if err := os.WriteFile(tls.CA, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	see(h, Degraded, "Open vSwitch says")
	// Debian's start script names the chassis, and somebody uses TLS for something else.
	run(t, "ovs-vsctl", "--no-wait", "set", "Open_vSwitch", ".", "external_ids:system-id=2b0a", "external_ids:ovn-remote=\"ssl:10.0.0.1:6642\"", "--", "set-ssl", "/a", "/b", "/c")
	see(h, Broken, "the chassis is called 2b0a")
	if err := h.settleSwitchDatabase(t.Context()); err != nil {
		t.Fatal(err)
	}
	see(h, Broken, "somebody else")
	run(t, "ovs-vsctl", "--no-wait", "del-ssl")
	for range 2 {
		if err := h.settleSwitchDatabase(t.Context()); err != nil {
			t.Fatal(err)
		}
		see(h, OK, "by TLS as compute7")
	}
	if got := run(t, "ovs-vsctl", "get-ssl"); !strings.Contains(got, tls.Key) || !strings.Contains(got, tls.Certificate) || !strings.Contains(got, tls.CA) {
		t.Errorf("Open vSwitch is told %s", got)
	}
	if err := h.purgeSwitch(t.Context(), made{TLS: h.made().TLS}); err != nil || strings.Contains(run(t, "ovs-vsctl", "get-ssl"), "/") {
		t.Errorf("left behind: %v", err)
	}
	h.opts.SouthboundTLS = TLSFiles{}
	if err := h.settleSouthboundTLS(t.Context()); err == nil || !strings.Contains(err.Error(), "gostack join") {
		t.Errorf("a machine without a certificate: %v", err)
	}
}
