package ovntest

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"gostack/test/machine"
)

// Fabric is the wiring of several chassis in one machine: OVN's central part, an underlay for tunnels and a provider network.
// Each chassis has a network namespace, and an Open vSwitch and ovn-controller of its own in it.
type Fabric struct{ Host }

// StartFabric starts the central part and the two wires.
func StartFabric(t testing.TB) *Fabric {
	t.Helper()
	for _, tool := range []string{"ovsdb-server", "ovs-vswitchd", "ovn-northd", "ovn-controller", "ovs-vsctl"} {
		if _, err := exec.LookPath(tool); err != nil {
			machine.Missing(t, "OVN is not installed: "+err.Error())
		}
	}
	f := &Fabric{}
	directories(t)
	f.startDatabases(t)
	Run(t, "ovn-northd", "--ovnnb-db="+Northbound, "--ovnsb-db="+Southbound, "--pidfile", "--detach", "--no-chdir", "--log-file")
	for _, wire := range []string{"underlay", "provider"} {
		Run(t, "ip", "link", "add", wire, "type", "bridge")
		Run(t, "ip", "link", "set", wire, "mtu", "9000", "up")
	}
	return f
}

// Chassis is one host of a fabric.
type Chassis struct {
	Name  string
	guest Guest // its namespace
	run   string
	t     testing.TB
}

// Chassis adds a host; n, from 1, is its number on the underlay.
func (f *Fabric) Chassis(t testing.TB, n int) *Chassis {
	t.Helper()
	c := &Chassis{Name: fmt.Sprintf("c%d", n), run: fmt.Sprintf("/run/ovs-c%d", n), t: t}
	c.guest.Name = c.Name
	if err := os.MkdirAll(c.run, 0o755); err != nil {
		t.Fatal(err)
	}
	Run(t, "ip", "netns", "add", c.Name)
	for i, wire := range []string{"underlay", "provider"} {
		outer, inner := fmt.Sprintf("%s-%d", c.Name, i), fmt.Sprintf("eth%d", i)
		Run(t, "ip", "link", "add", outer, "mtu", "9000", "type", "veth", "peer", "name", inner, "netns", c.Name, "mtu", "9000")
		Run(t, "ethtool", "-K", outer, "tx", "off")
		Run(t, "ip", "link", "set", outer, "master", wire, "up")
		c.guest.Run(t, "ethtool", "-K", inner, "tx", "off", "tso", "off", "gso", "off")
		c.guest.Run(t, "ip", "link", "set", inner, "up")
	}
	c.guest.Run(t, "ip", "link", "set", "lo", "up")
	Run(t, "ovsdb-tool", "create", c.run+"/conf.db", "/usr/share/openvswitch/vswitch.ovsschema")
	c.daemon("ovsdb-server", c.run+"/conf.db", "--remote=punix:"+c.run+"/db.sock")
	c.vsctl("--no-wait", "init", "--", "set", "Open_vSwitch", ".", "external-ids:system-id="+c.Name, "external-ids:hostname="+c.Name,
		"external-ids:ovn-remote="+Southbound, "external-ids:ovn-encap-type=geneve", fmt.Sprintf("external-ids:ovn-encap-ip=10.99.0.%d", n),
		"external-ids:ovn-bridge-datapath-type=netdev", "external-ids:ovn-bridge-mappings="+Physnet+":br-ex")
	c.daemon("ovs-vswitchd", "unix:"+c.run+"/db.sock")
	// The userspace datapath encapsulates by itself: the tunnel's address must be on one of its own bridges.
	c.vsctl("add-br", "br-phy", "--", "set", "bridge", "br-phy", "datapath_type=netdev", fmt.Sprintf("other-config:hwaddr=02:99:00:00:00:%02x", n),
		"--", "add-port", "br-phy", "eth0")
	c.vsctl("add-br", "br-ex", "--", "set", "bridge", "br-ex", "datapath_type=netdev", "--", "add-port", "br-ex", "eth1")
	c.guest.Run(t, "ip", "addr", "add", fmt.Sprintf("10.99.0.%d/24", n), "dev", "br-phy")
	c.guest.Run(t, "ip", "link", "set", "br-phy", "mtu", "8950", "up")
	c.guest.Run(t, "ip", "link", "set", "br-ex", "up")
	c.daemon("ovn-controller", "unix:"+c.run+"/db.sock")
	Eventually(t, c.Name+" is a chassis", func() bool {
		out, err := exec.Command("ovn-sbctl", "--bare", "--columns=name", "list", "chassis").Output()
		return err == nil && strings.Contains(string(out), c.Name)
	})
	return c
}

// daemon starts a daemon in the chassis' namespace, with files of its own.
func (c *Chassis) daemon(name string, args ...string) {
	c.t.Helper()
	argv := append([]string{
		"env", "OVS_RUNDIR=" + c.run, "OVN_RUNDIR=" + c.run, name, "--pidfile=" + c.run + "/" + name + ".pid", "--detach", "--no-chdir",
		"--log-file=" + c.run + "/" + name + ".log",
	}, args...)
	c.guest.Run(c.t, argv...)
}

func (c *Chassis) vsctl(args ...string) {
	c.t.Helper()
	c.guest.Run(c.t, append([]string{"ovs-vsctl", "--db=unix:" + c.run + "/db.sock"}, args...)...)
}

// PowerCut ends the host without warning.
func (c *Chassis) PowerCut(t testing.TB) {
	t.Helper()
	for i := range 2 {
		Run(t, "ip", "link", "set", fmt.Sprintf("%s-%d", c.Name, i), "down")
	}
	for _, name := range []string{"ovn-controller", "ovs-vswitchd", "ovsdb-server"} {
		kill(t, c.run+"/"+name+".pid")
	}
}

// Plug makes a guest for a port on this chassis.
func (c *Chassis) Plug(t testing.TB, name, port, mac string) *Guest {
	t.Helper()
	Run(t, "ip", "netns", "add", name)
	Run(t, "ip", "link", "add", "p-"+name, "netns", c.Name, "type", "veth", "peer", "name", "eth0", "netns", name)
	g := &Guest{Name: name, Port: port, MAC: mac}
	c.guest.Run(t, "ethtool", "-K", "p-"+name, "tx", "off")
	c.guest.Run(t, "ip", "link", "set", "p-"+name, "up")
	g.Run(t, "ethtool", "-K", "eth0", "tx", "off", "tso", "off", "gso", "off")
	g.Run(t, "ip", "link", "set", "eth0", "address", mac)
	g.Run(t, "ip", "link", "set", "lo", "up")
	g.Run(t, "ip", "link", "set", "eth0", "up")
	c.vsctl("add-port", "br-int", "p-"+name, "--", "set", "interface", "p-"+name, "external-ids:iface-id="+port)
	return g
}

// World makes a machine on the provider wire.
func (f *Fabric) World(t testing.TB, name, cidr string) *Guest {
	t.Helper()
	g := &Guest{Name: name}
	Run(t, "ip", "netns", "add", name)
	Run(t, "ip", "link", "add", "p-"+name, "type", "veth", "peer", "name", "eth0", "netns", name)
	Run(t, "ethtool", "-K", "p-"+name, "tx", "off")
	Run(t, "ip", "link", "set", "p-"+name, "master", "provider", "up")
	g.Run(t, "ethtool", "-K", "eth0", "tx", "off", "tso", "off", "gso", "off")
	g.Run(t, "ip", "link", "set", "lo", "up")
	g.Run(t, "ip", "link", "set", "eth0", "up")
	g.Run(t, "ip", "addr", "add", cidr, "dev", "eth0")
	return g
}
