package api

import (
	"context"
	"strconv"

	"gostack/internal/neutron"
	"gostack/internal/neutron/attr"
	"gostack/internal/neutron/db"
	"gostack/internal/policy"
	"gostack/internal/rest"
)

// owned are the attributes of resources that have none of the standard ones.
func owned() []attr.Attribute {
	return []attr.Attribute{
		{Name: "id", Column: "t.id"},
		{Name: "project_id", Post: true, Required: true, Check: attr.String(projectLength), Column: "t.project_id"},
		{Name: "tenant_id", Column: "t.project_id"},
	}
}

// addressScopes is the extension address-scope.
func (a *api) addressScopes() *resource {
	return serve(a.n.AddressScopes(), resource{
		Table: attr.NewTable("address_scope", "address_scopes", owned(), named(), []attr.Attribute{
			{Name: "ip_version", Post: true, Required: true, Check: ipVersion, Column: "t.ip_version", Kind: attr.Int},
			{Name: "shared", Post: true, Put: true, Default: false, Check: attr.Boolean, Filter: true},
		}),
		Path: "address-scopes", Absent: neutron.AddressScopeNotFound, Filters: sharedBy("t.id"),
	}, func(s *db.AddressScope) attr.Values {
		return attr.Values{
			"id": s.ID, "project_id": s.ProjectID, "tenant_id": s.ProjectID, "name": s.Name, "ip_version": s.IPVersion, "shared": s.Shared,
		}
	})
}

// cidrs takes networks, at least one, each once.
func cidrs(v any) (any, string) {
	list, reason := attr.Strings(0)(v)
	if reason != "" {
		return nil, reason
	}
	out, seen := []string{}, map[string]bool{}
	for _, s := range list.([]string) { //nolint:forcetypeassert // Strings gives nothing else
		c, reason := attr.CIDR(s)
		if reason != "" {
			return nil, reason
		}
		text := c.(string) //nolint:forcetypeassert // CIDR gives nothing else
		if seen[text] {
			return nil, "Duplicate items in the list: '" + text + "'"
		}
		seen[text] = true
		out = append(out, text)
	}
	return out, ""
}

// subnetPools are the extensions subnet_allocation and default-subnetpools.
func (a *api) subnetPools() *resource {
	length := attr.Integer(0, 128)
	return serve(a.n.SubnetPools(), resource{
		Table: attr.NewTable("subnetpool", "subnetpools", standard(), named(), []attr.Attribute{
			{Name: "prefixes", Post: true, Put: true, Required: true, Check: cidrs},
			{Name: "default_quota", Post: true, Put: true, Check: attr.OrNull(attr.Integer(0, 1<<31-1)), Column: "t.default_quota", Kind: attr.Int, NoSort: true},
			{Name: "ip_version", Column: "t.ip_version", Kind: attr.Int},
			{Name: "default_prefixlen", Post: true, Put: true, Check: length, Column: "t.default_prefixlen", Kind: attr.Int},
			{Name: "min_prefixlen", Post: true, Put: true, Check: length, Column: "t.min_prefixlen", Kind: attr.Int},
			{Name: "max_prefixlen", Post: true, Put: true, Check: length, Column: "t.max_prefixlen", Kind: attr.Int},
			{Name: "is_default", Post: true, Put: true, Default: false, Check: attr.Boolean, Column: "t.is_default", Kind: attr.Bool},
			{Name: "shared", Post: true, Default: false, Check: attr.Boolean, Filter: true},
			{Name: "address_scope_id", Post: true, Put: true, Default: attr.Null, Check: attr.OrNull(attr.UUID), Column: "t.address_scope_id"},
		}),
		Path: "subnetpools", Absent: neutron.SubnetPoolNotFound, Filters: sharedBy("t.id"), Actions: a.subnetPoolActions(),
	}, subnetPoolView)
}

func subnetPoolView(p *db.SubnetPool) attr.Values {
	return with(base(&p.Standard), attr.Values{
		"name": p.Name, "prefixes": listOf(p.Prefixes), "default_quota": p.DefaultQuota, "ip_version": p.IPVersion,
		// As texts: upstream's plugin makes them so, and its clients read them so.
		"default_prefixlen": strconv.FormatInt(p.DefaultPrefixLen, 10), "min_prefixlen": strconv.FormatInt(p.MinPrefixLen, 10),
		"max_prefixlen": strconv.FormatInt(p.MaxPrefixLen, 10),
		"is_default":    p.IsDefault, "shared": p.Shared, "address_scope_id": text(p.AddressScopeID),
	})
}

// subnetPoolActions are the extensions subnetpool-prefix-ops and subnet_onboard.
func (a *api) subnetPoolActions() []memberAction {
	prefixes := func(name string, change func(ctx context.Context, c *policy.Caller, id string, list []string) ([]string, error)) memberAction {
		return memberAction{Name: name, Do: func(ctx context.Context, r *rest.Request, pool attr.Values, body map[string]any) (any, error) {
			raw, ok := body["prefixes"]
			if !ok || len(body) != 1 {
				return nil, attr.Bad("Invalid input for operation: the body must have 'prefixes' and nothing else.")
			}
			list, reason := cidrs(raw)
			if reason != "" {
				return nil, attr.Bad("Invalid input for prefixes. Reason: %s.", reason)
			}
			have, err := change(ctx, r.Caller, pool.String("id"), list.([]string)) //nolint:forcetypeassert // cidrs gives nothing else
			return map[string]any{"prefixes": have}, err
		}}
	}
	return []memberAction{
		prefixes("add_prefixes", a.n.AddPrefixes),
		prefixes("remove_prefixes", a.n.RemovePrefixes),
		{Name: "onboard_network_subnets", Do: func(ctx context.Context, r *rest.Request, pool attr.Values, body map[string]any) (any, error) {
			network, reason := attr.UUID(body["network_id"])
			if reason != "" {
				return nil, attr.Bad("Invalid input for operation: network_id must be specified.")
			}
			return a.n.OnboardNetwork(ctx, r.Caller, pool.String("id"), network.(string)) //nolint:forcetypeassert // UUID gives nothing else
		}},
	}
}
