package driver

import "gostack/internal/nova/hardware"

// GuestSpec is all that a host must know to run a server.
type GuestSpec struct {
	ID      string `json:"id"` // the server's UUID
	Name    string `json:"name"`
	Project Ref    `json:"project"`
	User    Ref    `json:"user"`
	Flavor  Flavor `json:"flavor"`

	// Image is nil for a server that boots from something else.
	Image *Image `json:"image,omitempty"`

	// Rescue makes the server boot from another image; nil but for a server that is being rescued.
	Rescue *Rescue `json:"rescue,omitempty"`

	NICs []NIC `json:"nics,omitempty"`

	// Root is how the root disk reaches the guest, Devices are the other disks: nil for those that the flavor gives (see LocalDisks).
	Root    DiskDevice  `json:"root,omitzero"`
	Devices []LocalDisk `json:"devices,omitempty"`

	// ConfigDrive holds the files of the config drive; nil for none.
	ConfigDrive []File `json:"config_drive,omitempty"`

	// Metadata is written into the definition for operators to read.
	Metadata map[string]string `json:"metadata,omitempty"`

	CreatedAt string `json:"created_at,omitempty"` // RFC 3339

	// NUMA is where on its host the server's processors and memory are; nil for a server that asks for nothing of the kind.
	NUMA *hardware.Guest `json:"numa,omitempty"`

	// PCI are the addresses of the host's devices that the server has for itself.
	PCI []string `json:"pci,omitempty"`
}

// Ref names a thing of Keystone.
type Ref struct {
	ID   string `json:"id"`
	Name string `json:"name,omitempty"`
}

// Flavor is the part of a flavor that a host realises.
type Flavor struct {
	ID          string            `json:"id,omitempty"`
	Name        string            `json:"name"`
	VCPUs       int               `json:"vcpus"`
	MemoryMB    int               `json:"memory_mb"`
	RootGB      int               `json:"root_gb"` // 0: as large as the image
	EphemeralGB int               `json:"ephemeral_gb,omitempty"`
	SwapMB      int               `json:"swap_mb,omitempty"`
	ExtraSpecs  map[string]string `json:"extra_specs,omitempty"`
}

// Image is what the host must know of a Glance image.
type Image struct {
	ID         string `json:"id"`
	Name       string `json:"name,omitempty"`
	DiskFormat string `json:"disk_format"` // as Glance inspected it; decides how the content is read
	Size       int64  `json:"size"`        // bytes to transfer
	MinDiskGB  int    `json:"min_disk_gb,omitempty"`
	MinRAMMB   int    `json:"min_ram_mb,omitempty"`
	HashAlgo   string `json:"hash_algo,omitempty"` // os_hash_algo, as "sha512"
	HashValue  string `json:"hash_value,omitempty"`

	// Ticket lets the host that is asked fetch the data from control. It is put in when the call goes out.
	Ticket string `json:"ticket,omitempty"`

	// Properties are the image's hw_*, os_* properties.
	Properties map[string]string `json:"properties,omitempty"`

	// Passing says that the image is not kept: the disk made from it must not stand on it.
	Passing bool `json:"passing,omitempty"`
}

// WithTickets returns the image with a ticket, as arguments of a call (see rpc.NeedsImages).
func (i Image) WithTickets(issue func(image string) (string, error)) (any, error) {
	var err error
	i.Ticket, err = issue(i.ID)
	return i, err
}

// NIC is a port as the hypervisor plugs it.
type NIC struct {
	PortID string `json:"port_id"` // a UUID; becomes the iface-id on Open vSwitch
	MAC    string `json:"mac"`
	MTU    int    `json:"mtu,omitempty"` // 0: the bridge's
	Bridge string `json:"bridge"`        // integration bridge, "br-int"
	Model  string `json:"model,omitempty"`
	Name   string `json:"name,omitempty"` // tap device; empty: derived from the port id
	Tag    string `json:"tag,omitempty"`  // by which the guest finds it in its metadata

	Tune *NICTune `json:"tune,omitempty"` // limits and queues; nil for none
}

// DeviceName is the tap device's name: Nova's "tap" plus the first eleven
// characters of the port id, which fits into 15 bytes.
func (n NIC) DeviceName() string {
	if n.Name != "" {
		return n.Name
	}
	return "tap" + n.PortID[:min(11, len(n.PortID))]
}

// File is a file of a config drive: slash-separated path and content.
type File struct {
	Path string `json:"path"`
	Data []byte `json:"data"`
}

// Image properties that drivers read. Their meaning is Glance's "Useful image
// properties".
const (
	PropDiskBus     = "hw_disk_bus"         // virtio, scsi
	PropVIFModel    = "hw_vif_model"        // virtio, e1000, ...
	PropMachineType = "hw_machine_type"     // q35, pc
	PropFirmware    = "hw_firmware_type"    // bios, uefi
	PropQGA         = "hw_qemu_guest_agent" // yes, no
	PropVideoModel  = "hw_video_model"      // virtio, vga, cirrus, none
	PropSCSIModel   = "hw_scsi_model"       // virtio-scsi
	PropKernelID    = "kernel_id"           // image of a kernel to boot directly
	PropRamdiskID   = "ramdisk_id"          // image of its ramdisk
	PropCommandLine = "os_command_line"     // of that kernel
	PropShutdown    = "os_shutdown_timeout" // seconds
	PropSecureBoot  = "os_secure_boot"      // required, optional, disabled
	PropOSType      = "os_type"             // linux, windows
	PropPointer     = "hw_pointer_model"    // usbtablet
	PropWatchdog    = "hw_watchdog_action"  // none, reset, poweroff, pause
)
