package store

import (
	"context"
	"time"

	"gostack/internal/clock"
)

// Clock is the time that all processes on this database agree on: the database's on PostgreSQL, so that leases and timestamps hold when the
// clocks of replicas differ; the machine's on SQLite.
func (db *DB) Clock() clock.Clock {
	if db.herald == nil {
		return clock.System
	}
	return sharedClock{db.herald}
}

// ClockAhead is how far the database's clock is ahead of this machine's, as last measured.
func (db *DB) ClockAhead() time.Duration {
	if db.herald == nil {
		return 0
	}
	db.herald.mu.Lock()
	defer db.herald.mu.Unlock()
	return db.herald.ahead
}

type sharedClock struct{ h *herald }

// Now implements clock.Clock.
func (c sharedClock) Now() time.Time {
	c.h.mu.Lock()
	ahead := c.h.ahead
	c.h.mu.Unlock()
	return clock.System.Now().Add(ahead).Truncate(time.Microsecond)
}

// Ping asks the database for a sign of life.
func (db *DB) Ping(ctx context.Context) error { return db.readers.PingContext(ctx) }
