// Package placement knows what can be given to workloads and what has been given: resource providers with inventories,
// traits and aggregates, and consumers with allocations, as OpenStack Placement 1.39 does.
//
// It owns the rules of the Placement API and of its database. For the other services it is a Service: nova claims and
// releases in its own transactions, and decides on a Snapshot. It never chooses among candidates, and starts nothing.
package placement

import (
	"context"

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

	seen seen
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

func inventoryOf(row db.Inventory) Inventory {
	return Inventory{
		Total: row.Total, Reserved: row.Reserved, MinUnit: row.MinUnit, MaxUnit: row.MaxUnit, StepSize: row.StepSize,
		AllocationRatio: row.AllocationRatio, Used: row.Used, UpdatedAt: row.UpdatedAt,
	}
}
