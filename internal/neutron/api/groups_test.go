package api_test

import (
	"strings"
	"testing"

	"gostack/internal/neutron/driver"
	"gostack/internal/neutron/neutrontest"
)

// TestAddressGroups covers their life, and what the engine is told: the addresses, or nothing at all for an empty group (OSSN-0095).
func TestAddressGroups(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		m, other := c.as(t, "member"), c.as(t, "other")
		m.Post(v2+"/address-groups", `{"address_group": {"name": "g", "addresses": ["nowhere"]}}`).Want(400)
		m.Post(v2+"/address-groups", `{"address_group": {"name": "g", "addresses": ["10.0.0.7"]}}`).Want(400).Says("'10.0.0.7/32' is recommended")
		group := m.Post(v2+"/address-groups", `{"address_group": {"name": "g", "description": "d", "addresses": ["10.0.0.7/32", "10.1.0.9/16"]}}`).Want(201).
			Has("address_group.addresses", "[10.0.0.7/32 10.1.0.0/16]").Has("address_group.shared", false).Text("address_group.id")
		path := v2 + "/address-groups/" + group
		m.Put(path+"/add_addresses", `{"addresses": ["10.2.0.0/16", "fd00::1"]}`).Want(200).Has("address_group.addresses", "[10.0.0.7/32 10.1.0.0/16 10.2.0.0/16 fd00::1/128]")
		m.Put(path+"/add_addresses", `{"addresses": ["10.2.0.0/16"]}`).Want(400).Has("NeutronError.type", "AddressesAlreadyExist")
		m.Put(path+"/remove_addresses", `{"addresses": ["10.9.0.0/16"]}`).Want(404).Has("NeutronError.type", "AddressesNotFound")
		m.Put(path+"/remove_addresses", `{"addresses": ["10.1.0.0/16", "10.2.0.0/16"]}`).Want(200)
		m.Put(path, `{"address_group": {"addresses": []}}`).Want(400)
		m.Put(path, `{"address_group": {"name": "h"}}`).Want(200).Has("address_group.name", "h")
		other.Get(path).Want(404)
		other.Put(path+"/add_addresses", `{"addresses": ["10.2.0.0/16"]}`).Want(404)

		sg := m.Post(v2+"/security-groups", `{"security_group": {"name": "s"}}`).Want(201).Text("security_group.id")
		rule := `{"security_group_rule": {"security_group_id": "` + sg + `", "direction": "ingress", "protocol": "tcp", "remote_address_group_id": "` + group + `"`
		m.Post(v2+"/security-group-rules", rule+`, "remote_ip_prefix": "10.0.0.0/8"}}`).Want(400).Has("NeutronError.type", "SecurityGroupMultipleRemoteEntites")
		other.Post(v2+"/security-group-rules", rule+`}}`).Want(404)
		ruleID := m.Post(v2+"/security-group-rules", rule+`}}`).Want(201).Has("security_group_rule.remote_address_group_id", group).Text("security_group_rule.id")
		m.Post(v2+"/security-group-rules", rule+`}}`).Want(409).Has("NeutronError.type", "SecurityGroupRuleExists")
		prefixes := func() (list []string, there bool) {
			spec, _ := neutrontest.Spec[driver.SecurityGroupSpec](c.engine, "security_group", sg)
			for _, r := range spec.Rules {
				if r.ID == ruleID {
					there = true
					for _, p := range r.RemotePrefixes {
						list = append(list, p.String())
					}
				}
			}
			return list, there
		}
		if got, _ := prefixes(); strings.Join(got, " ") != "10.0.0.7/32" {
			t.Errorf("the engine allows %v", got)
		}
		m.Put(path+"/add_addresses", `{"addresses": ["10.3.0.0/16"]}`).Want(200)
		if got, _ := prefixes(); strings.Join(got, " ") != "10.0.0.7/32 10.3.0.0/16" {
			t.Errorf("the engine allows %v", got)
		}
		m.Put(path+"/remove_addresses", `{"addresses": ["10.0.0.7", "10.3.0.0/16"]}`).Want(200)
		if _, there := prefixes(); there {
			t.Error("a rule with an empty address group is in the engine, where it would allow everybody")
		}
		m.Delete(path).Want(409).Has("NeutronError.type", "AddressGroupInUse")

		// Shared by RBAC, used by the other project's rule, it stays shared.
		rbac := m.Post(v2+"/rbac-policies", `{"rbac_policy": {"object_type": "address_group", "object_id": "`+group+`", "action": "access_as_shared", "target_tenant": "project-2"}}`).
			Want(201).Text("rbac_policy.id")
		other.Get(path).Want(200)
		other.Put(path, `{"address_group": {"name": "theirs"}}`).Want(404)
		theirs := other.Post(v2+"/security-groups", `{"security_group": {"name": "o"}}`).Want(201).Text("security_group.id")
		used := other.Post(v2+"/security-group-rules", strings.Replace(rule, sg, theirs, 1)+`}}`).Want(201).Text("security_group_rule.id")
		m.Delete(v2+"/rbac-policies/"+rbac).Want(409).Has("NeutronError.type", "RbacPolicyInUse")
		other.Delete(v2 + "/security-group-rules/" + used).Want(204)
		m.Delete(v2 + "/rbac-policies/" + rbac).Want(204)
		m.Delete(v2 + "/security-group-rules/" + ruleID).Want(204)
		m.Delete(path).Want(204)
		c.clean(t)
	})
}

// TestRBACOfSecurityGroupsAndExternalNetworks covers the object types that have users of another kind.
func TestRBACOfSecurityGroupsAndExternalNetworks(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		m, admin, other := c.as(t, "member"), c.as(t, "admin"), c.as(t, "other")
		sg := m.Post(v2+"/security-groups", `{"security_group": {"name": "s"}}`).Want(201).Text("security_group.id")
		rbac := m.Post(v2+"/rbac-policies", `{"rbac_policy": {"object_type": "security_group", "object_id": "`+sg+`", "action": "access_as_shared", "target_tenant": "project-2"}}`).
			Want(201).Text("rbac_policy.id")
		net, _ := network(other, "n", "10.0.0.0/24")
		port := other.Post(v2+"/ports", `{"port": {"network_id": "`+net+`", "security_groups": ["`+sg+`"]}}`).Want(201).Text("port.id")
		m.Delete(v2+"/rbac-policies/"+rbac).Want(409).Has("NeutronError.type", "RbacPolicyInUse")
		other.Delete(v2 + "/ports/" + port).Want(204)
		m.Delete(v2 + "/rbac-policies/" + rbac).Want(204)
		other.Post(v2+"/ports", `{"port": {"network_id": "`+net+`", "security_groups": ["`+sg+`"]}}`).Want(404)

		// A network becomes external by a policy and stops being so with the last one.
		ext := admin.Post(v2+"/networks", `{"network": {"name": "e"}}`).Want(201).Text("network.id")
		admin.Post(v2+"/subnets", `{"subnet": {"network_id": "`+ext+`", "ip_version": 4, "cidr": "172.20.0.0/24", "enable_dhcp": false}}`).Want(201)
		m.Get(v2 + "/networks/" + ext).Want(404)
		access := admin.Post(v2+"/rbac-policies", `{"rbac_policy": {"object_type": "network", "object_id": "`+ext+`", "action": "access_as_external", "target_tenant": "project-1"}}`).
			Want(201).Text("rbac_policy.id")
		m.Get(v2+"/networks/"+ext).Want(200).Has("network.router:external", true)
		other.Get(v2 + "/networks/" + ext).Want(404)
		router := m.Post(v2+"/routers", `{"router": {"external_gateway_info": {"network_id": "`+ext+`"}}}`).Want(201).Text("router.id")
		admin.Delete(v2+"/rbac-policies/"+access).Want(409).Has("NeutronError.type", "RbacPolicyInUse")
		m.Delete(v2 + "/routers/" + router).Want(204)
		admin.Delete(v2 + "/rbac-policies/" + access).Want(204)
		admin.Get(v2+"/networks/"+ext).Want(200).Has("network.router:external", false)
		c.clean(t)
	})
}

// TestDefaultRulesAndStatefulness: what new security groups begin with is the administrator's choice.
func TestDefaultRulesAndStatefulness(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		m, admin, other := c.as(t, "member"), c.as(t, "admin"), c.as(t, "other")
		if n := m.Get(v2 + "/default-security-group-rules").Want(200).Len("default_security_group_rules"); n != 4 {
			t.Errorf("a new cloud has %d default rules", n)
		}
		body := `{"default_security_group_rule": {"direction": "ingress", "protocol": "tcp", "port_range_min": "22", "port_range_max": 22, "used_in_default_sg": true}}`
		m.Post(v2+"/default-security-group-rules", body).Want(403)
		rule := admin.Post(v2+"/default-security-group-rules", body).Want(201).Has("default_security_group_rule.port_range_min", 22).
			Has("default_security_group_rule.used_in_non_default_sg", true).Has("default_security_group_rule.remote_group_id", "<nil>").Text("default_security_group_rule.id")
		admin.Post(v2+"/default-security-group-rules", body).Want(409).Has("NeutronError.type", "DefaultSecurityGroupRuleExists")
		admin.Post(v2+"/default-security-group-rules", `{"default_security_group_rule": {"direction": "ingress", "port_range_min": 22}}`).Want(400)
		if n := m.Post(v2+"/security-groups", `{"security_group": {"name": "s"}}`).Want(201).Has("security_group.stateful", true).Len("security_group.security_group_rules"); n != 3 {
			t.Errorf("a group begins with %d rules", n)
		}
		if n := other.Get(v2 + "/security-groups?name=default").Want(200).Len("security_groups.0.security_group_rules"); n != 5 {
			t.Errorf("a default group begins with %d rules", n)
		}
		m.Get(v2 + "/default-security-group-rules/" + rule).Want(200)
		admin.Put(v2+"/default-security-group-rules/"+rule, `{"default_security_group_rule": {}}`).Want(405)
		admin.Delete(v2 + "/default-security-group-rules/" + rule).Want(204)
		m.Get(v2+"/default-security-group-rules/"+rule).Want(404).Has("NeutronError.type", "DefaultSecurityGroupRuleNotFound")

		const path, one = v2 + "/security-groups-default-statefulness", "security_groups_default_statefulness"
		all := admin.Post(path, `{"`+one+`": {"project_id": null, "stateful": false}}`).Want(201).Has(one+".project_id", "<nil>").Text(one + ".id")
		admin.Post(path, `{"`+one+`": {"project_id": null, "stateful": true}}`).Want(409)
		m.Post(v2+"/security-groups", `{"security_group": {"name": "t"}}`).Want(201).Has("security_group.stateful", false)
		m.Post(v2+"/security-groups", `{"security_group": {"name": "u", "stateful": true}}`).Want(201).Has("security_group.stateful", true)
		mine := admin.Post(path, `{"`+one+`": {"project_id": "project-1", "stateful": true}}`).Want(201).Text(one + ".id")
		m.Post(v2+"/security-groups", `{"security_group": {"name": "v"}}`).Want(201).Has("security_group.stateful", true)
		admin.Put(path+"/"+mine, `{"`+one+`": {"stateful": false}}`).Want(200).Has(one+".stateful", false)
		m.Get(path + "/" + mine).Want(200)
		m.Get(path + "/" + all).Want(404)
		other.Get(path + "/" + mine).Want(404)
		admin.Delete(path + "/" + mine).Want(204)
		c.clean(t)
	})
}
