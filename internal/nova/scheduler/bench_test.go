package scheduler

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"testing"

	"gostack/internal/placement"
)

// BenchmarkSelect is one decision among 1,000 hosts with 30 servers each, default filters and weighers. The budget in
// the architecture is 1,000 decisions a second. Its baseline is sorting the same hosts by one number.
func BenchmarkSelect(b *testing.B) {
	hosts, from := cloud(1000, func(i int, h *Host, p *placement.Provider) {
		use(p, placement.MemoryMB, int64(i*37%60000))
		use(p, placement.VCPU, int64(i%50))
		for n := range 30 {
			h.Servers = append(h.Servers, fmt.Sprint(i, "-", n))
		}
	})
	s := NewSnapshot(DefaultConfig(), hosts, nil, from)
	spec := small("x")
	spec.Flavor.ExtraSpecs = map[string]string{"trait:HW_CPU_X86_AVX2": "required", "hw_rng:allowed": "true"}
	spec.Image.Properties = map[string]string{"hw_architecture": "x86_64"}
	b.Run("decision", func(b *testing.B) {
		for b.Loop() {
			if _, err := Select(s, spec); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "decisions/s")
	})
	b.Run("baseline-sort", func(b *testing.B) {
		for b.Loop() {
			sorted := slices.Clone(s.hosts)
			slices.SortFunc(sorted, func(x, y *host) int { return cmp.Compare(y.freeMemory(), x.freeMemory()) })
		}
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "decisions/s")
	})
}

// BenchmarkNewSnapshot prepares 1,000 hosts for decisions.
func BenchmarkNewSnapshot(b *testing.B) {
	hosts, from := cloud(1000, nil)
	for b.Loop() {
		NewSnapshot(DefaultConfig(), hosts, nil, from)
	}
}

// BenchmarkSelectMany places 100 servers in one decision.
func BenchmarkSelectMany(b *testing.B) {
	hosts, from := cloud(1000, nil)
	s := NewSnapshot(DefaultConfig(), hosts, nil, from)
	var servers []string
	for i := range 100 {
		servers = append(servers, strconv.Itoa(i))
	}
	spec := small(servers...)
	b.ResetTimer()
	for b.Loop() {
		if _, err := Select(s, spec); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(100*b.N)/b.Elapsed().Seconds(), "decisions/s")
}
