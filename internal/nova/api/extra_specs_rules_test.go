package api

import (
	"strings"
	"testing"
)

func TestExtraSpecRules(t *testing.T) {
	const unknown = "does not appear to be valid"
	for _, c := range []struct{ key, value, want string }{
		{"anything", "x", ""},
		{"vendor:speed", "x", ""},
		{"hw:cpu_polic", "shared", unknown},
		{"hw:cpu_policy", "shared", ""},
		{"hw:cpu_policy", "exclusive", "'exclusive' is not one of: dedicated, shared, mixed."},
		{"hw:numa_nodes", "0", "'0' is less than the min value of '1'."},
		{"hw:numa_nodes", "two", "'two' is not a valid integer value."},
		{"hw:numa_cpus.12", "0-3,^2", ""},
		{"hw:numa_cpus.x", "0", unknown},
		{"hw:numa_cpus.0", "a", `'a' is not of the format '\^?\d+((-\d+)?(,\^?\d+(-\d+)?)?)*'.`},
		{"hw:mem_page_size", "2MiB", ""},
		{"hw:mem_page_size", "2MB", ""},
		{"hw:mem_page_size", "huge", "'huge' is not of the format '(large|small|any|\\d+([kKMGT]i?)?(b|bit|B)?)'."},
		{"hw:boot_menu", "perhaps", "'perhaps' is not a valid boolean-like value."},
		{"hw:boot_menu", "Yes", ""},
		{"hw:watchdog_action", "dump", "'dump' is not one of: none, pause, poweroff, reset, disabled."},
		{"hw:cpu_max_sockets", "2", ""},
		{"hw_rng:rate_bytes", "-1", "'-1' is less than the min value of '0'."},
		{"hw_rng:speed", "1", unknown},
		{"quota:disk_read_bytes_sec", "1000", ""},
		{"quota:disk_read_bytes_sec_max", "1000", unknown},
		{"quota:cpu_shares_level", "high", ""},
		{"os:secure_boot", "optional", "'optional' is not one of: disabled, required."},
		{"resources:VCPU", "2", ""},
		{"resources2:CUSTOM_GOLD", "1", ""},
		{"resources_NET:VCPU", "x", "'x' is not a valid integer value."},
		{"resources:GOLD", "1", unknown},
		{"trait1:HW_CPU_X86_VMX", "required", ""},
		{"trait:HW_CPU_X86_VMX", "wanted", "'wanted' is not one of: required, forbidden."},
		{"trait:NO_SUCH", "required", unknown},
		{"group_policy", "both", "'both' is not one of: isolate, none."},
		{"hide_hypervisor_id", "x", "'x' is not a valid boolean-like value."},
		{"pci_passthrough:alias", "gpu:1,nic:2", ""},
		{"pci_passthrough:alias", "gpu", "is not of the format"},
		{"capabilities:hypervisor_type", "s== QEMU", ""},
		{"capabilities:cpu_info:vendor", "x", ""},
		{"capabilities:nonsense", "x", unknown},
		{"aggregate_instance_extra_specs:ssd:fast", "true", ""},
		{"accel:device_profile", "mine", ""},
		{"accel:other", "mine", unknown},
		{"vmware:hw_version", "vmx-13", ""},
	} {
		rule, known := ruleOf(c.key)
		got := ""
		switch {
		case rule == nil && known:
			got = unknown
		case rule != nil:
			got = rule(c.value)
		}
		if got != c.want && (c.want == "" || !strings.Contains(got, c.want)) {
			t.Errorf("%s=%s: %q, want %q", c.key, c.value, got, c.want)
		}
	}
}
