package ovn

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gostack/internal/neutron/driver"
)

func TestBandwidths(t *testing.T) {
	for _, c := range []struct {
		options string
		want    driver.Bandwidths
	}{
		{"", driver.Bandwidths{}},
		{"enable-chassis-as-gw,availability-zones=a:b", driver.Bandwidths{}},
		{
			"enable-chassis-as-gw,resource_provider_bandwidths=br-ex:1000:500; br-x:7:;br-y::9,resource_provider_hypervisors=br-ex:node-1,resource_provider_inventory_defaults=allocation_ratio:1.5;step_size:10",
			driver.Bandwidths{
				Bridges:     map[string]driver.Bandwidth{"br-ex": {Egress: 1000, Ingress: 500}, "br-x": {Egress: 7}, "br-y": {Ingress: 9}},
				Hypervisors: map[string]string{"br-ex": "node-1"}, Defaults: map[string]float64{"allocation_ratio": 1.5, "step_size": 10},
			},
		},
		{"resource_provider_bandwidths=br-ex;:1:2;br-a:x:1;br-b:-1:1;br-c:0:0;br-d:5", driver.Bandwidths{Bridges: map[string]driver.Bandwidth{"br-d": {Egress: 5}}}},
		{"resource_provider_inventory_defaults=reserved:-1;min_unit:many", driver.Bandwidths{}},
	} {
		if diff := cmp.Diff(c.want, bandwidths(strings.Split(c.options, ","))); diff != "" {
			t.Errorf("%q: %s", c.options, diff)
		}
	}
}
