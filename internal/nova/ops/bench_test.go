package ops_test

import (
	"context"
	"fmt"
	"testing"

	"gostack/internal/neutron"
	"gostack/internal/nova"
	"gostack/internal/nova/novatest"
	"gostack/internal/rest/resttest"
	"gostack/internal/store/storetest"
)

// BenchmarkBoot takes servers to ACTIVE on ten simulated hosts, 100 at a time.
func BenchmarkBoot(b *testing.B) {
	w := &world{Cloud: novatest.NewCloud(b, storetest.SQLite(b, novatest.Migrations...), 10), caller: resttest.Personas["member"]}
	w.Run()
	if err := w.Nova.SetQuotas(b.Context(), w.caller.ProjectID, "", nova.Limits{"cores": -1, "instances": -1, "ram": -1}, true); err != nil {
		b.Fatal(err)
	}
	const each = 100
	n := 0
	for b.Loop() {
		ids := make([]string, each)
		for i := range ids {
			n++
			list, err := w.Nova.CreateServers(context.Background(), w.caller, nova.CreateRequest{
				Name: fmt.Sprint("s", n), FlavorID: "1", ImageID: novatest.ImageID, Min: 1, Max: 1, Networks: []neutron.NICRequest{{NetworkID: novatest.NetworkID}},
			})
			if err != nil {
				b.Fatal(err)
			}
			ids[i] = list[0].ID
		}
		for _, id := range ids {
			if s := w.Settled(id); s.VMState != nova.Active {
				b.Fatalf("%s: %+v", s.VMState, s.Fault)
			}
		}
	}
	b.ReportMetric(float64(each*b.N)/b.Elapsed().Seconds(), "boots/s")
}
