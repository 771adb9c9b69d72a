package scheduler

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gostack/internal/placement"
)

func TestTraitsThatAreNotNamed(t *testing.T) {
	on := DefaultConfig()
	for name, test := range map[string]struct {
		spec                Spec
		config              Config
		required, forbidden []string
	}{
		"image":               {Spec{Image: Image{DiskFormat: "qcow2"}}, on, []string{"COMPUTE_IMAGE_TYPE_QCOW2"}, nil},
		"unknown format":      {Spec{Image: Image{DiskFormat: "docker"}}, on, nil, nil},
		"off":                 {Spec{Image: Image{DiskFormat: "qcow2", Properties: map[string]string{"hw_disk_bus": "scsi"}}}, Config{}, nil, nil},
		"volume":              {Spec{Image: Image{DiskFormat: "qcow2"}, BootFromVolume: true}, on, nil, nil},
		"devices":             {image(map[string]string{"hw_disk_bus": "scsi", "hw_vif_model": "ne2k-pci", "hw_video_model": "nonsense"}), on, []string{"COMPUTE_NET_VIF_MODEL_NE2K_PCI", "COMPUTE_STORAGE_BUS_SCSI"}, nil},
		"tpm":                 {flavor(map[string]string{"hw:tpm_version": "2.0", "hw:tpm_model": "tpm-crb"}), on, []string{"COMPUTE_SECURITY_TPM_2_0", "COMPUTE_SECURITY_TPM_CRB"}, nil},
		"tpm of image":        {image(map[string]string{"hw_tpm_version": "1.2"}), on, []string{"COMPUTE_SECURITY_TPM_1_2"}, nil},
		"secure boot":         {flavor(map[string]string{"os:secure_boot": "required"}), on, []string{"COMPUTE_SECURITY_UEFI_SECURE_BOOT"}, nil},
		"maybe secure":        {flavor(map[string]string{"os:secure_boot": "optional"}), on, nil, nil},
		"no threads":          {flavor(map[string]string{"hw:cpu_thread_policy": "isolate"}), on, nil, []string{"HW_CPU_HYPERTHREADING"}},
		"threads":             {image(map[string]string{"hw_cpu_thread_policy": "require"}), on, []string{"HW_CPU_HYPERTHREADING"}, nil},
		"accelerator":         {flavor(map[string]string{"accel:device_profile": "fpga"}), on, []string{"COMPUTE_ACCELERATORS"}, nil},
		"encrypted":           {flavor(map[string]string{"hw:ephemeral_encryption": "true", "hw:ephemeral_encryption_format": "luks"}), on, []string{"COMPUTE_EPHEMERAL_ENCRYPTION", "COMPUTE_EPHEMERAL_ENCRYPTION_LUKS"}, nil},
		"address space":       {flavor(map[string]string{"hw:maxphysaddr_mode": "emulate"}), on, []string{"COMPUTE_ADDRESS_SPACE_EMULATED"}, nil},
		"stateless":           {image(map[string]string{"hw_firmware_stateless": "yes"}), on, []string{"COMPUTE_SECURITY_STATELESS_FIRMWARE"}, nil},
		"no packed virtqueue": {flavor(map[string]string{"hw:virtio_packed_ring": "false"}), on, nil, nil},
	} {
		required, forbidden := rootTraits(&test.spec, &test.config)
		if diff := cmp.Diff(test.required, required); diff != "" && len(test.required)+len(required) > 0 {
			t.Errorf("%s: %s", name, diff)
		}
		if want := append([]string{placement.TraitComputeDisabled}, test.forbidden...); !slices.Equal(want, forbidden) {
			t.Errorf("%s: forbidden %v", name, forbidden)
		}
	}
}

func image(properties map[string]string) Spec { return Spec{Image: Image{Properties: properties}} }

func flavor(extraSpecs map[string]string) Spec { return Spec{Flavor: Flavor{ExtraSpecs: extraSpecs}} }

func TestAggregatesAsPlacementPreFilters(t *testing.T) {
	hosts, from := cloud(4, nil)
	for i := range from.Providers {
		from.Providers[i].Traits = append(from.Providers[i].Traits, "CUSTOM_LICENSED")
		slices.Sort(from.Providers[i].Traits)
	}
	aggregates := []Aggregate{
		{UUID: "a", Metadata: map[string]string{"filter_tenant_id": "p1"}, Hosts: []string{"h0"}},
		{UUID: "b", Metadata: map[string]string{"filter_tenant_id2": "p2, p3"}, Hosts: []string{"h1"}},
		{UUID: "c", Metadata: map[string]string{"trait:CUSTOM_LICENSED": "required"}, Hosts: []string{"h2"}},
	}
	tenants := func(c *Config) { c.LimitTenants = true }
	for name, test := range map[string]struct {
		project string
		specs   map[string]string
		tune    func(*Config)
		want    string
		reason  string
	}{
		"everybody":        {project: "p9", want: "[h3]"},
		"own and open":     {project: "p1", want: "[h0 h3]"},
		"own alone":        {project: "p1", tune: tenants, want: "[h0]"},
		"one of two":       {project: "p3", tune: tenants, want: "[h1]"},
		"none is required": {project: "p9", tune: tenants, want: "[h3]"},
		"one is required":  {project: "p9", tune: func(c *Config) { c.LimitTenants, c.TenantAggregateRequired = true, true }, want: "[]", reason: "Placement(no aggregate is for the project)"},
		"kept for a trait": {project: "p9", specs: map[string]string{"trait:CUSTOM_LICENSED": "required"}, want: "[h2 h3]"},
		"not kept":         {project: "p9", tune: func(c *Config) { c.IsolateAggregates = false }, want: "[h2 h3]"},
	} {
		config := DefaultConfig()
		if test.tune != nil {
			test.tune(&config)
		}
		spec := small("s")
		spec.Project, spec.Alternates = test.project, 9
		spec.Flavor.ExtraSpecs = test.specs
		d, err := Select(NewSnapshot(config, hosts, aggregates, clone(from)), spec)
		names := []string{}
		var none *NoValidHostError
		switch {
		case errors.As(err, &none):
			if !slices.ContainsFunc(none.Eliminated, func(e Elimination) bool { return e.Filter == test.reason }) {
				t.Errorf("%s: %+v", name, none.Eliminated)
			}
		case err != nil:
			t.Fatal(err)
		default:
			names = append(names, d.Selections[0].Host)
			for _, a := range d.Selections[0].Alternates {
				names = append(names, a.Host)
			}
			slices.Sort(names)
		}
		if got := fmt.Sprint(names); got != test.want {
			t.Errorf("%s: %s, want %s", name, got, test.want)
		}
	}
}

func TestConfigure(t *testing.T) {
	c := DefaultConfig()
	if err := c.Configure([]string{
		"+JsonFilter", "-ComputeCapabilitiesFilter", "ram_weight_multiplier=-1", "host_subset_size=3", "isolated_images=a b", "weight_setting=cpu.percent=-1.5 x=2",
		"limit_tenants_to_placement_aggregate=True", "max_attempts=5",
	}); err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(c.Filters, "JsonFilter") || slices.Contains(c.Filters, "ComputeCapabilitiesFilter") || c.Multipliers["RAMWeigher"] != -1 || c.SubsetSize != 3 ||
		len(c.IsolatedImages) != 2 || c.MetricRatios["cpu.percent"] != -1.5 || !c.LimitTenants || c.MaxAttempts != 5 {
		t.Errorf("%+v", c)
	}
	if slices.Contains(DefaultFilters, "JsonFilter") || !slices.Contains(DefaultFilters, "ComputeCapabilitiesFilter") {
		t.Error("the defaults have changed")
	}
	for _, bad := range []string{"+NoFilter", "-NoFilter", "nonsense=1", "host_subset_size=0", "host_subset_size=x", "ram_weight_multiplier=x", "limit_tenants_to_placement_aggregate=perhaps"} {
		fresh := DefaultConfig()
		name, _, _ := strings.Cut(strings.TrimLeft(bad, "+-"), "=")
		if err := fresh.Configure([]string{bad}); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", bad, err)
		}
	}
}
