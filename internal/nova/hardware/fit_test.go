package hardware

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// twoCells is a host of two cells, each with two shared and four dedicated processors, two to a core, and 4 GiB of which one is huge pages.
func twoCells() Host {
	cell := func(id, first int) Cell {
		return Cell{
			ID: id, CPUs: Range(first, 2), Dedicated: Range(first+2, 4), MemoryMB: 4096, Siblings: []CPUSet{Range(first, 2), Range(first+2, 2), Range(first+4, 2)},
			Pages: []Pages{{SizeKB: 4, Total: 3 << 18}, {SizeKB: 2048, Total: 512, Reserved: 12}},
		}
	}
	return Host{Cells: []Cell{cell(0, 0), cell(1, 6)}}
}

func show(g *Guest) string {
	if g == nil {
		return "-"
	}
	var cells []string
	for _, c := range g.Cells {
		var pins []string
		for _, cpu := range slices.Sorted(maps.Keys(c.Pins)) {
			pins = append(pins, fmt.Sprintf("%d>%d", cpu, c.Pins[cpu]))
		}
		cells = append(cells, strings.TrimSpace(fmt.Sprintf("%d[%s] %s r%s p%d t%d", c.ID, c.CPUs, strings.Join(pins, " "), c.Reserved, c.PageKB, c.PerCore)))
	}
	return strings.Join(cells, "; ")
}

func TestFit(t *testing.T) {
	for _, c := range []struct {
		name    string
		vcpus   int
		memory  int
		flavor  string
		used    []string // flavors of guests that are there, of 2 processors and 512 MiB
		want    string
		ratios  Ratios
		oneCore bool
	}{
		{name: "nodes", vcpus: 4, memory: 1024, flavor: "hw:numa_nodes=2", want: "0[0-1]  r p0 t0; 1[2-3]  r p0 t0"},
		{name: "more nodes than cells", vcpus: 3, memory: 1023, flavor: "hw:numa_nodes=3", want: "-"},
		{name: "more processors than a cell has", vcpus: 3, memory: 512, flavor: "hw:numa_nodes=1", want: "-"},
		{name: "pinned", vcpus: 2, memory: 512, flavor: "hw:cpu_policy=dedicated", want: "0[] 0>2 1>3 r p0 t2"},
		{name: "pinned beside another", vcpus: 2, memory: 512, flavor: "hw:cpu_policy=dedicated", used: []string{"hw:cpu_policy=dedicated"}, want: "0[] 0>4 1>5 r p0 t2"},
		{name: "the cell is full", vcpus: 2, memory: 512, flavor: "hw:cpu_policy=dedicated", used: []string{"hw:cpu_policy=dedicated", "hw:cpu_policy=dedicated"}, want: "1[] 0>8 1>9 r p0 t2"},
		{name: "the host is full", vcpus: 4, memory: 512, flavor: "hw:cpu_policy=dedicated", used: []string{"hw:cpu_policy=dedicated", "hw:cpu_policy=dedicated", "hw:cpu_policy=dedicated"}, want: "-"},
		{name: "three on two cores", vcpus: 3, memory: 512, flavor: "hw:cpu_policy=dedicated", want: "0[] 0>2 1>3 2>4 r p0 t1"},
		{name: "isolated on cores with threads", vcpus: 2, memory: 512, flavor: "hw:cpu_policy=dedicated hw:cpu_thread_policy=isolate", want: "-"},
		{name: "isolated on cores without", vcpus: 2, memory: 512, flavor: "hw:cpu_policy=dedicated hw:cpu_thread_policy=isolate", want: "0[] 0>2 1>3 r p0 t1", oneCore: true},
		{name: "threads required without any", vcpus: 2, memory: 512, flavor: "hw:cpu_policy=dedicated hw:cpu_thread_policy=require", want: "-", oneCore: true},
		{name: "threads required", vcpus: 2, memory: 512, flavor: "hw:cpu_policy=dedicated hw:cpu_thread_policy=require", want: "0[] 0>2 1>3 r p0 t2"},
		{name: "emulator isolated", vcpus: 2, memory: 512, flavor: "hw:cpu_policy=dedicated hw:emulator_threads_policy=isolate", want: "0[] 0>2 1>3 r4 p0 t2"},
		{name: "no room for the emulator", vcpus: 4, memory: 512, flavor: "hw:cpu_policy=dedicated hw:emulator_threads_policy=isolate", want: "-"},
		{name: "mixed", vcpus: 4, memory: 512, flavor: "hw:cpu_policy=mixed hw:cpu_dedicated_mask=0-1", want: "0[2-3] 0>2 1>3 r p0 t2"},
		{name: "huge pages", vcpus: 1, memory: 1000, flavor: "hw:mem_page_size=large", want: "0[0]  r p2048 t0"},
		{name: "too few of them", vcpus: 1, memory: 1024, flavor: "hw:mem_page_size=large", want: "-"},
		{name: "huge pages that another has", vcpus: 1, memory: 512, flavor: "hw:mem_page_size=2048", used: []string{"hw:mem_page_size=large"}, want: "1[0]  r p2048 t0"},
		{name: "any pages", vcpus: 1, memory: 2048, flavor: "hw:mem_page_size=any", want: "0[0]  r p4 t0"},
		{name: "small pages", vcpus: 1, memory: 512, flavor: "hw:mem_page_size=small", want: "0[0]  r p4 t0"},
		{name: "a size that the host has not", vcpus: 1, memory: 1024, flavor: "hw:mem_page_size=1GB", want: "-"},
		{name: "promised too far", vcpus: 2, memory: 512, flavor: "hw:numa_nodes=1", used: []string{"hw:numa_nodes=1"}, ratios: Ratios{CPU: 1}, want: "1[0-1]  r p0 t0"},
		{name: "promised farther", vcpus: 2, memory: 512, flavor: "hw:numa_nodes=1", used: []string{"hw:numa_nodes=1"}, ratios: Ratios{CPU: 2, RAM: 1}, want: "0[0-1]  r p0 t0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			host := twoCells()
			if c.oneCore {
				for i := range host.Cells {
					host.Cells[i].Siblings = nil
				}
			}
			for _, flavor := range c.used {
				g, err := wish(2, 512, flavor, "").Guest()
				if err != nil {
					t.Fatal(err)
				}
				placed := Fit(host, g, Ratios{})
				if placed == nil {
					t.Fatalf("what is there does not fit: %s", flavor)
				}
				host = host.Using(placed)
			}
			g, err := wish(c.vcpus, c.memory, c.flavor, "").Guest()
			if err != nil {
				t.Fatal(err)
			}
			if got := show(Fit(host, g, c.ratios)); got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
}

// Whatever guests come, no processor of the host is pinned twice, each pinned one of a guest has one, and no cell's pages are given twice.
func TestFitNeverGivesTwice(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		host, pinned, pages := twoCells(), map[int]bool{}, map[int]int{}
		for range rapid.IntRange(1, 12).Draw(t, "guests") {
			n := rapid.IntRange(1, 6).Draw(t, "vcpus")
			flavor := rapid.SampledFrom([]string{
				"hw:cpu_policy=dedicated", "hw:cpu_policy=dedicated hw:numa_nodes=2", "hw:cpu_policy=dedicated hw:cpu_thread_policy=require",
				"hw:cpu_policy=dedicated hw:emulator_threads_policy=isolate", "hw:mem_page_size=large", "hw:cpu_policy=dedicated hw:mem_page_size=any", "hw:numa_nodes=1",
			}).Draw(t, "flavor")
			g, err := wish(n, 256, flavor, "").Guest()
			if err != nil {
				continue
			}
			placed := Fit(host, g, Ratios{})
			if placed == nil {
				continue
			}
			for _, cell := range placed.Cells {
				if len(cell.Pins) != len(cell.Pinned) {
					t.Fatalf("%d of %d pinned", len(cell.Pins), len(cell.Pinned))
				}
				all := slices.Concat(slices.Collect(maps.Values(cell.Pins)), cell.Reserved)
				for _, cpu := range all {
					if pinned[cpu] || !host.Cells[cell.ID].Dedicated.Has(cpu) {
						t.Fatalf("processor %d given twice, or no dedicated one of cell %d", cpu, cell.ID)
					}
					pinned[cpu] = true
				}
				if cell.PageKB == 2048 {
					if pages[cell.ID] += cell.MemoryMB / 2; pages[cell.ID] > 500 {
						t.Fatalf("%d pages of cell %d", pages[cell.ID], cell.ID)
					}
				}
			}
			host = host.Using(placed)
		}
	})
}
