package ops_test

import (
	"context"
	"testing"

	"gostack/internal/neutron"
	"gostack/internal/nova"
	"gostack/internal/nova/db"
	"gostack/internal/nova/novatest"
	"gostack/internal/store"
)

// TestGroupsHoldWhenServersRace creates many servers of one group at once. Upstream checks late on the host and still lets
// some through; here the claim verifies the group.
func TestGroupsHoldWhenServersRace(t *testing.T) {
	for _, test := range []struct {
		policy string
		rules  map[string]int
		active int // of 8 servers on 3 hosts
		most   int // on one host
	}{
		{"anti-affinity", nil, 3, 1},
		{"anti-affinity", map[string]int{"max_server_per_host": 2}, 6, 2},
		{"affinity", nil, 8, 8},
	} {
		t.Run(test.policy, func(t *testing.T) {
			each(t, 3, func(t *testing.T, w *world) {
				ctx := t.Context()
				const group = "0f0e0d0c-0000-4000-8000-0000000000aa"
				must(t, w.DB.Write(ctx, func(ctx context.Context, tx store.Tx) error {
					return db.Insert(ctx, tx, &nova.ServerGroup{
						ID: group, ProjectID: w.caller.ProjectID, UserID: w.caller.UserID, Name: "g", Policy: test.policy, Rules: test.rules, CreatedAt: w.Nova.Now(),
					})
				}))
				var list []*nova.Server
				for range 8 { // requests of their own: one for eight is one decision
					made, err := w.Nova.CreateServers(ctx, w.caller, nova.CreateRequest{
						Name: "s", FlavorID: "1", ImageID: novatest.ImageID, Min: 1, Max: 1, DiskConfig: "MANUAL", Networks: []neutron.NICRequest{{NetworkID: novatest.NetworkID}},
						Hints: map[string]any{"group": group},
					})
					must(t, err)
					list = append(list, made...)
				}
				active, on := 0, map[string]int{}
				for _, srv := range list {
					if srv = w.Settled(srv.ID); srv.VMState == nova.Active {
						active++
						on[srv.Host]++
					}
				}
				if active != test.active {
					t.Errorf("%d servers are active, want %d: %v", active, test.active, on)
				}
				for host, n := range on {
					if n > test.most || test.policy == "affinity" && n != active {
						t.Errorf("%d servers on %s: %v", n, host, on)
					}
				}
			})
		})
	}
}
