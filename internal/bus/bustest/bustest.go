// Package bustest is the conformance suite of transports: what a bus promises, whatever carries it.
package bustest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gostack/internal/bus"
)

type args struct {
	N    int    `json:"n"`
	Text string `json:"text,omitempty"`
}

// Conform runs the suite. open gives n handles to one transport, each as another process (or component) would have it.
func Conform(t *testing.T, open func(t *testing.T, n int) []bus.Bus) {
	ctx := context.Background()
	twice := bus.Handlers{"twice": bus.Handle(func(_ context.Context, _ string, a args) (args, error) { return args{N: 2 * a.N, Text: a.Text}, nil })}
	serve := func(t *testing.T, b bus.Bus, to bus.To, h bus.Handlers) func() {
		t.Helper()
		stop, err := b.Serve(to, h)
		if err != nil {
			t.Fatal(err)
		}
		var once sync.Once
		once2 := func() { once.Do(stop) }
		t.Cleanup(once2)
		return once2
	}

	t.Run("call", func(t *testing.T) {
		b := open(t, 2)
		serve(t, b[0], bus.To{Topic: "calc", Host: "a"}, twice)
		var r args
		big := strings.Repeat("ü", 1<<20)
		if err := b[1].Call(ctx, bus.To{Topic: "calc", Host: "a"}, "twice", args{N: 21, Text: big}, &r); err != nil || r.N != 42 || r.Text != big {
			t.Errorf("reply %d, %v", r.N, err)
		}
		if err := b[1].Call(ctx, bus.To{Topic: "calc"}, "twice", args{N: 1}, &r); err != nil || r.N != 2 {
			t.Errorf("to any: %d, %v", r.N, err)
		}
		if err := b[1].Call(ctx, bus.To{Topic: "calc"}, "nothing", nil, nil); bus.Code(err) != bus.CodePermanent {
			t.Errorf("unknown method: %v", err)
		}
		if err := b[1].Call(ctx, bus.To{Topic: "calc"}, "twice", "not an object", nil); bus.Code(err) != bus.CodePermanent {
			t.Errorf("bad arguments: %v", err)
		}
	})
	t.Run("unroutable at once", func(t *testing.T) {
		b := open(t, 2)
		stop := serve(t, b[0], bus.To{Topic: "calc", Host: "a"}, twice)
		for _, to := range []bus.To{{Topic: "calc", Host: "b"}, {Topic: "other"}} {
			if err := b[1].Call(ctx, to, "twice", args{}, nil); !errors.Is(err, bus.ErrUnroutable) {
				t.Errorf("call %s: %v", to, err)
			}
			if err := b[1].Cast(ctx, to, "twice", args{}); !errors.Is(err, bus.ErrUnroutable) {
				t.Errorf("cast %s: %v", to, err)
			}
		}
		stop()
		if err := b[1].Call(ctx, bus.To{Topic: "calc", Host: "a"}, "twice", args{}, nil); !errors.Is(err, bus.ErrUnroutable) {
			t.Errorf("call of a stopped server: %v", err)
		}
		serve(t, b[0], bus.To{Topic: "calc", Host: "a"}, twice)
		if err := b[1].Call(ctx, bus.To{Topic: "calc", Host: "a"}, "twice", args{}, nil); err != nil {
			t.Errorf("call of a restarted server: %v", err)
		}
	})
	t.Run("errors and panics come back", func(t *testing.T) {
		b := open(t, 2)
		serve(t, b[0], bus.To{Topic: "bad"}, bus.Handlers{
			"plain": func(context.Context, *bus.Message) (any, error) { return nil, errors.New("no luck") },
			"coded": func(context.Context, *bus.Message) (any, error) {
				return nil, fmt.Errorf("outer: %w", bus.Fail(bus.CodeNotFound, "no %s", "x"))
			},
			"panic": func(context.Context, *bus.Message) (any, error) { panic("a bug") },
		})
		if err := b[1].Call(ctx, bus.To{Topic: "bad"}, "plain", nil, nil); err == nil || err.Error() != "no luck" || bus.Code(err) != "" {
			t.Errorf("plain: %v", err)
		}
		if err := b[1].Call(ctx, bus.To{Topic: "bad"}, "coded", nil, nil); bus.Code(err) != bus.CodeNotFound || err.Error() != "outer: no x" {
			t.Errorf("coded: %v", err)
		}
		if err := b[1].Call(ctx, bus.To{Topic: "bad"}, "panic", nil, nil); bus.Code(err) != bus.CodePermanent {
			t.Errorf("panic: %v", err)
		}
	})
	t.Run("a call ends with its context", func(t *testing.T) {
		b := open(t, 2)
		block := make(chan struct{})
		serve(t, b[0], bus.To{Topic: "slow"}, bus.Handlers{"slow": func(context.Context, *bus.Message) (any, error) { <-block; return nil, nil }})
		short, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
		defer cancel()
		if err := b[1].Call(short, bus.To{Topic: "slow"}, "slow", nil, nil); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v", err)
		}
		close(block)
	})
	t.Run("request id and sender", func(t *testing.T) {
		b := open(t, 2)
		serve(t, b[0], bus.To{Topic: "who"}, bus.Handlers{"who": func(ctx context.Context, m *bus.Message) (any, error) {
			return m.RequestID + " " + bus.RequestID(ctx), nil
		}})
		var got string
		if err := b[1].Call(bus.WithRequestID(ctx, "req-7"), bus.To{Topic: "who"}, "who", nil, &got); err != nil || got != "req-7 req-7" {
			t.Errorf("%q, %v", got, err)
		}
	})
	t.Run("cast and fanout", func(t *testing.T) {
		b := open(t, 3)
		var got [2]atomic.Int64
		for i := range 2 {
			serve(t, b[i], bus.To{Topic: "hosts", Host: fmt.Sprint("h", i)}, bus.Handlers{"add": bus.Handle(func(_ context.Context, _ string, a args) (any, error) {
				got[i].Add(int64(a.N))
				return nil, nil
			})})
		}
		if err := b[2].Cast(ctx, bus.To{Topic: "hosts", Host: "h1"}, "add", args{N: 1}); err != nil {
			t.Fatal(err)
		}
		if err := b[2].Fanout(ctx, "hosts", "add", args{N: 10}); err != nil {
			t.Fatal(err)
		}
		if err := b[2].Fanout(ctx, "nobody", "add", args{N: 10}); err != nil {
			t.Errorf("fanout to nobody: %v", err)
		}
		await(t, func() bool { return got[0].Load() == 10 && got[1].Load() == 11 })
	})
	t.Run("many calls at once", func(t *testing.T) {
		b := open(t, 2)
		serve(t, b[0], bus.To{Topic: "calc"}, twice)
		var wg sync.WaitGroup
		for i := range 200 {
			wg.Go(func() {
				var r args
				if err := b[1].Call(ctx, bus.To{Topic: "calc"}, "twice", args{N: i}, &r); err != nil || r.N != 2*i {
					t.Errorf("call %d: %d, %v", i, r.N, err)
				}
			})
		}
		wg.Wait()
	})
	t.Run("stop waits for handlers", func(t *testing.T) {
		b := open(t, 2)
		begun, ended := make(chan struct{}), atomic.Bool{}
		stop := serve(t, b[0], bus.To{Topic: "slow"}, bus.Handlers{"slow": func(ctx context.Context, _ *bus.Message) (any, error) {
			close(begun)
			<-ctx.Done()
			ended.Store(true)
			return nil, nil
		}})
		if err := b[1].Cast(ctx, bus.To{Topic: "slow"}, "slow", nil); err != nil {
			t.Fatal(err)
		}
		<-begun
		stop()
		if !ended.Load() {
			t.Error("stop returned before the handler")
		}
	})
	t.Run("notifications in order", func(t *testing.T) {
		b := open(t, 2)
		var mu sync.Mutex
		var got []string
		stop, err := b[0].Subscribe(func(n bus.Notification) {
			mu.Lock()
			defer mu.Unlock()
			got = append(got, n.EventType+string(n.Payload))
		})
		if err != nil {
			t.Fatal(err)
		}
		for i := range 50 {
			if err := b[1].Notify(ctx, bus.Notification{EventType: "e", Priority: "info", Payload: json.RawMessage(fmt.Sprint(i)), Timestamp: time.Now().UTC()}); err != nil {
				t.Fatal(err)
			}
		}
		await(t, func() bool { mu.Lock(); defer mu.Unlock(); return len(got) == 50 })
		stop()
		for i, g := range got {
			if g != fmt.Sprint("e", i) {
				t.Fatalf("notification %d is %s", i, g)
			}
		}
	})
}

func await(t *testing.T, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("waited in vain")
		}
	}
}
