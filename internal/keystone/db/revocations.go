package db

import (
	"context"
	"time"

	"github.com/uptrace/bun"

	"gostack/internal/store"
)

// Revocation is a row of keystone_revocations.
type Revocation struct {
	bun.BaseModel `bun:"keystone_revocations,alias:v"`

	ID           int64     `bun:"id,pk,autoincrement"`
	AuditID      string    `bun:"audit_id"`
	AuditChainID string    `bun:"audit_chain_id"` // written by versions that ended a token's descendants with it; still heeded
	UserID       string    `bun:"user_id"`
	IssuedBefore time.Time `bun:"issued_before"` // inclusive
	RevokedAt    time.Time `bun:"revoked_at"`
}

// Generations is the row of keystone_generations.
type Generations struct {
	bun.BaseModel `bun:"keystone_generations,alias:n"`

	ID          int64 `bun:"id,pk"`
	Identity    int64 `bun:"identity"`
	Revocations int64 `bun:"revocations"`
	Keys        int64 `bun:"keys"`
}

// GetGenerations returns the present generations.
func GetGenerations(ctx context.Context, h bun.IDB) (*Generations, error) {
	return get(ctx, h, &Generations{ID: 1})
}

// BumpIdentity notes that what a token is worth may have changed, and returns the new generations.
func BumpIdentity(ctx context.Context, tx store.Tx) (*Generations, error) {
	return bump(ctx, tx, "identity = identity + 1")
}

// BumpRevocations notes a revocation, and returns the new generations.
func BumpRevocations(ctx context.Context, tx store.Tx) (*Generations, error) {
	return bump(ctx, tx, "revocations = revocations + 1")
}

func bump(ctx context.Context, tx store.Tx, set string) (*Generations, error) {
	g := &Generations{ID: 1}
	_, err := tx.NewUpdate().Model(g).Set(set).WherePK().Returning("*").Exec(ctx)
	return g, err
}

// ListRevocations returns those not older than since.
func ListRevocations(ctx context.Context, h bun.IDB, since time.Time) ([]*Revocation, error) {
	var out []*Revocation
	err := h.NewSelect().Model(&out).Where("v.revoked_at >= ?", since).Order("v.id").Scan(ctx)
	return out, err
}

// LastRevocations returns up to when the tokens of some users are revoked. Users who are not there have no revocation.
func LastRevocations(ctx context.Context, h bun.IDB, users []string) (map[string]time.Time, error) {
	var rows []*Revocation
	err := h.NewSelect().Model(&rows).Column("user_id", "issued_before").Where("v.user_id IN (?)", bun.List(users)).Scan(ctx)
	out := map[string]time.Time{}
	for _, r := range rows {
		if out[r.UserID].Before(r.IssuedBefore) {
			out[r.UserID] = r.IssuedBefore
		}
	}
	return out, err
}

// PurgeRevocations removes those older than before, whose tokens have long expired.
func PurgeRevocations(ctx context.Context, tx store.Tx, before time.Time) error {
	_, err := tx.NewDelete().Model((*Revocation)(nil)).Where("revoked_at < ?", before).Exec(ctx)
	return err
}
