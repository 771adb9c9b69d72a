package simulated

import (
	"context"
	"errors"
	"testing"

	"gostack/internal/neutron/driver"
)

func TestAPortIsUpWhereItIsBound(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	b := New("h1")
	p := driver.PortSpec{ID: "p", NetworkID: "n", AdminStateUp: true}
	if err := b.EnsurePort(ctx, p); !errors.Is(err, driver.ErrDependency) {
		t.Fatalf("port without its network: %v", err)
	}
	_ = b.EnsureNetwork(ctx, driver.NetworkSpec{ID: "n"})
	events, err := b.Events(ctx)
	if err != nil {
		t.Fatal(err)
	}
	next := func(want driver.Event) {
		t.Helper()
		if got := <-events; got != want {
			t.Fatalf("got %+v, want %+v", got, want)
		}
	}
	next(driver.Event{Kind: driver.ChassisUp, ID: "h1", Host: "h1"})
	_ = b.EnsurePort(ctx, p) // unbound: nothing to tell
	up := make(chan error, 1)
	go func() { up <- b.WaitPortUp(ctx, "p") }()
	p.Host = "h1"
	_ = b.EnsurePort(ctx, p)
	next(driver.Event{Kind: driver.PortUp, ID: "p", Host: "h1"})
	if err := <-up; err != nil {
		t.Fatal(err)
	}
	if s, _ := b.PortStates(ctx, []string{"p", "q"}); len(s) != 1 || !s["p"].Up || s["p"].Host != "h1" {
		t.Errorf("states %v", s)
	}
	_ = b.DeletePort(ctx, "p")
	next(driver.Event{Kind: driver.PortDown, ID: "p"})
	cancel()
	for range events {
		t.Error("an event after the end")
	}
}

func TestSyncComparesAndRepairs(t *testing.T) {
	b, ctx := New(), t.Context()
	_ = b.EnsureNetwork(ctx, driver.NetworkSpec{ID: "old"})
	_ = b.EnsureNetwork(ctx, driver.NetworkSpec{ID: "n", MTU: 1})
	want := driver.Desired{Networks: []driver.NetworkSpec{{ID: "n", MTU: 2}}, Ports: []driver.PortSpec{{ID: "p", NetworkID: "n"}}}
	for round, expect := range []int{3, 3, 0} {
		report, err := b.Sync(ctx, want, round == 1)
		if err != nil || len(report.Differences) != expect {
			t.Errorf("round %d: %+v, %v", round, report, err)
		}
	}
}

// What was changed after the snapshot was taken stays, and what is changed during the repair is not undone by it.
func TestSyncRepairsToWhatIsWantedByThen(t *testing.T) {
	b, ctx := New(), t.Context()
	_ = b.EnsureNetwork(ctx, driver.NetworkSpec{ID: "young", Name: "came after the snapshot"})
	asked := 0
	old := driver.Desired{Networks: []driver.NetworkSpec{{ID: "n", Name: "first"}}}
	old.Recheck = func(_ context.Context, _, id string) (now driver.Desired, err error) {
		if id == "young" {
			now.Networks = []driver.NetworkSpec{{ID: "young", Name: "came after the snapshot"}}
			return now, nil
		}
		now.Networks = []driver.NetworkSpec{{ID: "n", Name: "first"}}
		if asked++; asked > 1 { // changed, and told to the engine, between the first answer and the repair
			now.Networks[0].Name = "second"
		}
		return now, nil
	}
	if _, err := b.Sync(ctx, old, true); err != nil {
		t.Fatal(err)
	}
	want := driver.Desired{Networks: []driver.NetworkSpec{{ID: "young", Name: "came after the snapshot"}, {ID: "n", Name: "second"}}}
	if report, err := b.Sync(ctx, want, false); err != nil || len(report.Differences) > 0 {
		t.Errorf("%+v, %v", report.Differences, err)
	}
}
