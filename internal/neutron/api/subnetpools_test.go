package api_test

import (
	"testing"
)

// TestSubnetsComeOutOfPools walks through a pool's life: allocation, its bounds and quota, prefixes added and removed, onboarding.
func TestSubnetsComeOutOfPools(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		m, admin, other := c.as(t, "member"), c.as(t, "admin"), c.as(t, "other")
		m.Post(v2+"/subnetpools", `{"subnetpool": {"name": "p", "prefixes": []}}`).Want(400).Has("NeutronError.type", "EmptySubnetPoolPrefixList")
		m.Post(v2+"/subnetpools", `{"subnetpool": {"name": "p", "prefixes": ["10.0.0.0/8", "fd00::/48"]}}`).Want(400).Has("NeutronError.type", "PrefixVersionMismatch")
		m.Post(v2+"/subnetpools", `{"subnetpool": {"name": "p", "prefixes": ["10.0.0.0/8"], "min_prefixlen": 24, "max_prefixlen": 20}}`).Want(400).
			Has("NeutronError.message", "Illegal prefix bounds: min_prefixlen=24, max_prefixlen=20.")
		m.Post(v2+"/subnetpools", `{"subnetpool": {"name": "p", "prefixes": ["10.0.0.0/8"], "is_default": true}}`).Want(403)
		m.Post(v2+"/subnetpools", `{"subnetpool": {"name": "p", "prefixes": ["10.0.0.0/8"], "shared": true}}`).Want(403)
		pool := m.Post(v2+"/subnetpools", `{"subnetpool": {"name": "p", "prefixes": ["10.10.1.0/24", "10.10.0.0/24"], "default_prefixlen": 25, "tags": ["a"]}}`).Want(201).
			Has("subnetpool.prefixes", "[10.10.0.0/23]").Has("subnetpool.min_prefixlen", "8").Has("subnetpool.max_prefixlen", "32").
			Has("subnetpool.default_quota", "<nil>").Has("subnetpool.ip_version", 4).Has("subnetpool.tags", "[a]").Text("subnetpool.id")
		other.Get(v2+"/subnetpools/"+pool).Want(404).Has("NeutronError.type", "SubnetPoolNotFound")

		net := m.Post(v2+"/networks", `{"network": {"name": "n"}}`).Want(201).Text("network.id")
		sub := func(rest string) string {
			return `{"subnet": {"network_id": "` + net + `", "ip_version": 4, "subnetpool_id": "` + pool + `"` + rest + `}}`
		}
		first := m.Post(v2+"/subnets", sub("")).Want(201).Has("subnet.cidr", "10.10.0.0/25").Has("subnet.gateway_ip", "10.10.0.1").
			Has("subnet.subnetpool_id", pool).Text("subnet.id")
		m.Post(v2+"/subnets", sub(`, "prefixlen": 24`)).Want(201).Has("subnet.cidr", "10.10.1.0/24")
		m.Post(v2+"/subnets", sub(`, "cidr": "10.10.0.64/26"`)).Want(409).Has("NeutronError.type", "SubnetAllocationError")
		m.Post(v2+"/subnets", sub(`, "cidr": "10.10.0.128/26"`)).Want(201).Has("subnet.cidr", "10.10.0.128/26")
		m.Post(v2+"/subnets", sub(`, "prefixlen": 25`)).Want(409).Says("Insufficient prefix space to allocate subnet size /25")
		m.Post(v2+"/subnets", sub(`, "prefixlen": 7`)).Want(400).Has("NeutronError.type", "MinPrefixSubnetAllocationError")
		m.Post(v2+"/subnets", sub(`, "cidr": "10.10.0.192/26", "prefixlen": 26`)).Want(400).Says("cidr and prefixlen must not be supplied together")
		m.Post(v2+"/subnets", sub(`, "allocation_pools": [{"start": "10.10.0.194", "end": "10.10.0.195"}]`)).Want(400).Says("allocation_pools allowed only for specific")
		m.Post(v2+"/subnets", `{"subnet": {"network_id": "`+net+`", "ip_version": 6, "subnetpool_id": "`+pool+`"}}`).Want(400).Says("Cannot allocate IPv6 subnet from IPv4")
		m.Post(v2+"/subnets", `{"subnet": {"network_id": "`+net+`", "ip_version": 4}}`).Want(400).Says("a subnetpool must be specified")
		m.Post(v2+"/subnets", `{"subnet": {"network_id": "`+net+`", "ip_version": 4, "use_default_subnetpool": true}}`).Want(400).Says("No default subnetpool found for IPv4")
		m.Get(v2+"/subnets?subnetpool_id="+pool).Want(200).Has("subnets.0.subnetpool_id", pool)
		m.Delete(v2+"/subnetpools/"+pool).Want(400).Has("NeutronError.type", "SubnetPoolDeleteError")

		// Prefixes.
		m.Put(v2+"/subnetpools/"+pool, `{"subnetpool": {"prefixes": ["10.10.0.0/24"]}}`).Want(400).Has("NeutronError.type", "IllegalSubnetPoolPrefixUpdate")
		m.Put(v2+"/subnetpools/"+pool+"/add_prefixes", `{"prefixes": ["10.20.0.0/24", "10.20.1.0/24"]}`).Want(200).Has("prefixes", "[10.10.0.0/23 10.20.0.0/23]")
		m.Put(v2+"/subnetpools/"+pool+"/remove_prefixes", `{"prefixes": ["10.20.1.0/25", "10.99.0.0/24"]}`).Want(200).Has("prefixes", "[10.10.0.0/23 10.20.0.0/24 10.20.1.128/25]")
		m.Put(v2+"/subnetpools/"+pool+"/remove_prefixes", `{"prefixes": ["10.10.1.0/25"]}`).Want(400).Says("is in use by a subnet")
		m.Put(v2+"/subnetpools/"+pool+"/add_prefixes", `{"nothing": []}`).Want(400)
		other.Put(v2+"/subnetpools/"+pool+"/add_prefixes", `{"prefixes": ["10.66.0.0/24"]}`).Want(404)

		// Onboarding.
		n2, old := network(m, "old", "10.30.0.0/24")
		m.Put(v2+"/subnetpools/"+pool+"/onboard_network_subnets", `{"network_id": "`+n2+`"}`).Want(200)
		m.Get(v2+"/subnets/"+old).Has("subnet.subnetpool_id", pool)
		m.Get(v2+"/subnetpools/"+pool).Has("subnetpool.prefixes", "[10.10.0.0/23 10.20.0.0/24 10.20.1.128/25 10.30.0.0/24]")
		theirs, _ := network(other, "theirs", "10.40.0.0/24")
		m.Put(v2+"/subnetpools/"+pool+"/onboard_network_subnets", `{"network_id": "`+theirs+`"}`).Want(404)
		clash, _ := network(m, "clash", "10.10.0.0/26")
		m.Put(v2+"/subnetpools/"+pool+"/onboard_network_subnets", `{"network_id": "`+clash+`"}`).Want(400).Says("conflicts with allocated prefixes")

		// Affinity and quota.
		second := m.Post(v2+"/subnetpools", `{"subnetpool": {"name": "q", "prefixes": ["10.50.0.0/16"], "default_quota": 300, "default_prefixlen": 24}}`).Want(201).Text("subnetpool.id")
		m.Post(v2+"/subnets", `{"subnet": {"network_id": "`+net+`", "ip_version": 4, "subnetpool_id": "`+second+`"}}`).Want(400).Has("NeutronError.type", "NetworkSubnetPoolAffinityError")
		n3 := m.Post(v2+"/networks", `{"network": {}}`).Want(201).Text("network.id")
		m.Post(v2+"/subnets", `{"subnet": {"network_id": "`+n3+`", "ip_version": 4, "subnetpool_id": "`+second+`"}}`).Want(201)
		m.Post(v2+"/subnets", `{"subnet": {"network_id": "`+n3+`", "ip_version": 4, "subnetpool_id": "`+second+`"}}`).Want(409).Has("NeutronError.type", "SubnetPoolQuotaExceeded")

		// The default pool.
		def := admin.Post(v2+"/subnetpools", `{"subnetpool": {"name": "d", "prefixes": ["fd00:10::/48"], "is_default": true, "shared": true}}`).Want(201).
			Has("subnetpool.shared", true).Has("subnetpool.default_prefixlen", "64").Text("subnetpool.id")
		admin.Post(v2+"/subnetpools", `{"subnetpool": {"name": "d", "prefixes": ["fd00:11::/48"], "is_default": true}}`).Want(400).Says("Only one default may exist")
		m.Get(v2+"/subnetpools?is_default=True").Want(200).Has("subnetpools.0.id", def)
		m.Post(v2+"/subnets", `{"subnet": {"network_id": "`+net+`", "ip_version": 6, "use_default_subnetpool": true}}`).Want(201).Has("subnet.cidr", "fd00:10::/64")
		admin.Delete(v2 + "/subnetpools/" + def).Want(400)

		m.Put(v2+"/subnetpools/"+second+"/tags/blue", nil).Want(201)
		m.Get(v2+"/subnetpools?tags=blue").Has("subnetpools.0.id", second)
		m.Delete(v2 + "/subnets/" + first).Want(204)
		m.Post(v2+"/subnets", sub(`, "cidr": "10.10.0.0/26"`)).Want(201)
		c.clean(t)
	})
}

// TestAddressScopes covers which pools may be in a scope, and what networks show of it.
func TestAddressScopes(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		m, admin, other := c.as(t, "member"), c.as(t, "admin"), c.as(t, "other")
		m.Post(v2+"/address-scopes", `{"address_scope": {"name": "s", "ip_version": 5}}`).Want(400)
		m.Post(v2+"/address-scopes", `{"address_scope": {"name": "s", "ip_version": 4, "shared": true}}`).Want(403)
		scope := m.Post(v2+"/address-scopes", `{"address_scope": {"name": "s", "ip_version": 4}}`).Want(201).Has("address_scope.shared", false).Text("address_scope.id")
		pool := func(prefix string) string {
			return m.Post(v2+"/subnetpools", `{"subnetpool": {"name": "p", "prefixes": ["`+prefix+`"], "default_prefixlen": 24, "address_scope_id": "`+scope+`"}}`).
				Want(201).Has("subnetpool.address_scope_id", scope).Text("subnetpool.id")
		}
		a, b := pool("10.1.0.0/16"), pool("10.2.0.0/16")
		m.Post(v2+"/subnetpools", `{"subnetpool": {"name": "p", "prefixes": ["10.1.7.9/24"], "address_scope_id": "`+scope+`"}}`).Want(409).
			Has("NeutronError.type", "AddressScopePrefixConflict")
		m.Post(v2+"/subnetpools", `{"subnetpool": {"name": "p", "prefixes": ["fd00::/48"], "address_scope_id": "`+scope+`"}}`).Want(400).Says("because subnetpool ip_version is not 4")
		other.Post(v2+"/subnetpools", `{"subnetpool": {"name": "p", "prefixes": ["10.9.0.0/16"], "address_scope_id": "`+scope+`"}}`).Want(404).
			Has("NeutronError.type", "AddressScopeNotFound")
		m.Delete(v2+"/address-scopes/"+scope).Want(409).Has("NeutronError.type", "AddressScopeInUse")

		net := m.Post(v2+"/networks", `{"network": {}}`).Want(201).Has("network.ipv4_address_scope", "<nil>").Text("network.id")
		for _, p := range []string{a, b} { // two pools of one scope may be on one network
			m.Post(v2+"/subnets", `{"subnet": {"network_id": "`+net+`", "ip_version": 4, "subnetpool_id": "`+p+`"}}`).Want(201)
		}
		m.Get(v2+"/networks/"+net).Has("network.ipv4_address_scope", scope).Has("network.ipv6_address_scope", "<nil>")
		apart := m.Post(v2+"/subnetpools", `{"subnetpool": {"name": "p", "prefixes": ["10.3.0.0/16"], "default_prefixlen": 24}}`).Want(201).Text("subnetpool.id")
		m.Post(v2+"/subnets", `{"subnet": {"network_id": "`+net+`", "ip_version": 4, "subnetpool_id": "`+apart+`"}}`).Want(400).Has("NeutronError.type", "NetworkAddressScopeAffinityError")
		second := m.Post(v2+"/address-scopes", `{"address_scope": {"name": "t", "ip_version": 4}}`).Want(201).Text("address_scope.id")
		m.Put(v2+"/subnetpools/"+a, `{"subnetpool": {"address_scope_id": "`+second+`"}}`).Want(400).Has("NeutronError.type", "NetworkAddressScopeAffinityError")
		m.Put(v2+"/subnetpools/"+apart, `{"subnetpool": {"address_scope_id": "`+second+`", "name": "moved"}}`).Want(200).Has("subnetpool.name", "moved")

		// Sharing: through the attribute and through RBAC; what is used cannot be taken back.
		admin.Put(v2+"/address-scopes/"+second, `{"address_scope": {"shared": true}}`).Want(200).Has("address_scope.shared", true)
		admin.Put(v2+"/address-scopes/"+second, `{"address_scope": {"shared": false}}`).Want(400).Has("NeutronError.type", "AddressScopeUpdateError")
		other.Get(v2+"/address-scopes/"+second).Want(200).Has("address_scope.shared", true)
		rbac := m.Post(v2+"/rbac-policies", `{"rbac_policy": {"object_type": "address_scope", "object_id": "`+scope+`", "action": "access_as_shared", "target_tenant": "project-2"}}`).
			Want(201).Text("rbac_policy.id")
		other.Get(v2 + "/address-scopes/" + scope).Want(200)
		theirs := other.Post(v2+"/subnetpools", `{"subnetpool": {"name": "p", "prefixes": ["10.9.0.0/16"], "address_scope_id": "`+scope+`"}}`).Want(201).Text("subnetpool.id")
		m.Delete(v2+"/rbac-policies/"+rbac).Want(409).Has("NeutronError.type", "RbacPolicyInUse")
		other.Put(v2+"/subnetpools/"+theirs, `{"subnetpool": {"name": "x"}}`).Want(400).Has("NeutronError.type", "IllegalSubnetPoolUpdate")
		other.Delete(v2 + "/subnetpools/" + theirs).Want(204)
		m.Delete(v2 + "/rbac-policies/" + rbac).Want(204)
		other.Get(v2 + "/address-scopes/" + scope).Want(404)
		pools := m.Post(v2+"/rbac-policies", `{"rbac_policy": {"object_type": "subnetpool", "object_id": "`+b+`", "action": "access_as_external", "target_tenant": "project-2"}}`).
			Want(400).Text("NeutronError.message")
		if pools == "" {
			t.Error("no reason")
		}
		m.Post(v2+"/rbac-policies", `{"rbac_policy": {"object_type": "server", "object_id": "`+b+`", "action": "access_as_shared", "target_tenant": "x"}}`).
			Want(400).Says("'server' is not a valid RBAC object type")
		c.clean(t)
	})
}
