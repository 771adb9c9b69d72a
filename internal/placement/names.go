package placement

import (
	"context"
	"slices"
	"strings"
	"time"

	"gostack/internal/placement/db"
	"gostack/internal/store"
)

// Standard names come with the program; clients see this moment as the time of their making.
var standardSince = time.Date(2025, time.October, 1, 0, 0, 0, 0, time.UTC)

// A Named is a trait or a resource class.
type Named struct {
	Name      string
	UpdatedAt time.Time
}

// TraitFilter chooses traits. A nil part does not restrict.
type TraitFilter struct {
	Names      []string
	Prefix     string
	Associated *bool // whether any provider has the trait
}

// Traits lists standard and custom traits.
func (s *Service) Traits(ctx context.Context, filter TraitFilter) ([]Named, error) {
	q := s.DB.Read(ctx)
	custom, err := db.Traits(ctx, q)
	if err != nil {
		return nil, err
	}
	var used []string
	if filter.Associated != nil {
		if used, err = db.UsedTraits(ctx, q); err != nil {
			return nil, err
		}
		slices.Sort(used)
	}
	found := []Named{}
	add := func(trait Named) {
		_, associated := slices.BinarySearch(used, trait.Name)
		if filter.Names != nil && !slices.Contains(filter.Names, trait.Name) || !strings.HasPrefix(trait.Name, filter.Prefix) ||
			filter.Associated != nil && associated != *filter.Associated {
			return
		}
		found = append(found, trait)
	}
	for _, name := range standardTraits {
		add(Named{name, standardSince})
	}
	for _, row := range custom {
		add(Named{row.Name, row.CreatedAt})
	}
	return found, nil
}

// Trait returns a trait.
func (s *Service) Trait(ctx context.Context, name string) (Named, error) {
	traits, err := traitsByName(ctx, s.DB.Read(ctx), []string{name})
	if err != nil {
		return Named{}, err
	}
	return traits[0], nil
}

// traitsByName returns traits in the order of the names, or refuses when one does not exist.
func traitsByName(ctx context.Context, q store.Tx, names []string) ([]Named, error) {
	var custom []string
	for _, name := range names {
		if !IsStandardTrait(name) {
			custom = append(custom, name)
		}
	}
	rows, err := db.TraitsByName(ctx, q, custom)
	if err != nil {
		return nil, err
	}
	traits := make([]Named, 0, len(names))
	for _, name := range names {
		i := slices.IndexFunc(rows, func(row db.Trait) bool { return row.Name == name })
		switch {
		case i >= 0:
			traits = append(traits, Named{name, rows[i].CreatedAt})
		case IsStandardTrait(name):
			traits = append(traits, Named{name, standardSince})
		default:
			return nil, unknownTrait(name)
		}
	}
	return traits, nil
}

func checkTraits(ctx context.Context, q store.Tx, names []string) error {
	_, err := traitsByName(ctx, q, names)
	return err
}

// CreateTrait makes sure that a custom trait exists, and tells whether it is new.
func (s *Service) CreateTrait(ctx context.Context, name string) (trait Named, created bool, err error) {
	err = s.write(ctx, func(ctx context.Context, tx store.Tx) error {
		traits, err := traitsByName(ctx, tx, []string{name})
		if err == nil {
			trait, created = traits[0], false
			return nil
		}
		if !IsReason(err, NotFound) {
			return err
		}
		trait, created = Named{name, s.clock().Now()}, true
		return db.InsertTrait(ctx, tx, &db.Trait{Name: name, CreatedAt: trait.UpdatedAt})
	})
	return trait, created, err
}

// DeleteTrait removes a custom trait that no provider has.
func (s *Service) DeleteTrait(ctx context.Context, name string) error {
	return s.write(ctx, func(ctx context.Context, tx store.Tx) error {
		if err := checkTraits(ctx, tx, []string{name}); err != nil {
			return err
		}
		if IsStandardTrait(name) {
			return Refusef(Invalid, "Cannot delete standard trait %s.", name)
		}
		used, err := db.TraitInUse(ctx, tx, name)
		if err != nil {
			return err
		}
		if used {
			return Refusef(Conflict, "The trait %s is in use by a resource provider.", name)
		}
		return db.DeleteTrait(ctx, tx, name)
	})
}

// ResourceClasses lists the standard and then the custom resource classes.
func (s *Service) ResourceClasses(ctx context.Context) ([]Named, error) {
	rows, err := db.ResourceClasses(ctx, s.DB.Read(ctx))
	if err != nil {
		return nil, err
	}
	classes := make([]Named, 0, len(standardResourceClasses)+len(rows))
	for _, name := range standardResourceClasses {
		classes = append(classes, Named{name, standardSince})
	}
	for _, row := range rows {
		classes = append(classes, Named{row.Name, row.UpdatedAt})
	}
	return classes, nil
}

// ResourceClass returns a resource class.
func (s *Service) ResourceClass(ctx context.Context, name string) (Named, error) {
	if IsStandardResourceClass(name) {
		return Named{name, standardSince}, nil
	}
	row, err := db.ResourceClassByName(ctx, s.DB.Read(ctx), name)
	if err != nil {
		return Named{}, err
	}
	if row == nil {
		return Named{}, unknownClass(name)
	}
	return Named{name, row.UpdatedAt}, nil
}

// checkClasses refuses names that are no resource classes.
func checkClasses(ctx context.Context, q store.Tx, names []string) error {
	var custom []string
	for _, name := range names {
		if !IsStandardResourceClass(name) {
			custom = append(custom, name)
		}
	}
	rows, err := db.ResourceClassesByName(ctx, q, custom)
	if err != nil {
		return err
	}
	for _, name := range custom {
		if !slices.ContainsFunc(rows, func(row db.ResourceClass) bool { return row.Name == name }) {
			return unknownClass(name)
		}
	}
	return nil
}

// EnsureResourceClass makes sure that a custom resource class exists, and tells whether it is new.
func (s *Service) EnsureResourceClass(ctx context.Context, name string) (created bool, err error) {
	err = s.write(ctx, func(ctx context.Context, tx store.Tx) error {
		row, err := db.ResourceClassByName(ctx, tx, name)
		if err != nil {
			return err
		}
		if created = row == nil; !created {
			return nil
		}
		now := s.clock().Now()
		return db.InsertResourceClass(ctx, tx, &db.ResourceClass{Name: name, CreatedAt: now, UpdatedAt: now})
	})
	return created, err
}

// RenameResourceClass gives a custom resource class another name (microversions 1.2 to 1.6).
func (s *Service) RenameResourceClass(ctx context.Context, old, name string) error {
	return s.write(ctx, func(ctx context.Context, tx store.Tx) error {
		if err := checkClasses(ctx, tx, []string{old}); err != nil {
			return err
		}
		if IsStandardResourceClass(old) {
			return Refusef(Invalid, "Cannot update standard resource class %s", old)
		}
		if old == name {
			return nil
		}
		if checkClasses(ctx, tx, []string{name}) == nil {
			return Refusef(Conflict, "Resource class already exists: %s", name)
		}
		return db.RenameResourceClass(ctx, tx, old, &db.ResourceClass{Name: name, UpdatedAt: s.clock().Now()})
	})
}

// DeleteResourceClass removes a custom resource class that no provider has an inventory of.
func (s *Service) DeleteResourceClass(ctx context.Context, name string) error {
	return s.write(ctx, func(ctx context.Context, tx store.Tx) error {
		if err := checkClasses(ctx, tx, []string{name}); err != nil {
			return err
		}
		if IsStandardResourceClass(name) {
			return Refusef(Invalid, "Error in delete resource class: Cannot delete standard resource class %s.", name)
		}
		used, err := db.ResourceClassInUse(ctx, tx, name)
		if err != nil {
			return err
		}
		if used {
			return Refusef(Conflict, "Error in delete resource class: Cannot delete resource class %s. Class is in use in inventory.", name)
		}
		return db.DeleteResourceClass(ctx, tx, name)
	})
}
