package db

import (
	"context"

	"github.com/uptrace/bun"
)

// AddressScope is a row of neutron_address_scopes.
type AddressScope struct {
	bun.BaseModel `bun:"neutron_address_scopes,alias:t"`
	Standard

	Name      string `bun:"name"`
	IPVersion int64  `bun:"ip_version"`

	Shared bool `bun:"shared,scanonly"`
}

// SubnetPool is a row of neutron_subnetpools.
type SubnetPool struct {
	bun.BaseModel `bun:"neutron_subnetpools,alias:t"`
	Standard

	Name             string   `bun:"name"`
	IPVersion        int64    `bun:"ip_version"`
	Prefixes         []string `bun:"prefixes"`
	DefaultPrefixLen int64    `bun:"default_prefixlen"`
	MinPrefixLen     int64    `bun:"min_prefixlen"`
	MaxPrefixLen     int64    `bun:"max_prefixlen"`
	DefaultQuota     *int64   `bun:"default_quota"`
	IsDefault        bool     `bun:"is_default"`
	AddressScopeID   string   `bun:"address_scope_id"`

	Shared bool `bun:"shared,scanonly"`
}

// NetworkSubnet is what a network shows of a subnet.
type NetworkSubnet struct {
	NetworkID      string
	ID             string
	IPVersion      int64
	AddressScopeID string // "" for none
	SegmentID      string // "" for none
}

// NetworkSubnets returns the subnets of networks, oldest first.
func NetworkSubnets(ctx context.Context, h bun.IDB, networks []string) (map[string][]NetworkSubnet, error) {
	of := map[string][]NetworkSubnet{}
	if len(networks) == 0 {
		return of, nil
	}
	var rows []NetworkSubnet
	err := h.NewRaw(`SELECT t.network_id, t.id, t.ip_version, t.segment_id, COALESCE(p.address_scope_id, '') AS address_scope_id
FROM neutron_subnets t LEFT JOIN neutron_subnetpools p ON p.id = t.subnetpool_id
WHERE t.network_id IN (?) ORDER BY t.created_at, t.id`, bun.List(networks)).Scan(ctx, &rows)
	for _, r := range rows {
		of[r.NetworkID] = append(of[r.NetworkID], r)
	}
	return of, err
}
