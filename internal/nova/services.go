package nova

import (
	"context"
	"strconv"

	"gostack/internal/nova/db"
	"gostack/internal/placement"
	"gostack/internal/rest"
	"gostack/internal/store"
)

// internalZone is the zone of the control side's processes.
const internalZone = "internal"

// Services returns the processes that serve Nova, and the zone of each by host and binary, joined with a slash.
func (s *Service) Services(ctx context.Context, binary, host string) ([]*ServiceRow, map[string]string, error) {
	rows, err := db.ListServices(ctx, s.DB.Read(ctx), binary, host)
	if err != nil {
		return nil, nil, err
	}
	v := &hostView{fallback: s.DefaultZone()}
	if v.aggregates, err = db.ListAggregates(ctx, s.DB.Read(ctx)); err != nil {
		return nil, nil, err
	}
	zones := make(map[string]string, len(rows))
	for _, sv := range rows {
		zones[sv.Host+"/"+sv.Binary] = serviceZone(v, sv)
	}
	return rows, zones, nil
}

func serviceZone(v *hostView, sv *ServiceRow) string {
	if sv.Binary != BinaryCompute {
		return internalZone
	}
	return v.zoneOf(sv.Host)
}

// ServiceUpdate is what an operator says of a service; nil leaves it as it is.
type ServiceUpdate struct {
	Disabled, ForcedDown *bool
	Reason               *string
}

// UpdateService changes a service, found by id (number or UUID) or by binary and host. Disabling a compute service keeps the scheduler away
// from its host.
func (s *Service) UpdateService(ctx context.Context, id, binary, host string, u ServiceUpdate) (sv *ServiceRow, zone string, err error) {
	err = s.write(ctx, func(ctx context.Context, tx store.Tx) error {
		if sv, err = s.service(ctx, tx, id, binary, host); err != nil {
			return err
		}
		if sv.Binary != BinaryCompute {
			return rest.BadRequest("Updating a %s service is not supported. Only nova-compute services can be updated.", sv.Binary)
		}
		if u.Disabled != nil {
			sv.Disabled, sv.DisabledReason = *u.Disabled, u.Reason
		}
		if u.ForcedDown != nil {
			sv.ForcedDown = *u.ForcedDown
		}
		sv.UpdatedAt = s.Now()
		if err := db.UpdateService(ctx, tx, sv, "disabled", "disabled_reason", "forced_down", "updated_at"); err != nil {
			return err
		}
		if u.Disabled == nil || s.Placement == nil {
			return nil
		}
		n, err := db.GetComputeNodeOf(ctx, tx, sv.Host)
		if store.IsNotFound(err) {
			return nil
		}
		if err != nil {
			return err
		}
		return s.Placement.SetTrait(ctx, tx, n.ID, placement.TraitComputeDisabled, sv.Disabled)
	})
	if err != nil {
		return nil, "", err
	}
	v := &hostView{fallback: s.DefaultZone()}
	v.aggregates, err = db.ListAggregates(ctx, s.DB.Read(ctx))
	return sv, serviceZone(v, sv), err
}

// KnowsService refuses the id of a service that there is not.
func (s *Service) KnowsService(ctx context.Context, id string) error {
	_, err := s.service(ctx, s.DB.Read(ctx), id, "", "")
	return err
}

func (s *Service) service(ctx context.Context, h store.Tx, id, binary, host string) (*ServiceRow, error) {
	if id == "" {
		sv, err := db.GetServiceOf(ctx, h, binary, host)
		if store.IsNotFound(err) {
			return nil, rest.NotFound("Could not find binary %s on host %s.", binary, host)
		}
		return sv, err
	}
	seq, numberErr := strconv.ParseInt(id, 10, 64)
	if numberErr != nil {
		sv, err := db.GetService(ctx, h, id)
		if store.IsNotFound(err) {
			return nil, rest.NotFound("Service %s could not be found.", id)
		}
		return sv, err
	}
	rows, err := db.ListServices(ctx, h, "", "")
	for _, sv := range rows {
		if sv.Seq == seq {
			return sv, nil
		}
	}
	if err == nil {
		err = rest.NotFound("Service %s could not be found.", id)
	}
	return nil, err
}

// DeleteService forgets a service. A compute service goes with its hypervisor and resource provider, and only when no server is on its host.
func (s *Service) DeleteService(ctx context.Context, id string) error {
	return s.write(ctx, func(ctx context.Context, tx store.Tx) error {
		sv, err := s.service(ctx, tx, id, "", "")
		if err != nil {
			return err
		}
		if sv.Binary == BinaryCompute {
			n, err := db.CountServers(ctx, tx, ServerFilter{Equal: map[string]any{"host": sv.Host}})
			if err != nil {
				return err
			}
			if n > 0 {
				return rest.Conflict("Unable to delete compute service that is hosting instances. Migrate or delete the instances first.")
			}
			if err := s.leaveMoves(ctx, tx, sv.Host); err != nil {
				return err
			}
			node, err := db.GetComputeNodeOf(ctx, tx, sv.Host)
			if err == nil && s.Placement != nil {
				err = s.Placement.RemoveHost(ctx, tx, node.ID)
			}
			if err != nil && !store.IsNotFound(err) {
				return err
			}
			if err := db.ForgetAggregateHost(ctx, tx, sv.Host); err != nil {
				return err
			}
		}
		return db.DeleteService(ctx, tx, sv)
	})
}
