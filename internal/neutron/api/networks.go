package api

import (
	"context"

	"gostack/internal/neutron"
	"gostack/internal/neutron/attr"
	"gostack/internal/neutron/db"
	"gostack/internal/policy"
)

func absentNetwork(id string) error { return neutron.NetworkNotFound(id) }

// networks is the core resource with the extensions external-net, provider, net-mtu, port-security, dns-integration,
// network_availability_zone and address-scope.
func (a *api) networks() *resource {
	segment := attr.OrNull(attr.Integer(0, 1<<24-1))
	return &resource{
		Table: attr.NewTable("network", "networks", standard(), named(), []attr.Attribute{
			{Name: "admin_state_up", Post: true, Put: true, Default: true, Check: attr.Boolean, Column: "t.admin_state_up", Kind: attr.Bool},
			{Name: "status", Column: "t.status"},
			{Name: "subnets"},
			{Name: "shared", Post: true, Put: true, Default: false, Check: attr.Boolean, Filter: true},
			{Name: "router:external", Post: true, Put: true, Default: false, Check: attr.Boolean, Column: "t.external", Kind: attr.Bool},
			{Name: "is_default", Post: true, Put: true, Default: false, Check: attr.Boolean, Column: "t.is_default", Kind: attr.Bool},
			{Name: "mtu", Post: true, Put: true, Check: attr.OrNull(attr.Integer(0, 65535)), Column: "t.mtu", Kind: attr.Int},
			{Name: "provider:network_type", Post: true, Put: true, Check: attr.OrNull(networkTypes), Column: "t.network_type"},
			{Name: "provider:physical_network", Post: true, Put: true, Check: attr.OrNull(attr.String(64)), Column: "t.physical_network"},
			{Name: "provider:segmentation_id", Post: true, Put: true, Check: segment, Column: "t.segmentation_id", Kind: attr.Int},
			{Name: "port_security_enabled", Post: true, Put: true, Default: true, Check: attr.Boolean, Column: "t.port_security_enabled", Kind: attr.Bool},
			{Name: "dns_domain", Post: true, Put: true, Default: "", Check: attr.DNSDomain, Column: "t.dns_domain"},
			{Name: "availability_zone_hints", Post: true, Default: []string{}, Check: attr.Strings(255)},
			{Name: "availability_zones"},
			{Name: "ipv4_address_scope"},
			{Name: "ipv6_address_scope"},
			{Name: "segments", Post: true, Check: networkSegments},
			{Name: "l2_adjacency"},
			{Name: "vlan_transparent", Post: true, Check: attr.OrNull(attr.Boolean), Column: "t.vlan_transparent", Kind: attr.Bool, NoSort: true},
			{Name: "qos_policy_id", Post: true, Put: true, Check: attr.OrNull(attr.UUID), Column: "t.qos_policy_id"},
		}),
		Path: "networks",
		List: func(ctx context.Context, c *policy.Caller, q db.Query) ([]attr.Values, error) {
			rows, err := a.n.Networks(ctx, c, q)
			if err != nil {
				return nil, err
			}
			ids := make([]string, len(rows))
			for i, n := range rows {
				ids[i] = n.ID
			}
			subnets, err := a.n.NetworkSubnets(ctx, ids)
			return viewed(rows, err, func(n *db.Network) attr.Values { return a.networkView(n, subnets[n.ID]) })
		},
		Create: func(ctx context.Context, c *policy.Caller, v attr.Values) (attr.Values, error) {
			n, err := a.n.CreateNetwork(ctx, c, v)
			return one(n, err, func(n *db.Network) attr.Values { return a.networkView(n, nil) })
		},
		Update: func(ctx context.Context, c *policy.Caller, id string, v attr.Values) (attr.Values, error) {
			n, err := a.n.UpdateNetwork(ctx, c, id, v)
			if err != nil {
				return nil, err
			}
			subnets, err := a.n.NetworkSubnets(ctx, []string{id})
			return one(n, err, func(n *db.Network) attr.Values { return a.networkView(n, subnets[id]) })
		},
		Delete:  func(ctx context.Context, _ *policy.Caller, id string) error { return a.n.DeleteNetwork(ctx, id) },
		Absent:  absentNetwork,
		Filters: sharedBy("t.id"),
	}
}

// networkTypes are the values of provider:network_type.
var networkTypes = attr.OneOf("flat", "vlan", "geneve", "vxlan", "gre", "nvgre", "local")

// networkSegments takes the segments of a multi-provider network.
func networkSegments(v any) (any, string) {
	return attr.ListOf(attr.Doc(
		attr.Member{Name: "provider:network_type", Required: true, Check: networkTypes},
		attr.Member{Name: "provider:physical_network", Check: attr.OrNull(attr.String(64))},
		attr.Member{Name: "provider:segmentation_id", Check: attr.OrNull(attr.Integer(0, 1<<24-1))},
	))(v)
}

// segments is the extension segment.
func (a *api) segments() *resource {
	return serve(a.n.Segments(), resource{
		Table: attr.NewTable("segment", "segments", unowned(), []attr.Attribute{
			{Name: "name", Post: true, Put: true, Default: "", Check: attr.NullIsEmpty(attr.String(nameLength)), Column: "t.name"},
			{Name: "description", Post: true, Put: true, Default: "", Check: attr.NullIsEmpty(attr.String(descriptionLength)), Column: "t.description"},
			{Name: "network_id", Post: true, Required: true, Check: attr.UUID, Column: "t.network_id"},
			{Name: "network_type", Post: true, Required: true, Check: networkTypes, Column: "t.network_type"},
			{Name: "physical_network", Post: true, Default: attr.Null, Check: attr.OrNull(attr.String(64)), Column: "t.physical_network"},
			{Name: "segmentation_id", Post: true, Check: attr.OrNull(attr.Integer(0, 1<<24-1)), Column: "t.segmentation_id", Kind: attr.Int},
			{Name: "revision_number", Column: "t.revision_number", Kind: attr.Int},
			{Name: "created_at", Column: "t.created_at"},
			{Name: "updated_at", Column: "t.updated_at"},
		}),
		Path: "segments", Absent: neutron.SegmentNotFound,
	}, func(s *db.NetworkSegment) attr.Values {
		return attr.Values{
			"id": s.ID, "name": text(s.Name), "description": text(s.Description), "network_id": s.NetworkID, "network_type": s.NetworkType,
			"physical_network": text(s.PhysicalNetwork), "segmentation_id": number(s.SegmentationID), "revision_number": s.Revision,
			"created_at": timestamp(s.CreatedAt), "updated_at": timestamp(s.UpdatedAt),
		}
	})
}

// sharedBy is the filter "shared" of resources whose column is the id of what RBAC policies share.
func sharedBy(column string) map[string]func([]string) (db.Cond, error) {
	return map[string]func([]string) (db.Cond, error){"shared": sharedFilter(column)}
}

// sharedFilter asks whether a network is shared with everybody.
func sharedFilter(network string) func([]string) (db.Cond, error) {
	return func(values []string) (db.Cond, error) {
		want, reason := attr.Boolean(values[0])
		if reason != "" {
			return db.Cond{}, attr.Bad("Invalid input for operation: %s.", reason)
		}
		c := db.SharedWith(network, db.AccessAsShared, "*")
		if want == false {
			c.SQL = "NOT " + c.SQL
		}
		return c, nil
	}
}

func (a *api) networkView(n *db.Network, subnets []db.NetworkSubnet) attr.Values {
	v := base(&n.Standard)
	zones := []string{}
	if len(subnets) > 0 {
		zones = a.n.ZonesOf(n.AvailabilityZoneHints)
	}
	ids, adjacent := make([]string, len(subnets)), true
	v["ipv4_address_scope"], v["ipv6_address_scope"] = nil, nil
	for i, sn := range subnets {
		ids[i], adjacent = sn.ID, adjacent && sn.SegmentID == ""
		if sn.AddressScopeID != "" {
			v[map[int64]string{4: "ipv4_address_scope", 6: "ipv6_address_scope"}[sn.IPVersion]] = sn.AddressScopeID
		}
	}
	for name, x := range map[string]any{
		"name": n.Name, "admin_state_up": n.AdminStateUp, "status": n.Status, "subnets": ids, "shared": n.Shared,
		"router:external": n.External, "mtu": n.MTU, "provider:network_type": n.NetworkType, "provider:physical_network": text(n.PhysicalNetwork),
		"provider:segmentation_id": number(n.SegmentationID), "port_security_enabled": n.PortSecurityEnabled, "dns_domain": n.DNSDomain,
		"availability_zone_hints": listOf(n.AvailabilityZoneHints), "availability_zones": zones,
		"qos_policy_id": text(n.QoSPolicyID),
	} {
		v[name] = x
	}
	v["l2_adjacency"], v["vlan_transparent"] = adjacent, n.VLANTransparent
	if n.External {
		v["is_default"] = n.IsDefault
	}
	if len(n.Segments) > 1 { // then they are shown instead of the provider attributes (extension multi-provider)
		parts := make([]map[string]any, len(n.Segments))
		for i, seg := range n.Segments {
			parts[i] = map[string]any{
				"provider:network_type": seg.NetworkType, "provider:physical_network": text(seg.PhysicalNetwork), "provider:segmentation_id": number(seg.SegmentationID),
			}
		}
		v["segments"] = parts
		for _, name := range []string{"provider:network_type", "provider:physical_network", "provider:segmentation_id"} {
			delete(v, name)
		}
	}
	return v
}
