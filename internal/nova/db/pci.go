package db

import (
	"context"

	"github.com/uptrace/bun"

	"gostack/internal/store"
)

// PCIClaim is a row of nova_pci_claims: whose a device of a host is.
type PCIClaim struct {
	bun.BaseModel `bun:"nova_pci_claims,alias:pc"`

	Host     string `bun:"host,pk"`
	Address  string `bun:"address,pk"`
	Consumer string `bun:"consumer"` // a server, or the migration that holds what it has on its source
	Alias    string `bun:"alias"`    // by which the flavor asked for it
}

// PCIClaims returns the claims on a host; on all with "".
func PCIClaims(ctx context.Context, h bun.IDB, host string) ([]*PCIClaim, error) {
	return list[PCIClaim](ctx, h, func(q *bun.SelectQuery) {
		if host != "" {
			q.Where("pc.host = ?", host)
		}
		q.Order("pc.host", "pc.address")
	})
}

// PCIClaimsOf returns the claims of a consumer.
func PCIClaimsOf(ctx context.Context, h bun.IDB, consumer string) ([]*PCIClaim, error) {
	return list[PCIClaim](ctx, h, func(q *bun.SelectQuery) { q.Where("pc.consumer = ?", consumer).Order("pc.address") })
}

// SetPCIClaims stores claims in place of those that their consumer has.
func SetPCIClaims(ctx context.Context, tx store.Tx, consumer string, claims []*PCIClaim) error {
	if err := DeletePCIClaims(ctx, tx, consumer); err != nil || len(claims) == 0 {
		return err
	}
	_, err := tx.NewInsert().Model(&claims).Exec(ctx)
	return err
}

// DeletePCIClaims removes the claims of a consumer.
func DeletePCIClaims(ctx context.Context, tx store.Tx, consumer string) error {
	_, err := tx.NewDelete().Model((*PCIClaim)(nil)).Where("consumer = ?", consumer).Exec(ctx)
	return err
}

// MovePCIClaims gives the claims of a consumer to another one, which loses what it had.
func MovePCIClaims(ctx context.Context, tx store.Tx, from, to string) error {
	if err := DeletePCIClaims(ctx, tx, to); err != nil {
		return err
	}
	_, err := tx.NewUpdate().Model((*PCIClaim)(nil)).Set("consumer = ?", to).Where("consumer = ?", from).Exec(ctx)
	return err
}
