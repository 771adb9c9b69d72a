// Package flaky is a bus that loses, repeats and delays messages, around one that does not. Tests run on it what must not depend on the
// transport: only latency may differ.
package flaky

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"gostack/internal/bus"
)

// Options say how bad the bus is. Probabilities are between 0 and 1.
type Options struct {
	Seed   uint64
	Drop   float64       // of a message being lost; of a call's, half of them on the way back, after the handler
	Repeat float64       // of a message being delivered a second time, at some other moment
	Delay  time.Duration // the longest; each delivery takes its own, so messages overtake each other
	// Patience is how long the caller of a lost call waits before it is told that its deadline has passed: tests have less time
	// than callers. 0: until the deadline.
	Patience time.Duration
}

// Bad is what the conformance of our services is measured with: 30 % lost, 10 % repeated, the rest out of order.
func Bad(seed uint64) Options {
	return Options{Seed: seed, Drop: 0.3, Repeat: 0.1, Delay: 5 * time.Millisecond, Patience: 15 * time.Millisecond}
}

// Bus is a bad bus.
type Bus struct {
	bus.Bus
	Options
	mu  sync.Mutex
	rnd *rand.Rand
	wg  sync.WaitGroup

	lost, repeated, sent atomic.Int64
}

var _ bus.Bus = (*Bus)(nil)

// New wraps a bus. Serve and Subscribe are the wrapped one's.
func New(b bus.Bus, o Options) *Bus {
	return &Bus{Bus: b, Options: o, rnd: rand.New(rand.NewPCG(o.Seed, 0))}
}

// Counts tells how many messages there were, and what became of them.
func (b *Bus) Counts() (sent, lost, repeated int64) {
	return b.sent.Load(), b.lost.Load(), b.repeated.Load()
}

// Wait waits until no repetition or delayed message is under way.
func (b *Bus) Wait() { b.wg.Wait() }

// fate is what happens to a message.
type fate struct {
	lost, replyLost, repeated bool
	delay, again              time.Duration
}

func (b *Bus) draw(call bool) fate {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.sent.Add(1)
	f := fate{lost: b.rnd.Float64() < b.Drop, repeated: b.rnd.Float64() < b.Repeat}
	if f.lost {
		b.lost.Add(1)
		f.replyLost = call && b.rnd.IntN(2) == 0
	}
	if f.repeated {
		b.repeated.Add(1)
	}
	if b.Delay > 0 {
		f.delay, f.again = time.Duration(b.rnd.Int64N(int64(b.Delay))), time.Duration(b.rnd.Int64N(4*int64(b.Delay)))
	}
	return f
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// late does something in the background, whatever becomes of the sender.
func (b *Bus) late(ctx context.Context, after time.Duration, f func(ctx context.Context)) {
	b.wg.Go(func() {
		ctx := context.WithoutCancel(ctx)
		if sleep(ctx, after) == nil {
			f(ctx)
		}
	})
}

// Call implements bus.Bus.
func (b *Bus) Call(ctx context.Context, to bus.To, method string, args, reply any) error {
	raw, err := json.Marshal(args) // a repetition is what was sent, even if the caller goes on to change it
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, bus.CallTimeout)
	defer cancel()
	f := b.draw(true)
	if f.repeated {
		b.late(ctx, f.again, func(ctx context.Context) { _ = b.Bus.Call(ctx, to, method, json.RawMessage(raw), nil) })
	}
	tooLate := func(err error) error { return fmt.Errorf("%s on %s: no answer in time: %w", method, to, err) }
	if err := sleep(ctx, f.delay); err != nil {
		return tooLate(err)
	}
	if !f.lost {
		return b.Bus.Call(ctx, to, method, json.RawMessage(raw), reply)
	}
	if f.replyLost {
		b.late(ctx, 0, func(ctx context.Context) { _ = b.Bus.Call(ctx, to, method, json.RawMessage(raw), nil) })
	}
	if b.Patience > 0 {
		if err := sleep(ctx, b.Patience); err == nil {
			return tooLate(context.DeadlineExceeded)
		}
	}
	<-ctx.Done()
	return tooLate(ctx.Err())
}

// Cast implements bus.Bus. A lost one looks like any other.
func (b *Bus) Cast(ctx context.Context, to bus.To, method string, args any) error {
	raw, err := json.Marshal(args)
	if err != nil {
		return err
	}
	f := b.draw(false)
	send := func(ctx context.Context) { _ = b.Bus.Cast(ctx, to, method, json.RawMessage(raw)) }
	if f.repeated {
		b.late(ctx, f.again, send)
	}
	if !f.lost {
		b.late(ctx, f.delay, send)
	}
	return nil
}

// Fanout implements bus.Bus.
func (b *Bus) Fanout(ctx context.Context, topic, method string, args any) error {
	raw, err := json.Marshal(args)
	if err != nil {
		return err
	}
	f := b.draw(false)
	send := func(ctx context.Context) { _ = b.Bus.Fanout(ctx, topic, method, json.RawMessage(raw)) }
	if f.repeated {
		b.late(ctx, f.again, send)
	}
	if !f.lost {
		b.late(ctx, f.delay, send)
	}
	return nil
}

// Notify implements bus.Bus.
func (b *Bus) Notify(ctx context.Context, n bus.Notification) error {
	f := b.draw(false)
	send := func(ctx context.Context) { _ = b.Bus.Notify(ctx, n) }
	if f.repeated {
		b.late(ctx, f.again, send)
	}
	if !f.lost {
		b.late(ctx, f.delay, send)
	}
	return nil
}
