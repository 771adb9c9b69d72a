package db

import (
	"context"
	"time"

	"github.com/uptrace/bun"

	"gostack/internal/store"
)

// Pending is a row of neutron_pending: a resource whose latest change the engine does not have yet.
type Pending struct {
	bun.BaseModel `bun:"neutron_pending,alias:t"`

	ResourceType string    `bun:"resource_type,pk"`
	ResourceID   string    `bun:"resource_id,pk"`
	Mark         int64     `bun:"mark"`
	NotedAt      time.Time `bun:"noted_at"`
}

// Pend notes resources, or notes them again with a new mark.
func Pend(ctx context.Context, tx store.Tx, rows []*Pending) error {
	if len(rows) == 0 {
		return nil
	}
	_, err := tx.NewInsert().Model(&rows).On("CONFLICT (resource_type, resource_id) DO UPDATE").
		Set("mark = EXCLUDED.mark").Set("noted_at = EXCLUDED.noted_at").Exec(ctx)
	return err
}

// GetPending returns the row of a resource.
func GetPending(ctx context.Context, h bun.IDB, resourceType, id string) (*Pending, error) {
	p := new(Pending)
	err := h.NewSelect().Model(p).Where("t.resource_type = ? AND t.resource_id = ?", resourceType, id).Scan(ctx)
	return p, err
}

// AllPending returns what is to be done, oldest first.
func AllPending(ctx context.Context, h bun.IDB) ([]*Pending, error) {
	var rows []*Pending
	err := h.NewSelect().Model(&rows).OrderExpr("t.noted_at, t.resource_type, t.resource_id").Scan(ctx)
	return rows, err
}

// Realised removes rows that still have the mark they had when they were read, and tells how many that were.
func Realised(ctx context.Context, tx store.Tx, p *Pending) (bool, error) {
	r, err := tx.NewDelete().Model((*Pending)(nil)).
		Where("resource_type = ? AND resource_id = ? AND mark = ?", p.ResourceType, p.ResourceID, p.Mark).Exec(ctx)
	if err != nil {
		return false, err
	}
	n, err := r.RowsAffected()
	return n > 0, err
}
