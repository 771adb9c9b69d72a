// Package ovntest starts real OVN and Open vSwitch (userspace datapath) inside a pretend machine, and plugs network namespaces in as
// guests. Call it only in the body of machine.Inside: it uses the engines' default paths.
package ovntest

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"gostack/test/machine"
)

// Where the databases listen.
const (
	Northbound = "unix:/run/ovn/ovnnb_db.sock"
	Southbound = "unix:/run/ovn/ovnsb_db.sock"
	Switch     = "unix:/run/openvswitch/db.sock"
)

// Physnet is the physical network that the host maps to its bridge br-ex.
const Physnet = "physnet1"

// Host is a machine that runs OVN's central part and is a chassis.
type Host struct {
	// Name is its host name and system-id.
	Name string
}

// Start starts everything and waits until the host is a chassis. The machine's end stops it.
func Start(t testing.TB) *Host {
	t.Helper()
	for _, tool := range []string{"ovsdb-server", "ovs-vswitchd", "ovn-northd", "ovn-controller", "ovs-vsctl"} {
		if _, err := exec.LookPath(tool); err != nil {
			machine.Missing(t, "OVN is not installed: "+err.Error())
		}
	}
	name, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	h := &Host{Name: name}
	directories(t)
	Run(t, "ovsdb-tool", "create", "/etc/openvswitch/conf.db", "/usr/share/openvswitch/vswitch.ovsschema")
	h.StartSwitchDB(t)
	Run(t, "ovs-vsctl", "--no-wait", "init", "--", "set", "Open_vSwitch", ".", "external-ids:system-id="+name, "external-ids:hostname="+name,
		"external-ids:ovn-remote="+Southbound, "external-ids:ovn-encap-type=geneve", "external-ids:ovn-encap-ip=127.0.0.1",
		"external-ids:ovn-bridge-datapath-type=netdev", "external-ids:ovn-bridge-mappings="+Physnet+":br-ex")
	Run(t, "ovs-vswitchd", "--pidfile", "--detach", "--no-chdir", "--log-file")
	h.startDatabases(t)
	Run(t, "ovn-northd", "--ovnnb-db="+Northbound, "--ovnsb-db="+Southbound, "--pidfile", "--detach", "--no-chdir", "--log-file")
	Run(t, "ovs-vsctl", "add-br", "br-ex", "--", "set", "bridge", "br-ex", "datapath_type=netdev")
	Run(t, "ip", "link", "set", "br-ex", "up")
	h.StartController(t)
	Eventually(t, "the host is a chassis", func() bool {
		out, err := exec.Command("ovn-sbctl", "--bare", "--columns=name", "list", "chassis").Output()
		return err == nil && strings.TrimSpace(string(out)) == name
	})
	t.Cleanup(func() {
		if !t.Failed() {
			return
		}
		for _, log := range []string{"/var/log/openvswitch/ovn-controller.log", "/var/log/ovn/ovn-controller.log", "/var/log/openvswitch/ovn-northd.log"} {
			out, _ := exec.Command("grep", "-E", "WARN|ERR", log).Output()
			t.Logf("%s:\n%s", log, tail(out))
		}
	})
	return h
}

// StartDatabases starts only OVN's two databases: rows, and nobody who acts on them.
func StartDatabases(t testing.TB) *Host {
	t.Helper()
	if _, err := exec.LookPath("ovsdb-server"); err != nil {
		machine.Missing(t, "OVN is not installed: "+err.Error())
	}
	h := &Host{}
	directories(t)
	h.startDatabases(t)
	return h
}

func directories(t testing.TB) {
	t.Helper()
	for _, dir := range []string{"/run/openvswitch", "/run/ovn", "/var/log/ovn", "/var/log/openvswitch", "/var/lib/ovn"} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
}

func (h *Host) startDatabases(t testing.TB) {
	t.Helper()
	for _, db := range []string{"nb", "sb"} {
		Run(t, "ovsdb-tool", "create", "/var/lib/ovn/ovn"+db+"_db.db", "/usr/share/ovn/ovn-"+db+".ovsschema")
		h.StartDB(t, db)
	}
	Run(t, "ovn-nbctl", "init")
	Run(t, "ovn-sbctl", "init")
}

func tail(b []byte) string {
	lines := strings.Split(string(b), "\n")
	return strings.Join(lines[max(0, len(lines)-30):], "\n")
}

// StartSwitchDB starts the host's own database server.
func (h *Host) StartSwitchDB(t testing.TB) {
	t.Helper()
	Run(t, "ovsdb-server", "/etc/openvswitch/conf.db", "--remote=punix:/run/openvswitch/db.sock", "--pidfile", "--detach", "--no-chdir", "--log-file")
}

// StartDB starts OVN's nb or sb database server.
func (h *Host) StartDB(t testing.TB, db string) {
	t.Helper()
	Run(t, "ovsdb-server", "/var/lib/ovn/ovn"+db+"_db.db", "--remote=punix:/run/ovn/ovn"+db+"_db.sock", "--unixctl=/run/ovn/ovn"+db+"_db.ctl",
		"--pidfile=/run/ovn/ovn"+db+"_db.pid", "--detach", "--no-chdir", "--log-file=/var/log/ovn/ovsdb-"+db+".log")
}

// KillDB kills nb or sb without warning.
func (h *Host) KillDB(t testing.TB, db string) { kill(t, "/run/ovn/ovn"+db+"_db.pid") }

// StartController starts ovn-controller.
func (h *Host) StartController(t testing.TB) {
	t.Helper()
	Run(t, "ovn-controller", Switch, "--pidfile", "--detach", "--no-chdir", "--log-file")
}

// KillController kills ovn-controller without warning.
func (h *Host) KillController(t testing.TB) {
	t.Helper()
	for _, pidfile := range []string{"/run/ovn/ovn-controller.pid", "/run/openvswitch/ovn-controller.pid"} {
		if _, err := os.Stat(pidfile); err == nil {
			kill(t, pidfile)
			return
		}
	}
	t.Fatal("ovn-controller has no pid file")
}

func kill(t testing.TB, pidfile string) {
	t.Helper()
	raw, err := os.ReadFile(pidfile)
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(raw)))
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	Eventually(t, "process ends", func() bool { return syscall.Kill(pid, 0) != nil })
}

// Settled waits until the chassis has applied everything that is in the Northbound database.
func (h *Host) Settled(t testing.TB) {
	t.Helper()
	Run(t, "ovn-nbctl", "--wait=hv", "--timeout=170", "sync")
}

// Run runs a command; failure ends the test.
func Run(t testing.TB, argv ...string) string {
	t.Helper()
	out, err := Try(t, argv...)
	if err != nil {
		t.Fatalf("%q: %v\n%s", argv, err, out)
	}
	return out
}

// Try runs a command that may fail.
func Try(t testing.TB, argv ...string) (string, error) {
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, argv[0], argv[1:]...).CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

// Eventually polls until ok, for at most three minutes: the machine may be busy.
func Eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(3 * time.Minute); !ok(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not after three minutes: %s", what)
		}
	}
}

// Guest is a namespace plugged into the integration bridge as a port.
type Guest struct {
	Name, Port, MAC string
}

// Plug makes a guest for a port: a veth pair whose end in the bridge carries the port's id.
func (h *Host) Plug(t testing.TB, name, port, mac string) *Guest {
	t.Helper()
	veth(t, name, mac)
	Run(t, "ovs-vsctl", "add-port", "br-int", "p-"+name, "--", "set", "interface", "p-"+name, "external-ids:iface-id="+port)
	return &Guest{Name: name, Port: port, MAC: mac}
}

// Outside makes a machine on the provider network, untagged or in a VLAN.
func (h *Host) Outside(t testing.TB, name, cidr string, vlan int) *Guest {
	t.Helper()
	veth(t, name, "")
	args := []string{"ovs-vsctl", "add-port", "br-ex", "p-" + name}
	if vlan > 0 {
		args = append(args, fmt.Sprintf("tag=%d", vlan))
	}
	Run(t, args...)
	g := &Guest{Name: name}
	g.Run(t, "ip", "addr", "add", cidr, "dev", "eth0")
	return g
}

func veth(t testing.TB, name, mac string) {
	t.Helper()
	Run(t, "ip", "netns", "add", name)
	Run(t, "ip", "link", "add", "p-"+name, "type", "veth", "peer", "name", "eth0", "netns", name)
	// The userspace datapath takes packets as they are: without a checksum they are lost.
	Run(t, "ethtool", "-K", "p-"+name, "tx", "off")
	g := &Guest{Name: name}
	g.Run(t, "ethtool", "-K", "eth0", "tx", "off", "tso", "off", "gso", "off")
	if mac != "" {
		g.Run(t, "ip", "link", "set", "eth0", "address", mac)
	}
	g.Run(t, "ip", "link", "set", "lo", "up")
	g.Run(t, "ip", "link", "set", "eth0", "up")
	Run(t, "ip", "link", "set", "p-"+name, "up")
}

// Unplug takes the guest out of the bridge.
func (g *Guest) Unplug(t testing.TB) {
	t.Helper()
	Run(t, "ovs-vsctl", "del-port", "br-int", "p-"+g.Name)
}

// Run runs a command in the guest.
func (g *Guest) Run(t testing.TB, argv ...string) string {
	t.Helper()
	return Run(t, append([]string{"ip", "netns", "exec", g.Name}, argv...)...)
}

// Try runs a command in the guest that may fail.
func (g *Guest) Try(t testing.TB, argv ...string) (string, error) {
	return Try(t, append([]string{"ip", "netns", "exec", g.Name}, argv...)...)
}

// Address gives the guest an address and a default route, as a static configuration would.
func (g *Guest) Address(t testing.TB, cidr, gateway string) {
	t.Helper()
	g.Run(t, "ip", "addr", "replace", cidr, "dev", "eth0")
	if gateway != "" {
		g.Run(t, "ip", "route", "replace", "default", "via", gateway)
	}
}

// Reaches waits until one ping is answered.
func (g *Guest) Reaches(t testing.TB, ip string) {
	t.Helper()
	Eventually(t, g.Name+" reaches "+ip, func() bool { return g.ping(t, ip) })
}

// Loses waits until pings are no longer answered.
func (g *Guest) Loses(t testing.TB, ip string) {
	t.Helper()
	Eventually(t, g.Name+" no longer reaches "+ip, func() bool { return !g.ping(t, ip) })
}

func (g *Guest) ping(t testing.TB, ip string) bool {
	_, err := g.Try(t, "ping", "-c", "1", "-W", "1", "-n", ip)
	return err == nil
}
