package placement_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"

	"gostack/internal/placement"
	"gostack/internal/store"
	"gostack/internal/store/storetest"
)

// thousand makes a cloud of 1,000 hosts with ten traits each.
func thousand(b *testing.B) (*placement.Service, []placement.HostInventory) {
	b.Helper()
	s := &placement.Service{DB: storetest.SQLite(b, placement.Migrations)}
	hosts := make([]placement.HostInventory, 1000)
	err := s.DB.Write(context.Background(), func(ctx context.Context, _ store.Tx) error {
		for i := range hosts {
			hosts[i] = host(fmt.Sprintf("node%d", i), 64, 1<<20, 10000)
			hosts[i].Traits = placement.StandardTraits()[:10]
			if err := s.EnsureHost(ctx, hosts[i]); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	b.ResetTimer()
	return s, hosts
}

// BenchmarkSnapshot reads 1,000 hosts, as the scheduler does about once a second while servers are being built.
func BenchmarkSnapshot(b *testing.B) {
	s, _ := thousand(b)
	for b.Loop() {
		if _, err := s.Snapshot(context.Background()); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkCandidates answers one allocation candidates request among 1,000 hosts, without reading the snapshot.
func BenchmarkCandidates(b *testing.B) {
	s, _ := thousand(b)
	snapshot, err := s.Snapshot(context.Background())
	if err != nil {
		b.Fatal(err)
	}
	req := placement.CandidateRequest{Groups: []placement.RequestGroup{{Resources: map[string]int64{"VCPU": 1, "MEMORY_MB": 512, "DISK_GB": 10}}}}
	b.ResetTimer()
	for b.Loop() {
		if candidates, err := snapshot.Candidates(req); err != nil || len(candidates.Requests) != 1000 {
			b.Fatal(len(candidates.Requests), err)
		}
	}
}

// BenchmarkClaim has 64 clients claim on 1,000 hosts at once. Its baseline beside it is the same number of clients that
// insert one row each in a transaction of its own.
func BenchmarkClaim(b *testing.B) {
	b.Run("claim", func(b *testing.B) {
		s, hosts := thousand(b)
		var next atomic.Int64
		parallel(b, func(ctx context.Context) error {
			h := hosts[next.Add(1)%1000]
			return s.DB.Write(ctx, func(ctx context.Context, tx store.Tx) error {
				return s.Claim(ctx, tx, placement.Claim{
					Consumer: uuid.NewString(), Project: "p", User: "u",
					Allocations: map[string]map[string]int{h.UUID: {"VCPU": 1, "MEMORY_MB": 1, "DISK_GB": 1}},
				})
			})
		})
	})
	b.Run("baseline-insert", func(b *testing.B) {
		s, _ := thousand(b)
		parallel(b, func(ctx context.Context) error {
			return s.DB.Write(ctx, func(ctx context.Context, tx store.Tx) error {
				_, err := tx.NewRaw("INSERT INTO placement_provider_aggregates VALUES (?, ?)", uuid.NewString(), uuid.NewString()).Exec(ctx)
				return err
			})
		})
	})
}

func parallel(b *testing.B, work func(context.Context) error) {
	b.Helper()
	b.SetParallelism(32)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := work(context.Background()); err != nil {
				b.Error(err)
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "writes/s")
}
