package ovn

import (
	"bytes"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"gostack/internal/neutron/driver"
	"gostack/internal/neutron/driver/ovn/ovntest"
	"gostack/test/machine"
)

// TestTrunksAndQoSOnTheWire covers a subport inside a VLAN of its parent, and limits and marks as the peer measures them.
func TestTrunksAndQoSOnTheWire(t *testing.T) {
	machine.Inside(t, func(t *testing.T) {
		s, ctx := newScene(t)
		s.address(t)

		// The first server gets a subport on the VLAN network, as VLAN 55 inside of its own port.
		sub := s.far
		sub.ID, sub.MAC, sub.DeviceOwner, sub.Parent, sub.Tag = uuid.NewString(), "fa:16:3e:00:02:55", "trunk:subport", s.server.ID, 55
		sub.FixedIPs = []driver.FixedIP{{SubnetID: s.vlSub.ID, Address: addr("10.6.2.55"), CIDR: s.vlSub.CIDR}}
		if err := s.b.EnsurePort(ctx, sub); err != nil {
			t.Fatal(err)
		}
		if err := s.b.WaitPortUp(ctx, sub.ID); err != nil {
			t.Fatal(err)
		}
		s.host.Settled(t)
		inner := ovntest.UDP4("10.6.2.55", "10.6.2.10", 5555, 5556, []byte("through the trunk"))
		tagged := ovntest.Ethernet(s.far.MAC, sub.MAC, 0x8100, append([]byte{0, 55, 8, 0}, inner...))
		own, other := s.s1.Wire(t), s.s3.Wire(t)
		ovntest.Eventually(t, "what the first server sends in VLAN 55 arrives on the other network", func() bool {
			own.Send(t, tagged)
			return other.Saw(500*time.Millisecond, func(f []byte) bool { return bytes.Contains(f, []byte("through the trunk")) && f[12] == 8 && f[13] == 0 })
		})

		// A mark and a limit on what the first server sends: the peer sees the one and loses by the other.
		q := s.server
		q.Revision++
		q.QoS = driver.QoSSpec{Egress: driver.Rate{Kbps: 200, Burst: 20}, Mark: true, DSCP: 26}
		if err := s.b.EnsurePort(ctx, q); err != nil {
			t.Fatal(err)
		}
		s.host.Settled(t)
		wire := s.s2.Wire(t)
		ovntest.Eventually(t, "a packet with the mark arrives", func() bool {
			_, _ = s.s1.Try(t, "ping", "-c", "1", "-W", "1", "10.6.1.11")
			return wire.Saw(500*time.Millisecond, func(f []byte) bool {
				return len(f) > 34 && f[12] == 8 && f[13] == 0 && f[23] == 1 && f[15]>>2 == 26
			})
		})
		ovntest.Eventually(t, "what sends 1 Mbit/s loses some to a limit of 200 kbit/s", func() bool { // a busy machine may not get to send so much
			out, _ := s.s1.Try(t, "ping", "-q", "-c", "100", "-i", "0.01", "-s", "1300", "-w", "6", "10.6.1.11")
			return strings.Contains(out, "packet loss") && !strings.Contains(out, " 0% packet loss")
		})
		if meters := ovntest.Run(t, "ovs-ofctl", "-O", "OpenFlow13", "dump-meters", "br-int"); !strings.Contains(meters, "rate=200") {
			t.Errorf("the switch has no meter for it: %s", meters)
		}
		// Its neighbour finds it by name, and it takes over an address that both may have.
		q.DNS = []driver.DNSName{{Name: "web", Addresses: []netip.Addr{addr("10.6.1.10")}}, {Name: "web.example.org", Addresses: []netip.Addr{addr("10.6.1.10")}}}
		vip := s.server
		vip.ID, vip.MAC, vip.Host, vip.VirtualParents = uuid.NewString(), "fa:16:3e:00:00:99", "", []string{q.ID, s.peer.ID}
		vip.FixedIPs = []driver.FixedIP{{SubnetID: s.aSub.ID, Address: addr("10.6.1.99"), CIDR: s.aSub.CIDR}}
		q.AllowedPairs = []driver.AddressPair{{Prefix: prefix("10.6.1.99/32")}}
		q.Revision++
		q.QoS = driver.QoSSpec{}
		if err := s.b.EnsurePort(ctx, vip); err != nil {
			t.Fatal(err)
		}
		if err := s.b.EnsurePort(ctx, q); err != nil {
			t.Fatal(err)
		}
		s.host.Settled(t)
		s.s1.Run(t, "ip", "addr", "add", "10.6.1.99/32", "dev", "eth0")
		ovntest.Eventually(t, "the server that announces the address has it", func() bool {
			s.s1.Wire(t).Send(t, ovntest.Ethernet("ff:ff:ff:ff:ff:ff", q.MAC, 0x0806, ovntest.ARP(1, q.MAC, "10.6.1.99", "00:00:00:00:00:00", "10.6.1.99")))
			parent := ovntest.Run(t, "ovn-sbctl", "--bare", "--columns=virtual_parent", "find", "port_binding", "logical_port="+vip.ID)
			return strings.TrimSpace(parent) == q.ID
		})
		// What a group accepts is logged, if somebody asks for it, in the log of the host.
		log := uuid.NewString()
		s.web.Revision++
		s.web.Log = log
		if err := s.b.EnsureSecurityGroup(ctx, s.web); err != nil {
			t.Fatal(err)
		}
		if err := s.b.EnsureLogging(ctx, driver.LoggingSpec{On: true, Drops: log}); err != nil {
			t.Fatal(err)
		}
		s.host.Settled(t)
		ovntest.Eventually(t, "the host logs what a group accepts", func() bool {
			_, _ = s.s1.Try(t, "ping", "-c", "1", "-W", "1", "10.6.1.11")
			written, _ := ovntest.Try(t, "grep", "-rhs", "acl_log.*"+log, "/var/log/ovn", "/var/log/openvswitch")
			return strings.Contains(written, "verdict=allow")
		})
		if err := s.b.EnsureLogging(ctx, driver.LoggingSpec{}); err != nil {
			t.Fatal(err)
		}
		if left := ovntest.Run(t, "ovn-nbctl", "--bare", "--columns=name", "list", "Meter"); strings.TrimSpace(left) != "" {
			t.Errorf("meters are left: %s", left)
		}
		answer := s.s2.Wire(t)
		query := append([]byte{0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 3}, "web\x07example\x03org\x00\x00\x01\x00\x01"...)
		ovntest.Eventually(t, "the name is answered", func() bool {
			answer.Send(t, ovntest.Ethernet("fa:16:3e:00:0a:01", s.peer.MAC, 0x0800, ovntest.UDP4("10.6.1.11", "9.9.9.9", 5353, 53, query)))
			return answer.Saw(500*time.Millisecond, func(f []byte) bool {
				return len(f) > 46 && f[23] == 17 && f[42] == 0 && f[43] == 7 && bytes.HasSuffix(f, []byte{10, 6, 1, 10})
			})
		})
		if left := ovntest.Run(t, "ovn-nbctl", "--bare", "--columns=_uuid", "list", "QoS"); strings.TrimSpace(left) != "" {
			t.Errorf("QoS rules are left: %s", left)
		}
	})
}
