package db

import (
	"context"

	"github.com/uptrace/bun"
)

// Place is where a server is, and whether an operation works on it.
type Place struct {
	ID        string `bun:"id"`
	Host      string `bun:"host"`
	VMState   string `bun:"vm_state"`
	NodeID    string `bun:"node_id"` // of the host's compute node; empty when there is none
	Operating bool   `bun:"operating"`
}

// PowerOfServers returns what is known of the power of some servers: id, host, operation_id, vm_state and power_state, nothing else.
func PowerOfServers(ctx context.Context, h bun.IDB, ids []string) ([]*Server, error) {
	return list[Server](ctx, h, func(q *bun.SelectQuery) {
		q.Column("id", "host", "operation_id", "vm_state", "power_state").Where("s.id IN (?)", bun.List(ids))
	})
}

// Places returns where each server is. One statement.
func Places(ctx context.Context, h bun.IDB) (map[string]Place, error) {
	var rows []Place
	err := h.NewSelect().TableExpr("nova_servers AS s").
		ColumnExpr("s.id, s.host, s.vm_state, COALESCE(n.id, '') AS node_id, s.operation_id IS NOT NULL AS operating").
		Join("LEFT JOIN nova_compute_nodes AS n ON n.host = s.host AND s.host <> ''").Scan(ctx, &rows)
	out := make(map[string]Place, len(rows))
	for _, r := range rows {
		out[r.ID] = r
	}
	return out, err
}
