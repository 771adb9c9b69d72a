package api

import (
	"context"

	"gostack/internal/neutron"
	"gostack/internal/neutron/attr"
	"gostack/internal/neutron/db"
	"gostack/internal/policy"
)

// securityGroups are security groups with statefulness.
func (a *api) securityGroups() *resource {
	return &resource{
		Table: attr.NewTable("security_group", "security_groups", standard(), named(), []attr.Attribute{
			{Name: "stateful", Post: true, Put: true, Check: attr.Boolean, Column: "t.stateful", Kind: attr.Bool},
			{Name: "shared", Filter: true},
			{Name: "security_group_rules"},
		}),
		Path: "security-groups",
		List: func(ctx context.Context, c *policy.Caller, q db.Query) ([]attr.Values, error) {
			rows, err := a.n.SecurityGroups(ctx, c, q)
			return viewed(rows, err, securityGroupView)
		},
		Create: func(ctx context.Context, _ *policy.Caller, v attr.Values) (attr.Values, error) {
			g, err := a.n.CreateSecurityGroup(ctx, v)
			return one(g, err, securityGroupView)
		},
		Update: func(ctx context.Context, _ *policy.Caller, id string, v attr.Values) (attr.Values, error) {
			g, err := a.n.UpdateSecurityGroup(ctx, id, v)
			return one(g, err, securityGroupView)
		},
		Delete: func(ctx context.Context, c *policy.Caller, id string) error {
			return a.n.DeleteSecurityGroup(ctx, c, id)
		},
		Absent:  neutron.SecurityGroupNotFound,
		Filters: sharedBy("t.id"),
		AskedOf: a.n.DefaultGroupOf,
	}
}

func securityGroupView(g *db.SecurityGroup) attr.Values {
	v := base(&g.Standard)
	rules := make([]attr.Values, len(g.Rules))
	for i, r := range g.Rules {
		rules[i] = ruleView(r)
		delete(rules[i], "security_group:project_id")
	}
	v["name"], v["stateful"], v["shared"], v["security_group_rules"] = g.Name, g.Stateful, g.Shared, rules
	return v
}

// ruleAttributes are what rules of security groups and default rules have in common.
func ruleAttributes() []attr.Attribute {
	port := attr.OrNull(attr.Integer(-1<<31, 1<<31-1))
	return []attr.Attribute{
		{Name: "direction", Post: true, Required: true, Check: attr.OneOf("ingress", "egress"), Column: "t.direction"},
		{Name: "ethertype", Post: true, Default: "IPv4", Check: ethertype, Column: "t.ethertype"},
		{Name: "protocol", Post: true, Default: "", Check: neutron.CheckProtocol, Column: "t.protocol"},
		{Name: "port_range_min", Post: true, Default: attr.Null, Check: port, Column: "t.port_range_min", Kind: attr.Int, NoSort: true},
		{Name: "port_range_max", Post: true, Default: attr.Null, Check: port, Column: "t.port_range_max", Kind: attr.Int, NoSort: true},
		{Name: "remote_ip_prefix", Post: true, Default: attr.Null, Check: attr.OrNull(remotePrefix), Column: "t.remote_ip_prefix"},
		{Name: "remote_address_group_id", Post: true, Default: attr.Null, Check: attr.OrNull(attr.UUID), Column: "t.remote_address_group_id"},
	}
}

// securityGroupRules are the rules; they are made and deleted, never changed.
func (a *api) securityGroupRules() *resource {
	return &resource{
		Table: attr.NewTable("security_group_rule", "security_group_rules", untagged(), ruleAttributes(), []attr.Attribute{
			{Name: "security_group_id", Post: true, Required: true, Check: attr.String(255), Column: "t.security_group_id"},
			{Name: "remote_group_id", Post: true, Default: attr.Null, Check: attr.OrNull(attr.String(255)), Column: "t.remote_group_id"},
			{Name: "normalized_cidr"},
			{Name: "belongs_to_default_sg", Filter: true},
		}),
		Path: "security-group-rules",
		List: func(ctx context.Context, c *policy.Caller, q db.Query) ([]attr.Values, error) {
			rows, err := a.n.SecurityGroupRules(ctx, c, q)
			return viewed(rows, err, ruleView)
		},
		Create: func(ctx context.Context, c *policy.Caller, v attr.Values) (attr.Values, error) {
			r, err := a.n.CreateSecurityGroupRule(ctx, c, v)
			return one(r, err, ruleView)
		},
		Delete: func(ctx context.Context, _ *policy.Caller, id string) error {
			return a.n.DeleteSecurityGroupRule(ctx, id)
		},
		Absent: neutron.RuleNotFound,
		Parent: func(ctx context.Context, c *policy.Caller, v attr.Values) (policy.Target, error) {
			id := v.String("security_group_id")
			rows, err := a.n.SecurityGroups(ctx, c, db.Query{Where: []db.Cond{db.Where("t.id = ?", id)}})
			if err != nil {
				return nil, err
			}
			if len(rows) == 0 {
				return nil, neutron.SecurityGroupNotFound(id)
			}
			return policy.Target{"security_group:project_id": rows[0].ProjectID}, nil
		},
		Filters: map[string]func([]string) (db.Cond, error){"belongs_to_default_sg": func(values []string) (db.Cond, error) {
			want, reason := attr.Boolean(values[0])
			if reason != "" {
				return db.Cond{}, attr.Bad("Invalid input for operation: %s.", reason)
			}
			return db.Where("EXISTS (SELECT 1 FROM neutron_default_security_groups x WHERE x.group_id = t.security_group_id) = ?", want), nil
		}},
	}
}

func ethertype(v any) (any, string) {
	switch s, _ := v.(string); s {
	case "IPv4", "ipv4", "IPV4":
		return "IPv4", ""
	case "IPv6", "ipv6", "IPV6":
		return "IPv6", ""
	}
	return attr.OneOf("IPv4", "IPv6")(v)
}

// remotePrefix takes an address or a network, with or without host bits; the answer shows it as it was given, and normalized.
func remotePrefix(v any) (any, string) {
	s, ok := v.(string)
	if !ok || neutron.NormalizedCIDR(s) == "" {
		_, reason := attr.CIDR(v)
		if reason == "" {
			reason = "it is not a network"
		}
		return nil, reason
	}
	return s, ""
}

func ruleView(r *db.SecurityGroupRule) attr.Values {
	v := base(&r.Standard)
	for name, x := range map[string]any{
		"security_group_id": r.SecurityGroupID, "direction": r.Direction, "ethertype": r.Ethertype, "protocol": text(r.Protocol),
		"port_range_min": r.PortRangeMin, "port_range_max": r.PortRangeMax, "remote_ip_prefix": text(r.RemoteIPPrefix),
		"remote_group_id": text(r.RemoteGroupID), "remote_address_group_id": text(r.RemoteAddressGroupID), "normalized_cidr": text(neutron.NormalizedCIDR(r.RemoteIPPrefix)),
		"belongs_to_default_sg": r.OfDefault, "security_group:project_id": r.GroupProject,
	} {
		v[name] = x
	}
	return v
}
