package api

import (
	"strings"

	"gostack/internal/rest"
)

// knownSpecs are the extra specs of the namespaces that Nova itself reads; a name in such a namespace that is not here is a
// mistake that would be ignored in silence (microversion 2.86, nova/api/validation/extra_specs). A star stands for any rest.
var knownSpecs = map[string][]string{
	"hw": {
		"cpu_realtime", "cpu_realtime_mask", "cpu_policy", "cpu_thread_policy", "cpu_dedicated_mask", "emulator_threads_policy", "cpu_emulator_threads", "mem_page_size",
		"numa_nodes", "numa_cpus.*", "numa_mem.*", "pci_numa_affinity_policy", "pmu", "mem_encryption", "mem_encryption_model", "pmem", "boot_menu", "cpu_cores", "cpu_sockets",
		"cpu_threads", "cpu_max_cores", "cpu_max_sockets", "cpu_max_threads", "serial_port_count", "watchdog_action", "tpm_version", "tpm_model",
		"tpm_secret_security", "vif_multiqueue_enabled", "locked_memory", "maxphysaddr_mode", "maxphysaddr_bits", "virtio_packed_ring", "viommu_model", "hide_hypervisor_id",
		"sound_model", "usb_model", "redirected_usb_ports",
	},
	"hw_rng":   {"allowed", "rate_bytes", "rate_period"},
	"hw_video": {"ram_max_mb"},
	"os":       {"secure_boot"},
	"quota": {
		"cpu_shares", "cpu_period", "cpu_quota", "cpu_limit", "cpu_reservation", "cpu_shares_level", "cpu_shares_share", "disk_io_*", "disk_read_bytes_sec", "disk_read_iops_sec",
		"disk_write_bytes_sec", "disk_write_iops_sec", "disk_total_bytes_sec", "disk_total_iops_sec", "memory_*", "vif_*",
	},
	"accel":           {"device_profile"},
	"pci_passthrough": {"alias"},
	"hide":            {"hypervisor_id"},
	"trait":           nil,
	"resources":       nil,
}

func checkExtraSpecs(r *rest.Request, specs map[string]string) error {
	if !r.Version.AtLeast(2, 86) {
		return nil
	}
	for _, key := range sortedKeys(specs) {
		space, name, ok := strings.Cut(key, ":")
		known, reserved := knownSpecs[space]
		switch {
		case !ok || !reserved:
		case space == "trait":
			if v := specs[key]; v != "required" && v != "forbidden" {
				return rest.BadRequest("Validation failed; extra spec '%s' has invalid value '%s'. Allowed values are: required, forbidden.", key, v)
			}
		case space == "resources":
			if v := specs[key]; v == "" || strings.Trim(v, "0123456789") != "" {
				return rest.BadRequest("Validation failed; extra spec '%s' has invalid value '%s'. Must be a whole number.", key, v)
			}
		case !knownSpec(known, name):
			return rest.BadRequest("Validation failed; extra spec '%s' does not appear to be a valid extra spec.", key)
		}
	}
	return nil
}

func knownSpec(known []string, name string) bool {
	for _, k := range known {
		if prefix, any := strings.CutSuffix(k, "*"); any && strings.HasPrefix(name, prefix) || k == name {
			return true
		}
	}
	return false
}
