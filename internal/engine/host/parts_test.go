package host

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// sleeper starts a process that only this test knows.
func sleeper(t *testing.T) process {
	t.Helper()
	cmd := exec.Command("sleep", "600")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill() })
	go cmd.Wait() // so that it is not a zombie once it ends
	p, err := find(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestProcessWaitSeesTheEnd(t *testing.T) {
	p := sleeper(t)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := p.wait(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("wait for a live process: %v", err)
	}
	if err := p.stop(t.Context(), time.Minute); err != nil {
		t.Error(err)
	}
	if p.alive() {
		t.Error("stop returned while the process lives")
	}
	if err := p.wait(t.Context()); err != nil {
		t.Errorf("wait for a dead process: %v", err)
	}
}

func TestStopInsists(t *testing.T) {
	cmd := exec.Command("sh", "-c", "trap '' TERM; echo; while :; do sleep 1; done")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	out.Read(make([]byte, 1)) // the trap is set
	go cmd.Wait()
	p, err := find(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.stop(t.Context(), 10*time.Millisecond); err != nil || p.alive() {
		t.Errorf("stop: %v, alive: %v", err, p.alive())
	}
}

// A pid that was given to another process must not be killed for the one we started.
func TestStopSparesARecycledPID(t *testing.T) {
	p := sleeper(t)
	stale := process{p.PID, p.Started - 1}
	if stale.alive() {
		t.Error("a process with another start time counts as ours")
	}
	if err := stale.stop(t.Context(), time.Millisecond); err != nil {
		t.Error(err)
	}
	if err := stale.wait(t.Context()); err != nil {
		t.Error(err)
	}
	if !p.alive() {
		t.Error("the wrong process was killed")
	}
}

func TestProcessSince(t *testing.T) {
	if age := time.Since(sleeper(t).since()); age < -2*time.Second || age > time.Minute {
		t.Errorf("a process just started is %v old", age)
	}
}

// testHost has one engine, whose files lie in the test's directory.
func testHost(t *testing.T, e Engine, u units) *Host {
	t.Helper()
	dir := t.TempDir()
	h := New(Options{RunDir: dir + "/run", StateDir: dir + "/state", LogDir: dir + "/log", Log: slog.New(slog.DiscardHandler)})
	h.units, h.engines = u, []Engine{e}
	return h
}

// fakeSystemd knows units and whether they are active.
type fakeSystemd map[string]bool

func (f fakeSystemd) booted() bool                            { return true }
func (f fakeSystemd) active(_ context.Context, u string) bool { return f[u] }
func (f fakeSystemd) known(_ context.Context, u string) bool  { _, ok := f[u]; return ok }
func (f fakeSystemd) start(_ context.Context, u string) error { f[u] = true; return nil }
func (f fakeSystemd) stop(_ context.Context, u string) error  { f[u] = false; return nil }

func TestSystemdUnits(t *testing.T) {
	engine := Engine{Name: "e", Units: []string{"e.socket", "e.service"}, Program: "/no/such/program"}
	for _, test := range []struct {
		name      string
		units     fakeSystemd
		plan      string
		afterUp   fakeSystemd
		afterDown fakeSystemd
	}{
		{"active is left alone", fakeSystemd{"e.service": true}, "leave alone", fakeSystemd{"e.service": true}, fakeSystemd{"e.service": true}},
		{"inactive is started, and stopped again", fakeSystemd{"e.service": false}, "start by systemd", fakeSystemd{"e.service": true}, fakeSystemd{"e.service": false}},
	} {
		t.Run(test.name, func(t *testing.T) {
			e := engine
			e.ready = func(context.Context) error {
				if !test.units["e.service"] {
					return errors.New("not active")
				}
				return nil
			}
			h := testHost(t, e, test.units)
			// With systemd the program itself is not asked for.
			h.engines[0].Program = "/bin/true"
			if plan := h.Plan(t.Context()); plan[0].Do != test.plan {
				t.Errorf("plan %+v", plan)
			}
			for range 2 {
				if err := h.Up(t.Context(), nil); err != nil {
					t.Fatal(err)
				}
			}
			if test.units["e.service"] != test.afterUp["e.service"] {
				t.Errorf("after up: %v", test.units)
			}
			if s := h.Status(t.Context())[0]; s.By != BySystemd || !s.Ready {
				t.Errorf("status %+v", s)
			}
			if err := h.Down(t.Context(), nil); err != nil {
				t.Fatal(err)
			}
			if test.units["e.service"] != test.afterDown["e.service"] {
				t.Errorf("after down: %v", test.units)
			}
		})
	}
}

func TestMissingProgramSaysWhatToInstall(t *testing.T) {
	e := Engine{Name: "e", Program: "/no/such/program", Package: "some-package", ready: func(context.Context) error { return errors.New("no") }}
	h := testHost(t, e, systemd{})
	var missing *MissingError
	if err := h.Up(t.Context(), nil); !errors.As(err, &missing) || missing.Package != "some-package" {
		t.Errorf("got %v", err)
	}
	if s := h.Status(t.Context())[0]; s.State != Missing {
		t.Errorf("status %+v", s)
	}
}

// A daemon whose start fails leaves no record, and its words reach the operator.
func TestFailedStart(t *testing.T) {
	e := Engine{
		Name: "e", Program: "/bin/sh", Args: []string{"-c", "echo no disk >&2; exit 1"}, PIDFile: "/nonexistent",
		ready: func(context.Context) error { return errors.New("no") },
	}
	h := testHost(t, e, systemd{})
	err := h.Up(t.Context(), nil)
	if err == nil {
		t.Fatal("no error")
	}
	for _, word := range []string{"e:", "no disk", "e.log"} {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("error %q does not say %q", err, word)
		}
	}
	if _, ours := h.recorded("e"); ours {
		t.Error("a record of a daemon that does not run")
	}
	if left, _ := filepath.Glob(h.opts.LogDir + "/*"); len(left) > 0 {
		t.Errorf("left %v", left)
	}
}

// Killed between starting the daemon and writing its pid down, we still know that it is ours.
func TestUnfinishedRecordIsCompleted(t *testing.T) {
	p := sleeper(t)
	pidFile := filepath.Join(t.TempDir(), "pid")
	e := Engine{Name: "e", Program: "/usr/bin/sleep", PIDFile: pidFile, ready: func(context.Context) error { return nil }}
	h := testHost(t, e, systemd{})
	if err := errors.Join(os.WriteFile(pidFile, []byte(strconv.Itoa(p.PID)+"\n"), 0o600), h.remember("e", record{})); err != nil {
		t.Fatal(err)
	}
	if s := h.Status(t.Context())[0]; s.By != ByGostack || s.PID != p.PID {
		t.Errorf("status %+v", s)
	}
	if err := h.Down(t.Context(), nil); err != nil || p.alive() {
		t.Errorf("down: %v, alive: %v", err, p.alive())
	}
}

func TestPauseDoublesUntilHealthy(t *testing.T) {
	s := &supervisor{Host: New(Options{}), deaths: map[string]int{}}
	var got []time.Duration
	for range 9 {
		got = append(got, s.pause("e", false))
	}
	want := []time.Duration{0, 1, 2, 4, 8, 16, 32, 60, 60}
	for i := range want {
		if got[i] != want[i]*time.Second {
			t.Errorf("pause %d: %v, want %v", i, got[i], want[i]*time.Second)
		}
	}
	if got := s.pause("e", true); got != 0 {
		t.Errorf("after a healthy life: %v", got)
	}
}

func TestWithMapping(t *testing.T) {
	for _, test := range [][3]string{
		{"", "physnet1:br-ex", "physnet1:br-ex"},
		{"physnet1:br-ex", "physnet1:br-ex", "physnet1:br-ex"},
		{"physnet1:br-other", "physnet1:br-ex", "physnet1:br-other"},
		{"physnet10:br-x", "physnet1:br-ex", "physnet10:br-x,physnet1:br-ex"},
	} {
		if got := withMapping(test[0], test[1]); got != test[2] {
			t.Errorf("withMapping(%q, %q) = %q, want %q", test[0], test[1], got, test[2])
		}
	}
}

func TestHasVirtFlag(t *testing.T) {
	for flags, want := range map[string]bool{
		"flags\t\t: fpu vme svm lm\n":   true,
		"flags\t\t: fpu vmx\n":          true,
		"flags\t\t: fpu vme svm_lock\n": false,
		"vmx flags\t: vnmi\nflags: fpu": false,
		"":                              false,
	} {
		if got := hasVirtFlag("processor: 0\n" + flags); got != want {
			t.Errorf("hasVirtFlag(%q) = %v", flags, got)
		}
	}
}

func TestMayOpen(t *testing.T) {
	for _, test := range []struct {
		mode, owner, group uint32
		want               bool
	}{
		{0o660, 0, 104, true},   // the group kvm
		{0o660, 0, 103, false},  // another group
		{0o666, 0, 103, true},   // everybody
		{0o606, 0, 104, false},  // a group that is shut out although everybody is let in
		{0o600, 64055, 0, true}, // the owner
	} {
		if got := mayOpen(test.mode, test.owner, test.group, "64055", []string{"64055", "104"}); got != test.want {
			t.Errorf("mode %o owner %d group %d: %v", test.mode, test.owner, test.group, got)
		}
	}
}
