package ovn

import (
	"context"
	"testing"

	"github.com/google/uuid"

	"gostack/internal/engine/ovsdb"
	"gostack/internal/engine/ovsdb/nb"
	"gostack/internal/neutron/driver"
)

func TestWhatEnsureMakesIsWhatSyncWants(t *testing.T) {
	b, ctx := testBackend(t)
	addChassis(t, ctx, b, "host1", "physnet1:br-ex")
	c := newCloud()
	for round := range 2 {
		c.ensure(t, ctx, b)
		report, err := b.Sync(ctx, c.desired(), false)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range report.Differences {
			t.Errorf("round %d: %+v", round, d)
		}
		if len(report.Rejected) > 0 || report.Checked < 20 {
			t.Errorf("round %d: checked %d, rejected %v", round, report.Checked, report.Rejected)
		}
	}
}

func TestSyncBuildsEverythingFromNothingAndRemovesEverything(t *testing.T) {
	b, ctx := testBackend(t)
	addChassis(t, ctx, b, "host1", "physnet1:br-ex")
	c := newCloud()
	report, err := b.Sync(ctx, c.desired(), true)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range report.Differences {
		if d.Problem != driver.Missing || !d.Repaired {
			t.Errorf("%+v", d)
		}
	}
	noDifference(t, b, c.desired())
	if _, err := b.Sync(ctx, driver.Desired{}, true); err != nil {
		t.Fatal(err)
	}
	_ = b.nb.Barrier(ctx)
	rows, err := b.nb.All(ctx, ownedTables, func(r ovsdb.Row) bool {
		return ovsdb.ExternalIDs(r)[ownerKey] != owner(kindGroup, dropGroupID)
	})
	if err != nil || len(rows) != 0 {
		t.Fatalf("left behind: %v, %v", rows, err)
	}
}

func noDifference(t *testing.T, b *Backend, want driver.Desired) {
	t.Helper()
	report, err := b.Sync(t.Context(), want, false)
	if err != nil || len(report.Differences) > 0 {
		t.Fatalf("%v %+v", err, report.Differences)
	}
}

func TestSyncRepairsDriftAndLeavesForeignRowsAlone(t *testing.T) {
	b, ctx := testBackend(t)
	addChassis(t, ctx, b, "host1", "physnet1:br-ex")
	c := newCloud()
	c.ensure(t, ctx, b)

	foreign := &nb.LogicalSwitch{UUID: uuid.NewString(), Name: "somebody else's"}
	junk := &nb.LogicalSwitch{UUID: uuid.NewString(), Name: "junk", ExternalIDs: map[string]string{ownerKey: owner(kindNetwork, uuid.NewString())}}
	port := get[nb.LogicalSwitchPort](t, ctx, b.nb, c.server.ID)
	port.Addresses = []string{"fa:16:3e:00:00:66 10.6.1.66"}
	drift, err := b.nb.Update(ctx, port, "addresses")
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range []ovsdb.Row{foreign, junk} {
		ops, err := b.nb.Insert(ctx, r)
		if err != nil {
			t.Fatal(err)
		}
		drift = append(drift, ops...)
	}
	drift = append(drift,
		ovsdb.RemoveRefs("Port_Group", c.web.ID, "ports", c.server.ID),
		ovsdb.RemoveRefs("Logical_Router", c.router.ID, "nat", c.router.FloatingIPs[0].ID))
	if err := b.nb.Transact(ctx, drift...); err != nil {
		t.Fatal(err)
	}

	report, err := b.Sync(ctx, c.desired(), true)
	if err != nil {
		t.Fatal(err)
	}
	found := map[driver.Problem]int{}
	for _, d := range report.Differences {
		found[d.Problem]++
		if !d.Repaired {
			t.Errorf("not repaired: %+v", d)
		}
	}
	if found[driver.Missing] != 1 || found[driver.Orphaned] != 1 || found[driver.Differs] < 1 {
		t.Errorf("found %v: %+v", found, report.Differences)
	}
	noDifference(t, b, c.desired())
	if get[nb.LogicalSwitch](t, ctx, b.nb, foreign.UUID) == nil {
		t.Error("a row that is not ours was removed")
	}
	if get[nb.LogicalSwitch](t, ctx, b.nb, junk.UUID) != nil {
		t.Error("junk is still there")
	}
}

func TestSyncAsksAgainBeforeItRemoves(t *testing.T) {
	b, ctx := testBackend(t)
	c := newCloud()
	if err := b.EnsureNetwork(ctx, c.a); err != nil {
		t.Fatal(err)
	}
	asked := 0
	// The snapshot was taken before the network was created.
	_, err := b.Sync(ctx, driver.Desired{Recheck: func(context.Context, string, string) (driver.Desired, error) {
		asked++
		return driver.Desired{Networks: []driver.NetworkSpec{c.a}}, nil
	}}, true)
	if err != nil {
		t.Fatal(err)
	}
	if asked == 0 || get[nb.LogicalSwitch](t, ctx, b.nb, c.a.ID) == nil {
		t.Fatalf("asked %d times; the network that was created meanwhile is gone", asked)
	}
}
