package placement_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"gostack/internal/placement"
	"gostack/internal/store"
	"gostack/internal/store/storetest"
)

func each(t *testing.T, fn func(t *testing.T, s *placement.Service)) {
	t.Helper()
	storetest.Each(t, func(t *testing.T, db *store.DB) { fn(t, &placement.Service{DB: db}) }, placement.Migrations)
}

func host(name string, vcpus, memory, disk int64) placement.HostInventory {
	return placement.HostInventory{
		UUID: uuid.NewSHA1(uuid.NameSpaceDNS, []byte(name)).String(), Name: name,
		Inventories: map[string]placement.Inventory{
			placement.VCPU:     {Total: vcpus, AllocationRatio: 4},
			placement.MemoryMB: {Total: memory, Reserved: 512},
			placement.DiskGB:   {Total: disk},
		},
		Traits: []string{"COMPUTE_NODE", "HW_CPU_X86_AVX2"},
	}
}

func claim(s *placement.Service, consumer, provider string, vcpus, memory int) error {
	return s.DB.Write(context.Background(), func(ctx context.Context, tx store.Tx) error {
		return s.Claim(ctx, tx, placement.Claim{
			Consumer: consumer, Project: "p1", User: "u1",
			Allocations: map[string]map[string]int{provider: {placement.VCPU: vcpus, placement.MemoryMB: memory, placement.DiskGB: 0}},
		})
	})
}

func usages(t *testing.T, s *placement.Service, provider string) map[string]int64 {
	t.Helper()
	_, usages, err := s.ProviderUsages(context.Background(), provider)
	if err != nil {
		t.Fatal(err)
	}
	return usages
}

func wantNoDrift(t *testing.T, s *placement.Service) {
	t.Helper()
	if drifts, err := s.Audit(context.Background(), false); err != nil || len(drifts) > 0 {
		t.Errorf("audit: %v, %v", drifts, err)
	}
}

func TestEnsureHostIsSeenInSnapshot(t *testing.T) {
	each(t, func(t *testing.T, s *placement.Service) {
		ctx := context.Background()
		h := host("node1", 8, 4096, 100)
		for range 2 {
			if err := s.EnsureHost(ctx, h); err != nil {
				t.Fatal(err)
			}
		}
		ctx, count := store.Count(ctx)
		snapshot, err := s.Snapshot(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if count.Statements() > 3 {
			t.Errorf("a snapshot took %d statements", count.Statements())
		}
		p := snapshot.Provider(h.UUID)
		if p == nil || p.Name != "node1" || p.Root != h.UUID || p.Generation != 2 {
			t.Fatalf("provider: %+v", p)
		}
		if got := p.Inventories[placement.VCPU]; got.Capacity() != 32 || got.MaxUnit != 8 || got.MinUnit != 1 || got.StepSize != 1 {
			t.Errorf("VCPU: %+v", got)
		}
		if diff := cmp.Diff([]string{"COMPUTE_NODE", "HW_CPU_X86_AVX2"}, p.Traits); diff != "" {
			t.Error(diff)
		}
	})
}

func TestEnsureHostKeepsWhatOthersSet(t *testing.T) {
	each(t, func(t *testing.T, s *placement.Service) {
		ctx := context.Background()
		h := host("node1", 8, 4096, 100)
		if err := s.EnsureHost(ctx, h); err != nil {
			t.Fatal(err)
		}
		if _, _, err := s.CreateTrait(ctx, "CUSTOM_GOLD"); err != nil {
			t.Fatal(err)
		}
		if _, _, err := s.SetTraits(ctx, h.UUID, []string{"COMPUTE_NODE", "CUSTOM_GOLD", "COMPUTE_STATUS_DISABLED", "STORAGE_DISK_SSD"}, nil); err != nil {
			t.Fatal(err)
		}
		if err := claim(s, uuid.NewString(), h.UUID, 2, 512); err != nil {
			t.Fatal(err)
		}
		h.Inventories[placement.VCPU] = placement.Inventory{Total: 4, AllocationRatio: 2}
		delete(h.Inventories, placement.DiskGB)
		if err := s.EnsureHost(ctx, h); err != nil {
			t.Fatal(err)
		}
		snapshot, err := s.Snapshot(ctx)
		if err != nil {
			t.Fatal(err)
		}
		p := snapshot.Provider(h.UUID)
		if diff := cmp.Diff([]string{"COMPUTE_NODE", "COMPUTE_STATUS_DISABLED", "CUSTOM_GOLD", "HW_CPU_X86_AVX2", "STORAGE_DISK_SSD"}, p.Traits); diff != "" {
			t.Error(diff)
		}
		if got := p.Inventories[placement.VCPU]; got.Total != 4 || got.Used != 2 {
			t.Errorf("VCPU: %+v", got)
		}
		if _, found := p.Inventories[placement.DiskGB]; found {
			t.Error("the unused disk inventory is still there")
		}
		wantNoDrift(t, s)
	})
}

func TestClaimAndRelease(t *testing.T) {
	each(t, func(t *testing.T, s *placement.Service) {
		ctx := context.Background()
		h := host("node1", 2, 4096, 100)
		if err := s.EnsureHost(ctx, h); err != nil {
			t.Fatal(err)
		}
		server := uuid.NewString()
		for range 2 { // a saga may repeat its step
			if err := claim(s, server, h.UUID, 2, 1024); err != nil {
				t.Fatal(err)
			}
		}
		if diff := cmp.Diff(map[string]int64{"VCPU": 2, "MEMORY_MB": 1024, "DISK_GB": 0}, usages(t, s, h.UUID)); diff != "" {
			t.Error(diff)
		}
		for what, err := range map[string]error{
			"more than a guest may have": claim(s, uuid.NewString(), h.UUID, 3, 1024),
			"more than is left":          claim(s, uuid.NewString(), h.UUID, 1, 3000),
			"a host that is gone":        claim(s, uuid.NewString(), uuid.NewString(), 1, 1),
		} {
			if !errors.Is(err, placement.ErrCapacity) {
				t.Errorf("%s: %v", what, err)
			}
		}
		consumers, err := s.Consumers(ctx)
		if err != nil || len(consumers) != 1 || consumers[server] == nil {
			t.Fatalf("consumers: %v, %v", consumers, err)
		}
		if c := consumers[server]; c.Project != "p1" || c.User != "u1" || c.Type != placement.ConsumerInstance || c.Generation != 2 {
			t.Errorf("consumer: %+v", c)
		}
		for range 2 {
			err := s.DB.Write(ctx, func(ctx context.Context, tx store.Tx) error { return s.Release(ctx, tx, server) })
			if err != nil {
				t.Fatal(err)
			}
		}
		if diff := cmp.Diff(map[string]int64{"VCPU": 0, "MEMORY_MB": 0, "DISK_GB": 0}, usages(t, s, h.UUID)); diff != "" {
			t.Error(diff)
		}
		if consumers, _ := s.Consumers(ctx); len(consumers) > 0 {
			t.Errorf("left behind: %v", consumers)
		}
		wantNoDrift(t, s)
	})
}

func TestClaimThatDoesNotFitLeavesTheTransactionUsable(t *testing.T) {
	each(t, func(t *testing.T, s *placement.Service) {
		ctx := context.Background()
		small, big := host("small", 1, 1024, 10), host("big", 64, 65536, 1000)
		for _, h := range []placement.HostInventory{small, big} {
			if err := s.EnsureHost(ctx, h); err != nil {
				t.Fatal(err)
			}
		}
		err := s.DB.Write(ctx, func(ctx context.Context, tx store.Tx) error {
			c := placement.Claim{Consumer: uuid.NewString(), Project: "p", User: "u"}
			c.Allocations = map[string]map[string]int{small.UUID: {placement.VCPU: 8}}
			if err := s.Claim(ctx, tx, c); !errors.Is(err, placement.ErrCapacity) {
				return fmt.Errorf("the small host: %w", err)
			}
			c.Allocations = map[string]map[string]int{big.UUID: {placement.VCPU: 8}}
			return s.Claim(ctx, tx, c)
		})
		if err != nil {
			t.Fatal(err)
		}
		if got := usages(t, s, big.UUID)[placement.VCPU]; got != 8 {
			t.Errorf("used %d", got)
		}
	})
}

// TestClaimsNeverOverCommit lets hundreds of claims race for room for a few.
func TestClaimsNeverOverCommit(t *testing.T) {
	each(t, func(t *testing.T, s *placement.Service) {
		ctx := context.Background()
		hosts := []placement.HostInventory{host("a", 10, 100000, 10), host("b", 5, 100000, 10)} // room for 40 and 20
		for _, h := range hosts {
			if err := s.EnsureHost(ctx, h); err != nil {
				t.Fatal(err)
			}
		}
		var won, lost atomic.Int64
		var wg sync.WaitGroup
		for i := range 300 {
			wg.Go(func() {
				switch err := claim(s, uuid.NewString(), hosts[i%2].UUID, 1, 1); {
				case err == nil:
					won.Add(1)
				case errors.Is(err, placement.ErrCapacity):
					lost.Add(1)
				default:
					t.Errorf("claim: %v", err)
				}
			})
		}
		wg.Wait()
		if won.Load() != 60 || lost.Load() != 240 {
			t.Errorf("%d won and %d lost, want 60 and 240", won.Load(), lost.Load())
		}
		if a, b := usages(t, s, hosts[0].UUID)["VCPU"], usages(t, s, hosts[1].UUID)["VCPU"]; a != 40 || b != 20 {
			t.Errorf("used %d and %d", a, b)
		}
		wantNoDrift(t, s)
	})
}

func TestMoveKeepsTheSum(t *testing.T) {
	each(t, func(t *testing.T, s *placement.Service) {
		ctx := context.Background()
		h := host("node1", 1, 4096, 10)
		if err := s.EnsureHost(ctx, h); err != nil {
			t.Fatal(err)
		}
		server, migration := uuid.NewString(), uuid.NewString()
		if err := claim(s, server, h.UUID, 1, 3584); err != nil { // all there is
			t.Fatal(err)
		}
		err := s.DB.Write(ctx, func(ctx context.Context, tx store.Tx) error {
			found, err := s.Move(ctx, tx, server, migration, placement.ConsumerMigration)
			if !found {
				t.Error("nothing moved")
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		consumers, err := s.Consumers(ctx)
		if err != nil || len(consumers) != 1 || consumers[migration] == nil || consumers[migration].Type != placement.ConsumerMigration {
			t.Errorf("consumers: %v, %v", consumers, err)
		}
		wantNoDrift(t, s)
	})
}

func TestClaimBudget(t *testing.T) {
	each(t, func(t *testing.T, s *placement.Service) {
		h := host("node1", 8, 4096, 100)
		if err := s.EnsureHost(context.Background(), h); err != nil {
			t.Fatal(err)
		}
		server := uuid.NewString()
		for round, budget := range []int{7, 9} {
			ctx, count := store.Count(context.Background())
			err := s.DB.Write(ctx, func(ctx context.Context, tx store.Tx) error {
				return s.Claim(ctx, tx, placement.Claim{
					Consumer: server, Project: "p", User: "u",
					Allocations: map[string]map[string]int{h.UUID: {"VCPU": 1 + round, "MEMORY_MB": 64, "DISK_GB": 1}},
				})
			})
			if err != nil {
				t.Fatal(err)
			}
			if count.Statements() > budget {
				t.Errorf("claim %d took %d statements, budget %d", round+1, count.Statements(), budget)
			}
		}
		ctx, count := store.Count(context.Background())
		if err := s.EnsureHost(ctx, h); err != nil {
			t.Fatal(err)
		}
		if count.Statements() > 3 {
			t.Errorf("a report without change took %d statements", count.Statements())
		}
	})
}

func TestAuditFindsAndRepairsDrift(t *testing.T) {
	each(t, func(t *testing.T, s *placement.Service) {
		ctx := context.Background()
		h := host("node1", 8, 4096, 100)
		if err := s.EnsureHost(ctx, h); err != nil {
			t.Fatal(err)
		}
		err := s.DB.Write(ctx, func(ctx context.Context, tx store.Tx) error {
			_, err := tx.NewRaw("UPDATE placement_inventories SET used = 5 WHERE resource_class = 'VCPU'").Exec(ctx)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		drifts, err := s.Audit(ctx, true)
		if diff := cmp.Diff([]placement.Drift{{Provider: h.UUID, Class: "VCPU", Recorded: 5, Allocated: 0}}, drifts); diff != "" || err != nil {
			t.Error(diff, err)
		}
		wantNoDrift(t, s)
	})
}
