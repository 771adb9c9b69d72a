// Package clock tells the time, so that tests can tell another one.
//
// It never sleeps or starts timers: those belong to their owner's context, and tests of them use testing/synctest.
package clock

import (
	"sync"
	"time"
)

// Clock tells the present time, in UTC.
type Clock interface{ Now() time.Time }

// System is the machine's clock. Database columns hold microseconds, so that is its precision.
var System Clock = system{}

type system struct{}

func (system) Now() time.Time { return time.Now().UTC().Truncate(time.Microsecond) }

// Manual is a clock that moves only when told. Safe for concurrent use.
type Manual struct {
	mu  sync.Mutex
	now time.Time
}

// NewManual returns a clock that stands at t.
func NewManual(t time.Time) *Manual { return &Manual{now: t.UTC()} }

// Now implements Clock.
func (m *Manual) Now() time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.now
}

// Advance moves the clock by d.
func (m *Manual) Advance(d time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.now = m.now.Add(d)
}
