package keystone

import (
	"context"

	"gostack/internal/keystone/db"
	"gostack/internal/rest"
	"gostack/internal/store"
)

// The rows of unified limits.
type (
	RegisteredLimit = db.RegisteredLimit
	Limit           = db.FullLimit
)

// RegisteredLimitWanted is a registered limit in a request; absent members of a change stay as they are.
type RegisteredLimitWanted struct {
	ServiceID    *string `json:"service_id"`
	RegionID     *string `json:"region_id"`
	ResourceName *string `json:"resource_name"`
	DefaultLimit *int64  `json:"default_limit"`
	Description  *string `json:"description"`
}

// LimitWanted is a limit in a request.
type LimitWanted struct {
	ServiceID     string  `json:"service_id"`
	RegionID      *string `json:"region_id"`
	ResourceName  string  `json:"resource_name"`
	ResourceLimit *int64  `json:"resource_limit"`
	Description   *string `json:"description"`
	ProjectID     string  `json:"project_id"`
	DomainID      string  `json:"domain_id"`
}

// RegisteredLimit returns a registered limit.
func (s *Service) RegisteredLimit(ctx context.Context, id string) (*RegisteredLimit, error) {
	r, err := db.GetRegisteredLimit(ctx, s.db.Read(ctx), id)
	return r, found(err, "registered limit", id)
}

// RegisteredLimits lists registered limits.
func (s *Service) RegisteredLimits(ctx context.Context, o ListOptions) ([]*RegisteredLimit, error) {
	return db.ListRegisteredLimits(ctx, s.db.Read(ctx), o.on("r.id"))
}

// CreateRegisteredLimits makes all of some registered limits, or none.
func (s *Service) CreateRegisteredLimits(ctx context.Context, wanted []RegisteredLimitWanted) ([]*RegisteredLimit, error) {
	var out []*RegisteredLimit
	err := s.db.Write(ctx, func(ctx context.Context, tx store.Tx) error {
		out = nil
		for _, w := range wanted {
			r := &RegisteredLimit{ID: s.newID()}
			if err := s.setRegistered(ctx, tx, r, w); err != nil {
				return err
			}
			if err := registeredTaken(db.Insert(ctx, tx, r)); err != nil {
				return err
			}
			out = append(out, r)
		}
		return nil
	})
	return out, err
}

func registeredTaken(err error) error {
	if store.IsUnique(err) {
		return conflict("registered_limit", "Duplicate entry")
	}
	return err
}

func (s *Service) setRegistered(ctx context.Context, tx store.Tx, r *RegisteredLimit, w RegisteredLimitWanted) error {
	if w.ServiceID != nil {
		r.ServiceID = *w.ServiceID
		if _, err := db.GetService(ctx, tx, r.ServiceID); err != nil {
			return limitMissing(err, "service_id", "registered_limit")
		}
	}
	if w.RegionID != nil {
		r.RegionID = w.RegionID
		if _, err := db.GetRegion(ctx, tx, *w.RegionID); err != nil {
			return limitMissing(err, "region_id", "registered_limit")
		}
	}
	if w.ResourceName != nil {
		r.ResourceName = *w.ResourceName
	}
	if w.DefaultLimit != nil {
		r.DefaultLimit = *w.DefaultLimit
	}
	if w.Description != nil {
		r.Description = w.Description
	}
	return nil
}

func limitMissing(err error, attribute, target string) error {
	if store.IsNotFound(err) {
		return missing(attribute, target)
	}
	return err
}

// freeRegistered demands that nobody has a limit in place of the registered one.
func freeRegistered(ctx context.Context, tx store.Tx, id string) (*RegisteredLimit, error) {
	r, err := db.GetRegisteredLimit(ctx, tx, id)
	if err != nil {
		return nil, found(err, "registered limit", id)
	}
	used, err := db.LimitsRegistered(ctx, tx, id)
	if err == nil && used {
		return nil, rest.Forbidden("Unable to update or delete registered limit %s because there are project limits associated with it.", id)
	}
	return r, err
}

// UpdateRegisteredLimit changes a registered limit that nobody has a limit in place of.
func (s *Service) UpdateRegisteredLimit(ctx context.Context, id string, w RegisteredLimitWanted) (*RegisteredLimit, error) {
	var r *RegisteredLimit
	err := s.db.Write(ctx, func(ctx context.Context, tx store.Tx) (err error) {
		if r, err = freeRegistered(ctx, tx, id); err != nil {
			return err
		}
		if err := s.setRegistered(ctx, tx, r, w); err != nil {
			return err
		}
		return registeredTaken(db.Update(ctx, tx, r))
	})
	return r, err
}

// DeleteRegisteredLimit removes a registered limit that nobody has a limit in place of.
func (s *Service) DeleteRegisteredLimit(ctx context.Context, id string) error {
	return s.db.Write(ctx, func(ctx context.Context, tx store.Tx) error {
		r, err := freeRegistered(ctx, tx, id)
		if err != nil {
			return err
		}
		return db.Delete(ctx, tx, r)
	})
}

// Limit returns a limit.
func (s *Service) Limit(ctx context.Context, id string) (*Limit, error) {
	list, err := db.ListLimits(ctx, s.db.Read(ctx), func(q *db.Select) { q.Where("l.id = ?", id) })
	if err == nil && len(list) == 0 {
		return nil, rest.NotFound("Could not find limit: %s.", id)
	}
	if err != nil {
		return nil, err
	}
	return list[0], nil
}

// LimitScope narrows a list of limits to what a token may see: one project's, or a domain's and its projects'. Empty is all.
type LimitScope struct{ ProjectID, DomainID string }

// ListLimits lists limits.
func (s *Service) ListLimits(ctx context.Context, o ListOptions, in LimitScope) ([]*Limit, error) {
	return db.ListLimits(ctx, s.db.Read(ctx), func(q *db.Select) {
		if in.ProjectID != "" {
			q.Where("l.target_id = ?", in.ProjectID).Where("NOT l.is_domain")
		}
		if in.DomainID != "" {
			q.Where("(p.id = ? OR p.domain_id = ?)", in.DomainID, in.DomainID)
		}
		o.on("l.id")(q)
	})
}

// LimitsOf lists the limits of some projects, by the projects' ids.
func (s *Service) LimitsOf(ctx context.Context, projectIDs []string) (map[string][]*Limit, error) {
	list, err := db.ListLimits(ctx, s.db.Read(ctx), func(q *db.Select) {
		q.Where("l.target_id IN (?)", db.List(projectIDs)).Where("NOT l.is_domain")
	})
	of := map[string][]*Limit{}
	for _, l := range list {
		of[l.TargetID] = append(of[l.TargetID], l)
	}
	return of, err
}

// CreateLimits makes all of some limits, or none.
func (s *Service) CreateLimits(ctx context.Context, wanted []LimitWanted) ([]*Limit, error) {
	var out []*Limit
	err := s.db.Write(ctx, func(ctx context.Context, tx store.Tx) error {
		out = nil
		var checks []func() error
		for _, w := range wanted {
			l, check, err := s.createLimit(ctx, tx, w)
			if err != nil {
				return err
			}
			out, checks = append(out, l), append(checks, check)
		}
		// Only now: a project's limit may come before that of the domain it needs.
		for _, check := range checks {
			if err := check(); err != nil {
				return err
			}
		}
		return nil
	})
	return out, err
}

// createLimit makes a limit, and returns what tells whether it agrees with those above and below it.
func (s *Service) createLimit(ctx context.Context, tx store.Tx, w LimitWanted) (*Limit, func() error, error) {
	if _, err := db.GetService(ctx, tx, w.ServiceID); err != nil {
		return nil, nil, limitMissing(err, "service_id", "limit")
	}
	if w.RegionID != nil {
		if _, err := db.GetRegion(ctx, tx, *w.RegionID); err != nil {
			return nil, nil, limitMissing(err, "region_id", "limit")
		}
	}
	target, attribute := w.ProjectID, "project_id"
	if w.DomainID != "" {
		target, attribute = w.DomainID, "domain_id"
	}
	p, err := db.GetProject(ctx, tx, target)
	if err == nil && p.IsDomain != (w.DomainID != "") {
		return nil, nil, missing(attribute, "limit")
	}
	if err != nil {
		return nil, nil, limitMissing(err, attribute, "limit")
	}
	r, err := db.FindRegisteredLimit(ctx, tx, w.ServiceID, w.RegionID, w.ResourceName)
	if store.IsNotFound(err) {
		return nil, nil, rest.Forbidden("Unable to create a limit that has no corresponding registered limit.")
	}
	if err != nil {
		return nil, nil, err
	}
	l := &Limit{
		Limit:     db.Limit{ID: s.newID(), RegisteredLimitID: r.ID, TargetID: p.ID, IsDomain: p.IsDomain, Description: w.Description},
		ServiceID: r.ServiceID, RegionID: r.RegionID, ResourceName: r.ResourceName, DomainID: p.DomainID,
	}
	if w.ResourceLimit != nil {
		l.ResourceLimit = *w.ResourceLimit
	}
	err = db.Insert(ctx, tx, &l.Limit)
	if store.IsUnique(err) {
		return nil, nil, conflict("limit", "Duplicate entry")
	}
	return l, func() error { return s.limitModel.check(ctx, tx, r, p, l.ResourceLimit) }, err
}

// UpdateLimit changes how much a limit allows, or what it says about itself.
func (s *Service) UpdateLimit(ctx context.Context, id string, w LimitWanted) (*Limit, error) {
	var l *Limit
	err := s.db.Write(ctx, func(ctx context.Context, tx store.Tx) error {
		list, err := db.ListLimits(ctx, tx, func(q *db.Select) { q.Where("l.id = ?", id) })
		if err != nil {
			return err
		}
		if len(list) == 0 {
			return rest.NotFound("Could not find limit: %s.", id)
		}
		l = list[0]
		if w.Description != nil {
			l.Description = w.Description
		}
		if w.ResourceLimit != nil {
			l.ResourceLimit = *w.ResourceLimit
			p, err := db.GetProject(ctx, tx, l.TargetID)
			if err != nil {
				return err
			}
			r, err := db.GetRegisteredLimit(ctx, tx, l.RegisteredLimitID)
			if err != nil {
				return err
			}
			if err := s.limitModel.check(ctx, tx, r, p, l.ResourceLimit); err != nil {
				return err
			}
		}
		return db.Update(ctx, tx, &l.Limit)
	})
	return l, err
}

// DeleteLimit lets the registered limit hold again.
func (s *Service) DeleteLimit(ctx context.Context, id string) error {
	return s.db.Write(ctx, func(ctx context.Context, tx store.Tx) error {
		return found(db.Delete(ctx, tx, &db.Limit{ID: id}), "limit", id)
	})
}
