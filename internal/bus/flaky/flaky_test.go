package flaky_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"gostack/internal/bus"
	"gostack/internal/bus/bustest"
	"gostack/internal/bus/flaky"
)

// TestAGoodOneConforms shows that the wrapper itself takes nothing away.
func TestAGoodOneConforms(t *testing.T) {
	bustest.Conform(t, func(_ *testing.T, n int) []bus.Bus {
		m := bus.NewMemory()
		handles := make([]bus.Bus, n)
		for i := range handles {
			handles[i] = good{flaky.New(m, flaky.Options{}), m}
		}
		return handles
	})
}

// good casts through the wrapped bus: a flaky cast cannot tell that nobody is there.
type good struct {
	*flaky.Bus
	m *bus.Memory
}

func (g good) Cast(ctx context.Context, to bus.To, method string, args any) error {
	return g.m.Cast(ctx, to, method, args)
}

func (g good) Notify(ctx context.Context, n bus.Notification) error { return g.m.Notify(ctx, n) }

func TestItIsAsBadAsItSays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 2000
		m := bus.NewMemory()
		o := flaky.Bad(1)
		o.Patience = 0
		b := flaky.New(m, o)
		var handled, outOfOrder, last atomic.Int64
		stop, err := b.Serve(bus.To{Topic: "t"}, bus.Handlers{"n": bus.Handle(func(_ context.Context, _ string, i int64) (any, error) {
			handled.Add(1)
			if i < last.Swap(i) {
				outOfOrder.Add(1)
			}
			return nil, nil
		})})
		if err != nil {
			t.Fatal(err)
		}
		for i := range n {
			if err := b.Cast(t.Context(), bus.To{Topic: "t"}, "n", i); err != nil {
				t.Fatal(err)
			}
		}
		b.Wait()
		synctest.Wait()
		if got := handled.Load(); got < n*7/10 || got > n*9/10 || outOfOrder.Load() == 0 {
			t.Errorf("%d of %d casts handled, %d out of order; about 70 %% once and 10 %% again are expected", got, n, outOfOrder.Load())
		}
		failed, begun := 0, handled.Load()
		for i := range n {
			began := time.Now()
			if err := b.Call(t.Context(), bus.To{Topic: "t"}, "n", i, nil); errors.Is(err, context.DeadlineExceeded) {
				failed++
				if d := time.Since(began); d != bus.CallTimeout {
					t.Fatalf("a lost call took %v", d)
				}
			} else if err != nil {
				t.Fatal(err)
			}
		}
		b.Wait()
		// Of the 30 % lost calls half were handled nevertheless; 10 % were handled twice.
		if got := handled.Load() - begun; failed < n/4 || failed > n*35/100 || got < n*85/100 || got > n*105/100 {
			t.Errorf("%d of %d calls failed, %d handled", failed, n, got)
		}
		if sent, lost, repeated := b.Counts(); sent != 2*n || lost < n/2 || repeated < n/10 {
			t.Errorf("%d sent, %d lost, %d repeated", sent, lost, repeated)
		}
		if err := b.Call(t.Context(), bus.To{Topic: "t"}, "n", func() {}, nil); err == nil {
			t.Error("what cannot be written was sent")
		}
		stop()
	})
}

func TestASeedIsAStory(t *testing.T) {
	story := func(seed uint64) (s string) {
		synctest.Test(t, func(t *testing.T) {
			m := bus.NewMemory()
			stop, err := m.Serve(bus.To{Topic: "t"}, bus.Handlers{"n": func(context.Context, *bus.Message) (any, error) { return nil, nil }})
			if err != nil {
				t.Fatal(err)
			}
			b := flaky.New(m, flaky.Bad(seed))
			for range 50 {
				if b.Call(t.Context(), bus.To{Topic: "t"}, "n", nil, nil) == nil {
					s += "+"
				} else {
					s += "-"
				}
			}
			b.Wait()
			stop()
		})
		return s
	}
	if a, b := story(7), story(7); a != b {
		t.Errorf("one seed, two stories:\n%s\n%s", a, b)
	}
	if story(7) == story(8) {
		t.Error("two seeds, one story")
	}
}
