package dump

import (
	"context"
	"fmt"
	"maps"

	"gostack/internal/store"
)

// Each implements Source.
func (s *Snapshot) Each(ctx context.Context, table func(*Table, int64, func(func(Row) error) (Sum, error)) error) error {
	for i := range s.Tables {
		t := &s.Tables[i]
		next, err := s.Next(ctx, t)
		if err != nil {
			return err
		}
		if err := table(t, next, func(fn func(Row) error) (Sum, error) { return s.Rows(ctx, t, fn) }); err != nil {
			return err
		}
	}
	return nil
}

// Copy writes all rows of one database into another, empty one, whose tables must be of the same versions. What it returns was read back from there.
func Copy(ctx context.Context, from, to *store.DB, progress Progress) (map[string]Sum, error) {
	have, err := Versions(ctx, from.Read(ctx), from.Kind())
	if err != nil {
		return nil, err
	}
	want, err := Versions(ctx, to.Read(ctx), to.Kind())
	if err != nil {
		return nil, err
	}
	if !maps.Equal(have, want) {
		return nil, fmt.Errorf("the tables are of other versions than this gostack's: %v and %v; run gostack db migrate on the source first", have, want)
	}
	s, err := Open(ctx, from)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	return Load(ctx, to, s, false, progress)
}
