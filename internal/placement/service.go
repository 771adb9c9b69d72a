// Package placement knows what can be given to workloads and what has been given: resource providers with inventories,
// traits and aggregates, and consumers with allocations, as OpenStack Placement 1.39 does.
//
// It owns the rules of the Placement API and of its database. For the other services it is a Service: nova claims and
// releases in its own transactions, and decides on a Snapshot. It never chooses among candidates, and starts nothing.
package placement

import (
	"context"
	"slices"

	"github.com/google/uuid"

	"gostack/internal/clock"
	"gostack/internal/placement/db"
	"gostack/internal/store"
)

// Service is placement without its HTTP API.
type Service struct {
	DB    *store.DB
	Clock clock.Clock   // nil is the system's
	NewID func() string // nil makes random UUIDs

	traits knownTraits
}

// Migrations are placement's tables.
var Migrations = db.Migrations

// Rows of the database that are shown as they are.
type (
	ResourceProvider = db.Provider
	ProviderFilter   = db.ProviderFilter
)

func (s *Service) clock() clock.Clock {
	if s.Clock == nil {
		return clock.System
	}
	return s.Clock
}

func (s *Service) newID() string {
	if s.NewID == nil {
		return uuid.NewString()
	}
	return s.NewID()
}

// write runs fn in a transaction. Every rule looks before it inserts, so a violated key means that somebody else inserted
// at the same moment: PostgreSQL reports that in place of a serialization failure. Looking again finds it.
func (s *Service) write(ctx context.Context, fn func(context.Context, store.Tx) error) error {
	err := s.DB.Write(ctx, fn)
	for range 3 {
		if !store.IsUnique(err) || store.InWrite(ctx) {
			break
		}
		err = s.DB.Write(ctx, fn)
	}
	return err
}

// Snapshot reads everything that placing a workload depends on. Three statements, however many providers there are; traits, which are
// most of the rows, are read again only of providers whose generation has changed since the last snapshot.
func (s *Service) Snapshot(ctx context.Context) (Snapshot, error) {
	known := s.traits.now()
	rows, err := db.ReadSnapshot(ctx, s.DB.Read(ctx), known.changed)
	if err != nil {
		return Snapshot{}, err
	}
	snapshot := Snapshot{
		Providers:             make([]Provider, len(rows.Providers)),
		CustomTraits:          map[string]bool{},
		CustomResourceClasses: map[string]bool{},
	}
	byUUID := make(map[string]*Provider, len(rows.Providers))
	for i, row := range rows.Providers {
		snapshot.Providers[i] = Provider{
			UUID: row.UUID, Name: row.Name, Generation: row.Generation, Parent: row.ParentUUID, Root: row.RootUUID,
			Inventories: make(map[string]Inventory, 3),
		}
		byUUID[row.UUID] = &snapshot.Providers[i]
	}
	// Rows of a provider that came between two statements are left out: it is not in this snapshot.
	for _, row := range rows.Inventories {
		if p := byUUID[row.ProviderUUID]; p != nil {
			p.Inventories[row.ResourceClass] = inventoryOf(row)
		}
	}
	for _, label := range rows.Labels {
		p := byUUID[label.ProviderUUID]
		switch {
		case label.Kind == db.LabelCustomTrait:
			snapshot.CustomTraits[label.Name] = true
		case label.Kind == db.LabelCustomClass:
			snapshot.CustomResourceClasses[label.Name] = true
		case p != nil && label.Kind == db.LabelTrait:
			p.Traits = append(p.Traits, label.Name)
		case p != nil && label.Kind == db.LabelAggregate:
			p.Aggregates = append(p.Aggregates, label.Name)
		}
	}
	s.traits.keep(known.complete(rows, &snapshot))
	// Databases collate differently; lookups here compare bytes.
	for i := range snapshot.Providers {
		slices.Sort(snapshot.Providers[i].Aggregates)
	}
	slices.SortFunc(snapshot.Providers, byProviderUUID)
	return snapshot, nil
}

func inventoryOf(row db.Inventory) Inventory {
	return Inventory{
		Total: row.Total, Reserved: row.Reserved, MinUnit: row.MinUnit, MaxUnit: row.MaxUnit, StepSize: row.StepSize,
		AllocationRatio: row.AllocationRatio, Used: row.Used, UpdatedAt: row.UpdatedAt,
	}
}
