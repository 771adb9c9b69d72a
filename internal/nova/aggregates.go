package nova

import (
	"context"
	"slices"

	"gostack/internal/nova/db"
	"gostack/internal/rest"
	"gostack/internal/store"
)

const zoneKey = "availability_zone"

// CreateAggregate stores a new aggregate.
func (s *Service) CreateAggregate(ctx context.Context, name, zone string) (*Aggregate, error) {
	a := &Aggregate{UUID: s.newID(), Name: name, Metadata: map[string]string{}, CreatedAt: s.Now()}
	if zone != "" {
		a.Metadata[zoneKey] = zone
	}
	return a, s.write(ctx, func(ctx context.Context, tx store.Tx) error {
		err := db.Insert(ctx, tx, a)
		if store.IsUnique(err) {
			return rest.Conflict("Aggregate %s already exists.", name)
		}
		return err
	})
}

// ChangeAggregate reads an aggregate, has it changed and stores it.
func (s *Service) ChangeAggregate(ctx context.Context, id string, change func(*Aggregate)) (a *Aggregate, err error) {
	err = s.write(ctx, func(ctx context.Context, tx store.Tx) error {
		if a, err = s.aggregate(ctx, tx, id); err != nil {
			return err
		}
		before := a.Metadata[zoneKey]
		change(a)
		if zone := a.Metadata[zoneKey]; zone != before {
			if err := s.zoneFits(ctx, tx, a, a.Hosts, zone); err != nil {
				return err
			}
		}
		a.UpdatedAt = ptr(s.Now())
		err := db.UpdateAggregate(ctx, tx, a)
		if store.IsUnique(err) {
			return rest.Conflict("Aggregate %s already exists.", a.Name)
		}
		return err
	})
	return a, err
}

// zoneFits refuses what would put a host into two zones, or move servers to another one under their owners' feet.
func (s *Service) zoneFits(ctx context.Context, tx store.Tx, a *Aggregate, hosts []string, zone string) error {
	all, err := db.ListAggregates(ctx, tx)
	if err != nil {
		return err
	}
	for _, host := range hosts {
		for _, other := range all {
			if z := other.Metadata[zoneKey]; other.ID != a.ID && z != "" && zone != "" && z != zone && slices.Contains(other.Hosts, host) {
				return rest.Conflict("Cannot update aggregate %d. Reason: One or more hosts already in availability zone(s) [('%s', '%s')].", a.ID, host, z)
			}
		}
		n, err := db.CountServers(ctx, tx, ServerFilter{Equal: map[string]any{"host": host}})
		if err != nil {
			return err
		}
		v := &hostView{aggregates: all, fallback: s.DefaultZone()}
		if n > 0 && zone != "" && v.zoneOf(host) != zone {
			return rest.Conflict("Cannot update aggregate %d. Reason: One or more hosts contain instances in this zone.", a.ID)
		}
	}
	return nil
}

// DeleteAggregate removes an aggregate that has no hosts.
func (s *Service) DeleteAggregate(ctx context.Context, id string) error {
	return s.write(ctx, func(ctx context.Context, tx store.Tx) error {
		a, err := s.aggregate(ctx, tx, id)
		if err != nil {
			return err
		}
		if len(a.Hosts) > 0 {
			return rest.BadRequest("Cannot delete aggregate %d. Reason: Host aggregate is not empty.", a.ID)
		}
		return db.DeleteAggregate(ctx, tx, a.ID)
	})
}

// ChangeAggregateHost adds a host to an aggregate or removes it, here and in placement.
func (s *Service) ChangeAggregateHost(ctx context.Context, id, host string, add bool) (a *Aggregate, err error) {
	err = s.write(ctx, func(ctx context.Context, tx store.Tx) error {
		if a, err = s.aggregate(ctx, tx, id); err != nil {
			return err
		}
		has := slices.Contains(a.Hosts, host)
		node, err := db.GetComputeNodeOf(ctx, tx, host)
		if err != nil && !store.IsNotFound(err) {
			return err
		}
		switch {
		case add && err != nil:
			return rest.NotFound("Compute host %s could not be found.", host)
		case add && has:
			return rest.Conflict("Aggregate %d already has host %s.", a.ID, host)
		case !add && !has:
			return rest.NotFound("Aggregate %d has no host %s.", a.ID, host)
		case add:
			if err := s.zoneFits(ctx, tx, a, []string{host}, a.Metadata[zoneKey]); err != nil {
				return err
			}
			if err := db.Insert(ctx, tx, &db.AggregateHost{AggregateID: a.ID, Host: host}); err != nil {
				return err
			}
		default:
			if err := db.DeleteAggregateHost(ctx, tx, a.ID, host); err != nil {
				return err
			}
		}
		if node.ID != "" && s.Placement != nil {
			if err := s.Placement.SetMember(ctx, tx, node.ID, a.UUID, add); err != nil {
				return err
			}
		}
		a.UpdatedAt = ptr(s.Now())
		if err := db.UpdateAggregate(ctx, tx, a); err != nil {
			return err
		}
		a, err = db.GetAggregate(ctx, tx, a.ID)
		return err
	})
	return a, err
}
