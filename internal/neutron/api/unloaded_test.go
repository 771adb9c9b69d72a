package api_test

import (
	"testing"

	"gostack/internal/neutron/db"
	"gostack/internal/store/storetest"
)

// Plugins that upstream does not enable by default are as absent as there: no extension of theirs is listed, and their paths are nobody's.
func TestUnloadedPlugins(t *testing.T) {
	c := newCloud(t, storetest.SQLite(t, db.Migrations))
	a := c.as(t, "admin")
	router := a.Post(v2+"/routers", `{"router": {}}`).Want(201).Text("router.id")
	for alias, paths := range map[string][]string{
		"bgp":                   {"/bgp-speakers", "/bgp-peers", "/agents/" + router + "/bgp-drinstances"},
		"bgpvpn":                {"/bgpvpn/bgpvpns"},
		"fwaas_v2":              {"/fwaas/firewall_groups", "/fwaas/firewall_policies", "/fwaas/firewall_rules"},
		"vpnaas":                {"/vpn/vpnservices", "/vpn/ikepolicies", "/vpn/endpoint-groups"},
		"sfc":                   {"/sfc/port_chains", "/sfc/flow_classifiers"},
		"taas":                  {"/taas/tap_flows", "/taas/tap_services", "/taas/tap_mirrors"},
		"network-segment-range": {"/network_segment_ranges", "/network-segment-ranges/" + router + "/tags"},
		"local_ip":              {"/local_ips"},
		"l3-ndp-proxy":          {"/ndp_proxies"},
		"l3-conntrack-helper":   {"/routers/" + router + "/conntrack_helpers"},
	} {
		a.Get(v2 + "/extensions/" + alias).Want(404)
		for _, path := range paths {
			a.Get(v2+path).Want(404).Has("NeutronError.type", "HTTPNotFound")
			a.Post(v2+path, `{"x": {}}`).Want(404).Has("NeutronError.type", "HTTPNotFound")
			a.Get(v2+path+"/"+router).Want(404).Has("NeutronError.type", "HTTPNotFound")
			a.Delete(v2+path+"/"+router).Want(404).Has("NeutronError.type", "HTTPNotFound")
		}
	}
}
