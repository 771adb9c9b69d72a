package libvirt

import (
	"libvirt.org/go/libvirtxml"

	"gostack/internal/nova/driver"
	"gostack/internal/nova/hardware"
)

// numaOf reads the host's cells: which of their processors servers share and which they have for themselves, and the pages of their memory.
func (d *Driver) numaOf(host *libvirtxml.Caps) *hardware.Host {
	if host.Host.NUMA == nil || host.Host.NUMA.Cells == nil {
		return nil
	}
	out := &hardware.Host{}
	for _, c := range host.Host.NUMA.Cells.Cells {
		cell := hardware.Cell{ID: c.ID}
		if c.Memory != nil {
			cell.MemoryMB = int(c.Memory.Size >> 10) // KiB
		}
		for _, p := range c.PageInfo {
			cell.Pages = append(cell.Pages, hardware.Pages{SizeKB: p.Size, Total: int(p.Count)})
		}
		sockets := map[int]bool{}
		all := hardware.CPUSet{}
		cores := map[string]bool{}
		if c.CPUS != nil {
			for _, cpu := range c.CPUS.CPUs {
				all = all.Or(hardware.CPUSet{cpu.ID})
				if cpu.SocketID != nil {
					sockets[*cpu.SocketID] = true
					cell.Socket = cpu.SocketID
				}
				if cpu.Siblings == "" || cores[cpu.Siblings] {
					continue
				}
				cores[cpu.Siblings] = true
				if core, err := hardware.ParseCPUSet(cpu.Siblings); err == nil {
					cell.Siblings = append(cell.Siblings, core)
				}
			}
		}
		if len(sockets) != 1 {
			cell.Socket = nil
		}
		cell.CPUs, cell.Dedicated = d.split(all)
		out.Cells = append(out.Cells, cell)
	}
	return out
}

// split says of processors which servers share, and which they have for themselves. Without a word about it all are shared; with one about those
// for themselves alone, only these can be used (nova/virt/libvirt/driver.py, _get_vcpu_available and _get_pcpu_available).
func (d *Driver) split(all hardware.CPUSet) (shared, dedicated hardware.CPUSet) {
	dedicated = all.And(d.CPUDedicated)
	switch {
	case len(d.CPUShared) > 0:
		shared = all.And(d.CPUShared)
	case len(d.CPUDedicated) > 0:
		shared = hardware.CPUSet{}
	default:
		shared = all
	}
	return shared, dedicated
}

// smallPages is the size in KiB of the host's smallest pages.
func (c *capabilities) smallPages() int {
	smallest := 4
	if c.numa != nil && len(c.numa.Cells) > 0 && len(c.numa.Cells[0].Pages) > 0 {
		smallest = c.numa.Cells[0].Pages[0].SizeKB
		for _, p := range c.numa.Cells[0].Pages {
			smallest = min(smallest, p.SizeKB)
		}
	}
	return smallest
}

// places says where on the host the guest's processors run and its memory is.
func (d *Driver) places(_ *capabilities, spec driver.GuestSpec, w hardware.Wish, def *libvirtxml.Domain) error {
	if spec.NUMA == nil {
		if len(d.CPUShared) > 0 || len(d.CPUDedicated) > 0 { // what servers have for themselves is not for this one
			if def.VCPU.CPUSet = d.CPUShared.String(); def.VCPU.CPUSet == "" {
				return driver.Refuse(driver.CodeUnsupported, "This host has no processors that servers share.")
			}
		}
		return nil
	}
	if err := pin(spec.NUMA, w, cpuTune(def)); err != nil {
		return err
	}
	def.NUMATune = memoryPlaces(spec.NUMA)
	def.CPU.Numa = &libvirtxml.DomainNuma{}
	for i, cell := range spec.NUMA.Cells {
		id := uint(i)
		def.CPU.Numa.Cell = append(def.CPU.Numa.Cell, libvirtxml.DomainCell{ID: &id, CPUs: cell.All().String(), Memory: uint(cell.MemoryMB) << 10, Unit: "KiB"})
	}
	return nil
}

// pin writes which processors of the host each of the guest's may run on, and the hypervisor's own threads.
func pin(g *hardware.Guest, w hardware.Wish, tune *libvirtxml.DomainCPUTune) error {
	all, reserved, shared := hardware.CPUSet{}, hardware.CPUSet{}, hardware.CPUSet{}
	tune.VCPUPin = nil
	for _, cell := range g.Cells {
		for _, cpu := range cell.All() {
			on := cell.Shared
			if host, pinned := cell.Pins[cpu]; pinned {
				on = hardware.CPUSet{host}
			}
			if len(on) == 0 {
				continue
			}
			all = all.Or(on)
			tune.VCPUPin = append(tune.VCPUPin, libvirtxml.DomainCPUTuneVCPUPin{VCPU: uint(cpu), CPUSet: on.String()})
		}
		reserved, shared = reserved.Or(cell.Reserved), shared.Or(cell.Shared)
	}
	emulator := all
	switch {
	case g.Emulator == hardware.EmulatorIsolate:
		emulator = reserved
	case g.Emulator == hardware.EmulatorShare && len(shared) > 0:
		emulator = shared
	}
	tune.EmulatorPin = nil
	if len(emulator) > 0 {
		tune.EmulatorPin = &libvirtxml.DomainCPUTuneEmulatorPin{CPUSet: emulator.String()}
	}
	realtime, err := w.Realtime()
	if err != nil || realtime == nil {
		return err
	}
	first := 1
	tune.VCPUSched = []libvirtxml.DomainCPUTuneVCPUSched{{VCPUs: realtime.String(), Scheduler: "fifo", Priority: &first}}
	return nil
}

// memoryPlaces keeps the memory of each of the guest's cells on its cell of the host.
func memoryPlaces(g *hardware.Guest) *libvirtxml.DomainNUMATune {
	t := &libvirtxml.DomainNUMATune{}
	all := hardware.CPUSet{}
	for i, cell := range g.Cells {
		host := hardware.CPUSet{cell.ID}
		all = all.Or(host)
		t.MemNodes = append(t.MemNodes, libvirtxml.DomainNUMATuneMemNode{CellID: uint(i), Mode: "strict", Nodeset: host.String()})
	}
	t.Memory = &libvirtxml.DomainNUMATuneMemory{Mode: "strict", Nodeset: all.String()}
	return t
}
