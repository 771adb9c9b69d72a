package hardware

import "slices"

// Host is a host's NUMA topology. Used is never stored: it follows from the guests (see Using).
type Host struct {
	Cells []Cell `json:"cells"`
}

// Cell is one of a host's NUMA cells.
type Cell struct {
	ID        int      `json:"id"`
	CPUs      CPUSet   `json:"cpus"`      // those that guests share
	Dedicated CPUSet   `json:"dedicated"` // those that guests have for themselves
	MemoryMB  int      `json:"memory_mb"`
	Siblings  []CPUSet `json:"siblings,omitempty"` // processors that share a core
	Socket    *int     `json:"socket,omitempty"`   // nil is not known, or several
	Pages     []Pages  `json:"pages,omitempty"`

	pinned   CPUSet
	cpuUsed  int
	memoryMB int
}

// Pages are the memory pages of one size.
type Pages struct {
	SizeKB   int `json:"size_kb"`
	Total    int `json:"total"`
	Reserved int `json:"reserved,omitempty"`

	used int
}

// Using returns the host with these guests on it.
func (h Host) Using(guests ...*Guest) Host {
	out := Host{Cells: slices.Clone(h.Cells)}
	for i := range out.Cells {
		cell := &out.Cells[i]
		cell.Pages = slices.Clone(cell.Pages)
		for _, g := range guests {
			if g == nil {
				continue
			}
			for _, c := range g.Cells {
				if c.ID == cell.ID {
					cell.add(c)
				}
			}
		}
	}
	return out
}

// add counts a guest's cell.
func (c *Cell) add(g GuestCell) {
	c.memoryMB += g.MemoryMB
	c.cpuUsed += len(g.CPUs)
	for i := range c.Pages {
		if g.PageKB > 0 && c.Pages[i].SizeKB == g.PageKB {
			c.Pages[i].used += g.MemoryMB * 1024 / g.PageKB
		}
	}
	pinned := g.Reserved
	for _, host := range g.Pins {
		pinned = pinned.Or(CPUSet{host})
	}
	if g.Threads == Isolate {
		for _, core := range c.Siblings {
			if len(core.And(pinned)) > 0 {
				pinned = pinned.Or(core)
			}
		}
	}
	c.pinned = c.pinned.Or(pinned)
}

// free are the dedicated processors that no guest has.
func (c *Cell) free() CPUSet { return c.Dedicated.Without(c.pinned) }

// cores are the free dedicated processors by core.
func (c *Cell) cores() (cores []CPUSet) {
	free := c.free()
	known := CPUSet{}
	for _, core := range c.Siblings {
		known = known.Or(core)
		if left := core.And(free); len(left) > 0 {
			cores = append(cores, left)
		}
	}
	for _, cpu := range free.Without(known) {
		cores = append(cores, CPUSet{cpu})
	}
	return cores
}

// threadsPerCore is how many processors a core of the cell has.
func (c *Cell) threadsPerCore() int {
	most := 1
	for _, core := range c.Siblings {
		most = max(most, len(core))
	}
	return most
}

// sizes are the sizes of pages, the smallest first.
func (c *Cell) sizes() (sizes []int) {
	for _, p := range c.Pages {
		sizes = append(sizes, p.SizeKB)
	}
	slices.Sort(sizes)
	return sizes
}

// holds tells whether pages of a size have room for memory: whole pages, free ones unless all count.
func (c *Cell) holds(sizeKB, memoryMB int, all bool) bool {
	for _, p := range c.Pages {
		if p.SizeKB != sizeKB {
			continue
		}
		n := p.Total - p.Reserved
		if !all {
			n -= p.used
		}
		return memoryMB*1024%sizeKB == 0 && memoryMB*1024 <= n*sizeKB
	}
	return false
}
