package scheduler

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// A filter refuses hosts. One that has nothing to say about a request is not asked at all.
type filter struct {
	name   string
	active func(q *query) bool // nil is always
	pass   func(q *query, h *host) bool

	// always is for filters that a forced host has to pass too: the claim verifies them.
	always bool
}

// filters are all that Config.Filters may name.
var filters = []filter{
	{name: "ComputeFilter", pass: func(_ *query, h *host) bool { return h.Up && !h.Disabled }},
	{name: "ComputeCapabilitiesFilter", active: func(q *query) bool { return len(q.capabilities) > 0 }, pass: passCapabilities},
	{name: "ImagePropertiesFilter", active: asksForGuest, pass: passImageProperties},
	{name: "ServerGroupAntiAffinityFilter", active: groupIs("anti-affinity"), always: true, pass: passAntiAffinity},
	{name: "ServerGroupAffinityFilter", active: groupIs("affinity"), always: true, pass: passAffinity},
	{name: "DifferentHostFilter", active: hasHint("different_host"), pass: func(q *query, h *host) bool { return !q.hostsOf("different_host")[h] }},
	{name: "SameHostFilter", active: hasHint("same_host"), pass: func(q *query, h *host) bool { return q.hostsOf("same_host")[h] }},
	{name: "SimpleCIDRAffinityFilter", active: hasHint("build_near_host_ip"), pass: passCIDR},
	{name: "JsonFilter", active: hasHint("query"), pass: passJSON},
	{name: "NumInstancesFilter", pass: func(q *query, h *host) bool {
		return h.servers < h.lowest("max_instances_per_host", q.config.MaxServersPerHost)
	}},
	{name: "IoOpsFilter", pass: func(q *query, h *host) bool {
		return h.ioOps < h.lowest("max_io_ops_per_host", q.config.MaxIOOpsPerHost)
	}},
	{name: "IsolatedHostsFilter", active: func(q *query) bool { return len(q.config.IsolatedHosts) > 0 }, pass: passIsolatedHosts},
	{name: "AggregateInstanceExtraSpecsFilter", active: hasExtraSpecs, pass: passAggregateExtraSpecs},
	{name: "AggregateMultiTenancyIsolation", active: func(q *query) bool { return q.keys[tenantKey] }, pass: passTenants},
	{name: "AggregateImagePropertiesIsolation", pass: passAggregateImage},
	{name: "AggregateTypeAffinityFilter", active: func(q *query) bool { return q.keys["instance_type"] }, pass: passAggregateType},
	{name: "MetricsFilter", active: hasMetrics, pass: passMetrics},
	{name: numaFilter, active: func(q *query) bool { return q.spec.NUMA != nil }, always: true, pass: passNUMA},
	{name: pciFilter, active: func(q *query) bool { return len(q.spec.PCI) > 0 }, always: true, pass: passPCI},
	{name: "AllHostsFilter", active: func(*query) bool { return false }},
}

// FilterNames lists all filters that a configuration may name.
func FilterNames() []string {
	names := make([]string, len(filters))
	for i, f := range filters {
		names[i] = f.name
	}
	return names
}

// activeFilters returns the filters of the configuration that have a say in this request.
func activeFilters(q *query) ([]filter, error) {
	var active []filter
	names := q.config.Filters
	for _, must := range []string{pciFilter, numaFilter} { // the claim needs a place, so there is no leaving it out
		if !slices.Contains(names, must) {
			names = append(slices.Clone(names), must)
		}
	}
	for _, name := range names {
		i := slices.IndexFunc(filters, func(f filter) bool { return f.name == name })
		if i < 0 {
			return nil, fmt.Errorf("there is no scheduler filter %q", name)
		}
		if filters[i].active == nil || filters[i].active(q) {
			active = append(active, filters[i])
		}
	}
	return active, nil
}

func hasExtraSpecs(q *query) bool { return len(q.spec.Flavor.ExtraSpecs) > 0 }

func hasHint(name string) func(*query) bool {
	return func(q *query) bool { return len(q.spec.Hints[name]) > 0 }
}

func (q *query) hint(name, absent string) string {
	if values := q.spec.Hints[name]; len(values) > 0 {
		return values[0]
	}
	return absent
}

// hostsOf returns the hosts of the servers that a hint names.
func (q *query) hostsOf(hint string) map[*host]bool {
	if q.hinted == nil {
		q.hinted = map[string]map[*host]bool{}
	}
	if q.hinted[hint] == nil {
		q.hinted[hint] = map[*host]bool{}
		for _, server := range q.spec.Hints[hint] {
			q.hinted[hint][q.hostOf(server)] = true
		}
	}
	return q.hinted[hint]
}

func groupIs(policy string) func(*query) bool {
	return func(q *query) bool { return q.spec.Group != nil && q.spec.Group.Policy == policy }
}

func passAntiAffinity(q *query, h *host) bool {
	return q.inGroup[h] < cmp.Or(q.spec.Group.MaxPerHost, 1)
}

func passAffinity(q *query, h *host) bool { return len(q.inGroup) == 0 || q.inGroup[h] > 0 }

func passCIDR(q *query, h *host) bool {
	address, err := netip.ParseAddr(h.Address)
	if err != nil {
		return false
	}
	near, err := netip.ParsePrefix(q.hint("build_near_host_ip", "") + "/" + strings.TrimPrefix(q.hint("cidr", "/24"), "/"))
	return err == nil && near.Contains(address)
}

// lowest returns the lowest number that the host's aggregates give for a key, or the configured one.
func (h *host) lowest(key string, configured int) int {
	lowest, found := 0, false
	for _, text := range h.metadata[key] {
		if n, err := strconv.Atoi(text); err == nil && (!found || n < lowest) {
			lowest, found = n, true
		}
	}
	if !found {
		return configured
	}
	return lowest
}

func passIsolatedHosts(q *query, h *host) bool {
	image, isolated := slices.Contains(q.config.IsolatedImages, q.spec.Image.ID), slices.Contains(q.config.IsolatedHosts, h.Name)
	if q.config.OnlyIsolated {
		return image == isolated
	}
	return !image || isolated
}

// passMetrics takes hosts that report every metric that is weighed.
func passMetrics(q *query, h *host) bool {
	for name := range q.config.MetricRatios {
		if _, found := h.Metrics[name]; !found {
			return false
		}
	}
	return true
}
