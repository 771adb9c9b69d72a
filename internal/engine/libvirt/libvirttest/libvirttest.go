// Package libvirttest gives a test binary a machine of its own with a real
// libvirtd: new mount, network, process and host name namespaces, so that
// nothing of the host is touched and everything dies with the test.
//
//	func TestMain(m *testing.M) { libvirttest.Main(m) }
//
// Needs root, util-linux, iproute2, libvirtd and QEMU. Where they are missing the tests run
// in the outer world and [Need] skips those that want the engine.
package libvirttest

import (
	_ "embed"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

//go:embed machine.sh
var machineScript string

const inside = "GOSTACK_LIBVIRTTEST_INSIDE"

// Socket is libvirtd's socket inside the machine.
const Socket = "/run/libvirt/libvirt-sock"

// Main runs the tests inside a machine when one can be made.
func Main(m *testing.M) {
	if os.Getenv(inside) != "" || missing() != "" || fuzzing() {
		code := m.Run()
		daemon.stop()
		os.Exit(code)
	}
	code, err := enter()
	if err != nil {
		fmt.Fprintln(os.Stderr, "libvirttest:", err)
		os.Exit(1)
	}
	os.Exit(code)
}

// fuzzing: the workers of a fuzz run talk to each other through files that do
// not come along into a machine, and parsers need none.
func fuzzing() bool {
	return slices.ContainsFunc(os.Args, func(a string) bool {
		return strings.HasPrefix(a, "-test.fuzz=") || strings.HasPrefix(a, "-test.fuzzworker")
	})
}

// enter runs this test binary again as a child of the machine's PID 1.
func enter() (int, error) {
	dir, err := os.MkdirTemp("", "libvirttest")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	script := filepath.Join(dir, "machine.sh")
	if err := os.WriteFile(script, []byte(machineScript), 0o700); err != nil {
		return 0, err
	}
	self, err := os.Executable()
	if err != nil {
		return 0, err
	}
	args := append([]string{
		"-m", "-n", "-p", "-u", "-i", "-f", "--kill-child", "--mount-proc", "--propagation", "private",
		"bash", script, dir, self,
	}, os.Args[1:]...)
	cmd := exec.Command("unshare", args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), inside+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	err = cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode(), nil
	}
	return 0, err
}

// missing names what this machine lacks, or "".
func missing() string {
	if os.Getuid() != 0 {
		return "root"
	}
	for _, tool := range []string{"unshare", "ip", "libvirtd", "qemu-img", "qemu-system-x86_64"} {
		if _, err := exec.LookPath(tool); err != nil {
			return tool
		}
	}
	return ""
}

// Need makes sure that libvirtd runs, or skips the test (under
// GOSTACK_REQUIRE=all: fails it).
func Need(t testing.TB) *Daemon {
	t.Helper()
	lack := missing()
	if lack == "" && os.Getenv(inside) == "" {
		lack = "a machine of its own: call libvirttest.Main in TestMain"
	}
	if lack != "" {
		if os.Getenv("GOSTACK_REQUIRE") == "all" {
			t.Fatalf("libvirt tests need %s", lack)
		}
		t.Skipf("SKIPPED, NOT TESTED: libvirt tests need %s", lack)
	}
	if err := daemon.Start(); err != nil {
		t.Fatalf("libvirtd: %v", err)
	}
	return &daemon
}

// Daemon is the machine's libvirtd.
type Daemon struct {
	mu  sync.Mutex
	cmd *exec.Cmd
}

var daemon Daemon

// Start starts libvirtd unless it runs, and waits until it listens.
func (d *Daemon) Start() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.cmd != nil {
		return nil
	}
	if err := startLog(); err != nil {
		return err
	}
	cmd := exec.Command("libvirtd")
	out, err := os.Create("/var/log/libvirt/stderr.log")
	if err != nil {
		return err
	}
	defer out.Close()
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		return err
	}
	d.cmd = cmd
	for end := time.Now().Add(2 * time.Minute); time.Now().Before(end); time.Sleep(50 * time.Millisecond) { // polled: a socket file has no event
		if c, err := net.Dial("unix", Socket); err == nil {
			return c.Close()
		}
	}
	log, _ := os.ReadFile("/var/log/libvirt/stderr.log")
	return fmt.Errorf("does not listen: %s", strings.TrimSpace(string(log)))
}

// startLog starts virtlogd, which writes the guests' console logs; it lives as
// long as the machine.
func startLog() error {
	if _, err := os.Stat("/run/libvirt/virtlogd-sock"); err == nil {
		return nil
	}
	out, err := exec.Command("virtlogd", "--daemon", "--pid-file", "/run/virtlogd.pid").CombinedOutput()
	if err != nil {
		return fmt.Errorf("virtlogd: %w: %s", err, out)
	}
	return nil
}

// Kill ends libvirtd at once, as a crash does.
func (d *Daemon) Kill() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.cmd == nil {
		return
	}
	_ = d.cmd.Process.Kill()
	_ = d.cmd.Wait()
	d.cmd = nil
}

// Freeze stops libvirtd in its tracks: it listens and never answers. Thaw lets
// it go on.
func (d *Daemon) Freeze() error { return d.signal(syscall.SIGSTOP) }

// Thaw ends Freeze.
func (d *Daemon) Thaw() error { return d.signal(syscall.SIGCONT) }

func (d *Daemon) signal(sig syscall.Signal) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.cmd == nil {
		return errors.New("libvirtd does not run")
	}
	return d.cmd.Process.Signal(sig)
}

func (d *Daemon) stop() { d.Kill() }
