package libvirt

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"libvirt.org/go/libvirtxml"

	"gostack/internal/nova/driver"
	"gostack/internal/nova/hardware"
)

// sysfs writes devices as the kernel lists them: "file=content", "link->target", or a directory that ends with a slash.
func sysfs(t *testing.T, devices map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for address, facts := range devices {
		dir := filepath.Join(root, "bus", "pci", "devices", address)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		for fact := range strings.FieldsSeq(facts) {
			var err error
			if name, target, link := strings.Cut(fact, "->"); link {
				err = os.Symlink(target, filepath.Join(dir, name))
			} else if name, text, file := strings.Cut(fact, "="); file {
				err = os.WriteFile(filepath.Join(dir, name), []byte(text+"\n"), 0o644)
			} else {
				err = os.MkdirAll(filepath.Join(dir, fact), 0o755)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	return root
}

func TestPCIDevicesOfTheHost(t *testing.T) {
	root := sysfs(t, map[string]string{
		"0000:00:00.0": "vendor=0x8086 device=0x29c0 numa_node=-1",
		"0000:01:00.0": "vendor=0x8086 device=0x0443 numa_node=0 sriov_totalvfs=0",
		"0000:81:00.0": "vendor=0x15b3 device=0x1017 numa_node=1 sriov_totalvfs=8 net/enp129s0/",
		"0000:81:00.1": "vendor=0x15b3 device=0x1018 numa_node=1 physfn->../0000:81:00.0",
		"0000:82:00.0": "numa_node=1", // on its way out
	})
	for spec, want := range map[string]string{
		`{"vendor_id": "8086"}`: `[{"address":"0000:00:00.0","vendor_id":"8086","product_id":"29c0","dev_type":"type-PCI"},{"address":"0000:01:00.0","vendor_id":"8086","product_id":"0443","dev_type":"type-PCI","numa_node":0}]`,
		`{"devname": "enp129s0", "physical_network": "physnet1"}`: `[{"address":"0000:81:00.0","vendor_id":"15b3","product_id":"1017","dev_type":"type-PF","numa_node":1,"tags":{"physical_network":"physnet1"}},` +
			`{"address":"0000:81:00.1","vendor_id":"15b3","product_id":"1018","dev_type":"type-VF","parent_addr":"0000:81:00.0","numa_node":1,"tags":{"physical_network":"physnet1"}}]`,
		"": "null",
	} {
		d := &Driver{Options: Options{Sysfs: root}}
		if spec != "" {
			var err error
			if d.PCI, err = hardware.ParsePCISpecs([]string{spec}); err != nil {
				t.Fatal(err)
			}
		}
		devices, err := d.pciDevices()
		got, _ := json.Marshal(devices)
		if err != nil || string(got) != want {
			t.Errorf("%s: %s, %v", spec, got, err)
		}
	}
	if devices, err := (&Driver{Options: Options{Sysfs: t.TempDir(), PCI: make([]hardware.PCISpec, 1)}}).pciDevices(); devices != nil || err != nil {
		t.Errorf("without a bus: %v, %v", devices, err)
	}
}

func TestPCIDevicesInTheDomain(t *testing.T) {
	kvm := capabilities{virtType: "kvm", arch: "x86_64", emulator: "/usr/bin/qemu-system-x86_64", machine: "q35", machines: []string{"q35"}}
	text := render(t, kvm, "system", func(s *driver.GuestSpec) { s.PCI = []string{"0000:81:0a.1", "0001:02:00.0"} })
	for _, want := range []string{
		`<hostdev mode="subsystem" type="pci" managed="yes">`, `<address domain="0x0000" bus="0x81" slot="0x0a" function="0x1">`, `<address domain="0x0001" bus="0x02" slot="0x00" function="0x0">`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s in\n%s", want, text)
		}
	}
	if _, err := hostDevices([]string{"81"}); err == nil {
		t.Error("an address that is none")
	}
}

func TestDevicesThatARunningGuestLacks(t *testing.T) {
	devices := func(addresses ...string) *libvirtxml.Domain {
		list, err := hostDevices(addresses)
		if err != nil {
			t.Fatal(err)
		}
		usb := libvirtxml.DomainHostdev{SubsysUSB: &libvirtxml.DomainHostdevSubsysUSB{}}
		text, err := (&libvirtxml.Domain{Type: "kvm", Devices: &libvirtxml.DomainDeviceList{Hostdevs: append(list, usb)}}).Marshal()
		if err != nil {
			t.Fatal(err)
		}
		def := &libvirtxml.Domain{} // as it comes back from libvirt
		if err := def.Unmarshal(text); err != nil {
			t.Fatal(err)
		}
		return def
	}
	stored := pciIn(devices("0000:01:00.0", "0000:81:0a.1"))
	got := lacking(stored, pciIn(devices("0000:01:00.0")))
	if len(got) != 1 || !reflect.DeepEqual(got[0], stored[1]) || len(lacking(stored, stored)) != 0 || pciIn(nil) != nil {
		t.Errorf("it lacks %+v", got)
	}
}
