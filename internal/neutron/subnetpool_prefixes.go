package neutron

import (
	"context"

	"github.com/uptrace/bun"

	"gostack/internal/neutron/attr"
	"gostack/internal/neutron/db"
	"gostack/internal/policy"
)

// AddPrefixes adds prefixes to a pool and returns all of them (extension subnetpool-prefix-ops).
func (s *Service) AddPrefixes(ctx context.Context, c *policy.Caller, id string, cidrs []string) ([]string, error) {
	return s.poolPrefixes(ctx, c, id, func(ctx context.Context, u *unit, p *db.SubnetPool) error {
		if len(cidrs) == 0 {
			return nil
		}
		return u.changePool(ctx, c, p, attr.Values{"prefixes": append(append([]string{}, p.Prefixes...), cidrs...)})
	})
}

// RemovePrefixes takes prefixes of which nothing is allocated from a pool and returns what is left. Those it does not have are no error.
func (s *Service) RemovePrefixes(ctx context.Context, c *policy.Caller, id string, cidrs []string) ([]string, error) {
	return s.poolPrefixes(ctx, c, id, func(ctx context.Context, u *unit, p *db.SubnetPool) error {
		have, gone := setOf(p.Prefixes...), setOf(cidrs...)
		if !have.meets(gone) {
			return nil
		}
		taken, err := u.allocated(ctx, p.ID)
		if err != nil {
			return err
		}
		if taken.meets(gone) {
			return bad("IllegalSubnetPoolPrefixUpdate", "Illegal update to prefixes: One or more the prefixes to be removed is in use by a subnet.")
		}
		p.Prefixes = have.minus(gone).cidrs()
		return nil
	})
}

func (s *Service) poolPrefixes(ctx context.Context, c *policy.Caller, id string, fn func(context.Context, *unit, *db.SubnetPool) error) ([]string, error) {
	p, err := s.SubnetPools().change(ctx, c, id, fn)
	if err != nil {
		return nil, err
	}
	return p.Prefixes, nil
}

// allocated is what subnets have of a pool.
func (u *unit) allocated(ctx context.Context, pool string) (netSet, error) {
	var cidrs []string
	err := u.tx.NewSelect().Model((*db.Subnet)(nil)).Column("cidr").Where("t.subnetpool_id = ?", pool).Scan(ctx, &cidrs)
	return setOf(cidrs...), err
}

// Onboarded is a subnet that a pool took in.
type Onboarded struct {
	ID   string `json:"id"`
	CIDR string `json:"cidr"`
}

// OnboardNetwork takes the subnets of a network, and their prefixes, into a pool (extension subnet_onboard).
func (s *Service) OnboardNetwork(ctx context.Context, c *policy.Caller, id, network string) ([]Onboarded, error) {
	taken := []Onboarded{}
	_, err := s.SubnetPools().change(ctx, c, id, func(ctx context.Context, u *unit, p *db.SubnetPool) error {
		n, err := u.network(ctx, network, c.ProjectID)
		if err != nil {
			return err
		}
		if n.ProjectID != c.ProjectID && !n.Shared && !c.IsAdmin() {
			return NetworkNotFound(network)
		}
		subnets, err := db.Find[db.Subnet](ctx, u.tx, func(q *bun.SelectQuery) {
			q.Where("t.network_id = ? AND t.ip_version = ?", network, p.IPVersion).OrderExpr("t.created_at, t.id")
			if !c.IsAdmin() {
				q.Where("t.project_id = ?", c.ProjectID)
			}
		})
		if err != nil {
			return err
		}
		have, err := u.allocated(ctx, p.ID)
		if err != nil {
			return err
		}
		prefixes := append([]string{}, p.Prefixes...)
		for _, sn := range subnets {
			if have.meets(setOf(sn.CIDR)) {
				return bad("IllegalSubnetPoolUpdate", "Illegal subnetpool update : Onboarding subnet %s: %s conflicts with allocated prefixes in subnet pool %s.",
					sn.ID, sn.CIDR, p.ID)
			}
			prefixes = append(prefixes, sn.CIDR)
			taken = append(taken, Onboarded{sn.ID, sn.CIDR})
			sn.SubnetPoolID = p.ID
			u.changed(kindSubnet, sn.ID)
			if err := u.update(ctx, sn); err != nil {
				return err
			}
		}
		return u.changePool(ctx, c, p, attr.Values{"prefixes": prefixes})
	})
	return taken, err
}
