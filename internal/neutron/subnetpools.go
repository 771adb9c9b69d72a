package neutron

import (
	"context"
	"net/netip"

	"github.com/uptrace/bun"

	"gostack/internal/neutron/attr"
	"gostack/internal/neutron/db"
	"gostack/internal/policy"
)

// SubnetPools are prefixes of which subnets are cut (extensions subnet_allocation, default-subnetpools).
func (s *Service) SubnetPools() Kind[db.SubnetPool, *db.SubnetPool] {
	return Kind[db.SubnetPool, *db.SubnetPool]{
		s: s, absent: SubnetPoolNotFound, rbac: "subnetpool", quota: quotaSubnetPool,
		create: func(ctx context.Context, u *unit, c *policy.Caller, p *db.SubnetPool, v attr.Values) error {
			p.Shared = v.Bool("shared")
			return u.shapePool(ctx, c, p, v)
		},
		update: func(ctx context.Context, u *unit, c *policy.Caller, p *db.SubnetPool, v attr.Values) error {
			return u.changePool(ctx, c, p, v)
		},
		remove: func(ctx context.Context, u *unit, p *db.SubnetPool) error {
			used, err := u.tx.NewSelect().Model((*db.Subnet)(nil)).Where("t.subnetpool_id = ?", p.ID).Exists(ctx)
			if err == nil && used {
				err = bad("SubnetPoolDeleteError", "Unable to delete subnet pool: Subnet pool has existing allocations.")
			}
			return err
		},
	}
}

// SubnetPoolNotFound is a 404.
func SubnetPoolNotFound(id string) error {
	return missing("SubnetPoolNotFound", "Subnet pool %s could not be found.", id)
}

// poolBounds are what prefix lengths are bound by, and when nothing is said: the shortest prefix and the longest.
func poolBounds(version int64) (shortest, longest int64) {
	if version == 4 {
		return 8, 32
	}
	return 64, 128
}

// shapePool lays v over a pool and checks what comes out (upstream's SubnetPoolReader).
func (u *unit) shapePool(ctx context.Context, c *policy.Caller, p *db.SubnetPool, v attr.Values) error {
	wasDefault := p.IsDefault
	setText(v, "name", &p.Name)
	setBool(v, "is_default", &p.IsDefault)
	if v.Has("default_quota") {
		p.DefaultQuota = v.IntPtr("default_quota")
	}
	if v.Has("prefixes") {
		if err := setPrefixes(p, v.Strings("prefixes")); err != nil {
			return err
		}
	}
	if p.MaxPrefixLen == 0 {
		p.MinPrefixLen, p.MaxPrefixLen = poolBounds(p.IPVersion)
		p.DefaultPrefixLen = -1
	}
	for name, into := range map[string]*int64{"min_prefixlen": &p.MinPrefixLen, "max_prefixlen": &p.MaxPrefixLen, "default_prefixlen": &p.DefaultPrefixLen} {
		if n := v.IntPtr(name); n != nil {
			*into = *n
		}
	}
	if p.DefaultPrefixLen < 0 {
		p.DefaultPrefixLen = p.MinPrefixLen
	}
	if err := checkPoolLengths(p); err != nil {
		return err
	}
	if p.IsDefault && !wasDefault {
		if other, err := u.defaultPool(ctx, p.IPVersion); err != nil || other != "" {
			return orElse(err, invalidInput("A default subnetpool for this IP family has already been set. Only one default may exist per IP family"))
		}
	}
	if v.Has("address_scope_id") {
		p.AddressScopeID = v.String("address_scope_id")
	}
	return u.checkPoolScope(ctx, c, p)
}

// changePool follows update_subnetpool: prefixes of a pool may grow and not shrink.
func (u *unit) changePool(ctx context.Context, c *policy.Caller, p *db.SubnetPool, v attr.Values) error {
	if v.Has("prefixes") {
		if left := setOf(p.Prefixes...).minus(setOf(v.Strings("prefixes")...)); len(left) > 0 {
			return bad("IllegalSubnetPoolPrefixUpdate",
				"Illegal update to prefixes: Existing prefixes must be a subset of the new prefixes.")
		}
	}
	if p.AddressScopeID != "" && !c.IsAdmin() {
		scope, err := db.Get[db.AddressScope](ctx, u.tx, p.AddressScopeID)
		if err != nil {
			return or(err, AddressScopeNotFound(p.AddressScopeID))
		}
		if scope.ProjectID != c.ProjectID {
			return bad("IllegalSubnetPoolUpdate", "Illegal subnetpool update : subnetpool %s cannot be updated when associated with shared address scope %s.",
				p.ID, p.AddressScopeID)
		}
	}
	return u.shapePool(ctx, c, p, v)
}

// setPrefixes takes prefixes of one IP version and joins those that touch.
func setPrefixes(p *db.SubnetPool, cidrs []string) error {
	if len(cidrs) == 0 {
		return bad("EmptySubnetPoolPrefixList", "Empty subnet pool prefix list.")
	}
	version := int64(0)
	for _, c := range cidrs {
		n, err := netip.ParsePrefix(c)
		if err != nil {
			return invalidInput("'%s' is not a valid IP subnet", c)
		}
		of := int64(6)
		if n.Addr().Is4() {
			of = 4
		}
		if version != 0 && of != version || p.IPVersion != 0 && of != p.IPVersion {
			return bad("PrefixVersionMismatch", "Cannot mix IPv4 and IPv6 prefixes in a subnet pool.")
		}
		version = of
	}
	p.IPVersion, p.Prefixes = version, setOf(cidrs...).cidrs()
	return nil
}

func checkPoolLengths(p *db.SubnetPool) error {
	_, longest := poolBounds(p.IPVersion)
	bounds := func(what string, n int64, of string, bound int64) error {
		return bad("IllegalSubnetPoolPrefixBounds", "Illegal prefix bounds: %s=%d, %s=%d.", what, n, of, bound)
	}
	switch {
	case p.MinPrefixLen > p.MaxPrefixLen:
		return bounds("min_prefixlen", p.MinPrefixLen, "max_prefixlen", p.MaxPrefixLen)
	case p.MaxPrefixLen > longest:
		return bounds("max_prefixlen", p.MaxPrefixLen, "ip_version_max", longest)
	case p.DefaultPrefixLen < p.MinPrefixLen:
		return bounds("default_prefixlen", p.DefaultPrefixLen, "min_prefixlen", p.MinPrefixLen)
	case p.DefaultPrefixLen > p.MaxPrefixLen:
		return bounds("default_prefixlen", p.DefaultPrefixLen, "max_prefixlen", p.MaxPrefixLen)
	}
	return nil
}

// defaultPool returns the id of the default pool of an IP version, "" if there is none.
func (u *unit) defaultPool(ctx context.Context, version int64) (string, error) {
	var ids []string
	err := u.tx.NewSelect().Model((*db.SubnetPool)(nil)).Column("id").Where("t.is_default AND t.ip_version = ?", version).Limit(1).Scan(ctx, &ids)
	if err != nil || len(ids) == 0 {
		return "", err
	}
	return ids[0], nil
}

// checkPoolScope wants an address scope that the caller may use, of the pool's IP version, whose other pools have no address
// in common with it, and networks that do not end up with subnets in two scopes.
func (u *unit) checkPoolScope(ctx context.Context, c *policy.Caller, p *db.SubnetPool) error {
	if p.AddressScopeID == "" {
		return nil
	}
	scope, err := u.s.AddressScopes().visible(ctx, u, c, p.AddressScopeID)
	if err != nil {
		return err
	}
	if scope.IPVersion != p.IPVersion {
		return bad("IllegalSubnetPoolIpVersionAssociationToAddressScope",
			"Illegal subnetpool association: subnetpool %s cannot associate with address scope %s because subnetpool ip_version is not %d.",
			p.ID, scope.ID, scope.IPVersion)
	}
	split, err := u.tx.NewSelect().Model((*db.Subnet)(nil)).
		Where("t.ip_version = ? AND t.subnetpool_id <> ? AND t.network_id IN (SELECT x.network_id FROM neutron_subnets x WHERE x.subnetpool_id = ?)",
			p.IPVersion, p.ID, p.ID).
		Where("NOT EXISTS (SELECT 1 FROM neutron_subnetpools o WHERE o.id = t.subnetpool_id AND o.address_scope_id = ?)", scope.ID).Exists(ctx)
	if err != nil {
		return err
	}
	if split {
		return scopeAffinity()
	}
	others, err := db.Find[db.SubnetPool](ctx, u.tx, func(q *bun.SelectQuery) {
		q.Where("t.address_scope_id = ? AND t.id <> ?", scope.ID, p.ID)
	})
	for _, o := range others {
		if setOf(o.Prefixes...).meets(setOf(p.Prefixes...)) {
			return conflict("AddressScopePrefixConflict",
				"Failed to associate address scope: subnetpools within an address scope must have unique prefixes.")
		}
	}
	return err
}

func scopeAffinity() error {
	return bad("NetworkAddressScopeAffinityError",
		"Subnets of the same address family hosted on the same network must all be allocated from the same address scope.")
}

// orElse is err, or what it means that there is none.
func orElse(err, otherwise error) error {
	if err != nil {
		return err
	}
	return otherwise
}
