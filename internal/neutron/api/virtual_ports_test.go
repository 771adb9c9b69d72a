package api_test

import (
	"testing"

	"gostack/internal/neutron/db"
	"gostack/internal/neutron/driver"
	"gostack/internal/neutron/neutrontest"
	"gostack/internal/store/storetest"
)

// TestVirtualPortsAndNames covers ports that others may stand in for, and what the engine's DNS answers.
func TestVirtualPortsAndNames(t *testing.T) {
	c := newCloud(t, storetest.SQLite(t, db.Migrations))
	m, admin := c.as(t, "member"), c.as(t, "admin")
	net, _ := network(m, "n", "10.1.0.0/24")
	spec := func(id string) driver.PortSpec {
		s, _ := neutrontest.Spec[driver.PortSpec](c.engine, "port", id)
		return s
	}
	p := m.Post(v2+"/ports", `{"port": {"network_id": "`+net+`", "name": "vip"}}`).Want(201)
	vip, ip := p.Text("port.id"), p.Text("port.fixed_ips.0.ip_address")
	a := m.Post(v2+"/ports", `{"port": {"network_id": "`+net+`", "allowed_address_pairs": [{"ip_address": "`+ip+`"}]}}`).Want(201).Text("port.id")
	b := m.Post(v2+"/ports", `{"port": {"network_id": "`+net+`", "dns_name": "WEB"}}`).Want(201).Text("port.id")
	if s := spec(vip); len(s.VirtualParents) != 1 || s.VirtualParents[0] != a {
		t.Errorf("the engine has %+v", s)
	}
	m.Put(v2+"/ports/"+b, `{"port": {"allowed_address_pairs": [{"ip_address": "`+ip+`/32"}, {"ip_address": "10.1.0.0/30"}]}}`).Want(200)
	if s := spec(vip); len(s.VirtualParents) != 2 {
		t.Errorf("the engine has %+v", s)
	}
	m.Delete(v2 + "/ports/" + a).Want(204)
	if s := spec(vip); len(s.VirtualParents) != 1 || s.VirtualParents[0] != b {
		t.Errorf("after a parent has gone the engine has %+v", s)
	}
	admin.Put(v2+"/ports/"+vip, `{"port": {"binding:host_id": "h1"}}`).Want(200) // plugged, it is nobody's name any more
	if s := spec(vip); len(s.VirtualParents) != 0 {
		t.Errorf("the engine has %+v", s)
	}
	m.Put(v2+"/ports/"+b, `{"port": {"allowed_address_pairs": []}}`).Want(200)

	names := spec(b).DNS
	if len(names) != 2 || names[0].Name != "web" || names[1].Name != "web.openstacklocal" || len(names[0].Addresses) != 1 {
		t.Errorf("the engine has %+v", names)
	}
	m.Put(v2+"/networks/"+net, `{"network": {"dns_domain": "example.org."}}`).Want(200)
	if names := spec(b).DNS; names[1].Name != "web.example.org" {
		t.Errorf("after the domain changed the engine has %+v", names)
	}
	c.clean(t)
}
