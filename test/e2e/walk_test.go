package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestWalk is the walk of a newcomer who brings the openstack client: from an empty cloud to servers that talk, and back to nothing.
func TestWalk(t *testing.T) {
	c := up(t, "--bare")
	c.adminCloud()
	admin := c.as("admin")
	w := &walker{cloud: c}

	steps := []struct {
		name string
		do   func(*walker)
	}{
		{"project and user", (*walker).people},
		{"image and flavor", (*walker).imageAndFlavor},
		{"external network", (*walker).external},
		{"tenant networks and router", (*walker).networks},
		{"key pair and security group", (*walker).access},
		{"first server boots and answers", (*walker).firstServer},
		{"second server on another network, across the router", (*walker).secondServer},
		{"removing the ICMP rule stops the ping", (*walker).icmp},
		{"another project sees nothing", (*walker).strangers},
		{"console", (*walker).console},
		{"power actions keep disk and address", (*walker).power},
		{"refusals", (*walker).refusals},
		{"everything goes again", (*walker).demolish},
	}
	for _, s := range steps {
		ok := t.Run(s.name, func(t *testing.T) {
			w.cloud = c.on(t)
			w.admin = admin.on(t)
			w.member = c.as("member").on(t)
			s.do(w)
		})
		if !ok {
			return // the rest stands on it
		}
	}
}

type walker struct {
	*cloud
	admin, member       *cloud
	key                 string
	first, firstIP      string
	second, secondFixed string
}

// adminCloud writes clouds.yaml entries by hand, as an operator who did not use gostack up's would.
func (c *cloud) adminCloud() {
	c.t.Helper()
	pass, err := os.ReadFile(c.Path("/var/lib/gostack/keystone/admin-password"))
	if err != nil {
		c.t.Fatal(err)
	}
	c.writeClouds(map[string][3]string{"admin": {"admin", "admin", strings.TrimSpace(string(pass))}, "member": {"ann", "walkers", "walk-walk-7"}, "other": {"bob", "strangers", "strange-8"}})
}

func (c *cloud) writeClouds(logins map[string][3]string) {
	clouds := map[string]any{}
	for name, l := range logins {
		clouds[name] = map[string]any{"region_name": "RegionOne", "identity_api_version": 3, "auth": map[string]any{
			"auth_url": "http://127.0.0.1:5000/identity/v3", "username": l[0], "project_name": l[1], "password": l[2],
			"user_domain_name": "Default", "project_domain_name": "Default",
		}}
	}
	b, err := json.Marshal(map[string]any{"clouds": clouds}) // JSON is YAML
	if err != nil {
		c.t.Fatal(err)
	}
	dir := c.Path("/root/.config/openstack")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		c.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "clouds.yaml"), b, 0o600); err != nil {
		c.t.Fatal(err)
	}
}

func (w *walker) people() {
	for _, p := range [][3]string{{"walkers", "ann", "walk-walk-7"}, {"strangers", "bob", "strange-8"}} {
		w.admin.openstack("project", "create", p[0])
		w.admin.openstack("user", "create", "--project", p[0], "--password", p[2], p[1])
		w.admin.openstack("role", "add", "--project", p[0], "--user", p[1], "member")
	}
	w.member.openstack("token", "issue")
}

func (w *walker) imageAndFlavor() {
	image := filepath.Join(root(), "build", "guest.qcow2")
	got := w.admin.show("image", "create", "--disk-format", "qcow2", "--container-format", "bare", "--public", "--min-ram", "96", "--file", image,
		"--property", "hw_rng_model=virtio", "mini")
	if str(got, "status") != "active" && str(w.admin.show("image", "show", "mini"), "status") != "active" {
		w.t.Fatalf("image is %v", got)
	}
	w.admin.openstack("flavor", "create", "--ram", "160", "--disk", "1", "--vcpus", "1", "small")
	back := w.Path("/root/back.qcow2")
	w.member.openstack("image", "save", "--file", "/root/back.qcow2", "mini")
	a, err := os.ReadFile(image)
	if err != nil {
		w.t.Fatal(err)
	}
	b, err := os.ReadFile(back)
	if err != nil || string(a) != string(b) {
		w.t.Errorf("the image came back different: %d and %d bytes, %v", len(a), len(b), err)
	}
}

func (w *walker) external() {
	w.admin.openstack("network", "create", "--external", "--provider-network-type", "flat", "--provider-physical-network", "physnet1", "outside")
	w.admin.openstack("subnet", "create", "--network", "outside", "--subnet-range", "172.24.4.0/24", "--no-dhcp", "--gateway", "172.24.4.1",
		"--allocation-pool", "start=172.24.4.50,end=172.24.4.99", "outside-v4")
}

func (w *walker) networks() {
	w.member.openstack("router", "create", "r1")
	w.member.openstack("router", "set", "--external-gateway", "outside", "r1")
	for i, name := range []string{"green", "blue"} {
		w.member.openstack("network", "create", name)
		w.member.openstack("subnet", "create", "--network", name, "--subnet-range", fmt.Sprintf("10.20.%d.0/24", i+1), name+"-v4")
		w.member.openstack("router", "add", "subnet", "r1", name+"-v4")
	}
}

func (w *walker) access() {
	w.key = "/root/walk-key"
	w.Run(w.t, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", w.key)
	w.member.openstack("keypair", "create", "--public-key", w.key+".pub", "walk")
	w.member.openstack("security", "group", "create", "open")
	w.member.openstack("security", "group", "rule", "create", "--protocol", "tcp", "--dst-port", "22", "open")
	w.member.openstack("security", "group", "rule", "create", "--protocol", "icmp", "open")
}

const userData = "#!/bin/sh\necho walked-here > /root/user-data-ran\n"

func (w *walker) firstServer() {
	if err := os.WriteFile(w.Path("/root/user-data"), []byte(userData), 0o600); err != nil {
		w.t.Fatal(err)
	}
	s := w.member.show("server", "create", "--wait", "--image", "mini", "--flavor", "small", "--network", "green", "--key-name", "walk",
		"--security-group", "open", "--user-data", "/root/user-data", "--property", "purpose=walk", "one")
	w.first = str(s, "id")
	if str(s, "status") != "ACTIVE" {
		w.t.Fatalf("server is %v", s)
	}
	w.firstIP = str(w.member.show("floating", "ip", "create", "outside"), "floating_ip_address")
	w.member.openstack("server", "add", "floating", "ip", "one", w.firstIP)
	w.eventually("ping "+w.firstIP, func() bool { return w.pings(w.firstIP) })
	if host := w.mustSSH(w.key, w.firstIP, "hostname"); host != "one" {
		w.t.Errorf("the guest calls itself %q", host)
	}
	if out := w.mustSSH(w.key, w.firstIP, "sudo cat /root/user-data-ran"); out != "walked-here" {
		w.t.Errorf("user data: %q", out)
	}
	// The disk has grown to the flavor's.
	if out := w.mustSSH(w.key, w.firstIP, "df -m / | tail -1 | awk '{print $2}'"); len(out) < 3 {
		w.t.Errorf("the root disk has %s MiB", out)
	}
}

func (w *walker) secondServer() {
	s := w.member.show("server", "create", "--wait", "--image", "mini", "--flavor", "small", "--network", "blue", "--key-name", "walk",
		"--security-group", "open", "--config-drive", "True", "two")
	w.second = str(s, "id")
	for _, p := range w.member.list("port", "list", "--server", "two", "--long") {
		ips, _ := p["Fixed IP Addresses"].([]any)
		ip, _ := ips[0].(map[string]any)
		w.secondFixed = str(ip, "ip_address")
	}
	w.eventually("a ping from one to two across the router", func() bool {
		_, err := w.ssh(w.key, w.firstIP, "ping -c 1 -W 2 "+w.secondFixed)
		return err == nil
	})
	// Through the first guest into the second, with the key that metadata or config drive brought.
	w.eventually("config drive in the second guest", func() bool {
		log := w.member.openstack("console", "log", "show", "two")
		return strings.Contains(log, "config-drive") || strings.Contains(log, "config drive")
	})
}

func (w *walker) icmp() {
	rules := w.member.list("security", "group", "rule", "list", "--protocol", "icmp", "open")
	if len(rules) != 1 {
		w.t.Fatalf("rules %v", rules)
	}
	w.member.openstack("security", "group", "rule", "delete", str(rules[0], "ID"))
	w.eventually("the ping stops", func() bool { return !w.pings(w.firstIP) })
	w.mustSSH(w.key, w.firstIP, "true") // SSH goes on
	w.member.openstack("security", "group", "rule", "create", "--protocol", "icmp", "open")
	w.eventually("the ping comes back", func() bool { return w.pings(w.firstIP) })
}

func (w *walker) strangers() {
	bob := w.as("other")
	if l := bob.list("server", "list"); len(l) != 0 {
		w.t.Errorf("servers: %v", l)
	}
	for _, n := range bob.list("network", "list") {
		if name := str(n, "Name"); name != "outside" {
			w.t.Errorf("sees network %s", name)
		}
	}
	if l := bob.list("port", "list"); len(l) != 0 {
		w.t.Errorf("ports: %v", l)
	}
	bob.refused("", "server", "show", w.first)
	bob.refused("", "server", "delete", w.first)
	bob.refused("", "server", "create", "--image", "mini", "--flavor", "small", "--network", "green", "thief")
	if s := w.member.show("server", "show", "one"); str(s, "status") != "ACTIVE" {
		w.t.Errorf("afterwards the server is %s", str(s, "status"))
	}
}

func (w *walker) console() {
	w.eventually("login prompt on the console", func() bool {
		return strings.Contains(w.member.openstack("console", "log", "show", "one"), "login:")
	})
	url := str(w.member.show("console", "url", "show", "--novnc", "one"), "url")
	if !strings.Contains(url, "token=") && !strings.Contains(url, "token%3D") {
		w.t.Errorf("console URL %q", url)
	}
}

func (w *walker) power() {
	w.mustSSH(w.key, w.firstIP, "sudo sh -c 'echo kept > /root/kept; sync'")
	status := func() string { return str(w.member.show("server", "show", "one"), "status") }
	for _, s := range []struct{ verb, want string }{{"stop", "SHUTOFF"}, {"start", "ACTIVE"}, {"pause", "PAUSED"}, {"unpause", "ACTIVE"}, {"suspend", "SUSPENDED"}, {"resume", "ACTIVE"}} {
		w.member.openstack("server", s.verb, "one")
		w.eventually(s.verb+" leads to "+s.want, func() bool { return status() == s.want })
	}
	if out := w.mustSSH(w.key, w.firstIP, "sudo cat /root/kept"); out != "kept" {
		w.t.Errorf("the disk lost %q", out)
	}
	for _, kind := range []string{"--soft", "--hard"} {
		w.member.openstack("server", "reboot", kind, "--wait", "one")
		if out := w.mustSSH(w.key, w.firstIP, "sudo cat /root/kept"); out != "kept" {
			w.t.Errorf("after a %s reboot the disk lost %q", kind, out)
		}
	}
	w.member.openstack("server", "lock", "one")
	w.member.openstack("server", "unlock", "one")
}

func (w *walker) refusals() {
	w.member.refused("", "server", "create", "--image", "no-such-image", "--flavor", "small", "--network", "green", "x")
	w.admin.openstack("flavor", "create", "--ram", "64", "--disk", "1", "--vcpus", "1", "tiny")
	w.member.refused("memory is too small", "server", "create", "--image", "mini", "--flavor", "tiny", "--network", "green", "x")
	w.member.refused("", "subnet", "create", "--network", "green", "--subnet-range", "10.20.1.0/25", "overlap")
	w.member.refused("", "network", "delete", "green")
	w.member.refused("", "network", "create", "--external", "mine")
	w.member.refused("", "user", "list")
	w.member.refused("", "server", "start", "one")
	if l := w.member.list("server", "list"); len(l) != 2 {
		w.t.Errorf("servers now: %v", l)
	}
}

func (w *walker) demolish() {
	w.member.openstack("server", "delete", "--wait", "one", "two")
	w.member.openstack("floating", "ip", "delete", w.firstIP)
	for _, name := range []string{"green", "blue"} {
		w.member.openstack("router", "remove", "subnet", "r1", name+"-v4")
		w.member.openstack("network", "delete", name)
	}
	w.member.openstack("router", "delete", "r1")
	w.member.openstack("security", "group", "delete", "open")
	w.member.openstack("keypair", "delete", "walk")
	w.admin.openstack("network", "delete", "outside")
	w.admin.openstack("image", "delete", "mini")
	w.admin.openstack("flavor", "delete", "small", "tiny")
	w.clean()
	if out, _, _ := w.exec(nil, "virsh", "-q", "list", "--all"); out != "" {
		w.t.Errorf("libvirt still has\n%s", out)
	}
	// The audit does not complain of what is on its way.
	w.eventually("OVN has no switches", func() bool {
		out, _, err := w.exec(nil, "ovn-nbctl", "--bare", "--columns=name", "list", "logical_switch")
		return err == nil && out == ""
	})
}
