package db

import (
	"context"

	"github.com/uptrace/bun"
)

// Trunk is a row of neutron_trunks.
type Trunk struct {
	bun.BaseModel `bun:"neutron_trunks,alias:t"`
	Standard

	Name         string `bun:"name"`
	AdminStateUp bool   `bun:"admin_state_up"`
	PortID       string `bun:"port_id"`

	// PortStatus is its parent port's.
	PortStatus string    `bun:"port_status,scanonly"`
	SubPorts   []SubPort `bun:"-"`
}

// SubPort is a row of neutron_subports.
type SubPort struct {
	bun.BaseModel `bun:"neutron_subports,alias:t"`

	PortID           string `bun:"port_id,pk"`
	TrunkID          string `bun:"trunk_id"`
	SegmentationType string `bun:"segmentation_type"`
	SegmentationID   int64  `bun:"segmentation_id"`

	MACAddress string `bun:"mac_address,scanonly"`
}

// TrunkStatus is the SQL of a trunk's status.
const TrunkStatus = "CASE WHEN p.status = 'ACTIVE' THEN 'ACTIVE' ELSE 'DOWN' END"

// Trunks lists trunks with their subports: two statements.
func Trunks(ctx context.Context, h bun.IDB, q Query) ([]*Trunk, error) {
	rows, err := list[Trunk](ctx, h, q, func(q *bun.SelectQuery) {
		q.Join("JOIN neutron_ports p ON p.id = t.port_id").ColumnExpr(TrunkStatus + " AS port_status")
	})
	if err != nil || len(rows) == 0 {
		return rows, err
	}
	byID := make(map[string]*Trunk, len(rows))
	ids := make([]string, len(rows))
	for i, t := range rows {
		byID[t.ID], ids[i] = t, t.ID
	}
	var subs []SubPort
	err = h.NewSelect().Model(&subs).Where("t.trunk_id IN (?)", bun.List(ids)).OrderExpr("t.trunk_id, t.segmentation_id").Scan(ctx)
	for _, s := range subs {
		t := byID[s.TrunkID]
		t.SubPorts = append(t.SubPorts, s)
	}
	return rows, err
}
