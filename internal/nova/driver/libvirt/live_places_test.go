package libvirt

import (
	"testing"

	"libvirt.org/go/libvirtxml"

	"gostack/internal/nova/driver"
	"gostack/internal/nova/hardware"
)

// What a guest has of its source's processors and memory is written anew for its destination.
func TestPlacesOnTheDestination(t *testing.T) {
	old := &hardware.Guest{Cells: []hardware.GuestCell{{ID: 0, Pinned: hardware.Range(0, 2), Pins: hardware.Pins{0: 2, 1: 3}}}}
	there := &hardware.Guest{Cells: []hardware.GuestCell{{ID: 1, Pinned: hardware.Range(0, 2), Pins: hardware.Pins{0: 8, 1: 9}}}}
	def := &libvirtxml.Domain{VCPU: &libvirtxml.DomainVCPU{Value: 2}, NUMATune: memoryPlaces(old)}
	flavor := driver.Flavor{Name: "f", VCPUs: 2, MemoryMB: 64}
	if err := pin(old, driver.WishOf(flavor, nil), cpuTune(def)); err != nil {
		t.Fatal(err)
	}
	def.CPUTune.Shares = &libvirtxml.DomainCPUTuneShares{Value: 512}
	if err := replace(def, driver.LivePlan{Spec: &driver.GuestSpec{Flavor: flavor, NUMA: there}, Target: driver.LiveTarget{CPUs: "0-1"}}); err != nil {
		t.Fatal(err)
	}
	tune := def.CPUTune
	if len(tune.VCPUPin) != 2 || tune.VCPUPin[0].CPUSet != "8" || tune.VCPUPin[1].CPUSet != "9" || tune.EmulatorPin.CPUSet != "8-9" || tune.Shares.Value != 512 || def.VCPU.CPUSet != "" {
		t.Errorf("processors %+v %+v", tune, def.VCPU)
	}
	if def.NUMATune.Memory.Nodeset != "1" || def.NUMATune.MemNodes[0].Nodeset != "1" {
		t.Errorf("memory %+v", def.NUMATune)
	}
	plain := &libvirtxml.Domain{VCPU: &libvirtxml.DomainVCPU{Value: 2, CPUSet: "2-3"}}
	if err := replace(plain, driver.LivePlan{Spec: &driver.GuestSpec{Flavor: flavor}, Target: driver.LiveTarget{CPUs: "0-1"}}); err != nil || plain.VCPU.CPUSet != "0-1" || plain.CPUTune != nil {
		t.Errorf("a server that shares: %+v %v", plain.VCPU, err)
	}
}
