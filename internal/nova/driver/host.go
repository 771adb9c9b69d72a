package driver

import "gostack/internal/nova/hardware"

// HostInfo is what a host says of itself.
type HostInfo struct {
	Hostname          string `json:"hostname"`           // hypervisor_hostname
	HostIP            string `json:"host_ip"`            // address of this host for others
	LinkAddress       string `json:"link_address"`       // host:port of this host's hostlink, for streams from control and other hosts
	HypervisorType    string `json:"hypervisor_type"`    // "KVM", "QEMU", "simulated"
	HypervisorVersion int    `json:"hypervisor_version"` // major*1000000+minor*1000+micro
	VirtType          string `json:"virt_type"`          // "kvm", "qemu"

	VCPUs    int `json:"vcpus"`
	MemoryMB int `json:"memory_mb"`
	DiskGB   int `json:"disk_gb"` // of the file system that holds the servers' disks

	MemoryMBUsed int `json:"memory_mb_used"`
	DiskGBUsed   int `json:"disk_gb_used"`
	DiskGBFree   int `json:"disk_gb_free"` // what is really free, whatever was promised

	CPU    CPUInfo `json:"cpu"`
	Uptime string  `json:"uptime,omitempty"` // as uptime(1) prints

	// Supported lists what guests can be run: architecture, hypervisor, vm mode.
	Supported [][3]string `json:"supported"`

	// Traits are the standard traits (os-traits) of this host.
	Traits []string `json:"traits,omitempty"`

	RunningServers int `json:"running_servers"`

	// PCPUs counts the processors that servers have for themselves (cpu_dedicated_set); VCPUs are the others.
	PCPUs int `json:"pcpus,omitempty"`

	// NUMA is where the host's processors and memory are; nil when the host does not say.
	NUMA *hardware.Host `json:"numa,omitempty"`

	// PCI are the devices that servers may have for themselves, whoever has them now.
	PCI []hardware.PCIDevice `json:"pci,omitempty"`
}

// CPUInfo is the host's processor as os-hypervisors shows it.
type CPUInfo struct {
	Arch     string      `json:"arch"`
	Model    string      `json:"model"`
	Vendor   string      `json:"vendor"`
	Topology CPUTopology `json:"topology"`
	Features []string    `json:"features"`
}

// CPUTopology counts the host's processor parts.
type CPUTopology struct {
	Cells   int `json:"cells"`
	Sockets int `json:"sockets"`
	Cores   int `json:"cores"`
	Threads int `json:"threads"`
}

// Diagnostics are the standardised diagnostics of microversion 2.48.
type Diagnostics struct {
	State        string            `json:"state"`
	Driver       string            `json:"driver"`
	Hypervisor   string            `json:"hypervisor"`
	HypervisorOS string            `json:"hypervisor_os"`
	Uptime       int64             `json:"uptime"` // seconds
	ConfigDrive  bool              `json:"config_drive"`
	NumCPUs      int               `json:"num_cpus"`
	NumNICs      int               `json:"num_nics"`
	NumDisks     int               `json:"num_disks"`
	MemoryMaxMB  int               `json:"memory_maximum"`
	MemoryUsedMB int               `json:"memory_used"`
	CPUs         []CPUDiagnostics  `json:"cpus"`
	NICs         []NICDiagnostics  `json:"nics"`
	Disks        []DiskDiagnostics `json:"disks"`
}

// CPUDiagnostics is one virtual processor.
type CPUDiagnostics struct {
	ID     int   `json:"id"`
	TimeNS int64 `json:"time"`
}

// NICDiagnostics is one interface's counters.
type NICDiagnostics struct {
	MAC       string `json:"mac"`
	RxOctets  int64  `json:"rx_octets"`
	RxPackets int64  `json:"rx_packets"`
	RxErrors  int64  `json:"rx_errors"`
	RxDrop    int64  `json:"rx_drop"`
	TxOctets  int64  `json:"tx_octets"`
	TxPackets int64  `json:"tx_packets"`
	TxErrors  int64  `json:"tx_errors"`
	TxDrop    int64  `json:"tx_drop"`
}

// DiskDiagnostics is one disk's counters.
type DiskDiagnostics struct {
	Device        string `json:"device"`
	ReadBytes     int64  `json:"read_bytes"`
	ReadRequests  int64  `json:"read_requests"`
	WriteBytes    int64  `json:"write_bytes"`
	WriteRequests int64  `json:"write_requests"`
	Errors        int64  `json:"errors_count"`
}
