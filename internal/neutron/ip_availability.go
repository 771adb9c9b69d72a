package neutron

import (
	"context"
	"math/big"
	"strconv"

	"github.com/uptrace/bun"

	"gostack/internal/neutron/db"
)

// NetworkIPAvailability counts a network's addresses.
type NetworkIPAvailability struct {
	NetworkID   string                 `json:"network_id"`
	NetworkName string                 `json:"network_name"`
	ProjectID   string                 `json:"project_id"`
	TenantID    string                 `json:"tenant_id"`
	Total       *big.Int               `json:"total_ips"`
	Used        int64                  `json:"used_ips"`
	Subnets     []SubnetIPAvailability `json:"subnet_ip_availability"`
}

// SubnetIPAvailability counts a subnet's addresses.
type SubnetIPAvailability struct {
	SubnetID   string   `json:"subnet_id"`
	SubnetName string   `json:"subnet_name"`
	CIDR       string   `json:"cidr"`
	IPVersion  int64    `json:"ip_version"`
	Total      *big.Int `json:"total_ips"`
	Used       int64    `json:"used_ips"`
}

// OfVersion leaves only subnets of an IP version ("4", "6"; anything else: all).
func (n NetworkIPAvailability) OfVersion(version string) NetworkIPAvailability {
	if version != "4" && version != "6" {
		return n
	}
	out := n
	out.Subnets, out.Total, out.Used = []SubnetIPAvailability{}, new(big.Int), 0
	for _, sn := range n.Subnets {
		if strconv.FormatInt(sn.IPVersion, 10) == version {
			out.Subnets = append(out.Subnets, sn)
			out.Total.Add(out.Total, sn.Total)
			out.Used += sn.Used
		}
	}
	return out
}

// IPAvailability counts what networks' pools hold and what ports have; network "" is all of them. Three statements.
func (s *Service) IPAvailability(ctx context.Context, network string) ([]NetworkIPAvailability, error) {
	h := s.DB.Read(ctx)
	narrow := func(column string) func(*bun.SelectQuery) {
		return func(q *bun.SelectQuery) {
			if network != "" {
				q.Where(column+" = ?", network)
			}
			q.OrderExpr("t.created_at, t.id")
		}
	}
	networks, err := db.Find[db.Network](ctx, h, narrow("t.id"))
	if err != nil {
		return nil, err
	}
	subnets, err := db.Find[db.Subnet](ctx, h, narrow("t.network_id"))
	if err != nil {
		return nil, err
	}
	var used []struct {
		SubnetID string
		Used     int64
	}
	q := h.NewSelect().Model((*db.Allocation)(nil)).Column("subnet_id").ColumnExpr("COUNT(*) AS used").Group("subnet_id")
	if network != "" {
		q.Where("t.network_id = ?", network)
	}
	if err := q.Scan(ctx, &used); err != nil {
		return nil, err
	}
	uses := map[string]int64{}
	for _, u := range used {
		uses[u.SubnetID] = u.Used
	}
	out := make([]NetworkIPAvailability, len(networks))
	place := map[string]int{}
	for i, n := range networks {
		place[n.ID] = i
		out[i] = NetworkIPAvailability{
			NetworkID: n.ID, NetworkName: n.Name, ProjectID: n.ProjectID, TenantID: n.ProjectID, Total: new(big.Int), Subnets: []SubnetIPAvailability{},
		}
	}
	for _, sn := range subnets {
		i, ok := place[sn.NetworkID]
		if !ok {
			continue
		}
		total := new(big.Int)
		for _, r := range ranges(sn.AllocationPools) {
			total.Add(total, r.size())
		}
		out[i].Subnets = append(out[i].Subnets, SubnetIPAvailability{
			SubnetID: sn.ID, SubnetName: sn.Name, CIDR: sn.CIDR, IPVersion: sn.IPVersion, Total: total, Used: uses[sn.ID],
		})
		out[i].Total.Add(out[i].Total, total)
		out[i].Used += uses[sn.ID]
	}
	return out, nil
}
