package ops_test

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"gostack/internal/nova"
	"gostack/internal/nova/driver"
	"gostack/internal/nova/ops"
	"gostack/internal/nova/scheduler"
	"gostack/internal/placement"
	"gostack/internal/saga"
)

// TestHundredsAtOnceNeverOverCommit: far more servers than fit are asked for at once, one by one and several together, from two control
// replicas that decide for themselves. Exactly as many run as fit; the others say why not.
func TestHundredsAtOnceNeverOverCommit(t *testing.T) {
	each(t, 20, func(t *testing.T, w *world) {
		w.setQuota(t, "ram", -1)
		w.setQuota(t, "cores", -1)
		w.setQuota(t, "instances", -1)
		big := w.bigFlavor(t) // two fit on a host, so 40 in all
		replicas := []*nova.Service{w.Nova, w.replica(t)}
		var wg sync.WaitGroup
		var mu sync.Mutex
		var ids []string
		for i := range 210 {
			wg.Go(func() {
				in := request(fmt.Sprint("s", i))
				in.FlavorID = big
				if i%10 == 0 {
					in.Max = 5
				}
				list, err := replicas[i%2].CreateServers(context.Background(), w.caller, in)
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				defer mu.Unlock()
				for _, srv := range list {
					ids = append(ids, srv.ID)
				}
			})
		}
		wg.Wait()
		on, active := map[string]int{}, 0
		for _, id := range ids {
			switch srv := w.Settled(id); {
			case srv.VMState == nova.Active:
				on[srv.Host]++
				active++
			case srv.VMState != nova.InError || srv.PowerState != int(driver.NoState) || srv.Host != "" || srv.Fault.Message != "No valid host was found. There are not enough hosts available.":
				t.Errorf("%s on %q: %+v", srv.VMState, srv.Host, srv.Fault)
			}
		}
		if active != 40 {
			t.Errorf("%d of %d servers run, want 40: %v", active, len(ids), on)
		}
		for host, n := range on {
			if n > 2 {
				t.Errorf("%d servers on %s, which has room for 2", n, host)
			}
		}
		if drifts, err := w.Placement.Audit(t.Context(), false); err != nil || len(drifts) > 0 {
			t.Errorf("placement: %v %v", drifts, err)
		}
		w.Clean(t)
	})
}

// replica is a second control process on the same database: its own snapshots, its own workers.
func (w *world) replica(t *testing.T) *nova.Service {
	t.Helper()
	n := w.Nova
	second := &nova.Service{
		DB: n.DB, Clock: n.Clock, Network: n.Network, Groups: n.Groups, Images: n.Images, Made: n.Made, Hosts: n.Hosts, Log: n.Log, Config: n.Config,
		Placement: &placement.Service{DB: n.DB},
	}
	e := saga.NewEngine(n.DB, saga.Options{Log: n.Log, Shared: true})
	ops.New(second, e, scheduler.DefaultConfig())
	must(t, e.Run(context.Background()))
	t.Cleanup(func() { _ = e.Stop(context.Background()) })
	return second
}
