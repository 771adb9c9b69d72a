package hardware

import (
	"slices"
	"strconv"
	"strings"
)

// Check refuses a flavor and an image that contradict each other or themselves (nova/compute/api.py, _validate_flavor_image_nostatus).
func Check(w Wish) error {
	if err := checkImage(w.Image.Properties); err != nil {
		return err
	}
	for _, judge := range []func() error{
		func() error { _, err := w.MemoryEncryption(); return err },
		func() error { _, err := w.PMU(); return err },
		func() error { _, err := w.SerialPorts(); return err },
		func() error { _, err := w.Realtime(); return err },
		func() error { _, _, err := w.arrangement(); return err },
		func() error { _, err := w.Guest(); return err },
		func() error { _, err := w.LockedMemory(); return err },
		func() error { _, err := w.TPM(); return err },
		func() error { _, err := w.SecureBoot(); return err },
		func() error { _, err := w.PackedRing(); return err },
		func() error { _, err := w.Multiqueue(); return err },
		func() error { _, err := w.AddressSpace(); return err },
	} {
		if err := judge(); err != nil {
			return err
		}
	}
	return nil
}

// imageWords are image properties that have one of a few values (nova/objects/fields.py).
var imageWords = map[string][]string{
	"hw_disk_bus":      {"fdc", "ide", "sata", "scsi", "usb", "virtio", "xen", "lxc", "uml"},
	"hw_cdrom_bus":     {"fdc", "ide", "sata", "scsi", "usb", "virtio", "xen", "lxc", "uml"},
	"hw_rescue_bus":    {"fdc", "ide", "sata", "scsi", "usb", "virtio", "xen", "lxc", "uml"},
	"hw_rescue_device": {"cdrom", "disk", "floppy", "lun"},
	"hw_firmware_type": {"uefi", "bios"},
	"hw_input_bus":     {"usb", "virtio"},
	"hw_pointer_model": {"usbtablet"},
	"hw_rng_model":     {"virtio"},
	"hw_scsi_model":    {"buslogic", "ibmvscsi", "lsilogic", "lsisas1068", "lsisas1078", "virtio-scsi", "vmpvscsi"},
	"hw_tpm_model":     {"tpm-tis", "tpm-crb"}, "hw_tpm_version": {"1.2", "2.0"},
	"hw_vif_model":                {"e1000", "e1000e", "ne2k_pci", "netfront", "pcnet", "rtl8139", "spapr-vlan", "lan9118", "virtio", "VirtualE1000", "VirtualE1000e", "VirtualPCNet32", "VirtualSriovEthernetCard", "VirtualVmxnet", "VirtualVmxnet3", "vmxnet3", "igb"},
	"hw_video_model":              {"cirrus", "gop", "qxl", "vga", "virtio", "vmvga", "xen", "none", "bochs"},
	"hw_watchdog_action":          {"none", "pause", "poweroff", "reset", "disabled"},
	"hw_maxphysaddr_mode":         {"passthrough", "emulate"},
	"hw_pci_numa_affinity_policy": {"required", "preferred", "legacy", "socket"},
	"hw_viommu_model":             {"auto", "intel", "smmuv3", "virtio"},
	"os_secure_boot":              {"required", "disabled", "optional"},
}

// imageNumbers are image properties that are whole numbers.
var imageNumbers = []string{
	"hw_cpu_cores", "hw_cpu_max_cores", "hw_cpu_max_sockets", "hw_cpu_max_threads", "hw_cpu_sockets", "hw_cpu_threads", "hw_maxphysaddr_bits", "hw_numa_nodes", "hw_serial_port_count",
	"hw_video_ram", "img_compression_level", "img_version",
}

// imageNames are image properties, under their names of today and before, whose values have aliases and are written in any case.
var imageNames = []struct {
	keys, known []string
	refusal     string
}{
	{[]string{"architecture", "hw_architecture"}, strings.Fields(`alpha armv6 armv7l armv7b aarch64 cris i686 ia64 lm32 m68k microblaze microblazeel mips mipsel mips64 mips64el openrisc
		parisc parisc64 ppc ppcle ppc64 ppc64le ppcemb s390 s390x sh4 sh4eb sparc sparc64 unicore32 x86_64 xtensa xtensaeb i386 i486 i586 x86_32 amd64`), "Architecture name '%s' is not valid"},
	{[]string{"hypervisor_type", "img_hv_type"}, strings.Fields(`baremetal bhyve docker fake hyperv ironic kqemu kvm lxc lxd openvz parallels phyp powervm qemu test uml vbox vmware vz
		xen zvm prsm xapi`), "Hypervisor virt type '%s' is not valid"},
	{[]string{"vm_mode", "hw_vm_mode"}, []string{"hvm", "xen", "uml", "exe", "hv", "pv", "baremetal"}, "Virtual machine mode '%s' is not valid"},
}

// checkImage refuses values that no host could know.
func checkImage(properties map[string]string) error {
	for _, key := range sortedKeys(imageWords) {
		words, value := imageWords[key], properties[key]
		if value == "" || slices.Contains(words, value) || key == "os_secure_boot" && slices.Contains(words, strings.ToLower(value)) {
			continue
		}
		return conflict("Invalid image metadata. Error: Field value %s is invalid", value)
	}
	for _, key := range imageNumbers {
		if value := properties[key]; value != "" {
			if _, err := strconv.Atoi(strings.TrimSpace(value)); err != nil {
				return conflict("Invalid image metadata. Error: invalid literal for int() with base 10: '%s'", value)
			}
		}
	}
	for _, name := range imageNames {
		for _, key := range name.keys {
			if value := properties[key]; value != "" && !slices.Contains(name.known, strings.ToLower(value)) {
				return conflict("Invalid image metadata. Error: "+name.refusal, value)
			}
		}
	}
	if drive := properties["img_config_drive"]; drive != "" && drive != "optional" && drive != "mandatory" {
		return conflict("Image's config drive option '%s' is invalid", drive)
	}
	return nil
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}
