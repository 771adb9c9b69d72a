package policy

import "context"

type callerKey struct{}

// WithCaller makes everything done under ctx known to be on a caller's behalf. Rights are never taken from there: what decides by a caller is
// given one.
func WithCaller(ctx context.Context, c *Caller) context.Context {
	return context.WithValue(ctx, callerKey{}, c)
}

// CallerOf returns on whose behalf something is done, or nil.
func CallerOf(ctx context.Context) *Caller {
	c, _ := ctx.Value(callerKey{}).(*Caller)
	return c
}
