package db

import (
	"context"

	"github.com/uptrace/bun"

	"gostack/internal/store"
)

// RouterChassis is a row of neutron_router_chassis: a host that an operator chose for a router's gateways, or keeps them away from.
type RouterChassis struct {
	bun.BaseModel `bun:"neutron_router_chassis,alias:t"`

	RouterID string `bun:"router_id,pk"`
	Chassis  string `bun:"chassis,pk"`
	Priority int64  `bun:"priority"`
}

// RouterHosts returns the hosts that were chosen for routers, those of each in one order.
func RouterHosts(ctx context.Context, h bun.IDB, narrow func(*bun.SelectQuery)) ([]*RouterChassis, error) {
	return Find[RouterChassis](ctx, h, func(q *bun.SelectQuery) {
		narrow(q)
		q.OrderExpr("t.router_id, t.priority DESC, t.chassis")
	})
}

// SetRouterHosts replaces what was chosen for a router.
func SetRouterHosts(ctx context.Context, tx store.Tx, router string, rows []*RouterChassis) error {
	if _, err := tx.NewDelete().Model((*RouterChassis)(nil)).Where("router_id = ?", router).Exec(ctx); err != nil || len(rows) == 0 {
		return err
	}
	return Insert(ctx, tx, &rows)
}
