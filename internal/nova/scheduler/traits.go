package scheduler

import (
	"slices"
	"strings"

	"gostack/internal/placement"
)

// rootTraits are the traits that flavor and image ask of the host itself beyond those they name
// (nova/scheduler/request_filter.py and nova/scheduler/utils.py, ResourceRequest).
func rootTraits(spec *Spec, config *Config) (required, forbidden []string) {
	forbidden = []string{placement.TraitComputeDisabled}
	if config.ImageTypeTraits && !spec.BootFromVolume && spec.Image.DiskFormat != "" {
		required = append(required, "COMPUTE_IMAGE_TYPE_"+spec.Image.DiskFormat)
	}
	if config.ImageMetadataTraits {
		for _, rule := range metadataTraits {
			if value := spec.Image.Properties[rule.property]; value != "" {
				required = append(required, rule.prefix+value)
			}
		}
	}
	for _, rule := range askedTraits {
		value := spec.Flavor.ExtraSpecs[rule.extraSpec]
		if value == "" {
			value = spec.Image.Properties[rule.property]
		}
		if value != "" {
			yes, no := rule.traits(value)
			required, forbidden = append(required, yes...), append(forbidden, no...)
		}
	}
	for i, name := range required {
		required[i] = strings.ToUpper(strings.NewReplacer("-", "_", ".", "_").Replace(name))
	}
	// A word that makes no trait is for the hypervisor to judge.
	required = slices.DeleteFunc(required, func(name string) bool { return !placement.IsStandardTrait(name) })
	slices.Sort(required)
	return slices.Compact(required), forbidden
}

// metadataTraits are image properties whose value is the end of a trait's name (transform_image_metadata). Architectures are for
// ImagePropertiesFilter, which knows their other names.
var metadataTraits = []struct{ property, prefix string }{
	{"hw_cdrom_bus", "COMPUTE_STORAGE_BUS_"},
	{"hw_disk_bus", "COMPUTE_STORAGE_BUS_"},
	{"hw_video_model", "COMPUTE_GRAPHICS_MODEL_"},
	{"hw_vif_model", "COMPUTE_NET_VIF_MODEL_"},
	{"hw_viommu_model", "COMPUTE_VIOMMU_MODEL_"},
	{"hw_sound_model", "COMPUTE_SOUND_MODEL_"},
	{"hw_usb_model", "COMPUTE_USB_MODEL_"},
}

// askedTraits are what flavors, or else images, ask of a host without naming a trait.
var askedTraits = []struct {
	extraSpec, property string
	traits              func(value string) (required, forbidden []string)
}{
	{"hw:virtio_packed_ring", "hw_virtio_packed_ring", whenTrue("COMPUTE_NET_VIRTIO_PACKED")},
	{"accel:device_profile", "", always("COMPUTE_ACCELERATORS")},
	{"hw:ephemeral_encryption", "hw_ephemeral_encryption", whenTrue("COMPUTE_EPHEMERAL_ENCRYPTION")},
	{"hw:ephemeral_encryption_format", "hw_ephemeral_encryption_format", prefixed("COMPUTE_EPHEMERAL_ENCRYPTION_")},
	{"hw:tpm_version", "hw_tpm_version", prefixed("COMPUTE_SECURITY_TPM_")},
	{"hw:tpm_model", "hw_tpm_model", func(value string) ([]string, []string) {
		return []string{"COMPUTE_SECURITY_" + strings.ToUpper(value)}, nil // tpm-tis, tpm-crb
	}},
	{"os:secure_boot", "os_secure_boot", func(value string) ([]string, []string) {
		if value != "required" {
			return nil, nil
		}
		return []string{"COMPUTE_SECURITY_UEFI_SECURE_BOOT"}, nil
	}},
	{"", "hw_firmware_stateless", whenTrue("COMPUTE_SECURITY_STATELESS_FIRMWARE")},
	{"hw:maxphysaddr_mode", "hw_maxphysaddr_mode", func(value string) ([]string, []string) {
		if value == "emulate" {
			value = "emulated"
		}
		return []string{"COMPUTE_ADDRESS_SPACE_" + value}, nil
	}},
	{"hw:cpu_thread_policy", "hw_cpu_thread_policy", func(value string) ([]string, []string) {
		switch value {
		case "isolate":
			return nil, []string{"HW_CPU_HYPERTHREADING"}
		case "require":
			return []string{"HW_CPU_HYPERTHREADING"}, nil
		}
		return nil, nil
	}},
}

func always(trait string) func(string) ([]string, []string) {
	return func(string) ([]string, []string) { return []string{trait}, nil }
}

func whenTrue(trait string) func(string) ([]string, []string) {
	return func(value string) ([]string, []string) {
		if !isTrue(value) {
			return nil, nil
		}
		return []string{trait}, nil
	}
}

func prefixed(prefix string) func(string) ([]string, []string) {
	return func(value string) ([]string, []string) { return []string{prefix + value}, nil }
}

// namedTraits are the traits that flavor and image name as required.
func namedTraits(spec *Spec) map[string]bool {
	named := map[string]bool{}
	for key, value := range spec.Flavor.ExtraSpecs {
		if parts := groupKey.FindStringSubmatch(key); parts != nil && parts[1] == "trait" && value == "required" {
			named[parts[3]] = true
		}
	}
	for key, value := range spec.Image.Properties {
		if trait, found := strings.CutPrefix(key, "trait:"); found && value == "required" {
			named[trait] = true
		}
	}
	return named
}
