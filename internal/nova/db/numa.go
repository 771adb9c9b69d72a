package db

import (
	"context"

	"github.com/uptrace/bun"

	"gostack/internal/nova/hardware"
	"gostack/internal/store"
)

// NUMAClaim is a row of nova_numa_claims: where on a host the processors and the memory of a server are.
type NUMAClaim struct {
	bun.BaseModel `bun:"nova_numa_claims,alias:nc"`

	Consumer string          `bun:"consumer,pk"` // a server, or the migration that holds what it has on its source
	Host     string          `bun:"host"`
	Topology *hardware.Guest `bun:"topology,type:text"`
}

// NUMAClaims returns the claims on a host; on all with "".
func NUMAClaims(ctx context.Context, h bun.IDB, host string) ([]*NUMAClaim, error) {
	return list[NUMAClaim](ctx, h, func(q *bun.SelectQuery) {
		if host != "" {
			q.Where("nc.host = ?", host)
		}
	})
}

// GetNUMAClaim returns the claim of a consumer.
func GetNUMAClaim(ctx context.Context, h bun.IDB, consumer string) (*NUMAClaim, error) {
	c := new(NUMAClaim)
	return c, h.NewSelect().Model(c).Where("nc.consumer = ?", consumer).Scan(ctx)
}

// SetNUMAClaim stores a claim in place of the one that its consumer has.
func SetNUMAClaim(ctx context.Context, tx store.Tx, c *NUMAClaim) error {
	if err := DeleteNUMAClaim(ctx, tx, c.Consumer); err != nil {
		return err
	}
	_, err := tx.NewInsert().Model(c).Exec(ctx)
	return err
}

// DeleteNUMAClaim removes the claim of a consumer, if it has one.
func DeleteNUMAClaim(ctx context.Context, tx store.Tx, consumer string) error {
	_, err := tx.NewDelete().Model((*NUMAClaim)(nil)).Where("consumer = ?", consumer).Exec(ctx)
	return err
}

// MoveNUMAClaim gives the claim of a consumer to another one, which loses what it had.
func MoveNUMAClaim(ctx context.Context, tx store.Tx, from, to string) error {
	if err := DeleteNUMAClaim(ctx, tx, to); err != nil {
		return err
	}
	_, err := tx.NewUpdate().Model((*NUMAClaim)(nil)).Set("consumer = ?", to).Where("consumer = ?", from).Exec(ctx)
	return err
}
