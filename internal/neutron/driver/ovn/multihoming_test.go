package ovn

import (
	"net/netip"
	"testing"

	"github.com/google/uuid"

	"gostack/internal/engine/ovsdb"
	"gostack/internal/engine/ovsdb/nb"
	"gostack/internal/neutron/driver"
)

// second gives the cloud's router another gateway, on the VLAN network.
func (c *cloud) second() driver.PortSpec {
	gw := c.gw
	gw.ID, gw.NetworkID, gw.MAC = uuid.NewString(), c.vlan.ID, "fa:16:3e:00:0e:02"
	c.router.MoreGateways = []driver.RouterGateway{{
		PortID: gw.ID, NetworkID: c.vlan.ID, Physnet: "physnet1", MAC: gw.MAC, Addresses: []netip.Prefix{prefix("10.6.2.2/24")},
		NextHops: []netip.Addr{addr("10.6.2.1")}, MTU: 1500,
	}}
	c.router.FloatingIPs[0].NetworkID = c.ext.ID
	return gw
}

// With several gateways each translates for itself, the default route is shared, and sessions watch the next hops; with one, no row says
// which gateway it is about.
func TestGatewaysShareTheDefaultRoute(t *testing.T) {
	b, ctx := testBackend(t)
	c := newCloud()
	gw := c.second()
	c.router.WatchNextHops = true
	c.ensure(t, ctx, b)
	if err := b.EnsurePort(ctx, gw); err != nil {
		t.Fatal(err)
	}
	noDifference(t, b, desiredWith(c, gw))
	rules := func() (snat map[string]string, floating *string) {
		rows, err := ovsdb.List[nb.NAT](ctx, b.nb, nil)
		if err != nil {
			t.Fatal(err)
		}
		snat = map[string]string{}
		for _, n := range rows {
			if n.Type != "snat" {
				floating = n.GatewayPort
				continue
			}
			snat[n.ExternalIP] = ""
			if n.GatewayPort != nil {
				snat[n.ExternalIP] = *n.GatewayPort
			}
		}
		return snat, floating
	}
	if snat, floating := rules(); len(snat) != 2 || snat["10.6.9.2"] != routerPortID(c.gw.ID) || snat["10.6.2.2"] != routerPortID(gw.ID) ||
		floating == nil || *floating != routerPortID(c.gw.ID) {
		t.Errorf("rules of two gateways: %v %v", snat, floating)
	}
	routes, err := ovsdb.List(ctx, b.nb, func(r *nb.StaticRoute) bool { return r.IPPrefix == "0.0.0.0/0" })
	if err != nil || len(routes) != 2 {
		t.Fatalf("%d default routes, %v", len(routes), err)
	}
	for _, r := range routes {
		if r.BFD == nil {
			t.Errorf("nobody watches %s", r.NextHop)
			continue
		}
		if s := get[nb.BFD](t, ctx, b.nb, *r.BFD); s.DstIP != r.NextHop || s.LogicalPort != *r.OutputPort {
			t.Errorf("the session of %s is %+v", r.NextHop, s)
		}
	}
	c.router.MoreGateways, c.router.WatchNextHops, c.router.Revision = nil, false, 2
	if err := b.EnsureRouter(ctx, c.router); err != nil {
		t.Fatal(err)
	}
	noDifference(t, b, desiredWith(c, gw))
	if snat, floating := rules(); len(snat) != 1 || snat["10.6.9.2"] != "" || floating != nil {
		t.Errorf("rules of one gateway: %v %v", snat, floating)
	}
	if sessions, err := ovsdb.List[nb.BFD](ctx, b.nb, nil); err != nil || len(sessions) > 0 {
		t.Errorf("%d sessions are left, %v", len(sessions), err)
	}
}

func desiredWith(c *cloud, gw driver.PortSpec) driver.Desired {
	d := c.desired()
	d.Ports = append(d.Ports, gw)
	return d
}
