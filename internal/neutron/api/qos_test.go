package api_test

import (
	"testing"

	"gostack/internal/neutron/driver"
	"gostack/internal/neutron/neutrontest"
)

// TestQoSStory writes policies and rules, puts them on everything that can have one, and follows what the engine is told.
func TestQoSStory(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		m, admin, other, boss := c.as(t, "member"), c.as(t, "admin"), c.as(t, "other"), c.as(t, "manager")
		m.Post(v2+"/qos/policies", `{"policy": {"name": "p"}}`).Want(403) // policies are the manager's
		p := boss.Post(v2+"/qos/policies", `{"policy": {"name": "p", "description": "d", "tags": ["x"]}}`).Want(201).
			Has("policy.shared", false).Has("policy.is_default", false).Has("policy.rules", "[]").Text("policy.id")
		limit := v2 + "/qos/policies/" + p + "/bandwidth_limit_rules"
		rule := boss.Post(limit, `{"bandwidth_limit_rule": {"max_kbps": 1000}}`).Want(201).
			Has("bandwidth_limit_rule.max_burst_kbps", 0).Has("bandwidth_limit_rule.direction", "egress").Text("bandwidth_limit_rule.id")
		boss.Post(limit, `{"bandwidth_limit_rule": {"max_kbps": "2000", "max_burst_kbps": 300, "direction": "ingress"}}`).Want(201)
		boss.Post(limit, `{"bandwidth_limit_rule": {"max_kbps": 7}}`).Want(409).Has("NeutronError.type", "QoSRulesConflict")
		boss.Post(limit, `{"bandwidth_limit_rule": {"max_burst_kbps": 7}}`).Want(400)
		boss.Post(limit, `{"bandwidth_limit_rule": {"max_kbps": -1}}`).Want(400)
		boss.Post(limit, `{"bandwidth_limit_rule": {"max_kbps": 1, "direction": "any"}}`).Want(400)
		boss.Post(v2+"/qos/policies/"+rule+"/bandwidth_limit_rules", `{"bandwidth_limit_rule": {"max_kbps": 7}}`).Want(404).Has("NeutronError.type", "QosPolicyNotFound")
		boss.Post(v2+"/qos/policies/"+p+"/dscp_marking_rules", `{"dscp_marking_rule": {"dscp_mark": 27}}`).Want(400)
		boss.Post(v2+"/qos/policies/"+p+"/dscp_marking_rules", `{"dscp_marking_rule": {"dscp_mark": 26}}`).Want(201)
		boss.Post(v2+"/qos/policies/"+p+"/minimum_bandwidth_rules", `{"minimum_bandwidth_rule": {"min_kbps": 1001}}`).Want(409).
			Has("NeutronError.type", "QoSRuleParameterConflict")
		boss.Get(limit+"?direction=egress").Want(200).Has("bandwidth_limit_rules.0.max_kbps", 1000)
		boss.Get(limit+"/"+rule).Want(200).Has("bandwidth_limit_rule.id", rule)
		other.Get(limit + "/" + rule).Want(404)
		other.Get(v2+"/qos/policies/"+p).Want(404).Has("NeutronError.type", "QosPolicyNotFound")

		net, subnet := network(m, "n", "10.1.0.0/24")
		spec := func(port string) driver.QoSSpec {
			s, _ := neutrontest.Spec[driver.PortSpec](c.engine, "port", port)
			return s.QoS
		}
		want := driver.QoSSpec{Egress: driver.Rate{Kbps: 1000}, Ingress: driver.Rate{Kbps: 2000, Burst: 300}, Mark: true, DSCP: 26}
		port := m.Post(v2+"/ports", `{"port": {"network_id": "`+net+`", "qos_policy_id": "`+p+`"}}`).Want(201).Has("port.qos_policy_id", p).Text("port.id")
		if got := spec(port); got != want {
			t.Errorf("the engine has %+v", got)
		}
		boss.Put(limit+"/"+rule, `{"bandwidth_limit_rule": {"max_kbps": 500}}`).Want(200).Has("bandwidth_limit_rule.max_kbps", 500)
		want.Egress.Kbps = 500
		if got := spec(port); got != want {
			t.Errorf("after the rule changed the engine has %+v", got)
		}
		boss.Delete(v2+"/qos/policies/"+p).Want(409).Has("NeutronError.type", "QosPolicyInUse")
		plain := m.Post(v2+"/ports", `{"port": {"network_id": "`+net+`"}}`).Want(201).Text("port.id")
		m.Put(v2+"/networks/"+net, `{"network": {"qos_policy_id": "`+p+`"}}`).Want(200).Has("network.qos_policy_id", p)
		if got := spec(plain); got != want {
			t.Errorf("of the network's policy the engine has %+v", got)
		}
		m.Get(v2+"/ports/"+plain).Want(200).Has("port.qos_network_policy_id", p)

		// By itself, without the policy's id.
		boss.Get(v2+"/qos/alias_bandwidth_limit_rules/"+rule).Want(200).Has("alias_bandwidth_limit_rule.max_kbps", 500)
		boss.Put(v2+"/qos/alias_bandwidth_limit_rules/"+rule, `{"alias_bandwidth_limit_rule": {"max_kbps": 600}}`).Want(200)
		want.Egress.Kbps = 600
		other.Delete(v2 + "/qos/alias_bandwidth_limit_rules/" + rule).Want(404)
		if got := spec(plain); got != want {
			t.Errorf("the engine has %+v", got)
		}

		// What OVN cannot enforce is not for its ports.
		pps := v2 + "/qos/policies/" + p + "/packet_rate_limit_rules"
		boss.Post(pps, `{"packet_rate_limit_rule": {"max_kpps": 5}}`).Want(409).Has("NeutronError.type", "QosRuleNotSupported")
		fast := boss.Post(v2+"/qos/policies", `{"policy": {"name": "fast"}}`).Want(201).Text("policy.id")
		boss.Post(v2+"/qos/policies/"+fast+"/minimum_packet_rate_rules", `{"minimum_packet_rate_rule": {"min_kpps": 5, "direction": "any"}}`).Want(201)
		boss.Post(v2+"/qos/policies/"+fast+"/minimum_packet_rate_rules", `{"minimum_packet_rate_rule": {"min_kpps": 5, "direction": "egress"}}`).Want(409)
		m.Put(v2+"/ports/"+plain, `{"port": {"qos_policy_id": "`+fast+`"}}`).Want(409).Has("NeutronError.type", "QosRuleNotSupported")

		// A guarantee is asked of Placement, on physical networks.
		min := boss.Post(v2+"/qos/policies", `{"policy": {"name": "min"}}`).Want(201).Text("policy.id")
		boss.Post(v2+"/qos/policies/"+min+"/minimum_bandwidth_rules", `{"minimum_bandwidth_rule": {"min_kbps": 700}}`).Want(201)
		ext, _ := external(admin)
		sure := admin.Post(v2+"/ports", `{"port": {"network_id": "`+ext+`", "qos_policy_id": "`+min+`"}}`).Want(201).
			Has("port.resource_request.request_groups.0.resources.NET_BW_EGR_KILOBIT_PER_SEC", 700).
			Has("port.resource_request.request_groups.0.required.0", "CUSTOM_PHYSNET_PHYSNET1").Text("port.id")
		if s, _ := neutrontest.Spec[driver.PortSpec](c.engine, "port", sure); !s.Physical || s.QoS.MinEgressKbps != 700 {
			t.Errorf("the engine has %+v", s)
		}

		// Floating IPs and gateways.
		router := admin.Post(v2+"/routers", `{"router": {"project_id": "project-1", "external_gateway_info": {"network_id": "`+ext+`", "qos_policy_id": "`+p+`"}}}`).
			Want(201).Has("router.external_gateway_info.qos_policy_id", p).Text("router.id")
		m.Put(v2+"/routers/"+router+"/add_router_interface", `{"subnet_id": "`+subnet+`"}`).Want(200)
		fip := m.Post(v2+"/floatingips", `{"floatingip": {"floating_network_id": "`+ext+`", "port_id": "`+plain+`", "qos_policy_id": "`+p+`"}}`).
			Want(201).Has("floatingip.qos_policy_id", p).Text("floatingip.id")
		r := routerSpec(t, c, router)
		if r.Gateway.QoS != want || r.FloatingIPs[0].QoS != want {
			t.Errorf("the engine has %+v %+v", r.Gateway.QoS, r.FloatingIPs[0].QoS)
		}
		m.Put(v2+"/floatingips/"+fip, `{"floatingip": {"qos_policy_id": null}}`).Want(200).Has("floatingip.port_id", plain)
		if r := routerSpec(t, c, router); r.FloatingIPs[0].QoS != (driver.QoSSpec{}) {
			t.Errorf("the engine has %+v", r.FloatingIPs[0].QoS)
		}

		// Shared and default policies.
		other.Post(v2+"/networks", `{"network": {"qos_policy_id": "`+p+`"}}`).Want(404).Has("NeutronError.type", "QosPolicyNotFound")
		shared := admin.Post(v2+"/qos/policies", `{"policy": {"name": "s", "shared": true, "project_id": "project-2", "is_default": true}}`).Want(201).
			Has("policy.shared", true).Text("policy.id")
		admin.Post(v2+"/qos/policies", `{"policy": {"project_id": "project-2", "is_default": true}}`).Want(409).Has("NeutronError.type", "QoSPolicyDefaultAlreadyExists")
		m.Get(v2+"/qos/policies?shared=true").Want(200).Has("policies.0.id", shared)
		m.Put(v2+"/ports/"+plain, `{"port": {"qos_policy_id": "`+shared+`"}}`).Want(200)
		other.Post(v2+"/networks", `{"network": {}}`).Want(201).Has("network.qos_policy_id", shared)
		boss.Delete(v2 + "/qos/policies/" + shared).Want(403) // he sees it
		rbac := admin.Post(v2+"/rbac-policies", `{"rbac_policy": {"object_type": "qos_policy", "object_id": "`+fast+`", "action": "access_as_shared", "target_tenant": "project-2"}}`).
			Want(201).Text("rbac_policy.id")
		theirs := other.Post(v2+"/networks", `{"network": {"qos_policy_id": "`+fast+`"}}`).Want(201).Text("network.id")
		admin.Delete(v2+"/rbac-policies/"+rbac).Want(409).Has("NeutronError.type", "RbacPolicyInUse")
		other.Put(v2+"/networks/"+theirs, `{"network": {"qos_policy_id": null}}`).Want(200)
		admin.Delete(v2 + "/rbac-policies/" + rbac).Want(204)
		other.Get(v2 + "/qos/policies/" + fast).Want(404)
		boss.Put(v2+"/qos/policies/"+p, `{"policy": {"name": "q"}}`).Want(200).Has("policy.name", "q")
		boss.Put(v2+"/qos/policies/"+p+"/tags/y", nil).Want(201)
		boss.Get(v2+"/policies/"+p+"/tags").Want(200).Has("tags", "[x y]")

		m.Get(v2+"/qos/rule-types").Want(200).Has("rule_types.2.type", "minimum_bandwidth")
		m.Get(v2+"/qos/rule-types?all_rules=true").Want(200).Has("rule_types.4.type", "minimum_packet_rate")
		m.Get(v2 + "/qos/rule-types?all_rules=true&all_supported=true").Want(400)
		m.Get(v2+"/qos/rule-types/dscp_marking").Want(403).Has("NeutronError.type", "NotAuthorized")
		admin.Get(v2+"/qos/rule-types/dscp_marking").Want(200).Has("rule_type.drivers.0.name", "OVNQosDriver")
		admin.Get(v2 + "/qos/rule-types/nothing").Want(404)
		boss.Delete(limit + "/" + rule).Want(204)
		boss.Delete(limit+"/"+rule).Want(404).Has("NeutronError.type", "QosRuleNotFound")
		boss.Delete(v2 + "/qos/policies/" + fast).Want(204)
		c.clean(t)
	})
}
