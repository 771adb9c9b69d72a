package amqp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"
)

// link keeps a connection to the broker: when it is lost, another follows. A process has one for all its traffic; and one more for each queue that is kept on several
// nodes of a cluster, since the broker ends the whole connection of who asks for such a queue while it has no leader.
type link struct {
	bus  *Bus
	name string // shown in the broker's list of connections
	log  *slog.Logger
	open func(s *session) error // makes what a session needs to be of use; may be nil

	mu      sync.Mutex
	current *session
	changed chan struct{} // closed when current changes
	trouble error         // why there is no session
	since   time.Time     // of the trouble
}

// newLink makes a link for one queue, or with "" for everything else.
func (b *Bus) newLink(queue string, open func(s *session) error) *link {
	name, log := b.Name, b.Log
	if queue != "" {
		name, log = b.Name+" "+queue, b.Log.With("queue", queue)
	}
	return &link{bus: b, name: name, log: log, open: open, changed: make(chan struct{}), trouble: errors.New("not connected yet"), since: time.Now()}
}

// keep keeps a session, until ctx ends.
func (l *link) keep(ctx context.Context) {
	b := l.bus
	again := false
	tries := 0
	var told time.Time
	// Processes spread over the nodes of a cluster. One that was lost, or does not answer, is asked last.
	at := rand.N(len(b.address.Hosts))
	for ; ; at++ {
		s, err := l.attempt(ctx, b.address.Hosts[at%len(b.address.Hosts)], again)
		if err != nil {
			if ctx.Err() != nil {
				return
			}
			l.set(nil, err)
			if time.Since(told) > time.Minute { // at once, and now and then
				told = time.Now()
				l.log.Warn("the message broker cannot be reached; trying on", "error", err)
			}
			tries++
			select {
			case <-time.After(jitter(b.MinBackoff, b.MaxBackoff, tries)):
				continue
			case <-ctx.Done():
				return
			}
		}
		if again || tries > 0 {
			l.log.Info("connected to the message broker", "attempts", tries+1)
		}
		tries, again, told = 0, true, time.Time{}
		l.set(s, nil)
		select {
		case <-s.done:
			l.set(nil, s.err)
			l.log.Warn("the connection to the message broker was lost", "error", s.err)
			// Not all processes at once: the broker has enough to do when it comes back.
			select {
			case <-time.After(jitter(b.MinBackoff, b.MaxBackoff, 0)):
			case <-ctx.Done():
				return
			}
		case <-ctx.Done():
			s.end(errClosed)
			l.set(nil, errClosed)
			return
		}
	}
}

// attempt makes a session that can be used.
func (l *link) attempt(ctx context.Context, hostPort string, again bool) (*session, error) {
	s, err := l.bus.dial(ctx, hostPort, l.name, again)
	if err != nil {
		return nil, err
	}
	s.watch()
	if l.open != nil {
		if err := l.open(s); err != nil {
			s.end(err)
			return nil, err
		}
	}
	return s, nil
}

// session returns the connection in use; it waits for one while ctx lasts.
func (l *link) session(ctx context.Context) (*session, error) {
	for {
		l.mu.Lock()
		s, changed, trouble := l.current, l.changed, l.trouble
		l.mu.Unlock()
		if s != nil && ctx.Err() == nil {
			return s, nil
		}
		if trouble == nil {
			trouble = ctx.Err()
		}
		select {
		case <-changed:
		case <-l.bus.ctx.Done():
			return nil, errClosed
		case <-ctx.Done():
			return nil, fmt.Errorf("message broker %s: %w (%w)", l.bus.address, ctx.Err(), trouble)
		}
	}
}

func (l *link) set(s *session, trouble error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.current != nil && s == nil || l.trouble == nil && trouble != nil {
		l.since = time.Now()
	}
	l.current, l.trouble = s, trouble
	close(l.changed)
	l.changed = make(chan struct{})
}

// state is the session in use, or why and since when there is none.
func (l *link) state() (s *session, trouble error, since time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.current, l.trouble, l.since
}

// jitter is the wait before try n: it doubles, up to longest, and a random half of it counts.
func jitter(first, longest time.Duration, n int) time.Duration {
	d := longest
	if n < 16 {
		d = min(first<<n, longest)
	}
	return d/2 + rand.N(d/2+1)
}
