package db

import (
	"context"
	"fmt"

	"github.com/uptrace/bun"
)

// Snapshot is everything that placing a workload depends on, in no order and without times.
type Snapshot struct {
	Providers   []Provider
	Inventories []Inventory
	Labels      []Label
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

// Mark is a text that is another one after each change of anything in a Snapshot. One statement and one row.
func Mark(ctx context.Context, q bun.IDB) (string, error) {
	var m struct {
		Providers, Traits, Classes int64
		Revisions                  int64
		TraitMade, ClassMade       any
	}
	err := q.NewRaw(`SELECT COUNT(*) AS providers, CAST(COALESCE(SUM(revision), 0) AS BIGINT) AS revisions,
		(SELECT COUNT(*) FROM placement_traits) AS traits, (SELECT MAX(created_at) FROM placement_traits) AS trait_made,
		(SELECT COUNT(*) FROM placement_resource_classes) AS classes, (SELECT MAX(updated_at) FROM placement_resource_classes) AS class_made
		FROM placement_providers`).Scan(ctx, &m.Providers, &m.Revisions, &m.Traits, &m.TraitMade, &m.Classes, &m.ClassMade)
	return fmt.Sprint(m), err
}

// Revisions returns the revision of each provider.
func Revisions(ctx context.Context, q bun.IDB) (map[string]int64, error) {
	rows, err := q.QueryContext(ctx, "SELECT uuid, revision FROM placement_providers")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	all := map[string]int64{}
	for rows.Next() {
		var uuid string
		var revision int64
		if err := rows.Scan(&uuid, &revision); err != nil {
			return nil, err
		}
		all[uuid] = revision
	}
	return all, rows.Err()
}

// ReadSnapshot reads some providers with inventories, traits and aggregates, and all custom names, in one statement; nil is all providers.
func ReadSnapshot(ctx context.Context, q bun.IDB, some []string) (*Snapshot, error) {
	where := func(column string) string {
		if some == nil {
			return ""
		}
		return " WHERE " + column + " IN (?0)"
	}
	const none = ", '', '', 0, 0, 0, 0, 0, 0, 0.0 "
	query := "SELECT 'provider' AS kind, uuid, name, COALESCE(parent_uuid, ''), root_uuid, generation, 0, 0, 0, 0, 0, 0.0 FROM placement_providers" + where("uuid") +
		" UNION ALL SELECT 'inventory', provider_uuid, resource_class, '', '', total, reserved, min_unit, max_unit, step_size, used, allocation_ratio" +
		" FROM placement_inventories" + where("provider_uuid") +
		" UNION ALL SELECT 'trait', provider_uuid, trait" + none + "FROM placement_provider_traits" + where("provider_uuid") +
		" UNION ALL SELECT 'aggregate', provider_uuid, aggregate_uuid" + none + "FROM placement_provider_aggregates" + where("provider_uuid") +
		" UNION ALL SELECT 'custom-trait', '', name" + none + "FROM placement_traits" +
		" UNION ALL SELECT 'custom-class', '', name" + none + "FROM placement_resource_classes"
	rows, err := q.QueryContext(ctx, query, bun.List(some))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	s := &Snapshot{}
	for rows.Next() {
		var kind, uuid, name, parent, root string
		var n [6]int64
		var ratio float64
		if err := rows.Scan(&kind, &uuid, &name, &parent, &root, &n[0], &n[1], &n[2], &n[3], &n[4], &n[5], &ratio); err != nil {
			return nil, err
		}
		switch kind {
		case "provider":
			s.Providers = append(s.Providers, Provider{UUID: uuid, Name: name, Generation: n[0], ParentUUID: parent, RootUUID: root})
		case "inventory":
			s.Inventories = append(s.Inventories, Inventory{
				ProviderUUID: uuid, ResourceClass: name, Total: n[0], Reserved: n[1], MinUnit: n[2], MaxUnit: n[3], StepSize: n[4], Used: n[5], AllocationRatio: ratio,
			})
		default:
			s.Labels = append(s.Labels, Label{LabelKind(kind), uuid, name})
		}
	}
	return s, rows.Err()
}
