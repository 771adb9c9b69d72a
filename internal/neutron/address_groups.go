package neutron

import (
	"context"
	"net/netip"
	"slices"
	"strings"

	"github.com/uptrace/bun"

	"gostack/internal/neutron/attr"
	"gostack/internal/neutron/db"
	"gostack/internal/policy"
)

// AddressGroups are lists of addresses that security group rules name (extensions address-group, security-groups-remote-address-group).
func (s *Service) AddressGroups() Kind[db.AddressGroup, *db.AddressGroup] {
	return Kind[db.AddressGroup, *db.AddressGroup]{
		s: s, absent: AddressGroupNotFound, rbac: "address_group", quota: quotaAddressGroup,
		create: func(_ context.Context, _ *unit, _ *policy.Caller, g *db.AddressGroup, v attr.Values) error {
			g.Name, g.Addresses = v.String("name"), []string{}
			for _, a := range v.Strings("addresses") {
				if !slices.Contains(g.Addresses, a) {
					g.Addresses = append(g.Addresses, a)
				}
			}
			return nil
		},
		update: func(_ context.Context, _ *unit, _ *policy.Caller, g *db.AddressGroup, v attr.Values) error {
			setText(v, "name", &g.Name)
			return nil
		},
		remove: func(ctx context.Context, u *unit, g *db.AddressGroup) error {
			used, err := u.tx.NewSelect().Model((*db.SecurityGroupRule)(nil)).Where("t.remote_address_group_id = ?", g.ID).Exists(ctx)
			if err == nil && used {
				err = conflict("AddressGroupInUse", "Address group %s is in use on one or more security group rules.", g.ID)
			}
			return err
		},
		stored: func(ctx context.Context, u *unit, g *db.AddressGroup) error {
			var groups []string
			err := u.tx.NewSelect().Model((*db.SecurityGroupRule)(nil)).Distinct().Column("security_group_id").
				Where("t.remote_address_group_id = ?", g.ID).Scan(ctx, &groups)
			u.changed(kindSecurityGroup, groups...)
			return err
		},
	}
}

// AddressGroupNotFound is a 404.
func AddressGroupNotFound(id string) error {
	return missing("AddressGroupNotFound", "Address group %s could not be found.", id)
}

// AddAddresses adds addresses to a group, none of which it has.
func (s *Service) AddAddresses(ctx context.Context, c *policy.Caller, id string, list []string) (*db.AddressGroup, error) {
	return s.AddressGroups().change(ctx, c, id, func(_ context.Context, _ *unit, g *db.AddressGroup) error {
		if twice := those(list, g.Addresses, true); len(twice) > 0 {
			return bad("AddressesAlreadyExist", "Addresses ['%s'] already exist in the address group %s.", strings.Join(twice, "', '"), id)
		}
		for _, a := range list {
			if !slices.Contains(g.Addresses, a) {
				g.Addresses = append(g.Addresses, a)
			}
		}
		return nil
	})
}

// RemoveAddresses takes addresses from a group, all of which it has.
func (s *Service) RemoveAddresses(ctx context.Context, c *policy.Caller, id string, list []string) (*db.AddressGroup, error) {
	return s.AddressGroups().change(ctx, c, id, func(_ context.Context, _ *unit, g *db.AddressGroup) error {
		if absent := those(list, g.Addresses, false); len(absent) > 0 {
			return missing("AddressesNotFound", "Addresses ['%s'] not found in the address group %s.", strings.Join(absent, "', '"), id)
		}
		g.Addresses = slices.DeleteFunc(g.Addresses, func(a string) bool { return slices.Contains(list, a) })
		return nil
	})
}

// those returns what of a list is among others, or is not.
func those(list, others []string, among bool) (out []string) {
	for _, a := range list {
		if slices.Contains(others, a) == among {
			out = append(out, a)
		}
	}
	return out
}

// addressesOf returns the prefixes of the address groups that rules name.
func addressesOf(ctx context.Context, h bun.IDB, groups []*db.SecurityGroup) (map[string][]netip.Prefix, error) {
	var ids []string
	for _, g := range groups {
		for _, r := range g.Rules {
			if r.RemoteAddressGroupID != "" && !slices.Contains(ids, r.RemoteAddressGroupID) {
				ids = append(ids, r.RemoteAddressGroupID)
			}
		}
	}
	if len(ids) == 0 {
		return nil, nil
	}
	rows, err := db.Find[db.AddressGroup](ctx, h, func(q *bun.SelectQuery) { q.Where("t.id IN (?)", bun.List(ids)) })
	out := map[string][]netip.Prefix{}
	for _, g := range rows {
		for _, a := range g.Addresses {
			if p, err := netip.ParsePrefix(a); err == nil {
				out[g.ID] = append(out[g.ID], p)
			}
		}
	}
	return out, err
}
