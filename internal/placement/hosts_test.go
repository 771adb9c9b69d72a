package placement_test

import (
	"context"
	"testing"

	"gostack/internal/placement"
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
