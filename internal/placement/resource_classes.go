package placement

import "slices"

// The resource classes that nova's flavors ask for.
const (
	VCPU     = "VCPU"
	PCPU     = "PCPU"
	MemoryMB = "MEMORY_MB"
	DiskGB   = "DISK_GB"
)

// standardResourceClasses are the names of openstack/os-resource-classes in its order, which is the order in which
// GET /resource_classes shows them.
var standardResourceClasses = []string{
	VCPU, MemoryMB, DiskGB, "PCI_DEVICE", "SRIOV_NET_VF",
	"NUMA_SOCKET", "NUMA_CORE", "NUMA_THREAD", "NUMA_MEMORY_MB",
	"IPV4_ADDRESS", "VGPU", "VGPU_DISPLAY_HEAD",
	"NET_BW_EGR_KILOBIT_PER_SEC", "NET_BW_IGR_KILOBIT_PER_SEC",
	PCPU, "MEM_ENCRYPTION_CONTEXT", "FPGA", "PGPU",
	"NET_PACKET_RATE_KILOPACKET_PER_SEC", "NET_PACKET_RATE_EGR_KILOPACKET_PER_SEC", "NET_PACKET_RATE_IGR_KILOPACKET_PER_SEC",
}

// StandardResourceClasses returns the classes that every OpenStack cloud knows, in upstream's order.
func StandardResourceClasses() []string { return slices.Clone(standardResourceClasses) }

// IsStandardResourceClass tells whether name is one of the classes that every OpenStack cloud knows.
func IsStandardResourceClass(name string) bool { return slices.Contains(standardResourceClasses, name) }
