package api_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"gostack/internal/clock"
	"gostack/internal/nova"
	"gostack/internal/nova/api"
	"gostack/internal/nova/novatest"
	"gostack/internal/rest/resttest"
	"gostack/internal/store"
	"gostack/internal/store/storetest"
)

// BenchmarkDetail lists 1,000 servers in detail out of 100,000, ten projects of which share the rows.
func BenchmarkDetail(b *testing.B) {
	d := storetest.SQLite(b, novatest.Migrations...)
	svc := &nova.Service{DB: d, Clock: clock.System, Network: novatest.NewNetwork(), Groups: novatest.NewNetwork()}
	now := clock.System.Now()
	const total, batch = 100_000, 500
	for from := 0; from < total; from += batch {
		rows := make([]*nova.Server, batch)
		for i := range rows {
			n := from + i
			at := now.Add(time.Duration(n) * time.Millisecond)
			rows[i] = &nova.Server{
				ID: fmt.Sprintf("%08d-0000-4000-8000-000000000000", n), ProjectID: fmt.Sprintf("project-%d", n%10), UserID: "u", Name: fmt.Sprint("s", n), Hostname: "s", VMState: nova.Active, PowerState: 1,
				Host: fmt.Sprint("host-", n%100), Node: "n", AvailabilityZone: "nova", ReservationID: "r-1", FlavorID: "1", Flavor: nova.FlavorCopy{Name: "m1.tiny", VCPUs: 1, MemoryMB: 512, RootGB: 1},
				VCPUs: 1, MemoryMB: 512, RootGB: 1, ImageID: novatest.ImageID, DiskConfig: "AUTO", Metadata: map[string]string{"k": "v"}, Tags: []string{"t"}, CreatedAt: at, UpdatedAt: at, LaunchedAt: &at,
			}
		}
		if err := d.Write(context.Background(), func(ctx context.Context, tx store.Tx) error {
			_, err := tx.NewInsert().Model(&rows).Exec(ctx)
			return err
		}); err != nil {
			b.Fatal(err)
		}
	}
	h := resttest.New(b, api.New(svc)...).Handler
	for _, path := range []string{"/servers/detail?limit=1000", "/servers/detail?limit=1000&all_tenants=1", "/servers/00000042-0000-4000-8000-000000000000"} {
		b.Run(path, func(b *testing.B) {
			for b.Loop() {
				req := httptest.NewRequestWithContext(context.Background(), http.MethodGet, base+path, nil)
				req.Header.Set("X-Auth-Token", "admin")
				if path == "/servers/detail?limit=1000" {
					req.Header.Set("X-Auth-Token", "member") // of project-1
				}
				req.Header.Set("OpenStack-API-Version", "compute 2.90")
				rec := httptest.NewRecorder()
				h.ServeHTTP(rec, req)
				if rec.Code != http.StatusOK {
					body, _ := io.ReadAll(rec.Body)
					b.Fatalf("%d %s", rec.Code, body)
				}
			}
		})
	}
}
