package db

import (
	"context"

	"github.com/uptrace/bun"

	"gostack/internal/store"
)

// Inventories returns the inventories of some providers, ordered by provider and class.
func Inventories(ctx context.Context, q bun.IDB, providers ...string) ([]Inventory, error) {
	rows := []Inventory{}
	if len(providers) == 0 {
		return rows, nil
	}
	err := q.NewSelect().Model(&rows).Where("provider_uuid IN (?)", bun.List(providers)).
		OrderExpr("provider_uuid, resource_class").Scan(ctx)
	return rows, err
}

// SaveInventories adds inventories, or writes all of them that exist, "used" too.
func SaveInventories(ctx context.Context, tx store.Tx, rows []Inventory) error {
	if len(rows) == 0 {
		return nil
	}
	_, err := tx.NewInsert().Model(&rows).On("CONFLICT (provider_uuid, resource_class) DO UPDATE").
		Set("total = EXCLUDED.total, reserved = EXCLUDED.reserved, min_unit = EXCLUDED.min_unit, max_unit = EXCLUDED.max_unit").
		Set("step_size = EXCLUDED.step_size, allocation_ratio = EXCLUDED.allocation_ratio").
		Set("used = EXCLUDED.used, updated_at = EXCLUDED.updated_at").Exec(ctx)
	return err
}

// DeleteInventories removes the inventories of some classes of a provider.
func DeleteInventories(ctx context.Context, tx store.Tx, provider string, classes []string) error {
	if len(classes) == 0 {
		return nil
	}
	_, err := tx.NewDelete().Model((*Inventory)(nil)).
		Where("provider_uuid = ? AND resource_class IN (?)", provider, bun.List(classes)).Exec(ctx)
	return err
}
