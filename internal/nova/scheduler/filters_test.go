package scheduler

import (
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gostack/internal/placement"

	"gostack/internal/nova/hardware"
)

func TestOperators(t *testing.T) {
	for _, test := range []struct {
		value, requirement string
		want               bool
	}{
		{"1", "1", true},
		{"1", "2", false},
		{"", "", true},
		{"124", "= 123", true}, // "=" is at least
		{"122", "= 123", false},
		{"123", "== 123", true},
		{"123.0", "== 123", true},
		{"124", "== 123", false},
		{"124", "!= 123", true},
		{"12", ">= 3", true},
		{"2", ">= 3", false},
		{"2", "<= 3", true},
		{"x", ">= 3", false},
		{"abc", "s== abc", true},
		{"abd", "s!= abc", true},
		{"abc", "s< abd", true},
		{"abc", "s> abd", false},
		{"abc", "s<= abc", true},
		{"abc", "s>= abd", false},
		{"12311321", "<in> 11", true},
		{"12311321", "<in> 44", false},
		{"aes mmx aux", "<all-in> aes mmx", true},
		{"aes mmx aux", "<all-in> aes sse", false},
		{"12", "<or> 11 <or> 12", true},
		{"13", "<or> 11 <or> 12", false},
		{"12", "<or>", false},
		{"12", ">=", false},
		{"some text", "some text", true},
	} {
		if got := matches(test.value, test.requirement); got != test.want {
			t.Errorf("%q fulfils %q: %v, want %v", test.value, test.requirement, got, test.want)
		}
	}
}

// survivors asks one filter about each host.
func survivors(t *testing.T, filter string, hosts []Host, aggregates []Aggregate, from placement.Snapshot, spec *Spec, tune func(*Config)) []string {
	t.Helper()
	config := DefaultConfig()
	config.Filters = []string{filter}
	if tune != nil {
		tune(&config)
	}
	q, err := newQuery(NewSnapshot(config, hosts, aggregates, from), spec)
	if err != nil {
		t.Fatal(err)
	}
	names := []string{}
	for _, h := range q.hosts {
		if len(q.filters) == 0 || q.filters[0].pass(q, h) {
			names = append(names, h.Name)
		}
	}
	return names
}

func TestFilters(t *testing.T) {
	aggregates := []Aggregate{
		{Name: "fast", Metadata: map[string]string{"ssd": "true", "level": "gold,silver", "max_instances_per_host": "1"}, Hosts: []string{"h0"}},
		{Name: "acme", Metadata: map[string]string{"filter_tenant_id": "acme,other", "os_type": "windows", "instance_type": "m1.big"}, Hosts: []string{"h1"}},
	}
	edit := func(i int, h *Host, p *placement.Provider) {
		switch i {
		case 0:
			h.Servers = []string{"s0", "s1"}
			h.IOOps = 9
			h.Capabilities = map[string]any{"cpu_info": map[string]any{"vendor": "Intel", "features": []any{"aes", "avx"}}}
		case 1:
			h.Supported = []Guest{{"aarch64", "kvm", "hvm"}}
			h.PCI = []hardware.PCIDevice{{Address: "0000:01:00.0", Vendor: "8086", Product: "1520"}, {Address: "0000:02:00.0", Vendor: "8086", Product: "1520"}}
			h.HypervisorVersion = 2001000
			use(p, placement.MemoryMB, 64536)
		}
	}
	withExtra := func(kv ...string) *Spec {
		spec := small("x")
		spec.Flavor.ExtraSpecs = map[string]string{}
		for i := 0; i < len(kv); i += 2 {
			spec.Flavor.ExtraSpecs[kv[i]] = kv[i+1]
		}
		return spec
	}
	withHint := func(name string, values ...string) *Spec {
		spec := small("x")
		spec.Hints = map[string][]string{name: values}
		return spec
	}
	withImage := func(kv ...string) *Spec {
		spec := small("x")
		spec.Image = Image{ID: "image", Properties: map[string]string{}}
		for i := 0; i < len(kv); i += 2 {
			spec.Image.Properties[kv[i]] = kv[i+1]
		}
		return spec
	}
	cidr := withHint("build_near_host_ip", "10.0.0.1")
	cidr.Hints["cidr"] = []string{"/31"}
	devices := func(count int, vendor string) *Spec {
		spec := small("x")
		spec.PCI = []hardware.PCIRequest{{Count: count, Specs: []map[string]string{{"vendor_id": vendor}}}}
		return spec
	}
	acme := small("x")
	acme.Project = "acme"
	isolate := func(images ...string) func(*Config) {
		return func(c *Config) { c.IsolatedImages, c.IsolatedHosts = images, []string{"h2"} }
	}
	all := []string{"h0", "h1", "h2"}
	for _, test := range []struct {
		name, filter string
		spec         *Spec
		tune         func(*Config)
		want         []string
	}{
		{"nothing asked", "ComputeCapabilitiesFilter", small("x"), nil, all},
		{"capability", "ComputeCapabilitiesFilter", withExtra("capabilities:cpu_info:vendor", "Intel"), nil, []string{"h0"}},
		{"capability in a list", "ComputeCapabilitiesFilter", withExtra("capabilities:cpu_info:features", "<all-in> aes avx"), nil, []string{"h0"}},
		{"attribute", "ComputeCapabilitiesFilter", withExtra("capabilities:free_ram_mb", ">= 2000"), nil, []string{"h0", "h2"}},
		{"attribute without scope", "ComputeCapabilitiesFilter", withExtra("hypervisor_version", ">= 3000000"), nil, []string{"h0", "h2"}},
		{"unknown key without scope", "ComputeCapabilitiesFilter", withExtra("colour", "red"), nil, all},
		{"other scope", "ComputeCapabilitiesFilter", withExtra("hw:cpu_policy", "shared"), nil, all},
		{"unknown capability", "ComputeCapabilitiesFilter", withExtra("capabilities:colour", "red"), nil, []string{}},
		{"architecture", "ImagePropertiesFilter", withImage("hw_architecture", "ARM64"), nil, []string{"h1"}},
		{"hypervisor and mode", "ImagePropertiesFilter", withImage("img_hv_type", "qemu", "hw_vm_mode", "hvm"), nil, []string{"h0", "h2"}},
		{"old property names", "ImagePropertiesFilter", withImage("architecture", "amd64"), nil, []string{"h0", "h2"}},
		{"hypervisor version", "ImagePropertiesFilter", withImage("img_hv_requested_version", ">=6.0, <9"), nil, []string{"h0", "h2"}},
		{"no property", "ImagePropertiesFilter", withImage("os_type", "linux"), nil, all},
		{"different host", "DifferentHostFilter", withHint("different_host", "s0", "gone"), nil, []string{"h1", "h2"}},
		{"same host", "SameHostFilter", withHint("same_host", "s1"), nil, []string{"h0"}},
		{"near host", "SimpleCIDRAffinityFilter", cidr, nil, []string{"h0"}},
		{"query", "JsonFilter", withHint("query", `["and", [">=", "$free_ram_mb", 2000], ["not", ["=", "$host", "h0"]]]`), nil, []string{"h2"}},
		{"query of lists", "JsonFilter", withHint("query", `["or", ["in", "$host", "h1", "h2"], ["<", "$num_instances", 0]]`), nil, []string{"h1", "h2"}},
		{"query on a capability", "JsonFilter", withHint("query", `["=", "$cpu_info.vendor", "Intel"]`), nil, []string{"h0"}},
		{"bad query", "JsonFilter", withHint("query", `["and"`), nil, []string{}},
		{"unknown operator", "JsonFilter", withHint("query", `["exec", "x"]`), nil, []string{}},
		{"servers per host", "NumInstancesFilter", small("x"), nil, []string{"h1", "h2"}},
		{"work in flight", "IoOpsFilter", small("x"), nil, []string{"h1", "h2"}},
		{"isolated image", "IsolatedHostsFilter", withImage(), isolate("image"), []string{"h2"}},
		{"other image", "IsolatedHostsFilter", withImage(), isolate("secret"), []string{"h0", "h1"}},
		{"aggregate extra spec", "AggregateInstanceExtraSpecsFilter", withExtra("aggregate_instance_extra_specs:ssd", "true"), nil, []string{"h0"}},
		{"one of several values", "AggregateInstanceExtraSpecsFilter", withExtra("level", "silver"), nil, []string{"h0"}},
		{"none has it", "AggregateInstanceExtraSpecsFilter", withExtra("level", "bronze"), nil, []string{}},
		{"stranger", "AggregateMultiTenancyIsolation", small("x"), nil, []string{"h0", "h2"}},
		{"tenant", "AggregateMultiTenancyIsolation", acme, nil, all},
		{"image of another kind", "AggregateImagePropertiesIsolation", withImage("os_type", "linux"), nil, []string{"h0", "h2"}},
		{"image of that kind", "AggregateImagePropertiesIsolation", withImage("os_type", "windows"), nil, all},
		{"flavor of an aggregate", "AggregateTypeAffinityFilter", small("x"), nil, []string{"h0", "h2"}},
		{"devices", "PciPassthroughFilter", devices(2, "8086"), nil, []string{"h1"}},
		{"too many devices", "PciPassthroughFilter", devices(3, "8086"), nil, []string{}},
		{"other devices", "PciPassthroughFilter", devices(1, "10de"), nil, []string{}},
		{"all hosts", "AllHostsFilter", small("x"), nil, all},
	} {
		t.Run(test.name, func(t *testing.T) {
			hosts, from := cloud(3, edit)
			got := survivors(t, test.filter, hosts, aggregates, from, test.spec, test.tune)
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestWeighers(t *testing.T) {
	edit := func(i int, h *Host, p *placement.Provider) {
		if i != 1 {
			return
		}
		use(p, placement.MemoryMB, 1000)
		use(p, placement.VCPU, 8)
		use(p, placement.DiskGB, 500)
		h.IOOps, h.FailedBuilds, h.HypervisorVersion, h.Servers = 3, 1, 9000000, []string{"s"}
		h.Metrics = map[string]float64{"cpu.percent": 1}
		h.PCI = []hardware.PCIDevice{{Address: "0000:01:00.0"}}
		h.ImageProperties = map[string]map[string]int{"os_type": {"windows": 4}}
	}
	for name, test := range map[string]struct {
		multiplier float64
		prefers    string
	}{
		"RAMWeigher":               {1, "h0"},
		"CPUWeigher":               {1, "h0"},
		"DiskWeigher":              {-1, "h1"},
		"IoOpsWeigher":             {-1, "h0"},
		"PCIWeigher":               {1, "h0"},
		"BuildFailureWeigher":      {1, "h0"},
		"HypervisorVersionWeigher": {1, "h1"},
		"NumInstancesWeigher":      {1, "h1"},
		"MetricsWeigher":           {1, "h1"},
		"ImagePropertiesWeigher":   {1, "h1"},
	} {
		hosts, from := cloud(2, edit)
		config := DefaultConfig()
		config.Multipliers = map[string]float64{name: test.multiplier}
		config.MetricRatios = map[string]float64{"cpu.percent": 1}
		spec := small("x")
		spec.Image.Properties = map[string]string{"os_type": "windows"}
		d := mustSelect(t, NewSnapshot(config, hosts, nil, from), spec)
		if d.Selections[0].Host != test.prefers {
			t.Errorf("%s prefers %s", name, d.Selections[0].Host)
		}
	}
}

func TestAggregatesTuneWeighers(t *testing.T) {
	hosts, from := cloud(2, func(i int, _ *Host, p *placement.Provider) { use(p, placement.MemoryMB, int64(1000*i)) })
	pack := []Aggregate{{Name: "pack", Metadata: map[string]string{"ram_weight_multiplier": "-5"}, Hosts: []string{"h0", "h1"}}}
	d := mustSelect(t, NewSnapshot(DefaultConfig(), hosts, pack, from), small("x"))
	if d.Selections[0].Host != "h1" {
		t.Errorf("chosen %s", d.Selections[0].Host)
	}
}

func TestTablesAgree(t *testing.T) {
	for _, name := range DefaultFilters {
		if !slices.Contains(FilterNames(), name) {
			t.Errorf("no filter %s", name)
		}
	}
	for name := range maps.Keys(DefaultConfig().Multipliers) {
		if !slices.Contains(WeigherNames(), name) {
			t.Errorf("no weigher %s", name)
		}
	}
}

func FuzzOperators(f *testing.F) {
	f.Add("12", "<or> 11 <or> 12")
	f.Add("aes", "<all-in> aes")
	f.Fuzz(func(_ *testing.T, value, requirement string) { matches(value, requirement) })
}

func FuzzQuery(f *testing.F) {
	hosts, from := cloud(1, nil)
	f.Add(`["and", [">=", "$free_ram_mb", 1024]]`)
	f.Fuzz(func(t *testing.T, text string) {
		survivors(t, "JsonFilter", hosts, nil, from, &Spec{Hints: map[string][]string{"query": {text}}}, nil)
	})
}
