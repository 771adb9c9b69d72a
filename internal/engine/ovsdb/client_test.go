package ovsdb_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"gostack/internal/engine/ovsdb"
	"gostack/internal/engine/ovsdb/nb"
	"gostack/internal/engine/ovsdb/ovsdbtest"
)

const key = "owner"

func open(t *testing.T) (*ovsdb.Client, *ovsdbtest.Server, context.Context) {
	t.Helper()
	srv := ovsdbtest.Start(t, ovsdbtest.NBSchema)
	tables := nb.Tables(key)
	tables[0].MoreIndexes = []string{"colour"} // of Logical_Switch
	c := ovsdb.Open(ovsdb.Config{Database: nb.Database, Endpoints: []string{srv.Endpoint}, Tables: tables})
	t.Cleanup(c.Close)
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	t.Cleanup(cancel)
	return c, srv, ctx
}

func insert(t *testing.T, ctx context.Context, c *ovsdb.Client, r ovsdb.Row, more ...ovsdb.Op) error {
	t.Helper()
	ops, err := c.Insert(ctx, r)
	if err != nil {
		t.Fatal(err)
	}
	return c.Transact(ctx, append(ops, more...)...)
}

func TestRowsKeepTheirUUIDAndAreFoundByOwner(t *testing.T) {
	c, _, ctx := open(t)
	ls := &nb.LogicalSwitch{UUID: uuid.NewString(), Name: "n1", ExternalIDs: map[string]string{key: "network/1"}}
	if err := insert(t, ctx, c, ls); err != nil {
		t.Fatal(err)
	}
	if err := c.Barrier(ctx); err != nil {
		t.Fatal(err)
	}
	got, err := ovsdb.Get[nb.LogicalSwitch](ctx, c, ls.UUID)
	if err != nil || got == nil || got.Name != "n1" {
		t.Fatalf("got %+v, %v", got, err)
	}
	rows, err := c.ByExternalID(ctx, []string{"Logical_Switch", "Logical_Router"}, "network/1")
	if err != nil || len(rows) != 1 || ovsdb.UUID(rows[0]) != ls.UUID {
		t.Fatalf("by owner: %v, %v", rows, err)
	}
	red := &nb.LogicalSwitch{UUID: uuid.NewString(), Name: "red", ExternalIDs: map[string]string{"colour": "red"}}
	if err := errors.Join(insert(t, ctx, c, red), c.Barrier(ctx)); err != nil {
		t.Fatal(err)
	}
	for _, by := range []struct{ key, value, want string }{
		{"colour", "red", red.UUID}, {key, "network/1", ls.UUID}, {"colour", "network/1", ""}, {key, "red", ""}, {"colour", "blue", ""}, {key, "network/2", ""}, {"size", "red", ""},
	} {
		rows, err := c.ByKey(ctx, "Logical_Switch", by.key, by.value)
		found := ""
		for _, r := range rows {
			found += ovsdb.UUID(r)
		}
		if err != nil || found != by.want {
			t.Errorf("by %s %s: %q, %v, want %q", by.key, by.value, found, err, by.want)
		}
	}

	got.Name = "n2"
	ops, err := c.Update(ctx, got, "name")
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Transact(ctx, ops...); err != nil {
		t.Fatal(err)
	}
	_ = c.Barrier(ctx)
	if got, _ = ovsdb.Get[nb.LogicalSwitch](ctx, c, ls.UUID); got.Name != "n2" || got.ExternalIDs[key] != "network/1" {
		t.Fatalf("after update: %+v", got)
	}
	if err := c.Transact(ctx, ovsdb.Delete("Logical_Switch", ls.UUID)); err != nil {
		t.Fatal(err)
	}
	_ = c.Barrier(ctx)
	if got, _ = ovsdb.Get[nb.LogicalSwitch](ctx, c, ls.UUID); got != nil {
		t.Fatalf("still there: %+v", got)
	}
}

func TestOutdatedOperationsAreStaleAndChangeNothing(t *testing.T) {
	c, _, ctx := open(t)
	ls := &nb.LogicalSwitch{UUID: uuid.NewString(), Name: "n1"}
	missing := uuid.NewString()
	port := &nb.LogicalSwitchPort{UUID: uuid.NewString(), Name: uuid.NewString()}
	if err := insert(t, ctx, c, port, ovsdb.MustExist("Logical_Switch", missing, "name", "x")); !errors.Is(err, ovsdb.ErrStale) {
		t.Fatalf("wait: %v", err)
	}
	if err := c.Transact(ctx, ovsdb.AddRefs("Logical_Switch", missing, "ports", port.UUID)); !errors.Is(err, ovsdb.ErrStale) {
		t.Fatalf("mutate: %v", err)
	}
	if err := insert(t, ctx, c, ls); err != nil {
		t.Fatal(err)
	}
	if err := insert(t, ctx, c, port, ovsdb.MustExist("Logical_Switch", ls.UUID, "name", "n1"), ovsdb.AddRefs("Logical_Switch", ls.UUID, "ports", port.UUID)); err != nil {
		t.Fatal(err)
	}
}

func TestConcurrentCallersShareTransactionsAndOneMistakeHurtsOnlyItself(t *testing.T) {
	c, _, ctx := open(t)
	bad := uuid.NewString()
	var wg sync.WaitGroup
	errs := make([]error, 50)
	for i := range errs {
		wg.Go(func() {
			if i == 25 {
				errs[i] = c.Transact(ctx, ovsdb.MustExist("Logical_Switch", bad, "name", "x"))
				return
			}
			ops, err := c.Insert(ctx, &nb.LogicalSwitch{UUID: uuid.NewString(), Name: fmt.Sprint("n", i)})
			if err == nil {
				err = c.Transact(ctx, ops...)
			}
			errs[i] = err
		})
	}
	wg.Wait()
	for i, err := range errs {
		if (i == 25) != errors.Is(err, ovsdb.ErrStale) || (i != 25 && err != nil) {
			t.Errorf("caller %d: %v", i, err)
		}
	}
	_ = c.Barrier(ctx)
	rows, err := ovsdb.List[nb.LogicalSwitch](ctx, c, nil)
	if err != nil || len(rows) != 49 {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
}

func TestReconnectTellsSubscribersToLookAgain(t *testing.T) {
	c, srv, ctx := open(t)
	sub := c.Subscribe("Logical_Switch")
	defer sub.Cancel()
	if ch, err := sub.Next(ctx); err != nil || !ch.Reset {
		t.Fatalf("first: %+v, %v", ch, err)
	}
	ls := &nb.LogicalSwitch{UUID: uuid.NewString(), Name: "n1"}
	if err := insert(t, ctx, c, ls); err != nil {
		t.Fatal(err)
	}
	ch, err := sub.Next(ctx)
	if err != nil || ch.Rows[ovsdb.Key{Table: "Logical_Switch", UUID: ls.UUID}] == nil {
		t.Fatalf("insert: %+v, %v", ch, err)
	}
	srv.Down()
	srv.Up(t)
	if ch, err = sub.Next(ctx); err != nil || !ch.Reset {
		t.Fatalf("after reconnect: %+v, %v", ch, err)
	}
	if rows, err := ovsdb.List[nb.LogicalSwitch](ctx, c, nil); err != nil || len(rows) != 0 {
		t.Fatalf("the new server is empty, the replica is not: %v, %v", rows, err)
	}
	if err := insert(t, ctx, c, ls); err != nil {
		t.Fatalf("write after reconnect: %v", err)
	}
}

func TestNoServerMeansTheCallersDeadline(t *testing.T) {
	c := ovsdb.Open(ovsdb.Config{Database: nb.Database, Endpoints: []string{"unix:/nonexistent"}, Tables: nb.Tables(key)})
	defer c.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := c.Ready(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
}

func TestDiffIgnoresOrderAndEmptiness(t *testing.T) {
	yes := true
	a := &nb.LogicalSwitchPort{Name: "p", Addresses: []string{"a", "b"}, Options: map[string]string{}}
	b := &nb.LogicalSwitchPort{Name: "p", Addresses: []string{"b", "a"}, Up: &yes}
	if d := ovsdb.Diff(a, b, "up"); len(d) != 0 {
		t.Fatal(d)
	}
	b.Addresses, b.Name = []string{"a", "c"}, "q"
	if d := ovsdb.Diff(a, b, "up"); len(d) != 2 {
		t.Fatal(d)
	}
}

func TestCloneSharesNothing(t *testing.T) {
	up := true
	a := &nb.LogicalSwitchPort{UUID: "u", Name: "p", Addresses: []string{"a"}, Options: map[string]string{"k": "v"}, Up: &up}
	b := a.CloneModel().(*nb.LogicalSwitchPort)
	if !a.EqualsModel(b) {
		t.Fatalf("%+v is not %+v", b, a)
	}
	b.Addresses[0], b.Options["k"], *b.Up, b.Name = "b", "w", false, "q"
	if a.Addresses[0] != "a" || a.Options["k"] != "v" || !*a.Up || a.Name != "p" || a.EqualsModel(b) {
		t.Fatalf("the original changed: %+v", a)
	}
	var c nb.LogicalSwitchPort
	a.CloneModelInto(&c)
	if !a.EqualsModel(&c) {
		t.Fatalf("%+v", c)
	}
}

func TestReconnectsLeaveNoGoroutineBehind(t *testing.T) {
	c, srv, ctx := open(t)
	if err := c.Ready(ctx); err != nil {
		t.Fatal(err)
	}
	sub := c.Subscribe()
	defer sub.Cancel()
	_, _ = sub.Next(ctx)
	before := runtime.NumGoroutine()
	for range 100 { // the tests before have some that are about to end
		time.Sleep(5 * time.Millisecond)
		before = min(before, runtime.NumGoroutine())
	}
	for range 10 {
		srv.Down()
		srv.Up(t)
		if _, err := sub.Next(ctx); err != nil {
			t.Fatal(err)
		}
	}
	// Those of sessions that are over go by and by.
	for end := time.Now().Add(time.Minute); runtime.NumGoroutine() > before+3; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			buf := make([]byte, 1<<20)
			t.Fatalf("%d goroutines before, %d after ten reconnects\n%s", before, runtime.NumGoroutine(), buf[:runtime.Stack(buf, true)])
		}
	}
}
