package glance

import (
	"context"
	"slices"

	"gostack/internal/glance/db"
	"gostack/internal/policy"
	"gostack/internal/rest"
	"gostack/internal/store"
)

// Filter, TimeFilter and Sort say which images a list shows, and in which order.
type (
	Filter     = db.Filter
	TimeFilter = db.TimeFilter
	Sort       = db.Sort
)

// List returns up to limit images behind marker ("": from the start) as c sees them. The order is completed by created_at
// and id in the direction of the first key, as upstream does.
func (s *Service) List(ctx context.Context, c *policy.Caller, f Filter, sort []Sort, marker string, limit int) ([]Image, error) {
	idb := s.db.Read(ctx)
	var after *Image
	if marker != "" {
		var err error
		if after, err = db.Get(ctx, idb, scope(c), marker); err != nil {
			if store.IsNotFound(err) {
				return nil, rest.BadRequest("No image found with ID %s", marker)
			}
			return nil, err
		}
	}
	// Who may not see a property does not learn its value by filtering.
	for name := range f.Properties {
		if !s.Readable(c, name) {
			return []Image{}, nil
		}
	}
	if limit == 0 {
		return []Image{}, nil
	}
	for _, column := range []string{"created_at", "id"} {
		if !slices.ContainsFunc(sort, func(by Sort) bool { return by.Column == column }) {
			sort = append(sort, Sort{Column: column, Desc: len(sort) == 0 || sort[0].Desc})
		}
	}
	images, err := db.List(ctx, idb, scope(c), f, sort, after, int64(limit))
	for i := range images {
		s.conceal(c, &images[i])
	}
	return images, err
}
