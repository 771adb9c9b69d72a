package scheduler

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gostack/internal/placement"
)

// cloud makes hosts h0, h1, … of 16 VCPUs (four times over), 64 GiB and 1000 GiB; edit changes the i-th.
func cloud(n int, edit func(i int, h *Host, p *placement.Provider)) ([]Host, placement.Snapshot) {
	hosts := make([]Host, n)
	from := placement.Snapshot{Providers: make([]placement.Provider, n)}
	for i := range hosts {
		name := fmt.Sprintf("h%d", i)
		uuid := fmt.Sprintf("00000000-0000-0000-0000-%012d", i)
		hosts[i] = Host{
			Name: name, Node: name, Provider: uuid, Up: true, HypervisorType: "QEMU", HypervisorVersion: 8002000,
			Address:   fmt.Sprintf("10.0.%d.%d", i/250, i%250+1),
			Supported: []Guest{{"x86_64", "kvm", "hvm"}, {"x86_64", "qemu", "hvm"}},
		}
		from.Providers[i] = placement.Provider{
			UUID: uuid, Name: name, Root: uuid, Traits: []string{"COMPUTE_NODE", "HW_CPU_X86_AVX2"},
			Inventories: map[string]placement.Inventory{
				placement.VCPU:     {Total: 16, MinUnit: 1, MaxUnit: 16, StepSize: 1, AllocationRatio: 4},
				placement.MemoryMB: {Total: 65536, MinUnit: 1, MaxUnit: 65536, StepSize: 1, AllocationRatio: 1},
				placement.DiskGB:   {Total: 1000, MinUnit: 1, MaxUnit: 1000, StepSize: 1, AllocationRatio: 1},
			},
		}
		if edit != nil {
			edit(i, &hosts[i], &from.Providers[i])
		}
	}
	return hosts, from
}

func use(p *placement.Provider, class string, amount int64) {
	inventory := p.Inventories[class]
	inventory.Used = amount
	p.Inventories[class] = inventory
}

func small(servers ...string) *Spec {
	return &Spec{Servers: servers, Flavor: Flavor{Name: "m1.small", VCPUs: 1, MemoryMB: 2048, RootGB: 20}}
}

func hostsOf(d *Decision) []string {
	var names []string
	for _, s := range d.Selections {
		names = append(names, s.Host)
	}
	return names
}

func mustSelect(t *testing.T, s *Snapshot, spec *Spec) *Decision {
	t.Helper()
	d, err := Select(s, spec)
	if err != nil {
		var none *NoValidHostError
		if errors.As(err, &none) {
			t.Fatalf("%v: %+v", err, none.Eliminated)
		}
		t.Fatal(err)
	}
	return d
}

func TestSelectTakesTheEmptiestHost(t *testing.T) {
	hosts, from := cloud(4, func(i int, _ *Host, p *placement.Provider) {
		use(p, placement.MemoryMB, int64(10000*(4-i)))
		use(p, placement.VCPU, int64(4*(4-i)))
	})
	d := mustSelect(t, NewSnapshot(DefaultConfig(), hosts, nil, from), small("a"))
	if d.Selections[0].Host != "h3" {
		t.Errorf("chosen: %s", d.Selections[0].Host)
	}
	var alternates []string
	for _, c := range d.Selections[0].Alternates {
		alternates = append(alternates, c.Host)
	}
	if diff := cmp.Diff([]string{"h2", "h1"}, alternates); diff != "" {
		t.Error(diff)
	}
	want := map[string]map[string]int{"00000000-0000-0000-0000-000000000003": {"VCPU": 1, "MEMORY_MB": 2048, "DISK_GB": 20}}
	if diff := cmp.Diff(want, d.Selections[0].Allocations); diff != "" {
		t.Error(diff)
	}
}

func TestSeveralServersAreOneDecision(t *testing.T) {
	hosts, from := cloud(3, nil)
	s := NewSnapshot(DefaultConfig(), hosts, nil, from)
	d := mustSelect(t, s, small("a", "b", "c"))
	names := hostsOf(d)
	slices.Sort(names)
	if diff := cmp.Diff([]string{"h0", "h1", "h2"}, names); diff != "" {
		t.Errorf("each placement counts for the next: %s", diff)
	}
	if used := s.hosts[0].memory.Used; used != 0 {
		t.Errorf("the snapshot changed: %d MiB in use", used)
	}
	s.Keep(d)
	if used := s.hosts[0].memory.Used; used != 2048 || s.hosts[0].servers != 1 {
		t.Errorf("Keep counted %d MiB and %d servers", used, s.hosts[0].servers)
	}
}

func TestAllOrNone(t *testing.T) {
	hosts, from := cloud(2, func(_ int, _ *Host, p *placement.Provider) { use(p, placement.MemoryMB, 65536-2048) })
	s := NewSnapshot(DefaultConfig(), hosts, nil, from)
	_, err := Select(s, small("a", "b", "c"))
	var none *NoValidHostError
	if !errors.As(err, &none) || none.Server != "c" {
		t.Fatalf("got %v", err)
	}
	if diff := cmp.Diff([]Elimination{{"Placement(MEMORY_MB)", 2, []string{"h0", "h1"}}}, none.Eliminated); diff != "" {
		t.Error(diff)
	}
	if used := s.hosts[0].memory.Used; used != 65536-2048 {
		t.Errorf("the snapshot changed: %d", used)
	}
}

// TestEachRefusalIsCounted sends one request through hosts that each fail for another reason.
func TestEachRefusalIsCounted(t *testing.T) {
	hosts, from := cloud(9, func(i int, h *Host, p *placement.Provider) {
		switch i {
		case 0:
			h.Up = false
		case 1:
			h.Disabled = true
		case 2:
			use(p, placement.VCPU, 64)
		case 3:
			use(p, placement.DiskGB, 990)
		case 4:
			p.Traits = []string{"COMPUTE_STATUS_DISABLED", "HW_CPU_X86_AVX2"}
		case 5:
			h.Supported = []Guest{{"aarch64", "kvm", "hvm"}}
		case 6:
			h.Provider = "nowhere"
		case 7:
			p.Traits = nil
		}
	})
	spec := small("a")
	spec.Flavor.ExtraSpecs = map[string]string{"trait:HW_CPU_X86_AVX2": "required"}
	spec.Image.Properties = map[string]string{"hw_architecture": "x86_64"}
	spec.IgnoredHosts = []string{"h8"}
	_, err := Select(NewSnapshot(DefaultConfig(), hosts, nil, from), spec)
	var none *NoValidHostError
	if !errors.As(err, &none) {
		t.Fatalf("got %v", err)
	}
	want := []Elimination{
		{"IgnoredHosts", 1, []string{"h8"}},
		{"Placement(provider)", 1, []string{"h6"}},
		{"Placement(DISK_GB)", 1, []string{"h3"}},
		{"Placement(VCPU)", 1, []string{"h2"}},
		{"Placement(trait HW_CPU_X86_AVX2)", 1, []string{"h7"}},
		{"Placement(service disabled)", 1, []string{"h4"}},
		{"ComputeFilter", 2, []string{"h0", "h1"}},
		{"ImagePropertiesFilter", 1, []string{"h5"}},
	}
	if diff := cmp.Diff(want, none.Eliminated); diff != "" {
		t.Error(diff)
	}
	if none.Error() != "No valid host was found. There are not enough hosts available." {
		t.Error(none.Error())
	}
}

func TestServerGroups(t *testing.T) {
	hosts, from := cloud(3, func(i int, h *Host, p *placement.Provider) {
		if i == 1 {
			h.Servers = []string{"member"}
			use(p, placement.MemoryMB, 30000) // not the emptiest
		}
	})
	for policy, want := range map[string]func([]string) bool{
		"affinity":           func(got []string) bool { return got[0] == "h1" && got[1] == "h1" },
		"anti-affinity":      func(got []string) bool { return got[0] != "h1" && got[1] != "h1" && got[0] != got[1] },
		"soft-anti-affinity": func(got []string) bool { return got[0] != "h1" && got[1] != "h1" && got[0] != got[1] },
	} {
		s := NewSnapshot(DefaultConfig(), slices.Clone(hosts), nil, clone(from))
		spec := small("a", "b")
		spec.Group = &Group{Policy: policy, Members: []string{"member", "a", "b"}}
		if got := hostsOf(mustSelect(t, s, spec)); !want(got) {
			t.Errorf("%s: %v", policy, got)
		}
	}
	spec := small("a", "b", "c")
	spec.Group = &Group{Policy: "anti-affinity", Members: []string{"member"}}
	if _, err := Select(NewSnapshot(DefaultConfig(), hosts, nil, clone(from)), spec); err == nil {
		t.Error("three more servers apart on three hosts, one of them taken")
	}
	spec.Group.MaxPerHost = 2
	mustSelect(t, NewSnapshot(DefaultConfig(), hosts, nil, from), spec)
}

func clone(from placement.Snapshot) placement.Snapshot {
	providers := slices.Clone(from.Providers)
	for i := range providers {
		inventories := map[string]placement.Inventory{}
		for class, inventory := range providers[i].Inventories {
			inventories[class] = inventory
		}
		providers[i].Inventories = inventories
	}
	return placement.Snapshot{Providers: providers}
}

func TestFirstMemberOfAnAffinityGroupGoesAnywhereAndTheRestFollows(t *testing.T) {
	hosts, from := cloud(5, nil)
	spec := small("a", "b", "c")
	spec.Group = &Group{Policy: "affinity", Members: []string{"a", "b", "c"}}
	got := hostsOf(mustSelect(t, NewSnapshot(DefaultConfig(), hosts, nil, from), spec))
	if got[0] != got[1] || got[1] != got[2] {
		t.Errorf("apart: %v", got)
	}
}

func TestZonesAndRequestedHosts(t *testing.T) {
	aggregates := []Aggregate{{Name: "east", Metadata: map[string]string{"availability_zone": "east"}, Hosts: []string{"h1"}}}
	for name, test := range map[string]struct {
		edit func(*Spec)
		want string
	}{
		"zone":                {func(s *Spec) { s.AvailabilityZone = "east" }, "h1"},
		"default zone":        {func(s *Spec) { s.AvailabilityZone = DefaultZone; s.IgnoredHosts = []string{"h0"} }, "h2"},
		"forced host":         {func(s *Spec) { s.ForcedHost = "h3" }, "h3"}, // although it is down
		"requested host":      {func(s *Spec) { s.Host = "h2" }, "h2"},
		"requested host down": {func(s *Spec) { s.Host = "h3" }, ""},
		"requested node":      {func(s *Spec) { s.Node = "h0" }, "h0"},
		"zone that is not":    {func(s *Spec) { s.AvailabilityZone = "west" }, ""},
		"host of another zone": {func(s *Spec) {
			s.AvailabilityZone, s.Host = "east", "h0"
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			hosts, from := cloud(4, func(i int, h *Host, _ *placement.Provider) { h.Up = i != 3 })
			spec := small("a")
			test.edit(spec)
			d, err := Select(NewSnapshot(DefaultConfig(), hosts, aggregates, from), spec)
			got := ""
			if err == nil {
				got = d.Selections[0].Host
			}
			if got != test.want {
				t.Errorf("chosen %q, want %q (%v)", got, test.want, err)
			}
		})
	}
}

func TestFlavorResources(t *testing.T) {
	for name, test := range map[string]struct {
		spec Spec
		want map[string]int64
	}{
		"disks and swap": {
			Spec{Flavor: Flavor{VCPUs: 2, MemoryMB: 512, RootGB: 10, EphemeralGB: 5, SwapMB: 1025}},
			map[string]int64{"VCPU": 2, "MEMORY_MB": 512, "DISK_GB": 17},
		},
		"boot from volume": {
			Spec{Flavor: Flavor{VCPUs: 2, MemoryMB: 512, RootGB: 10}, BootFromVolume: true},
			map[string]int64{"VCPU": 2, "MEMORY_MB": 512},
		},
		"dedicated": {
			Spec{Flavor: Flavor{VCPUs: 2, MemoryMB: 512, ExtraSpecs: map[string]string{"hw:cpu_policy": "dedicated"}}},
			map[string]int64{"PCPU": 2, "MEMORY_MB": 512},
		},
		"overrides": {
			Spec{Flavor: Flavor{VCPUs: 2, MemoryMB: 512, ExtraSpecs: map[string]string{
				"resources:VCPU": "0", "resources:MEMORY_MB": "7", "resources:CUSTOM_BAREMETAL_GOLD": "1", "resources1:VGPU": "1",
			}}},
			map[string]int64{"MEMORY_MB": 7, "CUSTOM_BAREMETAL_GOLD": 1},
		},
	} {
		req := candidateRequest(&test.spec, &Config{})
		if diff := cmp.Diff(test.want, req.Groups[0].Resources); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestNestedProvidersAndGroups(t *testing.T) {
	hosts, from := cloud(3, nil)
	gpu := func(root, name string, total int64) {
		from.Providers = append(from.Providers, placement.Provider{
			UUID: name, Name: name, Parent: root, Root: root,
			Inventories: map[string]placement.Inventory{"VGPU": {Total: total, MinUnit: 1, MaxUnit: total, StepSize: 1, AllocationRatio: 1}},
		})
	}
	gpu(hosts[1].Provider, "10000000-0000-0000-0000-000000000000", 1)
	gpu(hosts[2].Provider, "20000000-0000-0000-0000-000000000000", 2)
	spec := small("a", "b", "c")
	spec.Flavor.ExtraSpecs = map[string]string{"resources1:VGPU": "1", "group_policy": "none"}
	s := NewSnapshot(DefaultConfig(), hosts, nil, from)
	d := mustSelect(t, s, spec)
	count := map[string]int{}
	for _, name := range hostsOf(d) {
		count[name]++
	}
	if diff := cmp.Diff(map[string]int{"h1": 1, "h2": 2}, count); diff != "" {
		t.Error(diff)
	}
	for _, selection := range d.Selections {
		if len(selection.Allocations) != 2 || selection.Allocations[selection.Provider]["VCPU"] != 1 {
			t.Errorf("%s claims %v", selection.Host, selection.Allocations)
		}
	}
	if _, err := Select(s, small("a")); err != nil {
		t.Errorf("a plain flavor beside nested providers: %v", err)
	}
	spec.Servers = append(spec.Servers, "d")
	if _, err := Select(s, spec); err == nil {
		t.Error("four VGPUs of three")
	}
}

func TestUnknownTraitIsARefusalNotAFailure(t *testing.T) {
	hosts, from := cloud(2, nil)
	spec := small("a")
	spec.Flavor.ExtraSpecs = map[string]string{"trait:CUSTOM_NOWHERE": "required"}
	_, err := Select(NewSnapshot(DefaultConfig(), hosts, nil, from), spec)
	var none *NoValidHostError
	if !errors.As(err, &none) || none.Eliminated[0].Filter != "Placement(trait CUSTOM_NOWHERE)" {
		t.Errorf("got %v", err)
	}
}

func TestUnknownFilterIsAnError(t *testing.T) {
	hosts, from := cloud(1, nil)
	config := DefaultConfig()
	config.Filters = []string{"NoSuchFilter"}
	if _, err := Select(NewSnapshot(config, hosts, nil, from), small("a")); err == nil {
		t.Error("accepted")
	}
}

func TestSubsetSizeSpreadsTheBest(t *testing.T) {
	hosts, from := cloud(5, func(i int, _ *Host, p *placement.Provider) { use(p, placement.MemoryMB, int64(i)*100) })
	config := DefaultConfig()
	config.SubsetSize = 3
	config.Random = func(n int) int { return n - 1 }
	d := mustSelect(t, NewSnapshot(config, hosts, nil, from), small("a"))
	if d.Selections[0].Host != "h2" {
		t.Errorf("chosen %s", d.Selections[0].Host)
	}
}

func TestGroupAllows(t *testing.T) {
	for _, test := range []struct {
		group Group
		hosts []string
		want  bool
	}{
		{Group{Policy: "affinity"}, nil, true},
		{Group{Policy: "affinity"}, []string{"h", "h"}, true},
		{Group{Policy: "affinity"}, []string{"other"}, false},
		{Group{Policy: "anti-affinity"}, []string{"other"}, true},
		{Group{Policy: "anti-affinity"}, []string{"other", "h"}, false},
		{Group{Policy: "anti-affinity", MaxPerHost: 2}, []string{"h"}, true},
		{Group{Policy: "anti-affinity", MaxPerHost: 2}, []string{"h", "h"}, false},
		{Group{Policy: "soft-anti-affinity"}, []string{"h"}, true},
	} {
		if got := test.group.Allows("h", test.hosts); got != test.want {
			t.Errorf("%+v with %v: %v", test.group, test.hosts, got)
		}
	}
}
