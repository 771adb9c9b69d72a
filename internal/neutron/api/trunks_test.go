package api_test

import (
	"testing"

	"gostack/internal/neutron/driver"
	"gostack/internal/neutron/neutrontest"
)

// TestTrunkStory makes a trunk, changes its subports, moves it with its parent, and takes it apart.
func TestTrunkStory(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		m, admin, other := c.as(t, "member"), c.as(t, "admin"), c.as(t, "other")
		net, _ := network(m, "n", "10.1.0.0/24")
		tagged, _ := network(m, "tagged", "10.2.0.0/24")
		port := func(net string) string {
			return m.Post(v2+"/ports", `{"port": {"network_id": "`+net+`"}}`).Want(201).Text("port.id")
		}
		parent, a, b := port(net), port(tagged), port(tagged)
		sub := func(port, rest string) string { return `{"port_id": "` + port + `", ` + rest + `}` }
		trunk := m.Post(v2+"/trunks", `{"trunk": {"port_id": "`+parent+`", "name": "t", "tags": ["x"], "sub_ports": [`+
			sub(a, `"segmentation_type": "vlan", "segmentation_id": 100`)+`]}}`).Want(201).
			Has("trunk.status", "DOWN").Has("trunk.sub_ports.0.segmentation_id", 100).Has("trunk.admin_state_up", true).Text("trunk.id")
		spec := func(port string) driver.PortSpec {
			s, _ := neutrontest.Spec[driver.PortSpec](c.engine, "port", port)
			return s
		}
		if s := spec(a); s.Parent != parent || s.Tag != 100 {
			t.Errorf("the engine has %+v", s)
		}
		m.Get(v2+"/ports/"+a).Want(200).Has("port.device_owner", "trunk:subport")
		m.Get(v2+"/ports/"+parent).Want(200).Has("port.trunk_details.trunk_id", trunk).Has("port.trunk_details.sub_ports.0.port_id", a).
			Has("port.trunk_details.sub_ports.0.segmentation_type", "vlan")
		other.Get(v2+"/trunks/"+trunk).Want(404).Has("NeutronError.type", "TrunkNotFound")
		other.Get(v2 + "/trunks/" + trunk + "/get_subports").Want(404)
		other.Post(v2+"/trunks", `{"trunk": {"port_id": "`+b+`"}}`).Want(404).Has("NeutronError.type", "PortNotFound")

		add := v2 + "/trunks/" + trunk + "/add_subports"
		for _, refused := range []struct {
			subports string
			status   int
			kind     string
		}{
			{`{}`, 400, "InvalidInput"},
			{`{"sub_ports": {}}`, 400, "InvalidInput"},
			{`{"sub_ports": [` + sub(b, `"segmentation_type": "vxlan", "segmentation_id": 7`) + `]}`, 400, "InvalidInput"},
			{`{"sub_ports": [` + sub(b, `"segmentation_type": "vlan", "segmentation_id": 4095`) + `]}`, 400, "InvalidInput"},
			{`{"sub_ports": [` + sub(b, `"segmentation_type": "vlan"`) + `]}`, 400, "InvalidInput"},
			{`{"sub_ports": [` + sub(b, `"segmentation_type": "vlan", "segmentation_id": 1`) + `,` + sub(b, `"segmentation_type": "vlan", "segmentation_id": 2`) + `]}`, 400, "InvalidInput"},
			{`{"sub_ports": [` + sub(b, `"segmentation_type": "inherit"`) + `]}`, 400, "InvalidInput"},
			{`{"sub_ports": [` + sub(b, `"segmentation_type": "vlan", "segmentation_id": 100`) + `]}`, 409, "DuplicateSubPort"},
			{`{"sub_ports": [` + sub(a, `"segmentation_type": "vlan", "segmentation_id": 101`) + `]}`, 409, "TrunkPortInUse"},
			{`{"sub_ports": [` + sub(parent, `"segmentation_type": "vlan", "segmentation_id": 101`) + `]}`, 409, "ParentPortInUse"},
		} {
			m.Put(add, refused.subports).Want(refused.status).Has("NeutronError.type", refused.kind)
		}
		m.Post(v2+"/trunks", `{"trunk": {"port_id": "`+parent+`"}}`).Want(409).Has("NeutronError.type", "ParentPortInUse")
		m.Post(v2+"/trunks", `{"trunk": {"port_id": "`+a+`"}}`).Want(409).Has("NeutronError.type", "TrunkPortInUse")
		m.Put(add, `{"sub_ports": [`+sub(b, `"segmentation_type": "vlan", "segmentation_id": 101`)+`]}`).Want(200).
			Has("sub_ports.1.port_id", b).Has("name", "t")
		m.Get(v2+"/trunks/"+trunk+"/get_subports").Want(200).Has("sub_ports.1.segmentation_id", 101)
		m.Delete(v2+"/ports/"+a).Want(409).Has("NeutronError.type", "PortInUseAsSubPort")
		m.Delete(v2+"/ports/"+parent).Want(409).Has("NeutronError.type", "PortInUseAsTrunkParent")

		// Where the parent is, its subports are.
		admin.Put(v2+"/ports/"+parent, `{"port": {"binding:host_id": "h1"}}`).Want(200)
		eventually(t, "the trunk is active", func() bool { return m.Get(v2+"/trunks/"+trunk).Text("trunk.status") == "ACTIVE" })
		m.Get(v2+"/trunks?status=ACTIVE&port_id="+parent).Want(200).Has("trunks.0.id", trunk)
		admin.Get(v2+"/ports/"+a).Want(200).Has("port.binding:host_id", "h1")
		if s := spec(b); s.Host != "h1" || s.Tag != 101 {
			t.Errorf("the engine has %+v", s)
		}

		m.Put(v2+"/trunks/"+trunk, `{"trunk": {"admin_state_up": false}}`).Want(200).Has("trunk.admin_state_up", false)
		m.Put(v2+"/trunks/"+trunk+"/remove_subports", `{"sub_ports": [{"port_id": "`+a+`"}]}`).Want(409).Has("NeutronError.type", "TrunkDisabled")
		m.Delete(v2+"/trunks/"+trunk).Want(409).Has("NeutronError.type", "TrunkDisabled")
		m.Put(v2+"/trunks/"+trunk, `{"trunk": {"admin_state_up": true, "name": "u"}}`).Want(200).Has("trunk.name", "u")
		m.Put(v2+"/trunks/"+trunk+"/remove_subports", `{"sub_ports": [{"port_id": "`+parent+`"}]}`).Want(404).Has("NeutronError.type", "SubPortNotFound")
		m.Put(v2+"/trunks/"+trunk+"/remove_subports", `{"sub_ports": [{"port_id": "`+a+`"}]}`).Want(200).Has("sub_ports.0.port_id", b)
		admin.Get(v2+"/ports/"+a).Want(200).Has("port.device_owner", "").Has("port.binding:host_id", "")
		m.Delete(v2 + "/ports/" + a).Want(204)
		m.Delete(v2 + "/trunks/" + trunk).Want(204)
		if s := spec(b); s.Parent != "" || s.Host != "" {
			t.Errorf("the engine has %+v", s)
		}
		if m.Get(v2+"/ports/"+parent).At("port.trunk_details") != nil {
			t.Error("a port without a trunk shows trunk_details")
		}
		m.Delete(v2 + "/ports/" + parent).Want(204)
		c.clean(t)
	})
}
