package scheduler

import (
	"testing"

	"gostack/internal/placement"
)

// What placement is asked for follows the processors' policy.
func TestProcessorsInTheRequest(t *testing.T) {
	for _, c := range []struct {
		specs, image map[string]string
		vcpu, pcpu   int64
	}{
		{nil, nil, 4, 0},
		{map[string]string{"hw:cpu_policy": "dedicated"}, nil, 0, 4},
		{nil, map[string]string{"hw_cpu_policy": "dedicated"}, 0, 4},
		{map[string]string{"hw:cpu_policy": "mixed", "hw:cpu_dedicated_mask": "0"}, nil, 3, 1},
		{map[string]string{"hw:cpu_policy": "dedicated", "hw:emulator_threads_policy": "isolate"}, nil, 0, 5},
		{map[string]string{"hw:cpu_policy": "dedicated", "hw:emulator_threads_policy": "share"}, nil, 0, 4},
		{map[string]string{"resources:PCPU": "4"}, nil, 0, 4},
		{map[string]string{"resources:VCPU": "2"}, nil, 2, 0},
		{map[string]string{"hw:cpu_policy": "shared"}, map[string]string{"hw_cpu_policy": "dedicated"}, 4, 0}, // refused before it comes here
	} {
		spec := &Spec{Flavor: Flavor{VCPUs: 4, MemoryMB: 64, ExtraSpecs: c.specs}, Image: Image{Properties: c.image}}
		config := DefaultConfig()
		got := candidateRequest(spec, &config).Groups[0].Resources
		if got[placement.VCPU] != c.vcpu || got[placement.PCPU] != c.pcpu {
			t.Errorf("%v %v: %v", c.specs, c.image, got)
		}
	}
}
