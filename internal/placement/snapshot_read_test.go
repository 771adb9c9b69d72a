package placement_test

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"gostack/internal/placement"
	"gostack/internal/store"
)

// Whatever changes, a service that has seen everything before sees what one sees that reads everything; when nothing changes, it reads one row.
func TestSnapshotsReadWhatHasChanged(t *testing.T) {
	each(t, func(t *testing.T, s *placement.Service) {
		ctx := context.Background()
		one, two := host("node1", 8, 4096, 100), host("node2", 8, 4096, 100)
		consumer, aggregate := uuid.NewString(), uuid.NewString()
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		for _, step := range []struct {
			what string
			do   func() error
		}{
			{"nothing", func() error { return nil }},
			{"a host", func() error { return s.EnsureHost(ctx, one) }},
			{"another", func() error { return s.EnsureHost(ctx, two) }},
			{"a claim", func() error { return claim(s, consumer, one.UUID, 2, 512) }},
			{"its end", func() error { return s.DeleteAllocations(ctx, consumer) }},
			{"a custom trait", func() error { _, _, err := s.CreateTrait(ctx, "CUSTOM_GOLD"); return err }},
			{"traits", func() error {
				_, _, err := s.SetTraits(ctx, one.UUID, []string{"CUSTOM_GOLD"}, nil)
				return err
			}},
			{"aggregates, as before 1.19", func() error { _, err := s.SetAggregates(ctx, one.UUID, []string{aggregate}, nil); return err }},
			{"more memory", func() error {
				two.Inventories[placement.MemoryMB] = placement.Inventory{Total: 8192, AllocationRatio: 1}
				return s.EnsureHost(ctx, two)
			}},
			{"a host's end", func() error { return s.DeleteProvider(ctx, two.UUID) }},
			{"its return", func() error { return s.EnsureHost(ctx, two) }},
		} {
			must(step.do())
			got, err := s.Snapshot(ctx)
			must(err)
			want, err := (&placement.Service{DB: s.DB}).Snapshot(ctx)
			must(err)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("after %s:\n%s", step.what, diff)
			}
			counted, count := store.Count(ctx)
			_, err = s.Snapshot(counted)
			must(err)
			if n := count.Statements(); n != 1 {
				t.Errorf("after %s an unchanged snapshot took %d statements", step.what, n)
			}
		}
	})
}
