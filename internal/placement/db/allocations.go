package db

import (
	"context"
	"time"

	"github.com/uptrace/bun"

	"gostack/internal/store"
)

// ConsumerAllocation is an allocation with its consumer and its provider.
type ConsumerAllocation struct {
	Allocation
	ProjectID          string
	UserID             string
	Type               string `bun:"consumer_type"`
	ConsumerGeneration int64
	ProviderGeneration int64
}

// Allocations lists allocations with their consumers and providers, by exactly one of consumer and provider, or all of
// them when both are empty.
func Allocations(ctx context.Context, q bun.IDB, consumer, provider string) ([]ConsumerAllocation, error) {
	rows := []ConsumerAllocation{}
	query := q.NewSelect().TableExpr("placement_allocations AS a").
		ColumnExpr("a.*, c.project_id, c.user_id, COALESCE(c.consumer_type, '') AS consumer_type").
		ColumnExpr("c.generation AS consumer_generation, p.generation AS provider_generation").
		Join("JOIN placement_consumers AS c ON c.uuid = a.consumer_uuid").
		Join("JOIN placement_providers AS p ON p.uuid = a.provider_uuid").
		OrderExpr("a.consumer_uuid, a.provider_uuid, a.resource_class")
	if consumer != "" {
		query.Where("a.consumer_uuid = ?", consumer)
	}
	if provider != "" {
		query.Where("a.provider_uuid = ?", provider)
	}
	err := query.Scan(ctx, &rows)
	return rows, err
}

// ConsumersByUUID returns those of the consumers that exist, by UUID.
func ConsumersByUUID(ctx context.Context, q bun.IDB, uuids []string) (map[string]*Consumer, error) {
	var rows []Consumer
	if err := q.NewSelect().Model(&rows).Where("uuid IN (?)", bun.List(uuids)).Scan(ctx); err != nil {
		return nil, err
	}
	found := make(map[string]*Consumer, len(rows))
	for i := range rows {
		found[rows[i].UUID] = &rows[i]
	}
	return found, nil
}

// AllocationsOf returns the allocations of some consumers.
func AllocationsOf(ctx context.Context, q bun.IDB, consumers []string) ([]Allocation, error) {
	var rows []Allocation
	err := q.NewSelect().Model(&rows).Where("consumer_uuid IN (?)", bun.List(consumers)).Scan(ctx)
	return rows, err
}

// HasAllocations tells whether anything is allocated from the provider.
func HasAllocations(ctx context.Context, q bun.IDB, provider string) (bool, error) {
	return q.NewSelect().Model((*Allocation)(nil)).Where("provider_uuid = ?", provider).Exists(ctx)
}

// InsertAllocations adds allocations.
func InsertAllocations(ctx context.Context, tx store.Tx, rows []Allocation) error {
	if len(rows) == 0 {
		return nil
	}
	_, err := tx.NewInsert().Model(&rows).Exec(ctx)
	return err
}

// DeleteAllocations removes all allocations of some consumers.
func DeleteAllocations(ctx context.Context, tx store.Tx, consumers []string) error {
	_, err := tx.NewDelete().Model((*Allocation)(nil)).Where("consumer_uuid IN (?)", bun.List(consumers)).Exec(ctx)
	return err
}

// SaveConsumers adds consumers, or writes all of them that exist.
func SaveConsumers(ctx context.Context, tx store.Tx, rows []Consumer) error {
	if len(rows) == 0 {
		return nil
	}
	_, err := tx.NewInsert().Model(&rows).On("CONFLICT (uuid) DO UPDATE").
		Set("project_id = EXCLUDED.project_id, user_id = EXCLUDED.user_id, consumer_type = EXCLUDED.consumer_type").
		Set("generation = EXCLUDED.generation, updated_at = EXCLUDED.updated_at").Exec(ctx)
	return err
}

// DeleteConsumers removes consumers.
func DeleteConsumers(ctx context.Context, tx store.Tx, uuids []string) error {
	if len(uuids) == 0 {
		return nil
	}
	_, err := tx.NewDelete().Model((*Consumer)(nil)).Where("uuid IN (?)", bun.List(uuids)).Exec(ctx)
	return err
}

// UsageRow is the sum of what the consumers of one type use of one class.
type UsageRow struct {
	Type          string `bun:"consumer_type"`
	ResourceClass string
	Used          int64
}

// Usages sums up what a project, or one user in it, uses.
func Usages(ctx context.Context, q bun.IDB, project, user string) ([]UsageRow, error) {
	rows := []UsageRow{}
	query := usages(q, project, user).
		ColumnExpr("COALESCE(c.consumer_type, '') AS consumer_type, a.resource_class, SUM(a.used) AS used").
		GroupExpr("c.consumer_type, a.resource_class").OrderExpr("a.resource_class")
	err := query.Scan(ctx, &rows)
	return rows, err
}

// ConsumerCounts counts the consumers with allocations of a project, or of one user in it, by type.
func ConsumerCounts(ctx context.Context, q bun.IDB, project, user string) (map[string]int, error) {
	var rows []struct {
		Type string `bun:"consumer_type"`
		N    int
	}
	err := usages(q, project, user).ColumnExpr("COALESCE(c.consumer_type, '') AS consumer_type, COUNT(DISTINCT c.uuid) AS n").
		GroupExpr("c.consumer_type").Scan(ctx, &rows)
	counts := map[string]int{}
	for _, row := range rows {
		counts[row.Type] = row.N
	}
	return counts, err
}

func usages(q bun.IDB, project, user string) *bun.SelectQuery {
	query := q.NewSelect().TableExpr("placement_allocations AS a").
		Join("JOIN placement_consumers AS c ON c.uuid = a.consumer_uuid").Where("c.project_id = ?", project)
	if user != "" {
		query.Where("c.user_id = ?", user)
	}
	return query
}

// WrongUsage is an inventory whose "used" is not the sum of its allocations, or allocations without an inventory.
type WrongUsage struct {
	ProviderUUID  string
	ResourceClass string
	Used          int64
	Allocated     int64
}

// WrongUsages compares each inventory with its allocations.
func WrongUsages(ctx context.Context, q bun.IDB) ([]WrongUsage, error) {
	var rows []WrongUsage
	err := q.NewRaw(`SELECT i.provider_uuid, i.resource_class, i.used, COALESCE(SUM(a.used), 0) AS allocated
		FROM placement_inventories AS i LEFT JOIN placement_allocations AS a
		ON a.provider_uuid = i.provider_uuid AND a.resource_class = i.resource_class
		GROUP BY i.provider_uuid, i.resource_class, i.used HAVING i.used <> COALESCE(SUM(a.used), 0)
		UNION ALL
		SELECT a.provider_uuid, a.resource_class, 0, SUM(a.used) FROM placement_allocations AS a
		WHERE NOT EXISTS (SELECT 1 FROM placement_inventories AS i WHERE i.provider_uuid = a.provider_uuid
			AND i.resource_class = a.resource_class)
		GROUP BY a.provider_uuid, a.resource_class`).Scan(ctx, &rows)
	return rows, err
}

// SetUsed corrects the sum of one inventory.
func SetUsed(ctx context.Context, tx store.Tx, provider, class string, used int64, now time.Time) error {
	_, err := tx.NewUpdate().Model((*Inventory)(nil)).Set("used = ?, updated_at = ?", used, now).
		Where("provider_uuid = ? AND resource_class = ?", provider, class).Exec(ctx)
	if err != nil {
		return err
	}
	return Touch(ctx, tx, []string{provider})
}
