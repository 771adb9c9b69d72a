package libvirt

import (
	"context"
	"path/filepath"
	"strings"

	"libvirt.org/go/libvirtxml"

	"gostack/internal/nova/driver"
	"gostack/internal/nova/hardware"
)

// spareSlots is how many devices can be plugged into a running q35 server.
const spareSlots = 6

// maxSlots bounds the root ports: each costs the guest some boot time.
const maxSlots = 28

// domain is the definition of a server.
func (d *Driver) domain(ctx context.Context, caps *capabilities, spec driver.GuestSpec) (*libvirtxml.Domain, error) {
	props := properties(spec)
	machine, err := machineOf(caps, props)
	if err != nil {
		return nil, err
	}
	devices, err := d.devices(ctx, caps, machine, spec)
	if err != nil {
		return nil, err
	}
	osInfo, smm, err := d.boot(caps, machine, spec)
	if err != nil {
		return nil, err
	}
	def := &libvirtxml.Domain{
		Type:     caps.virtType,
		Name:     DomainName(spec.ID),
		UUID:     spec.ID,
		Metadata: &libvirtxml.DomainMetadata{XML: d.metadataXML(spec)},
		Memory:   &libvirtxml.DomainMemory{Value: uint(spec.Flavor.MemoryMB), Unit: "MiB"},
		VCPU:     &libvirtxml.DomainVCPU{Value: uint(spec.Flavor.VCPUs)},
		// cloud-init knows by the product name that it runs on OpenStack.
		SysInfo: []libvirtxml.DomainSysInfo{{SMBIOS: &libvirtxml.DomainSysInfoSMBIOS{
			System: &libvirtxml.DomainSysInfoSystem{Entry: []libvirtxml.DomainSysInfoEntry{
				{Name: "manufacturer", Value: "OpenStack Foundation"},
				{Name: "product", Value: "OpenStack Nova"},
				{Name: "version", Value: "gostack"},
				{Name: "serial", Value: spec.ID},
				{Name: "uuid", Value: spec.ID},
				{Name: "family", Value: "Virtual Machine"},
			}},
		}}},
		OS: osInfo,
		Features: &libvirtxml.DomainFeatureList{
			ACPI: &libvirtxml.DomainFeature{},
			APIC: &libvirtxml.DomainFeatureAPIC{},
		},
		CPU:        cpu(caps),
		Clock:      clock(caps),
		OnPoweroff: "destroy",
		OnReboot:   "restart",
		OnCrash:    "destroy",
		Devices:    devices,
	}
	if smm {
		def.Features.SMM = &libvirtxml.DomainFeatureSMM{State: "on"}
	}
	if caps.virtType == "qemu" {
		// The default cache of translated code may grow to a gigabyte.
		size := uint(32)
		if spec.Flavor.MemoryMB > 512 {
			size = 128
		}
		def.Features.TCG = &libvirtxml.DomainFeatureTCG{TBCache: &libvirtxml.DomainFeatureTCGTBCache{Unit: "MiB", Size: size}}
	}
	return def, d.finish(caps, spec, def)
}

func properties(spec driver.GuestSpec) map[string]string {
	if spec.Image == nil {
		return nil
	}
	return spec.Image.Properties
}

// machineOf chooses the machine type: q35 unless the image wants another that
// this QEMU has.
func machineOf(caps *capabilities, props map[string]string) (string, error) {
	machine := props[driver.PropMachineType]
	if machine == "" {
		return caps.machine, nil
	}
	for _, m := range caps.machines {
		if m == machine {
			return machine, nil
		}
	}
	return "", driver.Refuse(driver.CodeUnsupported, "Machine type %q is not available on this host.", machine)
}

func isQ35(machine string) bool { return strings.Contains(machine, "q35") }

// boot is the os element; the answer's second part says that the firmware
// needs system management mode.
func (d *Driver) boot(caps *capabilities, machine string, spec driver.GuestSpec) (*libvirtxml.DomainOS, bool, error) {
	props := bootProperties(spec)
	o := &libvirtxml.DomainOS{
		Type:   &libvirtxml.DomainOSType{Arch: caps.arch, Machine: machine, Type: "hvm"},
		SMBios: &libvirtxml.DomainSMBios{Mode: "sysinfo"},
	}
	if kernel := props[driver.PropKernelID]; kernel != "" {
		return o, false, d.direct(o, props)
	}
	if spec.Rescue == nil || !spec.Rescue.Stable() {
		o.BootDevices = []libvirtxml.DomainBootDevice{{Dev: "hd"}} // else one disk has it
	}
	policy, err := driver.WishOf(spec.Flavor, spec.Image).SecureBoot()
	if err != nil {
		return nil, false, driver.Refuse(driver.CodeUnsupported, "%s", err.Error())
	}
	secure := policy == hardware.SecureBootRequired || policy == "optional" && caps.secureBoot && isQ35(machine)
	switch firmware := props[driver.PropFirmware]; {
	case firmware == "uefi":
		if !caps.uefi {
			return nil, false, driver.Refuse(driver.CodeUnsupported, "UEFI is not supported on this host.")
		}
		if policy == hardware.SecureBootRequired && !caps.secureBoot {
			return nil, false, driver.Refuse(driver.CodeUnsupported, "Secure Boot is not supported by host")
		}
		o.Firmware, o.NVRam = "efi", d.variables(spec.ID)
		o.FirmwareInfo = &libvirtxml.DomainOSFirmwareInfo{Features: []libvirtxml.DomainOSFirmwareFeature{
			{Enabled: yesNo(secure), Name: "secure-boot"},
		}}
		if secure {
			o.FirmwareInfo.Features = append(o.FirmwareInfo.Features,
				libvirtxml.DomainOSFirmwareFeature{Enabled: "yes", Name: "enrolled-keys"})
			o.Loader = &libvirtxml.DomainLoader{Secure: "yes"}
		}
		return o, secure, nil
	case policy == hardware.SecureBootRequired:
		return nil, false, driver.Refuse(driver.CodeUnsupported, "Secure Boot needs hw_firmware_type=uefi.")
	case firmware == "" || firmware == "bios":
		return o, false, nil
	default:
		return nil, false, driver.Refuse(driver.CodeUnsupported, "Firmware type %q is not supported.", firmware)
	}
}

// direct boots a kernel and ramdisk that are images of their own (kernel_id,
// ramdisk_id), with upstream's default command line.
func (d *Driver) direct(o *libvirtxml.DomainOS, props map[string]string) error {
	for _, image := range []struct {
		id string
		to *string
	}{{props[driver.PropKernelID], &o.Kernel}, {props[driver.PropRamdiskID], &o.Initrd}} {
		if image.id == "" {
			continue
		}
		if err := checkID(image.id); err != nil {
			return err
		}
		*image.to = d.basePath(image.id)
	}
	o.Cmdline = "root=/dev/vda console=tty0 console=ttyS0"
	if line := props[driver.PropCommandLine]; line != "" {
		o.Cmdline = line
	}
	return nil
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// cpu is the guest's processor: the host's model under KVM; under emulation
// all that QEMU can emulate, because today's distributions need x86-64-v2.
func cpu(caps *capabilities) *libvirtxml.DomainCPU {
	c := &libvirtxml.DomainCPU{Mode: "maximum"}
	if caps.virtType == "kvm" {
		c.Mode = "host-model"
		c.Match = "exact"
	}
	return c
}

func clock(caps *capabilities) *libvirtxml.DomainClock {
	c := &libvirtxml.DomainClock{Offset: "utc", Timer: []libvirtxml.DomainTimer{
		{Name: "pit", TickPolicy: "delay"},
		{Name: "rtc", TickPolicy: "catchup"},
	}}
	if caps.arch == "x86_64" {
		c.Timer = append(c.Timer, libvirtxml.DomainTimer{Name: "hpet", Present: "no"})
	}
	return c
}

// devices lists the server's devices. On q35 each PCI device sits behind a root
// port of its own, and some ports stay free for hot plugging.
func (d *Driver) devices(ctx context.Context, caps *capabilities, machine string, spec driver.GuestSpec) (*libvirtxml.DomainDeviceList, error) {
	props := properties(spec)
	bus, err := diskBus(machine, props)
	if err != nil {
		return nil, err
	}
	l := &libvirtxml.DomainDeviceList{Emulator: caps.emulator}
	slots := 0
	others := map[string]bool{} // buses of disks that are not like the image says
	for _, k := range d.disksOf(spec) {
		l.Disks = append(l.Disks, d.disk(spec.ID, k, bus))
		others[k.bus] = true
		if k.bus == "" && bus.own || k.bus == "virtio" {
			slots++
		}
	}
	for _, n := range spec.NICs {
		nic, err := d.nic(ctx, caps, props, n)
		if err != nil {
			return nil, err
		}
		l.Interfaces = append(l.Interfaces, *nic)
		slots++
	}
	if l.Serials, err = d.serials(spec); err != nil {
		return nil, err
	}
	d.graphics(l)
	if err := video(l, props); err != nil {
		return nil, err
	}
	l.RNGs = []libvirtxml.DomainRNG{{
		Model:   "virtio",
		Backend: &libvirtxml.DomainRNGBackend{Random: &libvirtxml.DomainRNGBackendRandom{Device: "/dev/urandom"}},
	}}
	l.MemBalloon = &libvirtxml.DomainMemBalloon{
		Model: "virtio", AutoDeflate: "on", FreePageReporting: "on",
		Stats: &libvirtxml.DomainMemBalloonStats{Period: 10},
	}
	slots += 2
	if props[driver.PropQGA] == "yes" || props[driver.PropQGA] == "true" {
		l.Channels = append(l.Channels, libvirtxml.DomainChannel{
			Source: &libvirtxml.DomainChardevSource{UNIX: &libvirtxml.DomainChardevSourceUNIX{Mode: "bind"}},
			Target: &libvirtxml.DomainChannelTarget{VirtIO: &libvirtxml.DomainChannelTargetVirtIO{Name: "org.qemu.guest_agent.0"}},
		})
		slots++
	}
	if l.Hostdevs, err = hostDevices(spec.PCI); err != nil {
		return nil, err
	}
	slots += len(l.Hostdevs)
	l.Controllers = bus.controllers
	slots += len(bus.controllers)
	if others["scsi"] && len(bus.controllers) == 0 {
		scsi, err := diskBus(machine, map[string]string{driver.PropDiskBus: "scsi", driver.PropSCSIModel: props[driver.PropSCSIModel]})
		if err != nil {
			return nil, err
		}
		l.Controllers = scsi.controllers
		slots++
	}
	if others["usb"] {
		l.Controllers = append(l.Controllers, libvirtxml.DomainController{Type: "usb", Model: "qemu-xhci"})
		slots++
	} else if props[driver.PropPointer] == "usbtablet" || props[driver.PropOSType] == "windows" {
		l.Controllers = append(l.Controllers, libvirtxml.DomainController{Type: "usb", Model: "qemu-xhci"})
		l.Inputs = []libvirtxml.DomainInput{{Type: "tablet", Bus: "usb"}}
		slots++
	} else {
		// A USB controller wakes an idle host many times a second.
		l.Controllers = append(l.Controllers, libvirtxml.DomainController{Type: "usb", Model: "none"})
	}
	if isQ35(machine) {
		l.Controllers = append(rootPorts(min(slots+spareSlots, maxSlots)), l.Controllers...)
	}
	return l, nil
}

// rootPorts lists the root and n root ports; libvirt wants the root named when
// any port is.
func rootPorts(n int) []libvirtxml.DomainController {
	zero := uint(0)
	all := []libvirtxml.DomainController{{Type: "pci", Index: &zero, Model: "pcie-root"}}
	for range n {
		all = append(all, libvirtxml.DomainController{Type: "pci", Model: "pcie-root-port"})
	}
	return all
}

func video(l *libvirtxml.DomainDeviceList, props map[string]string) error {
	model := props[driver.PropVideoModel]
	switch model {
	case "none":
		l.Videos = []libvirtxml.DomainVideo{{Model: libvirtxml.DomainVideoModel{Type: "none"}}}
		return nil
	case "":
		model = "vga"
	case "vga", "virtio", "cirrus", "bochs", "qxl", "vmvga":
	default:
		return driver.Refuse(driver.CodeUnsupported, "Video model %q is not supported.", model)
	}
	l.Videos = []libvirtxml.DomainVideo{{Model: libvirtxml.DomainVideoModel{Type: model, Heads: 1, Primary: "yes"}}}
	return nil
}

// filePath is the path of one of a server's disks.
func (d *Driver) filePath(id string, k disk) string { return filepath.Join(d.serverDir(id), k.file) }
