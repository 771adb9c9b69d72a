package api_test

import (
	"strings"
	"testing"
)

// TestSamplesOfChanges compares what each POST and PUT answers with upstream's sample, as TestSamples does with GET. The steps are one story: a
// step "name=" keeps the id of what it made for "$name" in later ones.
func TestSamplesOfChanges(t *testing.T) {
	root, c, a, ext := samples(t)
	ids := []string{"$ext", ext}
	for _, step := range []struct{ keep, method, path, body, sample string }{
		{"net", "POST", "/networks", `{"network": {"name": "n"}}`, "networks/network-create-response"},
		{"", "PUT", "/networks/$net", `{"network": {"name": "m"}}`, "networks/network-update-response"},
		{"", "POST", "/networks", `{"networks": [{"name": "a"}, {"name": "b"}]}`, "networks/networks-bulk-create-response"},
		{"", "POST", "/networks", `{"network": {"provider:network_type": "vlan", "provider:physical_network": "physnet1", "provider:segmentation_id": 101}}`, "networks/network-provider-create-response"},
		{"multi", "POST", "/networks", `{"network": {"segments": [{"provider:network_type": "vlan", "provider:physical_network": "physnet1", "provider:segmentation_id": 102}, {"provider:network_type": "geneve"}]}}`, "networks/network-multi-create-response"},
		{"subnet", "POST", "/subnets", `{"subnet": {"network_id": "$net", "ip_version": 4, "cidr": "10.0.0.0/24"}}`, "subnets/subnet-create-response"},
		{"", "PUT", "/subnets/$subnet", `{"subnet": {"name": "s"}}`, "subnets/subnet-update-response"},
		{"", "POST", "/subnets", `{"subnets": [{"network_id": "$net", "ip_version": 4, "cidr": "10.1.0.0/24"}, {"network_id": "$net", "ip_version": 4, "cidr": "10.2.0.0/24"}]}`, "subnets/subnets-create-bulk-response"},
		{"pool", "POST", "/subnetpools", `{"subnetpool": {"name": "p", "prefixes": ["10.80.0.0/16"], "default_prefixlen": 26, "is_default": true}}`, "subnets/subnetpool-create-response"},
		{"", "PUT", "/subnetpools/$pool", `{"subnetpool": {"name": "q"}}`, "subnets/subnetpool-update-response"},
		{"", "PUT", "/subnetpools/$pool/add_prefixes", `{"prefixes": ["10.90.0.0/16"]}`, "subnets/subnetpool-add-prefixes-response"},
		{"", "PUT", "/subnetpools/$pool/remove_prefixes", `{"prefixes": ["10.90.0.0/16"]}`, "subnets/subnetpool-remove-prefixes-response"},
		{"port", "POST", "/ports", `{"port": {"network_id": "$net", "device_owner": "compute:nova", "device_id": "s", "binding:host_id": "gw", "extra_dhcp_opts": [{"opt_name": "bootfile-name", "opt_value": "x"}],
			"allowed_address_pairs": [{"ip_address": "10.9.0.0/24"}]}}`, "ports/port-create-response"},
		{"", "PUT", "/ports/$port", `{"port": {"name": "p"}}`, "ports/port-update-response"},
		{"", "PUT", "/ports/$port", `{"port": {"binding:host_id": "gw"}}`, "ports/port-bind-update-response"},
		{"", "POST", "/ports", `{"port": {"network_id": "$net", "binding:host_id": "gw"}}`, "ports/port-bind-create-response"},
		{"", "POST", "/ports", `{"ports": [{"network_id": "$net"}, {"network_id": "$net"}]}`, "ports/ports-bulk-create-response"},
		{"", "POST", "/ports/$port/bindings", `{"binding": {"host": "other"}}`, "port_bindings/port-binding-create-response"},
		{"", "PUT", "/ports/$port/bindings/other/activate", ``, "port_bindings/port-binding-activate-response"},
		{"router", "POST", "/routers", `{"router": {"name": "r", "external_gateway_info": {"network_id": "$ext"}}}`, "routers/router-create-response"},
		{"", "PUT", "/routers/$router", `{"router": {"name": "q"}}`, "routers/router-update-response"},
		{"", "PUT", "/routers/$router/add_router_interface", `{"subnet_id": "$subnet"}`, "routers/router-add-interface-response"},
		{"", "PUT", "/routers/$router/add_extraroutes", `{"router": {"routes": [{"destination": "10.7.0.0/24", "nexthop": "10.0.0.9"}]}}`, "routers/router-add-extraroutes-response"},
		{"", "PUT", "/routers/$router/remove_extraroutes", `{"router": {"routes": [{"destination": "10.7.0.0/24", "nexthop": "10.0.0.9"}]}}`, "routers/router-remove-extraroutes-response"},
		{"fip", "POST", "/floatingips", `{"floatingip": {"floating_network_id": "$ext", "port_id": "$port"}}`, "floatingips/floatingip-create-response"},
		{"", "PUT", "/floatingips/$fip", `{"floatingip": {"port_id": "$port"}}`, "floatingips/floatingip-update-response"},
		{"", "PUT", "/floatingips/$fip", `{"floatingip": {"port_id": null}}`, "floatingips/floatingip-disassociate-response"},
		{
			"forwarding", "POST", "/floatingips/$fip/port_forwardings", `{"port_forwarding": {"protocol": "tcp", "internal_port_id": "$port", "internal_ip_address": "$address", "internal_port": 25, "external_port": 2230}}`,
			"port_forwardings/port-fowarding-create-response",
		},
		{"", "PUT", "/floatingips/$fip/port_forwardings/$forwarding", `{"port_forwarding": {"internal_port": 37}}`, "port_forwardings/port-fowarding-update-response"},
		{"sg", "POST", "/security-groups", `{"security_group": {"name": "g"}}`, "security-groups/security-group-create-response"},
		{"", "PUT", "/security-groups/$sg", `{"security_group": {"name": "h"}}`, "security-groups/security-group-update-response"},
		{"", "POST", "/security-group-rules", `{"security_group_rule": {"security_group_id": "$sg", "direction": "ingress"}}`, "security-groups/security-group-rule-create-response"},
		{"", "POST", "/default-security-group-rules", `{"default_security_group_rule": {"direction": "ingress", "protocol": "tcp", "port_range_min": 5, "port_range_max": 5}}`, "security-group-default-rules/security-group-default-rule-create-response"},
		{"", "POST", "/address-scopes", `{"address_scope": {"name": "s", "ip_version": 4}}`, "address-scopes/address-scope-create-response"},
		{"group", "POST", "/address-groups", `{"address_group": {"name": "g", "addresses": ["10.0.0.1/32"]}}`, "address-groups/address-group-create-response"},
		{"", "PUT", "/address-groups/$group/add_addresses", `{"addresses": ["10.0.0.2/32"]}`, "address-groups/address-group-add-addresses-response"},
		{"", "PUT", "/address-groups/$group/remove_addresses", `{"addresses": ["10.0.0.2/32"]}`, "address-groups/address-group-remove-addresses-response"},
		{"", "PUT", "/agents/chassis-gw", `{"agent": {"description": "d"}}`, "agents/agent-update-response"},
		{"flavor", "POST", "/flavors", `{"flavor": {"name": "f", "service_type": "L3_ROUTER_NAT"}}`, "flavors/flavor-create-response"},
		{"", "PUT", "/flavors/$flavor", `{"flavor": {"name": "g"}}`, "flavors/flavor-update-response"},
		{"profile", "POST", "/service_profiles", `{"service_profile": {"metainfo": "{}"}}`, "flavors/service-profile-create-response"},
		{"", "PUT", "/service_profiles/$profile", `{"service_profile": {"description": "g"}}`, "flavors/service-profile-update-response"},
		{"segment", "POST", "/segments", `{"segment": {"network_id": "$multi", "network_type": "vlan", "physical_network": "physnet1", "segmentation_id": 100}}`, "segments/segment-create-response"},
		{"", "PUT", "/segments/$segment", `{"segment": {"name": "g"}}`, "segments/segment-update-response"},
		{"label", "POST", "/metering/metering-labels", `{"metering_label": {"name": "l"}}`, "metering/metering-label-create-response"},
		{"", "POST", "/metering/metering-label-rules", `{"metering_label_rule": {"metering_label_id": "$label", "direction": "ingress", "remote_ip_prefix": "10.0.0.0/24"}}`, "metering/metering-label-rule-create-response"},
		{"", "PUT", "/quotas/project-7", `{"quota": {"network": 3}}`, "quotas/quotas-update-response"},
		{"", "POST", "/rbac-policies", `{"rbac_policy": {"object_type": "network", "object_id": "$net", "action": "access_as_shared", "target_tenant": "x"}}`, "rbac_policy/rbac-policy-create-response"},
		{"policy", "POST", "/qos/policies", `{"policy": {"name": "p"}}`, "qos/policy-create-response"},
		{"", "PUT", "/qos/policies/$policy", `{"policy": {"name": "q"}}`, "qos/policy-update-response"},
		{"", "POST", "/qos/policies/$policy/bandwidth_limit_rules", `{"bandwidth_limit_rule": {"max_kbps": 1000}}`, "qos/bandwidth_limit_rule-create-response"},
		{"dscp", "POST", "/qos/policies/$policy/dscp_marking_rules", `{"dscp_marking_rule": {"dscp_mark": 26}}`, "qos/dscp_marking_rule-create-response"},
		{"", "PUT", "/qos/policies/$policy/dscp_marking_rules/$dscp", `{"dscp_marking_rule": {"dscp_mark": 16}}`, "qos/dscp_marking_rule-update-response"},
		{"least", "POST", "/qos/policies/$policy/minimum_bandwidth_rules", `{"minimum_bandwidth_rule": {"min_kbps": 100}}`, "qos/minimum_bandwidth_rule-create-response"},
		{"", "PUT", "/qos/policies/$policy/minimum_bandwidth_rules/$least", `{"minimum_bandwidth_rule": {"min_kbps": 200}}`, "qos/minimum_bandwidth_rule-update-response"},
		{"packets", "POST", "/qos/policies/$policy/minimum_packet_rate_rules", `{"minimum_packet_rate_rule": {"min_kpps": 100, "direction": "any"}}`, "qos/minimum_packet_rate_rule-create-response"},
		{"", "PUT", "/qos/policies/$policy/minimum_packet_rate_rules/$packets", `{"minimum_packet_rate_rule": {"min_kpps": 200}}`, "qos/minimum_packet_rate_rule-update-response"},
		{"rate", "POST", "/qos/policies/$policy/packet_rate_limit_rules", `{"packet_rate_limit_rule": {"max_kpps": 1000}}`, "qos/packet_rate_limit_rule-create-response"},
		{"", "PUT", "/qos/policies/$policy/packet_rate_limit_rules/$rate", `{"packet_rate_limit_rule": {"max_kpps": 2000}}`, "qos/packet_rate_limit_rule-update-response"},
		{"log", "POST", "/log/logs", `{"log": {"resource_type": "security_group", "resource_id": "$sg", "event": "ALL"}}`, "logs/log-create-response"},
		{"", "PUT", "/log/logs/$log", `{"log": {"name": "g"}}`, "logs/log-update-response"},
		{"parent", "POST", "/ports", `{"port": {"network_id": "$net"}}`, "ports/port-create-response"},
		{"small", "POST", "/networks", `{"network": {"name": "small", "mtu": 1400}}`, "networks/network-create-response"},
		{"child", "POST", "/ports", `{"port": {"network_id": "$small"}}`, "ports/port-create-response"},
		{"trunk", "POST", "/trunks", `{"trunk": {"port_id": "$parent"}}`, "trunks/trunks-create-response"},
		{"", "PUT", "/trunks/$trunk", `{"trunk": {"name": "g"}}`, "trunks/trunk-update-response"},
		{"", "PUT", "/trunks/$trunk/add_subports", `{"sub_ports": [{"port_id": "$child", "segmentation_type": "vlan", "segmentation_id": 44}]}`, "trunks/trunk-add-subports-response"},
		{"", "PUT", "/trunks/$trunk/remove_subports", `{"sub_ports": [{"port_id": "$child"}]}`, "trunks/trunk-remove-subports-response"},
		{"stateful", "POST", "/security-groups-default-statefulness", `{"security_groups_default_statefulness": {"project_id": "project-7"}}`, "security-groups-default-statefulness/security-groups-default-statefulness-create-response"},
		{"", "PUT", "/security-groups-default-statefulness/$stateful", `{"security_groups_default_statefulness": {"stateful": false}}`, "security-groups-default-statefulness/security-groups-default-statefulness-update-response"},
	} {
		fill := strings.NewReplacer(ids...)
		var body any
		if step.body != "" {
			body = fill.Replace(step.body)
		}
		as := a
		if strings.Contains(step.path, "/bindings") {
			as = c.as(t, "service") // Nova's
		}
		answer := as.Do(step.method, v2+fill.Replace(step.path), body)
		if answer.Code >= 300 {
			t.Errorf("%s: %s", answer.What, answer.Body)
			continue
		}
		var got any
		answer.JSON(&got)
		likeSample(t, root, step.sample, step.path, got)
		doc, _ := got.(map[string]any)
		for _, made := range doc {
			if m, ok := made.(map[string]any); ok && step.keep != "" {
				ids = append(ids, "$"+step.keep, m["id"].(string)) //nolint:forcetypeassert // it was made
				if ips, ok := m["fixed_ips"].([]any); ok && step.keep == "port" {
					ids = append(ids, "$address", ips[0].(map[string]any)["ip_address"].(string)) //nolint:forcetypeassert // as above
				}
			}
		}
	}
}
