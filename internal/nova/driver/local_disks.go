package driver

import "cmp"

// DiskDevice says how a disk reaches the guest; what is empty is the image's to say.
type DiskDevice struct {
	Bus  string `json:"bus,omitempty"`  // virtio, scsi, sata, ide, usb, fdc
	Type string `json:"type,omitempty"` // disk, cdrom, floppy
	Tag  string `json:"tag,omitempty"`  // by which the guest finds it in its metadata
}

// LocalDisk is an ephemeral disk or a swap disk.
type LocalDisk struct {
	DiskDevice
	Swap   bool   `json:"swap,omitempty"`
	SizeMB int64  `json:"size_mb"`
	Format string `json:"format,omitempty"` // file system of an ephemeral disk; empty: the host's default
}

// LocalDisks are the server's disks besides its root disk and its config drive, in the order of their names: what was asked for, or one
// ephemeral disk and one swap disk as the flavor gives them.
func (s GuestSpec) LocalDisks() []LocalDisk {
	if s.Devices != nil {
		return s.Devices
	}
	return s.Flavor.LocalDisks()
}

// LocalDisks are the disks of a server that asks for no other ones.
func (f Flavor) LocalDisks() (all []LocalDisk) {
	if f.EphemeralGB > 0 {
		all = append(all, LocalDisk{SizeMB: int64(f.EphemeralGB) << 10})
	}
	if f.SwapMB > 0 {
		all = append(all, LocalDisk{Swap: true, SizeMB: int64(f.SwapMB)})
	}
	return all
}

// diskPrefixes are what guests call disks, by bus.
var diskPrefixes = map[string]string{"virtio": "vd", "scsi": "sd", "sata": "sd", "usb": "sd", "ide": "hd", "fdc": "fd"}

// DiskNames names disks: the n-th of a kind of name has the n-th letter. Those without a bus have the one given.
func DiskNames(bus string, disks []DiskDevice) []string {
	names, used := make([]string, len(disks)), map[string]int{}
	for i, d := range disks {
		prefix := cmp.Or(diskPrefixes[cmp.Or(d.Bus, bus, "virtio")], "vd")
		names[i] = prefix + string(rune('a'+used[prefix]))
		used[prefix]++
	}
	return names
}
