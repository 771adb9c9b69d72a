package db

import (
	"context"

	"github.com/uptrace/bun"
)

// PortForwarding is a row of neutron_port_forwardings.
type PortForwarding struct {
	bun.BaseModel `bun:"neutron_port_forwardings,alias:t"`

	ID             string `bun:"id,pk"`
	FloatingIPID   string `bun:"floatingip_id"`
	Description    string `bun:"description"`
	Protocol       string `bun:"protocol"`
	ExternalFirst  int64  `bun:"external_first"`
	ExternalLast   int64  `bun:"external_last"`
	InternalPortID string `bun:"internal_port_id"`
	InternalIP     string `bun:"internal_ip"`
	InternalFirst  int64  `bun:"internal_first"`
	InternalLast   int64  `bun:"internal_last"`

	// Of its floating IP.
	Project  string `bun:"project,scanonly"`
	External string `bun:"external,scanonly"`
	RouterID string `bun:"router_id,scanonly"`
}

// PortForwardings lists port forwardings with what matters of their floating IPs.
func PortForwardings(ctx context.Context, h bun.IDB, q Query) ([]*PortForwarding, error) {
	return list[PortForwarding](ctx, h, q, func(s *bun.SelectQuery) {
		s.Join("JOIN neutron_floatingips f ON f.id = t.floatingip_id").
			ColumnExpr("f.project_id AS project, f.floating_ip_address AS external, f.router_id AS router_id")
	})
}

// LoadForwardings fills in the port forwardings of floating IPs: those that lead to no port and yet through a router have some.
func LoadForwardings(ctx context.Context, h bun.IDB, rows []*FloatingIP) error {
	byID := map[string]*FloatingIP{}
	var ids []string
	for _, f := range rows {
		if f.RouterID != "" && f.FixedPortID == "" {
			byID[f.ID], ids = f, append(ids, f.ID)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	all, err := PortForwardings(ctx, h, Query{Where: []Cond{In("t.floatingip_id", ids)}})
	for _, x := range all {
		f := byID[x.FloatingIPID]
		f.Forwardings = append(f.Forwardings, x)
	}
	return err
}
