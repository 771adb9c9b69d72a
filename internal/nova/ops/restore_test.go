package ops_test

import (
	"context"
	"testing"
	"time"

	"gostack/internal/nova"
	"gostack/internal/nova/driver"
	"gostack/internal/saga/sagatest"
)

func TestSoftDelete(t *testing.T) {
	each(t, 1, func(t *testing.T, w *world) {
		ctx := t.Context()
		srv := w.settled("web")
		says(t, w.Nova.Restore(ctx, w.caller, srv.ID), "Cannot 'restore' instance "+srv.ID+" while it is in vm_state active")
		w.Nova.Config.ReclaimInterval = time.Hour
		must(t, w.Nova.DeleteOrKeep(ctx, w.caller, srv.ID))
		w.has(t, srv.ID, nova.SoftDeleted, driver.Shutdown)
		w.did(t, srv.ID, "delete", false, "compute_soft_delete_instance")
		w.Clean(t)
		must(t, w.Nova.Reclaim(ctx)) // not yet
		w.has(t, srv.ID, nova.SoftDeleted, driver.Shutdown)
		must(t, w.Nova.Restore(ctx, w.caller, srv.ID))
		w.has(t, srv.ID, nova.Active, driver.Running)
		w.did(t, srv.ID, "restore", false, "compute_restore_instance")
		w.Clean(t)

		must(t, w.Nova.DeleteOrKeep(ctx, w.caller, srv.ID))
		w.has(t, srv.ID, nova.SoftDeleted, driver.Shutdown)
		w.Nova.Config.ReclaimInterval = time.Nanosecond
		must(t, w.Nova.Reclaim(ctx))
		if w.Settled(srv.ID) != nil {
			t.Error("it is still there")
		}
		w.Clean(t)
	})
}

// What is deleted and can be restored holds no quota, so it comes back only where there is room.
func TestRestoreBeyondQuota(t *testing.T) {
	each(t, 1, func(t *testing.T, w *world) {
		ctx := t.Context()
		w.Nova.Config.ReclaimInterval = time.Hour
		w.setQuota(t, "instances", 1)
		first := w.settled("first")
		must(t, w.Nova.DeleteOrKeep(ctx, w.caller, first.ID))
		w.has(t, first.ID, nova.SoftDeleted, driver.Shutdown)
		second := w.settled("second")
		says(t, w.Nova.Restore(ctx, w.caller, first.ID), "Quota exceeded for instances: Requested 1, but already used 1 of 1 instances")
		w.has(t, first.ID, nova.SoftDeleted, driver.Shutdown)
		must(t, w.Nova.Delete(ctx, w.caller, second.ID))
		w.Settled(second.ID)
		must(t, w.Nova.Restore(ctx, w.caller, first.ID))
		w.has(t, first.ID, nova.Active, driver.Running)
		w.Clean(t)
	})
}

func TestSoftDeleteIsProved(t *testing.T) {
	t.Parallel()
	keep := func(w *world) *nova.Server {
		srv := w.settled("proof")
		w.Nova.Config.ReclaimInterval = time.Hour
		return srv
	}
	sagatest.Prove(t, nova.KindPower, proof(func(w *world) { keep(w) },
		onOnly(func(ctx context.Context, w *world, id string) error { return w.Nova.DeleteOrKeep(ctx, w.caller, id) }),
		func(t *testing.T, w *world) { t.Helper(); w.Clean(t); w.one(t, nova.SoftDeleted, driver.Shutdown) },
		func(t *testing.T, w *world) { t.Helper(); w.Clean(t) }))
	sagatest.Prove(t, nova.KindPower, proof(func(w *world) {
		srv := keep(w)
		must(w.T, w.Nova.DeleteOrKeep(context.Background(), w.caller, srv.ID))
		w.Settled(srv.ID)
	},
		onOnly(func(ctx context.Context, w *world, id string) error { return w.Nova.Restore(ctx, w.caller, id) }),
		runs,
		func(t *testing.T, w *world) { t.Helper(); w.Clean(t) }))
}
