package libvirt

import (
	"strconv"

	"libvirt.org/go/libvirtxml"

	"gostack/internal/nova/driver"
	"gostack/internal/nova/hardware"
)

// features are switches of the virtual machine.
func features(caps *capabilities, spec driver.GuestSpec, w hardware.Wish, def *libvirtxml.Domain) error {
	specs, props := spec.Flavor.ExtraSpecs, properties(spec)
	state := func(on bool) *libvirtxml.DomainFeatureState {
		if on {
			return &libvirtxml.DomainFeatureState{State: "on"}
		}
		return &libvirtxml.DomainFeatureState{State: "off"}
	}
	pmu, err := w.PMU()
	if err != nil {
		return err
	}
	if realtime, err := w.Realtime(); err != nil {
		return err
	} else if realtime != nil && pmu == nil {
		off := false
		pmu = &off
	}
	if pmu != nil && caps.arch == "x86_64" && caps.virtType == "kvm" {
		def.Features.PMU = state(*pmu)
	}
	hidden := hardware.IsTrue(specs["hide_hypervisor_id"]) || hardware.IsTrue(specs["hw:hide_hypervisor_id"]) || hardware.IsTrue(props["img_hide_hypervisor_id"])
	if hidden {
		def.Features.KVM = &libvirtxml.DomainFeatureKVM{Hidden: state(true)}
	}
	if props[driver.PropOSType] == "windows" && caps.virtType == "kvm" {
		def.Features.HyperV = &libvirtxml.DomainFeatureHyperV{
			Relaxed: state(true), VAPIC: state(true), VPIndex: state(true), Runtime: state(true), Synic: state(true), Reset: state(true), Frequencies: state(true),
			Spinlocks: &libvirtxml.DomainFeatureHyperVSpinlocks{DomainFeatureState: *state(true), Retries: 8191},
		}
		if hidden {
			def.Features.HyperV.VendorId = &libvirtxml.DomainFeatureHyperVVendorId{DomainFeatureState: *state(true), Value: "1234567890ab"}
		}
	}
	menu := props["hw_boot_menu"]
	if menu == "" {
		menu = specs["hw:boot_menu"]
	}
	if shown, said := hardware.ParseBool(menu); said && def.OS.Kernel == "" {
		def.OS.BootMenu = &libvirtxml.DomainBootMenu{Enable: yesNo(shown)}
	}
	return nil
}

// timers are the guest's clocks: Windows keeps its own in local time.
func timers(caps *capabilities, spec driver.GuestSpec, _ hardware.Wish, def *libvirtxml.Domain) error {
	props := properties(spec)
	if hardware.IsTrue(props["hw_time_hpet"]) {
		for i := range def.Clock.Timer {
			if def.Clock.Timer[i].Name == "hpet" {
				def.Clock.Timer[i].Present = "yes"
			}
		}
	}
	if props[driver.PropOSType] == "windows" {
		def.Clock.Offset = "localtime"
		if caps.virtType == "kvm" {
			def.Clock.Timer = append(def.Clock.Timer, libvirtxml.DomainTimer{Name: "hypervclock", Present: "yes"})
		}
	}
	return nil
}

// extraDevices are those that flavor or image ask for, or forbid.
func extraDevices(caps *capabilities, spec driver.GuestSpec, w hardware.Wish, def *libvirtxml.Domain) error {
	specs, props, l := spec.Flavor.ExtraSpecs, properties(spec), def.Devices
	if err := watchdog(specs, props, l); err != nil {
		return err
	}
	if allowed, said := hardware.ParseBool(specs["hw_rng:allowed"]); said && !allowed {
		l.RNGs = nil
	} else if bytes, err := strconv.Atoi(specs["hw_rng:rate_bytes"]); err == nil && bytes > 0 && len(l.RNGs) > 0 {
		rate := &libvirtxml.DomainRNGRate{Bytes: uint(bytes)}
		if period, err := strconv.Atoi(specs["hw_rng:rate_period"]); err == nil && period > 0 {
			rate.Period = uint(period)
		}
		l.RNGs[0].Rate = rate
	}
	if err := videoMemory(specs, props, l); err != nil {
		return err
	}
	if props["hw_input_bus"] == "virtio" {
		l.Inputs = []libvirtxml.DomainInput{{Type: "tablet", Bus: "virtio"}, {Type: "keyboard", Bus: "virtio"}}
	}
	packed, err := w.PackedRing()
	if err != nil {
		return err
	}
	if packed {
		for i := range l.Disks {
			if k := &l.Disks[i]; k.Target != nil && k.Target.Bus == "virtio" && k.Driver != nil {
				k.Driver.Packed = "on"
			}
		}
	}
	tpm, err := w.TPM()
	if err != nil || tpm == nil {
		return err
	}
	if !caps.tpm(*tpm) {
		return driver.Refuse(driver.CodeUnsupported, "This host has no TPM %s of model %s for guests.", tpm.Version, tpm.Model)
	}
	l.TPMs = []libvirtxml.DomainTPM{{Model: tpm.Model, Backend: &libvirtxml.DomainTPMBackend{Emulator: &libvirtxml.DomainTPMBackendEmulator{Version: tpm.Version}}}}
	return nil
}

// watchdog is the device that acts when the guest does not tend it; the image's word goes before the flavor's.
func watchdog(specs, props map[string]string, l *libvirtxml.DomainDeviceList) error {
	action := props[driver.PropWatchdog]
	if action == "" {
		action = specs["hw:watchdog_action"]
	}
	switch action {
	case "", "disabled":
		l.Watchdogs = nil
	case "none", "pause", "poweroff", "reset":
		l.Watchdogs = []libvirtxml.DomainWatchdog{{Model: "i6300esb", Action: action}}
	default:
		return driver.Refuse(driver.CodeUnsupported, "Provided watchdog action (%s) is not supported.", action)
	}
	return nil
}

// videoMemory gives the video card what the image wants and the flavor allows, in MiB.
func videoMemory(specs, props map[string]string, l *libvirtxml.DomainDeviceList) error {
	want, _ := strconv.Atoi(props["hw_video_ram"])
	most, _ := strconv.Atoi(specs["hw_video:ram_max_mb"])
	if want > most {
		return driver.Refuse(driver.CodeUnsupported, "The requested amount of video memory %d is higher than the maximum allowed by flavor %d.", want, most)
	}
	if want > 0 && len(l.Videos) > 0 && l.Videos[0].Model.Type != "none" {
		l.Videos[0].Model.VRam = uint(want) << 10
	}
	return nil
}

// tuneNIC limits a network card and gives it queues.
func tuneNIC(e *libvirtxml.DomainInterface, t *driver.NICTune) {
	if t == nil {
		return
	}
	params := func(b *driver.Bandwidth) *libvirtxml.DomainInterfaceBandwidthParams {
		if b == nil {
			return nil
		}
		p := &libvirtxml.DomainInterfaceBandwidthParams{Average: &b.Average}
		if b.Peak > 0 {
			p.Peak = &b.Peak
		}
		if b.Burst > 0 {
			p.Burst = &b.Burst
		}
		return p
	}
	if t.Inbound != nil || t.Outbound != nil {
		e.Bandwidth = &libvirtxml.DomainInterfaceBandwidth{Inbound: params(t.Inbound), Outbound: params(t.Outbound)}
	}
	if e.Model == nil || e.Model.Type != "virtio" || t.Queues < 2 && !t.Packed {
		return
	}
	if e.Driver == nil {
		e.Driver = &libvirtxml.DomainInterfaceDriver{Name: "vhost"}
	}
	if t.Queues > 1 {
		e.Driver.Queues = uint(t.Queues)
	}
	if t.Packed {
		e.Driver.Packed = "on"
	}
}
