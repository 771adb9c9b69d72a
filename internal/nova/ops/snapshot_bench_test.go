package ops_test

import (
	"context"
	"fmt"
	"runtime"
	"testing"
	"time"

	"gostack/internal/nova"
	"gostack/internal/nova/driver/simulated"
	"gostack/internal/nova/novatest"
	"gostack/internal/nova/ops"
	"gostack/internal/nova/scheduler"
	"gostack/internal/saga"
	"gostack/internal/store/storetest"
)

// BenchmarkManyHosts is what scheduling costs with many hosts in the database: reading all of it anew, reading what has changed, and a
// decision. Memory is what the process keeps for each host.
func BenchmarkManyHosts(b *testing.B) {
	for _, hosts := range []int{1000, 5000} {
		b.Run(fmt.Sprint(hosts), func(b *testing.B) {
			w := novatest.NewCloud(b, storetest.SQLite(b, novatest.Migrations...), 0)
			ctx := context.Background()
			for i := range hosts {
				name := fmt.Sprintf("host-%d", i)
				sim, err := simulated.New(simulated.Options{Hostname: name})
				if err != nil {
					b.Fatal(err)
				}
				info, err := sim.HostInfo(ctx)
				if err != nil {
					b.Fatal(err)
				}
				if _, err := w.Nova.HostUp(ctx, name, info); err != nil {
					b.Fatal(err)
				}
			}
			e := saga.NewEngine(w.DB, saga.Options{})
			o := ops.New(w.Nova, e, scheduler.DefaultConfig())
			srv := &nova.Server{ID: "aaaaaaaa-0000-4000-8000-000000000001", FlavorID: "1", Flavor: nova.FlavorCopy{Name: "x", VCPUs: 1, MemoryMB: 1, RootGB: 1}}
			measure := func(name string, fresh bool) {
				b.Run(name, func(b *testing.B) {
					for b.Loop() {
						if _, err := o.Choose(ctx, nova.Placing{Server: srv, Fresh: fresh}); err != nil {
							b.Fatal(err)
						}
					}
					b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "decisions/s")
				})
			}
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			begin := time.Now()
			if _, err := o.Choose(ctx, nova.Placing{Server: srv, Fresh: true}); err != nil {
				b.Fatal(err)
			}
			first := time.Since(begin)
			runtime.GC()
			runtime.ReadMemStats(&after)
			measure("decision", false)
			measure("fresh", true)
			b.Run("list", func(b *testing.B) {
				for b.Loop() {
					if list, err := w.Nova.Hypervisors(ctx, 0, 0, false); err != nil || len(list) != hosts {
						b.Fatal(len(list), err)
					}
				}
			})
			b.Logf("the first snapshot of %d hosts: %v; kept for each host: %d bytes", hosts, first, (int64(after.HeapAlloc)-int64(before.HeapAlloc))/int64(hosts))
		})
	}
}
