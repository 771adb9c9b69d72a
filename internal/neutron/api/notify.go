package api

import (
	"context"

	"gostack/internal/neutron"
	"gostack/internal/neutron/attr"
	"gostack/internal/neutron/db"
	"gostack/internal/notify"
	"gostack/internal/policy"
	"gostack/internal/rest"
)

// Every change of a resource by the API is told as upstream does for all resources alike (neutron/pecan_wsgi/hooks/notifier.py): RESOURCE.VERB.start
// with the request's body, RESOURCE.VERB.end with the answer. Both are written with the change itself, so there is none for one that was refused.

// told does something to a resource, and tells of it when somebody hears.
func (a *api) told(ctx context.Context, do func(ctx context.Context) error, events func(s *notify.Sender) []notify.Event) error {
	if notify.Of(a.n.DB) == nil {
		return do(ctx)
	}
	return a.n.Write(ctx, func(ctx context.Context) error {
		if err := do(ctx); err != nil {
			return err
		}
		s := notify.Sending(ctx)
		if s == nil {
			return nil
		}
		return s.Emit(ctx, events(s)...)
	})
}

func startEnd(s *notify.Sender, what string, start, end any) []notify.Event {
	return []notify.Event{neutron.Event(s, what+".start", start), neutron.Event(s, what+".end", end)}
}

// wanted is a request's body with more in it.
func wanted(r *rest.Request, more map[string]any) map[string]any {
	m := map[string]any{}
	if body, ok := r.Body.(map[string]any); ok {
		for name, v := range body {
			m[name] = v
		}
	}
	for name, v := range more {
		m[name] = v
	}
	return m
}

// portViews shows ports as an administrator sees them, for what Nova does to them.
func (a *api) portViews(ports *resource) func(ctx context.Context, ids []string) (map[string]attr.Values, error) {
	return func(ctx context.Context, ids []string) (map[string]attr.Values, error) {
		views, err := ports.List(ctx, policy.Internal(), db.Query{Where: []db.Cond{db.In("t.id", ids)}})
		out := make(map[string]attr.Values, len(views))
		for _, v := range views {
			out[v.String("id")] = v
		}
		return out, err
	}
}
