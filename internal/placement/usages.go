package placement

import (
	"context"

	"gostack/internal/placement/db"
	"gostack/internal/store"
)

// ProviderUsages returns a provider and how much of each class of it is allocated.
func (s *Service) ProviderUsages(ctx context.Context, uuid string) (*ResourceProvider, map[string]int64, error) {
	row, inventories, err := s.Inventories(ctx, uuid)
	usages := make(map[string]int64, len(inventories))
	for class, inventory := range inventories {
		usages[class] = inventory.Used
	}
	return row, usages, err
}

// ProviderAllocations returns a provider and all consumers that have something of it.
func (s *Service) ProviderAllocations(ctx context.Context, uuid string) (*ResourceProvider, map[string]*Consumer, error) {
	q := s.DB.Read(ctx)
	row, err := provider(ctx, q, uuid)
	if err != nil {
		return nil, nil, err
	}
	rows, err := db.Allocations(ctx, q, "", uuid)
	return row, consumersOf(rows), err
}

// ConsumerAllocations returns a consumer with its allocations and the generation of each provider; nil when it has none.
func (s *Service) ConsumerAllocations(ctx context.Context, uuid string) (*Consumer, map[string]int64, error) {
	rows, err := db.Allocations(ctx, s.DB.Read(ctx), uuid, "")
	generations := map[string]int64{}
	for _, row := range rows {
		generations[row.ProviderUUID] = row.ProviderGeneration
	}
	return consumersOf(rows)[uuid], generations, err
}

// Usage is what the consumers of one type use. Type is empty for those that never told theirs.
type Usage struct {
	Type      string
	Consumers int
	Resources map[string]int64
}

// Usages returns what a project, or one user in it, uses, by consumer type.
func (s *Service) Usages(ctx context.Context, project, user string) (map[string]*Usage, error) {
	q := s.DB.Read(ctx)
	rows, err := db.Usages(ctx, q, project, user)
	if err != nil {
		return nil, err
	}
	counts, err := db.ConsumerCounts(ctx, q, project, user)
	usages := map[string]*Usage{}
	for _, row := range rows {
		if usages[row.Type] == nil {
			usages[row.Type] = &Usage{Type: row.Type, Consumers: counts[row.Type], Resources: map[string]int64{}}
		}
		usages[row.Type].Resources[row.ResourceClass] += row.Used
	}
	return usages, err
}

// A Drift is an inventory whose sum of allocations was wrong. There is none unless the database was changed by hand.
type Drift struct {
	Provider  string
	Class     string
	Recorded  int64
	Allocated int64
}

// Audit compares the sum kept with each inventory with its allocations, and corrects it with repair.
func (s *Service) Audit(ctx context.Context, repair bool) ([]Drift, error) {
	var drifts []Drift
	check := func(ctx context.Context, tx store.Tx) error {
		rows, err := db.WrongUsages(ctx, tx)
		drifts = nil
		for _, row := range rows {
			drifts = append(drifts, Drift{row.ProviderUUID, row.ResourceClass, row.Used, row.Allocated})
			if repair && err == nil {
				err = db.SetUsed(ctx, tx, row.ProviderUUID, row.ResourceClass, row.Allocated, s.clock().Now())
			}
		}
		return err
	}
	if !repair {
		err := check(ctx, s.DB.Read(ctx))
		return drifts, err
	}
	err := s.write(ctx, check)
	return drifts, err
}
