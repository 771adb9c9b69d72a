// Package e2e walks the whole cloud with other people's clients, on real engines: libvirt and QEMU, Open vSwitch and OVN, in a
// pretend machine of its own. Nothing here knows how gostack works inside.
package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"gostack/test/machine"
)

// cloud is a machine with gostack on it.
type cloud struct {
	*machine.Machine
	t     *testing.T
	cloud string // in clouds.yaml
	*secrets
}

var root = sync.OnceValue(func() string {
	dir, err := os.Getwd()
	if err != nil {
		panic(err)
	}
	for ; dir != "/"; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
	}
	panic("no go.mod above the working directory")
})

// program builds the binary and the guest image once, as make build and make image do.
var program = sync.OnceValues(func() (string, error) {
	bin := filepath.Join(root(), "bin", "gostack")
	build := exec.Command("go", "build", "-o", bin, "./cmd/gostack")
	build.Dir, build.Env = root(), append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build: %w\n%s", err, out)
	}
	image := exec.Command("make", "-s", "build/guest.qcow2")
	image.Dir = root()
	if out, err := image.CombinedOutput(); err != nil {
		return "", fmt.Errorf("guest image: %w\n%s", err, out)
	}
	return bin, nil
})

// up starts a machine and gostack on it. args are added to "gostack up".
func up(t *testing.T, args ...string) *cloud {
	t.Helper()
	c := newMachine(t)
	c.gostack(append([]string{"up"}, args...)...)
	return c
}

// newMachine starts a machine on which gostack has not run yet.
func newMachine(t *testing.T) *cloud {
	t.Helper()
	for _, engine := range []string{"libvirtd", "qemu-system-x86_64", "ovs-vswitchd", "ovn-northd", "openstack"} {
		if _, err := exec.LookPath(engine); err != nil {
			if _, err := os.Stat("/usr/sbin/" + engine); err != nil {
				machine.Missing(t, "NOT TESTED end to end: "+engine+" is not installed; scripts/install-engines installs it")
			}
		}
	}
	if _, err := program(); err != nil {
		t.Fatal(err)
	}
	c := &cloud{Machine: machine.Start(t), t: t, cloud: "gostack", secrets: &secrets{seen: map[string]bool{}}}
	t.Cleanup(func() { c.noSecrets(t) })
	t.Cleanup(func() {
		if t.Failed() {
			c.autopsy()
		}
	})
	return c
}

// on reports to a subtest.
func (c *cloud) on(t *testing.T) *cloud { d := *c; d.t = t; return &d }

// as uses another cloud of clouds.yaml.
func (c *cloud) as(name string) *cloud { d := *c; d.cloud = name; return &d }

func (c *cloud) exec(env []string, argv ...string) (stdout, stderr string, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	cmd := c.Command(ctx, argv...)
	cmd.Env = append(append(cmd.Env, "HOME=/root"), env...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err = cmd.Run()
	return strings.TrimSpace(out.String()), strings.TrimSpace(errs.String()), err
}

// gostack runs our own command and returns what it printed.
func (c *cloud) gostack(args ...string) string {
	c.t.Helper()
	bin, err := program()
	if err != nil {
		c.t.Fatal(err)
	}
	out, errs, err := c.exec(nil, append([]string{bin}, args...)...)
	if err != nil {
		log, _ := os.ReadFile(c.Path("/var/log/gostack/gostack.log"))
		c.t.Fatalf("gostack %s: %v\n%s\n%s\nlog: %s", strings.Join(args, " "), err, out, errs, tail(string(log), 30))
	}
	return out
}

func tail(s string, lines int) string {
	all := strings.Split(strings.TrimSpace(s), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

// try runs the openstack client.
func (c *cloud) try(args ...string) (string, string, error) {
	return c.exec([]string{"OS_CLOUD=" + c.cloud}, append([]string{"openstack"}, args...)...)
}

// openstack runs Debian's client and fails the test when it fails.
func (c *cloud) openstack(args ...string) string {
	c.t.Helper()
	out, errs, err := c.try(args...)
	if err != nil {
		c.t.Fatalf("openstack %s: %v\n%s\n%s", strings.Join(args, " "), err, out, errs)
	}
	return out
}

// refused runs the client and wants it to fail, saying something.
func (c *cloud) refused(says string, args ...string) {
	c.t.Helper()
	out, errs, err := c.try(args...)
	if err == nil || !strings.Contains(out+errs, says) {
		c.t.Errorf("openstack %s: want a failure that says %q, got %v\n%s\n%s", strings.Join(args, " "), says, err, out, errs)
	}
}

// show runs the client with -f json and decodes an object.
func (c *cloud) show(args ...string) map[string]any {
	c.t.Helper()
	var v map[string]any
	out := c.openstack(append(args, "-f", "json")...)
	if err := json.Unmarshal([]byte(out), &v); err != nil {
		c.t.Fatalf("openstack %s: %v in\n%s", strings.Join(args, " "), err, out)
	}
	return v
}

// list runs the client with -f json and decodes a table.
func (c *cloud) list(args ...string) []map[string]any {
	c.t.Helper()
	var v []map[string]any
	out := c.openstack(append(args, "-f", "json")...)
	if err := json.Unmarshal([]byte(out), &v); err != nil {
		c.t.Fatalf("openstack %s: %v in\n%s", strings.Join(args, " "), err, out)
	}
	return v
}

func str(m map[string]any, key string) string { return fmt.Sprint(m[key]) }

// patience is how long a test waits for what usually takes seconds: emulated guests on a busy box are ten times slower, and a deadline costs
// nothing while all is well.
const patience = 6 * time.Minute

// eventually polls until ok, or fails after a time that is generous on a busy machine.
func (c *cloud) eventually(what string, ok func() bool) {
	c.t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(200 * time.Millisecond) {
		if time.Now().After(end) {
			c.t.Fatalf("in vain: %s", what)
		}
	}
}

// ssh runs a command in a guest through its floating IP.
func (c *cloud) ssh(key, ip, command string) (string, error) {
	out, _, err := c.exec(nil, "ssh", "-q", "-i", key, "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "BatchMode=yes",
		"-o", "ConnectTimeout=20", "cirros@"+ip, command)
	return out, err
}

// mustSSH waits until the guest lets us in and the command succeeds.
func (c *cloud) mustSSH(key, ip, command string) (out string) {
	c.t.Helper()
	c.eventually("ssh "+ip+" "+command, func() bool {
		var err error
		out, err = c.ssh(key, ip, command)
		return err == nil
	})
	return out
}

func (c *cloud) pings(ip string) bool {
	_, _, err := c.exec(nil, "ping", "-c", "1", "-W", "2", ip)
	return err == nil
}

// clean wants the audit to find nothing.
func (c *cloud) clean() {
	c.t.Helper()
	var rep struct {
		Findings []map[string]any
		Error    string
	}
	bin, _ := program()
	var last string
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		out, errs, _ := c.exec(nil, bin, "audit", "-o", "json")
		last = out + errs
		if json.Unmarshal([]byte(out), &rep) == nil && len(rep.Findings) == 0 && rep.Error == "" {
			return
		}
	}
	c.t.Errorf("the audit is not empty:\n%s", last)
}

// autopsy prints what helps to understand a failure.
func (c *cloud) autopsy() {
	log, _ := os.ReadFile(c.Path("/var/log/gostack/gostack.log"))
	var interesting []string
	for line := range strings.SplitSeq(string(log), "\n") {
		if strings.Contains(line, `"level":"ERROR"`) || strings.Contains(line, `"level":"WARN"`) {
			interesting = append(interesting, line)
		}
	}
	c.t.Logf("errors in gostack.log:\n%s", tail(strings.Join(interesting, "\n"), 40))
	bin, _ := program()
	out, errs, _ := c.exec(nil, bin, "status")
	c.t.Logf("status:\n%s\n%s", out, errs)
}
