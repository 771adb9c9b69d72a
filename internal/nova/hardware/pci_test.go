package hardware

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func cell(n int) *int { return &n }

// aCard has two virtual functions; beside it are two accelerators in cells 0 and 1, one of which nobody knows where it is, and one kept for a network.
func someDevices() []PCIDevice {
	return []PCIDevice{
		{Address: "0000:01:00.0", Vendor: "8086", Product: "0443", Type: PCIPlain, Cell: cell(0)},
		{Address: "0000:02:00.0", Vendor: "8086", Product: "0443", Type: PCIPlain, Cell: cell(1)},
		{Address: "0000:03:00.0", Vendor: "8086", Product: "0443", Type: PCIPlain},
		{Address: "0000:81:00.0", Vendor: "15b3", Product: "1017", Type: PCIPF, Cell: cell(1)},
		{Address: "0000:81:00.1", Vendor: "15b3", Product: "1017", Type: PCIVF, Parent: "0000:81:00.0", Cell: cell(1)},
		{Address: "0000:81:00.2", Vendor: "15b3", Product: "1017", Type: PCIVF, Parent: "0000:81:00.0", Cell: cell(1), Tags: map[string]string{"physical_network": "physnet1"}},
	}
}

func addresses(devices []PCIDevice) string {
	var all []string
	for _, d := range devices {
		all = append(all, strings.TrimPrefix(d.Address, "0000:"))
	}
	return strings.Join(all, " ")
}

const (
	qat  = `{"name": "qat", "vendor_id": "8086", "product_id": "0443", "device_type": "type-PCI"}`
	card = `{"name": "card", "vendor_id": "15b3"}`
	pf   = `{"name": "pf", "vendor_id": "15B3", "device_type": "type-PF", "numa_policy": "required"}`
)

func TestPCIAliases(t *testing.T) {
	for _, bad := range []struct{ text, says string }{
		{`{}`, "name"},
		{`{"name": "a", "vendor": "8086"}`, "unknown field"},
		{`{"name": "a", "vendor_id": "86"}`, "four hexadecimal digits"},
		{`{"name": "a", "device_type": "vdpa"}`, "device_type"},
		{`{"name": "a", "numa_policy": "near"}`, "numa_policy"},
		{`[]`, "cannot unmarshal"},
		{`{"name": "qat", "device_type": "type-PCI", "numa_policy": "required"}`, "NUMA policy mismatch for alias 'qat'"},
		{`{"name": "qat", "device_type": "type-VF"}`, "Device type mismatch for alias 'qat'"},
	} {
		if _, err := ParsePCIAliases([]string{qat, bad.text}); err == nil || !strings.HasPrefix(err.Error(), "Invalid PCI alias definition: ") || !strings.Contains(err.Error(), bad.says) {
			t.Errorf("%s: %v", bad.text, err)
		}
	}
	aliases, err := ParsePCIAliases([]string{qat, `{"name": "qat", "vendor_id": "1ded", "device_type": "type-PCI"}`, card, pf})
	if err != nil || len(aliases["qat"].Specs) != 2 || aliases["card"].Policy != PCILegacy {
		t.Fatalf("%+v, %v", aliases, err)
	}
	for _, c := range []struct{ alias, flavor, image, want, refused string }{
		{},
		{alias: "qat:2", want: "qat 2 legacy"},
		{alias: "qat:1, pf:2", want: "qat 1 legacy, pf 2 required"},
		{alias: "qat:1", flavor: "socket", want: "qat 1 socket"},
		{alias: "pf:1", image: "preferred", want: "pf 1 preferred"},
		{alias: "gpu:1", refused: "PCI alias gpu is not defined"},
		{alias: "qat", refused: "Invalid PCI alias definition:  is not a number of devices in 'qat'"},
		{alias: "qat:1", flavor: "near", refused: "Invalid PCI NUMA affinity configured: near"},
		{flavor: "socket", image: "required", refused: "Image property 'hw_pci_numa_affinity_policy' is not permitted to override the 'hw:pci_numa_affinity_policy' flavor extra spec."},
	} {
		w := Wish{Flavor: Flavor{Specs: map[string]string{PCIAliasSpec: c.alias, "hw:pci_numa_affinity_policy": c.flavor}}, Image: Image{Properties: map[string]string{"hw_pci_numa_affinity_policy": c.image}}}
		requests, err := w.PCI(aliases)
		var got []string
		for _, r := range requests {
			got = append(got, fmt.Sprintf("%s %d %s", r.Alias, r.Count, r.Policy))
		}
		text, _ := IsConflict(err)
		if text != c.refused || strings.Join(got, ", ") != c.want {
			t.Errorf("%+v: %q, %v", c, got, err)
		}
	}
}

func TestFreePCI(t *testing.T) {
	for taken, want := range map[string]string{
		"":                          "01:00.0 02:00.0 03:00.0 81:00.0 81:00.1 81:00.2",
		"0000:02:00.0":              "01:00.0 03:00.0 81:00.0 81:00.1 81:00.2",
		"0000:81:00.0":              "01:00.0 02:00.0 03:00.0",
		"0000:81:00.1":              "01:00.0 02:00.0 03:00.0 81:00.2",
		"0000:81:00.2 0000:01:00.0": "02:00.0 03:00.0 81:00.1",
	} {
		if got := addresses(FreePCI(someDevices(), strings.Fields(taken))); got != want {
			t.Errorf("with %q taken: %s", taken, got)
		}
	}
}

func TestFitPCI(t *testing.T) {
	aliases, err := ParsePCIAliases([]string{qat, card, pf})
	if err != nil {
		t.Fatal(err)
	}
	host := &Host{Cells: []Cell{{ID: 0, Socket: cell(0)}, {ID: 1, Socket: cell(1)}, {ID: 2, Socket: cell(0)}}}
	for _, c := range []struct {
		alias, policy string
		on            []int
		taken, want   string
	}{
		{alias: "qat:3", want: "01:00.0 02:00.0 03:00.0"},
		{alias: "qat:4", want: "none"},
		{alias: "qat:1", policy: PCIRequired, want: "01:00.0"}, // nobody says where the guest is
		{alias: "qat:1", policy: PCIRequired, on: []int{1}, want: "02:00.0"},
		{alias: "qat:2", policy: PCIRequired, on: []int{1}, want: "none"},
		{alias: "qat:2", policy: PCIRequired, on: []int{0, 1}, want: "01:00.0 02:00.0"},
		{alias: "qat:2", policy: PCILegacy, on: []int{1}, want: "02:00.0 03:00.0"},
		{alias: "qat:3", policy: PCILegacy, on: []int{1}, want: "none"},
		{alias: "qat:3", policy: PCIPreferred, on: []int{1}, want: "02:00.0 03:00.0 01:00.0"},
		{alias: "qat:1", policy: PCIPreferred, on: []int{2}, want: "03:00.0"},
		{alias: "qat:1", policy: PCISocket, on: []int{2}, want: "01:00.0"},
		{alias: "qat:2", policy: PCISocket, on: []int{2}, want: "none"},
		{alias: "card:2", want: "81:00.1 81:00.2"}, // and never the whole card
		{alias: "card:3", want: "none"},
		{alias: "pf:1", want: "81:00.0"},
		{alias: "pf:1,card:1", want: "none"},
		{alias: "card:1,pf:1", want: "none"},
		{alias: "pf:1", taken: "0000:81:00.2", want: "none"},
		{alias: "card:1,qat:1", taken: "0000:81:00.1", want: "81:00.2 01:00.0"},
	} {
		w := Wish{Flavor: Flavor{Specs: map[string]string{PCIAliasSpec: c.alias, "hw:pci_numa_affinity_policy": c.policy}}}
		requests, err := w.PCI(aliases)
		if err != nil {
			t.Fatal(err)
		}
		var g *Guest
		if c.on != nil {
			g = &Guest{}
			for _, id := range c.on {
				g.Cells = append(g.Cells, GuestCell{ID: id})
			}
		}
		chosen, ok := FitPCI(FreePCI(someDevices(), strings.Fields(c.taken)), requests, host, g)
		got := addresses(chosen)
		if !ok {
			got = "none"
		}
		if got != c.want {
			t.Errorf("%+v: %s", c, got)
		}
	}
	if _, ok := FitPCI(someDevices(), []PCIRequest{{Count: 2, Policy: PCISocket, Specs: aliases["qat"].Specs}}, &Host{Cells: []Cell{{ID: 0}}}, &Guest{Cells: []GuestCell{{ID: 0}}}); ok {
		t.Error("a host that does not say where its sockets are has devices near them")
	}
}

// TestPlaceNearDevices: a guest goes to the cell where its device is, though another one comes first.
func TestPlaceNearDevices(t *testing.T) {
	host := &Host{Cells: []Cell{{ID: 0, CPUs: Range(0, 4), MemoryMB: 4096}, {ID: 1, CPUs: Range(4, 4), MemoryMB: 4096}}}
	wish := &Guest{Cells: []GuestCell{{CPUs: Range(0, 2), MemoryMB: 1024}}}
	request := []PCIRequest{{Count: 1, Policy: PCIRequired, Specs: []map[string]string{{"vendor_id": "8086"}}}}
	placed, devices, ok := Place(host, wish, Ratios{}, someDevices()[1:], request)
	if !ok || placed.Cells[0].ID != 1 || addresses(devices) != "02:00.0" {
		t.Errorf("%+v with %s, %t", placed, addresses(devices), ok)
	}
	if placed, _, ok := Place(host, wish, Ratios{}, someDevices(), nil); !ok || placed.Cells[0].ID != 0 {
		t.Errorf("without devices: %+v, %t", placed, ok)
	}
	if _, _, ok := Place(host, wish, Ratios{}, someDevices()[2:], request); ok {
		t.Error("there is none in its cells")
	}
	if _, _, ok := Place(nil, wish, Ratios{}, someDevices(), request); ok {
		t.Error("on a host without cells")
	}
}

func TestPCISpecs(t *testing.T) {
	found := []PCIFound{}
	for _, d := range someDevices() {
		f := PCIFound{PCIDevice: d}
		f.Tags = nil
		if d.Type == PCIPF {
			f.Names = []string{"enp129s0"}
		}
		found = append(found, f)
	}
	for spec, want := range map[string]string{
		`{}`: "01:00.0 02:00.0 03:00.0 81:00.0 81:00.1 81:00.2",
		`{"vendor_id": "8086", "product_id": "443"}`:                                    "01:00.0 02:00.0 03:00.0",
		`{"address": "0000:02:00.0"}`:                                                   "02:00.0",
		`{"address": "*:02:00.*"}`:                                                      "02:00.0",
		`{"address": ":81:00."}`:                                                        "81:00.0 81:00.1 81:00.2",
		`{"address": "0000:81:00.0"}`:                                                   "81:00.0 81:00.1 81:00.2",
		`{"address": "0000:81:00.0", "product_id": "1018"}`:                             "",
		`{"devname": "enp129s0", "physical_network": "physnet1"}`:                       "81:00.0 81:00.1 81:00.2",
		`{"devname": "eth9"}`:                                                           "",
		`{"address": {"domain": ".*", "bus": "81", "slot": "00", "function": "[1-7]"}}`: "81:00.1 81:00.2",
		`[{"address": "1:0.0"}, {"address": "02:00.0"}]`:                                "01:00.0 02:00.0",
	} {
		specs, err := ParsePCISpecs([]string{spec})
		if err != nil {
			t.Errorf("%s: %v", spec, err)
			continue
		}
		if got := addresses(OfferPCI(found, specs)); got != want {
			t.Errorf("%s offers %s", spec, got)
		}
	}
	specs, err := ParsePCISpecs([]string{`{"address": "0000:81:00.2", "physical_network": "physnet1"}`, `{"vendor_id": "15b3", "physical_network": null}`})
	if err != nil {
		t.Fatal(err)
	}
	offered := OfferPCI(found, specs)
	if i := slices.IndexFunc(offered, func(d PCIDevice) bool { return d.Tags != nil }); len(offered) != 3 || i != 2 || !reflect.DeepEqual(offered[2].Tags, map[string]string{"physical_network": "physnet1"}) {
		t.Errorf("%+v", offered)
	}
	for bad, says := range map[string]string{
		`{`:                                "Invalid [pci]device_spec config",
		`{"vendor_id": "xyz"}`:             "property vendor_id ('xyz') does not parse as a hex number.",
		`{"address": "0:0:20.0"}`:          "property slot (20) is greater than the maximum allowable value (1F).",
		`{"address": "1:2:3:4.0"}`:         "incorrect format",
		`{"address": {"bus": "["}}`:        "incorrect format",
		`{"address": "*", "devname": "e"}`: "but not both",
		`{"remote_managed": "true"}`:       "remote_managed",
	} {
		if _, err := ParsePCISpecs([]string{bad}); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", bad, err)
		}
	}
}
