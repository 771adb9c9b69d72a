package api_test

import (
	"testing"

	"gostack/internal/neutron/driver"
	"gostack/internal/neutron/neutrontest"
)

// TestWhatSubnetsTellGuests: the way to the metadata port, wherever it is moved to (LP#1942794), and no domain: the default one means none, and a
// network's own is for those who publish its names (LP#1826419).
func TestWhatSubnetsTellGuests(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		m := c.as(t, "member")
		net := m.Post(v2+"/networks", `{"network": {"dns_domain": "starwars."}}`).Want(201).Text("network.id")
		subnet := m.Post(v2+"/subnets", `{"subnet": {"network_id": "`+net+`", "ip_version": 4, "cidr": "10.0.0.0/24"}}`).Want(201).Text("subnet.id")
		told := func() driver.SubnetSpec {
			t.Helper()
			spec, ok := neutrontest.Spec[driver.SubnetSpec](c.engine, "subnet", subnet)
			if !ok {
				t.Fatal("the engine has no subnet")
			}
			return spec
		}
		if s := told(); s.DNSDomain != "" || s.MetadataIP.String() != "10.0.0.2" {
			t.Errorf("guests are told %q and %v", s.DNSDomain, s.MetadataIP)
		}
		port := m.Get(v2 + "/ports?device_owner=network%3Adistributed&network_id=" + net).Want(200).Text("ports.0.id")
		m.Put(v2+"/ports/"+port, `{"port": {"fixed_ips": [{"subnet_id": "`+subnet+`", "ip_address": "10.0.0.77"}]}}`).Want(200)
		if s := told(); s.MetadataIP.String() != "10.0.0.77" {
			t.Errorf("guests are told %v", s.MetadataIP)
		}
		// The first address of an IPv6 subnet may be its gateway.
		six := m.Post(v2+"/subnets", `{"subnet": {"network_id": "`+net+`", "ip_version": 6, "cidr": "2001:db8::/64", "gateway_ip": "2001:db8::"}}`).Want(201).Text("subnet.id")
		router := m.Post(v2+"/routers", `{"router": {}}`).Want(201).Text("router.id")
		m.Put(v2+"/routers/"+router+"/add_router_interface", `{"subnet_id": "`+six+`"}`).Want(200)
		c.clean(t)
	})
}
