package libvirt

import (
	"slices"
	"strings"
)

// cpuTraits maps QEMU's names of processor features to os-traits, where these
// are not HW_CPU_X86_ and the name.
var cpuTraits = map[string][]string{
	"aes":        {"HW_CPU_X86_AESNI"},
	"bmi1":       {"HW_CPU_X86_BMI"},
	"fma":        {"HW_CPU_X86_FMA3"},
	"hle":        {"HW_CPU_X86_TSX"},
	"rtm":        {"HW_CPU_X86_TSX"},
	"ibpb":       {"HW_CPU_X86_AMD_IBPB"},
	"md-clear":   {"HW_CPU_X86_INTEL_MD_CLEAR"},
	"pcid":       {"HW_CPU_X86_INTEL_PCID"},
	"pclmuldq":   {"HW_CPU_X86_CLMUL"},
	"pclmulqdq":  {"HW_CPU_X86_CLMUL"},
	"pni":        {"HW_CPU_X86_SSE3"},
	"sha-ni":     {"HW_CPU_X86_SHA"},
	"spec-ctrl":  {"HW_CPU_X86_INTEL_SPEC_CTRL"},
	"ssbd":       {"HW_CPU_X86_INTEL_SSBD"},
	"sse4.1":     {"HW_CPU_X86_SSE41"},
	"sse4.2":     {"HW_CPU_X86_SSE42"},
	"svm":        {"HW_CPU_X86_SVM", "HW_CPU_X86_AMD_SVM"},
	"virt-ssbd":  {"HW_CPU_X86_AMD_VIRT_SSBD"},
	"amd-ssbd":   {"HW_CPU_X86_AMD_SSBD"},
	"amd-no-ssb": {"HW_CPU_X86_AMD_NO_SSB"},
	"vmx":        {"HW_CPU_X86_VMX", "HW_CPU_X86_INTEL_VMX"},
}

// plainCPU lists features whose trait is HW_CPU_X86_ and their name.
var plainCPU = []string{
	"3dnow", "abm", "avx", "avx2", "avx512bitalg", "avx512bw", "avx512cd", "avx512dq", "avx512er", "avx512f", "avx512ifma",
	"avx512pf", "avx512vbmi", "avx512vbmi2", "avx512vl", "avx512vnni", "avx512vpopcntdq", "bmi2", "f16c", "fma4", "mmx",
	"mpx", "pdpe1gb", "sgx", "sse", "sse2", "sse4a", "ssse3", "stibp", "tbm", "xop",
}

// traits lists the standard traits of the host: what its processor has and
// what this driver can do.
func traits(caps *capabilities) []string {
	all := []string{
		"COMPUTE_NODE",
		"COMPUTE_NET_ATTACH_INTERFACE",
		"COMPUTE_IMAGE_TYPE_RAW", "COMPUTE_IMAGE_TYPE_QCOW2", "COMPUTE_IMAGE_TYPE_VMDK", "COMPUTE_IMAGE_TYPE_VHD",
		"COMPUTE_IMAGE_TYPE_VHDX", "COMPUTE_IMAGE_TYPE_VDI", "COMPUTE_IMAGE_TYPE_ISO",
		"COMPUTE_IMAGE_TYPE_AKI", "COMPUTE_IMAGE_TYPE_ARI", "COMPUTE_IMAGE_TYPE_AMI",
		"COMPUTE_STORAGE_BUS_VIRTIO", "COMPUTE_STORAGE_BUS_SCSI",
		"COMPUTE_NET_VIF_MODEL_VIRTIO", "COMPUTE_NET_VIF_MODEL_E1000", "COMPUTE_NET_VIF_MODEL_E1000E",
		"COMPUTE_NET_VIF_MODEL_RTL8139", "COMPUTE_NET_VIF_MODEL_VMXNET3", "COMPUTE_NET_VIF_MODEL_NE2K_PCI",
		"COMPUTE_NET_VIF_MODEL_PCNET",
		"COMPUTE_GRAPHICS_MODEL_VGA", "COMPUTE_GRAPHICS_MODEL_VIRTIO", "COMPUTE_GRAPHICS_MODEL_CIRRUS",
		"COMPUTE_GRAPHICS_MODEL_BOCHS", "COMPUTE_GRAPHICS_MODEL_NONE",
	}
	if slices.Contains(caps.machines, "q35") {
		all = append(all, "COMPUTE_STORAGE_BUS_SATA")
	}
	if slices.Contains(caps.machines, "pc") {
		all = append(all, "COMPUTE_STORAGE_BUS_IDE")
	}
	if caps.secureBoot {
		all = append(all, "COMPUTE_SECURITY_UEFI_SECURE_BOOT")
	}
	for _, model := range caps.tpms.models {
		all = append(all, "COMPUTE_SECURITY_"+strings.ToUpper(strings.ReplaceAll(model, "-", "_")))
	}
	for _, version := range caps.tpms.versions {
		all = append(all, "COMPUTE_SECURITY_TPM_"+strings.ReplaceAll(version, ".", "_"))
	}
	if caps.threads() {
		all = append(all, "HW_CPU_HYPERTHREADING")
	}
	if caps.virtType == "kvm" {
		all = append(all, "COMPUTE_ADDRESS_SPACE_PASSTHROUGH", "COMPUTE_ADDRESS_SPACE_EMULATED")
	}
	if caps.virtType == "kvm" {
		for _, f := range caps.cpu.Features {
			if t, ok := cpuTraits[f]; ok {
				all = append(all, t...)
			} else if name := strings.NewReplacer("-", "", "_", "").Replace(f); slices.Contains(plainCPU, name) {
				all = append(all, "HW_CPU_X86_"+strings.ToUpper(name))
			}
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// threads tells whether a processor of the host shares its core with another one.
func (c *capabilities) threads() bool {
	if c.numa == nil {
		return false
	}
	for _, cell := range c.numa.Cells {
		for _, core := range cell.Siblings {
			if len(core) > 1 {
				return true
			}
		}
	}
	return false
}
