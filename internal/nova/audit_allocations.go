package nova

import (
	"context"
	"maps"
	"slices"

	"gostack/internal/nova/db"
	"gostack/internal/placement"
	"gostack/internal/store"
)

// auditAllocations compares what placement says servers hold with where the servers are. With repair, what nobody owns is given
// back. Upstream needs `nova-manage placement audit` and `heal_allocations` for this.
func (s *Service) auditAllocations(ctx context.Context, repair bool) ([]AuditFinding, error) {
	if s.Placement == nil {
		return nil, nil
	}
	// Consumers first: a server is there before its allocation and goes with it, so one without a server in the later look is nobody's.
	consumers, err := s.Placement.Consumers(ctx)
	if err != nil {
		return nil, err
	}
	places, err := db.Places(ctx, s.DB.Read(ctx))
	if err != nil {
		return nil, err
	}
	moves, err := db.HoldingMigrations(ctx, s.DB.Read(ctx))
	if err != nil {
		return nil, err
	}
	var found []AuditFinding
	for _, id := range slices.Sorted(maps.Keys(consumers)) {
		if consumers[id].Type == placement.ConsumerMigration && !moves[id] {
			if f := s.orphanAllocation(ctx, id, repair); f != nil {
				found = append(found, *f)
			}
			continue
		}
		if consumers[id].Type != placement.ConsumerInstance {
			continue // of other clients of placement
		}
		place, lives := places[id]
		switch {
		case !lives:
			if f := s.orphanAllocation(ctx, id, repair); f != nil {
				found = append(found, *f)
			}
		case !place.Operating && consumers[id].Allocations[place.NodeID] == nil:
			found = append(found, AuditFinding{ID: id, Problem: "holds resources elsewhere than on its host " + place.Host})
		}
	}
	for _, id := range slices.Sorted(maps.Keys(places)) {
		if place := places[id]; place.Host != "" && !place.Operating && consumers[id] == nil {
			if f := s.missingAllocation(ctx, place); f != nil {
				found = append(found, *f)
			}
		}
	}
	return found, nil
}

// orphanAllocation looks again at resources of no server: the server may have gone meanwhile, and they with it.
func (s *Service) orphanAllocation(ctx context.Context, id string, repair bool) *AuditFinding {
	consumer, err := s.Placement.Consumer(ctx, id)
	if err == nil && consumer == nil {
		return nil
	}
	finding := &AuditFinding{ID: id, Problem: "resources are allocated to no server"}
	if repair {
		err := s.write(ctx, func(ctx context.Context, tx store.Tx) error { return s.Placement.Release(ctx, tx, id) })
		finding.Repaired = err == nil
	}
	return finding
}

// missingAllocation looks again at a server that holds nothing: it may have been placed since, or be gone.
func (s *Service) missingAllocation(ctx context.Context, place db.Place) *AuditFinding {
	srv, err := db.GetServer(ctx, s.DB.Read(ctx), place.ID)
	if store.IsNotFound(err) || err == nil && (srv.OperationID != nil || srv.Host != place.Host) {
		return nil
	}
	if consumer, err := s.Placement.Consumer(ctx, place.ID); err == nil && consumer != nil {
		return nil
	}
	return &AuditFinding{ID: place.ID, Problem: "is on host " + place.Host + " and holds no resources of it"}
}
