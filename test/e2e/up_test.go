package e2e

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
)

// summary is what `gostack up -o json` prints, as far as a newcomer reads it.
type summary struct {
	Endpoint string `json:"endpoint"`
	Clouds   string `json:"clouds_yaml"`
	OpenRC   string `json:"openrc"`
	Key      string `json:"ssh_key"`
	User     string `json:"ssh_user"`
	First    struct {
		ServerID   string `json:"server_id"`
		FixedIP    string `json:"fixed_ip"`
		FloatingIP string `json:"floating_ip"`
	} `json:"first_server"`
}

const usersClouds = "# mine\nclouds:\n  work:\n    auth: {auth_url: https://work.example/v3}\n"

// TestUp is the newcomer's first hour: up, log in, SSH; up again; down and up again; crashes; and no trace at the end.
func TestUp(t *testing.T) {
	c := up(t, "--bare")
	if err := os.MkdirAll(c.Path("/root/.config/openstack"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(c.Path("/root/.config/openstack/clouds.yaml"), []byte(usersClouds), 0o600); err != nil {
		t.Fatal(err)
	}
	image := filepath.Join(root(), "build", "guest.qcow2")
	before := c.Run(t, "ls", "/sys/class/net")
	var s summary
	if err := json.Unmarshal([]byte(c.gostack("up", "-o", "json", "--image", image)), &s); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(c.Path(s.Key))
	if err != nil {
		t.Fatal(err)
	}
	key, err := ssh.ParsePrivateKey(b)
	if err != nil {
		t.Fatal(err)
	}
	boots := func() string { return c.shell(key, s.First.FloatingIP, "cat /proc/sys/kernel/random/boot_id") }
	boot := boots()

	t.Run("clients find their login", func(t *testing.T) {
		c := c.on(t)
		for _, f := range []string{s.Clouds, s.OpenRC, s.Key} {
			info, err := os.Stat(c.Path(f))
			if err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("%s: %v, %v", f, info, err)
			}
		}
		clouds, err := os.ReadFile(c.Path(s.Clouds))
		if err != nil || !strings.Contains(string(clouds), "# mine") || !strings.Contains(string(clouds), "https://work.example/v3") {
			t.Errorf("the user's clouds.yaml is now\n%s", clouds)
		}
		if l := c.list("server", "list"); len(l) != 1 || str(l[0], "Status") != "ACTIVE" || str(l[0], "ID") != s.First.ServerID {
			t.Errorf("servers %v", l)
		}
		if out, errs, err := c.exec(nil, "sh", "-c", ". "+s.OpenRC+" && openstack token issue -f value -c user_id"); err != nil || out == "" {
			t.Errorf("with the openrc: %v %s", err, errs)
		}
		if l := c.as("gostack-admin").list("hypervisor", "list"); len(l) != 1 {
			t.Errorf("hypervisors %v", l)
		}
	})
	t.Run("looking around", func(t *testing.T) {
		c := c.on(t)
		if out := c.gostack("status"); !strings.Contains(out, "nova-compute") {
			t.Errorf("status:\n%s", out)
		}
		if out := c.gostack("why", s.First.ServerID); !strings.Contains(out, "nova.server.create") || !strings.Contains(out, ": done") {
			t.Errorf("why:\n%s", out)
		}
		c.gostack("doctor")
		c.clean()
	})
	t.Run("up again changes nothing", func(t *testing.T) {
		c := c.on(t)
		var again summary
		if err := json.Unmarshal([]byte(c.gostack("up", "-o", "json", "--image", image)), &again); err != nil {
			t.Fatal(err)
		}
		if again.First != s.First {
			t.Errorf("%+v, was %+v", again.First, s.First)
		}
	})
	t.Run("the guest outlives gostack and its engines", func(t *testing.T) {
		c := c.on(t)
		c.kill("KILL")
		if got := boots(); got != boot {
			t.Error("the guest was restarted when gostack died")
		}
		c.gostack("up", "--image", image)
		c.gostack("down")
		c.gostack("up", "--image", image)
		if got := boots(); got != boot {
			t.Error("the guest was restarted by down and up")
		}
		for _, engine := range []string{"libvirtd", "ovn-controller"} {
			c.signal(engine, "KILL")
			c.back(engine)
		}
		if got := boots(); got != boot {
			t.Error("the guest was restarted when its engines died")
		}
		if st := str(c.show("server", "show", "first"), "status"); st != "ACTIVE" {
			t.Errorf("the server is %s", st)
		}
		c.clean()
	})
	t.Run("purge leaves no trace", func(t *testing.T) {
		c := c.on(t)
		c.gostack("down", "--purge")
		if clouds, err := os.ReadFile(c.Path(s.Clouds)); err != nil || strings.Contains(string(clouds), "gostack") || !strings.Contains(string(clouds), "work.example") {
			t.Errorf("clouds.yaml: %v\n%s", err, clouds)
		}
		for _, f := range []string{s.OpenRC, s.Key, "/run/gostack", "/var/lib/gostack", "/var/log/gostack", "/etc/openvswitch/conf.db"} {
			// A directory that is a mount of the pretend machine stays, empty.
			if left, err := c.Try(t, "find", f, "-not", "-empty", "-o", "-type", "f"); err == nil && left != "" {
				t.Errorf("%s is left:\n%s", f, left)
			}
		}
		for _, p := range []string{"qemu-system-x86_64", "libvirtd", "virtlogd", "ovs-vswitchd", "ovsdb-server", "ovn-northd", "ovn-controller", "gostack"} {
			if pid, err := c.Try(t, "pidof", p); err == nil {
				t.Errorf("%s runs: %s", p, pid)
			}
		}
		if out := c.Run(t, "ls", "/sys/class/net"); strings.Contains(out, "br-") || strings.Contains(out, "tap") {
			t.Errorf("interfaces %s (with the engines up they were %s)", strings.Fields(out), strings.Fields(before))
		}
		if out := c.Run(t, "ip", "netns"); out != "" {
			t.Errorf("namespaces: %s", out)
		}
	})
}
