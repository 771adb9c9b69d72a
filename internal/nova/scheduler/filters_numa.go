package scheduler

import "gostack/internal/nova/hardware"

// numaFilter takes hosts on whose cells a guest's fit, with the processors and pages that it wants for itself.
const numaFilter = "NUMATopologyFilter"

func passNUMA(q *query, h *host) bool { return q.fit(h) != nil }

// fit puts the guest onto the host's cells; nil when it does not fit, or asks for no place there.
func (q *query) fit(h *host) *hardware.Guest {
	if q.spec.NUMA == nil || h.NUMA == nil {
		return nil
	}
	limits := hardware.Ratios{CPU: h.vcpu.AllocationRatio, RAM: h.memory.AllocationRatio}
	return hardware.Fit(h.NUMA.Using(h.placed...), q.spec.NUMA, limits)
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
