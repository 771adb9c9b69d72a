package keystone

import (
	"context"
	"fmt"
	"strings"

	"gostack/internal/keystone/db"
	"gostack/internal/rest"
	"gostack/internal/store"
)

// LimitModel says how the limits of projects below each other go together (https://docs.openstack.org/keystone/latest/admin/unified-limits.html).
type LimitModel string

// The models. Flat limits know nothing of each other. Under StrictTwoLevel a project has at most what is above it, and all of a family together
// use no more than its head may.
const (
	Flat           LimitModel = "flat"
	StrictTwoLevel LimitModel = "strict_two_level"
)

// Description is what the API says of the model.
func (m LimitModel) Description() string {
	if m == StrictTwoLevel {
		return "This model requires project hierarchy never exceeds a depth of two."
	}
	return "Limit enforcement and validation does not take project hierarchy into consideration."
}

// LimitModel is the model in force.
func (s *Service) LimitModel() LimitModel { return s.limitModel }

// check refuses a limit that contradicts those above and below it.
func (m LimitModel) check(ctx context.Context, tx store.Tx, r *db.RegisteredLimit, p *Project, limit int64) error {
	if m != StrictTwoLevel {
		return nil
	}
	invalid := func(format string, args ...any) error {
		return rest.Forbidden("Invalid resource limit: %s.", fmt.Sprintf(format, args...))
	}
	of := func(q *db.Select) { q.Where("l.registered_limit_id = ?", r.ID) }
	if !p.IsDomain {
		above := r.DefaultLimit
		list, err := db.ListLimits(ctx, tx, func(q *db.Select) { of(q); q.Where("l.target_id = ?", p.ParentID) })
		if err != nil {
			return err
		}
		if len(list) > 0 {
			above = list[0].ResourceLimit
		}
		if exceeds(limit, above) {
			return invalid("Limit %d of %s for project %s is more than the %d of what is above it", limit, r.ResourceName, p.ID, above)
		}
	}
	below, err := db.ListLimits(ctx, tx, func(q *db.Select) { of(q); q.Where("p.parent_id = ?", p.ID) })
	if err != nil {
		return err
	}
	for _, l := range below {
		if exceeds(l.ResourceLimit, limit) {
			return invalid("Limit %d of %s for %s is less than the %d of project %s below it", limit, r.ResourceName, p.ID, l.ResourceLimit, l.TargetID)
		}
	}
	return nil
}

// exceeds compares limits, of which -1 is none.
func exceeds(a, b int64) bool { return b >= 0 && (a < 0 || a > b) }

// Limits returns what a project, or a domain, may have of the resources of a type of service ("image") in a region: its own limit, or else the
// registered one; -1 is any number. A resource nobody registered is not in the answer, which oslo.limit takes for a limit of 0.
func (s *Service) Limits(ctx context.Context, projectID, serviceType, region string) (map[string]int64, error) {
	all, err := s.limitsOf(ctx, []string{projectID}, serviceType, region)
	return all[projectID], err
}

func (s *Service) limitsOf(ctx context.Context, projects []string, serviceType, region string) (map[string]map[string]int64, error) {
	rows, err := db.EffectiveLimits(ctx, s.db.Read(ctx), serviceType, projects)
	if err != nil {
		return nil, err
	}
	out := map[string]map[string]int64{}
	for _, p := range projects {
		out[p] = map[string]int64{}
	}
	// Later passes win: of every region, then of this one; the registered limit, then the own one.
	for _, own := range []bool{false, true} {
		for _, local := range []bool{false, true} {
			for _, r := range rows {
				if (r.RegionID != nil) != local || local && *r.RegionID != region || own && r.TargetID == nil {
					continue
				}
				if own {
					out[*r.TargetID][r.ResourceName] = *r.Limit
					continue
				}
				for _, p := range projects {
					out[p][r.ResourceName] = r.DefaultLimit
				}
			}
		}
	}
	return out, nil
}

// Usage tells how much of some resources some projects have, by project and resource.
type Usage func(ctx context.Context, projects, resources []string) (map[string]map[string]int64, error)

// OverLimit says that a project would have more of a resource than it may.
type OverLimit struct {
	Project, Resource     string
	Limit, Current, Delta int64
}

func (o OverLimit) Error() string {
	return fmt.Sprintf("Resource %s is over limit of %d due to current usage %d and delta %d", o.Resource, o.Limit, o.Current, o.Delta)
}

// OverLimits are all the limits a request would pass, as oslo.limit's ProjectOverLimit.
type OverLimits []OverLimit

func (o OverLimits) Error() string {
	text := make([]string, len(o))
	for i, e := range o {
		text[i] = e.Error()
	}
	return fmt.Sprintf("Project %s is over a limit for [%s]", o[0].Project, strings.Join(text, ", "))
}

// EnforceLimits asks whether a project may have so much more (deltas, by resource) of a service's resources as oslo.limit's Enforcer does,
// in the model in force. The error is OverLimits when it may not. Under StrictTwoLevel, the family of the project counts together.
func (s *Service) EnforceLimits(ctx context.Context, projectID, serviceType, region string, deltas map[string]int64, usage Usage) error {
	var names []string
	for n := range deltas {
		names = append(names, n)
	}
	family := []string{projectID}
	head := projectID
	if s.limitModel == StrictTwoLevel {
		p, err := db.GetProject(ctx, s.db.Read(ctx), projectID)
		if err != nil {
			return found(err, "project", projectID)
		}
		if p.ParentID != "" {
			head = p.ParentID
		}
		below, err := db.Descendants(ctx, s.db.Read(ctx), head)
		if err != nil {
			return err
		}
		family = []string{head}
		for _, b := range below {
			family = append(family, b.ID)
		}
	}
	limits, err := s.limitsOf(ctx, []string{projectID, head}, serviceType, region)
	if err != nil {
		return err
	}
	used, err := usage(ctx, family, names)
	if err != nil {
		return err
	}
	var over OverLimits
	for _, n := range names {
		limit := limits[projectID][n] // 0 when nobody registered it
		if exceeds(used[projectID][n]+deltas[n], limit) {
			over = append(over, OverLimit{projectID, n, limit, used[projectID][n], deltas[n]})
			continue
		}
		var together int64
		for _, p := range family {
			together += used[p][n]
		}
		if most := limits[head][n]; head != projectID && exceeds(together+deltas[n], most) {
			over = append(over, OverLimit{projectID, n, most, together, deltas[n]})
		}
	}
	if len(over) > 0 {
		return over
	}
	return nil
}
