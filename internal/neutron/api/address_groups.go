package api

import (
	"context"
	"net/netip"

	"gostack/internal/neutron"
	"gostack/internal/neutron/attr"
	"gostack/internal/neutron/db"
	"gostack/internal/policy"
	"gostack/internal/rest"
)

// addresses takes addresses and networks, and writes all as networks without host bits.
func addresses(v any) (any, string) {
	if v == nil {
		return []string{}, ""
	}
	list, reason := attr.Strings(64)(v)
	if reason != "" {
		return nil, reason
	}
	out := []string{}
	for _, s := range list.([]string) { //nolint:forcetypeassert // Strings gives nothing else
		p, err := netip.ParsePrefix(s)
		if a, errAddr := netip.ParseAddr(s); err != nil && errAddr == nil && a.Zone() == "" {
			p, err = netip.PrefixFrom(a, a.BitLen()), nil
		}
		if err != nil {
			return nil, "'" + s + "' is not a valid IP subnet"
		}
		out = append(out, p.Masked().String())
	}
	return out, ""
}

// networks takes what a new group is made of: networks only, though single addresses may be added to it later (neutron-lib's subnet_list).
func networks(v any) (any, string) {
	list, _ := v.([]any)
	for _, x := range list {
		if _, reason := attr.CIDR(x); reason != "" {
			return nil, reason
		}
	}
	return addresses(v)
}

// addressGroups is the extension address-group.
func (a *api) addressGroups() *resource {
	res := serve(a.n.AddressGroups(), resource{
		Table: attr.NewTable("address_group", "address_groups", untagged(), named(), []attr.Attribute{
			{Name: "addresses", Post: true, Default: []string{}, Check: networks},
			{Name: "shared", Filter: true},
		}),
		Path: "address-groups", Absent: neutron.AddressGroupNotFound, Filters: sharedBy("t.id"), OwnOnly: true,
	}, addressGroupView)
	change := func(name string, do func(ctx context.Context, c *policy.Caller, id string, list []string) (*db.AddressGroup, error)) memberAction {
		return memberAction{Name: name, Do: func(ctx context.Context, r *rest.Request, group attr.Values, body map[string]any) (any, error) {
			if inner, ok := body["address_group"].(map[string]any); ok {
				body = inner
			}
			if body["addresses"] == nil || len(body) != 1 {
				return nil, attr.Bad("Invalid input for addresses. Reason: the body must have 'addresses' and nothing else.")
			}
			list, reason := addresses(body["addresses"])
			if reason != "" {
				return nil, attr.Bad("Invalid input for addresses. Reason: %s.", reason)
			}
			g, err := do(ctx, r.Caller, group.String("id"), list.([]string)) //nolint:forcetypeassert // addresses gives nothing else
			if err != nil {
				return nil, err
			}
			return map[string]any{"address_group": a.shape(r, res, addressGroupView(g))}, nil
		}}
	}
	res.Actions = []memberAction{change("add_addresses", a.n.AddAddresses), change("remove_addresses", a.n.RemoveAddresses)}
	return res
}

func addressGroupView(g *db.AddressGroup) attr.Values {
	return with(base(&g.Standard), attr.Values{"name": g.Name, "addresses": listOf(g.Addresses), "shared": g.Shared})
}
