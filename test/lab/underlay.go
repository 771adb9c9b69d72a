package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"

	"github.com/vishvananda/netlink"
)

// The two networks of the lab are bridges of the fabric: the underlay, on which machines talk to each other and hosts build their tunnels, and the
// provider network, on which floating IPs are. The fabric has an address on both: it is the clients' place, and the way out of the provider network.
const (
	underlayBridge  = "underlay"
	providerBridge  = "provider"
	FabricAddress   = "10.99.0.254" // the balancer listens here
	underlayPrefix  = 24
	ProviderCIDR    = "172.24.4.0/24"
	ProviderGateway = "172.24.4.1" // the fabric
	underlayMTU     = 1600         // Geneve's overhead on 1500, so that guests have what they have elsewhere
)

func (l *Lab) underlay() error {
	for _, b := range []struct{ name, address string }{
		{underlayBridge, fmt.Sprintf("%s/%d", FabricAddress, underlayPrefix)}, {providerBridge, ProviderGateway + "/24"},
	} {
		if _, err := netlink.LinkByName(b.name); err == nil {
			continue
		}
		bridge := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: b.name, MTU: underlayMTU}}
		if err := netlink.LinkAdd(bridge); err != nil {
			return fmt.Errorf("bridge %s: %w", b.name, err)
		}
		address, err := netlink.ParseAddr(b.address)
		if err != nil {
			return err
		}
		if err := netlink.AddrAdd(bridge, address); err != nil {
			return err
		}
		if err := netlink.LinkSetUp(bridge); err != nil {
			return err
		}
	}
	// The fabric's own names for people who are in it.
	return os.WriteFile("/etc/hosts", []byte(l.hostsFile()), 0o644)
}

// hostsFile is /etc/hosts of a machine: all know all.
func (l *Lab) hostsFile() string {
	var b strings.Builder
	fmt.Fprintf(&b, "127.0.0.1 localhost\n::1 localhost\n%s fabric\n", FabricAddress)
	for _, m := range l.Machines() {
		fmt.Fprintf(&b, "%s %s\n", m.Address, m.Name)
	}
	return b.String()
}

// cables are the fabric's ends of the machine's network cables.
func (m *Machine) cables() map[string]string {
	c := map[string]string{m.Name + "-0": underlayBridge}
	if m.provider {
		c[m.Name+"-1"] = providerBridge
	}
	return c
}

// plug connects the machine and gives it its address. Offloads are off: a packet without a checksum does not survive Open vSwitch in userspace.
func (m *Machine) plug(ctx context.Context) error {
	pid, err := strconv.Atoi(m.pid())
	if err != nil {
		return errOff
	}
	if err := m.unplug(); err != nil {
		return err
	}
	if err := m.Write("/etc/hosts", m.lab.hostsFile(), 0o644); err != nil {
		return err
	}
	script := ""
	for outside, bridge := range m.cables() {
		inside := "eth" + outside[len(outside)-1:]
		at, err := netlink.LinkByName(bridge)
		if err != nil {
			return err
		}
		cable := &netlink.Veth{
			LinkAttrs: netlink.LinkAttrs{Name: outside, MTU: underlayMTU, MasterIndex: at.Attrs().Index}, PeerName: inside, PeerMTU: underlayMTU, PeerNamespace: netlink.NsPid(pid),
		}
		if err := netlink.LinkAdd(cable); err != nil {
			return fmt.Errorf("cable %s: %w", outside, err)
		}
		if out, err := exec.CommandContext(ctx, "ethtool", "-K", outside, "tx", "off").CombinedOutput(); err != nil {
			return fmt.Errorf("ethtool: %w: %s", err, out)
		}
		if err := netlink.LinkSetUp(cable); err != nil {
			return err
		}
		script += fmt.Sprintf("ethtool -K %[1]s tx off tso off gso off >/dev/null\nip link set %[1]s up\n", inside)
	}
	if !m.provider { // a host has its address on a bridge
		script += fmt.Sprintf("ip addr replace %s/%d dev eth0\n", m.Address, underlayPrefix)
	}
	_, err = m.Shell(ctx, script)
	return err
}

func (m *Machine) unplug() error {
	var errs []error
	for outside := range m.cables() {
		if link, err := netlink.LinkByName(outside); err == nil {
			errs = append(errs, netlink.LinkDel(link))
		}
	}
	return errors.Join(errs...)
}

// Cut pulls the machine's cable out of the underlay: it runs on, and reaches nobody.
func (m *Machine) Cut() error { return m.cable(netlink.LinkSetDown) }

// Mend puts the cable back.
func (m *Machine) Mend() error { return m.cable(netlink.LinkSetUp) }

func (m *Machine) cable(set func(netlink.Link) error) error {
	link, err := netlink.LinkByName(m.Name + "-0")
	if err != nil {
		return fmt.Errorf("%s: %w", m.Name, errOff)
	}
	return set(link)
}

// Cut cuts a host or another machine off from the network by name.
func (l *Lab) Cut(name string) error {
	m, err := l.Machine(name)
	if err != nil {
		return err
	}
	return m.Cut()
}

// Mend ends Cut.
func (l *Lab) Mend(name string) error {
	m, err := l.Machine(name)
	if err != nil {
		return err
	}
	return m.Mend()
}
