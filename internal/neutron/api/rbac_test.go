package api_test

import (
	"fmt"
	"strconv"
	"testing"
)

// TestWhoUsesExternalNetworks: an owner opens his network to another project, and what somebody leaves by is not closed under him.
func TestWhoUsesExternalNetworks(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		m, admin, other := c.as(t, "member"), c.as(t, "admin"), c.as(t, "other")
		share := func(net, action, target string) string {
			return fmt.Sprintf(`{"rbac_policy": {"object_type": "network", "object_id": "%s", "action": "%s", "target_tenant": "%s"}}`, net, action, target)
		}
		net := m.Post(v2+"/networks", `{"network": {"name": "mine"}}`).Want(201).Text("network.id")
		leaves := `{"router": {"external_gateway_info": {"network_id": "` + net + `"}}}`
		other.Post(v2+"/routers", leaves).Want(404).Has("NeutronError.type", "NetworkNotFound")
		m.Post(v2+"/rbac-policies", share(net, "access_as_external", "*")).Want(403)
		open := m.Post(v2+"/rbac-policies", share(net, "access_as_external", "project-2")).Want(201).Text("rbac_policy.id")
		// Without a subnet the gateway has no address, which is no reason to refuse it.
		router := other.Post(v2+"/routers", leaves).Want(201).Has("router.external_gateway_info.external_fixed_ips", "[]").Text("router.id")
		m.Delete(v2+"/rbac-policies/"+open).Want(409).Has("NeutronError.type", "RbacPolicyInUse")
		all := admin.Post(v2+"/rbac-policies", share(net, "access_as_external", "*")).Want(201).Text("rbac_policy.id")
		m.Delete(v2 + "/rbac-policies/" + open).Want(204)
		admin.Put(v2+"/rbac-policies/"+all, `{"rbac_policy": {"target_tenant": "project-3"}}`).Want(409).Has("NeutronError.type", "RbacPolicyInUse")
		admin.Put(v2+"/rbac-policies/"+all, `{"rbac_policy": {"target_tenant": "project-2"}}`).Want(200)
		other.Delete(v2 + "/routers/" + router).Want(204)
		admin.Delete(v2 + "/rbac-policies/" + all).Want(204)
		other.Post(v2+"/routers", leaves).Want(404).Has("NeutronError.type", "NetworkNotFound")

		ext, _ := external(admin)
		admin.Put(v2+"/networks/"+ext, `{"network": {"is_default": true}}`).Want(200)
		everybody := admin.Get(v2 + "/rbac-policies?action=access_as_external&target_tenant=%2A&object_id=" + ext).Want(200).Text("rbac_policies.0.id")
		admin.Delete(v2 + "/rbac-policies/" + everybody).Want(409).Says("Default external networks must be shared to everyone")
		c.clean(t)
	})
}

// TestWhatRaisesTheRevisionOfANetwork: its subnets and its sharing belong to it.
func TestWhatRaisesTheRevisionOfANetwork(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		m := c.as(t, "member")
		net := m.Post(v2+"/networks", `{"network": {}}`).Want(201).Text("network.id")
		last := -1
		raised := func(what string) {
			t.Helper()
			now, err := strconv.Atoi(fmt.Sprint(m.Get(v2 + "/networks/" + net).Want(200).At("network.revision_number")))
			if err != nil || now <= last {
				t.Errorf("%s: revision %v after %v", what, now, last)
			}
			last = now
		}
		raised("creation")
		// The attribute service_types has a policy that nobody asks (neutron-lib gives it no enforce_policy).
		subnet := m.Post(v2+"/subnets", `{"subnet": {"network_id": "`+net+`", "ip_version": 4, "cidr": "10.0.0.9/24", "service_types": ["compute:nova"]}}`).Want(201).
			Has("subnet.cidr", "10.0.0.0/24").Text("subnet.id")
		raised("a subnet more")
		m.Put(v2+"/subnets/"+subnet, `{"subnet": {"service_types": []}}`).Want(200)
		rbac := m.Post(v2+"/rbac-policies", `{"rbac_policy": {"object_type": "network", "object_id": "`+net+`", "action": "access_as_shared", "target_tenant": "project-2"}}`).
			Want(201).Text("rbac_policy.id")
		raised("a policy more")
		m.Put(v2+"/rbac-policies/"+rbac, `{"rbac_policy": {"target_tenant": "project-3"}}`).Want(200)
		raised("a policy for somebody else")
		m.Delete(v2 + "/rbac-policies/" + rbac).Want(204)
		raised("a policy less")
		m.Delete(v2 + "/subnets/" + subnet).Want(204)
		raised("a subnet less")
		c.clean(t)
	})
}

// TestSharingOfPoliciesAndPools: what an owner does with his QoS policy keeps it shared, and a pool is shared with whom its address scope is.
func TestSharingOfPoliciesAndPools(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		m, admin := c.as(t, "member"), c.as(t, "admin")
		p := admin.Post(v2+"/qos/policies", `{"policy": {"name": "p", "shared": true}}`).Want(201).Text("policy.id")
		net := admin.Post(v2+"/networks", `{"network": {"qos_policy_id": "`+p+`"}}`).Want(201).Text("network.id")
		admin.Put(v2+"/qos/policies/"+p, `{"policy": {"shared": false}}`).Want(409).Has("NeutronError.type", "RbacPolicyInUse")
		m.Delete(v2+"/qos/policies/"+p).Want(403).Has("NeutronError.type", "PolicyNotAuthorized")
		m.Post(v2+"/qos/policies/nothing/dscp_marking_rules", `{"dscp_marking_rule": {"dscp_mark": 8}}`).Want(403)
		admin.Post(v2+"/qos/policies/nothing/dscp_marking_rules", `{"dscp_marking_rule": {"dscp_mark": 8}}`).Want(404)
		admin.Delete(v2 + "/networks/" + net).Want(204)
		admin.Put(v2+"/qos/policies/"+p, `{"policy": {"shared": false}}`).Want(200)
		m.Delete(v2 + "/qos/policies/" + p).Want(404)

		share := func(kind, id, target string) string {
			return fmt.Sprintf(`{"rbac_policy": {"object_type": "%s", "object_id": "%s", "action": "access_as_shared", "target_tenant": "%s"}}`, kind, id, target)
		}
		scope := m.Post(v2+"/address-scopes", `{"address_scope": {"name": "s", "ip_version": 4}}`).Want(201).Text("address_scope.id")
		pool := m.Post(v2+"/subnetpools", `{"subnetpool": {"name": "p", "prefixes": ["10.1.0.0/16"], "address_scope_id": "`+scope+`"}}`).Want(201).Text("subnetpool.id")
		m.Post(v2+"/rbac-policies", share("subnetpool", pool, "project-2")).Want(400).Says("target project doesn't have access to associated address scope")
		m.Post(v2+"/rbac-policies", share("address_scope", scope, "project-2")).Want(201)
		m.Post(v2+"/rbac-policies", share("subnetpool", pool, "project-2")).Want(201)
		c.clean(t)
	})
}

// TestGroupsWithinQuota: an administrator who looks at a new project sees its default group, and the rules a group begins with count.
func TestGroupsWithinQuota(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		m, admin := c.as(t, "member"), c.as(t, "admin")
		if n := admin.Get(v2 + "/security-groups?project_id=project-1").Want(200).Len("security_groups"); n != 1 {
			t.Errorf("a new project has %d groups", n)
		}
		admin.Put(v2+"/quotas/project-1", `{"quota": {"security_group_rule": 5}}`).Want(200)
		m.Post(v2+"/security-groups", `{"security_group": {"name": "s"}}`).Want(409).Has("NeutronError.type", "OverQuota")
		admin.Put(v2+"/quotas/project-1", `{"quota": {"security_group_rule": 7}}`).Want(200)
		group := m.Post(v2+"/security-groups", `{"security_group": {"name": "s"}}`).Want(201).Text("security_group.id")
		rule := func(protocol string) string {
			return `{"security_group_rule": {"security_group_id": "` + group + `", "direction": "ingress", "protocol": "` + protocol + `"}}`
		}
		m.Post(v2+"/security-group-rules", rule("41")).Want(400).Has("NeutronError.type", "SecurityGroupEthertypeConflictWithProtocol")
		m.Post(v2+"/security-group-rules", rule("47")).Want(201)
		c.clean(t)
	})
}
