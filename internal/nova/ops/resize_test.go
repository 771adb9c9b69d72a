package ops_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"gostack/internal/nova"
	"gostack/internal/nova/db"
	"gostack/internal/nova/driver"
	"gostack/internal/nova/novatest"
	"gostack/internal/saga/sagatest"
	"gostack/internal/store"
)

// bigger makes flavor "2" with twice of everything.
func (w *world) bigger() {
	w.T.Helper()
	must(w.T, w.Nova.CreateFlavor(context.Background(), w.caller, &nova.Flavor{ID: "2", Name: "m1.small", MemoryMB: 1024, VCPUs: 2, RootGB: 2, IsPublic: true}))
}

// moveOf is the server's latest move.
func (w *world) moveOf(t *testing.T, id string) *nova.Migration {
	t.Helper()
	list, err := db.ListMigrations(context.Background(), w.DB.Read(context.Background()), db.MigrationFilter{ServerID: id, Limit: 1})
	if err != nil || len(list) != 1 {
		t.Fatalf("moves %v, %v", list, err)
	}
	return list[0]
}

// holds is what a consumer has of a class on the host of a name.
func (w *world) holds(t *testing.T, consumer, host, class string) int64 {
	t.Helper()
	n, err := db.GetComputeNodeOf(context.Background(), w.DB.Read(context.Background()), host)
	must(t, err)
	c, err := w.Placement.Consumer(context.Background(), consumer)
	must(t, err)
	if c == nil {
		return 0
	}
	return c.Allocations[n.ID][class]
}

func TestResizeRevertedAndConfirmed(t *testing.T) {
	each(t, 2, func(t *testing.T, w *world) {
		ctx := t.Context()
		w.bigger()
		srv := w.settled("grower")
		source, disk := srv.Host, w.Hosts[srv.Host].DiskOf(srv.ID)
		there := func(off bool) *nova.Server {
			t.Helper()
			must(t, w.Nova.Resize(ctx, w.caller, srv.ID, "2", ""))
			power := driver.Running
			if off {
				power = driver.Shutdown
			}
			now := w.has(t, srv.ID, nova.Resized, power)
			m := w.moveOf(t, srv.ID)
			if now.Host == source || now.FlavorID != "2" || now.Flavor.RootGB != 2 || now.RootGB != 2 || m.Status != nova.MoveFinished || m.Type != nova.TypeResize || m.SourceCompute != source || m.DestCompute != now.Host {
				t.Errorf("resized: %+v, move %+v", now, m)
			}
			if got := w.Hosts[now.Host].DiskOf(srv.ID); got != disk {
				t.Errorf("the disk is %q, was %q", got, disk)
			}
			if w.holds(t, m.UUID, source, "VCPU") != 1 || w.holds(t, srv.ID, now.Host, "VCPU") != 2 || w.holds(t, srv.ID, source, "VCPU") != 0 {
				t.Error("the allocations are not the move's at the source and the server's at the destination")
			}
			ports, err := w.Nova.Interfaces(ctx, srv.ID)
			if err != nil || len(ports) != 1 || ports[0].Host != now.Host {
				t.Errorf("ports %+v, %v", ports, err)
			}
			w.Clean(t)
			return now
		}
		there(false)
		must(t, w.Nova.RevertResize(ctx, w.caller, srv.ID))
		back := w.has(t, srv.ID, nova.Active, driver.Running)
		if back.Host != source || back.FlavorID != "1" || back.VCPUs != 1 || back.MemoryMB != 512 || w.moveOf(t, srv.ID).Status != nova.MoveReverted || w.Hosts[source].DiskOf(srv.ID) != disk {
			t.Errorf("reverted: %+v", back)
		}
		w.Clean(t)
		if err := w.Nova.ConfirmResize(ctx, w.caller, srv.ID); err == nil || !strings.Contains(err.Error(), "while it is in vm_state active") {
			t.Errorf("confirmed what is not resized: %v", err)
		}

		must(t, w.Nova.Power(ctx, w.caller, srv.ID, nova.ActStop, ""))
		w.has(t, srv.ID, nova.Stopped, driver.Shutdown)
		now := there(true)
		must(t, w.Nova.ConfirmResize(ctx, w.caller, srv.ID))
		kept := w.has(t, srv.ID, nova.Stopped, driver.Shutdown)
		if kept.Host != now.Host || kept.FlavorID != "2" || kept.VCPUs != 2 || kept.MemoryMB != 1024 || w.moveOf(t, srv.ID).Status != nova.MoveConfirmed {
			t.Errorf("confirmed: %+v", kept)
		}
		w.Clean(t)
		actions, err := db.ListActions(ctx, w.DB.Read(ctx), db.ActionFilter{ServerID: srv.ID})
		must(t, err)
		var names []string
		for _, a := range actions {
			names = append(names, a.Action)
		}
		if got := strings.Join(names, " "); got != "confirmResize resize stop revertResize resize create" {
			t.Errorf("actions: %s", got)
		}
		events, err := db.ListActionEvents(ctx, w.DB.Read(ctx), actions[1].Seq)
		must(t, err)
		names = nil
		for _, e := range events {
			names = append(names, e.Event)
		}
		if got := strings.Join(names, " "); got != "compute_finish_resize compute_resize_instance compute_prep_resize conductor_migrate_server" {
			t.Errorf("events: %s", got)
		}
	})
}

func TestMigrateThere(t *testing.T) {
	each(t, 3, func(t *testing.T, w *world) {
		ctx := t.Context()
		srv := w.settled("wanderer")
		target := "host-3"
		if srv.Host == target {
			target = "host-2"
		}
		must(t, w.Nova.Migrate(ctx, w.caller, srv.ID, target))
		now := w.has(t, srv.ID, nova.Resized, driver.Running)
		if m := w.moveOf(t, srv.ID); now.Host != target || now.FlavorID != "1" || m.Type != nova.TypeMigration {
			t.Errorf("migrated: %+v, %+v", now, m)
		}
		// Deletion cleans both hosts.
		must(t, w.Nova.Delete(ctx, w.caller, srv.ID))
		if w.Settled(srv.ID) != nil {
			t.Error("still there")
		}
		w.Clean(t)
		if m := w.moveOf(t, srv.ID); m.Status != nova.MoveConfirmed {
			t.Errorf("the move is %s", m.Status)
		}
	})
}

func TestNoOtherHost(t *testing.T) {
	each(t, 1, func(t *testing.T, w *world) {
		ctx := t.Context()
		w.bigger()
		srv := w.settled("only one")
		must(t, w.Nova.Resize(ctx, w.caller, srv.ID, "2", ""))
		now := w.has(t, srv.ID, nova.Active, driver.Running)
		if now.VCPUs != 1 || now.Fault == nil || !strings.HasPrefix(now.Fault.Message, "No valid host was found.") || w.moveOf(t, srv.ID).Status != nova.MoveError {
			t.Errorf("%+v, fault %+v", now, now.Fault)
		}
		w.Clean(t)
		// The operator may permit the same host.
		w.Nova.Config.ResizeToSameHost = true
		disk := w.Hosts[srv.Host].DiskOf(srv.ID)
		must(t, w.Nova.Resize(ctx, w.caller, srv.ID, "2", ""))
		w.has(t, srv.ID, nova.Resized, driver.Running)
		w.Clean(t)
		must(t, w.Nova.RevertResize(ctx, w.caller, srv.ID))
		w.has(t, srv.ID, nova.Active, driver.Running)
		w.Clean(t)
		must(t, w.Nova.Resize(ctx, w.caller, srv.ID, "2", ""))
		w.has(t, srv.ID, nova.Resized, driver.Running)
		must(t, w.Nova.ConfirmResize(ctx, w.caller, srv.ID))
		w.has(t, srv.ID, nova.Active, driver.Running)
		w.Clean(t)
		if got := w.Hosts[srv.Host].DiskOf(srv.ID); got != disk {
			t.Errorf("the disk is %q, was %q", got, disk)
		}
		must(t, w.Nova.Migrate(ctx, w.caller, srv.ID, ""))
		if now := w.has(t, srv.ID, nova.Active, driver.Running); now.Fault == nil {
			t.Error("migrated to the same host")
		}
	})
}

func TestResizeFailsAndTheServerRunsOn(t *testing.T) {
	each(t, 2, func(t *testing.T, w *world) {
		ctx := t.Context()
		w.bigger()
		srv := w.settled("steady")
		for name, h := range w.Hosts {
			if name != srv.Host {
				h.Break(driver.Refuse(driver.CodeNoSpace, "the disk is full"))
			}
		}
		must(t, w.Nova.Resize(ctx, w.caller, srv.ID, "2", ""))
		now := w.has(t, srv.ID, nova.Active, driver.Running)
		if now.Host != srv.Host || now.FlavorID != "1" || now.VCPUs != 1 {
			t.Errorf("%+v", now)
		}
		w.Clean(t)
		must(t, w.Nova.CreateFlavor(ctx, w.caller, &nova.Flavor{ID: "3", Name: "larger disk", MemoryMB: 512, VCPUs: 1, RootGB: 5, IsPublic: true}))
		for _, h := range w.Hosts {
			h.Break(nil)
		}
		must(t, w.Nova.Resize(ctx, w.caller, srv.ID, "3", ""))
		w.has(t, srv.ID, nova.Resized, driver.Running)
		must(t, w.Nova.ConfirmResize(ctx, w.caller, srv.ID))
		w.has(t, srv.ID, nova.Active, driver.Running)
		must(t, w.Nova.Resize(ctx, w.caller, srv.ID, "2", ""))
		if now := w.has(t, srv.ID, nova.Active, driver.Running); now.Fault == nil || !strings.Contains(now.Fault.Details, "Unable to resize disk down.") || now.FlavorID != "3" {
			t.Errorf("a disk was made smaller: %+v", now.Fault)
		}
		w.Clean(t)
	})
}

func TestDeleteBeatsResize(t *testing.T) {
	each(t, 2, func(t *testing.T, w *world) {
		ctx := t.Context()
		w.bigger()
		srv := w.settled("doomed")
		w.Network.Fail("PortsReady", errors.New("never")) // the move hangs at its last step
		must(t, w.Nova.Resize(ctx, w.caller, srv.ID, "2", ""))
		novatest.Until(t, "the server has moved", func() bool {
			now, err := db.GetServer(ctx, w.DB.Read(ctx), srv.ID)
			return err == nil && now.Host != srv.Host
		})
		must(t, w.Nova.Delete(ctx, w.caller, srv.ID))
		novatest.Until(t, "the server is gone", func() bool {
			_, err := db.GetServer(ctx, w.DB.Read(ctx), srv.ID)
			return store.IsNotFound(err)
		})
		w.Clean(t)
	})
}

func TestQuotaHoldsBothWays(t *testing.T) {
	each(t, 2, func(t *testing.T, w *world) {
		ctx := t.Context()
		w.bigger()
		srv := w.settled("counted")
		w.setQuota(t, "cores", 1)
		if err := w.Nova.Resize(ctx, w.caller, srv.ID, "2", ""); err == nil || !strings.Contains(err.Error(), "Quota exceeded for cores: Requested 1, but already used 1 of 1 cores") {
			t.Errorf("beyond the quota: %v", err)
		}
		w.setQuota(t, "cores", 2)
		use := func(want int64) {
			t.Helper()
			u, err := w.Nova.Use(ctx, w.caller.ProjectID, "")
			if err != nil || u["cores"] != want {
				t.Errorf("%d cores in use, want %d; %v", u["cores"], want, err)
			}
		}
		must(t, w.Nova.Resize(ctx, w.caller, srv.ID, "2", ""))
		use(2)
		w.has(t, srv.ID, nova.Resized, driver.Running)
		must(t, w.Nova.ConfirmResize(ctx, w.caller, srv.ID))
		w.has(t, srv.ID, nova.Active, driver.Running)
		use(2)
		must(t, w.Nova.CreateFlavor(ctx, w.caller, &nova.Flavor{ID: "4", Name: "fewer", MemoryMB: 512, VCPUs: 1, RootGB: 2, IsPublic: true}))
		must(t, w.Nova.Resize(ctx, w.caller, srv.ID, "4", ""))
		w.has(t, srv.ID, nova.Resized, driver.Running)
		use(2) // it may go back
		must(t, w.Nova.ConfirmResize(ctx, w.caller, srv.ID))
		w.has(t, srv.ID, nova.Active, driver.Running)
		use(1)
	})
}

func TestResizeIsProved(t *testing.T) {
	sagatest.Prove(t, nova.KindResize, proofOn(2, func(w *world) { w.bigger(); w.settled("proof") },
		func(ctx context.Context, w *world) error {
			return w.onOnly(ctx, func(id string) error { return w.Nova.Resize(ctx, w.caller, id, "2", "") })
		},
		func(t *testing.T, w *world) { w.Clean(t); w.one(t, nova.Resized, driver.Running) },
		func(t *testing.T, w *world) {
			w.Clean(t)
			if srv := w.one(t, nova.Active, driver.Running); srv.VCPUs != 1 || srv.FlavorID != "1" {
				t.Errorf("%+v", srv)
			}
		}))
}

func TestResizeOnOneHostIsProved(t *testing.T) {
	sagatest.Prove(t, nova.KindResize, proofOn(1, func(w *world) {
		w.Nova.Config.ResizeToSameHost = true
		w.bigger()
		w.settled("proof")
	},
		func(ctx context.Context, w *world) error {
			return w.onOnly(ctx, func(id string) error { return w.Nova.Resize(ctx, w.caller, id, "2", "") })
		},
		func(t *testing.T, w *world) { w.Clean(t); w.one(t, nova.Resized, driver.Running) },
		func(t *testing.T, w *world) { w.Clean(t); w.one(t, nova.Active, driver.Running) }))
}

// resized makes a server that waits to be confirmed or reverted.
func (w *world) resized() {
	w.bigger()
	srv := w.settled("proof")
	must(w.T, w.Nova.Resize(context.Background(), w.caller, srv.ID, "2", ""))
	w.Settled(srv.ID)
}

func TestConfirmIsProved(t *testing.T) {
	active := func(t *testing.T, w *world) {
		w.Clean(t)
		if srv := w.one(t, nova.Active, driver.Running); srv.FlavorID != "2" || srv.VCPUs != 2 {
			t.Errorf("%+v", srv)
		}
	}
	sagatest.Prove(t, nova.KindConfirm, proofOn(2, (*world).resized,
		func(ctx context.Context, w *world) error {
			return w.onOnly(ctx, func(id string) error { return w.Nova.ConfirmResize(ctx, w.caller, id) })
		},
		active, active))
}

func TestRevertIsProved(t *testing.T) {
	sagatest.Prove(t, nova.KindRevert, proofOn(2, (*world).resized,
		func(ctx context.Context, w *world) error {
			return w.onOnly(ctx, func(id string) error { return w.Nova.RevertResize(ctx, w.caller, id) })
		},
		func(t *testing.T, w *world) {
			w.Clean(t)
			if srv := w.one(t, nova.Active, driver.Running); srv.FlavorID != "1" || srv.VCPUs != 1 {
				t.Errorf("%+v", srv)
			}
		},
		// What fails for good after the copy is gone is in error where it was, with nothing else held anywhere; a deletion cleans up.
		func(t *testing.T, w *world) {
			ctx := context.Background()
			srv, err := w.only(ctx)
			must(t, err)
			if srv.VMState != nova.InError || srv.OperationID != nil || srv.FlavorID != "1" || w.holds(t, srv.ID, srv.Host, "VCPU") != 1 {
				t.Errorf("%+v", srv)
			}
			stop := w.Run()
			defer stop()
			must(t, w.Nova.Delete(ctx, w.caller, srv.ID))
			if w.Settled(srv.ID) != nil {
				t.Error("cannot be deleted")
			}
			w.Clean(t)
		}))
}
