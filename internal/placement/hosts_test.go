package placement_test

import (
	"context"
	"testing"

	"gostack/internal/placement"
	"gostack/internal/store"
)

// TestRatiosBelongToOperatorsUnlessConfigured: as upstream's initial_cpu_allocation_ratio and cpu_allocation_ratio.
func TestRatiosBelongToOperatorsUnlessConfigured(t *testing.T) {
	each(t, func(t *testing.T, s *placement.Service) {
		ctx := context.Background()
		h := host("node1", 8, 4096, 100)
		h.Inventories[placement.VCPU] = placement.Inventory{Total: 8}
		h.InitialRatios = map[string]float64{placement.VCPU: 4}
		report := func(want float64) {
			t.Helper()
			if err := s.EnsureHost(ctx, h); err != nil {
				t.Fatal(err)
			}
			snapshot, err := s.Snapshot(ctx)
			if err != nil {
				t.Fatal(err)
			}
			if got := snapshot.Provider(h.UUID).Inventories[placement.VCPU].AllocationRatio; got != want {
				t.Errorf("ratio %v, want %v", got, want)
			}
		}
		report(4)
		row, have, err := s.Inventories(ctx, h.UUID)
		if err != nil {
			t.Fatal(err)
		}
		vcpu := have[placement.VCPU]
		vcpu.AllocationRatio = 16
		if _, err := s.UpdateInventory(ctx, h.UUID, placement.VCPU, row.Generation, vcpu, placement.AllReserved); err != nil {
			t.Fatal(err)
		}
		report(16)
		h.Inventories[placement.VCPU] = placement.Inventory{Total: 8, AllocationRatio: 2} // configured
		report(2)
	})
}

// TestSnapshotsSeeEveryChangeOfTraits: traits are not read again of providers that are as before, and are of those that are not.
func TestSnapshotsSeeEveryChangeOfTraits(t *testing.T) {
	each(t, func(t *testing.T, s *placement.Service) {
		ctx := context.Background()
		other := &placement.Service{DB: s.DB} // another process
		h := host("node1", 8, 4096, 100)
		if err := s.EnsureHost(ctx, h); err != nil {
			t.Fatal(err)
		}
		sees := func(want bool) {
			t.Helper()
			for range 2 {
				snapshot, err := s.Snapshot(ctx)
				if err != nil {
					t.Fatal(err)
				}
				p := snapshot.Provider(h.UUID)
				if p.HasTrait(placement.TraitComputeDisabled) != want || !p.HasTrait("COMPUTE_NODE") {
					t.Errorf("traits: %v", p.Traits)
				}
			}
		}
		sees(false)
		for _, on := range []bool{true, false, true} {
			if err := s.DB.Write(ctx, func(ctx context.Context, tx store.Tx) error {
				return other.SetTrait(ctx, tx, h.UUID, placement.TraitComputeDisabled, on)
			}); err != nil {
				t.Fatal(err)
			}
			sees(on)
		}
		if err := s.DB.Write(ctx, func(ctx context.Context, tx store.Tx) error { return s.RemoveHost(ctx, tx, h.UUID) }); err != nil {
			t.Fatal(err)
		}
		if err := other.EnsureHost(ctx, h); err != nil {
			t.Fatal(err)
		}
		sees(false)
	})
}
