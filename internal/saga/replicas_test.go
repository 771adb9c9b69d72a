package saga_test

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"gostack/internal/saga"
	"gostack/internal/store"
	"gostack/internal/store/storetest"
)

func replica(t *testing.T, url string) *store.DB {
	t.Helper()
	db, err := store.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// What one replica is told to cancel or to look at again, the replica that has it in hand hears at once: the leases here are so long that no
// renewal can bring the news.
func TestNewsCrossReplicas(t *testing.T) {
	url := storetest.PostgreSQLURL(t)
	a, b := replica(t, url), replica(t, url)
	if err := a.Migrate(t.Context(), saga.Migrations); err != nil {
		t.Fatal(err)
	}
	opts := func(name string) saga.Options {
		return saga.Options{Shared: true, Name: name, Lease: time.Hour, Poll: time.Hour}
	}
	began := make(chan struct{}, 1)
	var open atomic.Bool
	long := one("long", func(ctx context.Context, _ *saga.Run[simple]) error {
		began <- struct{}{}
		<-ctx.Done()
		return ctx.Err()
	})
	waiting := make(chan struct{}, 1)
	gate := one("gate", func(context.Context, *saga.Run[simple]) error {
		if open.Load() {
			return nil
		}
		waiting <- struct{}{}
		return saga.Wait(time.Hour, "the gate is shut")
	}, func(d *saga.Definition[simple]) { d.Steps[0].Deadline = 2 * time.Hour })
	first := run(t, a, opts("a"), long, gate)
	second := run(t, b, opts("b")) // knows no kind, so it takes nothing
	res := saga.Resource{Type: "x", ID: "1"}
	begin(t, a, first, saga.Intent{Kind: "long", Resource: res})
	<-began
	cancelled := saga.NewEngine(b, opts("c"))
	long(cancelled)
	// Until both have found each other announcements may be lost, so they are repeated.
	until(t, "the cancellation arrives", func() bool {
		err := b.Write(t.Context(), func(ctx context.Context, tx store.Tx) error { return cancelled.Cancel(ctx, tx, res) })
		if err != nil {
			t.Fatal(err)
		}
		n, err := first.Live(t.Context())
		return err == nil && n == 0
	})
	begin(t, a, first, saga.Intent{Kind: "gate", Resource: res})
	<-waiting
	open.Store(true)
	if err := second.Kick(t.Context(), res); err != nil {
		t.Fatal(err)
	}
	idle(t, first)
}

// What another process writes while a worker has an operation in hand is seen when the worker lays it to sleep, whether or not anything is announced:
// here nothing is, the sleep would be an hour, and no renewal brings news.
func TestNothingSleepsThroughNews(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		began, goOn := make(chan struct{}), make(chan struct{})
		wait := one("wait", func(_ context.Context, r *saga.Run[simple]) error {
			if r.State.N++; r.State.N > 1 {
				return nil
			}
			began <- struct{}{}
			<-goOn
			return saga.Wait(time.Hour, "for news")
		}, func(d *saga.Definition[simple]) { d.Steps[0].Deadline = 2 * time.Hour })
		opts := saga.Options{Shared: true, Lease: time.Hour, Poll: time.Hour}
		e := run(t, db, opts, wait)
		other := saga.NewEngine(db, opts) // another process: it shares nothing with e but the database
		wait(other)
		for _, c := range []struct {
			news, outcome string
			tell          func(saga.Resource) error
		}{
			{"kick", "done", func(res saga.Resource) error { return other.Kick(t.Context(), res) }},
			{"cancel", "undone", func(res saga.Resource) error {
				return db.Write(t.Context(), func(ctx context.Context, tx store.Tx) error { return other.Cancel(ctx, tx, res) })
			}},
		} {
			res := saga.Resource{Type: "x", ID: c.news}
			id := begin(t, db, e, saga.Intent{Kind: "wait", Resource: res})
			<-began
			if err := c.tell(res); err != nil {
				t.Fatal(err)
			}
			goOn <- struct{}{}
			idle(t, e)
			if s := outcomeOf(t, e, id); s.Outcome != c.outcome {
				t.Errorf("after %s it ended %s: %+v", c.news, s.Outcome, s.Events)
			}
		}
	}, saga.Migrations)
}

// A process that comes back under its name goes on at once with what it had; the timeline tells who worked and who fell silent.
func TestTheNextOfTheName(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		opts := func(name string, lease time.Duration) saga.Options {
			return saga.Options{Shared: true, Name: name, Lease: lease, Poll: 20 * time.Millisecond}
		}
		dying := func(o saga.Options, last func()) saga.Options {
			o.Poll = time.Hour // the dead do not come for what they had
			o.Interpose = func(_, _, point string) error {
				if point == "after-do" {
					last()
					return saga.ErrCrash
				}
				return nil
			}
			return o
		}
		do := func(context.Context, *saga.Run[simple]) error { return nil }
		over := make(chan struct{}) // until then it hangs: an engine that has dropped its work looks for more, and would come for what its successor has just taken from it
		one1 := run(t, db, dying(opts("one", time.Hour), func() { <-over }), one("work", do))
		t.Cleanup(func() { close(over) })
		begin(t, db, one1, saga.Intent{Kind: "work", Resource: saga.Resource{Type: "x", ID: "1"}})
		until(t, "one has it", func() bool { s, _ := one1.Stories(t.Context(), "1", 9); return s[0].Outcome == "running" })
		again := run(t, db, opts("one", time.Hour), one("work", do))
		idle(t, again)

		short := run(t, db, dying(opts("two", 300*time.Millisecond), func() {}), one("other work", do))
		begin(t, db, short, saga.Intent{Kind: "other work", Resource: saga.Resource{Type: "x", ID: "2"}})
		until(t, "two has it", func() bool { s, _ := short.Stories(t.Context(), "2", 9); return s[0].Outcome == "running" })
		three := run(t, db, opts("three", time.Minute), one("other work", do))
		idle(t, three)
		s, err := three.Stories(t.Context(), "2", 9)
		if err != nil || len(s) != 1 {
			t.Fatal(s, err)
		}
		var resumed, done bool
		for _, e := range s[0].Events {
			resumed = resumed || e.Event == saga.EventResumed && strings.Contains(e.Detail, "two") && e.Worker == "three"
			done = done || e.Event == saga.EventDone && e.Worker == "three"
		}
		if !resumed || !done || three.Rescued() != 1 {
			t.Errorf("resumed %t, done %t, %d rescued: %+v", resumed, done, three.Rescued(), s[0].Events)
		}
	}, saga.Migrations)
}
