package db

import (
	"context"
	"time"

	"github.com/uptrace/bun"

	"gostack/internal/store"
)

// KeyPair is a row of nova_keypairs. Private keys are never stored.
type KeyPair struct {
	bun.BaseModel `bun:"nova_keypairs,alias:k"`

	Seq         int64     `bun:"seq,pk,autoincrement"`
	UserID      string    `bun:"user_id"`
	Name        string    `bun:"name"`
	Type        string    `bun:"type"`
	Fingerprint string    `bun:"fingerprint"`
	PublicKey   string    `bun:"public_key"`
	CreatedAt   time.Time `bun:"created_at"`
}

// GetKeyPair returns a user's key pair.
func GetKeyPair(ctx context.Context, h bun.IDB, userID, name string) (*KeyPair, error) {
	k := new(KeyPair)
	return k, h.NewSelect().Model(k).Where("k.user_id = ?", userID).Where("k.name = ?", name).Scan(ctx)
}

// ListKeyPairs returns a user's key pairs by name, those after the marker, at most limit (0: all).
func ListKeyPairs(ctx context.Context, h bun.IDB, userID, marker string, limit int) ([]*KeyPair, error) {
	return list[KeyPair](ctx, h, func(q *bun.SelectQuery) {
		q.Where("k.user_id = ?", userID).Order("k.name")
		if marker != "" {
			q.Where("k.name > ?", marker)
		}
		if limit > 0 {
			q.Limit(int64(limit))
		}
	})
}

// CountKeyPairs counts a user's key pairs.
func CountKeyPairs(ctx context.Context, h bun.IDB, userID string) (int64, error) {
	return h.NewSelect().Model((*KeyPair)(nil)).Where("k.user_id = ?", userID).Count(ctx)
}

// DeleteKeyPair removes a user's key pair.
func DeleteKeyPair(ctx context.Context, tx store.Tx, userID, name string) error {
	if err := touch(ctx, tx, WatchKeyPair, KeyPairKey(userID, name)); err != nil {
		return err
	}
	return one(tx.NewDelete().Model((*KeyPair)(nil)).Where("user_id = ?", userID).Where("name = ?", name).Exec(ctx))
}
