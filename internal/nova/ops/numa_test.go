package ops_test

import (
	"context"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"gostack/internal/neutron"
	"gostack/internal/nova"
	"gostack/internal/nova/db"
	"gostack/internal/nova/driver"
	"gostack/internal/nova/hardware"
	"gostack/internal/nova/novatest"
	"gostack/internal/saga"
	"gostack/internal/saga/sagatest"
	"gostack/internal/store"
	"gostack/internal/store/storetest"
)

// pinnedWorld has hosts of two cells, each with a processor that servers share and two for servers' own, and a flavor "pin" of two of these.
func pinnedWorld(t *testing.T, d *store.DB, hosts int) *world {
	t.Helper()
	w := newWorld(t, d, 0)
	w.NUMA = &hardware.Host{Cells: []hardware.Cell{
		{ID: 0, CPUs: hardware.Range(0, 1), Dedicated: hardware.Range(1, 2), MemoryMB: 4096, Siblings: []hardware.CPUSet{{1, 2}}},
		{ID: 1, CPUs: hardware.Range(3, 1), Dedicated: hardware.Range(4, 2), MemoryMB: 4096, Siblings: []hardware.CPUSet{{4, 5}}},
	}}
	for i := range hosts {
		w.AddHost("host-" + string(rune('1'+i)))
	}
	must(t, w.Nova.CreateFlavor(context.Background(), w.caller, &nova.Flavor{
		ID: "pin", Name: "pinned", MemoryMB: 256, VCPUs: 2, RootGB: 1, IsPublic: true, ExtraSpecs: map[string]string{"hw:cpu_policy": "dedicated"},
	}))
	return w
}

func (w *world) pinned(ctx context.Context, name string, n int) ([]*nova.Server, error) {
	return w.flavored(ctx, "pin", name, n)
}

func (w *world) flavored(ctx context.Context, flavor, name string, n int) ([]*nova.Server, error) {
	return w.Nova.CreateServers(ctx, w.caller, nova.CreateRequest{
		Name: name, FlavorID: flavor, ImageID: novatest.ImageID, Min: 1, Max: n, Networks: []neutron.NICRequest{{NetworkID: novatest.NetworkID}},
	})
}

// pins checks that no processor belongs to two, that each host was told what the database says, and returns the claims by consumer.
func (w *world) pins(t *testing.T) map[string]*db.NUMAClaim {
	t.Helper()
	list, err := db.NUMAClaims(context.Background(), w.DB.Read(context.Background()), "")
	must(t, err)
	out := map[string]*db.NUMAClaim{}
	taken := map[string]map[int]bool{}
	for _, c := range list {
		out[c.Consumer] = c
		if taken[c.Host] == nil {
			taken[c.Host] = map[int]bool{}
		}
		for _, cell := range c.Topology.Cells {
			for _, cpu := range slices.Collect(maps.Values(cell.Pins)) {
				if taken[c.Host][cpu] {
					t.Errorf("processor %d of %s belongs to two", cpu, c.Host)
				}
				taken[c.Host][cpu] = true
			}
		}
		if spec := w.Hosts[c.Host].SpecOf(c.Consumer); spec != nil && !reflect.DeepEqual(spec.NUMA, c.Topology) {
			t.Errorf("%s was told %+v of %s, the database has %+v", c.Host, spec.NUMA, c.Consumer, c.Topology)
		}
		if owner, err := w.Placement.Consumer(context.Background(), c.Consumer); err != nil || owner == nil {
			t.Errorf("%s has no allocations: %v", c.Consumer, err)
		}
	}
	return out
}

func TestPinnedServers(t *testing.T) {
	databases(t, func(t *testing.T, d *store.DB) {
		w := pinnedWorld(t, d, 2)
		w.Run()
		ctx := t.Context()
		many, err := w.pinned(ctx, "many", 3)
		must(t, err)
		one, err := w.pinned(ctx, "one", 1)
		must(t, err)
		all := append(many, one...)
		for _, srv := range all {
			w.has(t, srv.ID, nova.Active, driver.Running)
		}
		if claims := w.pins(t); len(claims) != 4 {
			t.Fatalf("%d claims", len(claims))
		}
		over, err := w.pinned(ctx, "over", 1)
		must(t, err)
		if srv := w.Settled(over[0].ID); srv.VMState != nova.InError || srv.Fault == nil || !strings.Contains(srv.Fault.Message, "No valid host was found") {
			t.Errorf("a fifth one is %+v", srv)
		}
		must(t, w.Nova.Delete(ctx, w.caller, over[0].ID))
		must(t, w.Nova.Delete(ctx, w.caller, one[0].ID))
		novatest.Until(t, "it is gone", func() bool { return w.Settled(one[0].ID) == nil && w.Settled(over[0].ID) == nil })
		again, err := w.pinned(ctx, "again", 1)
		must(t, err)
		w.has(t, again[0].ID, nova.Active, driver.Running)
		w.pins(t)
		for _, srv := range append(many[1:], again...) {
			must(t, w.Nova.Delete(ctx, w.caller, srv.ID))
			novatest.Until(t, "it is gone", func() bool { return w.Settled(srv.ID) == nil })
		}

		// It moves while it runs: other processors there, none here.
		srv := w.Settled(many[0].ID)
		other := map[string]string{"host-1": "host-2", "host-2": "host-1"}
		source := srv.Host
		must(t, w.Nova.LiveMigrate(ctx, operator, srv.ID, nova.LiveRequest{}))
		w.until(srv, nova.MoveCompleted)
		srv = w.has(t, srv.ID, nova.Active, driver.Running)
		if claims := w.pins(t); srv.Host != other[source] || len(claims) != 1 || claims[srv.ID] == nil || claims[srv.ID].Host != srv.Host {
			t.Errorf("after the move to %s: %+v", srv.Host, claims)
		}

		// A resize holds both until it is settled.
		before := w.pins(t)[srv.ID].Topology
		must(t, w.Nova.Resize(ctx, w.caller, srv.ID, "1", ""))
		now := w.has(t, srv.ID, nova.Resized, driver.Running)
		move := w.moveOf(t, srv.ID)
		if claims := w.pins(t); len(claims) != 1 || claims[move.UUID] == nil || w.Hosts[now.Host].SpecOf(srv.ID).NUMA != nil {
			t.Errorf("resized to a flavor without pins: %+v", claims)
		}
		must(t, w.Nova.RevertResize(ctx, w.caller, srv.ID))
		w.has(t, srv.ID, nova.Active, driver.Running)
		if claims := w.pins(t); len(claims) != 1 || !reflect.DeepEqual(claims[srv.ID].Topology, before) {
			t.Errorf("reverted: %+v, was %+v", claims, before)
		}
		must(t, w.Nova.Resize(ctx, w.caller, srv.ID, "1", ""))
		w.has(t, srv.ID, nova.Resized, driver.Running)
		must(t, w.Nova.ConfirmResize(ctx, w.caller, srv.ID))
		w.has(t, srv.ID, nova.Active, driver.Running)
		if claims := w.pins(t); len(claims) != 0 {
			t.Errorf("confirmed: %+v", claims)
		}
		must(t, w.Nova.Resize(ctx, w.caller, srv.ID, "pin", ""))
		now = w.has(t, srv.ID, nova.Resized, driver.Running)
		if claims := w.pins(t); len(claims) != 1 || claims[srv.ID] == nil || w.Hosts[now.Host].SpecOf(srv.ID).NUMA == nil {
			t.Errorf("resized to a flavor with pins: %+v", claims)
		}
		must(t, w.Nova.ConfirmResize(ctx, w.caller, srv.ID))
		w.has(t, srv.ID, nova.Active, driver.Running)
		must(t, w.Nova.Shelve(ctx, w.caller, srv.ID))
		novatest.Until(t, "it is shelved", func() bool { return w.Settled(srv.ID).VMState == nova.ShelvedOffloaded })
		if claims := w.pins(t); len(claims) != 0 {
			t.Errorf("shelved: %+v", claims)
		}
		must(t, w.Nova.Delete(ctx, w.caller, srv.ID))
		novatest.Until(t, "it is gone", func() bool { return w.Settled(srv.ID) == nil })
		w.Clean(t)
	}, novatest.Migrations...)
}

// Wherever a creation dies, its processors and devices are its own when it lives and nobody's when it does not.
func TestPinnedCreationIsProved(t *testing.T) {
	sagatest.Prove(t, nova.KindCreate, func(t *testing.T) *sagatest.World {
		w := devicesWorld(t, storetest.Either(t, novatest.Migrations...), 1)
		return &sagatest.World{
			DB: w.DB, Register: w.Register,
			Start: func(ctx context.Context, _ *saga.Engine, _ store.Tx) error {
				_, err := w.flavored(ctx, "near", "one", 1)
				return err
			},
			Done: func(t *testing.T) {
				if claims := w.pins(t); len(claims) != 1 || len(w.devices(t)) != 1 {
					t.Errorf("claims %+v, devices %v", claims, w.devices(t))
				}
			},
			Undone: func(t *testing.T) {
				if claims := w.pins(t); len(claims) != 0 || len(w.devices(t)) != 0 {
					t.Errorf("claims %+v, devices %v", claims, w.devices(t))
				}
			},
		}
	})
}
