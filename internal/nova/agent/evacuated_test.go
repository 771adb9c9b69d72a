package agent_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"gostack/internal/bus"
	"gostack/internal/nova/driver"
	"gostack/internal/nova/driver/simulated"
	"gostack/internal/nova/rpc"
)

// A host that was taken for dead gives up what runs elsewhere, keeps off what is about to, and starts nothing before it knows.
func TestHostThatWasTakenForDead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := simulate(t, simulated.Delays{})
		for _, id := range []string{"done", "under way", "own"} {
			s := spec(id)
			for _, err := range []error{d.PrepareDisks(t.Context(), s), d.Define(t.Context(), s), d.Start(t.Context(), id)} {
				if err != nil {
					t.Fatal(err)
				}
			}
		}
		c := newControl()
		a := start(t, c, d, "")
		defer a.Stop()
		// A message from before comes late: it waits, and then finds nothing to start.
		late := make(chan error, 1)
		go func() { late <- c.call(t, rpc.Start, rpc.ServerRef{ServerID: "done"}, nil) }()
		synctest.Wait()

		var mu sync.Mutex
		var gone []string
		list := []rpc.Evacuation{{Migration: "m1", ServerID: "done", Done: true}, {Migration: "m2", ServerID: "under way"}, {Migration: "m3", ServerID: "never here", Done: true}}
		stop, err := c.bus.Serve(bus.To{Topic: rpc.ConductorTopic}, bus.Handlers{
			rpc.HostUp: bus.Handle(func(context.Context, string, rpc.HostUpArgs) (rpc.HostUpReply, error) {
				mu.Lock()
				defer mu.Unlock()
				return rpc.HostUpReply{NodeID: "node-1", Evacuations: slices.Clone(list)}, nil
			}),
			rpc.EvacuationsDone: bus.Handle(func(_ context.Context, from string, a rpc.EvacuationsDoneArgs) (any, error) {
				mu.Lock()
				defer mu.Unlock()
				if from != host || a.Host != host {
					t.Errorf("told by %q for %q", from, a.Host)
				}
				gone = append(gone, a.Migrations...)
				list = slices.DeleteFunc(list, func(e rpc.Evacuation) bool { return slices.Contains(a.Migrations, e.Migration) })
				return nil, nil
			}),
			rpc.Heartbeat:   bus.Handle(func(context.Context, string, rpc.HeartbeatArgs) (any, error) { return nil, nil }),
			rpc.PowerEvents: bus.Handle(func(context.Context, string, rpc.PowerEventsArgs) (any, error) { return nil, nil }),
		})
		if err != nil {
			t.Fatal(err)
		}
		defer stop()
		if err := <-late; err == nil {
			t.Error("an evacuated server was started")
		}
		time.Sleep(20 * time.Second)
		states := func() map[string]driver.PowerState {
			guests, err := d.List(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			m := map[string]driver.PowerState{}
			for _, g := range guests {
				m[g.ID] = g.State
			}
			return m
		}
		if got := states(); len(got) != 2 || got["under way"] != driver.Shutdown || got["own"] != driver.Running {
			t.Errorf("the host has %v", got)
		}
		mu.Lock()
		if !slices.Equal(gone, []string{"m1", "m3"}) {
			t.Errorf("told as gone: %v", gone)
		}
		list[0].Done = true
		mu.Unlock()
		time.Sleep(2 * time.Minute)
		if got := states(); len(got) != 1 || got["own"] != driver.Running {
			t.Errorf("afterwards the host has %v", got)
		}
	})
}
