package crash_test

import (
	"context"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"gostack/test/crash"
	"gostack/test/lab"
)

var (
	seed       = flag.Uint64("seed", number("CRASH_SEED", 0), "what the walk follows from; 0: another each time")
	operations = flag.Int("operations", int(number("CRASH_OPERATIONS", 0)), "how many; 0: a few, for make test")
	verbose    = flag.Bool("story", os.Getenv("CRASH_STORY") != "", "print every operation and fault")
)

func number(variable string, absent uint64) uint64 {
	n, err := strconv.ParseUint(os.Getenv(variable), 10, 64)
	if err != nil {
		return absent
	}
	return n
}

func options(t *testing.T, bounded int) crash.Options {
	o := crash.Options{Seed: *seed, Operations: *operations, Out: t.Output(), Verbose: *verbose}
	if o.Seed == 0 {
		o.Seed = uint64(time.Now().UnixNano() % 1e9)
	}
	if o.Operations == 0 {
		o.Operations = bounded
	}
	t.Logf("seed %d: CRASH_SEED=%[1]d makes the same walk", o.Seed)
	return o
}

// TestSimulated walks on simulated hosts while gostack dies.
func TestSimulated(t *testing.T) {
	dir := t.TempDir()
	program := filepath.Join(dir, "gostack")
	build := exec.Command("go", "build", "-o", program, "../../cmd/gostack")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	w, err := crash.NewSimulated(t.Context(), program, dir, 5)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Kill)
	walk(t, w, options(t, 400))
	if t.Failed() {
		log, _ := os.ReadFile(w.Log())
		t.Logf("the end of the log:\n%s", log[max(0, len(log)-4000):])
	}
}

// TestReplicas walks on simulated hosts while two control replicas, the message broker and PostgreSQL die and are cut off.
func TestReplicas(t *testing.T) {
	lab.Run(t, lab.Options{Simulated: 5}, func(t *testing.T, l *lab.Lab) {
		o := options(t, 120)
		o.Out = l.Out
		walk(t, crash.Lab{Lab: l}, o)
		if t.Failed() {
			l.Autopsy(t.Output())
		}
	})
}

// TestEngines walks on three hosts with real engines, all of which die. It is long: make crash runs it.
func TestEngines(t *testing.T) {
	if *operations == 0 {
		t.Skip("long: make crash, or CRASH_OPERATIONS=100, runs it")
	}
	lab.Run(t, lab.Options{}, func(t *testing.T, l *lab.Lab) {
		o := options(t, 0)
		// Real guests take their time and their memory.
		o.Operations, o.Workers, o.Servers, o.Pause, o.Out = o.Operations/10, 4, 2, 2*time.Second, l.Out
		o.Without = []string{"detach interface"} // these guests halt: they never let go of a card
		walk(t, crash.Lab{Lab: l}, o)
		if t.Failed() {
			l.Autopsy(t.Output())
		}
	})
}

func walk(t *testing.T, w crash.World, o crash.Options) {
	t.Helper()
	report, err := crash.Run(context.Background(), w, o)
	if err != nil {
		t.Fatal(err)
	}
	report.Print(t.Output())
	for _, f := range report.Findings {
		t.Error(f)
	}
}
