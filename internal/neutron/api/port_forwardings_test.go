package api_test

import (
	"testing"
)

// TestPortForwardingStory leads ports of one floating IP to two servers, changes it, and takes it away with what it leads to.
func TestPortForwardingStory(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		m, admin, other := c.as(t, "member"), c.as(t, "admin"), c.as(t, "other")
		ext, extSubnet := external(admin)
		net, subnet := network(m, "n", "10.1.0.0/24")
		router := m.Post(v2+"/routers", `{"router": {"external_gateway_info": {"network_id": "`+ext+`"}}}`).Want(201).Text("router.id")
		port := func() (id, ip string) {
			p := m.Post(v2+"/ports", `{"port": {"network_id": "`+net+`"}}`).Want(201)
			return p.Text("port.id"), p.Text("port.fixed_ips.0.ip_address")
		}
		a, ipA := port()
		b, ipB := port()
		nobodys := "10.1.0.250"
		if ipB == nobodys {
			nobodys = "10.1.0.251"
		}
		fip := m.Post(v2+"/floatingips", `{"floatingip": {"floating_network_id": "`+ext+`"}}`).Want(201).Has("floatingip.port_forwardings", "[]")
		id, address := fip.Text("floatingip.id"), fip.Text("floatingip.floating_ip_address")
		pf := v2 + "/floatingips/" + id + "/port_forwardings"
		body := func(port, rest string) string {
			return `{"port_forwarding": {"internal_port_id": "` + port + `", "protocol": "tcp", ` + rest + `}}`
		}
		m.Post(pf, body(a, `"internal_port": 22, "external_port": 2222`)).Want(400).Says("is not reachable from subnet")
		m.Put(v2+"/routers/"+router+"/add_router_interface", `{"subnet_id": "`+subnet+`"}`).Want(200)
		one := m.Post(pf, body(a, `"internal_port": 22, "external_port": 2222, "description": "ssh"`)).Want(201).
			Has("port_forwarding.internal_ip_address", ipA).Has("port_forwarding.external_port_range", "2222:2222").
			Has("port_forwarding.description", "ssh").Text("port_forwarding.id")
		for _, refused := range []string{
			body(b, `"internal_port": 22`), body(b, `"internal_port": 0, "external_port": 1`), body(b, `"internal_port": 22, "external_port": 70000`),
			body(b, `"internal_port": 22, "external_port": 2222`), body(a, `"internal_port": 22, "external_port": 2223`),
			body(b, `"internal_port_range": "80:90", "external_port_range": "8080:8085"`), body(b, `"internal_port_range": "90:80", "external_port": 8080`),
			body(b, `"internal_port": 80, "internal_port_range": "80:90", "external_port": 8080`),
			body(b, `"internal_ip_address": "`+nobodys+`", "internal_port": 80, "external_port": 8080`),
			`{"port_forwarding": {"internal_port_id": "` + b + `", "protocol": "gre", "internal_port": 80, "external_port": 8080}}`,
		} {
			m.Post(pf, refused).Want(400)
		}
		ranged := m.Post(pf, body(b, `"internal_port_range": "80:90", "external_port_range": "8080:8090"`)).Want(201).
			Has("port_forwarding.internal_port_range", "80:90").Text("port_forwarding.id")
		m.Post(pf, body(b, `"internal_port": 7, "external_port_range": "8090:8091"`)).Want(400).Says("A duplicate port forwarding entry")
		other.Get(pf).Want(404)
		other.Post(pf, body(a, `"internal_port": 1, "external_port": 1`)).Want(404).Has("NeutronError.type", "FloatingIPNotFound")
		m.Get(pf+"?protocol=tcp&external_port=2222").Want(200).Has("port_forwardings.0.id", one)
		m.Get(v2+"/floatingips/"+id).Want(200).Has("floatingip.status", "ACTIVE").Has("floatingip.router_id", router).
			Has("floatingip.port_id", nil).Has("floatingip.port_forwardings.0.external_port_range", nil).Has("floatingip.port_forwardings.0.internal_ip_address", m.Get(pf).Text("port_forwardings.0.internal_ip_address"))
		r := routerSpec(t, c, router)
		if len(r.Forwardings) != 2 || len(r.FloatingIPs) != 0 {
			t.Fatalf("the engine has %+v", r)
		}
		for _, f := range r.Forwardings {
			if f.External.String() != address || f.Protocol != "tcp" {
				t.Errorf("the engine has %+v", f)
			}
		}

		// A floating IP is either one-to-one or for its ports, and an address inside has one or the other.
		m.Put(v2+"/floatingips/"+id, `{"floatingip": {"port_id": "`+a+`"}}`).Want(409).Has("NeutronError.type", "FipInUseByPortForwarding")
		m.Delete(v2+"/floatingips/"+id).Want(409).Has("NeutronError.type", "FipInUseByPortForwarding")
		m.Post(v2+"/floatingips", `{"floatingip": {"floating_network_id": "`+ext+`", "port_id": "`+a+`"}}`).Want(400).Has("NeutronError.type", "PortHasPortForwarding")
		d, _ := port()
		whole := m.Post(v2+"/floatingips", `{"floatingip": {"floating_network_id": "`+ext+`", "port_id": "`+d+`"}}`).Want(201).Text("floatingip.id")
		m.Post(v2+"/floatingips/"+whole+"/port_forwardings", body(b, `"internal_port": 1, "external_port": 1`)).Want(409).Has("NeutronError.type", "FloatingIPPortAlreadyAssociated")
		m.Post(pf, body(d, `"internal_port": 1, "external_port": 1`)).Want(409).Has("NeutronError.type", "PortHasBindingFloatingIP")
		m.Put(v2+"/routers/"+router+"/remove_router_interface", `{"subnet_id": "`+subnet+`"}`).Want(409).Has("NeutronError.type", "RouterInterfaceInUseByFloatingIP")
		m.Put(v2+"/routers/"+router, `{"router": {"external_gateway_info": null}}`).Want(409)

		m.Put(pf+"/"+one, `{"port_forwarding": {"protocol": "UDP", "external_port": 53, "internal_port_id": "`+b+`"}}`).Want(200).
			Has("port_forwarding.protocol", "udp").Has("port_forwarding.internal_port_id", b).Has("port_forwarding.internal_port", 22)
		m.Get(pf + "/" + ranged).Want(200)
		m.Get(pf+"/"+whole).Want(404).Has("NeutronError.type", "PortForwardingNotFound")
		m.Delete(pf + "/" + ranged).Want(204)
		m.Delete(v2 + "/ports/" + b).Want(204) // what led there goes with it
		m.Get(pf).Want(200).Has("port_forwardings", "[]")
		m.Get(v2+"/floatingips/"+id).Want(200).Has("floatingip.status", "DOWN").Has("floatingip.router_id", nil)
		if r := routerSpec(t, c, router); len(r.Forwardings) != 0 {
			t.Errorf("the engine has %+v", r.Forwardings)
		}
		m.Delete(v2 + "/floatingips/" + id).Want(204)
		other.Get(v2+"/floatingip_pools").Want(200).Has("floatingip_pools.0.subnet_id", extSubnet).Has("floatingip_pools.0.cidr", "172.24.4.0/24")
		c.clean(t)
	})
}
