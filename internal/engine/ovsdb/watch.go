package ovsdb

import (
	"context"
	"sync"

	"github.com/ovn-kubernetes/libovsdb/model"
)

// maxPending bounds what a slow subscriber holds; beyond it the subscriber is told to look at everything again.
const maxPending = 10000

// Key names a row.
type Key struct {
	Table string
	UUID  string
}

// Changes is what happened since the last look.
type Changes struct {
	// Reset: the connection is new, or too much happened; look at every row.
	Reset bool
	// Rows were inserted, modified or deleted; what they are now, or that they are gone, is in the replica.
	// For a deleted row the value is its last content.
	Rows map[Key]Row
}

// Subscription collects changes of some tables. It holds no more than one entry a row, whatever happens to it.
type Subscription struct {
	c      *Client
	tables map[string]bool
	wake   chan struct{}

	mu      sync.Mutex
	pending Changes
}

// Subscribe starts collecting. The first Next reports Reset. Cancel when done.
func (c *Client) Subscribe(tables ...string) *Subscription {
	s := &Subscription{c: c, tables: map[string]bool{}, wake: make(chan struct{}, 1)}
	for _, t := range tables {
		s.tables[t] = true
	}
	c.mu.Lock()
	c.subs[s] = struct{}{}
	if c.session != nil {
		s.reset()
	}
	c.mu.Unlock()
	return s
}

// Cancel stops collecting.
func (s *Subscription) Cancel() {
	s.c.mu.Lock()
	delete(s.c.subs, s)
	s.c.mu.Unlock()
}

// Next waits for changes and takes them.
func (s *Subscription) Next(ctx context.Context) (Changes, error) {
	for {
		select {
		case <-s.wake:
		case <-ctx.Done():
			return Changes{}, ctx.Err()
		case <-s.c.ctx.Done():
			return Changes{}, ErrClosed
		}
		s.mu.Lock()
		ch := s.pending
		s.pending = Changes{}
		s.mu.Unlock()
		if ch.Reset || len(ch.Rows) > 0 {
			return ch, nil
		}
	}
}

func (s *Subscription) reset() {
	s.mu.Lock()
	s.pending = Changes{Reset: true}
	s.mu.Unlock()
	s.signal()
}

func (s *Subscription) signal() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

func (s *Subscription) add(table string, row Row) {
	s.mu.Lock()
	if !s.pending.Reset {
		if s.pending.Rows == nil {
			s.pending.Rows = map[Key]Row{}
		}
		s.pending.Rows[Key{table, UUID(row)}] = row
		if len(s.pending.Rows) > maxPending {
			s.pending = Changes{Reset: true}
		}
	}
	s.mu.Unlock()
	s.signal()
}

// notifier hands the replica's events to the subscriptions.
type notifier struct {
	c *Client
	s *session
}

func (n *notifier) note(table string, m model.Model) {
	row, ok := m.(Row)
	if !ok {
		return
	}
	n.c.mu.Lock()
	defer n.c.mu.Unlock()
	if n.c.session != n.s { // still loading; publish resets everybody
		return
	}
	for sub := range n.c.subs {
		if sub.tables[table] {
			sub.add(table, row)
		}
	}
}

// OnAdd implements cache.EventHandler.
func (n *notifier) OnAdd(table string, m model.Model) { n.note(table, m) }

// OnUpdate implements cache.EventHandler.
func (n *notifier) OnUpdate(table string, _, m model.Model) { n.note(table, m) }

// OnDelete implements cache.EventHandler.
func (n *notifier) OnDelete(table string, m model.Model) { n.note(table, m) }
