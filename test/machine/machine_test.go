package machine_test

import (
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"gostack/test/machine"
)

// What is done in a machine is not seen outside, and nothing of it is left.
func TestMachineIsItsOwn(t *testing.T) {
	var name, sleeper string
	t.Run("machine", func(t *testing.T) {
		m := machine.Start(t)
		name = m.Name
		if got := m.Run(t, "hostname"); got != name {
			t.Errorf("host name %q, want %q", got, name)
		}
		m.Run(t, "sh", "-c", "echo mine >/etc/gostack/file; echo mine >/etc/only-in-the-machine; ip link add br-mine type bridge")
		if got, err := os.ReadFile(m.Path("/etc/gostack/file")); err != nil || string(got) != "mine\n" {
			t.Errorf("seen from outside: %q, %v", got, err)
		}
		if _, err := os.Stat("/etc/only-in-the-machine"); err == nil {
			t.Error("a file written in the machine is on this box")
		}
		if _, err := net.InterfaceByName("br-mine"); err == nil {
			t.Error("a bridge made in the machine is on this box")
		}
		if got := m.Run(t, "ls", "/sys/class/net"); !strings.Contains(got, "br-mine") {
			t.Errorf("/sys/class/net of the machine shows %q", got)
		}
		// A daemon stays when the command that started it ends.
		sleeper = "3" + name[1:strings.IndexByte(name, '-')]
		m.Run(t, "sh", "-c", "setsid -f sleep "+sleeper+" >/dev/null 2>&1")
		if got := m.Run(t, "ps", "ax"); !strings.Contains(got, "sleep "+sleeper) {
			t.Errorf("the daemon is gone:\n%s", got)
		}
		// What is not a daemon dies with its caller.
		if out, err := m.Try(t, "false"); err == nil {
			t.Errorf("no error from false: %s", out)
		}
	})
	out, err := exec.Command("ps", "ax", "-o", "args").Output()
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(out), "sleep "+sleeper) {
		t.Error("a process survived its machine")
	}
	if matches, _ := exec.Command("sh", "-c", "ls -d /sys/fs/cgroup/gostack-machine-"+name+" /sys/fs/cgroup/*/gostack-machine-"+name).Output(); len(matches) > 0 {
		t.Errorf("cgroups left behind: %s", matches)
	}
}

// A killed caller takes its machine with it.
func TestMachineDiesWithItsCaller(t *testing.T) {
	m := machine.Start(t) // skips where machines cannot run
	run := exec.Command("../../scripts/machine", "run", m.Name+"-killed", "--", "sleep", "1000")
	if err := run.Start(); err != nil {
		t.Fatal(err)
	}
	m.Eventually(t, 3*time.Minute, "the machine starts", func() bool {
		return strings.Trim(state(t, run.Args[2]), "0123456789") == ""
	})
	if err := run.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	run.Wait()
	m.Eventually(t, 3*time.Minute, "the machine is off", func() bool {
		now := state(t, run.Args[2])
		return now == "off" || now == "unknown" // a machine that another package's test starts at this moment sweeps too
	})
	machine.Start(t) // sweeps what the killed caller could not
	if got := state(t, run.Args[2]); got != "unknown" {
		t.Errorf("the disk of a killed caller's machine is still there: %s", got)
	}
}

// state is the pid of a machine's PID 1, "off", or "unknown".
func state(t *testing.T, name string) string {
	t.Helper()
	out, err := exec.Command("../../scripts/machine", "list").Output()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(out)) {
		if rest, ok := strings.CutPrefix(strings.TrimSpace(line), name+" "); ok {
			return rest
		}
	}
	return "unknown"
}

func TestInsideRunsInAMachine(t *testing.T) {
	machine.Inside(t, func(t *testing.T) {
		if os.Getenv("GOSTACK_MACHINE") == "" {
			t.Fatal("not in a machine")
		}
		links, err := net.Interfaces()
		if err != nil || len(links) != 1 || links[0].Name != "lo" {
			t.Errorf("network interfaces %v, %v; want only lo", links, err)
		}
	})
}

func TestOwnFiles(t *testing.T) {
	machine.Inside(t, func(t *testing.T) {
		for file, own := range map[string]bool{"/etc/made-here": true, "/var/lib/gostack/made-here": true, "/etc/passwd": false, "/etc/nowhere": false} {
			if own {
				if err := os.WriteFile(file, nil, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if machine.Own(file) != own {
				t.Errorf("%s: made in the machine: %t", file, !own)
			}
		}
	})
}
