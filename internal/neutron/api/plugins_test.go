package api_test

import (
	"testing"

	"gostack/internal/neutron"
	"gostack/internal/neutron/driver"
	"gostack/internal/rest/resttest"
)

// TestAutoAllocatedTopology: asking for it makes it, once; a dry run only tells.
func TestAutoAllocatedTopology(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		m, admin, other := c.as(t, "member"), c.as(t, "admin"), c.as(t, "other")
		const path = v2 + "/auto-allocated-topology/project-1"
		m.Get(path+"?fields=dry-run").Want(409).Has("NeutronError.message", "Deployment error: No default router:external network.")
		ext, _ := external(admin)
		admin.Put(v2+"/networks/"+ext, `{"network": {"is_default": true}}`).Want(200)
		m.Get(path + "?fields=dry-run").Want(409).Says("No default subnetpools defined")
		admin.Post(v2+"/subnetpools", `{"subnetpool": {"name": "d", "prefixes": ["10.80.0.0/16"], "default_prefixlen": 26, "is_default": true}}`).Want(201)
		admin.Post(v2+"/subnetpools", `{"subnetpool": {"name": "d", "prefixes": ["fd00:80::/48"], "is_default": true}}`).Want(201)
		m.Get(path+"?fields=dry-run").Want(200).Has("auto_allocated_topology.id", "dry-run=pass").Has("auto_allocated_topology.tenant_id", "project-1")
		if n := m.Get(v2 + "/networks?name=auto_allocated_network").Len("networks"); n != 0 {
			t.Errorf("a dry run made %d networks", n)
		}
		net := m.Get(path).Want(200).Text("auto_allocated_topology.id")
		m.Get(v2+"/auto-allocated-topology/None").Want(200).Has("auto_allocated_topology.id", net)
		m.Get(v2+"/networks/"+net).Want(200).Has("network.name", "auto_allocated_network").Has("network.project_id", "project-1")
		if n := m.Get(v2 + "/subnets?network_id=" + net).Len("subnets"); n != 2 {
			t.Errorf("%d subnets", n)
		}
		m.Get(v2+"/routers?name=auto_allocated_router").Want(200).Has("routers.0.external_gateway_info.network_id", ext)
		other.Get(path).Want(403)
		other.Delete(path).Want(403)
		port := m.Post(v2+"/ports", `{"port": {"network_id": "`+net+`"}}`).Want(201).Text("port.id")
		m.Delete(path).Want(409)
		m.Get(v2 + "/networks/" + net).Want(200)
		m.Delete(v2 + "/ports/" + port).Want(204)
		m.Delete(path).Want(204)
		m.Delete(path).Want(204)
		m.Get(v2 + "/networks/" + net).Want(404)
		// A server that asks for a network by itself makes the topology, the next one finds it.
		for range 2 {
			plan, err := c.n.PlanPorts(t.Context(), resttest.Personas["member"], []neutron.NICRequest{{Mode: neutron.NICAuto}})
			if err != nil || len(plan) != 1 {
				t.Fatalf("networks auto: %+v, %v", plan, err)
			}
			m.Get(v2+"/networks/"+plan[0].NetworkID).Want(200).Has("network.name", "auto_allocated_network").Has("network.project_id", "project-1")
		}
		if n := m.Get(v2 + "/routers?name=auto_allocated_router").Len("routers"); n != 1 {
			t.Errorf("%d routers of two servers", n)
		}
		m.Delete(path).Want(204)
		if n := m.Get(v2 + "/routers").Len("routers"); n != 0 {
			t.Errorf("%d routers are left", n)
		}
		c.clean(t)
	})
}

// TestFlavorsAndServiceProfiles walks through both, and a router of a flavor.
func TestFlavorsAndServiceProfiles(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		m, admin := c.as(t, "member"), c.as(t, "admin")
		m.Post(v2+"/flavors", `{"flavor": {"name": "f", "service_type": "L3_ROUTER_NAT"}}`).Want(403)
		admin.Post(v2+"/flavors", `{"flavor": {"name": "f", "service_type": "COFFEE"}}`).Want(400).Has("NeutronError.type", "InvalidFlavorServiceType")
		f := admin.Post(v2+"/flavors", `{"flavor": {"name": "f", "description": "d", "service_type": "L3_ROUTER_NAT"}}`).Want(201).
			Has("flavor.enabled", true).Has("flavor.service_profiles", "[]").Text("flavor.id")
		admin.Post(v2+"/service_profiles", `{"service_profile": {"description": "p"}}`).Want(400).Says("needs either a driver or metainfo")
		admin.Post(v2+"/service_profiles", `{"service_profile": {"driver": "os.system"}}`).Want(404).Has("NeutronError.type", "ServiceProfileDriverNotFound")
		p := admin.Post(v2+"/service_profiles", `{"service_profile": {"description": "p", "metainfo": "{'data': 'value'}", "enabled": "true"}}`).Want(201).
			Has("service_profile.metainfo", "{'data': 'value'}").Text("service_profile.id")
		m.Post(v2+"/routers", `{"router": {"flavor_id": "`+f+`"}}`).Want(404)
		admin.Post(v2+"/flavors/"+f+"/service_profiles", `{"service_profile": {"id": "`+p+`"}}`).Want(201)
		admin.Post(v2+"/flavors/"+f+"/service_profiles", `{"service_profile": {"id": "`+p+`"}}`).Want(409).Has("NeutronError.type", "FlavorServiceProfileBindingExists")
		m.Get(v2+"/flavors/"+f).Want(200).Has("flavor.service_profiles", "["+p+"]")
		m.Get(v2 + "/service_profiles/" + p).Want(404)
		admin.Delete(v2+"/service_profiles/"+p).Want(409).Has("NeutronError.type", "ServiceProfileInUse")
		router := m.Post(v2+"/routers", `{"router": {"flavor_id": "`+f+`"}}`).Want(201).Has("router.flavor_id", f).Text("router.id")
		admin.Delete(v2+"/flavors/"+f).Want(409).Has("NeutronError.type", "FlavorInUse")
		m.Delete(v2 + "/routers/" + router).Want(204)
		admin.Put(v2+"/flavors/"+f, `{"flavor": {"name": "g", "enabled": false}}`).Want(200).Has("flavor.name", "g")
		m.Post(v2+"/routers", `{"router": {"flavor_id": "`+f+`"}}`).Want(503).Has("NeutronError.type", "FlavorDisabled")
		admin.Delete(v2 + "/flavors/" + f + "/service_profiles/" + p).Want(204)
		admin.Delete(v2 + "/flavors/" + f + "/service_profiles/" + p).Want(404)
		admin.Delete(v2 + "/service_profiles/" + p).Want(204)
		admin.Delete(v2 + "/flavors/" + f).Want(204)
		m.Get(v2+"/service-providers").Want(200).Has("service_providers.0.name", "ovn")
	})
}

// TestPortBindingsMove covers the extension binding-extended, which Nova's live migration upstream uses.
func TestPortBindingsMove(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		m, admin, nova := c.as(t, "member"), c.as(t, "admin"), c.as(t, "service")
		net, _ := network(m, "n", "10.0.0.0/24")
		bare := m.Post(v2+"/ports", `{"port": {"network_id": "`+net+`"}}`).Want(201).Text("port.id")
		nova.Post(v2+"/ports/"+bare+"/bindings", `{"binding": {"host": "h2"}}`).Want(400)
		port := admin.Post(v2+"/ports", `{"port": {"network_id": "`+net+`", "project_id": "project-1", "binding:host_id": "h1", "device_owner": "compute:nova", "device_id": "s"}}`).
			Want(201).Text("port.id")
		path := v2 + "/ports/" + port + "/bindings"
		m.Get(path).Want(403)
		nova.Get(path).Want(200).Has("bindings.0.host", "h1").Has("bindings.0.status", "ACTIVE").Has("bindings.0.vif_type", "ovs")
		nova.Post(path, `{"binding": {"host": "h1"}}`).Want(409).Has("NeutronError.type", "PortBindingAlreadyExists")
		nova.Post(path, `{"binding": {"host": "h2", "profile": {"a": "b"}}}`).Want(201).Has("binding.status", "INACTIVE").Has("binding.vnic_type", "normal")
		nova.Put(path+"/h3/activate", nil).Want(404).Has("NeutronError.type", "PortBindingNotFound")
		nova.Put(path+"/h1/activate", nil).Want(409).Has("NeutronError.type", "PortBindingAlreadyActive")
		nova.Put(path+"/h2/activate", nil).Want(200).Has("binding.status", "ACTIVE").Has("binding.host", "h2")
		admin.Get(v2+"/ports/"+port).Has("port.binding:host_id", "h2")
		nova.Get(path).Has("bindings.1.host", "h1").Has("bindings.1.status", "INACTIVE")
		nova.Delete(path + "/h1").Want(204)
		nova.Delete(path + "/h1").Want(404)
		c.clean(t)
	})
}

// TestPortsSayMore covers the attributes of ports about addresses, hardware and the guest's link.
func TestPortsSayMore(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		m, admin := c.as(t, "member"), c.as(t, "admin")
		net, _ := network(m, "n", "10.0.0.0/24")
		p := m.Post(v2+"/ports", `{"port": {"network_id": "`+net+`", "numa_affinity_policy": "required", "device_profile": "gpu", "propagate_uplink_status": false}}`).Want(201).
			Has("port.numa_affinity_policy", "required").Has("port.device_profile", "gpu").Has("port.propagate_uplink_status", false).Has("port.data_plane_status", "<nil>")
		port := p.Text("port.id")
		m.Post(v2+"/ports", `{"port": {"network_id": "`+net+`", "numa_affinity_policy": "sometimes"}}`).Want(400)
		m.Post(v2+"/ports", `{"port": {"network_id": "`+net+`", "trusted": true}}`).Want(403)
		m.Put(v2+"/ports/"+port, `{"port": {"data_plane_status": "DOWN"}}`).Want(403)
		admin.Put(v2+"/ports/"+port, `{"port": {"data_plane_status": "DOWN", "trusted": true, "hints": {"openvswitch": {"other_config": {"tx-steering": "hash"}}}}}`).Want(200).
			Has("port.data_plane_status", "DOWN").Has("port.trusted", true)
		admin.Put(v2+"/ports/"+port, `{"port": {"hints": {"cisco": {}}}}`).Want(400)
		old := p.Text("port.mac_address")
		if mac := admin.Put(v2+"/ports/"+port, `{"port": {"mac_address": null}}`).Want(200).Text("port.mac_address"); mac == old || mac == "" {
			t.Errorf("the new address is %q, the old was %q", mac, old)
		}
		pair := func(ip string) string { return `{"port": {"allowed_address_pairs": [{"ip_address": "` + ip + `"}]}}` }
		m.Put(v2+"/ports/"+port+"/add_allowed_address_pairs", pair("10.7.0.1")).Want(200)
		if n := m.Put(v2+"/ports/"+port+"/add_allowed_address_pairs", pair("10.7.0.2")).Want(200).Len("port.allowed_address_pairs"); n != 2 {
			t.Errorf("%d pairs", n)
		}
		m.Put(v2+"/ports/"+port+"/remove_allowed_address_pairs", pair("10.7.0.1")).Want(200).Has("port.allowed_address_pairs.0.ip_address", "10.7.0.2")
		m.Put(v2+"/ports/"+port+"/add_allowed_address_pairs", pair("0.0.0.0/0")).Want(400)
		for i := range 9 {
			m.Put(v2+"/ports/"+port+"/add_allowed_address_pairs", pair("10.8.0."+string(rune('1'+i)))).Want(200)
		}
		m.Put(v2+"/ports/"+port+"/add_allowed_address_pairs", pair("10.9.0.1")).Want(400).Has("NeutronError.type", "AllowedAddressPairExhausted")
		c.clean(t)
	})
}

// TestAgentsAndSchedulers covers what OVN has to say to requests that were made for agents.
func TestAgentsAndSchedulers(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		m, admin := c.as(t, "member"), c.as(t, "admin")
		c.engine.Hosts = append(c.engine.Hosts, driver.Chassis{Name: "chassis-gw", Host: "gw", Alive: true, Gateway: true, Bridges: map[string]string{"physnet1": "br-ex"}})
		ext, _ := external(admin)
		m.Post(v2+"/routers", `{"router": {"external_gateway_info": {"network_id": "`+ext+`"}}}`).Want(201).Has("router.ha", "<nil>")
		agents := admin.Get(v2 + "/agents?agent_type=OVN%20Controller%20Gateway%20agent").Want(200)
		agent := agents.Text("agents.0.id")
		admin.Put(v2+"/agents/"+agent, `{"agent": {"admin_state_up": false}}`).Want(400).Says("OVN agent status cannot be updated")
		admin.Put(v2+"/agents/"+agent, `{"agent": {"admin_state_up": true, "description": "rack 7"}}`).Want(200).Has("agent.description", "rack 7")
		admin.Get(v2+"/agents/"+agent).Want(200).Has("agent.description", "rack 7")
		m.Put(v2+"/agents/"+agent, `{"agent": {"description": "x"}}`).Want(403)
		admin.Delete(v2 + "/agents/" + agent).Want(409)

		admin.Get(v2+"/networks/"+ext+"/dhcp-agents").Want(200).Has("agents", "[]")
		m.Get(v2 + "/networks/" + ext + "/dhcp-agents").Want(403)
		admin.Get(v2+"/agents/"+agent+"/dhcp-networks").Want(200).Has("networks", "[]")
		admin.Post(v2+"/agents/"+agent+"/dhcp-networks", `{"network_id": "`+ext+`"}`).Want(404).Has("NeutronError.type", "InvalidDHCPAgent")
		admin.Delete(v2+"/agents/"+agent+"/dhcp-networks/"+ext).Want(409).Has("NeutronError.type", "NetworkNotHostedByDhcpAgent")
		pools := m.Get(v2 + "/floatingip_pools").Want(200)
		pools.Has("floatingip_pools.0.network_id", ext).Has("floatingip_pools.0.cidr", "172.24.4.0/24")
		listed(t, admin)
	})
}

// listed checks the list of extensions.
func listed(t *testing.T, api *resttest.API) {
	t.Helper()
	api.Get(v2+"/extensions/address-scope").Want(200).Has("extension.name", "Address scope").Has("extension.updated", "2015-07-26T10:00:00-00:00").Has("extension.links", "[]")
	api.Get(v2 + "/extensions/vpnaas").Want(404)
}
