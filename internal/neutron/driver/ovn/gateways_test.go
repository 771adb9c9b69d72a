package ovn

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"gostack/internal/engine/ovsdb"
	"gostack/internal/engine/ovsdb/nb"
	"gostack/internal/neutron/driver"
	"gostack/internal/neutron/driver/ovn/ovntest"
)

func TestAHostThatComesLaterTakesGatewaysAndFloatingIPs(t *testing.T) {
	b, ctx := testBackend(t)
	c := newCloud()
	c.ensure(t, ctx, b)
	hosts := func() []string { return gatewayHosts(t, ctx, b, c.gw.ID) }
	if got := hosts(); len(got) != 0 {
		t.Fatalf("gateways %v without hosts", got)
	}
	fip := func() *nb.NAT { return get[nb.NAT](t, ctx, b.nb, c.router.FloatingIPs[0].ID) }
	if fip().ExternalMAC != nil {
		t.Error("the floating IP is answered on a host that does not exist")
	}
	addChassis(t, ctx, b, "host0", "physnet1:br-ex")
	ovntest.Eventually(t, "host0 is the gateway", func() bool { return slices.Equal(hosts(), []string{"host0"}) })
	addChassis(t, ctx, b, "host1", "physnet1:br-ex,physnet2:br-x")
	ovntest.Eventually(t, "host1 stands by", func() bool { return slices.Equal(hosts(), []string{"host0", "host1"}) })
	ovntest.Eventually(t, "the server's host answers for the floating IP", func() bool { return fip().ExternalMAC != nil })
	noDifference(t, b, c.desired())

	c.server.Host = "" // unbound: the gateway answers again
	if err := b.EnsurePort(ctx, c.server); err != nil {
		t.Fatal(err)
	}
	if fip().ExternalMAC != nil {
		t.Error("the floating IP stays on the old host")
	}
	if err := b.RemoveChassis(ctx, "host0"); err != nil {
		t.Fatal(err)
	}
	ovntest.Eventually(t, "host1 takes over", func() bool { return slices.Equal(hosts(), []string{"host1"}) })
	noDifference(t, b, c.desired())
}

// What an operator chose is in the rows, and stays there when hosts come, change what they map, and go.
func TestChosenHostsOfGateways(t *testing.T) {
	b, ctx := testBackend(t)
	c := newCloud()
	for _, host := range []string{"host0", "host1", "host2"} {
		addChassis(t, ctx, b, host, "physnet1:br-ex")
	}
	c.ensure(t, ctx, b)
	second := c.second()
	c.router.Gateway.Chosen = []driver.GatewayHost{{Chassis: "host2", Priority: 7}, {Chassis: "host1", Priority: 0}, {Chassis: "host0", Priority: -1}}
	c.router.MoreGateways[0].Chosen = c.router.Gateway.Chosen
	for _, err := range []error{b.EnsurePort(ctx, second), b.EnsureRouter(ctx, c.router)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	is := func(router, chassis string) string {
		t.Helper()
		has, err := b.Gateways(ctx, router, chassis)
		if err != nil {
			t.Fatal(err)
		}
		var out []string
		for _, g := range has {
			name := map[string]string{c.gw.ID: "first", second.ID: "second"}[g.PortID]
			out = append(out, fmt.Sprintf("%s:%s=%d", name, g.Chassis, g.Priority))
			if g.Router != c.router.ID {
				t.Errorf("of router %s", g.Router)
			}
		}
		slices.Sort(out)
		return strings.Join(out, " ")
	}
	if got := is(c.router.ID, ""); got != "first:host1=0 first:host2=7 second:host1=0 second:host2=7" {
		t.Errorf("the router has %s", got)
	}
	if got := is("", "host2"); got != "first:host2=7 second:host2=7" {
		t.Errorf("the chassis has %s", got)
	}
	noDifference(t, b, desiredWith(c, second))
	for gone, want := range map[string]string{"host2": "first:host1=0 second:host1=0", "host1": "first:host2=7 second:host2=7"} {
		if err := b.RemoveChassis(ctx, gone); err != nil {
			t.Fatal(err)
		}
		ovntest.Eventually(t, gone+" is gone", func() bool { return is(c.router.ID, "") == want })
		addChassis(t, ctx, b, gone, "physnet1:br-ex")
		ovntest.Eventually(t, gone+" is back", func() bool { return is(c.router.ID, "") == "first:host1=0 first:host2=7 second:host1=0 second:host2=7" })
	}
	for _, gone := range []string{"host1", "host2"} {
		if err := b.RemoveChassis(ctx, gone); err != nil {
			t.Fatal(err)
		}
	}
	ovntest.Eventually(t, "the gateways are nowhere rather than where they may not be", func() bool { return is(c.router.ID, "") == "" })
	addChassis(t, ctx, b, "host3", "physnet1:br-ex")
	ovntest.Eventually(t, "a host that nobody chose helps out", func() bool { return is(c.router.ID, "") == "first:host3=1 second:host3=1" })
	addChassis(t, ctx, b, "host1", "physnet1:br-ex")
	ovntest.Eventually(t, "a chosen one is back", func() bool { return is(c.router.ID, "") == "first:host1=0 second:host1=0" })
	noDifference(t, b, desiredWith(c, second))
}

func TestHostsAreFoundByShortAndFullName(t *testing.T) {
	b, ctx := testBackend(t)
	addChassis(t, ctx, b, "host1.example.org", "physnet1:br-ex")
	addChassis(t, ctx, b, "box2", "")
	c := newCloud()
	c.ensure(t, ctx, b)
	for host, want := range map[string]string{
		"host1": "host1.example.org", "host1.example.org": "host1.example.org", "box2": "box2", "box2.example.org": "box2", "host3": "host3", "host1.example.net": "host1.example.net",
	} {
		c.server.Host = host
		if err := b.EnsurePort(ctx, c.server); err != nil {
			t.Fatal(err)
		}
		if got := get[nb.LogicalSwitchPort](t, ctx, b.nb, c.server.ID).Options["requested-chassis"]; got != want {
			t.Errorf("%s: asked for %s, want %s", host, got, want)
		}
		noDifference(t, b, c.desired())
	}
	// A chassis that appears after the port was bound.
	c.server.Host = "host7"
	if err := b.EnsurePort(ctx, c.server); err != nil {
		t.Fatal(err)
	}
	addChassis(t, ctx, b, "host7.example.org", "")
	ovntest.Eventually(t, "the port asks for the chassis by its name", func() bool {
		return get[nb.LogicalSwitchPort](t, ctx, b.nb, c.server.ID).Options["requested-chassis"] == "host7.example.org"
	})
}

func gatewayHosts(t *testing.T, ctx context.Context, b *Backend, portID string) []string {
	t.Helper()
	rows, err := ovsdb.List(ctx, b.nb, func(r *nb.GatewayChassis) bool { return r.ExternalIDs[parentKey] == routerPortID(portID) })
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, h := range hostsOf(rows) {
		names = append(names, h.Chassis)
	}
	return names
}

func TestWhoIsAlive(t *testing.T) {
	now := time.Now()
	for name, c := range map[string]struct {
		is    driver.Chassis
		asked int64
		want  [2]bool
	}{
		"heard of recently":        {driver.Chassis{LastSeen: now.Add(-10 * time.Second)}, -1, [2]bool{true, false}},
		"silent":                   {driver.Chassis{LastSeen: now.Add(-2 * downAfter), Generation: 4}, 5, [2]bool{false, false}},
		"answered":                 {driver.Chassis{LastSeen: now.Add(-2 * downAfter), Generation: 5}, 5, [2]bool{true, false}},
		"answered with two voices": {driver.Chassis{Generation: 5, MetadataAgent: true, MetadataGeneration: 5}, 5, [2]bool{true, true}},
		"metadata agent is dead":   {driver.Chassis{Generation: 5, MetadataAgent: true, MetadataGeneration: 4}, 5, [2]bool{true, false}},
		"never heard of":           {driver.Chassis{}, 0, [2]bool{false, false}},
	} {
		got := alive([]driver.Chassis{c.is}, now, c.asked)[0]
		if got.Alive != c.want[0] || got.MetadataAlive != c.want[1] {
			t.Errorf("%s: %v %v", name, got.Alive, got.MetadataAlive)
		}
	}
}
