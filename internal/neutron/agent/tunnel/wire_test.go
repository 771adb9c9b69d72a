package tunnel_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"gostack/internal/neutron/agent/tunnel"
	"gostack/internal/neutron/driver"
	"gostack/internal/neutron/driver/ovn"
	"gostack/internal/neutron/driver/ovn/ovntest"
	"gostack/test/machine"
)

// TestSegmentIDsOnTheWire connects guests of two hosts by a network of each type and looks for the segment ids between the hosts. A router
// between two of the networks works too.
func TestSegmentIDsOnTheWire(t *testing.T) {
	machine.Inside(t, func(t *testing.T) {
		fabric := ovntest.StartFabric(t)
		b := ovn.Open(ovn.Config{Northbound: []string{ovntest.Northbound}, Southbound: []string{ovntest.Southbound}})
		defer b.Close()
		ctx, cancel := context.WithTimeout(t.Context(), 15*time.Minute)
		defer cancel()
		var hosts []*ovntest.Chassis
		var halt []func()
		defer func() {
			for _, stop := range halt {
				stop()
			}
			if err := tunnel.Purge(ctx, []string{"unix:/run/ovs-c2/db.sock"}); err != nil {
				t.Error(err)
			}
			left := ovntest.Run(t, "ovs-vsctl", "--db=unix:/run/ovs-c2/db.sock", "list-br") + ovntest.Run(t, "ovs-vsctl", "--db=unix:/run/ovs-c2/db.sock", "get", "Open_vSwitch", ".", "external_ids")
			if strings.Contains(left, "br-tun") || strings.Contains(left, "tunnels") || !strings.Contains(left, "br-ex") {
				t.Errorf("after the purge: %s", left)
			}
		}()
		for n := 1; n <= 2; n++ {
			c := fabric.Chassis(t, n)
			hosts = append(hosts, c)
			a := tunnel.New(tunnel.Config{Switch: []string{"unix:/run/ovs-" + c.Name + "/db.sock"}, Southbound: []string{ovntest.Southbound}})
			ended := make(chan error, 1)
			running, stop := context.WithCancel(ctx)
			go func() { ended <- a.Run(running) }()
			halt = append(halt, func() {
				stop()
				if err := <-ended; err != nil {
					t.Error(err)
				}
			})
		}
		if out := ovntest.Run(t, "ovs-vsctl", "--db=unix:/run/ovs-c1/db.sock", "list-br"); strings.Contains(out, "br-tun") {
			t.Error("there is a tunnel bridge before there is a network for it")
		}

		between := (&ovntest.Guest{Name: "c2"}).Wire(t)
		word := func(f []byte, at int) uint32 { return binary.BigEndian.Uint32(f[at:]) }
		carrying := func(f []byte, kind string, key uint32) bool {
			switch {
			case len(f) < 60 || f[12] != 8 || f[13] != 0:
			case kind == "vxlan": // RFC 7348
				return f[23] == 17 && binary.BigEndian.Uint16(f[36:]) == 4789 && word(f, 46)>>8 == key
			case f[23] == 47: // RFC 2890; RFC 7637 for NVGRE
				return word(f, 34) == 0x20006558 && word(f, 38) == key
			}
			return false
		}
		router := driver.RouterSpec{ID: uuid.NewString(), Name: "r", Revision: 1, AdminStateUp: true}
		guests := map[string]*ovntest.Guest{}
		for i, x := range []struct {
			kind driver.NetworkType
			id   int64
			key  uint32
			mtu  int
		}{{driver.GRE, 70001, 70001, 1458}, {driver.VXLAN, 9000001, 9000001, 1450}, {driver.NVGRE, 0x00abcd, 0x00abcd << 8, 1458}} {
			n := driver.NetworkSpec{ID: uuid.NewString(), Name: string(x.kind), Revision: 1, Type: x.kind, Segment: x.id, TunnelVLAN: 201 + i, MTU: x.mtu}
			if err := b.EnsureNetwork(ctx, n); err != nil {
				t.Fatal(err)
			}
			mac := func(host int) string { return fmt.Sprintf("fa:16:3e:00:%02x:%02x", i+1, host) }
			ip := func(host int) string { return fmt.Sprintf("10.4.%d.1%d", i+1, host) }
			for host, c := range hosts {
				p := driver.PortSpec{ID: uuid.NewString(), NetworkID: n.ID, Revision: 1, MAC: mac(host), AdminStateUp: true, Host: c.Name}
				p.FixedIPs = []driver.FixedIP{{Address: netip.MustParseAddr(ip(host)), CIDR: netip.MustParsePrefix(ip(0) + "/24").Masked()}}
				if err := b.EnsurePort(ctx, p); err != nil {
					t.Fatal(err)
				}
				name := fmt.Sprintf("%s%d", x.kind, host)
				guests[name] = c.Plug(t, name, p.ID, p.MAC)
				if err := b.WaitPortUp(ctx, p.ID); err != nil {
					t.Fatal(err)
				}
				guests[name].Address(t, ip(host)+"/24", fmt.Sprintf("10.4.%d.1", i+1))
			}
			gw := driver.RouterInterface{PortID: uuid.NewString(), NetworkID: n.ID, NetworkType: x.kind, MAC: fmt.Sprintf("fa:16:3e:ff:00:%02x", i), MTU: x.mtu}
			gw.Addresses = []netip.Prefix{netip.MustParsePrefix(fmt.Sprintf("10.4.%d.1/24", i+1))}
			router.Interfaces = append(router.Interfaces, gw)
			side := driver.PortSpec{ID: gw.PortID, NetworkID: n.ID, Revision: 1, MAC: gw.MAC, AdminStateUp: true, Type: driver.RouterPort, RouterID: router.ID}
			if err := b.EnsurePort(ctx, side); err != nil {
				t.Fatal(err)
			}
			fabric.Settled(t)
			guests[string(x.kind)+"0"].Reaches(t, ip(1))
			ovntest.Eventually(t, fmt.Sprintf("a %s packet with key %#x goes between the hosts", x.kind, x.key), func() bool {
				_, _ = guests[string(x.kind)+"0"].Try(t, "ping", "-c", "1", "-W", "1", ip(1))
				return between.Saw(500*time.Millisecond, func(f []byte) bool { return carrying(f, string(x.kind), x.key) })
			})
		}
		router.Revision++
		if err := b.EnsureRouter(ctx, router); err != nil {
			t.Fatal(err)
		}
		fabric.Settled(t)
		guests["gre0"].Reaches(t, "10.4.2.11") // from host 1 on gre to host 2 on vxlan
		// What is learned goes when the flows are made anew, for a network that has come, and is learned again from the next frame.
		ovntest.Eventually(t, "the other host's guest is learned", func() bool {
			_, _ = guests["gre0"].Try(t, "ping", "-c", "1", "-W", "1", "10.4.1.11")
			flows := ovntest.Run(t, "ovs-ofctl", "-O", "OpenFlow13", "dump-flows", "unix:/run/ovs-c1/br-tun.mgmt", "table=20")
			return strings.Contains(flows, "dl_dst=fa:16:3e:00:01:01")
		})
	})
}
