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
	"gostack/internal/nova/novatest"
	"gostack/internal/placement"
	"gostack/internal/saga/sagatest"
	"gostack/internal/store"
)

func each(t *testing.T, hosts int, fn func(t *testing.T, w *world)) {
	databases(t, func(t *testing.T, d *store.DB) {
		w := newWorld(t, d, hosts)
		w.Run()
		fn(t, w)
	}, novatest.Migrations...)
}

func (w *world) has(t *testing.T, id, vm string, power driver.PowerState) *nova.Server {
	t.Helper()
	srv := w.Settled(id)
	if srv == nil || srv.VMState != vm || srv.PowerState != int(power) {
		t.Fatalf("server: %+v, want %s with power %d", srv, vm, power)
	}
	return srv
}

func TestLifeOfAServer(t *testing.T) {
	each(t, 2, func(t *testing.T, w *world) {
		ctx := t.Context()
		srv := w.settled("first")
		w.has(t, srv.ID, nova.Active, driver.Running)
		if srv.Host == "" || srv.AvailabilityZone != "nova" || srv.LaunchedAt == nil {
			t.Errorf("an active server is somewhere: %+v", srv)
		}
		for _, step := range []struct {
			action nova.PowerAction
			kind   driver.RebootKind
			vm     string
			power  driver.PowerState
		}{
			{nova.ActStop, "", nova.Stopped, driver.Shutdown},
			{nova.ActStart, "", nova.Active, driver.Running},
			{nova.ActPause, "", nova.Paused, driver.Paused},
			{nova.ActUnpause, "", nova.Active, driver.Running},
			{nova.ActSuspend, "", nova.Suspended, driver.Suspended},
			{nova.ActResume, "", nova.Active, driver.Running},
			{nova.ActReboot, driver.RebootSoft, nova.Active, driver.Running},
			{nova.ActReboot, driver.RebootHard, nova.Active, driver.Running},
		} {
			must(t, w.Nova.Power(ctx, w.caller, srv.ID, step.action, step.kind))
			w.has(t, srv.ID, step.vm, step.power)
			if got, err := w.Hosts[srv.Host].PowerState(ctx, srv.ID); err != nil || step.power == driver.Running && got != driver.Running {
				t.Errorf("%s: the host says %v, %v", step.action, got, err)
			}
		}
		err := w.Nova.Power(ctx, w.caller, srv.ID, nova.ActStart, "")
		if err == nil || !strings.Contains(err.Error(), "Cannot 'start' instance "+srv.ID+" while it is in vm_state active") {
			t.Errorf("start of an active server: %v", err)
		}
		w.Clean(t)
		must(t, w.Nova.Delete(ctx, w.caller, srv.ID))
		if gone := w.Settled(srv.ID); gone != nil {
			t.Errorf("still there: %+v", gone)
		}
		w.Clean(t)
		dead, err := db.GetDeletedServer(ctx, w.DB.Read(ctx), srv.ID)
		if err != nil || dead.VMState != nova.Deleted || dead.DeletedAt == nil {
			t.Errorf("history: %+v %v", dead, err)
		}
		actions, err := db.ListActions(ctx, w.DB.Read(ctx), db.ActionFilter{ServerID: srv.ID})
		if err != nil || len(actions) != 10 || actions[0].Action != "delete" {
			t.Errorf("%d actions, %v", len(actions), err)
		}
		events, err := db.ListActionEvents(ctx, w.DB.Read(ctx), actions[9].Seq)
		if err != nil || len(events) != 1 || events[0].Event != "compute__do_build_and_run_instance" || *events[0].Result != "Success" {
			t.Errorf("events of the creation: %+v %v", events, err)
		}
	})
}

func TestDeleteBeatsCreate(t *testing.T) {
	each(t, 1, func(t *testing.T, w *world) {
		ctx := t.Context()
		w.Network.Fail("PortsReady", errors.New("never")) // the creation hangs at its last step
		srv, err := w.boot(ctx, "doomed")
		must(t, err)
		must(t, w.Nova.Delete(ctx, w.caller, srv.ID))
		novatest.Until(t, "the server is gone", func() bool {
			_, err := db.GetServer(ctx, w.DB.Read(ctx), srv.ID)
			return store.IsNotFound(err)
		})
		w.Clean(t)
	})
}

func TestNoValidHost(t *testing.T) {
	each(t, 1, func(t *testing.T, w *world) {
		must(t, w.Nova.CreateFlavor(t.Context(), w.caller, &nova.Flavor{ID: "9", Name: "huge", MemoryMB: 1 << 30, VCPUs: 1, RootGB: 1, IsPublic: true}))
		w.setQuota(t, "ram", -1)
		list, err := w.Nova.CreateServers(t.Context(), w.caller, nova.CreateRequest{Name: "big", FlavorID: "9", ImageID: novatest.ImageID, Min: 1, Max: 1, Networks: []neutron.NICRequest{{Mode: neutron.NICNone}}})
		must(t, err)
		srv := w.has(t, list[0].ID, nova.InError, driver.NoState)
		if srv.Fault == nil || !strings.HasPrefix(srv.Fault.Message, "No valid host was found.") || !strings.Contains(srv.Fault.Details, "1 hosts considered") {
			t.Errorf("fault: %+v", srv.Fault)
		}
		// It is ERROR, in which a hard reboot may be asked for; but there is nothing to reboot, nor a host to do it.
		if err := w.Nova.Power(t.Context(), w.caller, srv.ID, nova.ActReboot, driver.RebootHard); err == nil || !strings.Contains(err.Error(), "is in an invalid state for 'reboot'") {
			t.Errorf("hard reboot of a server without a host: %v", err)
		}
		w.Clean(t)
		must(t, w.Nova.Delete(t.Context(), w.caller, srv.ID))
		if w.Settled(srv.ID) != nil {
			t.Error("an erroneous server cannot be deleted")
		}
	})
}

func TestNextHostWhenOneFails(t *testing.T) {
	each(t, 3, func(t *testing.T, w *world) {
		for _, h := range []string{"host-1", "host-2"} {
			w.Hosts[h].Break(driver.Refuse(driver.CodeNoSpace, "the disk is full"))
		}
		srv := w.settled("wanderer")
		if srv.VMState != nova.Active || srv.Host != "host-3" {
			t.Errorf("%s on %q, fault %+v", srv.VMState, srv.Host, srv.Fault)
		}
		w.Clean(t)
	})
}

func TestHostThatWasAway(t *testing.T) {
	each(t, 1, func(t *testing.T, w *world) {
		ctx := t.Context()
		srv, kept := w.settled("deleted meanwhile"), w.settled("kept")
		w.Agents["host-1"].Stop()
		if _, _, err := w.Nova.UpdateService(ctx, "", nova.BinaryCompute, "host-1", nova.ServiceUpdate{ForcedDown: ptr(true)}); err != nil {
			t.Fatal(err)
		}
		must(t, w.Nova.Delete(ctx, w.caller, srv.ID))
		if w.Settled(srv.ID) != nil {
			t.Error("a host that is away holds up a deletion")
		}
		if guests, err := w.Hosts["host-1"].List(ctx); err != nil || len(guests) != 2 {
			t.Fatalf("guests: %v %v", guests, err)
		}
		w.StartAgent("host-1")
		novatest.Until(t, "the host is clean", func() bool {
			guests, err := w.Hosts["host-1"].List(ctx)
			return err == nil && len(guests) == 1 && guests[0].ID == kept.ID
		})
		w.Clean(t)
	})
}

func TestPowerFollowsTheHost(t *testing.T) {
	each(t, 1, func(t *testing.T, w *world) {
		ctx := t.Context()
		srv := w.settled("restless")
		host := w.Hosts[srv.Host]
		must(t, host.Driver.Stop(ctx, srv.ID, 0)) // the guest powers itself off
		novatest.Until(t, "the server is off", func() bool { return w.Settled(srv.ID).VMState == nova.Stopped })
		must(t, host.Driver.Start(ctx, srv.ID))
		novatest.Until(t, "the server is on", func() bool { return w.Settled(srv.ID).VMState == nova.Active })
		// News that came late changes nothing, and nobody speaks for another host.
		for _, from := range []string{srv.Host, "host-9"} {
			novatest.Until(t, "the event is heard", func() bool { // the host says it again until it is
				return w.Nova.PowerEvents(ctx, from, []driver.Event{{ServerID: srv.ID, State: driver.Shutdown}}) == nil
			})
			if s := w.Settled(srv.ID); s.VMState != nova.Active {
				t.Errorf("a late event from %s made the server %s", from, s.VMState)
			}
		}
	})
}

func ptr[T any](v T) *T { return &v }

func TestManyAtOnce(t *testing.T) {
	each(t, 3, func(t *testing.T, w *world) {
		for _, r := range []string{"cores", "instances", "ram"} {
			w.setQuota(t, r, -1)
		}
		list, err := w.Nova.CreateServers(t.Context(), w.caller, nova.CreateRequest{Name: "many", FlavorID: "1", ImageID: novatest.ImageID, Min: 1, Max: 100})
		must(t, err)
		if len(list) != 100 || list[41].Name != "many-42" || list[41].Hostname != "many-42" {
			t.Fatalf("%d servers, %q", len(list), list[41].Name)
		}
		for _, srv := range list {
			w.has(t, srv.ID, nova.Active, driver.Running)
		}
		w.Clean(t)
	})
}

func TestInterfaces(t *testing.T) {
	each(t, 1, func(t *testing.T, w *world) {
		ctx := t.Context()
		srv := w.settled("wired")
		port, err := w.Nova.AttachInterface(ctx, w.caller, srv.ID, neutron.NICRequest{NetworkID: novatest.NetworkID})
		must(t, err)
		guests, err := w.Hosts[srv.Host].List(ctx)
		if err != nil || len(guests) != 1 || len(guests[0].PortIDs) != 2 {
			t.Fatalf("guests: %+v %v", guests, err)
		}
		must(t, w.Nova.DetachInterface(ctx, w.caller, srv.ID, port.ID))
		w.Settled(srv.ID)
		w.Clean(t)
	})
}

func TestCreateIsProved(t *testing.T) {
	sagatest.Prove(t, nova.KindCreate, proof(nil,
		func(ctx context.Context, w *world) error { _, err := w.boot(ctx, "proof"); return err },
		func(t *testing.T, w *world) { w.Clean(t); w.one(t, nova.Active, driver.Running) },
		func(t *testing.T, w *world) {
			w.Clean(t)
			if srv := w.one(t, nova.InError, driver.NoState); srv.Fault == nil {
				t.Error("no fault")
			}
		}))
}

// one returns the only server, which must be in a state.
func (w *world) one(t *testing.T, vm string, power driver.PowerState) *nova.Server {
	t.Helper()
	list, err := db.ListServers(context.Background(), w.DB.Read(context.Background()), db.ServerFilter{})
	if err != nil || len(list) != 1 {
		t.Fatalf("%d servers, %v", len(list), err)
	}
	if list[0].VMState != vm || list[0].PowerState != int(power) {
		t.Errorf("%s with power %d, want %s with %d", list[0].VMState, list[0].PowerState, vm, power)
	}
	return list[0]
}

func TestDeleteIsProved(t *testing.T) {
	sagatest.Prove(t, nova.KindDelete, proof(func(w *world) { w.settled("proof") },
		func(ctx context.Context, w *world) error {
			list, err := db.ListServers(ctx, w.DB.Read(ctx), db.ServerFilter{})
			if err != nil {
				return err
			}
			return w.Nova.Delete(ctx, w.caller, list[0].ID)
		},
		func(t *testing.T, w *world) {
			w.Clean(t)
			list, err := db.ListServers(context.Background(), w.DB.Read(context.Background()), db.ServerFilter{})
			if err != nil || len(list) != 0 {
				t.Errorf("%d servers, %v", len(list), err)
			}
		},
		// What a bug keeps from being deleted says so, and can be deleted again.
		func(t *testing.T, w *world) {
			list, err := db.ListServers(context.Background(), w.DB.Read(context.Background()), db.ServerFilter{})
			if err != nil || len(list) != 1 || list[0].VMState != nova.InError || list[0].OperationID != nil {
				t.Fatalf("%+v, %v", list, err)
			}
		}))
}

func TestPowerIsProved(t *testing.T) {
	for _, x := range []struct {
		action nova.PowerAction
		vm     string
		power  driver.PowerState
	}{{nova.ActStop, nova.Stopped, driver.Shutdown}, {nova.ActReboot, nova.Active, driver.Running}} {
		t.Run(string(x.action), func(t *testing.T) {
			kind := driver.RebootKind("")
			if x.action == nova.ActReboot {
				kind = driver.RebootHard
			}
			sagatest.Prove(t, nova.KindPower, proof(func(w *world) { w.settled("proof") },
				func(ctx context.Context, w *world) error {
					list, err := db.ListServers(ctx, w.DB.Read(ctx), db.ServerFilter{})
					if err != nil {
						return err
					}
					return w.Nova.Power(ctx, w.caller, list[0].ID, x.action, kind)
				},
				func(t *testing.T, w *world) { w.Clean(t); w.one(t, x.vm, x.power) },
				// Power is not given back: what the host did is what its events say, so only the task must have gone.
				func(t *testing.T, w *world) { w.Clean(t) }))
		})
	}
}

func TestAttachIsProved(t *testing.T) {
	sagatest.Prove(t, nova.KindAttach, proof(func(w *world) { w.settled("proof"); w.wire() },
		func(ctx context.Context, w *world) error {
			srv, err := w.only(ctx)
			if err != nil {
				return err
			}
			return w.Nova.StartAttach(ctx, w.caller, srv.ID, neutron.NICPlan{Index: 1, NetworkID: novatest.NetworkID, PortID: wiredPort, Request: &wired})
		},
		func(t *testing.T, w *world) { w.ports(t, 2); w.wireTakes(t, 500) },
		func(t *testing.T, w *world) { w.ports(t, 1); w.wireTakes(t, 0) }))
}

// A port that is guaranteed something of a bridge of host-1.
const (
	wiredPort = "77777777-0000-4000-8000-000000000001"
	wire      = "77777777-0000-4000-8000-000000000002"
	wireClass = "NET_BW_EGR_KILOBIT_PER_SEC"
)

var wired = neutron.RequestGroup{ID: wiredPort, Resources: map[string]int64{wireClass: 500}, Required: []string{"CUSTOM_PHYSNET_X"}}

// wire tells placement of the bridge.
func (w *world) wire() {
	w.T.Helper()
	_, err := w.Placement.EnsureBranches(context.Background(), "host-1", "host-1:wire", []placement.Branch{{
		UUID: wire, Name: "host-1:wire", Traits: wired.Required, Inventories: map[string]placement.Inventory{wireClass: {Total: 800}},
	}})
	must(w.T, err)
}

// wireTakes fails unless the only server has so much of the bridge.
func (w *world) wireTakes(t *testing.T, want int64) {
	t.Helper()
	srv, err := w.only(context.Background())
	must(t, err)
	c, err := w.Placement.Consumer(context.Background(), srv.ID)
	must(t, err)
	if got := c.Allocations[wire][wireClass]; got != want {
		t.Errorf("%d of the bridge is taken, want %d", got, want)
	}
}

func TestDetachIsProved(t *testing.T) {
	sagatest.Prove(t, nova.KindDetach, proof(func(w *world) {
		srv := w.settled("proof")
		w.wire()
		ports, err := w.Nova.Interfaces(context.Background(), srv.ID)
		must(w.T, err)
		has := wired
		has.ID, has.Provider = ports[0].ID, wire
		w.Network.Ask(has)
		must(w.T, w.DB.Write(context.Background(), func(ctx context.Context, tx store.Tx) error {
			return w.Placement.Adjust(ctx, tx, srv.ID, placement.Allocations{wire: has.Resources})
		}))
	},
		func(ctx context.Context, w *world) error {
			srv, err := w.only(ctx)
			if err != nil {
				return err
			}
			ports, err := w.Nova.Interfaces(ctx, srv.ID)
			if err != nil {
				return err
			}
			return w.Nova.DetachInterface(ctx, w.caller, srv.ID, ports[0].ID)
		},
		func(t *testing.T, w *world) { w.ports(t, 0); w.wireTakes(t, 0) },
		func(t *testing.T, w *world) { w.one(t, nova.Active, driver.Running); w.wireTakes(t, 500) }))
}

func (w *world) only(ctx context.Context) (*nova.Server, error) {
	list, err := db.ListServers(ctx, w.DB.Read(ctx), db.ServerFilter{})
	if err != nil || len(list) != 1 {
		return nil, errors.Join(err, errors.New("not one server"))
	}
	return list[0], nil
}

// ports fails unless the only server has n ports, in the network and on its host.
func (w *world) ports(t *testing.T, n int) {
	t.Helper()
	srv, err := w.only(context.Background())
	must(t, err)
	guests, err := w.Hosts[srv.Host].List(context.Background())
	must(t, err)
	if w.Network.Ports() != n || len(guests) != 1 || len(guests[0].PortIDs) != n || srv.TaskState != "" || srv.OperationID != nil {
		t.Errorf("%d ports in the network, guests %+v, want %d", w.Network.Ports(), guests, n)
	}
}
