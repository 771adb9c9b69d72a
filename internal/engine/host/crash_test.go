package host

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"gostack/test/machine"
)

// TestKilledUp is no test but the process that TestUpIsKilledAnywhere kills.
func TestKilledUp(t *testing.T) {
	if os.Getenv("GOSTACK_TEST_UP") == "" {
		t.Skip("run by TestUpIsKilledAnywhere")
	}
	if err := New(Options{}).Up(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
}

// Whenever Up is killed, the next one finishes the work, and Down stops everything: nothing half made stays in the way,
// and no engine is taken for somebody else's.
func TestUpIsKilledAnywhere(t *testing.T) {
	needEngines(t)
	machine.Inside(t, func(t *testing.T) {
		h := New(Options{})
		for range 8 {
			up := exec.Command(os.Args[0], "-test.run=^TestKilledUp$")
			up.Env = append(os.Environ(), "GOSTACK_TEST_UP=yes")
			if err := up.Start(); err != nil {
				t.Fatal(err)
			}
			after := time.Duration(rand.IntN(900)) * time.Millisecond
			time.Sleep(after)
			if err := up.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			up.Wait()
			if err := h.Up(t.Context(), nil); err != nil {
				t.Fatalf("after a kill at %v: %v", after, err)
			}
			// As in a running cloud the supervisor mends what dies afterwards (seen once in 200 kills: ovn-controller).
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan error, 1)
			go func() { ended <- h.Supervise(ctx) }()
			eventually(t, "every engine is ours and answers", func() bool {
				return !slices.ContainsFunc(h.Status(ctx), func(s Status) bool { return !s.Ready || s.By != ByGostack })
			})
			cancel()
			if err := <-ended; err != nil {
				t.Error(err)
			}
			if err := h.Purge(t.Context(), nil); err != nil {
				t.Fatalf("after a kill at %v: %v", after, err)
			}
			if left := daemons(t); len(left) > 0 {
				t.Fatalf("after a kill at %v, purge left %v", after, left)
			}
		}
	})
}

// Two at once do the work once.
func TestUpTwiceAtOnce(t *testing.T) {
	needEngines(t)
	machine.Inside(t, func(t *testing.T) {
		var started, running sync.Map
		var both sync.WaitGroup
		for range 2 {
			both.Go(func() {
				err := New(Options{}).Up(t.Context(), func(e Event) {
					switch e.Doing {
					case "started":
						if _, twice := started.LoadOrStore(e.Engine, true); twice {
							t.Errorf("%s was started twice", e.Engine)
						}
					case "running already":
						running.Store(e.Engine, true)
					}
				})
				if err != nil {
					t.Error(err)
				}
			})
		}
		both.Wait()
		for _, e := range New(Options{}).Engines() {
			_, one := started.Load(e.Name)
			_, other := running.Load(e.Name)
			if !one || !other {
				t.Errorf("%s: started %v, found running %v", e.Name, one, other)
			}
		}
	})
}

// fakeDaemon is an engine that detaches itself as the real ones do, unless a file "refuse" is there.
func fakeDaemon(t *testing.T) (h *Host, refuse string) {
	t.Helper()
	dir := t.TempDir()
	refuse = filepath.Join(dir, "refuse")
	pidFile := filepath.Join(dir, "pid")
	program := filepath.Join(dir, "sleep") // its process is found by this name
	script := "#!/bin/sh\n[ ! -e " + refuse + " ] || exit 1\n/usr/bin/sleep 600 >/dev/null 2>&1 &\necho $! >" + pidFile + "\n"
	if err := os.WriteFile(program, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	e := Engine{Name: "e", Program: program, PIDFile: pidFile}
	e.ready = func(context.Context) error { _, err := pidFileProcess(e); return err }
	return testHost(t, e, systemd{}), refuse
}

// An engine that cannot be started again is tried until it can, and what is stopped on purpose is not.
func TestSuperviseTriesAgain(t *testing.T) {
	h, refuse := fakeDaemon(t)
	h.log = slog.New(slog.DiscardHandler)
	if err := h.Up(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- h.Supervise(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	if err := os.WriteFile(refuse, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	first, _ := h.recorded("e")
	if err := unix.Kill(first.PID, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, "trouble is reported", func() bool { return h.Trouble(t.Context()) != nil })
	if err := os.Remove(refuse); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it runs again", func() bool {
		r, ours := h.recorded("e")
		return ours && r.alive() && r.PID != first.PID
	})
	eventually(t, "no trouble", func() bool { return h.Trouble(t.Context()) == nil })
	if err := h.Down(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if _, err := pidFileProcess(h.engines[0]); !errors.Is(err, errGone) {
		t.Errorf("after down: %v", err)
	}
}
