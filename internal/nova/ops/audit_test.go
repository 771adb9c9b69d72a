package ops_test

import (
	"strings"
	"testing"

	"gostack/internal/nova"
	"gostack/internal/nova/driver"
	"gostack/internal/nova/novatest"
	"gostack/internal/store"
	"gostack/internal/store/storetest"
)

func TestAuditFindsAndRepairs(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *store.DB) {
		w := newWorld(t, d, 2)
		w.Run()
		ctx := t.Context()
		clean := func() {
			t.Helper()
			novatest.Until(t, "the power states are told", func() bool {
				found, err := w.Nova.Audit(ctx, false)
				must(t, err)
				return len(found) == 0
			})
		}
		srv, lost := w.settled("web"), w.settled("lost")
		clean()

		here, other := w.Hosts[srv.Host], w.Hosts["host-1"]
		if srv.Host == "host-1" {
			other = w.Hosts["host-2"]
		}
		orphan := driver.GuestSpec{ID: "0f0e0d0c-0000-4000-8000-000000000001", Name: "orphan"}
		copied := driver.GuestSpec{ID: srv.ID, Name: "copy"}
		files := driver.GuestSpec{ID: "0f0e0d0c-0000-4000-8000-000000000002"}
		must(t, here.Driver.Define(ctx, orphan))
		must(t, other.Driver.Define(ctx, copied))
		must(t, here.PrepareDisks(ctx, files))
		must(t, w.Hosts[lost.Host].Driver.Destroy(ctx, lost.ID))

		want := map[string]string{orphan.ID: "guest of no server", srv.ID: "but the server is on", files.ID: "files of no server", lost.ID: "has no guest"}
		for _, repair := range []bool{false, true} {
			found, err := w.Nova.Audit(ctx, repair)
			must(t, err)
			if len(found) != len(want) {
				t.Errorf("found %+v", found)
			}
			for _, f := range found {
				if w := want[f.ID]; w == "" || !strings.Contains(f.Problem, w) || f.Repaired != (repair && f.ID != lost.ID) {
					t.Errorf("repair %t: %+v", repair, f)
				}
			}
		}
		found, err := w.Nova.Audit(ctx, true)
		must(t, err)
		if len(found) != 1 || found[0].ID != lost.ID {
			t.Errorf("after the repair %+v", found)
		}
		if state, err := here.PowerState(ctx, srv.ID); err != nil || state != driver.Running {
			t.Errorf("the server itself is %v, %v", state, err)
		}
		if got := w.Settled(srv.ID); got.VMState != nova.Active {
			t.Errorf("the server is %s", got.VMState)
		}
	}, novatest.Migrations...)
}
