package db

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/uptrace/bun"

	"gostack/internal/store"
)

// ProviderFilter chooses providers; what is empty does not restrict.
type ProviderFilter struct {
	UUID   string
	Name   string
	InTree string // UUID of any provider of the tree

	Required            [][]string // of each list at least one trait
	Forbidden           []string
	MemberOf            [][]string // of each list at least one aggregate
	ForbiddenAggregates []string
	Resources           map[string]int64 // free amounts by class
}

// Providers lists the providers that fit, oldest first. One statement.
func Providers(ctx context.Context, q bun.IDB, f ProviderFilter) ([]Provider, error) {
	rows := []Provider{}
	query := q.NewSelect().Model(&rows).OrderExpr("p.created_at, p.uuid")
	if f.UUID != "" {
		query.Where("p.uuid = ?", f.UUID)
	}
	if f.Name != "" {
		query.Where("p.name = ?", f.Name)
	}
	if f.InTree != "" {
		query.Where("p.root_uuid = (SELECT t.root_uuid FROM placement_providers AS t WHERE t.uuid = ?)", f.InTree)
	}
	const (
		withTrait   = "p.uuid IN (SELECT pt.provider_uuid FROM placement_provider_traits AS pt WHERE pt.trait IN (?))"
		inAggregate = "p.uuid IN (SELECT pa.provider_uuid FROM placement_provider_aggregates AS pa WHERE pa.aggregate_uuid IN (?))"
	)
	for _, anyOf := range f.Required {
		query.Where(withTrait, bun.List(anyOf))
	}
	if len(f.Forbidden) > 0 {
		query.Where("NOT "+withTrait, bun.List(f.Forbidden))
	}
	for _, anyOf := range f.MemberOf {
		query.Where(inAggregate, bun.List(anyOf))
	}
	if len(f.ForbiddenAggregates) > 0 {
		query.Where("NOT "+inAggregate, bun.List(f.ForbiddenAggregates))
	}
	for class, amount := range f.Resources {
		query.Where(`p.uuid IN (SELECT i.provider_uuid FROM placement_inventories AS i WHERE i.resource_class = ?
			AND i.used + ? <= (i.total - i.reserved) * i.allocation_ratio
			AND i.min_unit <= ? AND i.max_unit >= ? AND ? % i.step_size = 0)`, class, amount, amount, amount, amount)
	}
	err := query.Scan(ctx)
	return rows, err
}

// ProviderByUUID returns one provider, or nil.
func ProviderByUUID(ctx context.Context, q bun.IDB, uuid string) (*Provider, error) {
	rows, err := Providers(ctx, q, ProviderFilter{UUID: uuid})
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	return &rows[0], nil
}

// ProvidersByUUID returns those of the providers that exist, by UUID.
func ProvidersByUUID(ctx context.Context, q bun.IDB, uuids []string) (map[string]*Provider, error) {
	found := map[string]*Provider{}
	if len(uuids) == 0 {
		return found, nil
	}
	var rows []Provider
	if err := q.NewSelect().Model(&rows).Where("uuid IN (?)", bun.List(uuids)).Scan(ctx); err != nil {
		return nil, err
	}
	for i := range rows {
		found[rows[i].UUID] = &rows[i]
	}
	return found, nil
}

// ProvidersNamed returns the providers that have the UUID or the name, for finding duplicates.
func ProvidersNamed(ctx context.Context, q bun.IDB, uuid, name string) ([]Provider, error) {
	var rows []Provider
	err := q.NewSelect().Model(&rows).Where("uuid = ? OR name = ?", uuid, name).Scan(ctx)
	return rows, err
}

// Tree returns all providers below one root, and the root.
func Tree(ctx context.Context, q bun.IDB, root string) ([]Provider, error) {
	var rows []Provider
	err := q.NewSelect().Model(&rows).Where("root_uuid = ?", root).Scan(ctx)
	return rows, err
}

// HasChildren tells whether any provider names this one as its parent.
func HasChildren(ctx context.Context, q bun.IDB, uuid string) (bool, error) {
	return q.NewSelect().Model((*Provider)(nil)).Where("parent_uuid = ?", uuid).Exists(ctx)
}

// InsertProvider adds a provider.
func InsertProvider(ctx context.Context, tx store.Tx, row *Provider) error {
	row.Revision = rand.Int64N(1 << 32) // another provider of the same UUID is told from this one
	_, err := tx.NewInsert().Model(row).Exec(ctx)
	return err
}

// UpdateProvider writes name, parent, root and generation.
func UpdateProvider(ctx context.Context, tx store.Tx, row *Provider) error {
	_, err := tx.NewUpdate().Model(row).Column("name", "parent_uuid", "root_uuid", "generation", "updated_at", "revision").Value("revision", "revision + 1").WherePK().Exec(ctx)
	return err
}

// SetRoot moves providers to another tree.
func SetRoot(ctx context.Context, tx store.Tx, uuids []string, root string, now time.Time) error {
	_, err := tx.NewUpdate().Model((*Provider)(nil)).Set("root_uuid = ?, updated_at = ?, revision = revision + 1", root, now).
		Where("uuid IN (?)", bun.List(uuids)).Exec(ctx)
	return err
}

// BumpGenerations adds one to the generation of each provider.
func BumpGenerations(ctx context.Context, tx store.Tx, uuids []string, now time.Time) error {
	if len(uuids) == 0 {
		return nil
	}
	_, err := tx.NewUpdate().Model((*Provider)(nil)).Set("generation = generation + 1, updated_at = ?, revision = revision + 1", now).
		Where("uuid IN (?)", bun.List(uuids)).Exec(ctx)
	return err
}

// Touch counts the revision of providers up: something changed that their generation does not tell.
func Touch(ctx context.Context, tx store.Tx, uuids []string) error {
	if len(uuids) == 0 {
		return nil
	}
	_, err := tx.NewUpdate().Model((*Provider)(nil)).Set("revision = revision + 1").Where("uuid IN (?)", bun.List(uuids)).Exec(ctx)
	return err
}

// DeleteProvider removes a provider with its inventories, traits and aggregates.
func DeleteProvider(ctx context.Context, tx store.Tx, uuid string) error {
	for _, table := range []any{(*Inventory)(nil), (*ProviderTrait)(nil), (*ProviderAggregate)(nil)} {
		if _, err := tx.NewDelete().Model(table).Where("provider_uuid = ?", uuid).Exec(ctx); err != nil {
			return err
		}
	}
	_, err := tx.NewDelete().Model((*Provider)(nil)).Where("uuid = ?", uuid).Exec(ctx)
	return err
}
