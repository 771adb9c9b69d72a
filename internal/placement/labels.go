package placement

import (
	"context"
	"slices"
	"strings"

	"gostack/internal/placement/db"
	"gostack/internal/store"
)

const generationChanged = "Resource provider's generation already changed. Please update the generation and try again."

// ProviderTraits returns the traits of a provider, and the provider.
func (s *Service) ProviderTraits(ctx context.Context, uuid string) (*ResourceProvider, []Named, error) {
	q := s.DB.Read(ctx)
	row, err := provider(ctx, q, uuid)
	if err != nil {
		return nil, nil, err
	}
	rows, err := db.ProviderTraits(ctx, q, uuid)
	traits := make([]Named, len(rows))
	for i, row := range rows {
		traits[i] = Named{row.Name, row.CreatedAt}
		if row.CreatedAt.IsZero() {
			traits[i].UpdatedAt = standardSince
		}
	}
	return row, traits, err
}

// SetTraits replaces the traits of a provider. The generation must be the present one; nil does not compare.
func (s *Service) SetTraits(ctx context.Context, uuid string, names []string, generation *int64) (*ResourceProvider, []Named, error) {
	var row *ResourceProvider
	var traits []Named
	names = unique(names)
	err := s.write(ctx, func(ctx context.Context, tx store.Tx) error {
		var err error
		if row, err = provider(ctx, tx, uuid); err != nil {
			return err
		}
		if generation != nil && *generation != row.Generation {
			return Refusef(Conflict, generationChanged).With(CodeConcurrentUpdate)
		}
		if traits, err = traitsByName(ctx, tx, names); IsReason(err, NotFound) {
			return s.refuseUnknownTraits(ctx, tx, names)
		}
		if err != nil {
			return err
		}
		have, err := db.ProviderTraits(ctx, tx, uuid)
		if err != nil {
			return err
		}
		return s.changeTraits(ctx, tx, row, have, names)
	})
	return row, traits, err
}

func (s *Service) refuseUnknownTraits(ctx context.Context, tx store.Tx, names []string) error {
	var unknown []string
	for _, name := range names {
		if err := checkTraits(ctx, tx, []string{name}); IsReason(err, NotFound) {
			unknown = append(unknown, name)
		} else if err != nil {
			return err
		}
	}
	return Refusef(Invalid, "No such trait %s", strings.Join(unknown, ", "))
}

// changeTraits writes the difference and bumps the generation when there is one.
func (s *Service) changeTraits(ctx context.Context, tx store.Tx, row *ResourceProvider, have []db.Trait, want []string) error {
	names := make([]string, len(have))
	for i, trait := range have {
		names[i] = trait.Name
	}
	add, remove := difference(names, want)
	if len(add)+len(remove) == 0 {
		return nil
	}
	if err := db.ChangeTraits(ctx, tx, row.UUID, add, remove); err != nil {
		return err
	}
	return s.bump(ctx, tx, row)
}

// ProviderAggregates returns the aggregates of a provider, and the provider.
func (s *Service) ProviderAggregates(ctx context.Context, uuid string) (*ResourceProvider, []string, error) {
	q := s.DB.Read(ctx)
	row, err := provider(ctx, q, uuid)
	if err != nil {
		return nil, nil, err
	}
	aggregates, err := db.ProviderAggregates(ctx, q, uuid)
	return row, aggregates, err
}

// SetAggregates replaces the aggregates of a provider. With a generation it must be the present one and is counted up; nil
// is the behaviour before microversion 1.19.
func (s *Service) SetAggregates(ctx context.Context, uuid string, aggregates []string, generation *int64) (*ResourceProvider, error) {
	var row *ResourceProvider
	err := s.write(ctx, func(ctx context.Context, tx store.Tx) error {
		var err error
		if row, err = provider(ctx, tx, uuid); err != nil {
			return err
		}
		if generation != nil && *generation != row.Generation {
			return Refusef(Conflict, generationChanged).With(CodeConcurrentUpdate)
		}
		have, err := db.ProviderAggregates(ctx, tx, uuid)
		if err != nil {
			return err
		}
		add, remove := difference(have, unique(aggregates))
		if err := db.ChangeAggregates(ctx, tx, uuid, add, remove); err != nil {
			return err
		}
		if generation == nil {
			return db.Touch(ctx, tx, []string{uuid})
		}
		return s.bump(ctx, tx, row)
	})
	return row, err
}

// bump counts the generation up, in the row too.
func (s *Service) bump(ctx context.Context, tx store.Tx, row *ResourceProvider) error {
	row.Generation++
	row.UpdatedAt = s.clock().Now()
	return db.BumpGenerations(ctx, tx, []string{row.UUID}, row.UpdatedAt)
}

// difference tells what must be added to have and removed from it to get want.
func difference(have, want []string) (add, remove []string) {
	for _, name := range want {
		if !slices.Contains(have, name) {
			add = append(add, name)
		}
	}
	for _, name := range have {
		if !slices.Contains(want, name) {
			remove = append(remove, name)
		}
	}
	return add, remove
}

func unique(names []string) []string {
	sorted := slices.Sorted(slices.Values(names))
	return slices.Compact(sorted)
}
