package ovn

import (
	"strconv"
	"strings"

	"gostack/internal/neutron/driver"
)

// bandwidths reads what a host says of its bridges in ovn-cms-options, in upstream's words
// (neutron, admin/config-qos-min-bw and ovn_driver's placement extension):
//
//	resource_provider_bandwidths=br-ex:1000000:500000;br-x:2000000:
//	resource_provider_inventory_defaults=allocation_ratio:1.5;step_size:1000
//	resource_provider_hypervisors=br-ex:node-1
//
// What cannot be read is as if it were not there.
func bandwidths(options []string) (b driver.Bandwidths) {
	for _, o := range options {
		name, list, _ := strings.Cut(o, "=")
		for item := range strings.SplitSeq(list, ";") {
			key, value, ok := strings.Cut(strings.TrimSpace(item), ":")
			if !ok || key == "" {
				continue
			}
			switch name {
			case "resource_provider_bandwidths":
				if width, ok := bandwidth(value); ok {
					b.Bridges = with(b.Bridges, key, width)
				}
			case "resource_provider_hypervisors":
				b.Hypervisors = with(b.Hypervisors, key, value)
			case "resource_provider_inventory_defaults":
				if n, err := strconv.ParseFloat(value, 64); err == nil && n >= 0 {
					b.Defaults = with(b.Defaults, key, n)
				}
			}
		}
	}
	return b
}

// bandwidth reads "egress:ingress", of which one may be missing.
func bandwidth(s string) (b driver.Bandwidth, ok bool) {
	egress, ingress, _ := strings.Cut(s, ":")
	for into, text := range map[*int64]string{&b.Egress: egress, &b.Ingress: ingress} {
		if text == "" {
			continue
		}
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil || n < 0 {
			return driver.Bandwidth{}, false
		}
		*into = n
	}
	return b, b != driver.Bandwidth{}
}

func with[V any](m map[string]V, key string, value V) map[string]V {
	if m == nil {
		m = map[string]V{}
	}
	m[key] = value
	return m
}
