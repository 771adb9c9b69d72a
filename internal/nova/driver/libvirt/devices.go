package libvirt

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"libvirt.org/go/libvirtxml"

	"gostack/internal/nova/driver"
)

// busKind is how disks reach the guest.
type busKind struct {
	name        string
	prefix      string // of device names: "vd", "sd", "hd"
	own         bool   // each disk is a PCI device
	controllers []libvirtxml.DomainController
}

func diskBus(machine string, props map[string]string) (busKind, error) {
	switch name := props[driver.PropDiskBus]; {
	case name == "" || name == "virtio":
		return busKind{name: "virtio", prefix: "vd", own: true}, nil
	case name == "scsi":
		model := props[driver.PropSCSIModel]
		if model == "" {
			model = "virtio-scsi"
		}
		zero := uint(0)
		return busKind{name: name, prefix: "sd", controllers: []libvirtxml.DomainController{{Type: "scsi", Index: &zero, Model: model}}}, nil
	case name == "sata" && isQ35(machine):
		return busKind{name: name, prefix: "sd"}, nil
	case name == "ide" && !isQ35(machine):
		return busKind{name: name, prefix: "hd"}, nil
	default:
		return busKind{}, driver.Refuse(driver.CodeUnsupported, "Disk bus %q is not supported with machine type %s.", name, machine)
	}
}

// disk is one disk's element. Its format is what we made, never what its
// content looks like, and the same goes for what it stands on (OSSA-2026-002).
func (d *Driver) disk(id string, k disk, bus busKind) libvirtxml.DomainDisk {
	path := d.filePath(id, k)
	format, _ := k.format.QEMU()
	e := libvirtxml.DomainDisk{
		Device: "disk",
		Driver: &libvirtxml.DomainDiskDriver{Name: "qemu", Type: format, Cache: d.cacheMode(), Discard: "unmap"},
		Source: &libvirtxml.DomainDiskSource{File: &libvirtxml.DomainDiskSourceFile{File: path}},
		Target: &libvirtxml.DomainDiskTarget{Dev: bus.prefix + k.target, Bus: bus.name},
	}
	if bus.prefix == "hd" && k.target == "z" {
		e.Target.Dev = "hdd"
	}
	if k.ro {
		e.ReadOnly = &libvirtxml.DomainDiskReadOnly{}
		e.Driver.Discard = ""
	}
	info, err := d.readInfo(id)
	switch {
	case err != nil:
	case k.file == rootFile && info.Image != "":
		e.BackingStore = d.standsOn(info.Image)
	case k.file == rootFile && info.Alone:
		e.BackingStore = &libvirtxml.DomainDiskBackingStore{}
	case k.file == rescueFile && info.Rescue != "":
		e.BackingStore = d.standsOn(info.Rescue)
	}
	if k.device != "" {
		rescueDevice(&e, k)
	}
	if k.boot {
		e.Boot = &libvirtxml.DomainDeviceBoot{Order: 1}
	}
	return e
}

// standsOn is the element of the image below an overlay.
func (d *Driver) standsOn(image string) *libvirtxml.DomainDiskBackingStore {
	return &libvirtxml.DomainDiskBackingStore{
		Format: &libvirtxml.DomainDiskFormat{Type: "raw"},
		Source: &libvirtxml.DomainDiskSource{File: &libvirtxml.DomainDiskSourceFile{
			File: d.basePath(image),
			// All servers of an image read it; QEMU's user must not come to own it.
			SecLabel: []libvirtxml.DomainDeviceSecLabel{{Model: "dac", Relabel: "no"}},
		}},
		BackingStore: &libvirtxml.DomainDiskBackingStore{},
	}
}

// cacheMode is "none" where the file system can do direct I/O, else
// "writeback" (tmpfs cannot).
func (d *Driver) cacheMode() string {
	path := filepath.Join(d.baseDir(), ".direct")
	fd, err := syscall.Open(path, syscall.O_CREAT|syscall.O_RDWR|syscall.O_DIRECT|syscall.O_CLOEXEC, 0o600)
	if err != nil {
		return "writeback"
	}
	_ = syscall.Close(fd)
	_ = os.Remove(path)
	return "none"
}

// nic is a port's element, plugged into the integration bridge by libvirt.
func (d *Driver) nic(ctx context.Context, caps *capabilities, props map[string]string, n driver.NIC) (*libvirtxml.DomainInterface, error) {
	if err := checkID(n.PortID); err != nil {
		return nil, err // libvirt takes nothing else as interfaceid
	}
	model := n.Model
	if model == "" {
		model = props[driver.PropVIFModel]
	}
	switch model {
	case "":
		model = "virtio"
	case "virtio", "e1000", "e1000e", "rtl8139", "vmxnet3", "ne2k_pci", "pcnet":
	default:
		return nil, driver.Refuse(driver.CodeUnsupported, "Virtual interface model %q is not supported.", model)
	}
	e := &libvirtxml.DomainInterface{
		MAC:    &libvirtxml.DomainInterfaceMAC{Address: n.MAC},
		Source: &libvirtxml.DomainInterfaceSource{Bridge: &libvirtxml.DomainInterfaceSourceBridge{Bridge: n.Bridge}},
		VirtualPort: &libvirtxml.DomainInterfaceVirtualPort{Params: &libvirtxml.DomainInterfaceVirtualPortParams{
			OpenVSwitch: &libvirtxml.DomainInterfaceVirtualPortParamsOpenVSwitch{InterfaceID: n.PortID},
		}},
		Target: &libvirtxml.DomainInterfaceTarget{Dev: n.DeviceName()},
		Model:  &libvirtxml.DomainInterfaceModel{Type: model},
		// No network boot: it delays every start by seconds.
		ROM: &libvirtxml.DomainROM{Enabled: "no"},
	}
	if n.MTU > 0 {
		e.MTU = &libvirtxml.DomainInterfaceMTU{Size: uint(n.MTU)}
	}
	defer tuneNIC(e, n.Tune)
	if model != "virtio" {
		return e, nil
	}
	datapath, err := d.Datapath(ctx, n.Bridge)
	if err != nil {
		return nil, fmt.Errorf("datapath of bridge %s: %w", n.Bridge, err)
	}
	if datapath == "netdev" {
		// The userspace datapath neither computes checksums that a guest left
		// out nor splits its large segments: every TCP connection would hang.
		e.Driver = &libvirtxml.DomainInterfaceDriver{
			Host:  &libvirtxml.DomainInterfaceDriverHost{CSum: "off", GSO: "off", TSO4: "off", TSO6: "off", ECN: "off", UFO: "off"},
			Guest: &libvirtxml.DomainInterfaceDriverGuest{CSum: "off", TSO4: "off", TSO6: "off", ECN: "off", UFO: "off"},
		}
	}
	if caps.virtType == "qemu" {
		if e.Driver == nil {
			e.Driver = &libvirtxml.DomainInterfaceDriver{}
		}
		e.Driver.Name = "qemu" // vhost needs KVM's eventfds to be of use
	}
	return e, nil
}

// bridgeDatapath asks Open vSwitch how a bridge forwards.
func bridgeDatapath(ctx context.Context, bridge string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, "ovs-vsctl", "--timeout=8", "get", "bridge", bridge, "datapath_type").CombinedOutput()
	text := strings.TrimSpace(string(out))
	if err != nil {
		return "", fmt.Errorf("ovs-vsctl: %w: %s", err, text)
	}
	if kind := strings.Trim(text, `"`); kind != "" {
		return kind, nil
	}
	return "system", nil
}
