package hardware

import "slices"

// CPUTopology is how a guest's processors are arranged.
type CPUTopology struct {
	Sockets int `json:"sockets"`
	Cores   int `json:"cores"`
	Threads int `json:"threads"`
}

// noLimit is upstream's limit of each part where nobody sets one.
const noLimit = 65536

// parts reads three numbers of flavor and image, named by the end of their keys.
func (w Wish) parts(prefix string) (flavor, image CPUTopology, err error) {
	for _, part := range []struct {
		name          string
		flavor, image *int
	}{{"sockets", &flavor.Sockets, &image.Sockets}, {"cores", &flavor.Cores, &image.Cores}, {"threads", &flavor.Threads, &image.Threads}} {
		f, i := w.both(prefix + part.name)
		if *part.flavor, err = number("hw:"+prefix+part.name, f); err != nil {
			return flavor, image, err
		}
		if *part.image, err = number("hw_"+prefix+part.name, i); err != nil {
			return flavor, image, err
		}
	}
	return flavor, image, nil
}

func (t CPUTopology) beyond(limit CPUTopology) bool {
	return limit.Sockets > 0 && t.Sockets > limit.Sockets || limit.Cores > 0 && t.Cores > limit.Cores || limit.Threads > 0 && t.Threads > limit.Threads
}

func first(values ...int) int {
	for _, v := range values {
		if v > 0 {
			return v
		}
	}
	return 0
}

// arrangement is what is wanted of a guest's processors, and what they may be at most.
func (w Wish) arrangement() (want, most CPUTopology, err error) {
	flavorMost, imageMost, err := w.parts("cpu_max_")
	if err != nil {
		return want, most, err
	}
	if imageMost.beyond(flavorMost) {
		return want, most, conflict("Image vCPU topology limits (sockets=%d, cores=%d, threads=%d) exceeds the limits of the flavor (sockets=%d, cores=%d, threads=%d)",
			imageMost.Sockets, imageMost.Cores, imageMost.Threads, flavorMost.Sockets, flavorMost.Cores, flavorMost.Threads)
	}
	most = CPUTopology{
		first(imageMost.Sockets, flavorMost.Sockets, noLimit), first(imageMost.Cores, flavorMost.Cores, noLimit), first(imageMost.Threads, flavorMost.Threads, noLimit),
	}
	flavor, image, err := w.parts("cpu_")
	if err != nil {
		return want, most, err
	}
	if flavor.beyond(most) {
		flavor = CPUTopology{}
	}
	if image.beyond(most) {
		return want, most, conflict("Image vCPU topology (sockets=%d, cores=%d, threads=%d) exceeds the limits of the flavor or image (sockets=%d, cores=%d, threads=%d)",
			image.Sockets, image.Cores, image.Threads, most.Sockets, most.Cores, most.Threads)
	}
	if image != (CPUTopology{}) {
		return image, most, nil
	}
	return flavor, most, nil
}

// CPUTopology is the arrangement that comes nearest to what is wanted. Threads are how many processors of the guest share a core where it is
// pinned; 0 is not known.
func (w Wish) CPUTopology(threads int) (CPUTopology, error) {
	want, most, err := w.arrangement()
	if err != nil {
		return CPUTopology{}, err
	}
	n := w.Flavor.VCPUs
	limit := CPUTopology{min(n, most.Sockets), min(n, most.Cores), min(n, most.Threads)}
	var possible []CPUTopology
	for s := 1; s <= limit.Sockets; s++ {
		if n%s != 0 {
			continue
		}
		for c := 1; c <= min(limit.Cores, n/s); c++ {
			if t := n / s / c; n == s*c*t && t <= limit.Threads {
				possible = append(possible, CPUTopology{s, c, t})
			}
		}
	}
	if len(possible) == 0 {
		return CPUTopology{}, conflict("Requested vCPU limits %d:%d:%d are impossible to satisfy for vcpus count %d", limit.Sockets, limit.Cores, limit.Threads, n)
	}
	// As few threads as can be, sockets rather than cores.
	slices.SortStableFunc(possible, func(a, b CPUTopology) int {
		if d := b.Sockets*b.Cores - a.Sockets*a.Cores; d != 0 {
			return d
		}
		return b.Sockets - a.Sockets
	})
	if threads > 0 {
		if want.Threads > 0 {
			threads = min(threads, want.Threads)
		}
		possible = withThreads(possible, threads)
	}
	best := possible[0]
	for _, t := range possible {
		if t.score(want) > best.score(want) {
			best = t
		}
	}
	return best, nil
}

// withThreads keeps the arrangements with the most threads that are not more than wanted.
func withThreads(possible []CPUTopology, threads int) []CPUTopology {
	most := 0
	for _, t := range possible {
		if t.Threads <= threads {
			most = max(most, t.Threads)
		}
	}
	kept := slices.DeleteFunc(slices.Clone(possible), func(t CPUTopology) bool { return t.Threads != most })
	if len(kept) == 0 {
		return possible
	}
	return kept
}

func (t CPUTopology) score(want CPUTopology) (n int) {
	for _, same := range []bool{want.Sockets > 0 && want.Sockets == t.Sockets, want.Cores > 0 && want.Cores == t.Cores, want.Threads > 0 && want.Threads == t.Threads} {
		if same {
			n++
		}
	}
	return n
}
