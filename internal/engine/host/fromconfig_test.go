package host

import (
	"slices"
	"testing"

	"gostack/internal/config"
)

func TestFromConfig(t *testing.T) {
	c := config.Default()
	o, err := FromConfig(c)
	if err != nil {
		t.Fatal(err)
	}
	if o.ExternalAddress.String() != "172.24.4.1/24" || o.ExternalBridge != "br-ex" || o.PhysicalNetwork != "physnet1" || o.Southbound != "" {
		t.Errorf("defaults: %+v", o)
	}
	c.Neutron.OVNSouthbound = "tcp:10.0.0.1:6642,tcp:10.0.0.2:6642"
	c.Neutron.BridgeMappings = []string{"lan:br-lan", "wan:br-wan"}
	if o, err = FromConfig(c); err != nil || o.ExternalBridge != "br-lan" || !slices.Equal(o.OtherMappings, []string{"wan:br-wan"}) {
		t.Errorf("%+v, %v", o, err)
	}
	for _, e := range New(o).Engines() {
		if e.Package == "ovn-central" {
			t.Errorf("%s runs here although OVN's databases are elsewhere", e.Name)
		}
	}
	c.Neutron.BridgeMappings = []string{"lan"}
	if _, err := FromConfig(c); err == nil {
		t.Error("a mapping without a bridge is taken")
	}
	c = config.Default()
	c.Neutron.ExternalCIDR = "172.24.4.0"
	if _, err := FromConfig(c); err == nil {
		t.Error("an address without a length is taken")
	}
}
