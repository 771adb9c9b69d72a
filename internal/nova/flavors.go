package nova

import (
	"context"

	"gostack/internal/nova/db"
	"gostack/internal/policy"
	"gostack/internal/rest"
	"gostack/internal/store"
)

func flavorNotFound(id string) error { return rest.NotFound("Flavor %s could not be found.", id) }

// visibleTo is whose private flavors a caller sees: an administrator's view has no bounds.
func visibleTo(c *policy.Caller) string {
	if c == nil || c.IsAdmin() {
		return ""
	}
	return c.ProjectID
}

// Flavor returns a flavor that c may use.
func (s *Service) Flavor(ctx context.Context, c *policy.Caller, id string) (*Flavor, error) {
	f, err := db.GetFlavor(ctx, s.DB.Read(ctx), id, visibleTo(c))
	if store.IsNotFound(err) {
		return nil, flavorNotFound(id)
	}
	return f, err
}

// Flavors returns a page of flavors.
func (s *Service) Flavors(ctx context.Context, filter FlavorFilter) ([]*Flavor, error) {
	if filter.Marker != "" {
		if _, err := db.GetFlavor(ctx, s.DB.Read(ctx), filter.Marker, filter.VisibleTo); err != nil {
			if store.IsNotFound(err) {
				return nil, rest.BadRequest("marker [%s] not found", filter.Marker)
			}
			return nil, err
		}
	}
	return db.ListFlavors(ctx, s.DB.Read(ctx), filter)
}

// CreateFlavor stores a new flavor; ID empty makes one. A private one is open to no project until access is granted.
func (s *Service) CreateFlavor(ctx context.Context, _ *policy.Caller, f *Flavor) error {
	if f.ID == "" {
		f.ID = s.newID()
	}
	f.CreatedAt = s.Now()
	if f.ExtraSpecs == nil {
		f.ExtraSpecs = map[string]string{}
	}
	return s.write(ctx, func(ctx context.Context, tx store.Tx) error {
		if _, err := db.GetFlavor(ctx, tx, f.ID, ""); err == nil {
			return rest.Conflict("Flavor with ID %s already exists.", f.ID)
		} else if !store.IsNotFound(err) {
			return err
		}
		if err := db.Insert(ctx, tx, f); err != nil {
			if store.IsUnique(err) {
				return rest.Conflict("Flavor with name %s already exists.", f.Name)
			}
			return err
		}
		return nil
	})
}

// DescribeFlavor sets or clears a flavor's description.
func (s *Service) DescribeFlavor(ctx context.Context, id string, description *string) (*Flavor, error) {
	return s.changeFlavor(ctx, id, func(f *Flavor) (string, error) {
		f.Description = description
		return "description", nil
	})
}

// changeFlavor reads a flavor, has it changed and stores the one column that change names.
func (s *Service) changeFlavor(ctx context.Context, id string, change func(*Flavor) (string, error)) (f *Flavor, err error) {
	err = s.write(ctx, func(ctx context.Context, tx store.Tx) error {
		if f, err = db.GetFlavor(ctx, tx, id, ""); err != nil {
			if store.IsNotFound(err) {
				return flavorNotFound(id)
			}
			return err
		}
		column, err := change(f)
		if err != nil {
			return err
		}
		f.UpdatedAt = ptr(s.Now())
		return db.UpdateFlavor(ctx, tx, f, column, "updated_at")
	})
	return f, err
}

// DeleteFlavor removes a flavor. Servers made from it keep their copy.
func (s *Service) DeleteFlavor(ctx context.Context, id string) error {
	return s.write(ctx, func(ctx context.Context, tx store.Tx) error {
		err := db.DeleteFlavor(ctx, tx, id)
		if store.IsNotFound(err) {
			return flavorNotFound(id)
		}
		return err
	})
}

// SetExtraSpecs adds or replaces extra specs.
func (s *Service) SetExtraSpecs(ctx context.Context, id string, specs map[string]string) (*Flavor, error) {
	return s.changeFlavor(ctx, id, func(f *Flavor) (string, error) {
		if f.ExtraSpecs == nil {
			f.ExtraSpecs = map[string]string{}
		}
		for k, v := range specs {
			f.ExtraSpecs[k] = v
		}
		return "extra_specs", nil
	})
}

// DeleteExtraSpec removes one extra spec.
func (s *Service) DeleteExtraSpec(ctx context.Context, id, key string) error {
	_, err := s.changeFlavor(ctx, id, func(f *Flavor) (string, error) {
		if _, ok := f.ExtraSpecs[key]; !ok {
			return "", NoExtraSpec(id, key)
		}
		delete(f.ExtraSpecs, key)
		return "extra_specs", nil
	})
	return err
}

// NoExtraSpec is the refusal of an extra spec that a flavor does not have.
func NoExtraSpec(id, key string) error {
	return rest.NotFound("Flavor %s has no extra specs with key %s.", id, key)
}

// FlavorAccessList returns the projects that may use a private flavor.
func (s *Service) FlavorAccessList(ctx context.Context, c *policy.Caller, id string) ([]*FlavorAccess, error) {
	f, err := s.Flavor(ctx, c, id)
	if err != nil {
		return nil, err
	}
	if f.IsPublic {
		return nil, rest.NotFound("Access list not available for public flavors.")
	}
	return db.ListFlavorAccess(ctx, s.DB.Read(ctx), id)
}

// GrantFlavor lets a project use a private flavor.
func (s *Service) GrantFlavor(ctx context.Context, id, project string, refusePublic bool) ([]*FlavorAccess, error) {
	if err := s.NeedProject(ctx, project); err != nil {
		return nil, err
	}
	var all []*FlavorAccess
	err := s.write(ctx, func(ctx context.Context, tx store.Tx) error {
		f, err := db.GetFlavor(ctx, tx, id, "")
		switch {
		case store.IsNotFound(err):
			return flavorNotFound(id)
		case err != nil:
			return err
		case f.IsPublic && refusePublic:
			return rest.Conflict("Can not add access to a public flavor.")
		}
		if all, err = db.ListFlavorAccess(ctx, tx, id); err != nil {
			return err
		}
		for _, a := range all {
			if a.ProjectID == project {
				return rest.Conflict("Flavor access already exists for flavor %s and project %s combination.", id, project)
			}
		}
		if err := db.Insert(ctx, tx, &FlavorAccess{FlavorID: id, ProjectID: project}); err != nil {
			return err
		}
		all, err = db.ListFlavorAccess(ctx, tx, id)
		return err
	})
	return all, err
}

// RevokeFlavor takes a private flavor from a project.
func (s *Service) RevokeFlavor(ctx context.Context, id, project string) ([]*FlavorAccess, error) {
	if err := s.NeedProject(ctx, project); err != nil {
		return nil, err
	}
	var all []*FlavorAccess
	err := s.write(ctx, func(ctx context.Context, tx store.Tx) error {
		if _, err := db.GetFlavor(ctx, tx, id, ""); err != nil {
			if store.IsNotFound(err) {
				return flavorNotFound(id)
			}
			return err
		}
		err := db.DeleteFlavorAccess(ctx, tx, id, project)
		if store.IsNotFound(err) {
			return rest.NotFound("Flavor access not found for %s / %s combination.", id, project)
		}
		if err != nil {
			return err
		}
		all, err = db.ListFlavorAccess(ctx, tx, id)
		return err
	})
	return all, err
}

// NeedProject refuses projects that Keystone does not know.
func (s *Service) NeedProject(ctx context.Context, id string) error {
	if s.Projects == nil {
		return nil
	}
	ok, err := s.Projects.ProjectExists(ctx, id)
	if err != nil {
		return err
	}
	if !ok {
		return rest.BadRequest("Project ID %s is not a valid project.", id)
	}
	return nil
}
