package api

import (
	"slices"

	"gostack/internal/nova/hardware"
	"gostack/internal/rest"
)

// topology shows a server's NUMA cells (microversion 2.78). Where on the host they are is for administrators.
func (a *api) topology(r *rest.Request) (any, error) {
	g, err := a.nova.NUMAOf(r.Context(), loaded(r))
	if err != nil {
		return nil, err
	}
	nodes, page := []object{}, any(nil)
	if g == nil {
		return object{"nodes": nodes, "pagesize_kb": page}, nil
	}
	host := r.Can("compute:server:topology:host:index", nil)
	for _, cell := range g.Cells {
		node := object{"memory_mb": cell.MemoryMB, "siblings": siblings(cell), "vcpu_set": []int(cell.All())}
		if host {
			node["host_node"], node["cpu_pinning"] = cell.ID, pins(cell)
		}
		if cell.PageKB > 0 {
			page = cell.PageKB
		}
		nodes = append(nodes, node)
	}
	return object{"nodes": nodes, "pagesize_kb": page}, nil
}

func pins(cell hardware.GuestCell) hardware.Pins {
	if cell.Pins == nil {
		return hardware.Pins{}
	}
	return cell.Pins
}

// siblings are the processors of the guest that share a core.
func siblings(cell hardware.GuestCell) [][]int {
	if cell.PerCore < 2 {
		return [][]int{}
	}
	return slices.Collect(slices.Chunk([]int(cell.All()), cell.PerCore))
}
