package hosts

import (
	"sync"
	"time"
)

// limiter bounds attempts to join that fail, in all and from each address.
type limiter struct {
	mu   sync.Mutex
	from map[string]*bucket
	all  bucket
}

// bucket holds attempts; it fills up with time.
type bucket struct {
	left float64
	at   time.Time
}

// How many attempts are taken at once, and how many a minute after that.
const (
	burstEach, rateEach = 10, 5
	burstAll, rateAll   = 100, 100
	bucketsKept         = 10_000
)

// allow takes an attempt, or answers how long to wait for the next.
func (l *limiter) allow(address string, now time.Time) (bool, time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.from == nil || len(l.from) > bucketsKept {
		l.from = map[string]*bucket{}
	}
	b := l.from[address]
	if b == nil {
		b = &bucket{}
		l.from[address] = b
	}
	if ok, wait := b.take(now, burstEach, rateEach); !ok {
		return false, wait
	}
	return l.all.take(now, burstAll, rateAll)
}

// giveBack undoes an attempt that was a good one: many machines may join at once through one address.
func (l *limiter) giveBack(address string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if b := l.from[address]; b != nil {
		b.left = min(burstEach, b.left+1)
	}
	l.all.left = min(burstAll, l.all.left+1)
}

func (b *bucket) take(now time.Time, burst, perMinute float64) (bool, time.Duration) {
	if b.at.IsZero() {
		b.left = burst
	} else {
		b.left = min(burst, b.left+max(0, now.Sub(b.at).Minutes())*perMinute)
	}
	b.at = now
	if b.left < 1 {
		return false, time.Duration((1-b.left)/perMinute*float64(time.Minute)) + time.Second
	}
	b.left--
	return true, 0
}
