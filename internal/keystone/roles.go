package keystone

import (
	"context"

	"gostack/internal/keystone/db"
	"gostack/internal/rest"
	"gostack/internal/store"
)

var roleColumns = []string{"name", "domain_id", "description", "options"}

// Role returns a role.
func (s *Service) Role(ctx context.Context, id string) (*Role, error) {
	r, err := db.GetRole(ctx, s.db.Read(ctx), id)
	return r, found(err, "role", id)
}

// Roles lists the roles of a domain, or the global ones for "".
func (s *Service) Roles(ctx context.Context, domainID string, o ListOptions) ([]*Role, error) {
	return db.ListRoles(ctx, s.db.Read(ctx), o.Equals("r.domain_id", domainID).on("r.id"))
}

// CreateRole makes a role, global or of a domain.
func (s *Service) CreateRole(ctx context.Context, a Attrs) (*Role, error) {
	r := &Role{ID: s.newID(), Options: a.options(nil), Extra: a.extra(nil, roleColumns...)}
	if err := a.name(&r.Name); err != nil {
		return nil, err
	}
	a.text("domain_id", &r.DomainID)
	if d, ok := a["description"].(string); ok {
		r.Description = &d
	}
	err := s.db.Write(ctx, func(ctx context.Context, tx store.Tx) error {
		if r.DomainID != "" {
			if _, err := getDomain(ctx, s, r.DomainID); err != nil {
				return err
			}
		}
		return taken(db.Insert(ctx, tx, r), "role", r.Name, r.DomainID)
	})
	return r, err
}

// UpdateRole changes a role.
func (s *Service) UpdateRole(ctx context.Context, id string, a Attrs) (*Role, error) {
	var r *Role
	err := s.change(ctx, func(ctx context.Context, tx store.Tx) (err error) {
		if r, err = db.GetRole(ctx, tx, id); err != nil {
			return found(err, "role", id)
		}
		if err := a.matchID(id); err != nil {
			return err
		}
		if err := checkImmutableUpdate("role", id, r.Options, a); err != nil {
			return err
		}
		if v, ok := a["domain_id"]; ok && v != r.DomainID && !(v == nil && r.DomainID == "") {
			return rest.BadRequest("Update of `domain_id` is not allowed.")
		}
		if err := a.name(&r.Name); err != nil {
			return err
		}
		if v, ok := a["description"]; ok {
			r.Description = nil
			if d, ok := v.(string); ok {
				r.Description = &d
			}
		}
		r.Options, r.Extra = a.options(r.Options), a.extra(r.Extra, roleColumns...)
		return taken(db.Update(ctx, tx, r), "role", r.Name, r.DomainID)
	})
	return r, err
}

// DeleteRole removes a role with every grant of it.
func (s *Service) DeleteRole(ctx context.Context, id string) error {
	return s.change(ctx, func(ctx context.Context, tx store.Tx) error {
		r, err := db.GetRole(ctx, tx, id)
		if err != nil {
			return found(err, "role", id)
		}
		if err := checkImmutableDelete("role", id, r.Options); err != nil {
			return err
		}
		if err := db.DeleteApplicationCredentialsByRole(ctx, tx, id); err != nil {
			return err
		}
		return db.DeleteRole(ctx, tx, id)
	})
}

// Inference is a role with those that it implies directly.
type Inference struct {
	Prior   *Role
	Implied []*Role
}

// Inferences lists all roles that imply others.
func (s *Service) Inferences(ctx context.Context) ([]Inference, error) {
	rules, err := db.ListImpliedRoles(ctx, s.db.Read(ctx), "")
	if err != nil {
		return nil, err
	}
	roles, err := db.ListRoles(ctx, s.db.Read(ctx), func(*db.Select) {})
	if err != nil {
		return nil, err
	}
	byID := map[string]*Role{}
	for _, r := range roles {
		byID[r.ID] = r
	}
	var out []Inference
	for _, rule := range rules {
		if len(out) == 0 || out[len(out)-1].Prior.ID != rule.PriorRoleID {
			out = append(out, Inference{Prior: byID[rule.PriorRoleID]})
		}
		last := &out[len(out)-1]
		last.Implied = append(last.Implied, byID[rule.ImpliedRoleID])
	}
	return out, nil
}

// InferencesOf returns the roles that one role implies directly.
func (s *Service) InferencesOf(ctx context.Context, prior *Role) (Inference, error) {
	roles, err := db.RolesImpliedBy(ctx, s.db.Read(ctx), prior.ID)
	return Inference{Prior: prior, Implied: roles}, err
}

// prohibitedImplied is upstream's prohibited_implied_role: nobody becomes admin by implication.
const prohibitedImplied = "admin"

// CreateInference lets who has one role have another too.
func (s *Service) CreateInference(ctx context.Context, prior, implied *Role) error {
	if implied.Name == prohibitedImplied {
		return rest.Forbidden("%s cannot be an implied roles.", implied.ID)
	}
	if prior.DomainID == "" && implied.DomainID != "" {
		return rest.Forbidden("Global role cannot imply a domain-specific role")
	}
	return s.change(ctx, func(ctx context.Context, tx store.Tx) error {
		err := db.Insert(ctx, tx, &db.ImpliedRole{PriorRoleID: prior.ID, ImpliedRoleID: implied.ID})
		if store.IsUnique(err) {
			return conflict("implied_role", "Duplicate entry")
		}
		if store.IsForeignKey(err) {
			return rest.NotFound("Could not find role: %s.", implied.ID)
		}
		return err
	})
}

// CheckInference fails with 404 unless one role implies another directly.
func (s *Service) CheckInference(ctx context.Context, priorID, impliedID string) error {
	ok, err := db.HasImpliedRole(ctx, s.db.Read(ctx), priorID, impliedID)
	if err == nil && !ok {
		return rest.NotFound("%s does not imply %s.", priorID, impliedID)
	}
	return err
}

// DeleteInference ends an implication.
func (s *Service) DeleteInference(ctx context.Context, priorID, impliedID string) error {
	return s.change(ctx, func(ctx context.Context, tx store.Tx) error {
		err := db.Delete(ctx, tx, &db.ImpliedRole{PriorRoleID: priorID, ImpliedRoleID: impliedID})
		if store.IsNotFound(err) {
			return rest.NotFound("%s does not imply %s.", priorID, impliedID)
		}
		return err
	})
}
