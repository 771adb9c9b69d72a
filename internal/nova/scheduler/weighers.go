package scheduler

import "strconv"

// A weigher gives hosts raw weights, which are scaled to 0…1 over all hosts that are left, times its multiplier.
type weigher struct {
	name    string
	setting string              // key of the multiplier in the metadata of aggregates
	active  func(q *query) bool // nil is always
	weigh   func(q *query, h *host) float64
}

var weighers = []weigher{
	{name: "RAMWeigher", setting: "ram_weight_multiplier", weigh: func(_ *query, h *host) float64 { return float64(h.freeMemory()) }},
	{name: "CPUWeigher", setting: "cpu_weight_multiplier", weigh: func(_ *query, h *host) float64 {
		return float64(h.vcpu.Total)*h.vcpu.AllocationRatio - float64(h.vcpu.Used)
	}},
	{name: "DiskWeigher", setting: "disk_weight_multiplier", weigh: func(_ *query, h *host) float64 { return float64(h.freeDisk()) }},
	{name: "IoOpsWeigher", setting: "io_ops_weight_multiplier", weigh: func(_ *query, h *host) float64 { return float64(h.ioOps) }},
	{name: "PCIWeigher", setting: "pci_weight_multiplier", weigh: weighPCI},
	{
		name: "ServerGroupSoftAffinityWeigher", setting: "soft_affinity_weight_multiplier", active: groupIs("soft-affinity"),
		weigh: func(q *query, h *host) float64 { return float64(q.inGroup[h]) },
	},
	{
		name: "ServerGroupSoftAntiAffinityWeigher", setting: "soft_anti_affinity_weight_multiplier", active: groupIs("soft-anti-affinity"),
		weigh: func(q *query, h *host) float64 { return float64(-q.inGroup[h]) },
	},
	{
		name: "BuildFailureWeigher", setting: "build_failure_weight_multiplier", active: anyFailedBuilds,
		weigh: func(_ *query, h *host) float64 { return -float64(h.FailedBuilds) },
	},
	{name: "MetricsWeigher", setting: "metrics_weight_multiplier", active: hasMetrics, weigh: weighMetrics},
	{
		name: "HypervisorVersionWeigher", setting: "hypervisor_version_weight_multiplier",
		weigh: func(_ *query, h *host) float64 { return float64(h.HypervisorVersion) },
	},
	{
		name: "NumInstancesWeigher", setting: "num_instances_weight_multiplier",
		weigh: func(_ *query, h *host) float64 { return float64(h.servers) },
	},
	{name: "ImagePropertiesWeigher", setting: "image_props_weight_multiplier", weigh: weighImageProperties},
}

// WeigherNames lists all weighers that a configuration may name.
func WeigherNames() []string {
	names := make([]string, len(weighers))
	for i, w := range weighers {
		names[i] = w.name
	}
	return names
}

func anyFailedBuilds(q *query) bool {
	for _, h := range q.hosts {
		if h.FailedBuilds > 0 {
			return true
		}
	}
	return false
}

func hasMetrics(q *query) bool { return len(q.config.MetricRatios) > 0 }

func weighMetrics(q *query, h *host) float64 {
	sum := 0.0
	for name, ratio := range q.config.MetricRatios {
		value, found := h.Metrics[name]
		if !found {
			return q.config.MetricMissing
		}
		sum += value * ratio
	}
	return sum
}

// weighPCI prefers hosts with more devices for servers that ask for some, and hosts with fewer for the others.
func weighPCI(q *query, h *host) float64 {
	count := len(h.freePCI())
	if len(q.spec.PCI) > 0 {
		return float64(count)
	}
	return -float64(count)
}

// weighImageProperties counts servers on the host with the same values of image properties.
func weighImageProperties(q *query, h *host) float64 {
	sum := 0.0
	for key, value := range q.spec.Image.Properties {
		ratio := 1.0
		if q.config.ImagePropertyRatios != nil {
			ratio = q.config.ImagePropertyRatios[key]
		}
		sum += ratio * float64(h.ImageProperties[key][value])
	}
	return sum
}

// weigh returns the sum of all weighers for each host.
func (q *query) weigh(hosts []*host) []float64 {
	sums := make([]float64, len(hosts))
	raw := make([]float64, len(hosts))
	for i := range weighers {
		w := &weighers[i]
		multiplier := q.config.Multipliers[w.name]
		if multiplier == 0 && !q.tuned[w.setting] || w.active != nil && !w.active(q) {
			continue
		}
		for i, h := range hosts {
			raw[i] = w.weigh(q, h)
		}
		scale(raw)
		for i, h := range hosts {
			sums[i] += raw[i] * h.multiplier(w.setting, multiplier)
		}
	}
	return sums
}

// scale brings weights to 0…1; equal ones all to 0.
func scale(weights []float64) {
	if len(weights) == 0 {
		return
	}
	lowest, highest := weights[0], weights[0]
	for _, w := range weights {
		lowest, highest = min(lowest, w), max(highest, w)
	}
	for i := range weights {
		if highest == lowest {
			weights[i] = 0
		} else {
			weights[i] = (weights[i] - lowest) / (highest - lowest)
		}
	}
}

// multiplier is the lowest that the host's aggregates set, or the configured one.
func (h *host) multiplier(setting string, configured float64) float64 {
	if h.metadata == nil {
		return configured
	}
	lowest, found := configured, false
	for _, text := range h.metadata[setting] {
		if value, err := strconv.ParseFloat(text, 64); err == nil && (!found || value < lowest) {
			lowest, found = value, true
		}
	}
	return lowest
}
