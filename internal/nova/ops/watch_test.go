package ops_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"gostack/internal/nova"
	"gostack/internal/nova/db"
	"gostack/internal/nova/driver"
	"gostack/internal/nova/novatest"
	"gostack/internal/store"
	"gostack/internal/store/storetest"
)

// A host that is not heard of for a minute is down, and told once; when it is heard of again, too.
func TestWatchTellsHostsThatDie(t *testing.T) {
	w := newWorld(t, storetest.Either(t, novatest.Migrations...), 2)
	ctx := t.Context()
	watch := w.Nova.NewWatch()
	look := func(want ...nova.Change) {
		t.Helper()
		got, err := watch.Look(ctx)
		must(t, err)
		if len(got) != len(want) || len(got) == 1 && got[0] != want[0] {
			t.Errorf("told %+v, want %+v", got, want)
		}
	}
	// seen is when host-1 was heard of last; host-2 says so all the time.
	seen := func(at time.Time) {
		t.Helper()
		must(t, w.DB.Write(ctx, func(ctx context.Context, tx store.Tx) error {
			return errors.Join(db.SeenServices(ctx, tx, nova.BinaryCompute, []string{"host-1"}, at), db.SeenServices(ctx, tx, nova.BinaryCompute, []string{"host-2"}, w.Nova.Now()))
		}))
	}
	for _, a := range w.Agents { // theirs would come in between, when the machine is slow
		a.Stop()
	}
	look()
	seen(w.Nova.Now().Add(-61 * time.Second))
	look(nova.Change{Host: "host-1"})
	look()
	seen(w.Nova.Now())
	look(nova.Change{Host: "host-1", Up: true})
	yes := true
	_, _, err := w.Nova.UpdateService(ctx, "", nova.BinaryCompute, "host-1", nova.ServiceUpdate{ForcedDown: &yes})
	must(t, err)
	look(nova.Change{Host: "host-1"})
}

// What is heard while the database cannot be written is written with what is heard next.
func TestHeartbeatsOutliveTheDatabase(t *testing.T) {
	w := newWorld(t, storetest.Either(t, novatest.Migrations...), 2)
	ctx := t.Context()
	for _, a := range w.Agents {
		a.Stop()
	}
	must(t, w.DB.Write(ctx, func(ctx context.Context, tx store.Tx) error {
		return db.SeenServices(ctx, tx, nova.BinaryCompute, []string{"host-1", "host-2"}, w.Nova.Now().Add(-61*time.Second))
	}))
	s := &nova.Service{DB: w.DB} // has heard of nobody
	away, cancel := context.WithCancel(ctx)
	cancel()
	if err := s.Heartbeat(away, nova.BinaryCompute, "host-1"); err == nil {
		t.Fatal("written")
	}
	must(t, s.Heartbeat(ctx, nova.BinaryCompute, "host-2"))
	list, err := s.Hypervisors(ctx, 0, 0, false)
	must(t, err)
	for _, h := range list {
		if !h.Up {
			t.Errorf("%s seems dead", h.Host)
		}
	}
}

// Rows follow their guests even when no news of it came, and what was deleted without its host hearing it goes.
func TestSyncPowerStates(t *testing.T) {
	w := newWorld(t, storetest.Either(t, novatest.Migrations...), 1)
	w.Run()
	ctx := t.Context()
	srv, gone := w.settled("web"), w.settled("gone")
	host := w.Hosts["host-1"]
	// What a lost message leaves behind.
	must(t, w.DB.Write(ctx, func(ctx context.Context, tx store.Tx) error {
		wrong, err := db.GetServer(ctx, tx, srv.ID)
		if err != nil {
			return err
		}
		wrong.PowerState, wrong.VMState = int(driver.Shutdown), nova.Stopped
		return db.UpdateServer(ctx, tx, wrong, "power_state", "vm_state")
	}))
	must(t, w.Nova.Delete(ctx, w.caller, gone.ID))
	w.Settled(gone.ID)
	must(t, host.Driver.Define(ctx, driver.GuestSpec{ID: gone.ID, Name: "gone"}))
	must(t, w.Nova.SyncPowerStates(ctx, 0))
	if now := w.Settled(srv.ID); now.VMState != nova.Active || now.PowerState != int(driver.Running) {
		t.Errorf("the server is %s with power state %d", now.VMState, now.PowerState)
	}
	guests, err := host.List(ctx)
	must(t, err)
	if len(guests) != 1 || guests[0].ID != srv.ID {
		t.Errorf("on the host are %+v", guests)
	}
}
