package notify_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"gostack/internal/bus"
	"gostack/internal/clock"
	"gostack/internal/notify"
	"gostack/internal/policy"
	"gostack/internal/store"
	"gostack/internal/store/storetest"
)

// recorder is a bus that keeps what it is told, and may be away.
type recorder struct {
	*bus.Memory
	mu   sync.Mutex
	away bool
	got  []bus.Notification
	news chan struct{}
}

func newRecorder() *recorder {
	return &recorder{Memory: bus.NewMemory(), news: make(chan struct{}, 1000)}
}

func (r *recorder) Listening() bool { return true }

func (r *recorder) Notify(_ context.Context, n bus.Notification) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.got = append(r.got, n)
	r.news <- struct{}{}
	if r.away {
		return errors.New("away")
	}
	return nil
}

func (r *recorder) await(t *testing.T, n int) []bus.Notification {
	t.Helper()
	limit := time.After(2 * time.Minute)
	for {
		r.mu.Lock()
		got := slices.Clone(r.got)
		r.mu.Unlock()
		if len(got) >= n {
			return got
		}
		select {
		case <-r.news:
		case <-limit:
			t.Fatalf("there are %d notifications, not %d", len(got), n)
		}
	}
}

func run(t *testing.T, s *notify.Sender) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); s.Run(ctx) }()
	stop = sync.OnceFunc(func() { cancel(); <-done })
	t.Cleanup(stop)
	return stop
}

func emit(ctx context.Context, types ...string) error {
	for _, typ := range types {
		if err := notify.Sending(ctx).Emit(ctx, notify.Event{Service: "zoo", Type: typ, Publisher: "zoo.host", Payload: map[string]any{"legs": 4}}); err != nil {
			return err
		}
	}
	return nil
}

func TestWhatIsCommittedIsSentOnceInOrder(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		r := newRecorder()
		s := notify.New(notify.Options{DB: db, Bus: r, Driver: notify.MessagingV2, Host: "h"})
		refused := errors.New("no")
		if err := db.Write(t.Context(), func(ctx context.Context, _ store.Tx) error {
			return errors.Join(emit(ctx, "never"), refused)
		}); !errors.Is(err, refused) {
			t.Fatal(err)
		}
		c := &policy.Caller{UserID: "u", ProjectID: "p", Roles: []string{"member"}, RequestID: "req-1"}
		ctx, count := store.Count(policy.WithCaller(t.Context(), c))
		if err := db.Write(ctx, func(ctx context.Context, _ store.Tx) error {
			// Somebody who looks at the end of the transaction emits too, and it is still one statement.
			store.BeforeCommit(ctx, func(ctx context.Context, _ store.Tx) error { return emit(ctx, "three") })
			return emit(ctx, "one", "two")
		}); err != nil {
			t.Fatal(err)
		}
		if count.Statements() != 1 {
			t.Errorf("three events cost %d statements", count.Statements())
		}
		stop := run(t, s)
		if err := notify.Of(db).Emit(t.Context(), notify.Event{Service: "zoo", Type: "four", Priority: notify.Error, Versioned: true, Caller: c}); err != nil {
			t.Fatal(err)
		}
		got := r.await(t, 4)
		for i, want := range []string{"one", "two", "three", "four"} {
			if n := got[i]; n.EventType != want || n.Service != "zoo" || n.RequestID != "req-1" || n.Project != "p" || n.Context["user_id"] != "u" || n.MessageID == "" {
				t.Errorf("notification %d is %+v", i, n)
			}
		}
		if string(got[0].Payload) != `{"legs":4}` || got[0].Priority != "info" || got[3].Priority != "error" || !got[3].Versioned || got[0].Versioned {
			t.Errorf("%+v", got)
		}
		// What was sent is gone from the table: nothing is sent again by the next process.
		for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(time.Millisecond) {
			n, err := db.Read(t.Context()).NewSelect().Table("notify_outbox").Count(t.Context())
			if err != nil || time.Now().After(deadline) {
				t.Fatal(n, err)
			}
			if n == 0 {
				break
			}
		}
		stop()
	}, notify.Migrations)
}

func TestABrokerThatWasAwayGetsTheSameMessage(t *testing.T) {
	db := storetest.SQLite(t, notify.Migrations)
	r := newRecorder()
	r.away = true
	s := notify.New(notify.Options{DB: db, Bus: r, Driver: notify.MessagingV2, Log: slog.New(slog.DiscardHandler)})
	if err := notify.Of(db).Emit(t.Context(), notify.Event{Type: "kept"}); err != nil {
		t.Fatal(err)
	}
	stop := run(t, s)
	r.await(t, 1)
	stop() // the process dies in between
	r.mu.Lock()
	r.away = false
	r.mu.Unlock()
	run(t, notify.New(notify.Options{DB: db, Bus: r, Driver: notify.MessagingV2}))
	if got := r.await(t, 2); got[0].MessageID != got[1].MessageID || got[1].EventType != "kept" {
		t.Errorf("%+v", got)
	}
}

func TestWhatWaitedForADayIsDropped(t *testing.T) {
	db := storetest.SQLite(t, notify.Migrations)
	r := newRecorder()
	r.away = true
	now := clock.NewManual(time.Now())
	s := notify.New(notify.Options{DB: db, Bus: r, Driver: notify.MessagingV2, Clock: now, Log: slog.New(slog.DiscardHandler)})
	if err := s.Emit(t.Context(), notify.Event{Type: "old"}); err != nil {
		t.Fatal(err)
	}
	now.Advance(25 * time.Hour)
	run(t, s)
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(time.Millisecond) {
		n, err := db.Read(t.Context()).NewSelect().Table("notify_outbox").Count(t.Context())
		if err != nil || time.Now().After(deadline) {
			t.Fatal(n, err)
		}
		if n == 0 {
			return
		}
	}
}

func TestNobodyListeningCostsNothing(t *testing.T) {
	db := storetest.SQLite(t) // without the table
	if notify.Of(db) != nil {
		t.Error("a database without a sender sends")
	}
	quiet := func(why string) {
		t.Helper()
		ctx, count := store.Count(t.Context())
		err := db.Write(ctx, func(ctx context.Context, _ store.Tx) error {
			if notify.Sending(ctx) != nil {
				t.Errorf("%s: it sends", why)
			}
			return emit(ctx, "x")
		})
		if err != nil || count.Statements() != 0 {
			t.Errorf("%s: %d statements, %v", why, count.Statements(), err)
		}
	}
	quiet("no sender")
	s := notify.New(notify.Options{DB: db, Bus: bus.NewMemory(), Driver: notify.MessagingV2})
	quiet("nobody subscribes to the bus in memory")
	notify.New(notify.Options{DB: db, Bus: newRecorder(), Driver: notify.NoOp})
	quiet("the driver is noop")
	stop, err := s.Subscribe(func(bus.Notification) {})
	if err != nil {
		t.Fatal(err)
	}
	stop()
	quiet("the subscriber has gone")
}

func TestASubscriberInTheProcessSwitchesItOn(t *testing.T) {
	db := storetest.SQLite(t, notify.Migrations)
	s := notify.New(notify.Options{DB: db, Bus: bus.NewMemory(), Driver: notify.NoOp})
	heard := make(chan bus.Notification, 1)
	stop, err := s.Subscribe(func(n bus.Notification) { heard <- n })
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	run(t, s)
	if err := db.Write(t.Context(), func(ctx context.Context, _ store.Tx) error { return emit(ctx, "heard") }); err != nil {
		t.Fatal(err)
	}
	if n := <-heard; n.EventType != "heard" {
		t.Errorf("%+v", n)
	}
}
