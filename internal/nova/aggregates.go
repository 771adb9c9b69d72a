package nova

import (
	"context"
	"slices"
	"strings"

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

// AggregateChange is what an operator says of an aggregate: a new name, and metadata of which nil values take a key away.
type AggregateChange struct {
	Name     *string
	Metadata map[string]*string
	// Action begins refusals: updateAggregate or updateMetadata.
	Action string
}

// What refusals of changes begin with (nova/exception.py, InvalidAggregateAction).
const (
	UpdateAggregate = "Cannot update aggregate"
	UpdateMetadata  = "Cannot update metadata of aggregate"
	addAggregate    = "Cannot add host to aggregate"
	deleteAggregate = "Cannot remove host from aggregate"
)

// ChangeAggregate changes name, zone and metadata of an aggregate.
func (s *Service) ChangeAggregate(ctx context.Context, id string, change AggregateChange) (a *Aggregate, err error) {
	err = s.write(ctx, func(ctx context.Context, tx store.Tx) error {
		if a, err = s.aggregate(ctx, tx, id); err != nil {
			return err
		}
		if zone, told := change.Metadata[zoneKey]; told {
			if zone == nil || *zone == "" {
				return rest.BadRequest("%s %d. Reason: Aggregate %s does not support empty named availability zone.", change.Action, a.ID, a.Name)
			}
			reason, err := s.zoneTrouble(ctx, tx, a, a.Hosts, *zone)
			if err == nil && reason != "" {
				err = rest.BadRequest("%s %d. Reason: %s.", change.Action, a.ID, reason)
			}
			if err != nil {
				return err
			}
		}
		if change.Name != nil {
			a.Name = *change.Name
		}
		for k, v := range change.Metadata {
			if v == nil {
				delete(a.Metadata, k)
			} else {
				a.Metadata[k] = *v
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

// zoneTrouble says why hosts cannot be in a zone through an aggregate: another aggregate has them in another zone, or servers would
// change zone under their owners' feet (nova/compute/api.py, is_safe_to_update_az). "" when they can.
func (s *Service) zoneTrouble(ctx context.Context, tx store.Tx, a *Aggregate, hosts []string, zone string) (string, error) {
	if zone == "" || len(hosts) == 0 {
		return "", nil
	}
	all, err := db.ListAggregates(ctx, tx)
	if err != nil {
		return "", err
	}
	var elsewhere []string
	for _, other := range all {
		if z := other.Metadata[zoneKey]; other.ID != a.ID && z != "" && z != zone {
			for _, host := range hosts {
				if slices.Contains(other.Hosts, host) {
					elsewhere = append(elsewhere, "('"+host+"', '"+z+"')")
				}
			}
		}
	}
	if elsewhere != nil {
		return "One or more hosts already in availability zone(s) [" + strings.Join(elsewhere, ", ") + "]", nil
	}
	v := &hostView{aggregates: all, fallback: s.DefaultZone()}
	return s.movesServers(ctx, tx, hosts, func(host string) bool { return v.zoneOf(host) != zone })
}

// movesServers says that servers on those of the hosts whose zone changes would change it too.
func (s *Service) movesServers(ctx context.Context, tx store.Tx, hosts []string, changes func(host string) bool) (string, error) {
	hosts = slices.DeleteFunc(slices.Clone(hosts), func(host string) bool { return !changes(host) })
	if len(hosts) == 0 {
		return "", nil
	}
	n, err := db.CountServersOn(ctx, tx, hosts)
	if err != nil || n == 0 {
		return "", err
	}
	return "One or more hosts contain instances in this zone", nil
}

// DeleteAggregate removes an aggregate that has no hosts.
func (s *Service) DeleteAggregate(ctx context.Context, id string) error {
	return s.write(ctx, func(ctx context.Context, tx store.Tx) error {
		a, err := s.aggregate(ctx, tx, id)
		if err != nil {
			return err
		}
		if len(a.Hosts) > 0 {
			return rest.BadRequest("%s %d. Reason: Host aggregate is not empty.", deleteAggregate, a.ID)
		}
		return db.DeleteAggregate(ctx, tx, a.ID)
	})
}

// AddAggregateHost puts a host into an aggregate, here and in placement.
func (s *Service) AddAggregateHost(ctx context.Context, id, host string) (*Aggregate, error) {
	return s.changeMembers(ctx, id, host, func(ctx context.Context, tx store.Tx, a *Aggregate, known bool) error {
		switch {
		case !known:
			return rest.NotFound("Compute host %s could not be found.", host)
		case slices.Contains(a.Hosts, host):
			return rest.Conflict("Aggregate %d already has host %s.", a.ID, host)
		}
		reason, err := s.zoneTrouble(ctx, tx, a, []string{host}, a.Metadata[zoneKey])
		if err == nil && reason != "" {
			err = rest.Conflict("%s %d. Reason: %s.", addAggregate, a.ID, reason)
		}
		if err != nil {
			return err
		}
		a.Hosts = append(a.Hosts, host)
		return db.Insert(ctx, tx, &db.AggregateHost{AggregateID: a.ID, Host: host})
	})
}

// RemoveAggregateHost takes a host from an aggregate, here and in placement. It is refused when servers would leave their zone.
func (s *Service) RemoveAggregateHost(ctx context.Context, id, host string) (*Aggregate, error) {
	return s.changeMembers(ctx, id, host, func(ctx context.Context, tx store.Tx, a *Aggregate, _ bool) error {
		if !slices.Contains(a.Hosts, host) {
			return rest.NotFound("Cannot remove host %s in aggregate %d", host, a.ID)
		}
		if zone := a.Metadata[zoneKey]; zone != "" {
			others, err := db.ListAggregates(ctx, tx)
			if err != nil {
				return err
			}
			others = slices.DeleteFunc(others, func(o *Aggregate) bool { return o.ID == a.ID })
			after := &hostView{aggregates: others, fallback: s.DefaultZone()}
			reason, err := s.movesServers(ctx, tx, []string{host}, func(host string) bool { return after.zoneOf(host) != zone })
			if err == nil && reason != "" {
				err = rest.Conflict("Cannot remove host %s in aggregate %d", host, a.ID)
			}
			if err != nil {
				return err
			}
		}
		a.Hosts = slices.DeleteFunc(a.Hosts, func(h string) bool { return h == host })
		return db.DeleteAggregateHost(ctx, tx, a.ID, host)
	})
}

// changeMembers changes the hosts of an aggregate, and the aggregates of the host's resource provider with them: the two have the
// same UUID.
func (s *Service) changeMembers(ctx context.Context, id, host string, change func(ctx context.Context, tx store.Tx, a *Aggregate, known bool) error) (a *Aggregate, err error) {
	err = s.write(ctx, func(ctx context.Context, tx store.Tx) error {
		if a, err = s.aggregate(ctx, tx, id); err != nil {
			return err
		}
		node, err := db.GetComputeNodeOf(ctx, tx, host)
		known := err == nil
		if err != nil && !store.IsNotFound(err) {
			return err
		}
		if err := change(ctx, tx, a, known); err != nil {
			return err
		}
		if known && s.Placement != nil {
			if err := s.Placement.SetMember(ctx, tx, node.ID, a.UUID, slices.Contains(a.Hosts, host)); err != nil {
				return err
			}
		}
		a.UpdatedAt = ptr(s.Now())
		return db.UpdateAggregate(ctx, tx, a)
	})
	return a, err
}
