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

// ReadSnapshot reads all providers with inventories, traits and aggregates, in three statements. Providers whose traits are known need
// not be read again: which are new is asked once the providers have been read; nil reads the traits of all.
func ReadSnapshot(ctx context.Context, q bun.IDB, changed func([]Provider) []string) (*Snapshot, error) {
	s := &Snapshot{}
	if err := q.NewSelect().Model(&s.Providers).OrderExpr("uuid").Scan(ctx); err != nil {
		return nil, err
	}
	if err := q.NewSelect().Model(&s.Inventories).ExcludeColumn("created_at").OrderExpr("provider_uuid, resource_class").Scan(ctx); err != nil {
		return nil, err
	}
	traits, args := "", []any(nil)
	if changed != nil {
		switch some := changed(s.Providers); {
		case len(some) == 0:
			traits = " WHERE 1 = 0"
		case len(some) < len(s.Providers):
			traits, args = " WHERE provider_uuid IN (?)", []any{bun.List(some)}
		}
	}
	err := q.NewRaw(`SELECT 'trait' AS kind, provider_uuid, trait AS name FROM placement_provider_traits`+traits+`
		UNION ALL SELECT 'aggregate', provider_uuid, aggregate_uuid FROM placement_provider_aggregates
		UNION ALL SELECT 'custom-trait', '', name FROM placement_traits
		UNION ALL SELECT 'custom-class', '', name FROM placement_resource_classes
		ORDER BY provider_uuid, name`, args...).Scan(ctx, &s.Labels)
	return s, err
}
