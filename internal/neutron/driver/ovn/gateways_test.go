package ovn

import (
	"context"
	"slices"
	"testing"
	"time"

	"gostack/internal/engine/ovsdb"
	"gostack/internal/engine/ovsdb/nb"
	"gostack/internal/neutron/driver"
	"gostack/internal/neutron/driver/ovn/ovntest"
)

func TestGatewaysStayWhereTheyAre(t *testing.T) {
	possible := []string{"h1", "h2", "h3", "h4", "h5", "h6"}
	got := chooseGateways("p", []string{"h4", "gone", "h2"}, possible)
	if len(got) != maxGateways || !slices.Equal(got[:2], []string{"h4", "h2"}) {
		t.Errorf("got %v", got)
	}
	if again := chooseGateways("p", got, possible); !slices.Equal(again, got) {
		t.Errorf("moved from %v to %v", got, again)
	}
	first := map[string]bool{}
	for _, port := range []string{"a", "b", "c", "d", "e", "f", "g", "h"} {
		first[chooseGateways(port, nil, possible)[0]] = true
	}
	if len(first) < 3 {
		t.Errorf("all gateways on %v", first)
	}
}

func TestOnlyMarkedHostsCarryGateways(t *testing.T) {
	all := []driver.Chassis{
		{Name: "h1", Bridges: map[string]string{"physnet1": "br-ex"}},
		{Name: "h2", Bridges: map[string]string{"physnet1": "br-ex"}, Gateway: true},
		{Name: "h3", Bridges: map[string]string{"physnet2": "br-x"}, Gateway: true},
	}
	if got := candidates(all, "physnet1", nil); !slices.Equal(got, []string{"h2"}) {
		t.Errorf("got %v", got)
	}
	if got := candidates(all[:1], "physnet1", nil); !slices.Equal(got, []string{"h1"}) {
		t.Errorf("got %v", got)
	}
}

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
	return byPriority(rows)
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
