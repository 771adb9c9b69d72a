package lab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Machine is one machine of the lab.
type Machine struct {
	Name    string
	Address string // on the underlay
	// Processes run on it, in the order of their start. They come up with the machine unless they wait for a later phase.
	Processes []*Process

	lab      *Lab
	number   int
	provider bool                        // has a second cable, to the provider network
	booted   func(context.Context) error // after every power-on, before the processes
	settled  bool                        // what waits for a later phase has been started once: from now on it starts with the machine
}

func (l *Lab) machine(name string, number int) *Machine {
	return &Machine{Name: name, Address: fmt.Sprintf("10.99.0.%d", number), lab: l, number: number}
}

// disks is where the machines' disks are. It lies below the fabric's own, so they end together.
func (l *Lab) disks() string { return filepath.Join(l.Dir, "machines") }

func (l *Lab) script(ctx context.Context, args ...string) (*exec.Cmd, error) {
	dir, err := root()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, filepath.Join(dir, "scripts", "machine"), args...)
	cmd.Env = append(os.Environ(), "GOSTACK_MACHINES="+l.disks())
	cmd.WaitDelay = time.Minute
	return cmd, nil
}

// On gives the machine power: it boots and starts its processes. A machine that is on is left alone, but for processes that do not run.
func (m *Machine) On(ctx context.Context) error {
	if m.pid() == "" {
		if err := m.boot(ctx); err != nil {
			return fmt.Errorf("%s: %w", m.Name, err)
		}
	}
	for _, p := range m.Processes {
		if p.later && !m.settled {
			continue
		}
		if err := p.Start(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (m *Machine) boot(ctx context.Context) error {
	cmd, err := m.lab.script(ctx, "start", m.Name)
	if err != nil {
		return err
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, bytes.TrimSpace(out))
	}
	if err := m.plug(ctx); err != nil {
		return err
	}
	if m.booted != nil {
		return m.booted(ctx)
	}
	return nil
}

// Off cuts the power: every process of the machine dies at once; its disk stays.
func (m *Machine) Off(ctx context.Context) error {
	// The cables go first: a dying namespace can hold its ends for a while.
	if err := m.unplug(); err != nil {
		return err
	}
	cmd, err := m.lab.script(ctx, "off", m.Name)
	if err != nil {
		return err
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: power off: %w: %s", m.Name, err, bytes.TrimSpace(out))
	}
	return nil
}

// pid is the process id of the machine's PID 1, seen from the fabric; empty when the machine is off.
func (m *Machine) pid() string {
	b, err := os.ReadFile(filepath.Join(m.lab.disks(), m.Name, "pid"))
	if err != nil {
		return ""
	}
	pid, _, _ := strings.Cut(strings.TrimSpace(string(b)), " ")
	if stat, err := os.ReadFile("/proc/" + pid + "/stat"); err != nil || strings.Contains(string(stat), ") Z ") {
		return ""
	}
	return pid
}

// Powered tells whether the machine is on.
func (m *Machine) Powered() bool { return m.pid() != "" }

// Path is where a file of the machine is seen from the fabric, while it is on.
func (m *Machine) Path(file string) string { return filepath.Join("/proc", m.pid(), "root", file) }

// Command prepares a command on the machine. It dies with ctx; a daemon that it detaches stays.
func (m *Machine) Command(ctx context.Context, argv ...string) (*exec.Cmd, error) {
	cmd, err := m.lab.script(ctx, append([]string{"exec", m.Name, "--"}, argv...)...)
	if err == nil {
		cmd.Env = append(cmd.Env, "HOME=/root")
	}
	return cmd, err
}

// Run runs a command on the machine and returns what it printed, trimmed. The error carries it too.
func (m *Machine) Run(ctx context.Context, argv ...string) (string, error) {
	cmd, err := m.Command(ctx, argv...)
	if err != nil {
		return "", err
	}
	// A file and not a pipe: a daemon that keeps it open must not hold us.
	said, err := os.CreateTemp("", "lab-said-")
	if err != nil {
		return "", err
	}
	defer os.Remove(said.Name())
	defer said.Close()
	cmd.Stdout, cmd.Stderr = said, said
	err = cmd.Run()
	b, readErr := os.ReadFile(said.Name())
	out := strings.TrimSpace(string(b))
	if err != nil {
		return out, fmt.Errorf("on %s: %s: %w: %s", m.Name, strings.Join(argv, " "), err, out)
	}
	return out, readErr
}

// Shell runs a script with sh -e.
func (m *Machine) Shell(ctx context.Context, script string) (string, error) {
	return m.Run(ctx, "sh", "-ec", script)
}

// Write stores a file on the machine.
func (m *Machine) Write(file, content string, mode fs.FileMode) error {
	path := m.Path(file)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(path, []byte(content), mode); err != nil {
		return err
	}
	return os.Chmod(path, mode)
}

// Process finds a process of the machine by name.
func (m *Machine) Process(name string) *Process {
	for _, p := range m.Processes {
		if p.Name == name {
			return p
		}
	}
	return nil
}

// signal sends a signal to a process of the machine, by its process id there.
func (m *Machine) signal(ctx context.Context, pid int, sig syscall.Signal) error {
	_, err := m.Run(ctx, "kill", fmt.Sprintf("-%d", int(sig)), fmt.Sprint(pid))
	if err != nil && m.alive(pid) {
		return err
	}
	return nil
}

// alive looks for a process by its id on the machine; one that has ended but was not reaped does not live.
func (m *Machine) alive(pid int) bool {
	if m.pid() == "" {
		return false
	}
	b, err := os.ReadFile(m.Path(fmt.Sprintf("/proc/%d/stat", pid)))
	return err == nil && !strings.Contains(string(b), ") Z ") && !strings.Contains(string(b), ") X ")
}

var errOff = errors.New("the machine is off")
