package api

import (
	"context"

	"gostack/internal/neutron"
	"gostack/internal/neutron/attr"
	"gostack/internal/neutron/db"
	"gostack/internal/policy"
)

var (
	hostRoute = attr.ListOf(attr.Doc(attr.Member{Name: "destination", Required: true, Check: attr.CIDR}, attr.Member{Name: "nexthop", Required: true, Check: attr.IP}))
	ipv6Mode  = attr.NullIsEmpty(attr.OneOf("slaac", "dhcpv6-stateful", "dhcpv6-stateless"))
)

// pools takes allocation_pools; null stands for the default ones.
func pools(v any) (any, string) {
	if v == nil {
		return nil, ""
	}
	return attr.ListOf(attr.Doc(attr.Member{Name: "start", Required: true, Check: attr.IP}, attr.Member{Name: "end", Required: true, Check: attr.IP}))(v)
}

// nameservers takes addresses, each once.
func nameservers(v any) (any, string) {
	if v == nil {
		return []string{}, ""
	}
	list, reason := attr.Strings(64)(v)
	if reason != "" {
		return nil, reason
	}
	out, seen := []string{}, map[string]bool{}
	for _, s := range list.([]string) { //nolint:forcetypeassert // Strings gives nothing else
		ip, reason := attr.IP(s)
		if reason != "" {
			return nil, "'" + s + "' is not a valid nameserver. " + reason
		}
		if seen[ip.(string)] { //nolint:forcetypeassert // IP gives nothing else
			return nil, "Duplicate nameserver '" + s + "'"
		}
		seen[ip.(string)] = true       //nolint:forcetypeassert // IP gives nothing else
		out = append(out, ip.(string)) //nolint:forcetypeassert // IP gives nothing else
	}
	return out, ""
}

// subnets is the core resource with service types and DNS publishing.
func (a *api) subnets() *resource {
	return &resource{
		Table: attr.NewTable("subnet", "subnets", standard(), named(), []attr.Attribute{
			{Name: "network_id", Post: true, Required: true, Check: attr.UUID, Column: "t.network_id"},
			{Name: "ip_version", Post: true, Required: true, Check: ipVersion, Column: "t.ip_version", Kind: attr.Int},
			{Name: "cidr", Post: true, Check: attr.OrNull(attr.CIDR), Column: "t.cidr"},
			{Name: "prefixlen", Post: true, Check: attr.OrNull(attr.Integer(0, 128)), Hidden: true},
			{Name: "subnetpool_id", Post: true, Check: attr.OrNull(attr.UUID), Column: "t.subnetpool_id"},
			{Name: "use_default_subnetpool", Post: true, Default: false, Check: attr.Boolean, Hidden: true},
			{Name: "gateway_ip", Post: true, Put: true, Check: attr.OrNull(attr.IP), Column: "t.gateway_ip"},
			{Name: "allocation_pools", Post: true, Put: true, Check: pools},
			{Name: "dns_nameservers", Post: true, Put: true, Default: []string{}, Check: nameservers},
			{Name: "host_routes", Post: true, Put: true, Default: []attr.Values{}, Check: hostRoute},
			{Name: "enable_dhcp", Post: true, Put: true, Default: true, Check: attr.Boolean, Column: "t.enable_dhcp", Kind: attr.Bool},
			{Name: "ipv6_ra_mode", Post: true, Check: ipv6Mode, Column: "t.ipv6_ra_mode"},
			{Name: "ipv6_address_mode", Post: true, Check: ipv6Mode, Column: "t.ipv6_address_mode"},
			{Name: "service_types", Post: true, Put: true, Free: true, Default: []string{}, Check: attr.Strings(255)},
			{Name: "dns_publish_fixed_ip", Post: true, Put: true, Default: false, Check: attr.Boolean, Column: "t.dns_publish_fixed_ip", Kind: attr.Bool},
			{Name: "segment_id", Post: true, Put: true, Default: attr.Null, Check: attr.OrNull(attr.UUID), Column: "t.segment_id"},
			{Name: "shared", Filter: true},
			{Name: "router:external", Column: "n.external", Kind: attr.Bool, NoSort: true},
		}),
		Path: "subnets",
		List: func(ctx context.Context, c *policy.Caller, q db.Query) ([]attr.Values, error) {
			rows, err := a.n.Subnets(ctx, c, q)
			return viewed(rows, err, subnetView)
		},
		Create: func(ctx context.Context, c *policy.Caller, v attr.Values) (attr.Values, error) {
			sn, err := a.n.CreateSubnet(ctx, c, v)
			return one(sn, err, subnetView)
		},
		Update: func(ctx context.Context, _ *policy.Caller, id string, v attr.Values) (attr.Values, error) {
			sn, err := a.n.UpdateSubnet(ctx, id, v)
			return one(sn, err, subnetView)
		},
		Delete:  func(ctx context.Context, _ *policy.Caller, id string) error { return a.n.DeleteSubnet(ctx, id) },
		Absent:  neutron.SubnetNotFound,
		Parent:  a.networkTarget,
		Filters: sharedBy("t.network_id"),
	}
}

func ipVersion(v any) (any, string) {
	n, reason := attr.Integer(0, 255)(v)
	if reason == "" && n != int64(4) && n != int64(6) {
		_, reason = attr.OneOf("4", "6")(v)
	}
	return n, reason
}

func subnetView(sn *db.Subnet) attr.Values {
	v := base(&sn.Standard)
	for name, x := range map[string]any{
		"name": sn.Name, "network_id": sn.NetworkID, "ip_version": sn.IPVersion, "cidr": sn.CIDR, "subnetpool_id": text(sn.SubnetPoolID), "segment_id": text(sn.SegmentID),
		"gateway_ip": text(sn.GatewayIP), "allocation_pools": listOf(sn.AllocationPools), "dns_nameservers": listOf(sn.DNSNameservers),
		"host_routes": listOf(sn.HostRoutes), "enable_dhcp": sn.EnableDHCP, "ipv6_ra_mode": text(sn.IPv6RAMode),
		"ipv6_address_mode": text(sn.IPv6AddressMode), "service_types": listOf(sn.ServiceTypes), "dns_publish_fixed_ip": sn.DNSPublishFixedIP,
		"shared": sn.Shared, "router:external": sn.NetworkExternal, "network:project_id": sn.NetworkProject,
	} {
		v[name] = x
	}
	return v
}
