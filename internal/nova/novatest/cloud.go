package novatest

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"gostack/internal/bus"
	"gostack/internal/clock"
	"gostack/internal/glance"
	"gostack/internal/hostlink"
	"gostack/internal/nova"
	"gostack/internal/nova/agent"
	"gostack/internal/nova/db"
	"gostack/internal/nova/driver"
	"gostack/internal/nova/driver/simulated"
	"gostack/internal/nova/hardware"
	"gostack/internal/nova/ops"
	"gostack/internal/nova/rpc"
	"gostack/internal/nova/scheduler"
	"gostack/internal/placement"
	"gostack/internal/saga"
	"gostack/internal/store"
)

// Migrations are the tables that a Cloud needs.
var Migrations = []store.Migrations{saga.Migrations, placement.Migrations, glance.Migrations, db.Migrations}

// Cloud is a Nova with a real database, placement, scheduler and agents on simulated hosts; network and images are pretended.
type Cloud struct {
	// ResumeGuests is what agents that start from now on are told (resume_guests_state_on_host_boot).
	ResumeGuests bool

	T         testing.TB
	DB        *store.DB
	Nova      *nova.Service
	Network   *Network
	Images    Images
	Glance    *glance.Service // takes the images that servers become
	Placement *placement.Service
	Bus       bus.Bus
	Hosts     map[string]*Host
	Agents    map[string]*agent.Agent
	// Storage, when set before hosts are added, is shared by them.
	Storage *simulated.Storage
	// NUMA, when set before hosts are added, are the cells of each.
	NUMA *hardware.Host
	// PCI, when set before hosts are added, are the devices of each.
	PCI    []hardware.PCIDevice
	fabric hostlink.Fabric
}

// Host is a simulated host whose Define can be made to fail.
type Host struct {
	*simulated.Driver
	broken atomic.Pointer[driver.Fault]
}

// Break makes definitions fail from now on; nil heals it.
func (h *Host) Break(f *driver.Fault) { h.broken.Store(f) }

// Define implements driver.Driver.
func (h *Host) Define(ctx context.Context, spec driver.GuestSpec) error {
	if f := h.broken.Load(); f != nil {
		return f
	}
	return h.Driver.Define(ctx, spec)
}

// NewCloud makes a cloud with hosts host-1, host-2, … and a flavor "1". Its operations do not run: see Run.
func NewCloud(t testing.TB, d *store.DB, hosts int) *Cloud {
	t.Helper()
	return NewCloudOn(t, d, hosts, bus.NewMemory())
}

// NewCloudOn makes a cloud whose parts talk over a given bus.
func NewCloudOn(t testing.TB, d *store.DB, hosts int, over bus.Bus) *Cloud {
	t.Helper()
	network := NewNetwork()
	w := &Cloud{
		T: t, DB: d, Network: network, Glance: newGlance(t, d), Images: Images{}, Placement: &placement.Service{DB: d}, Bus: over, Hosts: map[string]*Host{}, Agents: map[string]*agent.Agent{},
	}
	w.Nova = &nova.Service{
		DB: d, Clock: clock.System, Network: network, Groups: network, Placement: nova.WithNUMA(w.Placement), Images: bothImages{w.Images, w.Glance}, Made: w.Glance, Hosts: ops.BusHosts{Bus: w.Bus}, Log: quiet(),
		Config: nova.Config{ConsoleURL: "http://127.0.0.1:5000/novnc"},
	}
	if _, err := w.Bus.Serve(bus.To{Topic: rpc.ConductorTopic}, w.Nova.ConductorHandlers()); err != nil {
		t.Fatal(err)
	}
	for i := range hosts {
		w.AddHost(fmt.Sprintf("host-%d", i+1))
	}
	err := d.Write(t.Context(), func(ctx context.Context, tx store.Tx) error {
		return db.Insert(ctx, tx, &nova.Flavor{ID: "1", Name: "m1.tiny", MemoryMB: 512, VCPUs: 1, RootGB: 1, RxTxFactor: 1, IsPublic: true, ExtraSpecs: map[string]string{}, CreatedAt: clock.System.Now()})
	})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func quiet() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

// AddHost starts the agent of a new simulated host.
func (w *Cloud) AddHost(name string) {
	w.T.Helper()
	sim, err := simulated.New(simulated.Options{Hostname: name, Storage: w.Storage, NUMA: w.NUMA, PCI: w.PCI})
	if err != nil {
		w.T.Fatal(err)
	}
	w.Hosts[name] = &Host{Driver: sim}
	w.StartAgent(name)
}

// StartAgent starts the agent of a host that has none: a new one, or one whose agent was stopped.
func (w *Cloud) StartAgent(name string) {
	w.T.Helper()
	link := hostlink.New(hostlink.Options{Self: hostlink.Identity{Host: name}, Fabric: &w.fabric, Log: quiet()})
	a, err := agent.New(agent.Options{Host: name, Bus: w.Bus, Driver: w.Hosts[name], Log: quiet(), Images: w.sink(name), Streams: link, Resume: w.ResumeGuests})
	if err != nil {
		w.T.Fatal(err)
	}
	link.Handle(driver.DisksService, agent.DisksHandler(func(string) *agent.Agent { return a }))
	link.Handle(driver.LiveService, agent.LiveHandler(func(string) *agent.Agent { return a }))
	w.T.Cleanup(link.Stop)
	if err := a.Start(w.T.Context()); err != nil {
		w.T.Fatal(err)
	}
	w.Agents[name] = a
	w.T.Cleanup(a.Stop)
	Until(w.T, "host "+name+" is known", func() bool { return a.Ready() == nil })
}

// Register ties the operations to an engine.
func (w *Cloud) Register(e *saga.Engine) { ops.New(w.Nova, e, scheduler.DefaultConfig()) }

// Run starts an engine that works until stop is called, at the latest at the end of the test.
func (w *Cloud) Run() (stop func()) {
	e := saga.NewEngine(w.DB, saga.Options{Log: quiet()})
	w.Register(e)
	if err := e.Run(context.Background()); err != nil {
		w.T.Fatal(err)
	}
	stop = func() { _ = e.Stop(context.Background()) }
	w.T.Cleanup(stop)
	return stop
}

// Settled waits until no operation holds a server and returns it, or nil when it is gone.
func (w *Cloud) Settled(id string) *nova.Server {
	w.T.Helper()
	var srv *nova.Server
	Until(w.T, "server "+id+" has no operation", func() bool {
		var err error
		srv, err = db.GetServer(context.Background(), w.DB.Read(context.Background()), id)
		if store.IsNotFound(err) {
			srv = nil
			return true
		}
		if err != nil {
			w.T.Fatal(err)
		}
		return srv.OperationID == nil
	})
	return srv
}

// Servers returns all servers that live.
func (w *Cloud) Servers() []*nova.Server {
	w.T.Helper()
	list, err := db.ListServers(context.Background(), w.DB.Read(context.Background()), db.ServerFilter{})
	if err != nil {
		w.T.Fatal(err)
	}
	return list
}

// Clean fails unless hosts, placement and, one port for each server, the network have exactly what the database says.
func (w *Cloud) Clean(t testing.TB) {
	t.Helper()
	ctx := context.Background()
	placed := map[string]string{}
	for _, s := range w.Servers() {
		if s.TaskState != "" || s.OperationID != nil {
			t.Errorf("server %s is in task %q of %v", s.Name, s.TaskState, s.OperationID)
		}
		if s.Host != "" {
			placed[s.ID] = s.Host
		}
	}
	holding, err := db.HoldingMigrations(ctx, w.DB.Read(ctx))
	if err != nil {
		t.Fatal(err)
	}
	guests := 0
	for name, h := range w.Hosts {
		list, err := h.List(ctx)
		if err != nil {
			t.Fatal(err)
		}
		sets, err := h.Disks(ctx)
		if err != nil {
			t.Fatal(err)
		}
		disks, asides := 0, 0
		for _, d := range sets {
			if d.Aside {
				asides++
			} else {
				disks++
			}
		}
		if len(list) != disks {
			t.Errorf("%s: %d guests and %d sets of disks", name, len(list), disks)
		}
		if want := w.asides(t, name); asides != want {
			t.Errorf("%s has %d sets of disks aside, want %d", name, asides, want)
		}
		for _, g := range list {
			guests++
			if placed[g.ID] != name {
				t.Errorf("%s has guest %s, which is on %q", name, g.ID, placed[g.ID])
			}
		}
	}
	consumers, err := w.Placement.Consumers(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if guests != len(placed) || len(consumers) != len(placed)+len(holding) || w.Network.Ports() != len(placed) {
		t.Errorf("%d servers on hosts, %d moves, %d guests, %d consumers, %d ports", len(placed), len(holding), guests, len(consumers), w.Network.Ports())
	}
}

// asides counts the resizes that a host may have to take back.
func (w *Cloud) asides(t testing.TB, host string) int {
	t.Helper()
	list, err := db.ListMigrations(context.Background(), w.DB.Read(context.Background()), db.MigrationFilter{SourceCompute: host, Statuses: []string{nova.MoveFinished}})
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

// Until waits until ok, or fails after three minutes: a busy machine takes its time.
func Until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(3 * time.Minute); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("in vain waited until %s", what)
		}
	}
}
