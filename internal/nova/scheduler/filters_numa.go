package scheduler

import (
	"slices"

	"gostack/internal/nova/hardware"
)

// numaFilter takes hosts on whose cells a guest's fit, with the processors and pages that it wants for itself.
const numaFilter = "NUMATopologyFilter"

// With devices to have, these must be near to the cells as the guest's affinity says.
func passNUMA(q *query, h *host) bool {
	_, _, ok := q.fit(h)
	return ok
}

// pciFilter takes hosts that have the devices which a guest wants for itself.
const pciFilter = "PciPassthroughFilter"

func passPCI(q *query, h *host) bool {
	_, ok := hardware.FitPCI(h.freePCI(), q.spec.PCI, h.NUMA, nil)
	return ok
}

// fit puts the guest onto the host's cells and chooses its devices; false when that does not go.
func (q *query) fit(h *host) (*hardware.Guest, []hardware.PCIDevice, bool) {
	if q.spec.NUMA == nil && q.spec.PCI == nil {
		return nil, nil, true
	}
	cells := h.NUMA
	if cells != nil {
		used := cells.Using(h.placed...)
		cells = &used
	}
	limits := hardware.Ratios{CPU: h.vcpu.AllocationRatio, RAM: h.memory.AllocationRatio}
	return hardware.Place(cells, q.spec.NUMA, limits, h.freePCI(), q.spec.PCI)
}

// freePCI are the host's devices that decisions have left.
func (h *host) freePCI() []hardware.PCIDevice { return hardware.FreePCI(h.PCI, h.given) }

// give lets decisions have devices, or, below 0, takes them away.
func (h *host) give(devices []hardware.PCIDevice, n int) {
	for _, d := range devices {
		if n > 0 {
			h.given = append(h.given, d.Address)
		} else if i := slices.Index(h.given, d.Address); i >= 0 {
			h.given = slices.Delete(h.given, i, i+1)
		}
	}
}

// place lets a guest have its place on the host's cells, or, below 0, takes it away.
func (h *host) place(g *hardware.Guest, n int) {
	if g == nil {
		return
	}
	if n > 0 {
		h.placed = append(h.placed, g)
		return
	}
	for i, other := range h.placed {
		if other == g {
			h.placed = append(h.placed[:i:i], h.placed[i+1:]...)
			return
		}
	}
}
