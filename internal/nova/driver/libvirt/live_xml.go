package libvirt

import (
	"context"
	"path/filepath"
	"strings"

	rpc "github.com/digitalocean/go-libvirt"
	"libvirt.org/go/libvirtxml"

	"gostack/internal/nova/driver"
)

// liveXML is the definition that a server has on its destination: the running one, and the stored one, which must not name other files
// than the running one (OSSA-2020-006). Both are empty when nothing differs between the hosts.
func (d *Driver) liveXML(ctx context.Context, dom rpc.Domain, plan driver.LivePlan) (running, stored string, err error) {
	target := plan.Target
	placed := plan.Spec != nil && plan.Spec.NUMA != nil
	if target.Dir == d.Dir && (target.VNCListen == "" || target.VNCListen == d.VNCListen) && (target.SerialDir == "" || target.SerialDir == d.SerialDir) && target.CPUs == d.CPUShared.String() && !placed {
		return "", "", nil
	}
	for _, x := range []struct {
		flags rpc.DomainXMLFlags
		to    *string
	}{{rpc.DomainXMLMigratable | rpc.DomainXMLSecure, &running}, {rpc.DomainXMLMigratable | rpc.DomainXMLSecure | rpc.DomainXMLInactive, &stored}} {
		def, err := d.definition(ctx, dom, x.flags)
		if err != nil {
			return "", "", err
		}
		relocate(def, d.Dir, target)
		relocateConsoles(def, d.SerialDir, target)
		if err := replace(def, plan); err != nil {
			return "", "", err
		}
		if *x.to, err = def.Marshal(); err != nil {
			return "", "", err
		}
	}
	return running, stored, nil
}

// relocate makes a definition one of the destination: where files are.
func relocate(def *libvirtxml.Domain, dir string, target driver.LiveTarget) {
	move := func(path *string) {
		if rest, ok := strings.CutPrefix(*path, dir+"/"); ok && target.Dir != "" {
			*path = filepath.Join(target.Dir, rest)
		}
	}
	if def.OS != nil {
		move(&def.OS.Kernel)
		move(&def.OS.Initrd)
		if def.OS.NVRam != nil {
			move(&def.OS.NVRam.NVRam)
		}
	}
	if def.Devices == nil {
		return
	}
	for i := range def.Devices.Disks {
		k := &def.Devices.Disks[i]
		if k.Source != nil && k.Source.File != nil {
			move(&k.Source.File.File)
		}
		for b := k.BackingStore; b != nil; b = b.BackingStore {
			if b.Source != nil && b.Source.File != nil {
				move(&b.Source.File.File)
			}
		}
	}
	for i := range def.Devices.Serials {
		if log := def.Devices.Serials[i].Log; log != nil {
			move(&log.File)
		}
	}
	for i := range def.Devices.Consoles {
		if log := def.Devices.Consoles[i].Log; log != nil {
			move(&log.File)
		}
	}
}

// replace gives the guest's processors and memory the places that it has on its destination.
func replace(def *libvirtxml.Domain, plan driver.LivePlan) error {
	if plan.Spec == nil || plan.Spec.NUMA == nil {
		if def.VCPU != nil {
			def.VCPU.CPUSet = plan.Target.CPUs
		}
		return nil
	}
	def.NUMATune = memoryPlaces(plan.Spec.NUMA)
	return pin(plan.Spec.NUMA, driver.WishOf(plan.Spec.Flavor, plan.Spec.Image), cpuTune(def))
}
