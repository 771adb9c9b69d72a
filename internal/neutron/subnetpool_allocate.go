package neutron

import (
	"context"
	"math"
	"net/netip"
	"sort"

	"github.com/uptrace/bun"

	"gostack/internal/neutron/attr"
	"gostack/internal/neutron/db"
	"gostack/internal/policy"
)

// poolOf returns the pool that a new subnet asks for, nil for none (upstream's _get_subnetpool_id and the checks around it).
func (u *unit) poolOf(ctx context.Context, c *policy.Caller, v attr.Values) (*db.SubnetPool, error) {
	id, cidr := v.String("subnetpool_id"), v.String("cidr")
	if v.Bool("use_default_subnetpool") {
		if id != "" {
			return nil, badRequest("subnets", "subnetpool_id and use_default_subnetpool cannot both be specified")
		}
		var err error
		if id, err = u.defaultPool(ctx, v.Int("ip_version")); err != nil {
			return nil, err
		}
		if id == "" {
			return nil, badRequest("subnets", "No default subnetpool found for IPv%d", v.Int("ip_version"))
		}
	}
	switch {
	case cidr != "" && v.IntPtr("prefixlen") != nil:
		return nil, badRequest("subnets", "cidr and prefixlen must not be supplied together")
	case id == "" && cidr == "":
		return nil, badRequest("subnets", "a subnetpool must be specified in the absence of a cidr")
	case id == "":
		return nil, nil
	case cidr == "" && v["allocation_pools"] != nil:
		return nil, badRequest("subnets", "allocation_pools allowed only for specific subnet requests.")
	}
	p, err := u.s.SubnetPools().visible(ctx, u, c, id)
	if err != nil {
		return nil, err
	}
	if p.IPVersion != v.Int("ip_version") {
		return nil, badRequest("subnets", "Cannot allocate IPv%d subnet from IPv%d subnet pool", v.Int("ip_version"), p.IPVersion)
	}
	return p, nil
}

// cut finds the prefix of a new subnet: the one that was asked for, if it is free, or the first of the smallest gap that fits.
func (u *unit) cut(ctx context.Context, p *db.SubnetPool, project string, v attr.Values) (string, error) {
	want, err := netip.ParsePrefix(v.String("cidr"))
	bits := int64(want.Bits())
	if specific := err == nil; !specific {
		if bits = p.DefaultPrefixLen; v.IntPtr("prefixlen") != nil {
			bits = v.Int("prefixlen")
		}
	}
	switch {
	case bits > p.MaxPrefixLen:
		return "", bad("MaxPrefixSubnetAllocationError", "Unable to allocate subnet with prefix length %d, maximum allowed prefix is %d.", bits, p.MaxPrefixLen)
	case bits < p.MinPrefixLen:
		return "", bad("MinPrefixSubnetAllocationError", "Unable to allocate subnet with prefix length %d, minimum allowed prefix is %d.", bits, p.MinPrefixLen)
	}
	have, err := db.Find[db.Subnet](ctx, u.tx, func(q *bun.SelectQuery) { q.Column("cidr", "project_id").Where("t.subnetpool_id = ?", p.ID) })
	if err != nil {
		return "", err
	}
	if err := checkPoolQuota(p, project, bits, have); err != nil {
		return "", err
	}
	taken := make([]string, len(have))
	for i, sn := range have {
		taken[i] = sn.CIDR
	}
	free := setOf(p.Prefixes...).minus(setOf(taken...)).prefixes()
	if want.IsValid() {
		for _, f := range free {
			if f.Bits() <= want.Bits() && f.Contains(want.Addr()) {
				return want.Masked().String(), nil
			}
		}
		return "", conflict("SubnetAllocationError", "Failed to allocate subnet: Cannot allocate requested subnet from the available set of prefixes.")
	}
	sort.SliceStable(free, func(i, j int) bool { return free[i].Bits() > free[j].Bits() })
	for _, f := range free {
		if int64(f.Bits()) <= bits {
			return netip.PrefixFrom(f.Addr(), int(bits)).String(), nil
		}
	}
	return "", conflict("SubnetAllocationError", "Failed to allocate subnet: Insufficient prefix space to allocate subnet size /%d.", bits)
}

// checkPoolQuota counts what a project has of a pool in /32 of IPv4 and /64 of IPv6.
func checkPoolQuota(p *db.SubnetPool, project string, bits int64, have []*db.Subnet) error {
	if p.DefaultQuota == nil || *p.DefaultQuota == 0 {
		return nil
	}
	unit := 32.0
	if p.IPVersion == 6 {
		unit = 64
	}
	sum := math.Pow(2, unit-float64(bits))
	for _, sn := range have {
		if n, err := netip.ParsePrefix(sn.CIDR); err == nil && sn.ProjectID == project {
			sum += math.Pow(2, unit-float64(n.Bits()))
		}
	}
	if sum > float64(*p.DefaultQuota) {
		return conflict("SubnetPoolQuotaExceeded", "Per-tenant subnet pool prefix quota exceeded.")
	}
	return nil
}

// checkPoolAffinity keeps the subnets of one IP version of a network in one address scope, or else in one pool.
func (u *unit) checkPoolAffinity(ctx context.Context, n *db.Network, p *db.SubnetPool, others []*db.Subnet) error {
	if p == nil {
		return nil
	}
	scopes, err := db.NetworkSubnets(ctx, u.tx, []string{n.ID})
	if err != nil {
		return err
	}
	scope := ""
	for _, sn := range scopes[n.ID] {
		if sn.IPVersion == p.IPVersion && sn.AddressScopeID != "" {
			scope = sn.AddressScopeID
		}
	}
	if scope != "" && scope != p.AddressScopeID {
		return scopeAffinity()
	}
	for _, sn := range others {
		if scope == "" && sn.IPVersion == p.IPVersion && sn.SubnetPoolID != p.ID {
			return bad("NetworkSubnetPoolAffinityError", "Subnets hosted on the same network must be allocated from the same subnet pool.")
		}
	}
	return nil
}
