package api_test

import (
	"fmt"
	"net/netip"
	"testing"

	"gostack/internal/neutron/db"
	"gostack/internal/neutron/driver"
	"gostack/internal/store/storetest"
)

// Agents and counted addresses are sorted and paged as everything else is, and answer within their budgets.
func TestListsThatAreNoTables(t *testing.T) {
	c := newCloud(t, storetest.SQLite(t, db.Migrations))
	for i := range 3 {
		name := fmt.Sprintf("h%d", i+1)
		c.engine.Hosts = append(c.engine.Hosts, driver.Chassis{
			Name: "chassis-" + name, Host: name, Alive: true, Gateway: i == 0, Bridges: map[string]string{"b": "br-b", "a": "br-a"},
			Encaps: []driver.Encap{{Type: "vxlan", IP: netip.MustParseAddr("192.0.2.1")}, {Type: "geneve", IP: netip.MustParseAddr("192.0.2.1")}},
		})
	}
	a := c.as(t, "admin")
	a.Get(v2+"/agents?host=h2").Want(200).Has("agents.0.configurations.tunneling_ip", "192.0.2.1").Has("agents.0.configurations.tunnel_types", "[geneve vxlan]").
		Has("agents.0.configurations.bridge-mappings", "a:br-a,b:br-b")
	a.Get(v2+"/agents?sort_key=host&sort_dir=desc&host=h1&host=h2&host=h3").Want(200).Has("agents.0.host", "h3").Has("agents.2.host", "h1")
	first := a.Get(v2+"/agents?host=h1&host=h2&host=h3&limit=2&fields=id&fields=host").Want(200).Has("agents.0.host", "h1").Has("agents.0.alive", "<nil>").
		Has("agents_links.0.rel", "next")
	if n := first.Len("agents"); n != 2 {
		t.Errorf("%d agents on a page of two", n)
	}
	a.Get(v2+"/agents?host=h1&host=h2&host=h3&limit=2&marker="+first.Text("agents.1.id")).Want(200).Has("agents.0.host", "h3")
	a.Get(v2+"/agents?host=h1&host=h2&host=h3&limit=1&page_reverse=True&marker="+first.Text("agents.1.id")).Want(200).Has("agents.0.host", "h1")
	a.Get(v2+"/agents?limit=2&marker=unheard-of").Want(200).Has("agents", "[]")
	a.Get(v2 + "/agents?sort_key=configurations").Want(400)
	a.Get(v2 + "/agents?sort_key=host&sort_dir=sideways").Want(400)
	a.Get(v2 + "/agents?limit=-1").Want(400)
	for name, cidr := range map[string]string{"small": "10.0.0.0/28", "large": "10.0.1.0/24", "huge": "fd00::/64"} {
		net := a.Post(v2+"/networks", `{"network": {"name": "`+name+`"}}`).Want(201).Text("network.id")
		a.Post(v2+"/subnets", fmt.Sprintf(`{"subnet": {"network_id": "%s", "ip_version": %d, "cidr": "%s"}}`, net, map[bool]int{true: 6, false: 4}[name == "huge"], cidr)).Want(201)
	}
	list := a.Get(v2+"/network-ip-availabilities?sort_key=total_ips&sort_dir=desc").Want(200).Has("network_ip_availabilities.0.network_name", "huge").
		Has("network_ip_availabilities.1.network_name", "large").Has("network_ip_availabilities.2.network_name", "small")
	a.Get(v2+"/network-ip-availabilities?sort_key=total_ips&sort_dir=desc&limit=1&marker="+list.Text("network_ip_availabilities.1.network_id")).
		Want(200).Has("network_ip_availabilities.0.network_name", "small")

	// Budgets of what came with several gateways and metering.
	ext, _ := external(a)
	router := c.budget(t, 12, "POST", "/routers", `{"router": {"external_gateway_info": {"network_id": "`+ext+`"}}}`).Text("router.id")
	c.budget(t, 2, "GET", "/routers/"+router, nil)
	c.budget(t, 3, "GET", "/routers", nil)
	c.budget(t, 3, "GET", "/metering/metering-labels", nil)
	c.budget(t, 3, "GET", "/metering/metering-label-rules", nil)
	c.budget(t, 3, "GET", "/availability-zones", nil)
	c.budget(t, 16, "PUT", "/routers/"+router+"/add_external_gateways", `{"router": {"external_gateways": [{"network_id": "`+ext+`"}]}}`)
	c.budget(t, 16, "PUT", "/routers/"+router+"/remove_external_gateways", `{"router": {"external_gateways": []}}`)
}
