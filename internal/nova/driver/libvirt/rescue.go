package libvirt

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"

	"libvirt.org/go/libvirtxml"

	"gostack/internal/engine/qemuimg"
	"gostack/internal/imageformat"
	"gostack/internal/nova/driver"
)

// Names of a rescued server's additional files, as upstream's.
const (
	rescueFile       = "disk.rescue"
	rescueConfigFile = "disk.config.rescue"
)

// rescueDisks are the disks of a server that is being rescued: the rescue disk first and the root disk second, or all disks as they
// are and the rescue disk besides. The config drive is one of its own, with the password for the rescue.
func (d *Driver) rescueDisks(spec driver.GuestSpec, all []disk) []disk {
	rescue := disk{file: rescueFile, format: imageformat.QCOW2, target: "a", make: func(ctx context.Context, path string) error {
		return d.makeRescue(ctx, spec.Rescue.Image, path)
	}}
	var own []disk
	for _, k := range all {
		switch {
		case k.file == configFile:
			k.file = rescueConfigFile
		case spec.Rescue.Stable():
		case k.file == rootFile:
			k.target = "b"
		default:
			continue // the first form has just these two, as upstream's
		}
		own = append(own, k)
	}
	if !spec.Rescue.Stable() {
		return slices.Insert(own, 0, rescue)
	}
	rescue.boot = true
	rescue.device, rescue.bus = deviceKind(spec.Rescue.Device, spec.Rescue.Bus)
	rescue.target = string(rune('a' + len(all)))
	return append(own, rescue)
}

// deviceKind completes what is said of a disk by what fits (nova/virt/libvirt/blockinfo.py, get_disk_bus_for_device_type).
func deviceKind(device, bus string) (string, string) {
	if device == "" {
		device = "disk"
	}
	if bus == "" {
		bus = map[string]string{"disk": "virtio", "cdrom": "sata", "floppy": "fdc"}[device]
	}
	return device, bus
}

// rescueDevice makes an element one of a kind and bus of its own.
func rescueDevice(e *libvirtxml.DomainDisk, k disk) {
	prefix := map[string]string{"virtio": "vd", "scsi": "sd", "sata": "sd", "usb": "sd", "ide": "hd", "fdc": "fd"}[k.bus]
	e.Device = k.device
	e.Target = &libvirtxml.DomainDiskTarget{Dev: prefix + k.target, Bus: k.bus}
	if k.bus == "fdc" {
		e.Target.Dev = "fda"
	}
	if k.bus == "ide" && k.target > "d" {
		e.Target.Dev = "hdd"
	}
	if k.device != "disk" {
		e.Driver.Discard = ""
	}
	if k.device == "cdrom" {
		e.ReadOnly = &libvirtxml.DomainDiskReadOnly{}
	}
}

// makeRescue makes an overlay on the rescue image, no larger than it.
func (d *Driver) makeRescue(ctx context.Context, image driver.Image, path string) error {
	base := d.basePath(image.ID)
	fi, err := os.Stat(base)
	if errors.Is(err, os.ErrNotExist) {
		if err := d.EnsureImage(ctx, image); err != nil {
			return err
		}
		fi, err = os.Stat(base)
	}
	if err != nil {
		return err
	}
	return d.tool().CreateOverlay(ctx, path, qemuimg.Image{Path: base, Format: imageformat.Raw}, (fi.Size()+511)&^511)
}

// bootProperties are the image properties that say how a server boots: the rescue image's kernel counts, if it has one.
func bootProperties(spec driver.GuestSpec) map[string]string {
	own := properties(spec)
	if spec.Rescue == nil {
		return own
	}
	props := map[string]string{}
	for k, v := range own {
		props[k] = v
	}
	from := spec.Rescue.Image.Properties
	if from[driver.PropKernelID] != "" || spec.Rescue.Stable() {
		for _, k := range []string{driver.PropKernelID, driver.PropRamdiskID, driver.PropCommandLine} {
			props[k] = from[k]
		}
	}
	return props
}

// DropRescue removes the disks of a rescue.
func (d *Driver) DropRescue(ctx context.Context, id string) error {
	if err := checkID(id); err != nil {
		return err
	}
	unlock, err := d.server.lock(ctx, id)
	if err != nil {
		return err
	}
	defer unlock()
	for _, name := range []string{rescueFile, rescueConfigFile} {
		path := filepath.Join(d.serverDir(id), name)
		if err := errors.Join(os.RemoveAll(path+".part"), os.RemoveAll(path)); err != nil {
			return err
		}
	}
	info, err := d.readInfo(id)
	if err != nil || info.Rescue == "" {
		return err
	}
	info.Rescue = ""
	return d.storeInfo(id, info)
}
