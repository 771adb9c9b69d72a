package e2e

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestEnginesStopped stops libvirtd and ovn-controller in the middle of creating and of deleting servers: killed, so that the supervisor starts
// them again, and frozen, so that they do not answer for a while. Every server ends where it was asked to, and nothing is left behind.
func TestEnginesStopped(t *testing.T) {
	c := up(t, "--bare")
	r := newREST(c)
	bystander := r.boot("bystander")
	r.await(bystander, "ACTIVE")
	process := func() string { return strings.TrimSpace(c.Run(t, "pgrep", "-f", "--", "-uuid "+bystander)) }
	before := process()

	for _, engine := range []string{"libvirtd", "ovn-controller"} {
		for how, disturb := range map[string]func(c *cloud, meanwhile func()){
			"killed at once": func(c *cloud, _ func()) { c.signal(engine, "KILL") },
			"killed at work": func(c *cloud, meanwhile func()) { meanwhile(); c.signal(engine, "KILL") },
			"frozen": func(c *cloud, meanwhile func()) {
				pid := c.signal(engine, "STOP")
				meanwhile()
				c.Run(c.t, "kill", "-CONT", pid)
			},
		} {
			t.Run(engine+" "+how, func(t *testing.T) {
				c := c.on(t)
				r := r.on(c)
				id := r.boot("victim")
				disturb(c, func() { r.seen(id, "spawning") })
				r.await(id, "ACTIVE")
				c.back(engine)

				r.do(http.MethodDelete, "/compute/v2.1/servers/"+id, nil, nil)
				disturb(c, func() { r.seen(id, "deleting") })
				r.await(id, "")
				c.back(engine)
				c.clean()
			})
		}
	}
	if after := process(); after != before || r.status(bystander) != "ACTIVE" {
		t.Errorf("the bystander was disturbed: process %s, was %s, status %s", after, before, r.status(bystander))
	}
	r.do(http.MethodDelete, "/compute/v2.1/servers/"+bystander, nil, nil)
	r.await(bystander, "")
	c.clean()
}

// signal sends a signal to an engine and returns its process id. One that is killed has gone afterwards.
func (c *cloud) signal(engine, signal string) string {
	c.t.Helper()
	c.back(engine)
	pid := c.engine(engine)
	c.Run(c.t, "kill", "-"+signal, pid)
	if signal == "KILL" {
		c.eventually(engine+" dies", func() bool { return c.engine(engine) != pid })
	}
	return pid
}

// pidFiles is where engines write their process ids. Looking for a name would also find a child that has not called exec yet, and would miss an
// engine that waits for the disk.
var pidFiles = map[string]string{"libvirtd": "/run/libvirtd.pid", "ovn-controller": "/run/ovn/ovn-controller.pid"}

// engine is an engine's process id, or "".
func (c *cloud) engine(name string) string {
	b, err := os.ReadFile(c.Path(pidFiles[name]))
	pid := strings.TrimSpace(string(b))
	if err != nil || pid == "" {
		return ""
	}
	stat, err := os.ReadFile(c.Path(filepath.Join("/proc", pid, "stat")))
	if err != nil || !strings.Contains(string(stat), "("+name+")") || strings.Contains(string(stat), ") Z ") || strings.Contains(string(stat), ") X ") {
		return ""
	}
	return pid
}

// back waits until an engine runs again.
func (c *cloud) back(engine string) {
	c.t.Helper()
	c.eventually(engine+" runs", func() bool { return c.engine(engine) != "" })
}

// seen waits until a server's task is the given one, or has already passed: it is ACTIVE or gone.
func (r *restClient) seen(id, task string) {
	r.c.t.Helper()
	r.c.eventually(fmt.Sprintf("server %s is %s", id, task), func() bool {
		status, body, err := r.try(http.MethodGet, "/compute/v2.1/servers/"+id, nil, nil)
		return err == nil && (status == http.StatusNotFound || strings.Contains(body, `"`+task+`"`) || strings.Contains(body, `"ACTIVE"`) && task != "deleting")
	})
}
