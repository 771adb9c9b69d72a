package ovn

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"gostack/internal/neutron/driver"
	"gostack/internal/neutron/driver/ovn/ovntest"
	"gostack/test/machine"
)

// history is a cloud that changes at random, as the API lets it: what is in use is not deleted.
type history struct {
	t   *rapid.T
	ctx context.Context
	b   *Backend

	revision int64
	networks map[string]driver.NetworkSpec
	subnets  map[string]driver.SubnetSpec
	groups   map[string]driver.SecurityGroupSpec
	ports    map[string]driver.PortSpec
	router   driver.RouterSpec
}

// Whatever happened in whatever order, what is in OVN is exactly what Sync wants for the last state.
func TestAnyHistoryEndsInTheSameRows(t *testing.T) {
	machine.Inside(t, anyHistory) // the databases are the real ones
}

func anyHistory(t *testing.T) {
	ovntest.StartDatabases(t)
	b := Open(Config{Northbound: []string{ovntest.Northbound}, Southbound: []string{ovntest.Southbound}})
	defer b.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Minute)
	defer cancel()
	addChassis(t, ctx, b, "h1", "physnet1:br-ex")
	addChassis(t, ctx, b, "h2", "")
	rapid.Check(t, func(t *rapid.T) {
		h := &history{
			t: t, ctx: ctx, b: b, networks: map[string]driver.NetworkSpec{}, subnets: map[string]driver.SubnetSpec{},
			groups: map[string]driver.SecurityGroupSpec{}, ports: map[string]driver.PortSpec{}, router: driver.RouterSpec{ID: uuid.NewString(), AdminStateUp: true},
		}
		steps := []func(){h.network, h.subnet, h.subnet, h.group, h.port, h.port, h.port, h.routerChange, h.deleteSubnet, h.deletePort, h.deleteGroup}
		for range rapid.IntRange(1, 30).Draw(t, "steps") {
			steps[rapid.IntRange(0, len(steps)-1).Draw(t, "step")]()
		}
		report, err := b.Sync(ctx, h.desired(), false)
		if err != nil || len(report.Differences) > 0 || len(report.Rejected) > 0 {
			t.Fatalf("%v %+v", err, report)
		}
		if _, err := b.Sync(ctx, driver.Desired{}, true); err != nil {
			t.Fatal(err)
		}
		if report, err = b.Sync(ctx, driver.Desired{}, false); err != nil || len(report.Differences) > 0 {
			t.Fatalf("not empty afterwards: %v %+v", err, report)
		}
	})
}

func (h *history) desired() driver.Desired {
	d := driver.Desired{
		Networks: slices.Collect(maps.Values(h.networks)), Subnets: slices.Collect(maps.Values(h.subnets)),
		SecurityGroups: slices.Collect(maps.Values(h.groups)), Ports: slices.Collect(maps.Values(h.ports)),
	}
	if h.router.Revision > 0 {
		d.Routers = []driver.RouterSpec{h.router}
	}
	return d
}

func (h *history) check(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}

func (h *history) next() int64 { h.revision++; return h.revision }

func (h *history) chance(what string) bool { return rapid.Bool().Draw(h.t, what) }

// pickOne takes one of a map's keys, or makes a new id, so that creation and change are both tried.
func pickOne[V any](h *history, m map[string]V, what string, most int) string {
	ids := slices.Sorted(maps.Keys(m))
	i := rapid.IntRange(0, most-1).Draw(h.t, what)
	if i < len(ids) {
		return ids[i]
	}
	return uuid.NewString()
}

func (h *history) network() {
	id := pickOne(h, h.networks, "network", 2)
	n := driver.NetworkSpec{ID: id, Revision: h.next(), MTU: 1442, Type: driver.Geneve}
	if old, ok := h.networks[id]; ok {
		n.Type, n.Physnet, n.Segment = old.Type, old.Physnet, old.Segment
	} else if h.chance("vlan") {
		n.Type, n.Physnet, n.Segment = driver.VLAN, "physnet1", 101
	}
	h.networks[id] = n
	h.check(h.b.EnsureNetwork(h.ctx, n))
}

func (h *history) subnet() {
	if len(h.networks) == 0 {
		return
	}
	id := pickOne(h, h.subnets, "subnet", 3)
	s, ok := h.subnets[id]
	if !ok {
		s = driver.SubnetSpec{ID: id, NetworkID: slices.Min(slices.Collect(maps.Keys(h.networks))), CIDR: prefix("10.0.0.0/24"), Gateway: addr("10.0.0.1")}
		if h.chance("v6") {
			s.CIDR, s.Gateway, s.AddressMode = prefix("fd00::/64"), addr("fd00::1"), driver.DHCPv6Stateful
		}
	}
	s.Revision, s.EnableDHCP, s.MTU = h.next(), h.chance("dhcp"), rapid.IntRange(1300, 1302).Draw(h.t, "mtu")
	h.subnets[id] = s
	h.check(h.b.EnsureSubnet(h.ctx, s))
}

func (h *history) group() {
	id := pickOne(h, h.groups, "group", 2)
	g := driver.SecurityGroupSpec{ID: id, Revision: h.next(), Stateful: h.chance("stateful")}
	for range rapid.IntRange(0, 2).Draw(h.t, "rules") {
		g.Rules = append(g.Rules, driver.SecurityGroupRule{ID: uuid.NewString(), Direction: driver.Ingress, IPVersion: 4, RemoteGroupID: id})
	}
	h.groups[id] = g
	h.check(h.b.EnsureSecurityGroup(h.ctx, g))
}

func (h *history) port() {
	if len(h.networks) == 0 {
		return
	}
	id := pickOne(h, h.ports, "port", 3)
	p, ok := h.ports[id]
	if !ok {
		p = driver.PortSpec{ID: id, NetworkID: slices.Min(slices.Collect(maps.Keys(h.networks))), MAC: fmt.Sprintf("fa:16:3e:00:00:%02x", h.revision%256)}
	}
	p.Revision, p.AdminStateUp, p.PortSecurity = h.next(), h.chance("up"), h.chance("security")
	p.Host = rapid.SampledFrom([]string{"", "h1", "h2"}).Draw(h.t, "host")
	p.SecurityGroups, p.FixedIPs, p.DHCPOptions = nil, nil, nil
	for _, g := range slices.Sorted(maps.Keys(h.groups)) {
		if p.PortSecurity && h.chance("member") {
			p.SecurityGroups = append(p.SecurityGroups, g)
		}
	}
	for _, s := range slices.Sorted(maps.Keys(h.subnets)) {
		if sn := h.subnets[s]; sn.NetworkID == p.NetworkID && h.chance("address") {
			p.FixedIPs = append(p.FixedIPs, driver.FixedIP{SubnetID: s, CIDR: sn.CIDR, Address: sn.CIDR.Addr().Next().Next()})
		}
	}
	if h.chance("option") {
		p.DHCPOptions = []driver.DHCPOption{{Name: "bootfile-name", Value: "x", IPVersion: 4}, {Name: "dhcp_disabled", Value: fmt.Sprint(h.chance("no v6")), IPVersion: 6}}
	}
	h.ports[id] = p
	h.check(h.b.EnsurePort(h.ctx, p))
}

func (h *history) routerChange() {
	r := driver.RouterSpec{ID: h.router.ID, Revision: h.next(), AdminStateUp: h.chance("up")}
	if h.chance("interface") {
		r.Interfaces = []driver.RouterInterface{{
			PortID: rowID(r.ID, "if"), NetworkID: r.ID, NetworkType: driver.VLAN, MAC: "fa:16:3e:00:01:01", Addresses: prefixes("10.0.0.1/24"), MTU: 1442,
		}}
	}
	if h.chance("gateway") {
		r.Gateway = &driver.RouterGateway{
			PortID: rowID(r.ID, "gw"), NetworkID: r.ID, Physnet: "physnet1", MAC: "fa:16:3e:00:01:02", Addresses: prefixes("172.24.4.2/24"),
			NextHops: []netip.Addr{addr("172.24.4.1")}, EnableSNAT: h.chance("snat"), MTU: 1500,
		}
		for i, id := range slices.Sorted(maps.Keys(h.ports)) {
			if h.chance("floating") {
				r.FloatingIPs = append(r.FloatingIPs, driver.FloatingIPSpec{
					ID: rowID("fip", id), External: netip.AddrFrom4([4]byte{172, 24, 4, byte(10 + i)}), Fixed: addr("10.0.0.2"), PortID: id, MAC: "fa:16:3e:00:01:03", Distributed: true,
				})
			}
		}
	}
	h.router = r
	h.check(h.b.EnsureRouter(h.ctx, r))
}

func (h *history) deleteSubnet() {
	for _, id := range slices.Sorted(maps.Keys(h.subnets)) {
		if !slices.ContainsFunc(slices.Collect(maps.Values(h.ports)), func(p driver.PortSpec) bool {
			return slices.ContainsFunc(p.FixedIPs, func(ip driver.FixedIP) bool { return ip.SubnetID == id })
		}) {
			delete(h.subnets, id)
			h.check(h.b.DeleteSubnet(h.ctx, id))
			return
		}
	}
}

func (h *history) deletePort() {
	for _, id := range slices.Sorted(maps.Keys(h.ports)) {
		if !slices.ContainsFunc(h.router.FloatingIPs, func(f driver.FloatingIPSpec) bool { return f.PortID == id }) {
			delete(h.ports, id)
			h.check(h.b.DeletePort(h.ctx, id))
			return
		}
	}
}

func (h *history) deleteGroup() {
	for _, id := range slices.Sorted(maps.Keys(h.groups)) {
		if !slices.ContainsFunc(slices.Collect(maps.Values(h.ports)), func(p driver.PortSpec) bool { return slices.Contains(p.SecurityGroups, id) }) {
			delete(h.groups, id)
			h.check(h.b.DeleteSecurityGroup(h.ctx, id))
			return
		}
	}
}
