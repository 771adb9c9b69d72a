package ops_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"gostack/internal/neutron"
	"gostack/internal/nova"
	"gostack/internal/nova/db"
	"gostack/internal/nova/driver"
	"gostack/internal/nova/driver/simulated"
	"gostack/internal/nova/novatest"
	"gostack/internal/saga/sagatest"
	"gostack/internal/store"
	"gostack/internal/store/storetest"
)

// lose takes a host's agent away and tells the cloud that the host is down.
func (w *world) lose(host string) {
	w.T.Helper()
	w.Agents[host].Stop()
	if _, _, err := w.Nova.UpdateService(context.Background(), "", nova.BinaryCompute, host, nova.ServiceUpdate{ForcedDown: ptr(true)}); err != nil {
		w.T.Fatal(err)
	}
}

// bring is the opposite.
func (w *world) bring(host string) {
	w.T.Helper()
	if _, _, err := w.Nova.UpdateService(context.Background(), "", nova.BinaryCompute, host, nova.ServiceUpdate{ForcedDown: ptr(false)}); err != nil {
		w.T.Fatal(err)
	}
	w.StartAgent(host)
}

// running counts the hosts on which a server runs.
func (w *world) running(t *testing.T, id string) (hosts []string) {
	t.Helper()
	for name, h := range w.Hosts {
		if state, err := h.PowerState(context.Background(), id); err == nil && state == driver.Running {
			hosts = append(hosts, name)
		}
	}
	return hosts
}

func (w *world) evacuate(ctx context.Context, id string) error {
	return w.Nova.Evacuate(ctx, w.caller, id, nova.EvacuateRequest{})
}

func TestEvacuatedHostComesBack(t *testing.T) {
	each(t, 2, func(t *testing.T, w *world) {
		srv := w.settled("refugee")
		source := srv.Host
		w.lose(source)
		must(t, w.evacuate(t.Context(), srv.ID))
		now := w.has(t, srv.ID, nova.Active, driver.Running)
		m := w.moveOf(t, srv.ID)
		if now.Host == source || m.Status != nova.MoveDone || w.holds(t, m.UUID, source, "VCPU") != 1 {
			t.Errorf("evacuated: %+v, %+v", now, m)
		}
		// The lost host was only cut off: its guest still runs, until it hears.
		if on := w.running(t, srv.ID); len(on) != 2 {
			t.Fatalf("runs on %v", on)
		}
		w.bring(source)
		if on := w.running(t, srv.ID); len(on) != 1 || on[0] != now.Host {
			t.Errorf("runs on %v", on)
		}
		if m := w.moveOf(t, srv.ID); m.Status != nova.MoveCompleted {
			t.Errorf("the evacuation is %s", m.Status)
		}
		w.Clean(t)
		// It may come back now.
		must(t, w.Nova.Migrate(t.Context(), w.caller, srv.ID, source))
		if now := w.has(t, srv.ID, nova.Resized, driver.Running); now.Host != source {
			t.Errorf("on %s", now.Host)
		}
		w.Clean(t)
	})
}

// What waits for a host that is lost gives way to the evacuation (upstream bug 1978983); what moves the server or deletes it does not.
func TestEvacuationDoesNotWaitForTheLostHost(t *testing.T) {
	each(t, 2, func(t *testing.T, w *world) {
		ctx := t.Context()
		for _, x := range []struct {
			task  string
			begin func(id string) error
		}{
			{"powering-off", func(id string) error { return w.Nova.Power(ctx, w.caller, id, nova.ActStop, "") }},
			{"image_pending_upload", func(id string) error {
				_, err := w.Nova.CreateImage(ctx, w.caller, id, nova.ImageRequest{Name: "image"})
				return err
			}},
			{"shelving", func(id string) error { return w.Nova.Shelve(ctx, w.caller, id) }},
			{"rescuing", func(id string) error { return w.Nova.Rescue(ctx, w.caller, id, "", "") }},
			{"rebuilding", func(id string) error {
				_, err := w.Nova.Rebuild(ctx, w.caller, id, nova.RebuildRequest{ImageID: novatest.ImageID})
				return err
			}},
			{"", func(id string) error {
				return w.Nova.StartAttach(ctx, w.caller, id, neutron.NICPlan{NetworkID: novatest.NetworkID})
			}},
		} {
			srv := w.settled("refugee")
			w.Agents[srv.Host].Stop()
			must(t, x.begin(srv.ID))
			novatest.Until(t, "it waits for the host", func() bool {
				now, err := db.GetServer(ctx, w.DB.Read(ctx), srv.ID)
				return err == nil && now.TaskState == x.task && now.OperationID != nil
			})
			w.lose(srv.Host)
			w.Network.Fail("PortsReady", errors.New("not yet"))
			must(t, w.evacuate(ctx, srv.ID))
			says(t, w.evacuate(ctx, srv.ID), "Cannot 'evacuate' instance "+srv.ID+" while it is in task_state rebuild") // it is under way
			w.Network.Fail("PortsReady", nil)
			if now := w.has(t, srv.ID, nova.Active, driver.Running); now.Host == srv.Host {
				t.Errorf("%s: on %s", x.task, now.Host)
			}
			w.bring(srv.Host)
			must(t, w.Nova.Delete(ctx, w.caller, srv.ID))
			w.Settled(srv.ID)
		}
		w.Clean(t)
		srv := w.settled("refugee")
		w.Agents[srv.Host].Stop()
		must(t, w.Nova.Migrate(ctx, w.caller, srv.ID, ""))
		w.lose(srv.Host)
		says(t, w.evacuate(ctx, srv.ID), "Cannot 'evacuate' instance "+srv.ID+" while it is in task_state resize_")
	})
}

// A host that comes back while the evacuation is under way does not run the server, and keeps what it has of it until the evacuation has ended.
func TestHostComesBackDuringEvacuation(t *testing.T) {
	for _, fails := range []bool{false, true} {
		each(t, 2, func(t *testing.T, w *world) {
			ctx := t.Context()
			srv := w.settled("refugee")
			source, disk := srv.Host, w.Hosts[srv.Host].DiskOf(srv.ID)
			w.lose(source)
			w.Network.Fail("PortsReady", errors.New("not yet")) // it hangs at its last step
			must(t, w.evacuate(t.Context(), srv.ID))
			novatest.Until(t, "the server runs elsewhere", func() bool {
				now, err := db.GetServer(ctx, w.DB.Read(ctx), srv.ID)
				return err == nil && now.Host != source && len(w.running(t, srv.ID)) == 2
			})
			w.bring(source)
			if on := w.running(t, srv.ID); len(on) != 1 || on[0] == source {
				t.Errorf("runs on %v", on)
			}
			if got := w.Hosts[source].DiskOf(srv.ID); got != disk {
				t.Errorf("the source has disk %q, had %q", got, disk)
			}
			if fails {
				// Cancelled, it unwinds: the server is where it was, and in error.
				must(t, w.Nova.ResetServerState(ctx, w.caller, srv.ID, nova.InError))
				now := w.has(t, srv.ID, nova.InError, driver.Shutdown)
				if now.Host != source || len(w.running(t, srv.ID)) != 0 || w.Hosts[source].DiskOf(srv.ID) != disk {
					t.Errorf("%+v runs on %v", now, w.running(t, srv.ID))
				}
				w.Network.Fail("PortsReady", nil)
				must(t, w.Nova.Power(ctx, w.caller, srv.ID, nova.ActReboot, driver.RebootHard))
				w.has(t, srv.ID, nova.Active, driver.Running)
				w.Clean(t)
				return
			}
			w.Network.Fail("PortsReady", nil)
			w.has(t, srv.ID, nova.Active, driver.Running)
			w.Agents[source].Stop()
			w.StartAgent(source) // it looks again once a minute, and at its start
			if on := w.running(t, srv.ID); len(on) != 1 || on[0] == source {
				t.Errorf("runs on %v", on)
			}
			w.Clean(t)
		})
	}
}

// A host that answers although it is said to be down is fenced at once.
func TestLiveHostIsFenced(t *testing.T) {
	each(t, 2, func(t *testing.T, w *world) {
		srv := w.settled("refugee")
		if err := w.evacuate(t.Context(), srv.ID); err == nil || !strings.Contains(err.Error(), "Compute service of "+srv.Host+" is still in use.") {
			t.Errorf("evacuated from a live host: %v", err)
		}
		if _, _, err := w.Nova.UpdateService(t.Context(), "", nova.BinaryCompute, srv.Host, nova.ServiceUpdate{ForcedDown: ptr(true)}); err != nil {
			t.Fatal(err)
		}
		must(t, w.evacuate(t.Context(), srv.ID))
		now := w.has(t, srv.ID, nova.Active, driver.Running)
		if on := w.running(t, srv.ID); len(on) != 1 || on[0] != now.Host || now.Host == srv.Host {
			t.Errorf("runs on %v, is on %s, was on %s", on, now.Host, srv.Host)
		}
		novatest.Until(t, "its host has given up what it had", func() bool {
			return w.moveOf(t, srv.ID).Status == nova.MoveCompleted && w.Hosts[srv.Host].SpecOf(srv.ID) == nil
		})
		w.Clean(t)
	})
}

// On storage that hosts share the disks go over as they are, and neither the way back nor the returning host touches them.
func TestEvacuationWithSharedStorage(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *store.DB) {
		w := newWorld(t, d, 0)
		w.Storage = &simulated.Storage{}
		w.AddHost("host-1")
		w.AddHost("host-2")
		w.Run()
		srv := w.settled("refugee")
		source, disk := srv.Host, w.Hosts[srv.Host].DiskOf(srv.ID)
		w.lose(source)
		w.setShared(t, srv.ID, false, nova.InError, source)
		if got := w.Hosts[source].DiskOf(srv.ID); got != disk {
			t.Errorf("the disk is %q, was %q", got, disk)
		}
		w.setShared(t, srv.ID, true, nova.Active, "")
		now := w.Settled(srv.ID)
		if now.Host == source || w.Hosts[now.Host].DiskOf(srv.ID) != disk {
			t.Errorf("on %s with disk %q", now.Host, w.Hosts[now.Host].DiskOf(srv.ID))
		}
		// The lost host cannot start it, and when it is back it removes its definition and nothing else.
		if err := w.Hosts[source].Driver.Stop(t.Context(), srv.ID, 0); err != nil {
			t.Fatal(err)
		}
		if err := w.Hosts[source].Driver.Start(t.Context(), srv.ID); !errors.Is(err, driver.ErrBadState) {
			t.Errorf("started twice: %v", err)
		}
		w.bring(source)
		if got := w.Hosts[now.Host].DiskOf(srv.ID); got != disk {
			t.Errorf("afterwards the disk is %q, was %q", got, disk)
		}
		w.Clean(t)
		must(t, w.Nova.Migrate(t.Context(), w.caller, srv.ID, ""))
		w.has(t, srv.ID, nova.Resized, driver.Running)
		w.Clean(t)
		must(t, w.Nova.RevertResize(t.Context(), w.caller, srv.ID))
		if back := w.has(t, srv.ID, nova.Active, driver.Running); w.Hosts[back.Host].DiskOf(srv.ID) != disk {
			t.Error("the disk is another one after a resize and its reversion")
		}
		w.Clean(t)
	}, novatest.Migrations...)
}

// setShared evacuates with a demand about the storage.
func (w *world) setShared(t *testing.T, id string, shared bool, vm, host string) {
	t.Helper()
	must(t, w.Nova.Evacuate(t.Context(), w.caller, id, nova.EvacuateRequest{Shared: &shared}))
	srv := w.Settled(id)
	if srv.VMState != vm || host != "" && srv.Host != host {
		t.Fatalf("%s on %s: %+v", srv.VMState, srv.Host, srv.Fault)
	}
}

func TestEvacuateIsProved(t *testing.T) {
	sagatest.Prove(t, nova.KindEvacuate, proofOn(2, func(w *world) { w.lose(w.settled("proof").Host) },
		func(ctx context.Context, w *world) error {
			return w.onOnly(ctx, func(id string) error { return w.evacuate(ctx, id) })
		},
		func(t *testing.T, w *world) {
			srv := w.one(t, nova.Active, driver.Running)
			for name := range w.Hosts {
				if name != srv.Host {
					w.bring(name)
				}
			}
			w.Clean(t)
		},
		func(t *testing.T, w *world) {
			srv := w.one(t, nova.InError, driver.NoState)
			w.bring(srv.Host)
			w.Clean(t)
		}))
}

func TestResetIsProved(t *testing.T) {
	end := func(t *testing.T, w *world) { w.Clean(t); w.one(t, nova.Active, driver.Running) }
	sagatest.Prove(t, nova.KindReset, proof(func(w *world) { w.settled("proof") },
		func(ctx context.Context, w *world) error {
			return w.onOnly(ctx, func(id string) error { return w.Nova.ResetServerState(ctx, w.caller, id, nova.Active) })
		}, end, end))
}

// What is under way when an administrator sets a state is cancelled and unwound, and then the truth is found out.
func TestResetCancels(t *testing.T) {
	each(t, 2, func(t *testing.T, w *world) {
		ctx := t.Context()
		w.bigger()
		srv := w.settled("hung")
		w.Network.Fail("PortsReady", errors.New("never"))
		must(t, w.Nova.Resize(ctx, w.caller, srv.ID, "2", ""))
		novatest.Until(t, "the server has moved", func() bool {
			now, err := db.GetServer(ctx, w.DB.Read(ctx), srv.ID)
			return err == nil && now.Host != srv.Host
		})
		must(t, w.Nova.ResetServerState(ctx, w.caller, srv.ID, nova.Active))
		now := w.Settled(srv.ID)
		if now.Host != srv.Host || now.FlavorID != "1" || now.VCPUs != 1 || now.TaskState != "" {
			t.Errorf("%+v", now)
		}
		w.Clean(t)
		w.Network.Fail("PortsReady", nil)
		must(t, w.Nova.Power(ctx, w.caller, srv.ID, nova.ActReboot, driver.RebootHard))
		w.has(t, srv.ID, nova.Active, driver.Running)
		w.Clean(t)
	})
}

// A server that is called active while its resize waits is one whose resize waits: else the old host would keep its part for ever.
func TestResetKeepsAResizeWaiting(t *testing.T) {
	each(t, 2, func(t *testing.T, w *world) {
		w.resized()
		srv, err := w.only(t.Context())
		must(t, err)
		for _, state := range []string{nova.Active, nova.InError, nova.Active} {
			must(t, w.Nova.ResetServerState(t.Context(), w.caller, srv.ID, state))
			w.Settled(srv.ID)
		}
		w.has(t, srv.ID, nova.Resized, driver.Running)
		w.Clean(t)
		must(t, w.Nova.ConfirmResize(t.Context(), w.caller, srv.ID))
		w.has(t, srv.ID, nova.Active, driver.Running)
		w.Clean(t)
	})
}

func TestResizeConfirmsItself(t *testing.T) {
	each(t, 2, func(t *testing.T, w *world) {
		w.resized()
		srv, err := w.only(t.Context())
		must(t, err)
		must(t, w.Nova.ConfirmOverdue(t.Context()))
		if now := w.Settled(srv.ID); now.VMState != nova.Resized {
			t.Errorf("confirmed without a window: %s", now.VMState)
		}
		w.Nova.Config.ResizeConfirmWindow = 1 // a nanosecond has passed
		must(t, w.Nova.ConfirmOverdue(t.Context()))
		w.has(t, srv.ID, nova.Active, driver.Running)
		must(t, w.Nova.ConfirmOverdue(t.Context()))
		w.Clean(t)
	})
}
