package api_test

import (
	"strings"
	"testing"

	"gostack/internal/neutron/driver"
	"gostack/internal/neutron/neutrontest"
)

func routerSpec(t *testing.T, c *cloud, id string) driver.RouterSpec {
	t.Helper()
	spec, ok := neutrontest.Spec[driver.RouterSpec](c.engine, "router", id)
	if !ok {
		t.Fatalf("the engine has no router %s", id)
	}
	return spec
}

const nowhere = "99999999-9999-4999-8999-999999999999"

// TestBadInput gives each kind of wrong body and wants upstream's status, type and a message that helps, and nothing changed.
func TestBadInput(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		admin := c.as(t, "admin")
		net, subnet := network(admin, "n", "10.1.0.0/28")
		port := admin.Post(v2+"/ports", `{"port": {"network_id": "`+net+`", "fixed_ips": [{"ip_address": "10.1.0.5"}], "mac_address": "fa:16:3e:00:00:09"}}`).
			Want(201).Text("port.id")
		router := admin.Post(v2+"/routers", `{"router": {}}`).Want(201).Text("router.id")
		group := admin.Get(v2 + "/security-groups?name=default").Want(200).Text("security_groups.0.id")
		group2 := admin.Post(v2+"/security-groups", `{"security_group": {"name": "mine"}}`).Want(201).Text("security_group.id")
		fill := strings.NewReplacer("GROUP2", group2, "NET", net, "SUB", subnet, "PORT", port, "ROUTER", router, "GROUP", group, "NOWHERE", nowhere)
		before := c.engine.Kinds()
		for _, x := range []struct {
			method, path, body string
			code               int
			says               string
		}{
			{"POST", "/networks", `{`, 400, "Malformed"},
			{"POST", "/networks", ``, 400, "Resource body required"},
			{"POST", "/networks", `[]`, 400, "Resource body required"},
			{"POST", "/networks", `{"x": {}}`, 400, "Unable to find 'network' in request body"},
			{"POST", "/networks", `{"network": []}`, 400, "Unable to find 'network'"},
			{"POST", "/networks", `{"networks": []}`, 400, "Resources required"},
			{"POST", "/networks", `{"network": {"foo": 1, "bar": 2}}`, 400, "Unrecognized attribute(s) 'bar', 'foo'"},
			{"POST", "/networks", `{"network": {"id": "x"}}`, 400, "Attribute 'id' not allowed in POST"},
			{"POST", "/networks", `{"network": {"status": "x"}}`, 400, "Attribute 'status' not allowed in POST"},
			{"PUT", "/networks/NET", `{"network": {"status": "x"}}`, 400, "Cannot update read-only attribute status"},
			{"POST", "/networks", `{"network": {"name": 7}}`, 400, "Invalid input for name. Reason: '7' is not a valid string."},
			{"POST", "/networks", `{"network": {"name": "` + strings.Repeat("n", 256) + `"}}`, 400, "exceeds maximum length of 255"},
			{"POST", "/networks", `{"network": {"admin_state_up": "perhaps"}}`, 400, "'perhaps' cannot be converted to boolean"},
			{"POST", "/networks", `{"network": {"mtu": 9000}}`, 400, "Requested MTU is too big, maximum is 1442"},
			{"POST", "/networks", `{"network": {"mtu": -1}}`, 400, "too small"},
			{"POST", "/networks", `{"network": {"dns_domain": "no dot"}}`, 400, "dns_domain"},
			{"POST", "/networks", `{"network": {"tags": ["a,b"]}}`, 400, "not a valid tag"},
			{"POST", "/networks", `{"network": {"availability_zone_hints": ["moon"]}}`, 404, "AvailabilityZone moon could not be found."},
			{"POST", "/networks", `{"network": {"provider:network_type": "token-ring"}}`, 400, "'token-ring' is not in"},
			{"POST", "/networks", `{"network": {"provider:network_type": "flat"}}`, 400, "physical_network required for flat provider network"},
			{"POST", "/networks", `{"network": {"provider:network_type": "flat", "provider:physical_network": "x"}}`, 400, "physical_network 'x' unknown for flat provider network"},
			{"POST", "/networks", `{"network": {"provider:network_type": "vlan", "provider:physical_network": "physnet1", "provider:segmentation_id": 4095}}`, 400, "segmentation_id out of range (1 through 4094)"},
			{"POST", "/networks", `{"network": {"provider:network_type": "geneve", "provider:physical_network": "physnet1"}}`, 400, "provider:physical_network specified for geneve network"},
			{"POST", "/networks", `{"network": {"provider:segmentation_id": 5}}`, 400, "network_type required"},
			{"PUT", "/networks/NET", `{"network": {"provider:segmentation_id": 5}}`, 400, "Plugin does not support updating"},
			{"GET", "/networks/NOWHERE", ``, 404, "Network " + nowhere + " could not be found."},
			{"GET", "/networks/not-an-id", ``, 404, "Network not-an-id could not be found."},
			{"DELETE", "/networks/NOWHERE", ``, 404, "NetworkNotFound"},
			{"PATCH", "/networks/NET", `{}`, 405, "HTTPMethodNotAllowed"},
			{"GET", "/nonsense", ``, 404, "HTTPNotFound"},

			{"POST", "/subnets", `{"subnet": {"network_id": "NET", "ip_version": 4}}`, 400, "a subnetpool must be specified in the absence of a cidr"},
			{"POST", "/subnets", `{"subnet": {"network_id": "NET", "cidr": "10.2.0.0/24"}}`, 400, "Required attribute 'ip_version' not specified"},
			{"POST", "/subnets", `{"subnet": {"ip_version": 4, "cidr": "10.2.0.0/24"}}`, 400, "Required attribute 'network_id' not specified"},
			{"POST", "/subnets", `{"subnet": {"network_id": "xyz", "ip_version": 4, "cidr": "10.2.0.0/24"}}`, 400, "'xyz' is not a valid UUID"},
			{"POST", "/subnets", `{"subnet": {"network_id": "NOWHERE", "ip_version": 4, "cidr": "10.2.0.0/24"}}`, 404, "NetworkNotFound"},
			{"POST", "/subnets", `{"subnet": {"network_id": "NET", "ip_version": 4, "cidr": "10.2.0.0/33"}}`, 400, "is not a valid IP subnet"},
			{"POST", "/subnets", `{"subnet": {"network_id": "NET", "ip_version": 4, "cidr": "10.2.0.9"}}`, 400, "'10.2.0.9/32' is recommended"},
			{"POST", "/subnets", `{"subnet": {"network_id": "NET", "ip_version": 4, "cidr": "10.2.0.0/24", "host_routes": [{"destination": "1.0.0.0/16", "nexthop": "10.2.0.9"}, {"destination": "1.0.0.0/16", "nexthop": "10.2.0.9"}]}}`, 400, "Duplicate hostroute"},
			{"POST", "/ports", `{"port": {"network_id": "NET", "fixed_ips": [{"ip_address": "10.1.0.9"}, {"ip_address": "10.1.0.9"}]}}`, 400, "Duplicate IP address '10.1.0.9'"},
			{"POST", "/ports", `{"port": {"network_id": "NET", "device_id": null}}`, 400, "is not a valid string"},
			{"POST", "/subnets", `{"subnet": {"network_id": "NET", "ip_version": 4, "cidr": "10.1.0.8/30"}}`, 400, "overlaps with another subnet"},
			{"POST", "/subnets", `{"subnet": {"network_id": "NET", "ip_version": 5, "cidr": "10.2.0.0/24"}}`, 400, "'5' is not in"},
			{"POST", "/subnets", `{"subnet": {"network_id": "NET", "ip_version": 6, "cidr": "10.2.0.0/24"}}`, 400, "does not match the ip_version '6'"},
			{"POST", "/subnets", `{"subnet": {"network_id": "NET", "ip_version": 4, "cidr": "224.0.0.0/24"}}`, 400, "Multicast IP subnet is not supported"},
			{"POST", "/subnets", `{"subnet": {"network_id": "NET", "ip_version": 4, "cidr": "127.0.0.0/24"}}`, 400, "Loopback IP subnet is not supported"},
			{"POST", "/subnets", `{"subnet": {"network_id": "NET", "ip_version": 4, "cidr": "0.0.0.0/0"}}`, 400, "0 is not allowed as CIDR prefix length"},
			{"POST", "/subnets", `{"subnet": {"network_id": "NET", "ip_version": 4, "cidr": "10.2.0.0/24", "gateway_ip": "10.2.0.0"}}`, 400, "Gateway is not valid on subnet"},
			{"POST", "/subnets", `{"subnet": {"network_id": "NET", "ip_version": 4, "cidr": "10.2.0.0/24", "gateway_ip": "fd00::1"}}`, 400, "gateway_ip 'fd00::1' does not match"},
			{"POST", "/subnets", `{"subnet": {"network_id": "NET", "ip_version": 4, "cidr": "10.2.0.0/24", "allocation_pools": [{"start": "10.2.0.9", "end": "10.2.0.5"}]}}`, 400, "InvalidAllocationPool"},
			{"POST", "/subnets", `{"subnet": {"network_id": "NET", "ip_version": 4, "cidr": "10.2.0.0/24", "allocation_pools": [{"start": "10.2.0.9", "end": "10.3.0.5"}]}}`, 400, "OutOfBoundsAllocationPool"},
			{"POST", "/subnets", `{"subnet": {"network_id": "NET", "ip_version": 4, "cidr": "10.2.0.0/24", "allocation_pools": [{"start": "10.2.0.9", "end": "10.2.0.20"}, {"start": "10.2.0.15", "end": "10.2.0.30"}]}}`, 409, "OverlappingAllocationPools"},
			{"POST", "/subnets", `{"subnet": {"network_id": "NET", "ip_version": 4, "cidr": "10.2.0.0/24", "gateway_ip": "10.2.0.5", "allocation_pools": [{"start": "10.2.0.2", "end": "10.2.0.20"}]}}`, 409, "GatewayConflictWithAllocationPools"},
			{"POST", "/subnets", `{"subnet": {"network_id": "NET", "ip_version": 4, "cidr": "10.2.0.0/24", "dns_nameservers": ["nine"]}}`, 400, "not a valid nameserver"},
			{"POST", "/subnets", `{"subnet": {"network_id": "NET", "ip_version": 4, "cidr": "10.2.0.0/24", "dns_nameservers": ["1.1.1.1","1.1.1.2","1.1.1.3","1.1.1.4","1.1.1.5","1.1.1.6"]}}`, 400, "DNSNameServersExhausted"},
			{"POST", "/subnets", `{"subnet": {"network_id": "NET", "ip_version": 4, "cidr": "10.2.0.0/24", "host_routes": [{"destination": "10.0.0.0/8"}]}}`, 400, "Expected keys not found in dict: 'nexthop'"},
			{"POST", "/subnets", `{"subnet": {"network_id": "NET", "ip_version": 4, "cidr": "10.2.0.0/24", "ipv6_ra_mode": "slaac"}}`, 400, "ipv6_ra_mode is not valid for IPv4 subnets"},
			{"POST", "/subnets", `{"subnet": {"network_id": "NET", "ip_version": 6, "cidr": "fd01::/64", "ipv6_ra_mode": "slaac", "ipv6_address_mode": "dhcpv6-stateful"}}`, 400, "they must be the same value"},
			{"POST", "/subnets", `{"subnet": {"network_id": "NET", "ip_version": 6, "cidr": "fd01::/80", "ipv6_address_mode": "slaac"}}`, 400, "requires the prefix to be /64"},
			{"POST", "/subnets", `{"subnet": {"network_id": "NET", "ip_version": 6, "cidr": "fd01::/64", "enable_dhcp": false, "ipv6_address_mode": "slaac"}}`, 400, "cannot be set when enable_dhcp is set to False"},
			{"POST", "/subnets", `{"subnet": {"network_id": "NET", "ip_version": 4, "cidr": "10.2.0.0/24", "subnetpool_id": "NOWHERE"}}`, 404, "SubnetPoolNotFound"},
			{"PUT", "/subnets/SUB", `{"subnet": {"cidr": "10.9.0.0/24"}}`, 400, "Cannot update read-only attribute cidr"},
			{"PUT", "/subnets/SUB", `{"subnet": {"gateway_ip": "10.1.0.3"}}`, 409, "GatewayConflictWithAllocationPools"},
			{"DELETE", "/subnets/SUB", ``, 409, "One or more ports have an IP allocation from this subnet."},

			{"POST", "/ports", `{"port": {"network_id": "NOWHERE"}}`, 404, "NetworkNotFound"},
			{"POST", "/ports", `{"port": {"network_id": "NET", "fixed_ips": [{"ip_address": "10.1.0.5"}]}}`, 409, "IP address 10.1.0.5 already allocated in subnet " + subnet},
			{"POST", "/ports", `{"port": {"network_id": "NET", "fixed_ips": [{"ip_address": "10.7.0.5"}]}}`, 400, "is not a valid IP for any of the subnets on the specified network."},
			{"POST", "/ports", `{"port": {"network_id": "NET", "fixed_ips": [{"ip_address": "10.1.0.15", "subnet_id": "SUB"}]}}`, 400, "InvalidIpForSubnet"},
			{"POST", "/ports", `{"port": {"network_id": "NET", "fixed_ips": [{"subnet_id": "NOWHERE"}]}}`, 400, "fixed_ips included invalid subnet"},
			{"POST", "/ports", `{"port": {"network_id": "NET", "fixed_ips": [{}]}}`, 400, "IP allocation requires subnet_id or ip_address"},
			{"POST", "/ports", `{"port": {"network_id": "NET", "fixed_ips": [{"ip": "10.1.0.9"}]}}`, 400, "Unexpected keys supplied: ip"},
			{"POST", "/ports", `{"port": {"network_id": "NET", "fixed_ips": "10.1.0.9"}}`, 400, "Invalid data format"},
			{"POST", "/ports", `{"port": {"network_id": "NET", "mac_address": "fa:16:3e:00:00:09"}}`, 409, "The mac address fa:16:3e:00:00:09 is in use."},
			{"POST", "/ports", `{"port": {"network_id": "NET", "mac_address": "mac"}}`, 400, "'mac' is not a valid MAC address"},
			{"POST", "/ports", `{"port": {"network_id": "NET", "security_groups": ["NOWHERE"]}}`, 404, "Security group " + nowhere + " does not exist"},
			{"POST", "/ports", `{"port": {"network_id": "NET", "security_groups": ["default"]}}`, 400, "'default' is not a valid UUID"},
			{"POST", "/ports", `{"port": {"network_id": "NET", "security_groups": ["GROUP"], "port_security_enabled": false}}`, 400, "PortSecurityAndIPRequiredForSecurityGroups"},
			{"POST", "/ports", `{"port": {"network_id": "NET", "port_security_enabled": false, "allowed_address_pairs": [{"ip_address": "10.1.0.9"}]}}`, 409, "AddressPairAndPortSecurityRequired"},
			{"POST", "/ports", `{"port": {"network_id": "NET", "allowed_address_pairs": [{"ip_address": "10.1.0.9"}, {"ip_address": "10.1.0.9"}]}}`, 400, "DuplicateAddressPairInRequest"},
			{"POST", "/ports", `{"port": {"network_id": "NET", "allowed_address_pairs": [{"mac_address": "fa:16:3e:00:00:01"}]}}`, 400, "'ip_address'"},
			{"POST", "/ports", `{"port": {"network_id": "NET", "extra_dhcp_opts": [{"opt_name": "66", "opt_value": "a\nb"}]}}`, 400, "control characters"},
			{"POST", "/ports", `{"port": {"network_id": "NET", "extra_dhcp_opts": [{"opt_name": "a\nb", "opt_value": "c"}]}}`, 400, "control characters"},
			{"POST", "/ports", `{"port": {"network_id": "NET", "dns_name": "-bad-"}}`, 400, "dns_name"},
			{"POST", "/ports", `{"port": {"network_id": "NET", "binding:vnic_type": "wire"}}`, 400, "'wire' is not in"},
			{"PUT", "/ports/PORT", `{"port": {"network_id": "NET"}}`, 400, "Cannot update read-only attribute network_id"},
			{"PUT", "/ports/PORT", `{"port": {"port_security_enabled": false}}`, 409, "PortSecurityPortHasSecurityGroup"},
			{"PUT", "/ports/NOWHERE", `{"port": {}}`, 404, "Port " + nowhere + " could not be found."},

			{"POST", "/routers", `{"router": {"external_gateway_info": {"network_id": "NET"}}}`, 400, "is not an external network"},
			{"POST", "/routers", `{"router": {"external_gateway_info": {"network_id": "NOWHERE"}}}`, 404, "NetworkNotFound"},
			{"POST", "/routers", `{"router": {"external_gateway_info": {"enable_snat": true}}}`, 400, "network_id"},
			{"POST", "/routers", `{"router": {"external_gateway_info": "public"}}`, 400, "is not a dictionary"},
			{"POST", "/routers", `{"router": {"distributed": true}}`, 400, "Unrecognized attribute(s) 'distributed'"},
			{"PUT", "/routers/ROUTER", `{"router": {"routes": [{"destination": "10.9.0.0/16", "nexthop": "10.1.0.9"}]}}`, 400, "the nexthop is not connected with router"},
			{"PUT", "/routers/ROUTER/add_router_interface", `{}`, 400, "Either subnet_id or port_id must be specified"},
			{"PUT", "/routers/ROUTER/add_router_interface", `{"subnet_id": "SUB", "port_id": "PORT"}`, 400, "Cannot specify both subnet-id and port-id"},
			{"PUT", "/routers/ROUTER/add_router_interface", `{"subnet_id": "NOWHERE"}`, 404, "SubnetNotFound"},
			{"PUT", "/routers/ROUTER/add_router_interface", `{"subnet": "x"}`, 400, "Unrecognized attribute(s) 'subnet'"},
			{"PUT", "/routers/ROUTER/remove_router_interface", `{"subnet_id": "SUB"}`, 404, "RouterInterfaceNotFoundForSubnet"},
			{"PUT", "/routers/ROUTER/remove_router_interface", `{"port_id": "PORT"}`, 404, "RouterInterfaceNotFound"},
			{"PUT", "/routers/NOWHERE/add_router_interface", `{"subnet_id": "SUB"}`, 404, "Router " + nowhere + " could not be found"},

			{"POST", "/floatingips", `{"floatingip": {"floating_network_id": "NET"}}`, 400, "is not a valid external network"},
			{"POST", "/floatingips", `{"floatingip": {}}`, 400, "Required attribute 'floating_network_id' not specified"},
			{"POST", "/floatingips", `{"floatingip": {"floating_network_id": "NOWHERE"}}`, 404, "NetworkNotFound"},
			{"GET", "/floatingips/NOWHERE", ``, 404, "Floating IP " + nowhere + " could not be found"},

			{"POST", "/security-groups", `{"security_group": {"name": "default"}}`, 409, "Default security group already exists."},
			{"PUT", "/security-groups/GROUP", `{"security_group": {"name": "mine"}}`, 409, "Updating default security group not allowed."},
			{"DELETE", "/security-groups/GROUP", ``, 409, "SecurityGroupInUse"},
			{"POST", "/security-group-rules", `{"security_group_rule": {"security_group_id": "NOWHERE", "direction": "ingress"}}`, 404, "SecurityGroupNotFound"},
			{"POST", "/security-group-rules", `{"security_group_rule": {"security_group_id": "GROUP", "direction": "ingress", "remote_group_id": "no uuid"}}`, 404, "SecurityGroupNotFound"},
			{"PUT", "/security-groups/GROUP2", `{"security_group": {"name": "Default"}}`, 409, "Default security group already exists."},
			{"POST", "/security-group-rules", `{"security_group_rule": {"security_group_id": "GROUP", "direction": "ingress", "protocol": "tcp", "port_range_min": -16, "port_range_max": 80}}`, 400, "Invalid value for port -16"},
			{"POST", "/security-group-rules", `{"security_group_rule": {"security_group_id": "GROUP", "direction": "ingress", "protocol": "icmp", "port_range_min": -1, "port_range_max": 25}}`, 400, "Invalid value for port -1"},
			{"POST", "/security-group-rules", `{"security_group_rule": {"security_group_id": "GROUP", "direction": "sideways"}}`, 400, "'sideways' is not in"},
			{"POST", "/security-group-rules", `{"security_group_rule": {"security_group_id": "GROUP", "direction": "ingress", "ethertype": "IPX"}}`, 400, "'IPX' is not in"},
			{"POST", "/security-group-rules", `{"security_group_rule": {"security_group_id": "GROUP", "direction": "ingress", "protocol": "300"}}`, 400, "not supported"},
			{"POST", "/security-group-rules", `{"security_group_rule": {"security_group_id": "GROUP", "direction": "ingress", "port_range_min": 80}}`, 400, "Must also specify protocol if port range is given."},
			{"POST", "/security-group-rules", `{"security_group_rule": {"security_group_id": "GROUP", "direction": "ingress", "protocol": "tcp", "port_range_min": 80, "port_range_max": 22}}`, 400, "SecurityGroupInvalidPortRange"},
			{"POST", "/security-group-rules", `{"security_group_rule": {"security_group_id": "GROUP", "direction": "ingress", "protocol": "tcp", "port_range_min": 80, "port_range_max": 70000}}`, 400, "Invalid value for port 70000"},
			{"POST", "/security-group-rules", `{"security_group_rule": {"security_group_id": "GROUP", "direction": "ingress", "protocol": "icmp", "port_range_min": 300}}`, 400, "It must be 0 to 255."},
			{"POST", "/security-group-rules", `{"security_group_rule": {"security_group_id": "GROUP", "direction": "ingress", "protocol": "icmp", "port_range_max": 3}}`, 400, "ICMP type (port-range-min) is missing"},
			{"POST", "/security-group-rules", `{"security_group_rule": {"security_group_id": "GROUP", "direction": "ingress", "remote_ip_prefix": "fd00::/64"}}`, 400, "Conflicting value ethertype IPv4 for CIDR fd00::/64"},
			{"POST", "/security-group-rules", `{"security_group_rule": {"security_group_id": "GROUP", "direction": "ingress", "remote_ip_prefix": "10/8"}}`, 400, "remote_ip_prefix"},
			{"POST", "/security-group-rules", `{"security_group_rule": {"security_group_id": "GROUP", "direction": "ingress", "remote_ip_prefix": "10.0.0.0/8", "remote_group_id": "GROUP"}}`, 400, "may be provided"},
			{"POST", "/security-group-rules", `{"security_group_rule": {"security_group_id": "GROUP", "direction": "egress"}}`, 409, "SecurityGroupRuleExists"},
			{"POST", "/security-group-rules", `{"security_group_rule": {"security_group_id": "GROUP", "direction": "egress", "remote_ip_prefix": "0.0.0.0/0"}}`, 409, "SecurityGroupRuleExists"},
			{"PUT", "/security-group-rules/NOWHERE", `{}`, 405, ""},

			{"POST", "/rbac-policies", `{"rbac_policy": {"object_type": "network", "object_id": "NOWHERE", "action": "access_as_shared", "target_tenant": "x"}}`, 404, "NetworkNotFound"},
			{"POST", "/rbac-policies", `{"rbac_policy": {"object_type": "planet", "object_id": "NET", "action": "access_as_shared", "target_tenant": "x"}}`, 400, "'planet' is not a valid RBAC object type"},
			{"PUT", "/quotas/project-7", `{"quota": {"network": -5}}`, 400, "too small"},
			{"PUT", "/quotas/project-7", `{"quota": {"planets": 5}}`, 400, "Unrecognized attribute(s) 'planets'"},
			{"PUT", "/quotas/project-admin", `{"quota": {"network": 0}}`, 400, "Change would make usage less than 0"},
			{"DELETE", "/quotas/project-7", ``, 404, "Quota for tenant project-7 could not be found."},
			{"GET", "/networks?sort_key=name&sort_dir=up", ``, 400, "valid value is 'asc' and 'desc'"},
			{"GET", "/networks?sort_key=nothing&sort_dir=asc", ``, 400, "is invalid attribute for sort_keys"},
			{"GET", "/networks?sort_key=name&sort_key=id&sort_dir=asc", ``, 400, "The number of sort_keys and sort_dirs must be same"},
			{"GET", "/networks?limit=-1", ``, 400, "Limit must be an integer 0 or greater and not '-1'"},
			{"GET", "/networks?limit=1&marker=NOWHERE", ``, 404, "NetworkNotFound"},
			{"GET", "/networks?colour=blue", ``, 400, "['colour'] is invalid attribute for filtering"},
			{"GET", "/networks?admin_state_up=perhaps", ``, 400, "cannot be converted to boolean"},
			{"GET", "/ports?fixed_ips=10.0.0.1", ``, 400, "fixed_ips filter"},
			{"GET", "/networks?name=%ZZ", ``, 400, ""},
			{"GET", "/extensions/warp", ``, 404, "Extension with alias warp does not exist"},
		} {
			var body any
			if x.body != "" || x.method == "POST" {
				body = fill.Replace(x.body)
			}
			a := admin.Do(x.method, v2+fill.Replace(x.path), body)
			if a.Code != x.code || !strings.Contains(string(a.Body), x.says) {
				t.Errorf("%s %s %s: %d %s\nwant %d %q", x.method, x.path, x.body, a.Code, a.Body, x.code, x.says)
			}
		}
		c.clean(t)
		for kind, ids := range c.engine.Kinds() {
			if len(ids) != len(before[kind]) {
				t.Errorf("refused requests changed the engine: %d %s before, %d after", len(before[kind]), kind, len(ids))
			}
		}
	})
}
