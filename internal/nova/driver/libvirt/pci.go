package libvirt

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"libvirt.org/go/libvirtxml"

	"gostack/internal/nova/driver"
	"gostack/internal/nova/hardware"
)

// pciDevices are the host's devices that servers may have for themselves, as the kernel lists them now, in the order of their addresses.
func (d *Driver) pciDevices() ([]hardware.PCIDevice, error) {
	if len(d.PCI) == 0 {
		return nil, nil
	}
	dir := filepath.Join(d.Sysfs, "bus", "pci", "devices")
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil // a machine without a PCI bus
	}
	if err != nil {
		return nil, err
	}
	var found []hardware.PCIFound
	for _, e := range entries {
		f, err := pciDevice(filepath.Join(dir, e.Name()), e.Name())
		if errors.Is(err, fs.ErrNotExist) {
			continue // it has just gone, as virtual functions do
		}
		if err != nil {
			return nil, err
		}
		found = append(found, f)
	}
	return hardware.OfferPCI(found, d.PCI), nil
}

// pciDevice reads what the kernel says of a device.
func pciDevice(dir, address string) (f hardware.PCIFound, err error) {
	f.Address, f.Type = address, hardware.PCIPlain
	for _, id := range []struct {
		file string
		to   *string
	}{{"vendor", &f.Vendor}, {"device", &f.Product}} {
		text, err := os.ReadFile(filepath.Join(dir, id.file))
		if err != nil {
			return f, err
		}
		*id.to = strings.TrimPrefix(strings.TrimSpace(string(text)), "0x")
	}
	if text, err := os.ReadFile(filepath.Join(dir, "numa_node")); err == nil {
		if n, err := strconv.Atoi(strings.TrimSpace(string(text))); err == nil && n >= 0 {
			f.Cell = &n
		}
	}
	if of, err := os.Readlink(filepath.Join(dir, "physfn")); err == nil {
		f.Type, f.Parent = hardware.PCIVF, filepath.Base(of)
	} else if text, err := os.ReadFile(filepath.Join(dir, "sriov_totalvfs")); err == nil && strings.TrimSpace(string(text)) != "0" {
		f.Type = hardware.PCIPF
	}
	names, err := os.ReadDir(filepath.Join(dir, "net"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return f, err
	}
	for _, name := range names {
		f.Names = append(f.Names, name.Name())
	}
	return f, nil
}

// hostDevices gives a domain devices of the host. libvirt takes them from their drivers when the guest starts and gives them back when it ends.
func hostDevices(addresses []string) (all []libvirtxml.DomainHostdev, err error) {
	for _, address := range addresses {
		var domain, bus, slot, function uint
		if n, err := fmt.Sscanf(address, "%x:%x:%x.%x", &domain, &bus, &slot, &function); err != nil || n != 4 {
			return nil, driver.Refuse(driver.CodeUnsupported, "The PCI address %s has an incorrect format.", address)
		}
		all = append(all, libvirtxml.DomainHostdev{Managed: "yes", SubsysPCI: &libvirtxml.DomainHostdevSubsysPCI{Source: &libvirtxml.DomainHostdevSubsysPCISource{
			Address: &libvirtxml.DomainAddressPCI{Domain: &domain, Bus: &bus, Slot: &slot, Function: &function},
		}}})
	}
	return all, nil
}
