package ops_test

import (
	"encoding/json"
	"testing"

	"gostack/internal/neutron"
	"gostack/internal/nova"
	"gostack/internal/nova/novatest"
	"gostack/internal/store/storetest"
)

// A guest reads in its metadata, of the service and of its config drive, where its tagged devices are.
func TestTaggedDevices(t *testing.T) {
	w := newWorld(t, storetest.Either(t, novatest.Migrations...), 1)
	w.Run()
	ctx := t.Context()
	first, size := 0, int64(1)
	flavor := &nova.Flavor{ID: "eph", Name: "eph", MemoryMB: 512, VCPUs: 1, RootGB: 1, EphemeralGB: 2, RxTxFactor: 1, IsPublic: true, ExtraSpecs: map[string]string{}}
	must(t, w.Nova.CreateFlavor(ctx, w.caller, flavor))
	list, err := w.Nova.CreateServers(ctx, w.caller, nova.CreateRequest{
		Name: "tagged", FlavorID: "eph", ImageID: novatest.ImageID, Min: 1, Max: 1, DiskConfig: "MANUAL", ConfigDrive: true,
		Networks: []neutron.NICRequest{{NetworkID: novatest.NetworkID, Tag: "front"}},
		Devices: []nova.BlockDevice{
			{Source: "image", Destination: "local", UUID: novatest.ImageID, BootIndex: &first, Tag: "system"},
			{Source: "blank", Destination: "local", Size: &size},
			{Source: "blank", Destination: "local", Size: &size, Tag: "scratch"},
		},
	})
	must(t, err)
	id := list[0].ID
	srv := w.Settled(id)
	type device struct {
		Type, Bus, Address, MAC, Serial string
		Tags                            []string
	}
	told := func(text []byte) map[string]device {
		t.Helper()
		var doc struct{ Devices []device }
		must(t, json.Unmarshal(text, &doc))
		out := map[string]device{}
		for _, d := range doc.Devices {
			out[d.Tags[0]] = d
		}
		return out
	}
	served := func() map[string]device {
		t.Helper()
		srv, err := w.Nova.ServerFor(ctx, w.caller, id)
		must(t, err)
		m, err := w.Nova.MetadataOf(ctx, srv, nil)
		must(t, err)
		r, err := m.Lookup("/openstack/latest/meta_data.json")
		must(t, err)
		return told(r.Body)
	}
	g, err := w.Hosts[srv.Host].Inside(id)
	must(t, err)
	for name, got := range map[string]map[string]device{"drive": told(g.Files["openstack/latest/meta_data.json"]), "service": served()} {
		if len(got) != 3 || got["front"].Type != "nic" || got["front"].MAC == "" || got["front"].Address != "0000:00:02.0" || got["front"].Bus != "pci" ||
			got["system"].Type != "disk" || got["system"].Address != "0000:00:03.0" || got["scratch"].Address != "0000:00:05.0" {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if old := told(g.Files["openstack/2015-10-15/meta_data.json"]); len(old) != 0 {
		t.Errorf("a format from before: %+v", old)
	}
	p, err := w.Nova.AttachInterface(ctx, w.caller, id, neutron.NICRequest{NetworkID: novatest.NetworkID, Tag: "back"})
	must(t, err)
	w.Settled(id)
	if got := served(); p.Tag != "back" || len(got) != 4 || got["back"].MAC != p.MAC || got["back"].Address != "0000:00:03.0" {
		t.Errorf("port %+v, served %+v", p, got)
	}
	must(t, w.Nova.Delete(ctx, w.caller, id))
	w.Settled(id)
}
