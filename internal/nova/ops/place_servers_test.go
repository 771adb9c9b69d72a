package ops_test

import (
	"context"
	"strings"
	"testing"

	"gostack/internal/nova"
	"gostack/internal/nova/db"
	"gostack/internal/nova/driver"
	"gostack/internal/nova/novatest"
	"gostack/internal/saga/sagatest"
	"gostack/internal/store"
	"gostack/internal/store/storetest"
)

// several boots servers in one request.
func (w *world) several(ctx context.Context, least, most int, change func(*nova.CreateRequest)) ([]*nova.Server, error) {
	in := request("many")
	in.Min, in.Max = least, most
	if change != nil {
		change(&in)
	}
	return w.Nova.CreateServers(ctx, w.caller, in)
}

func TestPlaceServersIsProved(t *testing.T) {
	all := func(t *testing.T, w *world, vm string, power driver.PowerState) {
		t.Helper()
		w.Clean(t)
		list := w.Servers()
		if len(list) != 3 {
			t.Fatalf("%d servers", len(list))
		}
		for _, srv := range list {
			if srv.VMState != vm || srv.PowerState != int(power) || (srv.Fault != nil) != (vm == nova.InError) {
				t.Errorf("%s: %s %d %+v", srv.Name, srv.VMState, srv.PowerState, srv.Fault)
			}
		}
	}
	sagatest.Prove(t, nova.KindPlace, proof(nil,
		func(ctx context.Context, w *world) error { _, err := w.several(ctx, 3, 3, nil); return err },
		func(t *testing.T, w *world) { all(t, w, nova.Active, driver.Running) },
		func(t *testing.T, w *world) { all(t, w, nova.InError, driver.NoState) }))
}

// TestSeveralServersAreOneDecision: at least so many, or none; names and reservation tie them together.
func TestSeveralServersAreOneDecision(t *testing.T) {
	each(t, 2, func(t *testing.T, w *world) {
		ctx := t.Context()
		w.setQuota(t, "ram", -1)
		big := func(in *nova.CreateRequest) { in.FlavorID = w.bigFlavor(t) } // two fit on a host
		for _, test := range []struct {
			least, most, active int
		}{{3, 3, 3}, {2, 9, 4}, {5, 5, 0}, {5, 9, 0}, {1, 1, 1}} {
			list, err := w.several(ctx, test.least, test.most, big)
			must(t, err)
			active := 0
			for i, made := range list {
				srv := w.Settled(made.ID)
				switch {
				case srv.VMState == nova.Active:
					active++
				case srv.VMState != nova.InError || srv.Host != "" || srv.Fault.Message != "No valid host was found. There are not enough hosts available.":
					t.Errorf("%s: %s on %q, %+v", srv.Name, srv.VMState, srv.Host, srv.Fault)
				case !strings.Contains(srv.Fault.Details, "Placement(MEMORY_MB) refused 2"):
					t.Errorf("details: %s", srv.Fault.Details)
				}
				if test.most > 1 && (srv.Name != "many-"+string(rune('1'+i)) || srv.ReservationID != list[0].ReservationID || srv.LaunchIndex != i) {
					t.Errorf("the %d-th: %s %s %d", i, srv.Name, srv.ReservationID, srv.LaunchIndex)
				}
				actions, err := db.ListActions(ctx, w.DB.Read(ctx), db.ActionFilter{ServerID: srv.ID})
				if err != nil || len(actions) != 1 || (actions[0].Message != nil) != (srv.VMState == nova.InError) {
					t.Errorf("actions of %s: %+v %v", srv.Name, actions, err)
				}
			}
			if active != test.active {
				t.Errorf("%d to %d: %d active, want %d", test.least, test.most, active, test.active)
			}
			w.Clean(t)
			for _, made := range list {
				must(t, w.Nova.Delete(ctx, w.caller, made.ID))
				w.Settled(made.ID)
			}
		}
	})
}

// bigFlavor makes a flavor of which two servers fit on a simulated host.
func (w *world) bigFlavor(t *testing.T) string {
	t.Helper()
	must(t, w.DB.Write(t.Context(), func(ctx context.Context, tx store.Tx) error {
		if _, err := db.GetFlavor(ctx, tx, "big", ""); err == nil {
			return nil
		}
		return db.Insert(ctx, tx, &nova.Flavor{
			ID: "big", Name: "big", MemoryMB: 120 << 10, VCPUs: 1, RootGB: 1, RxTxFactor: 1, IsPublic: true, ExtraSpecs: map[string]string{}, CreatedAt: w.Nova.Now(),
		})
	}))
	return "big"
}

// TestDeletedBeforePlaced: a server that is deleted while the hosts are looked for takes nothing.
func TestDeletedBeforePlaced(t *testing.T) {
	w := newWorld(t, storetest.Either(t, novatest.Migrations...), 2)
	w.Run()() // nobody works, but operations can be stored
	list, err := w.several(t.Context(), 3, 3, nil)
	must(t, err)
	must(t, w.Nova.Delete(t.Context(), w.caller, list[1].ID))
	w.Run()
	for i, made := range list {
		srv := w.Settled(made.ID)
		if i == 1 && srv != nil || i != 1 && (srv == nil || srv.VMState != nova.Active) {
			t.Errorf("%d: %+v", i, srv)
		}
	}
	w.Clean(t)
}
