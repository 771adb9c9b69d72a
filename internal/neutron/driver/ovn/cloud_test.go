package ovn

import (
	"context"
	"net/netip"
	"testing"
	"time"

	"github.com/google/uuid"

	"gostack/internal/engine/ovsdb"
	"gostack/internal/engine/ovsdb/ovsdbtest"
	"gostack/internal/engine/ovsdb/sb"
	"gostack/internal/neutron/driver"
)

// testBackend is a backend on databases of its own, without northd: rows only, no packets.
func testBackend(t testing.TB) (*Backend, context.Context) {
	t.Helper()
	north := ovsdbtest.Start(t, ovsdbtest.NBSchema)
	south := ovsdbtest.Start(t, ovsdbtest.SBSchema)
	b := Open(Config{Northbound: []string{north.Endpoint}, Southbound: []string{south.Endpoint}})
	t.Cleanup(b.Close)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	t.Cleanup(cancel)
	if err := b.Ready(ctx); err != nil {
		t.Fatal(err)
	}
	return b, ctx
}

// cloud is a small complete cloud: two tenant networks behind a router, a provider network, a server with a floating IP.
type cloud struct {
	ext, a, vlan               driver.NetworkSpec
	extSub, aSub, aSub6, vlSub driver.SubnetSpec
	server, meta, aIf, gw      driver.PortSpec
	web                        driver.SecurityGroupSpec
	router                     driver.RouterSpec
}

func prefix(s string) netip.Prefix { return netip.MustParsePrefix(s) }
func addr(s string) netip.Addr     { return netip.MustParseAddr(s) }

func newCloud() *cloud {
	id := uuid.NewString
	c := &cloud{}
	c.ext = driver.NetworkSpec{ID: id(), Name: "public", Revision: 1, Type: driver.Flat, Physnet: "physnet1", MTU: 1500, External: true}
	c.a = driver.NetworkSpec{ID: id(), Name: "a", Revision: 1, Type: driver.Geneve, Segment: 77, MTU: 1442}
	c.vlan = driver.NetworkSpec{ID: id(), Name: "v", Revision: 1, Type: driver.VLAN, Physnet: "physnet1", Segment: 101, MTU: 1500}
	c.extSub = driver.SubnetSpec{ID: id(), NetworkID: c.ext.ID, Revision: 1, CIDR: prefix("10.6.9.0/24"), Gateway: addr("10.6.9.1"), MTU: 1500}
	c.aSub = driver.SubnetSpec{
		ID: id(), NetworkID: c.a.ID, Revision: 1, CIDR: prefix("10.6.1.0/24"), Gateway: addr("10.6.1.1"), EnableDHCP: true, MTU: 1442,
		DNS: []netip.Addr{addr("9.9.9.9"), addr("1.1.1.1")}, DNSDomain: "example.org", MetadataIP: addr("10.6.1.2"),
		HostRoutes: []driver.HostRoute{{Destination: prefix("192.168.7.0/24"), NextHop: addr("10.6.1.9")}},
	}
	c.aSub6 = driver.SubnetSpec{
		ID: id(), NetworkID: c.a.ID, Revision: 1, CIDR: prefix("fd00:6:1::/64"), Gateway: addr("fd00:6:1::1"), EnableDHCP: true, MTU: 1442,
		RAMode: driver.DHCPv6Stateful, AddressMode: driver.DHCPv6Stateful, DNS: []netip.Addr{addr("fd00::53")},
	}
	c.vlSub = driver.SubnetSpec{ID: id(), NetworkID: c.vlan.ID, Revision: 1, CIDR: prefix("10.6.2.0/24"), Gateway: addr("10.6.2.1"), EnableDHCP: true, MTU: 1500}
	c.web = driver.SecurityGroupSpec{ID: id(), Name: "web", Revision: 1, Stateful: true}
	c.web.Rules = []driver.SecurityGroupRule{
		{ID: id(), Direction: driver.Egress, IPVersion: 4},
		{ID: id(), Direction: driver.Egress, IPVersion: 6},
		{ID: id(), Direction: driver.Ingress, IPVersion: 4, Protocol: "tcp", PortMin: ptr(80), PortMax: ptr(80), RemotePrefix: prefix("0.0.0.0/0")},
		{ID: id(), Direction: driver.Ingress, IPVersion: 4, RemoteGroupID: c.web.ID},
	}
	c.server = driver.PortSpec{
		ID: id(), NetworkID: c.a.ID, Name: "srv", Revision: 3, MAC: "fa:16:3e:00:00:10", AdminStateUp: true, PortSecurity: true,
		FixedIPs: []driver.FixedIP{
			{SubnetID: c.aSub.ID, Address: addr("10.6.1.10"), CIDR: c.aSub.CIDR}, {SubnetID: c.aSub6.ID, Address: addr("fd00:6:1::10"), CIDR: c.aSub6.CIDR},
		},
		SecurityGroups: []string{c.web.ID}, DeviceOwner: "compute:nova", Host: "host1",
	}
	c.meta = driver.PortSpec{
		ID: id(), NetworkID: c.a.ID, Revision: 1, MAC: "fa:16:3e:00:00:02", AdminStateUp: true, Type: driver.LocalPort,
		FixedIPs: []driver.FixedIP{{SubnetID: c.aSub.ID, Address: addr("10.6.1.2"), CIDR: c.aSub.CIDR}}, DeviceOwner: "network:distributed",
	}
	c.router = driver.RouterSpec{ID: id(), Name: "r", Revision: 1, AdminStateUp: true}
	c.aIf = driver.PortSpec{
		ID: id(), NetworkID: c.a.ID, Revision: 1, MAC: "fa:16:3e:00:0a:01", AdminStateUp: true, Type: driver.RouterPort, RouterID: c.router.ID,
		DeviceOwner: "network:router_interface",
	}
	c.gw = driver.PortSpec{
		ID: id(), NetworkID: c.ext.ID, Revision: 1, MAC: "fa:16:3e:00:0e:01", AdminStateUp: true, Type: driver.RouterPort, RouterID: c.router.ID,
		DeviceOwner: "network:router_gateway",
	}
	c.router.Interfaces = []driver.RouterInterface{{
		PortID: c.aIf.ID, NetworkID: c.a.ID, NetworkType: driver.Geneve, MAC: c.aIf.MAC, MTU: 1442, RAMode: driver.DHCPv6Stateful,
		Addresses: []netip.Prefix{prefix("10.6.1.1/24"), prefix("fd00:6:1::1/64")},
	}}
	c.router.Gateway = &driver.RouterGateway{
		PortID: c.gw.ID, NetworkID: c.ext.ID, Physnet: "physnet1", MAC: c.gw.MAC, Addresses: []netip.Prefix{prefix("10.6.9.2/24")},
		NextHops: []netip.Addr{addr("10.6.9.1")}, EnableSNAT: true, MTU: 1500,
	}
	c.router.Routes = []driver.HostRoute{{Destination: prefix("172.16.0.0/16"), NextHop: addr("10.6.1.9")}}
	c.router.FloatingIPs = []driver.FloatingIPSpec{{
		ID: id(), External: addr("10.6.9.50"), Fixed: addr("10.6.1.10"), PortID: c.server.ID, MAC: "fa:16:3e:00:0e:50", Distributed: true,
	}}
	return c
}

func (c *cloud) desired() driver.Desired {
	return driver.Desired{
		Networks: []driver.NetworkSpec{c.ext, c.a, c.vlan}, Subnets: []driver.SubnetSpec{c.extSub, c.aSub, c.aSub6, c.vlSub},
		SecurityGroups: []driver.SecurityGroupSpec{c.web}, Ports: []driver.PortSpec{c.server, c.meta, c.aIf, c.gw},
		Routers: []driver.RouterSpec{c.router},
	}
}

// ensure realises everything in an order in which nothing is there yet that others refer to.
func (c *cloud) ensure(t testing.TB, ctx context.Context, b driver.Backend) {
	t.Helper()
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	d := c.desired()
	for _, n := range d.Networks {
		check(b.EnsureNetwork(ctx, n))
	}
	for _, p := range d.Ports {
		check(b.EnsurePort(ctx, p))
	}
	for _, r := range d.Routers {
		check(b.EnsureRouter(ctx, r))
	}
	for _, s := range d.Subnets {
		check(b.EnsureSubnet(ctx, s))
	}
	for _, g := range d.SecurityGroups {
		check(b.EnsureSecurityGroup(ctx, g))
	}
}

// addChassis makes a host known to the Southbound database.
func addChassis(t testing.TB, ctx context.Context, b *Backend, name, mappings string) {
	t.Helper()
	hash := uuid.NewSHA1(uuid.Nil, []byte(name))
	encap := &sb.Encap{UUID: uuid.NewString(), Type: "geneve", IP: netip.AddrFrom4([4]byte(hash[:4])).String(), ChassisName: name}
	ops, err := b.sb.Insert(ctx, encap)
	if err != nil {
		t.Fatal(err)
	}
	more, err := b.sb.Insert(ctx, &sb.Chassis{
		UUID: uuid.NewString(), Name: name, Hostname: name, Encaps: []string{encap.UUID}, OtherConfig: map[string]string{"ovn-bridge-mappings": mappings},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.sb.Transact(ctx, append(ops, more...)...); err != nil {
		t.Fatal(err)
	}
	if err := b.sb.Barrier(ctx); err != nil {
		t.Fatal(err)
	}
}

func get[T any, P interface {
	*T
	ovsdb.Row
}](t testing.TB, ctx context.Context, c *ovsdb.Client, uuid string) P {
	t.Helper()
	_ = c.Barrier(ctx)
	r, err := ovsdb.Get[T, P](ctx, c, uuid)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func prefixes(list ...string) []netip.Prefix {
	var out []netip.Prefix
	for _, s := range list {
		out = append(out, prefix(s))
	}
	return out
}
