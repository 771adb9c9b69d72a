package api_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gostack/internal/neutron/db"
	"gostack/internal/neutron/driver"
	"gostack/internal/neutron/neutrontest"
	"gostack/internal/store/storetest"
)

// A router with several gateways: they are added, found again by network and addresses, changed, and taken away, the first one last; and the
// engine gets a default route through the others only with ECMP.
func TestSeveralGateways(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		admin, m := c.as(t, "admin"), c.as(t, "member")
		ext, _ := external(admin)
		second := admin.Post(v2+"/networks", `{"network": {"name": "second", "router:external": true, "provider:network_type": "vlan", "provider:physical_network": "physnet1"}}`).
			Want(201).Text("network.id")
		secondSubnet := admin.Post(v2+"/subnets", `{"subnet": {"network_id": "`+second+`", "ip_version": 4, "cidr": "192.0.2.0/24"}}`).Want(201).Text("subnet.id")
		net, subnet := network(m, "n", "10.0.0.0/24")
		router := m.Post(v2+"/routers", `{"router": {"name": "r"}}`).Want(201).Has("router.external_gateways", "[]").
			Has("router.enable_default_route_ecmp", false).Has("router.enable_default_route_bfd", false).Text("router.id")
		path := v2 + "/routers/" + router
		m.Put(path+"/add_router_interface", `{"subnet_id": "`+subnet+`"}`).Want(200)
		gateways := func(list string) string { return `{"router": {"external_gateways": [` + list + `]}}` }
		on := func(network string, ips ...string) string {
			doc := map[string]any{"network_id": network}
			var fixed []map[string]string
			for _, ip := range ips {
				fixed = append(fixed, map[string]string{"ip_address": ip})
			}
			if fixed != nil {
				doc["external_fixed_ips"] = fixed
			}
			text, _ := json.Marshal(doc)
			return string(text)
		}
		spec := func() driver.RouterSpec {
			s, _ := neutrontest.Spec[driver.RouterSpec](c.engine, "router", router)
			return s
		}

		m.Put(path+"/remove_external_gateways", gateways(on(ext))).Want(400).Has("NeutronError.type", "UnableToRemoveGateways")
		m.Put(path+"/add_external_gateways", gateways(on(ext, "172.24.4.9"))).Want(403) // addresses are the administrator's choice
		m.Put(path+"/add_external_gateways", `{"router": {"external_gateways": [{"enable_snat": true}]}}`).Want(400)
		m.Put(path+"/add_external_gateways", `{"router": {"external_gateways": {"network_id": "`+ext+`"}}}`).Want(400)
		m.Put(path+"/add_external_gateways", gateways(on(net))).Want(400).Has("NeutronError.type", "BadRequest")
		c.as(t, "other").Put(path+"/add_external_gateways", gateways(on(ext))).Want(404)
		m.Put(path, gateways(on(ext))).Want(400) // only by its own actions
		admin.Put(path+"/add_external_gateways", gateways(on(ext, "172.24.4.9")+","+on(second, "192.0.2.9"))).Want(200).
			Has("router.external_gateway_info.network_id", ext).Has("router.external_gateways.0.external_fixed_ips.0.ip_address", "172.24.4.9").
			Has("router.external_gateways.1.network_id", second).Has("router.external_gateways.1.external_fixed_ips.0.ip_address", "192.0.2.9").
			Has("router.external_gateways.1.external_fixed_ips.0.subnet_id", secondSubnet)
		if s := spec(); s.Gateway == nil || len(s.Gateway.NextHops) != 1 || len(s.MoreGateways) != 1 || len(s.MoreGateways[0].NextHops) != 0 || s.WatchNextHops {
			t.Errorf("without ECMP the engine has %+v", s)
		}
		m.Put(path, `{"router": {"enable_default_route_ecmp": true}}`).Want(403)
		admin.Put(path, `{"router": {"enable_default_route_ecmp": true, "enable_default_route_bfd": true}}`).Want(200).
			Has("router.enable_default_route_ecmp", true).Has("router.enable_default_route_bfd", true)
		if s := spec(); len(s.MoreGateways) != 1 || len(s.MoreGateways[0].NextHops) != 1 || !s.WatchNextHops {
			t.Errorf("with ECMP the engine has %+v", s)
		}
		m.Put(path+"/add_external_gateways", gateways(on(ext))).Want(200) // a second one on the same network
		if got := m.Get(path).Want(200).Len("router.external_gateways"); got != 3 {
			t.Errorf("%d gateways", got)
		}
		m.Put(path+"/remove_external_gateways", gateways(on(ext))).Want(400).Has("NeutronError.type", "UnableToMatchGateways")

		// A floating IP holds the last gateway to its network, wherever that is in the list.
		port := m.Post(v2+"/ports", `{"port": {"network_id": "`+net+`"}}`).Want(201).Text("port.id")
		fip := m.Post(v2+"/floatingips", `{"floatingip": {"floating_network_id": "`+second+`", "port_id": "`+port+`"}}`).Want(201).
			Has("floatingip.router_id", router).Text("floatingip.id")
		if s := spec(); len(s.FloatingIPs) != 1 || s.FloatingIPs[0].NetworkID != second {
			t.Errorf("the floating IP is %+v", s.FloatingIPs)
		}
		m.Put(path+"/remove_external_gateways", gateways(on(second))).Want(409).Has("NeutronError.type", "RouterExternalGatewayInUseByFloatingIp")
		m.Delete(v2 + "/floatingips/" + fip).Want(204)

		// The list of an update is what there is afterwards, its first gateway the router's first.
		admin.Put(path+"/update_external_gateways", gateways(on(second, "192.0.2.10")+","+on(ext, "172.24.4.9"))).Want(200).
			Has("router.external_gateway_info.external_fixed_ips.0.ip_address", "192.0.2.10")
		admin.Put(path+"/update_external_gateways", gateways(on(second, "192.0.2.10", "192.0.2.9")+","+on(ext, "172.24.4.9"))).Want(200).
			Has("router.external_gateway_info.network_id", second).Has("router.external_gateways.1.external_fixed_ips.0.ip_address", "172.24.4.9")
		if got := m.Get(path).Want(200).Len("router.external_gateways"); got != 2 {
			t.Errorf("%d gateways after the update", got)
		}
		// Without the first one the next takes its place; without any, the router has no way out.
		m.Put(path+"/remove_external_gateways", gateways(on(second))).Want(200).Has("router.external_gateway_info.network_id", ext)
		if got := admin.Get(v2 + "/ports?network_id=" + second + "&device_owner=network:router_gateway").Want(200).Len("ports"); got != 0 {
			t.Errorf("%d ports are left on the second network", got)
		}
		m.Put(path+"/add_external_gateways", gateways(on(second))).Want(200)
		m.Put(path, `{"router": {"external_gateway_info": {}}}`).Want(200).Has("router.external_gateway_info.network_id", second)
		admin.Put(path, `{"router": {"external_gateway_info": {"network_id": "`+second+`", "enable_snat": false}}}`).Want(200).Has("router.enable_snat", false)
		if s := spec(); s.Gateway == nil || s.Gateway.EnableSNAT {
			t.Errorf("without SNAT the engine has %+v", s.Gateway)
		}
		admin.Put(path, `{"router": {"enable_snat": true}}`).Want(400) // only with the gateway
		m.Put(path+"/update_external_gateways", gateways("")).Want(200).Has("router.enable_snat", true).Has("router.external_gateway_info", "<nil>").Has("router.external_gateways", "[]")
		m.Put(path+"/add_external_gateways", gateways(on(ext)+","+on(second))).Want(200)
		m.Put(path+"/remove_router_interface", `{"subnet_id": "`+subnet+`"}`).Want(200)
		m.Delete(path).Want(204)
		if got := admin.Get(v2 + "/ports?device_owner=network:router_gateway").Want(200).Len("ports"); got != 0 {
			t.Errorf("%d gateways are left of a router that is gone", got)
		}
		c.clean(t)
	})
}

// The answers have the members of the samples of upstream (that of an update says ECMP and BFD in the wrong place).
func TestGatewaySamples(t *testing.T) {
	c := newCloud(t, storetest.SQLite(t, db.Migrations))
	admin := c.as(t, "admin")
	ext, _ := external(admin)
	router := admin.Post(v2+"/routers", `{"router": {"name": "r"}}`).Want(201).Text("router.id")
	for _, verb := range []string{"add", "update", "remove"} {
		var got any
		admin.Put(v2+"/routers/"+router+"/"+verb+"_external_gateways", fmt.Sprintf(`{"router": {"external_gateways": [{"network_id": "%s"}]}}`, ext)).Want(200).JSON(&got)
		root := shared(t, "api/samples/network/routers/")
		text, err := os.ReadFile(filepath.Join(root, "router-"+strings.Replace(verb, "update", "add", 1)+"-external-gateways-response.json"))
		if err != nil {
			t.Skipf("no samples of upstream: %v", err)
		}
		var want any
		if err := json.Unmarshal(text, &want); err != nil {
			t.Fatal(err)
		}
		for _, problem := range unlikeSample("", want, got) {
			t.Errorf("%s: %s", verb, problem)
		}
	}
}

// A gateway goes to hosts of the router's zones; a zone that no host is in is refused.
func TestZonesOfHosts(t *testing.T) {
	c := newCloud(t, storetest.SQLite(t, db.Migrations))
	c.engine.Hosts = append(c.engine.Hosts, driver.Chassis{
		Name: "chassis-gw", Host: "gw", Alive: true, Gateway: true, Zones: []string{"east"}, Bridges: map[string]string{"physnet1": "br-ex"},
	})
	admin, m := c.as(t, "admin"), c.as(t, "member")
	ext, _ := external(admin)
	if got := m.Get(v2+"/availability_zones?resource=router").Want(200).Has("availability_zones.0.name", "east").Len("availability_zones"); got != 2 {
		t.Errorf("%d zones", got)
	}
	if got := m.Get(v2 + "/availability_zones?name=east&state=available").Want(200).Len("availability_zones"); got != 2 {
		t.Errorf("%d resources in the zone", got)
	}
	admin.Get(v2+"/agents?host=gw").Want(200).Has("agents.0.availability_zone", "east")
	m.Post(v2+"/routers", `{"router": {"availability_zone_hints": ["west"]}}`).Want(404).Has("NeutronError.type", "AvailabilityZoneNotFound")
	m.Post(v2+"/networks", `{"network": {"availability_zone_hints": ["west"]}}`).Want(404).Has("NeutronError.type", "AvailabilityZoneNotFound")
	before := c.engine.Asked
	m.Post(v2+"/networks", `{"network": {"availability_zone_hints": ["east"]}}`).Want(201)
	if c.engine.Asked != before {
		t.Error("hosts were asked whether they live, to know their zones")
	}
	for hint, zones := range map[string]string{"east": "[east]", "nova": "[- nova]"} {
		router := m.Post(v2+"/routers", `{"router": {"availability_zone_hints": ["`+hint+`"], "external_gateway_info": {"network_id": "`+ext+`"}}}`).Want(201).
			Has("router.availability_zones", "["+hint+"]").Text("router.id")
		if s, _ := neutrontest.Spec[driver.RouterSpec](c.engine, "router", router); s.Gateway == nil || fmt.Sprint(s.Gateway.Zones) != zones {
			t.Errorf("%s: the engine's router is %+v", hint, s.Gateway)
		}
		if got := admin.Get(v2+"/routers/"+router+"/l3-agents").Want(200).Len("agents") == 1; got != (hint == "east") {
			t.Errorf("%s: the router's agents tell another zone", hint)
		}
	}
}

// The addresses of a gateway change when a subnet or an address is named that it does not have; one more of its own subnet is no change, as upstream's
// _check_for_external_ip_change says.
func TestGatewayAddressesThatAreNoChange(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		admin := c.as(t, "admin")
		ext, subnet := external(admin)
		gateway := func(fixed string) string {
			return `{"router": {"external_gateway_info": {"network_id": "` + ext + `", "external_fixed_ips": [` + fixed + `]}}}`
		}
		const list = "router.external_gateway_info.external_fixed_ips"
		at := func(ip string) string { return `{"subnet_id": "` + subnet + `", "ip_address": "` + ip + `"}` }
		router := admin.Post(v2+"/routers", gateway(at("172.24.4.9"))).Want(201).Text("router.id")
		path := v2 + "/routers/" + router
		admin.Put(path, gateway(at("172.24.4.9")+`, {"subnet_id": "`+subnet+`"}`)).Want(200).Has(list+".0.ip_address", "172.24.4.9").Has(list+".1", nil)
		admin.Put(path, gateway(at("172.24.4.9")+`, `+at("172.24.4.10"))).Want(200).Has(list+".1.ip_address", "172.24.4.10")
		admin.Put(path, gateway(at("172.24.4.10"))).Want(200).Has(list+".0.ip_address", "172.24.4.10").Has(list+".1", nil)
	})
}
