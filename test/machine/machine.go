// Package machine gives tests a pretend machine to run engines in: own processes, network, host name,
// /run, cgroups and an overlay of /etc, /var and /root, made by scripts/machine.
//
// What happens in a machine is never seen outside it. A machine ends with its test, and also when the test
// process is killed. Machines of several tests may run at the same time.
package machine

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// Machine is a running pretend machine.
type Machine struct {
	// Name is its host name.
	Name string
	// PID is the process id of its PID 1, seen from outside.
	PID string
}

// started numbers the machines of this process, so that their names differ.
var started atomic.Int64

// Start starts a machine that ends with the test. Without root or namespaces the test is skipped, or fails
// when GOSTACK_REQUIRE is "all".
func Start(t testing.TB) *Machine {
	t.Helper()
	script, err := script()
	if err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() != 0 {
		Missing(t, "a pretend machine needs root")
	}
	if _, err := exec.LookPath("unshare"); err != nil {
		Missing(t, "a pretend machine needs unshare (Debian package util-linux)")
	}

	m := &Machine{Name: fmt.Sprintf("t%d-%d", os.Getpid(), started.Add(1))}
	hold := exec.Command(script, "hold", m.Name)
	stdin, err := hold.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := hold.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var complaint strings.Builder
	hold.Stderr = &complaint
	if err := hold.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stdin.Close() // ends PID 1, and with it everything in the machine
		io.Copy(io.Discard, stdout)
		if err := hold.Wait(); err != nil {
			t.Errorf("machine %s did not end well: %v %s", m.Name, err, complaint.String())
		}
	})
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if _, scanErr := fmt.Sscanf(line, "ready %s", &m.PID); err != nil || scanErr != nil {
		hold.Wait()
		t.Fatalf("machine %s did not start: %s", m.Name, complaint.String())
	}
	return m
}

// Command prepares a command in the machine, in the test's working directory and with its environment.
// The command dies when ctx ends or the test process does; a daemon that it detaches stays.
func (m *Machine) Command(ctx context.Context, argv ...string) *exec.Cmd {
	path, err := script()
	if err != nil {
		panic(err) // Start has found it
	}
	cmd := exec.CommandContext(ctx, path, append([]string{"exec", m.Name, "--"}, argv...)...)
	cmd.Env = append(os.Environ(), nameVariable+"="+m.Name)
	cmd.WaitDelay = time.Minute
	return cmd
}

// Run runs a command in the machine and returns its standard output and error, trimmed.
// A failure of the command ends the test.
func (m *Machine) Run(t testing.TB, argv ...string) string {
	t.Helper()
	out, err := m.Try(t, argv...)
	if err != nil {
		t.Fatalf("in machine %s: %q: %v\n%s", m.Name, argv, err, out)
	}
	return out
}

// Try is Run for commands that may fail.
func (m *Machine) Try(t testing.TB, argv ...string) (string, error) {
	t.Helper()
	out, err := m.Command(t.Context(), argv...).CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

// Path says where a file of the machine is seen from outside.
func (m *Machine) Path(file string) string {
	return filepath.Join("/proc", m.PID, "root", file)
}

// Eventually polls until ok returns true, and fails the test after the given time.
func (m *Machine) Eventually(t testing.TB, within time.Duration, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(within); !ok(); {
		if time.Now().After(end) {
			t.Fatalf("in machine %s, not after %v: %s", m.Name, within, what)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// Missing skips the test, or fails it when GOSTACK_REQUIRE is "all", as .ci/run asks.
func Missing(t testing.TB, why string) {
	t.Helper()
	if os.Getenv("GOSTACK_REQUIRE") == "all" {
		t.Fatal(why)
	}
	t.Skip(why)
}

// script finds scripts/machine above the test's working directory.
func script() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		path := filepath.Join(dir, "scripts", "machine")
		if _, err := os.Stat(path); err == nil {
			return path, nil
		}
		if dir == filepath.Dir(dir) {
			return "", fmt.Errorf("no scripts/machine above the working directory")
		}
		dir = filepath.Dir(dir)
	}
}
