package api_test

import (
	"testing"

	"gostack/internal/neutron/driver"
	"gostack/internal/neutron/neutrontest"
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
		admin.Post(v2+"/subnets", `{"subnet": {"network_id": "`+net+`", "ip_version": 4, "cidr": "10.5.0.0/24", "segment_id": "`+first+`"}}`).Want(400)
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
		m.Put(v2+"/subnets/"+subnet, `{"subnet": {"segment_id": "`+first+`"}}`).Want(404)
		admin.Put(v2+"/subnets/"+subnet, `{"subnet": {"segment_id": "`+first+`"}}`).Want(200).Has("subnet.segment_id", first)
		m.Get(v2+"/networks/"+net).Has("network.l2_adjacency", false)
		admin.Post(v2+"/subnets", `{"subnet": {"network_id": "`+net+`", "ip_version": 4, "cidr": "10.6.0.0/24"}}`).Want(400).
			Has("NeutronError.type", "SubnetsNotAllAssociatedWithSegments")
		admin.Post(v2+"/segments", `{"segment": {"network_id": "`+net+`", "network_type": "vlan", "physical_network": "physnet1"}}`).Want(409)

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
