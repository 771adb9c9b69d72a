package api_test

import (
	"context"
	"testing"

	"gostack/internal/neutron"
	"gostack/internal/neutron/db"
	"gostack/internal/neutron/driver"
	"gostack/internal/neutron/neutrontest"
	"gostack/internal/rest/resttest"
	"gostack/internal/store"
	"gostack/internal/store/storetest"
)

// TestSegments covers segments of their own, networks with several, and subnets on one.
func TestSegments(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		m, admin := c.as(t, "member"), c.as(t, "admin")
		if n := m.Get(v2 + "/segments").Want(200).Len("segments"); n != 0 {
			t.Errorf("a member sees %d segments", n)
		}
		net := m.Post(v2+"/networks", `{"network": {"name": "n"}}`).Want(201).Has("network.l2_adjacency", true).Text("network.id")
		first := admin.Get(v2+"/segments?network_id="+net).Want(200).Has("segments.0.network_type", "geneve").Has("segments.0.name", "<nil>").Text("segments.0.id")
		m.Post(v2+"/segments", `{"segment": {"network_id": "`+net+`", "network_type": "vlan", "physical_network": "physnet1"}}`).Want(403)
		admin.Post(v2+"/segments", `{"segment": {"network_id": "`+net+`", "network_type": "vlan", "physical_network": "nowhere", "segmentation_id": 7}}`).Want(400)
		admin.Post(v2+"/segments", `{"segment": {"network_id": "`+nowhere+`", "network_type": "vlan"}}`).Want(404).Has("NeutronError.type", "NetworkNotFound")
		second := admin.Post(v2+"/segments", `{"segment": {"network_id": "`+net+`", "network_type": "vlan", "physical_network": "physnet1", "segmentation_id": 77, "name": "rack"}}`).
			Want(201).Has("segment.segmentation_id", 77).Has("segment.name", "rack").Text("segment.id")
		admin.Post(v2+"/segments", `{"segment": {"network_id": "`+net+`", "network_type": "vlan", "physical_network": "physnet1", "segmentation_id": 77}}`).Want(409).
			Has("NeutronError.type", "VlanIdInUse")
		admin.Get(v2+"/networks/"+net).Want(200).Has("network.segments.1.provider:segmentation_id", 77).Has("network.provider:network_type", "<nil>")
		spec, _ := neutrontest.Spec[driver.NetworkSpec](c.engine, "network", net)
		if len(spec.More) != 1 || spec.More[0].Segment != 77 || spec.Type != driver.Geneve {
			t.Errorf("the engine's network is %+v", spec)
		}
		admin.Put(v2+"/segments/"+second, `{"segment": {"name": "shelf", "description": "d"}}`).Want(200).Has("segment.name", "shelf")
		admin.Put(v2+"/segments/"+second, `{"segment": {"segmentation_id": 78}}`).Want(400)
		admin.Post(v2+"/subnets", `{"subnet": {"network_id": "`+net+`", "ip_version": 4, "cidr": "10.4.0.0/24", "segment_id": "`+nowhere+`"}}`).Want(404).
			Has("NeutronError.type", "SegmentNotFound")
		flat := admin.Post(v2+"/subnets", `{"subnet": {"network_id": "`+net+`", "ip_version": 4, "cidr": "10.4.0.0/24"}}`).Want(201).Text("subnet.id")
		admin.Put(v2+"/subnets/"+flat, `{"subnet": {"segment_id": "`+first+`"}}`).Want(400).Has("NeutronError.type", "NoUpdateSubnetWhenMultipleSegmentsOnNetwork")
		admin.Delete(v2 + "/subnets/" + flat).Want(204)
		admin.Delete(v2 + "/segments/" + second).Want(204)
		admin.Get(v2+"/networks/"+net).Want(200).Has("network.provider:network_type", "geneve")
		if spec, _ := neutrontest.Spec[driver.NetworkSpec](c.engine, "network", net); len(spec.More) != 0 {
			t.Errorf("the engine still has %+v", spec.More)
		}
		admin.Delete(v2+"/segments/"+first).Want(409).Has("NeutronError.type", "SegmentInUse")

		// Subnets on a segment.
		other := m.Post(v2+"/networks", `{"network": {}}`).Want(201).Text("network.id")
		admin.Post(v2+"/subnets", `{"subnet": {"network_id": "`+other+`", "ip_version": 4, "cidr": "10.5.0.0/24", "segment_id": "`+first+`"}}`).Want(400).
			Has("NeutronError.type", "NetworkIdsDontMatch")
		subnet := admin.Post(v2+"/subnets", `{"subnet": {"network_id": "`+net+`", "ip_version": 4, "cidr": "10.5.0.0/24"}}`).Want(201).Has("subnet.segment_id", "<nil>").Text("subnet.id")
		m.Put(v2+"/subnets/"+subnet, `{"subnet": {"segment_id": "`+first+`"}}`).Want(403)
		admin.Put(v2+"/subnets/"+subnet, `{"subnet": {"segment_id": "`+first+`"}}`).Want(200).Has("subnet.segment_id", first)
		m.Get(v2+"/networks/"+net).Has("network.l2_adjacency", false)
		admin.Post(v2+"/subnets", `{"subnet": {"network_id": "`+net+`", "ip_version": 4, "cidr": "10.6.0.0/24"}}`).Want(400).
			Has("NeutronError.type", "SubnetsNotAllAssociatedWithSegments")

		// Several at once.
		both := `"segments": [{"provider:network_type": "vlan", "provider:physical_network": "physnet1", "provider:segmentation_id": 90}, {"provider:network_type": "geneve"}]`
		m.Post(v2+"/networks", `{"network": {`+both+`}}`).Want(403)
		admin.Post(v2+"/networks", `{"network": {"provider:network_type": "local", `+both+`}}`).Want(400).Has("NeutronError.type", "SegmentsSetInConjunctionWithProviders")
		multi := admin.Post(v2+"/networks", `{"network": {"name": "multi", "vlan_transparent": true, `+both+`}}`).Want(201).Has("network.segments.0.provider:segmentation_id", 90).
			Has("network.vlan_transparent", true).Text("network.id")
		if n := admin.Get(v2 + "/segments?network_id=" + multi).Len("segments"); n != 2 {
			t.Errorf("%d segments", n)
		}
		if spec, _ := neutrontest.Spec[driver.NetworkSpec](c.engine, "network", multi); !spec.VLANTransparent {
			t.Errorf("the engine's network is %+v", spec)
		}
		admin.Delete(v2 + "/networks/" + multi).Want(204)
		m.Post(v2+"/networks", `{"network": {}}`).Want(201)
		c.clean(t)
	})
}

// A routed network over two racks: addresses come from the rack of the port's host, when that is known, and a port with addresses of one rack
// cannot go to the other.
func TestRoutedNetwork(t *testing.T) {
	storetest.Each(t, func(t *testing.T, h *store.DB) {
		c := newCloud(t, h, func(cfg *neutron.Config) {
			cfg.Physnets = []neutron.Physnet{{Name: "rack1", VLANs: [][2]int64{{100, 110}}}, {Name: "rack2", VLANs: [][2]int64{{100, 110}}}}
		})
		host := func(name string, physnets ...string) {
			bridges := map[string]string{}
			for _, p := range physnets {
				bridges[p] = "br-" + p
			}
			c.engine.Hosts = append(c.engine.Hosts, driver.Chassis{Name: name, Host: name, Alive: true, Bridges: bridges})
		}
		host("h1", "rack1")
		host("h2", "rack2")
		host("both", "rack1", "rack2")
		host("none")
		admin, m := c.as(t, "admin"), c.as(t, "member")
		net := admin.Post(v2+"/networks", `{"network": {"project_id": "project-1", "segments": [{"provider:network_type": "vlan", "provider:physical_network": "rack1"},
			{"provider:network_type": "vlan", "provider:physical_network": "rack2"}]}}`).Want(201).Text("network.id")
		subnets := map[string]string{}
		for rack, cidr := range map[string]string{"rack1": "10.1.0.0/24", "rack2": "10.2.0.0/24"} {
			seg := admin.Get(v2 + "/segments?network_id=" + net + "&physical_network=" + rack).Want(200).Text("segments.0.id")
			subnets[rack] = admin.Post(v2+"/subnets", `{"subnet": {"network_id": "`+net+`", "ip_version": 4, "cidr": "`+cidr+`", "segment_id": "`+seg+`"}}`).Want(201).Text("subnet.id")
		}
		admin.Get(v2+"/networks/"+net).Has("network.l2_adjacency", false)
		port := func(more string) *resttest.Answer {
			return admin.Post(v2+"/ports", `{"port": {"network_id": "`+net+`", "project_id": "project-1"`+more+`}}`)
		}
		late := m.Post(v2+"/ports", `{"port": {"network_id": "`+net+`"}}`).Want(201).Has("port.ip_allocation", "deferred").Has("port.fixed_ips", "[]").Text("port.id")
		m.Get(v2+"/ports?ip_allocation=deferred").Want(200).Has("ports.0.id", late)
		admin.Put(v2+"/ports/"+late, `{"port": {"binding:host_id": "none"}}`).Want(409).Has("NeutronError.type", "HostNotConnectedToAnySegment")
		admin.Put(v2+"/ports/"+late, `{"port": {"binding:host_id": "both"}}`).Want(409).Has("NeutronError.type", "HostConnectedToMultipleSegments")
		admin.Put(v2+"/ports/"+late, `{"port": {"binding:host_id": "h2"}}`).Want(200).Has("port.ip_allocation", "immediate").Has("port.fixed_ips.0.subnet_id", subnets["rack2"])
		if spec, _ := neutrontest.Spec[driver.PortSpec](c.engine, "port", late); len(spec.FixedIPs) != 1 || spec.FixedIPs[0].SubnetID != subnets["rack2"] {
			t.Errorf("the engine's port is %+v", spec)
		}
		admin.Put(v2+"/ports/"+late, `{"port": {"binding:host_id": "h1"}}`).Want(409).Has("NeutronError.type", "HostNotCompatibleWithFixedIps")
		port(`, "binding:host_id": "h1"`).Want(201).Has("port.ip_allocation", "immediate").Has("port.fixed_ips.0.subnet_id", subnets["rack1"])
		port(`, "binding:host_id": "none"`).Want(409).Has("NeutronError.type", "HostNotConnectedToAnySegment")
		port(`, "binding:host_id": "h1", "fixed_ips": [{"subnet_id": "` + subnets["rack2"] + `"}]`).Want(400)
		port(`, "fixed_ips": [{"subnet_id": "`+subnets["rack1"]+`"}, {"subnet_id": "`+subnets["rack2"]+`"}]`).Want(400).
			Has("NeutronError.type", "FixedIpsSubnetsNotOnSameSegment")
		port(`, "fixed_ips": []`).Want(201).Has("port.ip_allocation", "none")
		asked := port(`, "fixed_ips": [{"subnet_id": "`+subnets["rack1"]+`"}]`).Want(201).Has("port.ip_allocation", "immediate").Text("port.id")
		admin.Put(v2+"/ports/"+asked, `{"port": {"binding:host_id": "h2"}}`).Want(409).Has("NeutronError.type", "HostNotCompatibleWithFixedIps")
		admin.Put(v2+"/ports/"+asked, `{"port": {"binding:host_id": "h1"}}`).Want(200)

		// Nova's way: made without a host, bound to one, moved to another.
		var ports []neutron.Port
		err := h.Write(t.Context(), func(ctx context.Context, tx store.Tx) (err error) {
			ports, err = c.n.CreatePorts(ctx, tx, nil, neutron.ServerRef{ID: nowhere, Name: "s", Project: "project-1", AZ: "nova"}, []neutron.NICPlan{{NetworkID: net}})
			return err
		})
		if err != nil || len(ports) != 1 || len(ports[0].FixedIPs) != 0 {
			t.Fatalf("ports of a server without a host: %+v %v", ports, err)
		}
		ids := []string{ports[0].ID}
		vifs, err := c.n.BindPorts(t.Context(), ids, "h1")
		if err != nil || len(vifs) != 1 || len(vifs[0].Subnets) != 1 || vifs[0].Subnets[0].ID != subnets["rack1"] {
			t.Errorf("bound: %+v %v", vifs, err)
		}
		if err := c.n.PrepareMigration(t.Context(), ids, "h2"); err == nil {
			t.Error("a server may move to the other rack with its address")
		}
		c.clean(t)
	}, db.Migrations)
}
