package ovn

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"gostack/internal/neutron/driver"
	gatewayplan "gostack/internal/neutron/driver/gateways"
	"gostack/internal/neutron/driver/ovn/ovntest"
	"gostack/test/machine"
)

// rarp announces a MAC address as QEMU does on the host that a guest has come to.
const rarp = `import socket, sys
mac = bytes.fromhex(sys.argv[1].replace(":", ""))
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind(("eth0", 0))
s.send(b"\xff" * 6 + mac + bytes.fromhex("8035" "0001" "0800" "06" "04" "0003") + mac + bytes(4) + mac + bytes(4) + bytes(18))
`

// Three hosts: traffic through tunnels, a port only where it is bound, and a gateway that survives its host.
func TestThreeHosts(t *testing.T) {
	machine.Inside(t, func(t *testing.T) {
		fabric := ovntest.StartFabric(t)
		b := Open(Config{Northbound: []string{ovntest.Northbound}, Southbound: []string{ovntest.Southbound}})
		defer b.Close()
		ctx, cancel := context.WithTimeout(t.Context(), 15*time.Minute)
		defer cancel()
		hosts := map[string]*ovntest.Chassis{}
		for n := range 3 {
			c := fabric.Chassis(t, n+1)
			hosts[c.Name] = c
		}
		c := newCloud()
		c.web.Rules = append(c.web.Rules, driver.SecurityGroupRule{ID: uuid.NewString(), Direction: driver.Ingress, IPVersion: 4, Protocol: "icmp"})
		c.ensure(t, ctx, b)
		var gateways []string
		ovntest.Eventually(t, "all hosts stand by for the gateway", func() bool {
			gateways = gatewayHosts(t, ctx, b, c.gw.ID)
			return len(gateways) == 3
		})
		// The servers are not on the gateway's host.
		bind := func(p driver.PortSpec, host string) driver.PortSpec {
			p.Host = host
			if err := b.EnsurePort(ctx, p); err != nil {
				t.Fatal(err)
			}
			return p
		}
		c.server = bind(c.server, gateways[1])
		peer := c.server
		peer.ID, peer.MAC = uuid.NewString(), "fa:16:3e:00:00:11"
		peer.FixedIPs = []driver.FixedIP{{SubnetID: c.aSub.ID, Address: addr("10.6.1.11"), CIDR: c.aSub.CIDR}}
		peer = bind(peer, gateways[2])
		s1 := hosts[gateways[1]].Plug(t, "s1", c.server.ID, c.server.MAC)
		s2 := hosts[gateways[2]].Plug(t, "s2", peer.ID, peer.MAC)
		for _, id := range []string{c.server.ID, peer.ID} {
			if err := b.WaitPortUp(ctx, id); err != nil {
				t.Fatal(err)
			}
		}
		s1.Address(t, "10.6.1.10/24", "10.6.1.1")
		s2.Address(t, "10.6.1.11/24", "10.6.1.1")
		world := fabric.World(t, "world", "10.6.9.1/24")
		s1.Reaches(t, "10.6.1.11")    // through the tunnel
		s2.Reaches(t, "10.6.9.1")     // source NAT on the gateway's host
		world.Reaches(t, "10.6.9.50") // floating IP on the server's own host
		if mac := world.Run(t, "ip", "neigh", "show", "10.6.9.50"); !strings.Contains(mac, c.router.FloatingIPs[0].MAC) {
			t.Errorf("the floating IP is answered by %s", mac)
		}

		// A host that is not to have the port plugs it nevertheless: it does not get it.
		thief := hosts[gateways[2]].Plug(t, "thief", c.server.ID, c.server.MAC)
		fabric.Settled(t)
		states, err := b.PortStates(ctx, []string{c.server.ID})
		if err != nil || states[c.server.ID].Host != gateways[1] {
			t.Errorf("the port is on %+v, %v", states, err)
		}
		thief.Address(t, "10.6.1.10/24", "10.6.1.1")
		thief.Loses(t, "10.6.1.11")
		world.Reaches(t, "10.6.9.50")

		// The server moves there, running: that host may have the port too, but is not heard before the server announces itself.
		moving := c.server
		moving.MigratingTo = gateways[2]
		moving.Translated = true // then it is on one host at a time, whoever announces himself
		if err := b.EnsurePort(ctx, moving); err != nil {
			t.Fatal(err)
		}
		fabric.Settled(t)
		thief.Run(t, "python3", "-c", rarp, moving.MAC)
		thief.Loses(t, "10.6.1.11")
		moving.Translated = false
		if err := b.EnsurePort(ctx, moving); err != nil {
			t.Fatal(err)
		}
		fabric.Settled(t)
		thief.Loses(t, "10.6.1.11")
		world.Reaches(t, "10.6.9.50")
		ovntest.Eventually(t, "the announced server is heard", func() bool {
			thief.Run(t, "python3", "-c", rarp, moving.MAC) // as QEMU, who says it several times
			_, err := thief.Try(t, "ping", "-c1", "-W1", "10.6.1.11")
			return err == nil
		})
		// Arrived, and back again the short way.
		c.server = bind(c.server, gateways[2])
		ovntest.Eventually(t, "the port is on the other host", func() bool {
			states, err := b.PortStates(ctx, []string{c.server.ID})
			return err == nil && states[c.server.ID] == driver.PortState{Up: true, Host: gateways[2]}
		})
		thief.Reaches(t, "10.6.1.11")
		s1.Loses(t, "10.6.1.11")
		world.Reaches(t, "10.6.9.50")
		c.server = bind(c.server, gateways[1])
		ovntest.Eventually(t, "the port is back", func() bool {
			states, err := b.PortStates(ctx, []string{c.server.ID})
			return err == nil && states[c.server.ID] == driver.PortState{Up: true, Host: gateways[1]}
		})

		// An operator wants the last one first and the first one not at all; then everything is as the engine chose it before.
		carries := func() string {
			host := strings.TrimSpace(ovntest.Run(t, "ovn-sbctl", "--bare", "--columns=chassis", "find", "Port_Binding", "logical_port=cr-"+routerPortName(c.gw.ID)))
			if host == "" {
				return "" // on its way
			}
			return strings.TrimSpace(ovntest.Run(t, "ovn-sbctl", "--bare", "--columns=name", "list", "Chassis", host))
		}
		for _, chosen := range [][]driver.GatewayHost{
			{{Chassis: gateways[2], Priority: 32767}, {Chassis: gateways[1], Priority: 0}, {Chassis: gateways[0], Priority: -1}},
			{{Chassis: gateways[0], Priority: 3}, {Chassis: gateways[1], Priority: 2}, {Chassis: gateways[2], Priority: 1}},
		} {
			c.router.Gateway.Chosen = chosen
			if err := b.EnsureRouter(ctx, c.router); err != nil {
				t.Fatal(err)
			}
			ovntest.Eventually(t, chosen[0].Chassis+" carries the gateway", func() bool { return carries() == chosen[0].Chassis })
			has, err := b.Gateways(ctx, c.router.ID, "")
			var got []driver.GatewayHost
			for _, g := range has {
				got = append(got, g.GatewayHost)
			}
			if want := slices.DeleteFunc(chosen, func(h driver.GatewayHost) bool { return h.Priority < 0 }); err != nil || !slices.Equal(gatewayplan.Ordered(got), want) {
				t.Errorf("the gateway has %v, %v, want %v", got, err, want)
			}
			s1.Reaches(t, "10.6.9.1")
		}

		// The gateway's host dies: another takes over, and the floating IP, which is elsewhere, never noticed.
		hosts[gateways[0]].PowerCut(t)
		world.Reaches(t, "10.6.9.50")
		s2.Reaches(t, "10.6.9.1")
		if err := b.RemoveChassis(ctx, gateways[0]); err != nil {
			t.Fatal(err)
		}
		ovntest.Eventually(t, "the dead host is no gateway any more", func() bool { return len(gatewayHosts(t, ctx, b, c.gw.ID)) == 2 })
		want := c.desired()
		want.Ports = append(want.Ports, peer)
		noDifference(t, b, want)
	})
}
