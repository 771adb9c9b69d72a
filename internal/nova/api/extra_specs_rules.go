package api

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"gostack/internal/nova/hardware"
	"gostack/internal/placement"
	"gostack/internal/rest"
)

// From microversion 2.86 on a flavor's extra specs are judged when they are set: those without a namespace, or in a namespace that Nova
// does not know, may be anything; in a known namespace names and values must be right (nova/api/validation/extra_specs).

// valueRule judges a value; nil is content. It returns what is wrong.
type valueRule func(value string) string

// specRule is what is known of an extra spec; the name is a regular expression.
type specRule struct {
	name  string
	value valueRule
}

func anyText(string) string { return "" }

func yesNo(value string) string {
	if _, ok := hardware.ParseBool(value); !ok {
		return fmt.Sprintf("'%s' is not a valid boolean-like value.", value)
	}
	return ""
}

func wholeNumber(value string) string {
	if _, err := strconv.ParseInt(strings.TrimSpace(value), 10, 64); err != nil {
		return fmt.Sprintf("'%s' is not a valid integer value.", value)
	}
	return ""
}

func atLeast(least int64) valueRule {
	return func(value string) string {
		if wrong := wholeNumber(value); wrong != "" {
			return wrong
		}
		if n, _ := strconv.ParseInt(strings.TrimSpace(value), 10, 64); n < least {
			return fmt.Sprintf("'%d' is less than the min value of '%d'.", n, least)
		}
		return ""
	}
}

func oneOf(values ...string) valueRule {
	return func(value string) string {
		if slices.Contains(values, value) {
			return ""
		}
		return fmt.Sprintf("'%s' is not one of: %s.", value, strings.Join(values, ", "))
	}
}

func shaped(pattern string) valueRule {
	re := regexp.MustCompile(`^(?:` + pattern + `)$`)
	return func(value string) string {
		if re.MatchString(value) {
			return ""
		}
		return fmt.Sprintf("'%s' is not of the format '%s'.", value, pattern)
	}
}

// cpuSet is the form of a set of processors: "0-3,^2,7".
const cpuSet = `\^?\d+((-\d+)?(,\^?\d+(-\d+)?)?)*`

// specRules are the rules of each namespace that is known; the empty one is that of specs without.
var specRules = map[string][]specRule{
	"": {
		{"hide_hypervisor_id", yesNo},
		{"group_policy", oneOf("isolate", "none")},
	},
	"hw": {
		{"cpu_realtime", yesNo},
		{"cpu_realtime_mask", shaped(`(\^)?\d+((-\d+)?(,\^?\d+(-\d+)?)?)*`)},
		{"hide_hypervisor_id", yesNo},
		{"cpu_policy", oneOf("dedicated", "shared", "mixed")},
		{"cpu_thread_policy", oneOf("prefer", "isolate", "require")},
		{"emulator_threads_policy", oneOf("isolate", "share")},
		{"cpu_dedicated_mask", shaped(cpuSet)},
		{"mem_page_size", shaped(`(large|small|any|\d+([kKMGT]i?)?(b|bit|B)?)`)},
		{"numa_nodes", atLeast(1)},
		{`numa_cpus\.\d+`, shaped(cpuSet)},
		{`numa_mem\.\d+`, atLeast(1)},
		{"pci_numa_affinity_policy", oneOf("required", "preferred", "legacy", "socket")},
		// Until Xena upstream knew the limits as max_cpu_ only, which nothing read.
		{"(?:cpu_|cpu_max_|max_cpu_)(?:sockets|cores|threads)", atLeast(1)},
		{"boot_menu", yesNo},
		{"mem_encryption", yesNo},
		{"mem_encryption_model", oneOf("amd-sev", "amd-sev-es")},
		{"pmem", shaped(`([a-zA-Z0-9_]+(,)?)+`)},
		{"pmu", yesNo},
		{"serial_port_count", atLeast(0)},
		{"tpm_model", oneOf("tpm-tis", "tpm-crb")},
		{"tpm_version", oneOf("1.2", "2.0")},
		{"tpm_secret_security", oneOf("user", "host", "deployment")},
		{"watchdog_action", oneOf("none", "pause", "poweroff", "reset", "disabled")},
		{"viommu_model", oneOf("intel", "smmuv3", "virtio", "auto")},
		{"vif_multiqueue_enabled", yesNo},
		{"locked_memory", yesNo},
		{"virtio_packed_ring", yesNo},
		{"maxphysaddr_mode", oneOf("passthrough", "emulate")},
		{"maxphysaddr_bits", atLeast(0)},
		{"ephemeral_encryption", yesNo},
		{"ephemeral_encryption_format", oneOf("luks", "luksv2")},
		{"sound_model", oneOf("sb16", "es1370", "pcspk", "ac97", "ich6", "ich9", "usb", "virtio")},
		{"usb_model", anyText},
		{"redirected_usb_ports", atLeast(0)},
	},
	"hw_rng":   {{"allowed", yesNo}, {"rate_(?:bytes|period)", atLeast(0)}},
	"hw_video": {{"ram_max_mb", atLeast(0)}},
	"os":       {{"secure_boot", oneOf("disabled", "required")}},
	"quota": {
		{"(?:cpu|memory|disk_io|vif)_(?:limit|reservation|shares_share)", wholeNumber},
		{"(?:cpu|memory|disk_io|vif)_shares_level", anyText},
		{"cpu_(?:shares|period|quota)", atLeast(0)},
		{"disk_(?:read|write|total)_(?:bytes|iops)_sec", atLeast(0)},
		{"vif_(?:in|out)bound_(?:average|peak|burst)", atLeast(0)},
	},
	"accel":                          {{"device_profile", anyText}},
	"pci_passthrough":                {{"alias", shaped(`[^:]+:\d+(?:\s*,\s*[^:]+:\d+)*`)}},
	"vmware":                         {{"hw_version", anyText}, {"storage_policy", anyText}},
	"aggregate_instance_extra_specs": {{".+", anyText}},
	"capabilities": {
		{`id|uuid|service_id|host|vcpus|memory_mb|local_gb|vcpus_used|memory_mb_used|local_gb_used|hypervisor_type|hypervisor_version|hypervisor_hostname|` +
			`free_ram_mb|free_disk_gb|current_workload|running_vms|disk_available_least|host_ip|mapped|cpu_allocation_ratio|ram_allocation_ratio|disk_allocation_ratio|` +
			`total_usable_ram_mb|total_usable_disk_gb|disk_mb_used|free_disk_mb|vcpus_total|num_instances|num_io_ops|failed_builds|aggregates|cell_uuid|updated`, anyText},
		{`(?:cpu_info|metrics|stats|numa_topology|supported_hv_specs|pci_device_pools|nodename|pci_stats|supported_instances|limits|instances)(?::\w+)*`, anyText},
	},
}

// groupSpace is a namespace of numbered or named groups: "resources", "resources2", "trait_NET".
var groupSpace = regexp.MustCompile(`^(resources|trait)[a-zA-Z0-9_-]{0,64}$`)

var customName = regexp.MustCompile(`^CUSTOM_[A-Z0-9_]+$`)

var specNames = func() map[string]map[*regexp.Regexp]valueRule {
	out := map[string]map[*regexp.Regexp]valueRule{}
	for space, rules := range specRules {
		out[space] = map[*regexp.Regexp]valueRule{}
		for _, rule := range rules {
			out[space][regexp.MustCompile(`^(?:`+rule.name+`)$`)] = rule.value
		}
	}
	return out
}()

// ruleOf returns the rule for an extra spec; known tells whether the namespace is one that Nova reads.
func ruleOf(key string) (rule valueRule, known bool) {
	space, name, spaced := strings.Cut(key, ":")
	if !spaced {
		space, name = "", key
	}
	if group := groupSpace.FindStringSubmatch(space); group != nil {
		switch {
		case group[1] == "resources" && (placement.IsStandardResourceClass(name) || customName.MatchString(name)):
			return wholeNumber, true
		case group[1] == "trait" && (placement.IsStandardTrait(name) || customName.MatchString(name)):
			return oneOf("required", "forbidden"), true
		}
		return nil, true
	}
	for pattern, rule := range specNames[space] {
		if pattern.MatchString(name) {
			return rule, true
		}
	}
	return nil, spaced && specNames[space] != nil
}

func checkExtraSpecs(r *rest.Request, specs map[string]string) error {
	if !r.Version.AtLeast(2, 86) {
		return nil
	}
	for _, key := range sortedKeys(specs) {
		rule, known := ruleOf(key)
		switch {
		case rule == nil && known:
			return rest.BadRequest("Validation failed; extra spec '%s' does not appear to be a valid extra spec.", key)
		case rule == nil:
		default:
			if wrong := rule(specs[key]); wrong != "" {
				return rest.BadRequest("Validation failed; %s", wrong)
			}
		}
	}
	return nil
}
