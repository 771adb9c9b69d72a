package db

import (
	"context"

	"github.com/uptrace/bun"

	"gostack/internal/store"
)

// Traits lists the custom traits by name.
func Traits(ctx context.Context, q bun.IDB) ([]Trait, error) {
	rows := []Trait{}
	err := q.NewSelect().Model(&rows).OrderExpr("name").Scan(ctx)
	return rows, err
}

// TraitsByName returns those of the names that are custom traits.
func TraitsByName(ctx context.Context, q bun.IDB, names []string) ([]Trait, error) {
	rows := []Trait{}
	if len(names) == 0 {
		return rows, nil
	}
	err := q.NewSelect().Model(&rows).Where("name IN (?)", bun.List(names)).Scan(ctx)
	return rows, err
}

// UsedTraits lists the traits that any provider has.
func UsedTraits(ctx context.Context, q bun.IDB) ([]string, error) {
	var names []string
	err := q.NewSelect().Model((*ProviderTrait)(nil)).ColumnExpr("DISTINCT trait").OrderExpr("trait").Scan(ctx, &names)
	return names, err
}

// TraitInUse tells whether any provider has the trait.
func TraitInUse(ctx context.Context, q bun.IDB, name string) (bool, error) {
	return q.NewSelect().Model((*ProviderTrait)(nil)).Where("trait = ?", name).Exists(ctx)
}

// InsertTrait adds a custom trait.
func InsertTrait(ctx context.Context, tx store.Tx, row *Trait) error {
	_, err := tx.NewInsert().Model(row).Exec(ctx)
	return err
}

// DeleteTrait removes a custom trait.
func DeleteTrait(ctx context.Context, tx store.Tx, name string) error {
	_, err := tx.NewDelete().Model((*Trait)(nil)).Where("name = ?", name).Exec(ctx)
	return err
}

// ProviderTraits lists the traits of a provider. CreatedAt is zero for a standard trait.
func ProviderTraits(ctx context.Context, q bun.IDB, provider string) ([]Trait, error) {
	rows := []Trait{}
	err := q.NewSelect().TableExpr("placement_provider_traits AS pt").ColumnExpr("pt.trait AS name, t.created_at").
		Join("LEFT JOIN placement_traits AS t ON t.name = pt.trait").Where("pt.provider_uuid = ?", provider).
		OrderExpr("pt.trait").Scan(ctx, &rows)
	return rows, err
}

// ChangeTraits adds traits to a provider and removes others.
func ChangeTraits(ctx context.Context, tx store.Tx, provider string, add, remove []string) error {
	if len(remove) > 0 {
		_, err := tx.NewDelete().Model((*ProviderTrait)(nil)).
			Where("provider_uuid = ? AND trait IN (?)", provider, bun.List(remove)).Exec(ctx)
		if err != nil {
			return err
		}
	}
	rows := make([]ProviderTrait, len(add))
	for i, name := range add {
		rows[i] = ProviderTrait{ProviderUUID: provider, Trait: name}
	}
	if len(rows) == 0 {
		return nil
	}
	_, err := tx.NewInsert().Model(&rows).Exec(ctx)
	return err
}

// ProviderAggregates lists the aggregates of a provider.
func ProviderAggregates(ctx context.Context, q bun.IDB, provider string) ([]string, error) {
	uuids := []string{}
	err := q.NewSelect().Model((*ProviderAggregate)(nil)).Column("aggregate_uuid").Where("provider_uuid = ?", provider).
		OrderExpr("aggregate_uuid").Scan(ctx, &uuids)
	return uuids, err
}

// ChangeAggregates adds a provider to aggregates and takes it out of others.
func ChangeAggregates(ctx context.Context, tx store.Tx, provider string, add, remove []string) error {
	if len(remove) > 0 {
		_, err := tx.NewDelete().Model((*ProviderAggregate)(nil)).
			Where("provider_uuid = ? AND aggregate_uuid IN (?)", provider, bun.List(remove)).Exec(ctx)
		if err != nil {
			return err
		}
	}
	rows := make([]ProviderAggregate, len(add))
	for i, uuid := range add {
		rows[i] = ProviderAggregate{ProviderUUID: provider, AggregateUUID: uuid}
	}
	if len(rows) == 0 {
		return nil
	}
	_, err := tx.NewInsert().Model(&rows).Exec(ctx)
	return err
}

// ResourceClasses lists the custom resource classes, oldest first.
func ResourceClasses(ctx context.Context, q bun.IDB) ([]ResourceClass, error) {
	rows := []ResourceClass{}
	err := q.NewSelect().Model(&rows).OrderExpr("created_at, name").Scan(ctx)
	return rows, err
}

// ResourceClassByName returns one custom resource class, or nil.
func ResourceClassByName(ctx context.Context, q bun.IDB, name string) (*ResourceClass, error) {
	rows, err := ResourceClassesByName(ctx, q, []string{name})
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	return &rows[0], nil
}

// ResourceClassesByName returns those of the names that are custom resource classes.
func ResourceClassesByName(ctx context.Context, q bun.IDB, names []string) ([]ResourceClass, error) {
	rows := []ResourceClass{}
	if len(names) == 0 {
		return rows, nil
	}
	err := q.NewSelect().Model(&rows).Where("name IN (?)", bun.List(names)).Scan(ctx)
	return rows, err
}

// ResourceClassInUse tells whether any provider has an inventory of the class.
func ResourceClassInUse(ctx context.Context, q bun.IDB, name string) (bool, error) {
	return q.NewSelect().Model((*Inventory)(nil)).Where("resource_class = ?", name).Exists(ctx)
}

// InsertResourceClass adds a custom resource class.
func InsertResourceClass(ctx context.Context, tx store.Tx, row *ResourceClass) error {
	_, err := tx.NewInsert().Model(row).Exec(ctx)
	return err
}

// RenameResourceClass changes the name of a custom resource class wherever it is used.
func RenameResourceClass(ctx context.Context, tx store.Tx, old string, row *ResourceClass) error {
	_, err := tx.NewUpdate().Model((*ResourceClass)(nil)).Set("name = ?, updated_at = ?", row.Name, row.UpdatedAt).
		Where("name = ?", old).Exec(ctx)
	for _, table := range []any{(*Inventory)(nil), (*Allocation)(nil)} {
		if err == nil {
			_, err = tx.NewUpdate().Model(table).Set("resource_class = ?", row.Name).Where("resource_class = ?", old).Exec(ctx)
		}
	}
	return err
}

// DeleteResourceClass removes a custom resource class.
func DeleteResourceClass(ctx context.Context, tx store.Tx, name string) error {
	_, err := tx.NewDelete().Model((*ResourceClass)(nil)).Where("name = ?", name).Exec(ctx)
	return err
}
