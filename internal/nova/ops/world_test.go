package ops_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"gostack/internal/bus"
	"gostack/internal/neutron"
	"gostack/internal/nova"
	"gostack/internal/nova/agent"
	"gostack/internal/nova/db"
	"gostack/internal/nova/driver"
	"gostack/internal/nova/driver/simulated"
	"gostack/internal/nova/novatest"
	"gostack/internal/nova/ops"
	"gostack/internal/nova/rpc"
	"gostack/internal/nova/scheduler"
	"gostack/internal/placement"
	"gostack/internal/policy"
	"gostack/internal/rest/resttest"
	"gostack/internal/saga"
	"gostack/internal/saga/sagatest"
	"gostack/internal/store"
	"gostack/internal/store/storetest"
)

// world is a Nova with a real database, placement, scheduler and agents on simulated hosts; the network is pretended.
type world struct {
	t         *testing.T
	db        *store.DB
	nova      *nova.Service
	network   *novatest.Network
	placement *placement.Service
	bus       *bus.Memory
	hosts     map[string]*host
	caller    *policy.Caller
}

// host is a simulated host whose Define can be made to fail.
type host struct {
	*simulated.Driver
	broken atomic.Pointer[driver.Fault]
}

func (h *host) Define(ctx context.Context, spec driver.GuestSpec) error {
	if f := h.broken.Load(); f != nil {
		return f
	}
	return h.Driver.Define(ctx, spec)
}

var migrations = []store.Migrations{saga.Migrations, placement.Migrations, db.Migrations}

func newWorld(t *testing.T, d *store.DB, hosts int) *world {
	w := &world{
		t: t, db: d, network: novatest.NewNetwork(), placement: &placement.Service{DB: d}, bus: bus.NewMemory(), hosts: map[string]*host{},
		caller: resttest.Personas["member"],
	}
	quiet := slog.New(slog.NewTextHandler(io.Discard, nil))
	w.nova = &nova.Service{DB: d, Network: w.network, Groups: w.network, Placement: w.placement, Images: novatest.Images{}, Hosts: ops.BusHosts{Bus: w.bus}, Log: quiet}
	if _, err := w.bus.Serve(bus.To{Topic: rpc.ConductorTopic}, w.nova.ConductorHandlers()); err != nil {
		t.Fatal(err)
	}
	for i := range hosts {
		name := fmt.Sprintf("host-%d", i+1)
		sim, err := simulated.New(simulated.Options{Hostname: name})
		must(t, err)
		w.hosts[name] = &host{Driver: sim}
		a, err := agent.New(agent.Options{Host: name, Bus: w.bus, Driver: w.hosts[name], Log: quiet})
		if err != nil {
			t.Fatal(err)
		}
		if err := a.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(a.Stop)
		until(t, "the host is known", func() bool { return a.Ready() == nil })
	}
	must(t, w.nova.CreateFlavor(t.Context(), w.caller, &nova.Flavor{ID: "1", Name: "m1.tiny", MemoryMB: 512, VCPUs: 1, RootGB: 1, IsPublic: true}))
	return w
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("in vain waited until %s", what)
		}
	}
}

// register ties the operations to an engine.
func (w *world) register(e *saga.Engine) { ops.New(w.nova, e, scheduler.DefaultConfig()) }

// run starts an engine that works until the end of the test.
func (w *world) run() {
	e := saga.NewEngine(w.db, saga.Options{Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
	w.register(e)
	must(w.t, e.Run(context.Background()))
	w.t.Cleanup(func() { _ = e.Stop(context.Background()) })
}

func (w *world) boot(ctx context.Context, name string) (*nova.Server, error) {
	list, err := w.nova.CreateServers(ctx, w.caller, nova.CreateRequest{
		Name: name, FlavorID: "1", ImageID: novatest.ImageID, Min: 1, Max: 1, DiskConfig: "MANUAL", ConfigDrive: true, Networks: []neutron.NICRequest{{NetworkID: novatest.NetworkID}},
	})
	if err != nil {
		return nil, err
	}
	return list[0], nil
}

// settled boots a server and waits until it has settled.
func (w *world) settled(name string) *nova.Server {
	w.t.Helper()
	srv, err := w.boot(w.t.Context(), name)
	must(w.t, err)
	return w.await(srv.ID)
}

func (w *world) await(id string) *nova.Server {
	w.t.Helper()
	var srv *nova.Server
	until(w.t, "server "+id+" has no operation", func() bool {
		var err error
		srv, err = db.GetServer(w.t.Context(), w.db.Read(w.t.Context()), id)
		if store.IsNotFound(err) {
			srv = nil
			return true
		}
		must(w.t, err)
		return srv.OperationID == nil
	})
	return srv
}

// clean fails unless hosts, network and placement have exactly what the database says.
func (w *world) clean(t *testing.T) {
	t.Helper()
	ctx := context.Background()
	servers, err := db.ListServers(ctx, w.db.Read(ctx), db.ServerFilter{})
	must(t, err)
	placed := map[string]string{}
	for _, s := range servers {
		if s.TaskState != "" || s.OperationID != nil {
			t.Errorf("server %s is in task %q of %v", s.Name, s.TaskState, s.OperationID)
		}
		if s.Host != "" {
			placed[s.ID] = s.Host
		}
	}
	guests := 0
	for name, h := range w.hosts {
		list, err := h.List(ctx)
		must(t, err)
		disks, err := h.Disks(ctx)
		must(t, err)
		if len(list) != len(disks) {
			t.Errorf("%s: %d guests and %d sets of disks", name, len(list), len(disks))
		}
		for _, g := range list {
			guests++
			if placed[g.ID] != name {
				t.Errorf("%s has guest %s, which is on %q", name, g.ID, placed[g.ID])
			}
		}
	}
	consumers, err := w.placement.Consumers(ctx)
	must(t, err)
	if guests != len(placed) || len(consumers) != len(placed) || w.network.Ports() != len(placed) {
		t.Errorf("%d servers on hosts, %d guests, %d consumers, %d ports", len(placed), guests, len(consumers), w.network.Ports())
	}
}

// proof makes a world for the generated tests: prepare sets the stage, start stores the operation.
func proof(d func(t *testing.T) *store.DB, prepare func(w *world), start func(ctx context.Context, w *world) error, done, undone func(t *testing.T, w *world)) func(t *testing.T) *sagatest.World {
	return func(t *testing.T) *sagatest.World {
		w := newWorld(t, d(t), 1)
		if prepare != nil {
			e := saga.NewEngine(w.db, saga.Options{Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
			w.register(e)
			must(t, e.Run(context.Background()))
			prepare(w)
			must(t, e.Stop(context.Background()))
		}
		return &sagatest.World{
			DB: w.db, Register: w.register,
			Start: func(ctx context.Context, _ *saga.Engine, _ store.Tx) error { return start(ctx, w) },
			Done: func(t *testing.T) {
				t.Helper()
				done(t, w)
			},
			Undone: func(t *testing.T) {
				t.Helper()
				undone(t, w)
			},
		}
	}
}

func sqlite(t *testing.T) *store.DB { return storetest.SQLite(t, migrations...) }

func (w *world) setQuota(t *testing.T, resource string, limit int64) {
	t.Helper()
	must(t, w.nova.SetQuotas(t.Context(), w.caller.ProjectID, "", nova.Limits{resource: limit}, true))
}
