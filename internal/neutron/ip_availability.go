package neutron

import (
	"context"
	"math/big"
	"net/netip"
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
	Details     IPAvailabilityDetails  `json:"ip_availability_details"`
}

// IPAvailabilityDetails tell allocation pools and whole subnets apart (extension network-ip-availability-details).
type IPAvailabilityDetails struct {
	TotalInSubnet *big.Int `json:"total_ips_in_subnet"`
	TotalInPool   *big.Int `json:"total_ips_in_allocation_pool"`
	UsedInSubnet  int64    `json:"used_ips_in_subnet"`
	UsedInPool    int64    `json:"used_ips_in_allocation_pool"`
}

func (d *IPAvailabilityDetails) add(o IPAvailabilityDetails) {
	d.TotalInSubnet, d.TotalInPool = new(big.Int).Add(d.TotalInSubnet, o.TotalInSubnet), new(big.Int).Add(d.TotalInPool, o.TotalInPool)
	d.UsedInSubnet, d.UsedInPool = d.UsedInSubnet+o.UsedInSubnet, d.UsedInPool+o.UsedInPool
}

// SubnetIPAvailability counts a subnet's addresses.
type SubnetIPAvailability struct {
	SubnetID   string   `json:"subnet_id"`
	SubnetName string   `json:"subnet_name"`
	CIDR       string   `json:"cidr"`
	IPVersion  int64    `json:"ip_version"`
	Total      *big.Int `json:"total_ips"`
	Used       int64    `json:"used_ips"`

	Details IPAvailabilityDetails `json:"ip_availability_details"`
}

// OfVersion leaves only subnets of an IP version ("4", "6"; anything else: all).
func (n NetworkIPAvailability) OfVersion(version string) NetworkIPAvailability {
	if version != "4" && version != "6" {
		return n
	}
	out := n
	out.Subnets, out.Total, out.Used, out.Details = []SubnetIPAvailability{}, new(big.Int), 0, noDetails()
	for _, sn := range n.Subnets {
		if strconv.FormatInt(sn.IPVersion, 10) == version {
			out.Subnets = append(out.Subnets, sn)
			out.Total.Add(out.Total, sn.Total)
			out.Used += sn.Used
			out.Details.add(sn.Details)
		}
	}
	return out
}

func noDetails() IPAvailabilityDetails {
	return IPAvailabilityDetails{TotalInSubnet: new(big.Int), TotalInPool: new(big.Int)}
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
	uses, err := poolUses(ctx, h, network, subnets)
	if err != nil {
		return nil, err
	}
	out := make([]NetworkIPAvailability, len(networks))
	place := map[string]int{}
	for i, n := range networks {
		place[n.ID] = i
		out[i] = NetworkIPAvailability{
			NetworkID: n.ID, NetworkName: n.Name, ProjectID: n.ProjectID, TenantID: n.ProjectID, Total: new(big.Int), Subnets: []SubnetIPAvailability{}, Details: noDetails(),
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
		use, p := uses[sn.ID], netip.MustParsePrefix(sn.CIDR)
		counted := SubnetIPAvailability{
			SubnetID: sn.ID, SubnetName: sn.Name, CIDR: sn.CIDR, IPVersion: sn.IPVersion, Total: total, Used: use.all,
			Details: IPAvailabilityDetails{
				TotalInSubnet: addrRange{firstUsable(p), lastUsable(p)}.size(), TotalInPool: total, UsedInSubnet: use.all, UsedInPool: use.pool,
			},
		}
		out[i].Subnets = append(out[i].Subnets, counted)
		out[i].Details.add(counted.Details)
		out[i].Total.Add(out[i].Total, total)
		out[i].Used += use.all
	}
	return out, nil
}

// poolUse counts the addresses that ports have of a subnet: all, and those out of its pools.
type poolUse struct{ all, pool int64 }

// poolUses reads addresses in one statement, without keeping them.
func poolUses(ctx context.Context, h bun.IDB, network string, subnets []*db.Subnet) (map[string]poolUse, error) {
	pools := map[string][]addrRange{}
	for _, sn := range subnets {
		pools[sn.ID] = ranges(sn.AllocationPools)
	}
	uses := map[string]poolUse{}
	q := h.NewSelect().Model((*db.Allocation)(nil)).Column("subnet_id", "ip_address")
	if network != "" {
		q.Where("t.network_id = ?", network)
	}
	rows, err := q.Rows(ctx)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var subnet, ip string
		if err := rows.Scan(&subnet, &ip); err != nil {
			return nil, err
		}
		u, a := uses[subnet], parseAddr(ip)
		u.all++
		for _, r := range pools[subnet] {
			if r.contains(a) {
				u.pool++
				break
			}
		}
		uses[subnet] = u
	}
	return uses, rows.Err()
}
