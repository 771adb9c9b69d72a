package neutron_test

import (
	"context"
	"errors"
	"testing"

	"gostack/internal/neutron"
	"gostack/internal/neutron/attr"
	"gostack/internal/neutron/db"
	"gostack/internal/neutron/driver"
	"gostack/internal/neutron/neutrontest"
	"gostack/internal/store"
	"gostack/internal/store/storetest"
)

func TestAnEngineThatIsAwayGetsEverythingLater(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		h.Wait = 1 // do not wait for what cannot come
		h.engine.Fail(driver.ErrUnavailable)
		net, subnet := h.network(t, alice, "10.0.0.0/24", nil)
		p, err := h.CreatePort(t.Context(), alice, attr.Values{"network_id": net, "project_id": alice.ProjectID})
		if err != nil {
			t.Fatal(err)
		}
		gone, _ := h.network(t, alice, "", nil)
		if err := h.DeleteNetwork(t.Context(), gone); err != nil {
			t.Fatal(err)
		}
		if _, err := h.BindPorts(t.Context(), []string{p.ID}, "host-1"); err == nil {
			t.Error("BindPorts says that the engine has what it cannot have")
		}
		h.engine.Fail(nil)
		h.clean(t)
		if !h.engine.Has("network", net) || !h.engine.Has("subnet", subnet) || !h.engine.Has("port", p.ID) || h.engine.Has("network", gone) {
			t.Errorf("the engine has %v", h.engine.Kinds())
		}
	})
}

// TestAKilledProcessLosesNothing stops before anything is realised; another process finds the notes.
func TestAKilledProcessLosesNothing(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *store.DB) {
		engine := neutrontest.New()
		dead := neutron.New(neutron.Config{DB: d, Backend: engine, Wait: 1}) // never runs
		n, err := dead.CreateNetwork(t.Context(), nil, attr.Values{"name": "n", "project_id": "p"})
		if err != nil {
			t.Fatal(err)
		}
		if engine.Calls() != 0 {
			t.Fatal("the engine was told by a process that does not run")
		}
		h := newHouse(t, d, engine)
		eventually(t, "the network is in the engine", func() bool { return engine.Has("network", n.ID) })
		h.clean(t)
	}, db.Migrations)
}

func TestTheEngineIsMadeTrueAtStart(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *store.DB) {
		engine := neutrontest.New()
		h := newHouse(t, d, engine)
		net, _ := h.network(t, alice, "10.0.0.0/24", nil)
		h.clean(t)
		h.stop()
		// Somebody wipes one network behind our back and leaves another.
		_ = engine.DeleteNetwork(context.Background(), net)
		_ = engine.EnsureNetwork(context.Background(), driver.NetworkSpec{ID: "orphan"})
		found, err := h.Audit(t.Context(), false)
		if err != nil || len(found) != 2 {
			t.Fatalf("audit: %v %v", found, err)
		}
		h = newHouse(t, d, engine)
		eventually(t, "the engine is true", func() bool { return engine.Has("network", net) && !engine.Has("network", "orphan") })
		h.clean(t)
	}, db.Migrations)
}

// TestManyChangesOfOneThing ends with the last state, whatever was on its way.
func TestManyChangesOfOneThing(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		net, _ := h.network(t, alice, "10.0.0.0/24", nil)
		done := make(chan error)
		for i := range 20 {
			go func() {
				_, err := h.UpdateNetwork(t.Context(), nil, net, attr.Values{"mtu": int64(1000 + i)})
				done <- err
			}()
		}
		for range 20 {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		h.clean(t)
	})
}

// TestTwoReplicas realise the same database on one engine.
func TestTwoReplicas(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *store.DB) {
		engine := neutrontest.New()
		a, b := newHouse(t, d, engine), newHouse(t, d, engine)
		net, _ := a.network(t, alice, "10.0.0.0/24", nil)
		for i := range 10 {
			x := a
			if i%2 == 1 {
				x = b
			}
			if _, err := x.UpdateNetwork(t.Context(), nil, net, attr.Values{"name": string(rune('a' + i))}); err != nil {
				t.Fatal(err)
			}
		}
		// The slower of both may tell the engine an older state after the other has settled the note: it then notes the network anew.
		eventually(t, "the engine has the last state, and nothing is noted", func() bool {
			rows, err := db.AllPending(t.Context(), d.Read(t.Context()))
			spec, _ := neutrontest.Spec[driver.NetworkSpec](engine, "network", net)
			return err == nil && len(rows) == 0 && spec.Name == "j"
		})
		eventually(t, "nothing differs", func() bool {
			found, err := a.Audit(t.Context(), false)
			return err == nil && len(found) == 0
		})
	}, db.Migrations)
}

func TestSomethingTheEngineNeverTakesStopsNothingElse(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		h.engine.Fail(errors.Join(driver.ErrInvalid, errors.New("no")))
		h.Wait = 1
		h.network(t, alice, "", nil)
		h.engine.Fail(nil)
		net, _ := h.network(t, bob, "10.0.0.0/24", nil)
		eventually(t, "the other network is there", func() bool { return h.engine.Has("network", net) })
		h.clean(t)
	})
}
