package libvirt

import (
	"slices"
	"strings"
)

// cpuTraits maps QEMU's names of processor features to os-traits where these
// differ by more than case and punctuation.
var cpuTraits = map[string]string{
	"pclmuldq": "HW_CPU_X86_PCLMULQDQ", "pclmulqdq": "HW_CPU_X86_PCLMULQDQ",
	"sse4.1": "HW_CPU_X86_SSE41", "sse4.2": "HW_CPU_X86_SSE42", "sha-ni": "HW_CPU_X86_INTEL_SHA_NI",
	"cmt": "HW_CPU_X86_INTEL_CMT", "mbm_total": "HW_CPU_X86_INTEL_MBM", "pdpe1gb": "HW_CPU_X86_PDPE1GB",
}

// plainCPU lists features whose trait is HW_CPU_X86_ and their name.
var plainCPU = []string{
	"3dnow", "abm", "aesni", "aes", "asf", "avx", "avx2", "avx512bw", "avx512cd", "avx512dq", "avx512er", "avx512f",
	"avx512pf", "avx512vl", "avx512vbmi", "avx512ifma", "avx512vbmi2", "avx512bitalg", "avx512vaes", "avx512gfni",
	"avx512vpclmulqdq", "avx512vnni", "avx512vpopcntdq", "bmi", "bmi2", "clmul", "f16c", "fma3", "fma4", "mmx", "mpx",
	"pcid", "rdseed", "sgx", "sha", "sse", "sse2", "sse3", "sse41", "sse42", "sse4a", "ssse3", "stibp", "svm", "tbm",
	"tsx", "vmx", "xop",
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
	if caps.uefi {
		all = append(all, "COMPUTE_SECURITY_UEFI_SECURE_BOOT")
	}
	if caps.virtType == "kvm" {
		for _, f := range caps.cpu.Features {
			if t, ok := cpuTraits[f]; ok {
				all = append(all, t)
			} else if name := strings.NewReplacer("-", "", "_", "").Replace(f); slices.Contains(plainCPU, name) {
				all = append(all, "HW_CPU_X86_"+strings.ToUpper(name))
			}
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}
