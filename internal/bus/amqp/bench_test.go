package amqp_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"

	"gostack/internal/bus"
	"gostack/internal/bus/amqp/rabbittest"
)

// BenchmarkCall measures a call to a host and back, one after the other and 64 at a time, beside the transport inside one process.
func BenchmarkCall(b *testing.B) {
	rabbittest.Start(b)
	for _, transport := range []struct {
		name string
		open func(b *testing.B) (caller, server bus.Bus)
	}{
		{"memory", func(*testing.B) (bus.Bus, bus.Bus) { m := bus.NewMemory(); return m, m }},
		{"amqp", func(b *testing.B) (bus.Bus, bus.Bus) { c := newCloud(b); return c.control(), c.asHost("one") }},
	} {
		for _, width := range []int{1, 64} {
			b.Run(fmt.Sprintf("%s/%d", transport.name, width), func(b *testing.B) {
				caller, server := transport.open(b)
				to := bus.To{Topic: "nova-compute", Host: "one"}
				stop, err := server.Serve(to, bus.Handlers{"double": bus.Handle(func(_ context.Context, _ string, a number) (number, error) { return number{2 * a.N}, nil })})
				must(b, err)
				defer stop()
				b.SetParallelism((width + 1) / 2)
				b.ResetTimer()
				if width == 1 {
					for i := range b.N {
						call(b, caller, to, i)
					}
					return
				}
				b.RunParallel(func(pb *testing.PB) {
					for pb.Next() {
						call(b, caller, to, 7)
					}
				})
			})
		}
	}
}

func call(b *testing.B, caller bus.Bus, to bus.To, i int) {
	var r number
	if err := caller.Call(b.Context(), to, "double", number{i}, &r); err != nil || r.N != 2*i {
		b.Errorf("%d, %v", r.N, err)
	}
}

// BenchmarkCast measures casts to a role, which the broker stores before it confirms them.
func BenchmarkCast(b *testing.B) {
	c := newCloud(b)
	sender, server := c.control(), c.control()
	var handled atomic.Int64
	stop, err := server.Serve(bus.To{Topic: "nova-conductor"}, bus.Handlers{"tell": func(context.Context, *bus.Message) (any, error) {
		handled.Add(1)
		return nil, nil
	}})
	must(b, err)
	defer stop()
	for _, kind := range []struct {
		name string
		ctx  context.Context
	}{{"kept", b.Context()}, {"ephemeral", bus.Ephemeral(b.Context())}} {
		b.Run(kind.name, func(b *testing.B) {
			b.SetParallelism(16)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					must(b, sender.Cast(kind.ctx, bus.To{Topic: "nova-conductor"}, "tell", number{1}))
				}
			})
		})
	}
}
