package ops_test

import (
	"context"
	"testing"

	"gostack/internal/bus"
	"gostack/internal/neutron"
	"gostack/internal/nova"
	"gostack/internal/nova/novatest"
	"gostack/internal/policy"
	"gostack/internal/rest/resttest"
	"gostack/internal/saga"
	"gostack/internal/saga/sagatest"
	"gostack/internal/store"
	"gostack/internal/store/storetest"
)

// world is a cloud and who uses it.
type world struct {
	*novatest.Cloud
	caller *policy.Caller
}

func newWorld(t *testing.T, d *store.DB, hosts int) *world {
	return &world{Cloud: novatest.NewCloudOn(t, d, hosts, transport(t)), caller: resttest.Personas["member"]}
}

// databases runs a test on each; TestOverABadBus has one only.
var databases = storetest.Each

// transport makes the bus of a world; TestOverABadBus has another one.
var transport = func(*testing.T) bus.Bus { return bus.NewMemory() }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (w *world) boot(ctx context.Context, name string) (*nova.Server, error) {
	list, err := w.Nova.CreateServers(ctx, w.caller, nova.CreateRequest{
		Name: name, FlavorID: "1", ImageID: novatest.ImageID, Min: 1, Max: 1, DiskConfig: "MANUAL", ConfigDrive: true, Networks: []neutron.NICRequest{{NetworkID: novatest.NetworkID}},
	})
	if err != nil {
		return nil, err
	}
	return list[0], nil
}

// onOnly does something with the id of the only server.
func (w *world) onOnly(ctx context.Context, do func(id string) error) error {
	srv, err := w.only(ctx)
	if err != nil {
		return err
	}
	return do(srv.ID)
}

// settled boots a server and waits until it has settled.
func (w *world) settled(name string) *nova.Server {
	w.T.Helper()
	srv, err := w.boot(context.Background(), name)
	must(w.T, err)
	return w.Settled(srv.ID)
}

// proof makes a world for the generated tests: prepare sets the stage, start stores the operation.
func proof(prepare func(w *world), start func(ctx context.Context, w *world) error, done, undone func(t *testing.T, w *world)) func(t *testing.T) *sagatest.World {
	return proofOn(1, prepare, start, done, undone)
}

// proofOn is proof in a world of several hosts.
func proofOn(hosts int, prepare func(w *world), start func(ctx context.Context, w *world) error, done, undone func(t *testing.T, w *world)) func(t *testing.T) *sagatest.World {
	return func(t *testing.T) *sagatest.World {
		w := newWorld(t, storetest.Either(t, novatest.Migrations...), hosts)
		if prepare != nil {
			stop := w.Run()
			prepare(w)
			stop()
		}
		return &sagatest.World{
			DB: w.DB, Register: w.Register,
			Start:  func(ctx context.Context, _ *saga.Engine, _ store.Tx) error { return start(ctx, w) },
			Done:   func(t *testing.T) { t.Helper(); done(t, w) },
			Undone: func(t *testing.T) { t.Helper(); undone(t, w) },
		}
	}
}

func (w *world) setQuota(t *testing.T, resource string, limit int64) {
	t.Helper()
	must(t, w.Nova.SetQuotas(t.Context(), w.caller.ProjectID, "", nova.Limits{resource: limit}, true))
}
