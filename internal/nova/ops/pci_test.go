package ops_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"gostack/internal/nova"
	"gostack/internal/nova/db"
	"gostack/internal/nova/driver"
	"gostack/internal/nova/hardware"
	"gostack/internal/nova/novatest"
	"gostack/internal/placement"
	"gostack/internal/store"
)

// devicesWorld is a pinned world whose hosts have two accelerators, one in each cell, that flavors call qat: "qat" asks for one, "near" for one in the cell where its
// two pinned processors are, "both" for two.
func devicesWorld(t *testing.T, d *store.DB, hosts int) *world {
	t.Helper()
	w := pinnedWorld(t, d, 0)
	zero, one := 0, 1
	w.PCI = []hardware.PCIDevice{
		{Address: "0000:01:00.0", Vendor: "8086", Product: "0443", Type: hardware.PCIPlain, Cell: &one},
		{Address: "0000:02:00.0", Vendor: "8086", Product: "0443", Type: hardware.PCIPlain, Cell: &zero},
		{Address: "0000:03:00.0", Vendor: "10de", Product: "1db4", Type: hardware.PCIPlain},
	}
	for i := range hosts {
		w.AddHost(fmt.Sprintf("host-%d", i+1))
	}
	var err error
	w.Nova.Config.PCIAliases, err = hardware.ParsePCIAliases([]string{`{"name": "qat", "vendor_id": "8086", "product_id": "0443", "device_type": "type-PCI"}`})
	must(t, err)
	for id, specs := range map[string]map[string]string{
		"qat": {hardware.PCIAliasSpec: "qat:1"}, "both": {hardware.PCIAliasSpec: "qat:2"},
		"near": {hardware.PCIAliasSpec: "qat:1", "hw:pci_numa_affinity_policy": "required", "hw:cpu_policy": "dedicated"},
	} {
		must(t, w.Nova.CreateFlavor(context.Background(), w.caller, &nova.Flavor{ID: id, Name: id, MemoryMB: 128, VCPUs: 2, RootGB: 1, IsPublic: true, ExtraSpecs: specs}))
	}
	return w
}

// devices are by consumer the devices that the database gives away, "host address"; what hosts were told is the same.
func (w *world) devices(t *testing.T) map[string]string {
	t.Helper()
	list, err := db.PCIClaims(context.Background(), w.DB.Read(context.Background()), "")
	must(t, err)
	out, by, on := map[string]string{}, map[string][]string{}, map[string]string{}
	for _, c := range list {
		by[c.Consumer], on[c.Consumer] = append(by[c.Consumer], c.Address), c.Host
		out[c.Consumer] = strings.TrimSpace(out[c.Consumer] + " " + strings.TrimPrefix(c.Address, "0000:"))
	}
	for consumer, host := range on {
		out[consumer] = host + " " + out[consumer]
		if spec := w.Hosts[host].SpecOf(consumer); spec != nil && !reflect.DeepEqual(spec.PCI, by[consumer]) {
			t.Errorf("%s was told %v of %s, the database has %v", host, spec.PCI, consumer, by[consumer])
		}
		if owner, err := w.Placement.Consumer(context.Background(), consumer); err != nil || owner == nil {
			t.Errorf("%s has no allocations: %v", consumer, err)
		}
	}
	return out
}

func TestServersWithDevices(t *testing.T) {
	databases(t, func(t *testing.T, d *store.DB) {
		w := devicesWorld(t, d, 2)
		w.Run()
		ctx := t.Context()
		gone := func(ids ...string) {
			t.Helper()
			for _, id := range ids {
				must(t, w.Nova.Delete(ctx, w.caller, id))
				novatest.Until(t, "it is gone", func() bool { return w.Settled(id) == nil })
			}
		}
		refused := func(flavor string) {
			t.Helper()
			over, err := w.flavored(ctx, flavor, "over", 1)
			must(t, err)
			if srv := w.Settled(over[0].ID); srv.VMState != nova.InError || srv.Fault == nil || !strings.Contains(srv.Fault.Message, "No valid host was found") {
				t.Errorf("one more is %+v", srv)
			}
			gone(over[0].ID)
		}
		many, err := w.flavored(ctx, "qat", "many", 3)
		must(t, err)
		for _, srv := range many { // decided together, and before what comes
			w.has(t, srv.ID, nova.Active, driver.Running)
		}
		refused("both") // one is left
		one, err := w.flavored(ctx, "qat", "one", 1)
		must(t, err)
		w.has(t, one[0].ID, nova.Active, driver.Running)
		if has := w.devices(t); len(has) != 4 {
			t.Fatalf("devices %v", has)
		}
		refused("qat")
		gone(many[0].ID, many[1].ID, many[2].ID)

		// It does not move while it runs, and goes on.
		srv := w.Settled(one[0].ID)
		if err := w.Nova.LiveMigrate(ctx, operator, srv.ID, nova.LiveRequest{Wait: true}); err == nil || !strings.Contains(err.Error(), "Migration pre-check error: non-VIF related PCI requests for instance are not allowed for live migration.") {
			t.Errorf("moved while it runs: %v", err)
		}
		w.until(srv, nova.MoveError)
		w.has(t, srv.ID, nova.Active, driver.Running)

		// Between two hosts it has the devices of both, and takes the others' when it is elsewhere for good.
		was := w.devices(t)[srv.ID]
		must(t, w.Nova.Migrate(ctx, operator, srv.ID, ""))
		now := w.has(t, srv.ID, nova.Resized, driver.Running)
		move := w.moveOf(t, srv.ID)
		if has := w.devices(t); len(has) != 2 || has[move.UUID] != was || !strings.HasPrefix(has[srv.ID], now.Host+" ") {
			t.Errorf("between two hosts: %v", has)
		}
		must(t, w.Nova.RevertResize(ctx, w.caller, srv.ID))
		w.has(t, srv.ID, nova.Active, driver.Running)
		if has := w.devices(t); len(has) != 1 || has[srv.ID] != was {
			t.Errorf("reverted: %v, had %s", has, was)
		}
		must(t, w.Nova.Resize(ctx, w.caller, srv.ID, "both", ""))
		now = w.has(t, srv.ID, nova.Resized, driver.Running)
		must(t, w.Nova.ConfirmResize(ctx, w.caller, srv.ID))
		w.has(t, srv.ID, nova.Active, driver.Running)
		if has := w.devices(t); len(has) != 1 || has[srv.ID] != now.Host+" 01:00.0 02:00.0" {
			t.Errorf("resized: %v", has)
		}
		// Its host is lost: devices of another.
		w.lose(now.Host)
		must(t, w.evacuate(ctx, srv.ID))
		w.has(t, srv.ID, nova.Active, driver.Running)
		if has := w.devices(t); has[srv.ID] != w.other(now.Host)+" 01:00.0 02:00.0" {
			t.Errorf("evacuated: %v", has)
		}
		w.bring(now.Host)
		novatest.Until(t, "the old host has given them up", func() bool { return len(w.devices(t)) == 1 })
		must(t, w.Nova.Shelve(ctx, w.caller, srv.ID))
		novatest.Until(t, "it is shelved", func() bool { return w.Settled(srv.ID).VMState == nova.ShelvedOffloaded })
		if has := w.devices(t); len(has) != 0 {
			t.Errorf("shelved: %v", has)
		}
		must(t, w.Nova.Unshelve(ctx, w.caller, srv.ID, nova.UnshelveRequest{}))
		w.has(t, srv.ID, nova.Active, driver.Running)
		if has := w.devices(t); len(has) != 1 {
			t.Errorf("unshelved: %v", has)
		}
		gone(srv.ID)

		// Devices in the cells where a guest's processors are.
		near, err := w.flavored(ctx, "near", "near", 4)
		must(t, err)
		for _, srv := range near {
			w.has(t, srv.ID, nova.Active, driver.Running)
		}
		has, pins := w.devices(t), w.pins(t)
		for id, c := range pins {
			if want := []string{"02:00.0", "01:00.0"}[c.Topology.Cells[0].ID]; !strings.HasSuffix(has[id], want) {
				t.Errorf("%s is in cell %d with %s", id, c.Topology.Cells[0].ID, has[id])
			}
		}
		if len(has) != 4 || len(pins) != 4 {
			t.Errorf("devices %v, pins %v", has, pins)
		}
		// A name that nobody knows any more finds no host; a new server is refused.
		w.Nova.Config.PCIAliases = nil
		if _, err := w.flavored(ctx, "qat", "unknown", 1); err == nil || !strings.Contains(err.Error(), "PCI alias qat is not defined") {
			t.Errorf("unknown: %v", err)
		}
		must(t, w.Nova.Migrate(ctx, operator, near[0].ID, ""))
		w.has(t, near[0].ID, nova.Active, driver.Running)
		if now := w.devices(t); !reflect.DeepEqual(now, has) {
			t.Errorf("devices %v, had %v", now, has)
		}
		w.Clean(t)
	}, novatest.Migrations...)
}

// Many claim the same devices at once: each is given away once, and who comes too late hears that there is no room.
func TestDevicesAreClaimedOnce(t *testing.T) {
	databases(t, func(t *testing.T, d *store.DB) {
		w := devicesWorld(t, d, 1)
		ctx := t.Context()
		node, err := db.GetComputeNodeOf(ctx, d.Read(ctx), "host-1")
		must(t, err)
		specs := map[string]string{hardware.PCIAliasSpec: "qat:1"}
		won, late := atomic.Int32{}, atomic.Int32{}
		var all sync.WaitGroup
		for i := range 8 {
			all.Go(func() {
				srv := &nova.Server{ID: fmt.Sprintf("aaaaaaaa-0000-4000-8000-%012d", i), ProjectID: "p", UserID: "u", Flavor: nova.FlavorCopy{VCPUs: 1, MemoryMB: 64, ExtraSpecs: specs}}
				err := d.Write(ctx, func(ctx context.Context, tx store.Tx) error {
					return w.Nova.ClaimOn(ctx, tx, srv, srv.Flavor, "host-1", placement.Claim{
						Consumer: srv.ID, Project: "p", User: "u", Allocations: map[string]map[string]int{node.ID: {placement.VCPU: 1, placement.MemoryMB: 64}},
					})
				})
				switch {
				case err == nil:
					won.Add(1)
				case errors.Is(err, placement.ErrCapacity):
					late.Add(1)
				default:
					t.Error(err)
				}
			})
		}
		all.Wait()
		if has := w.devices(t); won.Load() != 2 || late.Load() != 6 || len(has) != 2 {
			t.Errorf("%d claimed, %d came too late: %v", won.Load(), late.Load(), has)
		}
	}, novatest.Migrations...)
}
