package hardware

import "slices"

// Ratios are how far a host's shared processors and memory may be promised; 0 is without a limit.
type Ratios struct{ CPU, RAM float64 }

// Fit puts a guest onto cells of a host, with what is used counted (Using): each of the guest's cells on a cell of its own, the first way that
// fits. It returns the guest with the host's cells and with its processors pinned, or nil when it does not fit (numa_fit_instance_to_host).
func Fit(h Host, g *Guest, limits Ratios) *Guest {
	return fitWhere(h, g, limits, func(*Guest) bool { return true })
}

// fitWhere is Fit for the first way that accept takes.
func fitWhere(h Host, g *Guest, limits Ratios, accept func(*Guest) bool) *Guest {
	if len(h.Cells) < len(g.Cells) {
		return nil
	}
	placed := make([]GuestCell, 0, len(g.Cells))
	taken := make([]bool, len(h.Cells))
	var try func(i int) bool
	try = func(i int) bool {
		if i == len(g.Cells) {
			return accept(&Guest{Cells: placed, Emulator: g.Emulator})
		}
		for k := range h.Cells {
			if taken[k] {
				continue
			}
			reserve := 0
			if i == 0 && g.Emulator == EmulatorIsolate {
				reserve = 1
			}
			cell, ok := h.Cells[k].fit(g.Cells[i], limits, reserve)
			if !ok {
				continue
			}
			taken[k], placed = true, append(placed, cell)
			if try(i + 1) {
				return true
			}
			taken[k], placed = false, placed[:len(placed)-1]
		}
		return false
	}
	if !try(0) {
		return nil
	}
	return &Guest{Cells: placed, Emulator: g.Emulator}
}

// fit puts a guest's cell onto a host's.
func (c *Cell) fit(g GuestCell, limits Ratios, reserve int) (GuestCell, bool) {
	g.Pins, g.Reserved, g.PerCore = nil, nil, 0
	if g.PageKB != 0 {
		if g.PageKB = c.pageFor(g); g.PageKB == 0 {
			return g, false
		}
	} else if sizes := c.sizes(); len(sizes) > 0 {
		if !c.holds(sizes[0], g.MemoryMB, true) {
			return g, false
		}
	} else if g.MemoryMB > c.MemoryMB {
		return g, false
	}
	if g.Policy == Dedicated || g.Policy == Mixed {
		// A guest does not share with itself: its shared processors must all be there.
		if len(g.CPUs) > len(c.CPUs) || len(g.Pinned)+reserve > len(c.free()) || g.MemoryMB > c.MemoryMB-c.memoryMB || !c.pin(&g, reserve) {
			return g, false
		}
	} else {
		switch {
		case len(g.CPUs) > len(c.CPUs):
			return g, false
		case limits.CPU > 0 && float64(c.cpuUsed+len(g.CPUs)) > float64(len(c.CPUs))*limits.CPU:
			return g, false
		case limits.RAM > 0 && float64(c.memoryMB+g.MemoryMB) > float64(c.MemoryMB)*limits.RAM:
			return g, false
		}
	}
	g.ID, g.Shared = c.ID, c.CPUs
	return g, true
}

// pageFor is the size of pages for a guest's cell; 0 when there are none that fit.
func (c *Cell) pageFor(g GuestCell) int {
	sizes := c.sizes()
	if len(sizes) == 0 {
		return 0
	}
	try := []int{g.PageKB}
	switch g.PageKB {
	case PagesSmall:
		try = sizes[:1]
	case PagesLarge:
		try = sizes[1:]
	case PagesAny:
		try = sizes
	}
	for _, size := range slices.Backward(try) { // the largest first
		if c.holds(size, g.MemoryMB, false) {
			return size
		}
	}
	return 0
}

// pin gives each dedicated processor of the guest one of the host, as the thread policy says, and reserves some for the emulator's threads.
func (c *Cell) pin(g *GuestCell, reserve int) bool {
	cores, per := c.cores(), c.threadsPerCore()
	if len(g.Pinned) == 0 {
		return true
	}
	atLeast := func(n int) (some []CPUSet) {
		for _, core := range cores {
			if len(core) >= n {
				some = append(some, core)
			}
		}
		return some
	}
	assign := func(some []CPUSet, threads int) Pins {
		if threads*len(some) < len(g.Pinned) {
			return nil
		}
		var cpus []int
		for _, core := range some {
			cpus = append(cpus, core[:threads]...)
		}
		pins := Pins{}
		for i, cpu := range g.Pinned {
			pins[cpu] = cpus[i]
		}
		return pins
	}
	take := func(pins Pins, threads int) bool {
		left := []int{}
		for _, core := range cores {
			var used bool
			for _, host := range pins {
				used = used || core.Has(host)
			}
			for _, cpu := range core {
				if !inUse(pins, cpu) && (g.Threads != Isolate || !used) {
					left = append(left, cpu)
				}
			}
		}
		if pins == nil || len(left) < reserve {
			return false
		}
		g.Pins, g.Reserved, g.PerCore = pins, NewCPUSet(left[:reserve]...), gcd(threads, len(g.All())%per)
		return true
	}
	if g.Threads == Isolate {
		// Upstream asks placement for hosts without threads; on one with threads the guest finds no place.
		return per == 1 && take(assign(atLeast(1), 1), 1)
	}
	least := 1
	if g.Threads == Require {
		least = 2
	}
	for threads := per; threads >= least; threads-- {
		if take(assign(atLeast(threads), threads), threads) {
			return true
		}
	}
	if g.Threads == Require {
		return false
	}
	var single []CPUSet
	for _, core := range cores {
		for _, cpu := range core {
			single = append(single, CPUSet{cpu})
		}
	}
	return take(assign(single, 1), 1)
}

func inUse(pins Pins, cpu int) bool {
	for _, host := range pins {
		if host == cpu {
			return true
		}
	}
	return false
}

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return max(a, 1)
}
