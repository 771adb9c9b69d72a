package neutron

import (
	"context"

	"gostack/internal/neutron/db"
	"gostack/internal/policy"
)

// FloatingIPPools lists the IPv4 subnets of the external networks that a caller may take floating IPs from.
func (s *Service) FloatingIPPools(ctx context.Context, c *policy.Caller) ([]*db.Subnet, error) {
	q := db.Query{Project: c.ProjectID, Where: []db.Cond{db.Where("n.external AND t.ip_version = 4")}}
	if !c.IsAdmin() {
		q = q.And(db.Or(db.Where("n.project_id = ?", c.ProjectID),
			db.SharedWith("n.id", db.AccessAsExternal, c.ProjectID), db.SharedWith("n.id", db.AccessAsShared, c.ProjectID)))
	}
	return db.Subnets(ctx, s.DB.Read(ctx), q)
}
