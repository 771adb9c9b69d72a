package hardware

import (
	"fmt"
	"strconv"
	"strings"
)

// Page sizes that are a wish and no size.
const (
	PagesSmall = -1
	PagesLarge = -2
	PagesAny   = -3
)

// Guest is a guest's NUMA topology: as it is wanted, with cells numbered from 0, or, after Fit, on cells of a host.
type Guest struct {
	Cells    []GuestCell `json:"cells"`
	Emulator string      `json:"emulator,omitempty"` // EmulatorIsolate, EmulatorShare
}

// GuestCell is one of a guest's NUMA cells.
type GuestCell struct {
	ID       int    `json:"id"`             // of the guest's cell; after Fit of the host's
	CPUs     CPUSet `json:"cpus"`           // the guest's processors that share the host's
	Pinned   CPUSet `json:"pinned"`         // those with one of their own
	MemoryMB int    `json:"memory_mb"`      // of the guest in this cell
	PageKB   int    `json:"page_kb"`        // 0: nothing is said; PagesSmall, PagesLarge, PagesAny before Fit
	Policy   string `json:"policy"`         // CPU policy
	Threads  string `json:"thread_policy"`  // thread policy
	PerCore  int    `json:"threads"`        // after Fit: processors of the guest on one core; 0 is not known
	Reserved CPUSet `json:"emulator"`       // after Fit: processors of the host for the emulator's threads
	Shared   CPUSet `json:"shared"`         // after Fit: processors of the host that those which share run on
	Pins     Pins   `json:"pins,omitempty"` // after Fit: where each pinned processor is
}

// Pins tells for processors of a guest which one of the host each is pinned to.
type Pins map[int]int

// All are the cell's processors, pinned or not.
func (c GuestCell) All() CPUSet { return c.CPUs.Or(c.Pinned) }

// Guest is the NUMA topology that flavor and image ask for; nil when they ask for none. NUMA nodes, pages of a size and dedicated processors make one.
func (w Wish) Guest() (*Guest, error) {
	p, err := w.policies()
	if err != nil {
		return nil, err
	}
	nodes, err := w.nodes()
	if err != nil {
		return nil, err
	}
	page, err := w.PageKB()
	if err != nil {
		return nil, err
	}
	if nodes == 0 && page == 0 && p.cpu != Dedicated && p.cpu != Mixed {
		return nil, nil
	}
	nodes = max(nodes, 1)
	sets, err := w.nodeCPUs()
	if err != nil {
		return nil, err
	}
	memory, err := w.nodeMemory()
	if err != nil {
		return nil, err
	}
	switch {
	case sets == nil && memory == nil:
		sets, memory, err = w.evenly(nodes)
	case len(sets) != nodes || len(memory) != nodes:
		err = conflict("CPU and memory allocation must be provided for all NUMA nodes")
	default:
		err = w.complete(sets, memory)
	}
	if err != nil {
		return nil, err
	}
	g := &Guest{Emulator: p.emulator}
	for i := range nodes {
		g.Cells = append(g.Cells, GuestCell{
			ID: i, CPUs: sets[i].Without(p.dedicated), Pinned: sets[i].And(p.dedicated), MemoryMB: memory[i], PageKB: page, Policy: p.cpu, Threads: p.thread,
		})
	}
	return g, nil
}

func (w Wish) nodes() (int, error) {
	flavor, image := w.both("numa_nodes")
	if flavor != "" && image != "" {
		return 0, forbidden("hw_numa_nodes")
	}
	if flavor == "" {
		flavor = image
	}
	if flavor == "" {
		return 0, nil
	}
	n, err := strconv.Atoi(strings.TrimSpace(flavor))
	if err != nil || n < 1 || n > mostNodes {
		return 0, conflict("The property 'numa_nodes' cannot be '%s'. It must be a number greater than 0", flavor)
	}
	return n, nil
}

// mostNodes is upstream's NUMA_NODES_MAX.
const mostNodes = 128

func forbidden(name string) error {
	return conflict("Image property '%s' is not permitted to override NUMA configuration set against the flavor", name)
}

// numbered returns the values of key.0, key.1, … until one is missing.
func numbered(from map[string]string, key string) (values []string) {
	for i := range mostNodes {
		value, found := from[fmt.Sprintf("%s.%d", key, i)]
		if !found {
			break
		}
		values = append(values, value)
	}
	return values
}

// perNode returns what flavor or image say for each node.
func (w Wish) perNode(name string) ([]string, error) {
	flavor, image := numbered(w.Flavor.Specs, "hw:"+name), numbered(w.Image.Properties, "hw_"+name)
	if flavor != nil && image != nil {
		return nil, forbidden("hw_" + name)
	}
	if flavor == nil {
		flavor = image
	}
	return flavor, nil
}

func (w Wish) nodeCPUs() (sets []CPUSet, err error) {
	texts, err := w.perNode("numa_cpus")
	for _, text := range texts {
		set, err := ParseCPUSet(text)
		if err != nil {
			return nil, err
		}
		sets = append(sets, set)
	}
	return sets, err
}

func (w Wish) nodeMemory() (memory []int, err error) {
	texts, err := w.perNode("numa_mem")
	for i, text := range texts {
		n, err := number(fmt.Sprintf("numa_mem.%d", i), text)
		if err != nil {
			return nil, err
		}
		memory = append(memory, n)
	}
	return memory, err
}

// evenly gives each node as much as the others.
func (w Wish) evenly(nodes int) (sets []CPUSet, memory []int, err error) {
	if w.Flavor.VCPUs%nodes > 0 || w.Flavor.MemoryMB%nodes > 0 {
		return nil, nil, conflict("Instance CPUs and/or memory cannot be evenly distributed across instance NUMA nodes. Explicit assignment of CPUs and memory to nodes is required")
	}
	for i := range nodes {
		sets = append(sets, Range(i*w.Flavor.VCPUs/nodes, w.Flavor.VCPUs/nodes))
		memory = append(memory, w.Flavor.MemoryMB/nodes)
	}
	return sets, memory, nil
}

// complete refuses an assignment that leaves something out or gives it twice.
func (w Wish) complete(sets []CPUSet, memory []int) error {
	left := Range(0, w.Flavor.VCPUs)
	total := 0
	for i, set := range sets {
		for _, cpu := range set {
			if cpu >= w.Flavor.VCPUs {
				return conflict("CPU number %d is larger than max %d", cpu, w.Flavor.VCPUs-1)
			}
			if !left.Has(cpu) {
				return conflict("CPU number %d is assigned to two nodes", cpu)
			}
			left = left.Without(CPUSet{cpu})
		}
		total += memory[i]
	}
	if len(left) > 0 {
		return conflict("CPU number %s is not assigned to any node", left)
	}
	if total != w.Flavor.MemoryMB {
		return conflict("%d MB of memory assigned, but expected %d MB", total, w.Flavor.MemoryMB)
	}
	return nil
}

// PageKB is the size of memory pages that is wanted in KiB, or PagesSmall, PagesLarge, PagesAny; 0 when nothing is said.
func (w Wish) PageKB() (int, error) {
	flavor, image := w.both("mem_page_size")
	switch {
	case flavor == "" && image == "":
		return 0, nil
	case flavor == "":
		return 0, conflict("Page size %s forbidden against '<empty>'", image)
	}
	size, err := pageSize(flavor)
	switch {
	case err != nil || image == "":
		return size, err
	case size == PagesAny || size == PagesLarge:
		return pageSize(image)
	}
	return 0, conflict("Page size %s forbidden against '%s'", image, flavor)
}

// pageUnits are bytes by unit (oslo_utils.strutils.string_to_bytes, whose k and Ki are the same).
var pageUnits = map[string]int{"": 0, "k": 1, "ki": 1, "m": 2, "mi": 2, "g": 3, "gi": 3, "t": 4, "ti": 4}

func pageSize(text string) (int, error) {
	switch text {
	case "any":
		return PagesAny, nil
	case "large":
		return PagesLarge, nil
	case "small":
		return PagesSmall, nil
	}
	invalid := conflict("Invalid memory page size '%s'", text)
	digits := strings.TrimRight(text, "kKMGTiBbt")
	n, err := strconv.Atoi(digits)
	if err != nil || n <= 0 || n > 1<<40 {
		return 0, invalid
	}
	unit := text[len(digits):]
	if unit == "" {
		return n, nil // KiB
	}
	bits := strings.HasSuffix(unit, "b") || strings.HasSuffix(unit, "bit")
	unit = strings.TrimSuffix(strings.TrimSuffix(strings.TrimSuffix(unit, "bit"), "b"), "B")
	power, ok := pageUnits[strings.ToLower(unit)]
	if !ok {
		return 0, invalid
	}
	for range power {
		n *= 1024
	}
	if bits {
		n /= 8
	}
	if n < 1024 {
		return 0, invalid
	}
	return n / 1024, nil
}
