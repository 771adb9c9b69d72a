// Package notifytest lets a test hear the notifications of a database.
package notifytest

import (
	"context"
	"encoding/json"
	"slices"
	"sync"
	"testing"
	"time"

	"gostack/internal/bus"
	"gostack/internal/notify"
	"gostack/internal/store"
)

// Host is what publisher ids end with.
const Host = "control-1"

// Ear hears what is told of a database, which has notify.Migrations.
type Ear struct {
	db   *store.DB
	mu   sync.Mutex
	list []bus.Notification
	news chan struct{}
}

// Hear switches notifications on until the end of the test.
func Hear(t testing.TB, db *store.DB) *Ear {
	t.Helper()
	e := &Ear{db: db, news: make(chan struct{}, 1)}
	s := notify.New(notify.Options{DB: db, Bus: bus.NewMemory(), Driver: notify.NoOp, Host: Host})
	stop, err := s.Subscribe(func(n bus.Notification) {
		e.mu.Lock()
		e.list = append(e.list, n)
		e.mu.Unlock()
		select {
		case e.news <- struct{}{}:
		default:
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.Run(ctx)
	}()
	t.Cleanup(func() { cancel(); <-done; stop() })
	return e
}

const mark = "notifytest.mark"

// Since gives what was told by all that was committed, without what an earlier call gave.
func (e *Ear) Since(t testing.TB) []bus.Notification {
	t.Helper()
	if err := notify.Of(e.db).Emit(context.Background(), notify.Event{Type: mark}); err != nil {
		t.Fatal(err)
	}
	limit := time.After(60 * time.Second)
	for {
		e.mu.Lock()
		i := slices.IndexFunc(e.list, func(n bus.Notification) bool { return n.EventType == mark })
		if i >= 0 {
			out := e.list[:i]
			e.list = e.list[i+1:]
			e.mu.Unlock()
			return out
		}
		e.mu.Unlock()
		select {
		case <-e.news:
		case <-limit:
			t.Fatal("the notifications do not come")
		}
	}
}

// Types lists the event types.
func Types(list []bus.Notification) []string {
	out := []string{}
	for _, n := range list {
		out = append(out, n.EventType)
	}
	return out
}

// Payload reads a payload.
func Payload(t testing.TB, n bus.Notification) map[string]any {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal(n.Payload, &m); err != nil {
		t.Fatalf("%s: %v", n.EventType, err)
	}
	return m
}
