package saga_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"gostack/internal/policy"
	"gostack/internal/saga"
	"gostack/internal/saga/sagatest"
	"gostack/internal/store"
	"gostack/internal/store/storetest"
)

// house is a pretend outside: things that exist, and a table of rows that should agree with it.
var tables = store.Migrations{Service: "house", FS: fstest.MapFS{"migrations/00001_houses.sql": {Data: []byte(`-- +goose Up
CREATE TABLE houses (id TEXT PRIMARY KEY, status TEXT NOT NULL, operation_id TEXT REFERENCES saga_operations (id));
`)}}}

type house struct {
	mu     sync.Mutex
	things map[string]bool
	calls  []string
}

func (h *house) call(name string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.calls = append(h.calls, name)
}

func (h *house) set(name string, exists bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if exists {
		h.things[name] = true
	} else {
		delete(h.things, name)
	}
}

func (h *house) list() (names []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for n := range h.things {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

type buildState struct {
	Site    string
	Tried   []string
	Waited  bool
	BadSite string
}

func build(h *house) *saga.Definition[buildState] {
	status := func(ctx context.Context, tx store.Tx, r *saga.Run[buildState], s string) error {
		_, err := tx.ExecContext(ctx, "UPDATE houses SET status = ?, operation_id = NULL WHERE id = ?", s, r.Resource.ID)
		return err
	}
	thing := func(name string) saga.Step[buildState] {
		return saga.Step[buildState]{
			Name: name,
			Do: func(_ context.Context, r *saga.Run[buildState]) error {
				h.set(r.State.Site+"/"+name, true)
				h.call(name)
				if r.State.Site == r.State.BadSite && name == "walls" {
					return saga.Rewind("site", errors.New("the ground is soft"))
				}
				return nil
			},
			Undo: func(_ context.Context, r *saga.Run[buildState]) error {
				h.set(r.State.Site+"/"+name, false)
				return nil
			},
		}
	}
	return &saga.Definition[buildState]{
		Kind: "house.build",
		Steps: []saga.Step[buildState]{
			{Name: "site", Save: func(_ context.Context, _ store.Tx, r *saga.Run[buildState]) error {
				r.State.Site = fmt.Sprintf("site%d", len(r.State.Tried)+1)
				r.State.Tried = append(r.State.Tried, r.State.Site)
				return nil
			}},
			thing("ground"), thing("walls"), thing("roof"),
		},
		OnDone: func(ctx context.Context, tx store.Tx, r *saga.Run[buildState]) error {
			return status(ctx, tx, r, "ACTIVE")
		},
		OnUndone: func(ctx context.Context, tx store.Tx, r *saga.Run[buildState]) error {
			return status(ctx, tx, r, "ERROR")
		},
	}
}

func startBuild(ctx context.Context, e *saga.Engine, tx store.Tx, s buildState) error {
	id, err := e.Start(ctx, tx, saga.Intent{Kind: "house.build", Resource: saga.Resource{Type: "house", ID: "h1"}, State: s, Caller: &policy.Caller{UserID: "u", ProjectID: "p"}, RequestID: "req-1"})
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, "INSERT INTO houses (id, status, operation_id) VALUES ('h1', 'BUILD', ?)", id)
	return err
}

func statusOf(t *testing.T, db *store.DB) string {
	t.Helper()
	var s string
	if err := db.Read(context.Background()).NewRaw("SELECT status FROM houses WHERE id = 'h1' AND operation_id IS NULL").Scan(context.Background(), &s); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestProve(t *testing.T) {
	for _, kind := range []struct {
		name string
		open func(testing.TB, ...store.Migrations) *store.DB
	}{{"sqlite", storetest.SQLite}, {"postgres", storetest.PostgreSQL}} {
		t.Run(kind.name, func(t *testing.T) {
			sagatest.Prove(t, "house.build", func(t *testing.T) *sagatest.World {
				h := &house{things: map[string]bool{}}
				db := kind.open(t, saga.Migrations, tables)
				return &sagatest.World{
					DB:       db,
					Register: func(e *saga.Engine) { saga.Register(e, build(h)) },
					Start: func(ctx context.Context, e *saga.Engine, tx store.Tx) error {
						return startBuild(ctx, e, tx, buildState{})
					},
					Done: func(t *testing.T) {
						if got := h.list(); len(got) != 3 || statusOf(t, db) != "ACTIVE" {
							t.Errorf("things %v, status %s", got, statusOf(t, db))
						}
					},
					Undone: func(t *testing.T) {
						if got := h.list(); len(got) != 0 || statusOf(t, db) != "ERROR" {
							t.Errorf("left behind %v, status %s", got, statusOf(t, db))
						}
					},
				}
			})
		})
	}
}

func run(t *testing.T, db *store.DB, opts saga.Options, defs ...func(*saga.Engine)) *saga.Engine {
	t.Helper()
	e := saga.NewEngine(db, opts)
	for _, d := range defs {
		d(e)
	}
	if err := e.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Stop(context.Background()) })
	return e
}

func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

func idle(t *testing.T, e *saga.Engine) {
	t.Helper()
	until(t, "no live operation", func() bool { n, err := e.Live(context.Background()); return err == nil && n == 0 })
}

func TestRewindTakesTheNextWay(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		h := &house{things: map[string]bool{}}
		e := run(t, db, saga.Options{}, func(e *saga.Engine) { saga.Register(e, build(h)) })
		err := db.Write(context.Background(), func(ctx context.Context, tx store.Tx) error {
			return startBuild(ctx, e, tx, buildState{BadSite: "site1"})
		})
		if err != nil {
			t.Fatal(err)
		}
		idle(t, e)
		if got := strings.Join(h.list(), " "); got != "site2/ground site2/roof site2/walls" || statusOf(t, db) != "ACTIVE" {
			t.Errorf("things %s, status %s", got, statusOf(t, db))
		}
		stories, err := e.Stories(context.Background(), "req-1", 10)
		if err != nil || len(stories) != 1 || stories[0].Outcome != "done" || stories[0].UserID != "u" {
			t.Fatalf("stories %+v, %v", stories, err)
		}
		var line []string
		for _, ev := range stories[0].Events {
			line = append(line, ev.Step+" "+ev.Event)
		}
		want := "site done, ground done, walls rewind, walls undone, ground undone, site undone, site done, ground done, walls done, roof done"
		if got := strings.Join(line, ", "); got != want {
			t.Errorf("timeline %s\nwant     %s", got, want)
		}
	}, saga.Migrations, tables)
}

type simple struct{ N int }

// one makes a definition of one step.
func one(kind string, do func(ctx context.Context, r *saga.Run[simple]) error, opts ...func(*saga.Definition[simple])) func(*saga.Engine) {
	return func(e *saga.Engine) {
		d := &saga.Definition[simple]{Kind: kind, Steps: []saga.Step[simple]{{Name: "step", Do: do, Retry: time.Millisecond, RetryMax: 4 * time.Millisecond}}}
		for _, o := range opts {
			o(d)
		}
		saga.Register(e, d)
	}
}

func begin(t *testing.T, db *store.DB, e *saga.Engine, in saga.Intent) string {
	t.Helper()
	var id string
	err := db.Write(context.Background(), func(ctx context.Context, tx store.Tx) (err error) {
		in.State = simple{}
		id, err = e.Start(ctx, tx, in)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func outcomeOf(t *testing.T, e *saga.Engine, id string) saga.Story {
	t.Helper()
	s, err := e.Stories(context.Background(), id, 1)
	if err != nil || len(s) != 1 {
		t.Fatalf("story of %s: %v %v", id, s, err)
	}
	return s[0]
}

func TestRetryPermanentPanicAndWait(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		e := run(t, db, saga.Options{},
			one("retry", func(_ context.Context, r *saga.Run[simple]) error {
				if r.State.N++; r.State.N < 4 {
					return errors.New("not yet")
				}
				return nil
			}),
			one("permanent", func(_ context.Context, r *saga.Run[simple]) error {
				r.Note("asked %d", 3)
				return saga.Permanent(errors.New("never"))
			}),
			one("panic", func(context.Context, *saga.Run[simple]) error { panic("a bug") }),
			one("wait", func(_ context.Context, r *saga.Run[simple]) error {
				if r.State.N++; r.State.N == 1 {
					return saga.Wait(time.Hour, "for the kick")
				}
				return nil
			}),
			one("deadline", func(context.Context, *saga.Run[simple]) error { return errors.New("always") },
				func(d *saga.Definition[simple]) { d.Steps[0].Deadline = 30 * time.Millisecond }),
		)
		ids := map[string]string{}
		for _, kind := range []string{"retry", "permanent", "panic", "wait", "deadline"} {
			ids[kind] = begin(t, db, e, saga.Intent{Kind: kind, Resource: saga.Resource{Type: "x", ID: kind}})
		}
		until(t, "only wait is left", func() bool {
			n, _ := e.Live(context.Background())
			return n == 1 && outcomeOf(t, e, ids["wait"]).Outcome == "waiting"
		})
		if err := e.Kick(context.Background(), saga.Resource{Type: "x", ID: "wait"}); err != nil {
			t.Fatal(err)
		}
		idle(t, e)
		for kind, want := range map[string]string{"retry": "done", "permanent": "undone", "panic": "undone", "wait": "done", "deadline": "undone"} {
			if s := outcomeOf(t, e, ids[kind]); s.Outcome != want {
				t.Errorf("%s ended %s: %+v", kind, s.Outcome, s.Events)
			}
		}
		if s := outcomeOf(t, e, ids["permanent"]); s.Cause != "never" || s.Events[0].Detail != "never (asked 3)" {
			t.Errorf("the failed step's cause is %q, its line %+v", s.Cause, s.Events[0])
		}
		if s := outcomeOf(t, e, ids["deadline"]); s.Cause != "always" {
			t.Errorf("the cause is %q", s.Cause)
		}
	}, saga.Migrations)
}

// The time of a step begins with its first try, not when the operation was stored: who had to wait may fail and try again as everybody else.
func TestWaitingForAWorkerCostsNoTime(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		const deadline = time.Second
		busy := make(chan struct{})
		free := sync.OnceFunc(func() { close(busy) })
		e := run(t, db, saga.Options{}, one("queue", func(_ context.Context, r *saga.Run[simple]) error {
			if r.Resource.ID == "first" {
				<-busy
				return nil
			}
			if r.State.N++; r.State.N == 1 {
				return errors.New("not yet")
			}
			return nil
		}, func(d *saga.Definition[simple]) { d.Workers, d.Steps[0].Deadline = 1, deadline }))
		t.Cleanup(free)
		begin(t, db, e, saga.Intent{Kind: "queue", Resource: saga.Resource{Type: "x", ID: "first"}})
		second := begin(t, db, e, saga.Intent{Kind: "queue", Resource: saga.Resource{Type: "x", ID: "second"}})
		stored := time.Now()
		until(t, "the second one has waited longer than a step may take", func() bool { return time.Since(stored) > deadline })
		free()
		idle(t, e)
		if s := outcomeOf(t, e, second); s.Outcome != "done" || s.Events[0].Event != saga.EventRetry {
			t.Errorf("ended %s: %+v", s.Outcome, s.Events)
		}
	}, saga.Migrations)
}

// Deletion beats creation: it cancels the step under way, waits for the unwinding and goes on.
func TestSupersede(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		var mu sync.Mutex
		var order []string
		note := func(s string) { mu.Lock(); order = append(order, s); mu.Unlock() }
		inStep := make(chan struct{})
		e := run(t, db, saga.Options{},
			one("create", func(ctx context.Context, _ *saga.Run[simple]) error {
				close(inStep)
				<-ctx.Done()
				note("create cancelled")
				return ctx.Err()
			}, func(d *saga.Definition[simple]) {
				d.Steps[0].Undo = func(context.Context, *saga.Run[simple]) error { note("create undone"); return nil }
			}),
			one("delete", func(context.Context, *saga.Run[simple]) error { note("delete"); return nil }, func(d *saga.Definition[simple]) { d.NoCancel = true }),
		)
		res := saga.Resource{Type: "x", ID: "1"}
		create := begin(t, db, e, saga.Intent{Kind: "create", Resource: res})
		<-inStep
		begin(t, db, e, saga.Intent{Kind: "delete", Resource: res, Supersede: true})
		begin(t, db, e, saga.Intent{Kind: "delete", Resource: res, Supersede: true})
		idle(t, e)
		if got := strings.Join(order, ", "); got != "create cancelled, create undone, delete, delete" {
			t.Error(got)
		}
		if s := outcomeOf(t, e, create); s.Outcome != "undone" {
			t.Errorf("create ended %s", s.Outcome)
		}
	}, saga.Migrations)
}

// Two engines on one database: a dead one's operation is rescued after its lease, a live one's is not touched.
func TestRescue(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		opts := func(owner string) saga.Options {
			return saga.Options{Shared: true, Owner: owner, Lease: 6 * time.Second, Poll: 50 * time.Millisecond}
		}
		var mu sync.Mutex
		by := map[string][]string{}
		def := func(kind, owner string) func(*saga.Engine) {
			return one(kind, func(ctx context.Context, r *saga.Run[simple]) error {
				mu.Lock()
				by[r.Resource.ID] = append(by[r.Resource.ID], owner)
				n := len(by[r.Resource.ID])
				mu.Unlock()
				if r.Resource.ID == "long" && n == 1 {
					select { // longer than the lease, which is renewed
					case <-time.After(8 * time.Second):
					case <-ctx.Done():
					}
				}
				return ctx.Err()
			})
		}
		dead := opts("dead")
		dead.Interpose = func(_, _, point string) error {
			if point == "after-do" {
				return saga.ErrCrash
			}
			return nil
		}
		first := run(t, db, dead, def("work", "dead"))
		begin(t, db, first, saga.Intent{Kind: "work", Resource: saga.Resource{Type: "x", ID: "orphan"}})
		until(t, "the dead one has begun", func() bool { mu.Lock(); defer mu.Unlock(); return len(by["orphan"]) == 1 })
		// The dead one does not know the second kind, so it cannot take the long step before the living do.
		second := run(t, db, opts("alive"), def("work", "alive"), def("long work", "alive"))
		third := run(t, db, opts("other"), def("work", "other"), def("long work", "other"))
		begin(t, db, second, saga.Intent{Kind: "long work", Resource: saga.Resource{Type: "x", ID: "long"}})
		idle(t, third)
		mu.Lock()
		defer mu.Unlock()
		if len(by["orphan"]) < 2 || by["orphan"][len(by["orphan"])-1] == "dead" {
			t.Errorf("the orphan was worked on by %v", by["orphan"])
		}
		if len(by["long"]) != 1 {
			t.Errorf("a step longer than its lease was worked on by %v", by["long"])
		}
	}, saga.Migrations)
}

func TestPurge(t *testing.T) {
	db := storetest.SQLite(t, saga.Migrations)
	e := run(t, db, saga.Options{}, one("x", nil))
	begin(t, db, e, saga.Intent{Kind: "x", Resource: saga.Resource{Type: "x", ID: "1"}})
	idle(t, e)
	if n, err := e.Purge(context.Background(), time.Now().Add(-time.Hour)); n != 0 || err != nil {
		t.Errorf("purged %d too young (%v)", n, err)
	}
	if n, err := e.Purge(context.Background(), time.Now().Add(time.Hour)); n != 1 || err != nil {
		t.Errorf("purged %d, want 1 (%v)", n, err)
	}
}

func BenchmarkOperation(b *testing.B) {
	db := storetest.SQLite(b, saga.Migrations)
	e := saga.NewEngine(db, saga.Options{})
	one("x", nil)(e)
	if err := e.Run(context.Background()); err != nil {
		b.Fatal(err)
	}
	defer func() { _ = e.Stop(context.Background()) }()
	b.SetParallelism(32)
	var n sync.Map
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			id := fmt.Sprint(&n, time.Now().UnixNano())
			_ = db.Write(context.Background(), func(ctx context.Context, tx store.Tx) error {
				_, err := e.Start(ctx, tx, saga.Intent{Kind: "x", Resource: saga.Resource{Type: "x", ID: id}, State: simple{}})
				return err
			})
		}
	})
	for {
		if live, err := e.Live(context.Background()); err == nil && live == 0 {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

// TestSkippedStepsLeaveNoTrace: a step that has nothing to do, by the state as the step before left it, is neither run nor recorded.
func TestSkippedStepsLeaveNoTrace(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		var ran []string
		step := func(name string, skip func(*buildState) bool) saga.Step[buildState] {
			return saga.Step[buildState]{Name: name, Skip: skip, Do: func(_ context.Context, r *saga.Run[buildState]) error {
				ran = append(ran, name)
				r.State.Waited = true
				return nil
			}}
		}
		done := func(s *buildState) bool { return s.Waited }
		e := run(t, db, saga.Options{}, func(e *saga.Engine) {
			saga.Register(e, &saga.Definition[buildState]{Kind: "skip", Steps: []saga.Step[buildState]{
				step("first", nil), step("second", done), step("third", done), step("fourth", func(s *buildState) bool { return !s.Waited }), step("last", done),
			}})
		})
		id := begin(t, db, e, saga.Intent{Kind: "skip", Resource: saga.Resource{Type: "house", ID: "h"}, State: buildState{}})
		idle(t, e)
		story := outcomeOf(t, e, id)
		if story.Outcome != "done" || !slices.Equal(ran, []string{"first", "fourth"}) || len(story.Events) != 2 {
			t.Errorf("%s: ran %v, %d events", story.Outcome, ran, len(story.Events))
		}
	}, saga.Migrations)
}
