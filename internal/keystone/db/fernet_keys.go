package db

import (
	"context"
	"time"

	"github.com/uptrace/bun"

	"gostack/internal/store"
)

// FernetKey is a row of keystone_fernet_keys.
type FernetKey struct {
	bun.BaseModel `bun:"keystone_fernet_keys,alias:k"`

	Number    int64     `bun:"number,pk"`
	Key       string    `bun:"key"`
	CreatedAt time.Time `bun:"created_at"`
}

// ListFernetKeys returns all keys by rising number.
func ListFernetKeys(ctx context.Context, h bun.IDB) ([]*FernetKey, error) {
	var out []*FernetKey
	err := h.NewSelect().Model(&out).Order("k.number").Scan(ctx)
	return out, err
}

// ReplaceFernetKeys stores a set of keys in place of the one there is, and returns the new generations.
func ReplaceFernetKeys(ctx context.Context, tx store.Tx, keys []*FernetKey) (*Generations, error) {
	if _, err := tx.NewDelete().Model((*FernetKey)(nil)).Where("TRUE").Exec(ctx); err != nil {
		return nil, err
	}
	if _, err := tx.NewInsert().Model(&keys).Exec(ctx); err != nil {
		return nil, err
	}
	return bump(ctx, tx, "keys = keys + 1")
}
