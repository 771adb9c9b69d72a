package api_test

import (
	"testing"

	"gostack/internal/neutron"
	"gostack/internal/neutron/db"
	"gostack/internal/neutron/driver"
	"gostack/internal/neutron/neutrontest"
	"gostack/internal/store/storetest"
)

// TestTunnelTypes covers what tunnel agents carry: each network has its id and a VLAN of the hosts' bridges, and frames that fit.
func TestTunnelTypes(t *testing.T) {
	c := newCloud(t, storetest.SQLite(t, db.Migrations), func(cfg *neutron.Config) {
		cfg.TenantNetworkTypes = []string{"gre", "geneve"}
		cfg.SegmentRanges = map[string][][2]int64{"gre": {{7, 7}, {9, 9}}}
	})
	admin, m := c.as(t, "admin"), c.as(t, "member")
	spec := func(id string) driver.NetworkSpec {
		s, _ := neutrontest.Spec[driver.NetworkSpec](c.engine, "network", id)
		return s
	}
	var ids []string
	for i, want := range []struct {
		kind driver.NetworkType
		mtu  int
		vlan int
	}{{"gre", 1458, 1}, {"gre", 1458, 2}, {"geneve", 1442, 0}} { // the ranges of gre are used up then
		id := m.Post(v2+"/networks", `{"network": {}}`).Want(201).Has("network.mtu", want.mtu).Text("network.id")
		if s := spec(id); s.Type != want.kind || s.TunnelVLAN != want.vlan || s.MTU != want.mtu || i < 2 && s.Segment != 7 && s.Segment != 9 {
			t.Errorf("network %d is %+v", i, s)
		}
		ids = append(ids, id)
	}
	create := func(kind, segment string) string {
		return `{"network": {"provider:network_type": "` + kind + `", "provider:segmentation_id": ` + segment + `}}`
	}
	m.Delete(v2 + "/networks/" + ids[0]).Want(204)
	vx := admin.Post(v2+"/networks", create("vxlan", "9000001")).Want(201).Has("network.mtu", 1450).Text("network.id")
	if s := spec(vx); s.TunnelVLAN != 1 || s.Segment != 9000001 {
		t.Errorf("a freed VLAN is not taken again: %+v", s)
	}
	admin.Post(v2+"/networks", create("nvgre", "43981")).Want(201).Has("network.mtu", 1458)
	admin.Post(v2+"/networks", create("vxlan", "9000001")).Want(409).Has("NeutronError.type", "TunnelIdInUse")
	for _, refused := range []string{create("nvgre", "4095"), create("gre", "1048576"), create("gre", "0"), create("vxlan", "16777216")} {
		admin.Post(v2+"/networks", refused).Want(400)
	}
	admin.Post(v2+"/networks", `{"network": {"provider:network_type": "gre", "mtu": 1459}}`).Want(400).Says("maximum is 1458")
	c.clean(t)
}
