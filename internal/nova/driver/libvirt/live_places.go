package libvirt

import (
	"encoding/xml"
	"fmt"
	"strconv"

	"libvirt.org/go/libvirtxml"

	"gostack/internal/nova/driver"
)

// place notes where on this host the processors and the memory of a newcomer may be: a source that chose them could take those of others.
func (n *newcomer) place(d *Driver, spec driver.GuestSpec) error {
	n.places, n.limits = map[string]bool{"vcpu " + d.CPUShared.String(): true}, map[string]string{}
	for _, name := range []string{"shares", "period", "quota"} {
		if value := driver.Quota(spec.Flavor.ExtraSpecs, "cpu_"+name); value > 0 {
			n.limits[name] = strconv.Itoa(value)
		}
	}
	if spec.NUMA == nil {
		return nil
	}
	n.places["vcpu "] = true // its processors are pinned one by one
	tune := libvirtxml.DomainCPUTune{}
	if err := pin(spec.NUMA, driver.WishOf(spec.Flavor, spec.Image), &tune); err != nil {
		return err
	}
	for _, p := range tune.VCPUPin {
		n.places["vcpupin "+p.CPUSet] = true
	}
	if tune.EmulatorPin != nil {
		n.places["emulatorpin "+tune.EmulatorPin.CPUSet] = true
	}
	for _, s := range tune.VCPUSched {
		n.places["vcpusched "+s.VCPUs+" "+s.Scheduler+" "+strconv.Itoa(*s.Priority)] = true
	}
	memory := memoryPlaces(spec.NUMA)
	n.places["memory "+memory.Memory.Nodeset] = true
	for _, m := range memory.MemNodes {
		n.places["memnode "+m.Nodeset] = true
	}
	return nil
}

// placed looks at an element that says where something of the guest is.
func (w *definitionWalk) placed(e xml.StartElement) error {
	at := e.Name.Local + " "
	switch e.Name.Local {
	case "shares", "period", "quota":
		return nil // see end
	case "vcpu", "vcpupin", "emulatorpin":
		at += attribute(e, "cpuset")
	case "memory", "memnode":
		at += attribute(e, "nodeset")
	case "vcpusched":
		at += attribute(e, "vcpus") + " " + attribute(e, "scheduler") + " " + attribute(e, "priority")
	}
	if !w.places[at] {
		return fmt.Errorf("%q is no place of the server", at)
	}
	return nil
}
