package libvirt

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	rpc "github.com/digitalocean/go-libvirt"
	"libvirt.org/go/libvirtxml"

	"gostack/internal/nova/driver"
)

// TaggedDevices reads from the definition where libvirt has put the tagged devices (nova/virt/libvirt/driver.py, _build_device_metadata).
func (d *Driver) TaggedDevices(ctx context.Context, spec driver.GuestSpec) ([]driver.TaggedDevice, error) {
	if !spec.Tagged() {
		return nil, nil
	}
	dom, err := d.lookup(ctx, spec.ID)
	if err != nil {
		return nil, err
	}
	def, err := d.definition(ctx, dom, 0)
	if err != nil {
		return nil, err
	}
	return d.tagged(def, spec), nil
}

func (d *Driver) tagged(def *libvirtxml.Domain, spec driver.GuestSpec) (all []driver.TaggedDevice) {
	if def.Devices == nil {
		return nil
	}
	for _, n := range spec.NICs {
		if n.Tag == "" {
			continue
		}
		t := driver.TaggedDevice{Type: "nic", Tag: n.Tag, MAC: n.MAC}
		if nic := port(def, n.PortID); nic != nil {
			t.Bus, t.Address = busAddress(nic.Address, "")
		}
		all = append(all, t)
	}
	for _, k := range d.disksOf(spec) {
		if k.tag == "" {
			continue
		}
		t := driver.TaggedDevice{Type: "disk", Tag: k.tag}
		for i := range def.Devices.Disks {
			e := &def.Devices.Disks[i]
			if e.Source == nil || e.Source.File == nil || e.Target == nil || e.Source.File.File != d.filePath(spec.ID, k) {
				continue
			}
			t.Serial = e.Serial
			t.Bus, t.Address = busAddress(e.Address, e.Target.Bus)
		}
		all = append(all, t)
	}
	return all
}

// busAddress is an address in the words of the metadata; bus is that of a disk.
func busAddress(a *libvirtxml.DomainAddress, bus string) (kind, address string) {
	switch {
	case a == nil:
	case a.PCI != nil && a.PCI.Bus != nil && a.PCI.Slot != nil && a.PCI.Function != nil:
		domain := uint(0)
		if a.PCI.Domain != nil {
			domain = *a.PCI.Domain
		}
		return "pci", fmt.Sprintf("%04x:%02x:%02x.%x", domain, *a.PCI.Bus, *a.PCI.Slot, *a.PCI.Function)
	case a.Drive != nil && (bus == "scsi" || bus == "ide"):
		parts := make([]string, 0, 4)
		for _, n := range []*uint{a.Drive.Controller, a.Drive.Bus, a.Drive.Target, a.Drive.Unit} {
			if n == nil {
				n = new(uint)
			}
			parts = append(parts, fmt.Sprint(*n))
		}
		return bus, strings.Join(parts, ":")
	case a.USB != nil && a.USB.Bus != nil:
		return "usb", fmt.Sprintf("%d:%s", *a.USB.Bus, a.USB.Port)
	}
	return "", ""
}

// locateDevices makes the config drive of a server that does not run tell where its tagged devices are.
func (d *Driver) locateDevices(ctx context.Context, dom rpc.Domain, spec driver.GuestSpec) error {
	if spec.ConfigDrive == nil || !spec.Tagged() {
		return nil
	}
	state, err := d.stateOf(ctx, dom)
	if err != nil || state.PowerState != driver.Shutdown {
		return err // a guest has it open, or will again
	}
	def, err := d.definition(ctx, dom, rpc.DomainXMLInactive)
	if err != nil {
		return err
	}
	files, err := driver.LocateDevices(spec.ConfigDrive, d.tagged(def, spec))
	if err != nil {
		return err
	}
	unlock, err := d.server.lock(ctx, spec.ID)
	if err != nil {
		return err
	}
	defer unlock()
	name := configFile
	if spec.Rescue != nil {
		name = rescueConfigFile
	}
	path := filepath.Join(d.serverDir(spec.ID), name)
	if !exists(path) {
		return nil // PrepareDisks was not asked
	}
	part := path + ".part"
	if err := os.RemoveAll(part); err != nil {
		return err
	}
	if err := makeConfigDrive(part, files); err != nil {
		return full(err)
	}
	return publish(part, path)
}
