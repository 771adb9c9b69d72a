package store

import (
	"context"
	"sync/atomic"

	"github.com/uptrace/bun"
)

// Counter counts the statements run under a context. Safe for concurrent use.
type Counter struct{ n atomic.Int64 }

// Statements returns the number so far.
func (c *Counter) Statements() int { return int(c.n.Load()) }

type counterKey struct{}

// Count returns a context under which statements are counted, and the counter. A context that counts already keeps its counter. What PostgreSQL made a write
// run again, because of the writes of others, counts once.
func Count(ctx context.Context) (context.Context, *Counter) {
	if c, ok := ctx.Value(counterKey{}).(*Counter); ok {
		return ctx, c
	}
	c := &Counter{}
	return context.WithValue(ctx, counterKey{}, c), c
}

// mark returns what takes back all that is counted under ctx from here on.
func mark(ctx context.Context) (forget func()) {
	c, ok := ctx.Value(counterKey{}).(*Counter)
	if !ok {
		return func() {}
	}
	n := c.n.Load()
	return func() { c.n.Store(n) }
}

type countHook struct{}

// BeforeQuery counts e, unless it is the frame of a transaction.
func (countHook) BeforeQuery(ctx context.Context, e *bun.QueryEvent) context.Context {
	switch e.Query {
	case "BEGIN", "COMMIT", "ROLLBACK":
		return ctx
	}
	if c, ok := ctx.Value(counterKey{}).(*Counter); ok {
		c.n.Add(1)
	}
	return ctx
}

func (countHook) AfterQuery(context.Context, *bun.QueryEvent) {}
