package placement_test

import (
	"context"
	"errors"
	"testing"

	"gostack/internal/placement"
	"gostack/internal/store"
)

// TestBranches follows the bridges of a host: they come, change, go, and stay while something is allocated from them.
func TestBranches(t *testing.T) {
	each(t, func(t *testing.T, s *placement.Service) {
		ctx := context.Background()
		const agent, bridge = "10000000-0000-4000-8000-000000000001", "10000000-0000-4000-8000-000000000002"
		const consumer = "20000000-0000-4000-8000-000000000001"
		const class = "NET_BW_EGR_KILOBIT_PER_SEC"
		want := []placement.Branch{
			{UUID: agent, Name: "node1:agent", Traits: []string{"CUSTOM_VNIC_TYPE_NORMAL"}},
			{UUID: bridge, Name: "node1:agent:br", Parent: agent, Inventories: map[string]placement.Inventory{class: {Total: 1000}}, Traits: []string{"CUSTOM_PHYSNET_X"}},
		}
		ensure := func(branches ...placement.Branch) bool {
			t.Helper()
			found, err := s.EnsureBranches(ctx, "node1", "node1:agent", branches)
			if err != nil {
				t.Fatal(err)
			}
			return found
		}
		seen := func(uuid string) *placement.Provider {
			t.Helper()
			snapshot, err := s.Snapshot(ctx)
			if err != nil {
				t.Fatal(err)
			}
			return snapshot.Provider(uuid)
		}
		adjust := func(n int64) error {
			return s.DB.Write(ctx, func(ctx context.Context, tx store.Tx) error {
				return s.Adjust(ctx, tx, consumer, placement.Allocations{bridge: {class: n}})
			})
		}
		if ensure(want...) {
			t.Error("branches of a host that is not there")
		}
		h := host("node1", 8, 4096, 100)
		if err := s.EnsureHost(ctx, h); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if !ensure(want...) {
				t.Fatal("the host is not found")
			}
		}
		p := seen(bridge)
		if p == nil || p.Parent != agent || p.Root != h.UUID || p.Inventories[class].Total != 1000 || !p.HasTrait("CUSTOM_PHYSNET_X") {
			t.Fatalf("%+v", p)
		}
		if err := adjust(5); err != nil { // nobody
			t.Fatal(err)
		}
		if err := s.Allocate(ctx, placement.ConsumerChange{Consumer: consumer, Project: "p", User: "u", Type: "INSTANCE", Allocations: placement.Allocations{h.UUID: {"VCPU": 1}}}); err != nil {
			t.Fatal(err)
		}
		if err := adjust(600); err != nil {
			t.Fatal(err)
		}
		if err := adjust(500); !errors.Is(err, placement.ErrCapacity) {
			t.Errorf("too much: %v", err)
		}
		if err := adjust(-100); err != nil {
			t.Fatal(err)
		}
		if got := usages(t, s, bridge)[class]; got != 500 {
			t.Errorf("%d is used", got)
		}
		// A bridge that goes keeps what is allocated, and no more comes.
		ensure(want[:1]...)
		if p := seen(bridge); p == nil || p.HasTrait("CUSTOM_PHYSNET_X") {
			t.Errorf("%+v", p)
		}
		if err := s.DB.Write(ctx, func(ctx context.Context, tx store.Tx) error { return s.RemoveHost(ctx, tx, h.UUID) }); !placement.IsReason(err, placement.Conflict) {
			t.Errorf("removing a host in use: %v", err)
		}
		if err := adjust(-500); err != nil {
			t.Fatal(err)
		}
		ensure()
		if seen(bridge) != nil || seen(agent) != nil {
			t.Error("what is not named any more is there")
		}
		ensure(want...)
		if err := s.DeleteAllocations(ctx, consumer); err != nil {
			t.Fatal(err)
		}
		if err := s.DB.Write(ctx, func(ctx context.Context, tx store.Tx) error { return s.RemoveHost(ctx, tx, h.UUID) }); err != nil {
			t.Fatal(err)
		}
		if seen(bridge) != nil || seen(h.UUID) != nil {
			t.Error("a removed host is there")
		}
	})
}
