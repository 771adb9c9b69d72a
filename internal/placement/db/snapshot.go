package db

import (
	"context"

	"github.com/uptrace/bun"
)

// Snapshot is everything that placing a workload depends on.
type Snapshot struct {
	Providers   []Provider  // by UUID
	Inventories []Inventory // by provider and class
	Labels      []Label     // by provider and name
}

// LabelKind tells what a Label is.
type LabelKind string

// The kinds of labels. Names of custom traits and classes carry no provider.
const (
	LabelTrait       LabelKind = "trait"
	LabelAggregate   LabelKind = "aggregate"
	LabelCustomTrait LabelKind = "custom-trait"
	LabelCustomClass LabelKind = "custom-class"
)

// Label is a trait or an aggregate of a provider, or a custom name.
type Label struct {
	Kind         LabelKind
	ProviderUUID string
	Name         string
}

// ReadSnapshot reads all providers with inventories, traits and aggregates, in three statements.
func ReadSnapshot(ctx context.Context, q bun.IDB) (*Snapshot, error) {
	s := &Snapshot{}
	if err := q.NewSelect().Model(&s.Providers).OrderExpr("uuid").Scan(ctx); err != nil {
		return nil, err
	}
	if err := q.NewSelect().Model(&s.Inventories).OrderExpr("provider_uuid, resource_class").Scan(ctx); err != nil {
		return nil, err
	}
	err := q.NewRaw(`SELECT 'trait' AS kind, provider_uuid, trait AS name FROM placement_provider_traits
		UNION ALL SELECT 'aggregate', provider_uuid, aggregate_uuid FROM placement_provider_aggregates
		UNION ALL SELECT 'custom-trait', '', name FROM placement_traits
		UNION ALL SELECT 'custom-class', '', name FROM placement_resource_classes
		ORDER BY provider_uuid, name`).Scan(ctx, &s.Labels)
	return s, err
}
