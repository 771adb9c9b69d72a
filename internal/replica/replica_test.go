package replica_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gostack/internal/replica"
	"gostack/internal/store"
	"gostack/internal/store/storetest"
)

func until(t *testing.T, what string, cond func() bool) {
	t.Helper()
	for deadline := time.Now().Add(60 * time.Second); !cond(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within a minute: %s", what)
		}
	}
}

// lease is short, but not so short that a busy machine holds up a process for what is left of it when it is to be renewed, or has ended.
const lease = 2500 * time.Millisecond

func join(t *testing.T, db *store.DB, name string) *replica.Group {
	t.Helper()
	g := replica.New(replica.Options{DB: db, Name: name, Address: "http://" + name, Version: "v1", Lease: lease})
	if err := g.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return g
}

func open(t *testing.T, url string) *store.DB {
	t.Helper()
	db, err := store.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// at counts who is inside the led work; never two.
type at struct {
	mu    sync.Mutex
	who   string
	terms map[string]int
	t     *testing.T
}

func (a *at) lead(name string) func(context.Context) {
	return func(ctx context.Context) {
		a.mu.Lock()
		if a.who != "" {
			a.t.Errorf("%s and %s lead at once", a.who, name)
		}
		a.who = name
		a.terms[name]++
		a.mu.Unlock()
		<-ctx.Done()
		a.mu.Lock()
		a.who = ""
		a.mu.Unlock()
	}
}

func (a *at) leader() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.who
}

// One leads; another follows when it leaves, and when it falls silent; a database that is away ends the term before anybody else may begin one.
func TestOneLeads(t *testing.T) {
	s := storetest.NewServer(t)
	url := s.Database()
	if err := open(t, url).Migrate(t.Context(), replica.Migrations); err != nil {
		t.Fatal(err)
	}
	a := &at{terms: map[string]int{}, t: t}
	type one struct {
		*replica.Group
		db    *store.DB
		leave func()
	}
	members := map[string]*one{}
	var wg sync.WaitGroup
	start := func(name string) {
		m := &one{db: open(t, url)}
		m.Group = join(t, m.db, name)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		wg.Go(func() {
			defer close(done)
			m.Lead(ctx, "sweep", a.lead(name))
		})
		m.leave = func() { cancel(); <-done }
		members[name] = m
	}
	for _, name := range []string{"x", "y", "z"} {
		start(name)
	}
	// leads waits until one of those who may leads, and returns it: a moment later nobody may.
	leads := func(what string, may func(name string) bool) (m *one) {
		t.Helper()
		until(t, what, func() bool {
			who := a.leader()
			if who == "" || !may(who) {
				return false
			}
			m = members[who]
			return true
		})
		return m
	}
	first := leads("somebody leads", func(string) bool { return true })
	list, err := first.Members(t.Context())
	if err != nil || len(list) != 3 {
		t.Fatalf("members %+v, %v", list, err)
	}
	for _, m := range list {
		if !m.Alive || m.Address != "http://"+m.Name || (len(m.Leads) == 1) != (m.Name == first.Name) {
			t.Errorf("%+v", m)
		}
	}
	first.leave()
	if err := first.Stop(t.Context()); err != nil {
		t.Error(err)
	}
	second := leads("another leads", func(who string) bool { return who != first.Name })
	_ = second.db.Close() // it can renew no more, as if it were cut off
	third := leads("the third leads", func(who string) bool { return who != first.Name && who != second.Name })
	terms := func() int { a.mu.Lock(); defer a.mu.Unlock(); return a.terms[third.Name] }
	before := terms()
	s.Stop()
	until(t, "nobody leads while the database is away", func() bool { return a.leader() == "" })
	s.Start()
	until(t, "the third leads again", func() bool { return a.leader() == third.Name && terms() > before })
	list, err = third.Members(t.Context())
	for _, m := range list {
		if m.Alive != (m.Name == third.Name) && m.Name != second.Name { // the second may have been seen a moment ago
			t.Errorf("%+v, %v", m, err)
		}
	}
	third.leave()
	second.leave()
	if err := third.Stop(t.Context()); err != nil {
		t.Error(err)
	}
	wg.Wait()
}

func TestEveryAndAlone(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		g := join(t, db, "only")
		defer func() { _ = g.Stop(context.Background()) }()
		ctx, cancel := context.WithCancel(t.Context())
		var runs atomic.Int64
		done := make(chan struct{})
		go func() {
			defer close(done)
			g.Every(ctx, "tick", time.Millisecond, func(context.Context) error {
				runs.Add(1)
				return errors.New("each fails, and the next comes all the same")
			})
		}()
		until(t, "it runs again", func() bool { return runs.Load() > 3 })
		cancel()
		<-done
		if !g.Shared() {
			return
		}
		other := join(t, db, "other")
		err := g.Alone(t.Context(), "audit", func(ctx context.Context) error {
			for _, x := range []*replica.Group{g, other} {
				if err := x.Alone(ctx, "audit", func(context.Context) error { return nil }); !errors.Is(err, replica.ErrBusy) {
					t.Errorf("a second audit: %v", err)
				}
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
		if err := other.Alone(t.Context(), "audit", func(context.Context) error { return nil }); err != nil {
			t.Errorf("after the first has ended: %v", err)
		}
		living, err := replica.Living(t.Context(), db, time.Minute)
		if err != nil || len(living) != 2 {
			t.Errorf("living: %v, %v", living, err)
		}
	}, replica.Migrations)
}
