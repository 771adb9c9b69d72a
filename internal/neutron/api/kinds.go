package api

import (
	"context"

	"gostack/internal/neutron"
	"gostack/internal/neutron/attr"
	"gostack/internal/neutron/db"
	"gostack/internal/policy"
	"gostack/internal/rest"
)

// kind is a resource of package neutron that is declared there (neutron.Kind).
type kind[T any] interface {
	List(ctx context.Context, c *policy.Caller, q db.Query) ([]*T, error)
	Create(ctx context.Context, c *policy.Caller, v attr.Values) (*T, error)
	Update(ctx context.Context, c *policy.Caller, id string, v attr.Values) (*T, error)
	Delete(ctx context.Context, c *policy.Caller, id string) error
}

// serve declares the API of a kind: res has its attributes, path and answers, view makes a view of a row.
func serve[T any](k kind[T], res resource, view func(*T) attr.Values) *resource {
	res.List = func(ctx context.Context, c *policy.Caller, q db.Query) ([]attr.Values, error) {
		rows, err := k.List(ctx, c, q)
		return viewed(rows, err, view)
	}
	res.Create = func(ctx context.Context, c *policy.Caller, v attr.Values) (attr.Values, error) {
		row, err := k.Create(ctx, c, v)
		return one(row, err, view)
	}
	res.Update = func(ctx context.Context, c *policy.Caller, id string, v attr.Values) (attr.Values, error) {
		row, err := k.Update(ctx, c, id, v)
		return one(row, err, view)
	}
	res.Delete = k.Delete
	return &res
}

// with adds attributes to a view.
func with(v attr.Values, more attr.Values) attr.Values {
	for name, x := range more {
		v[name] = x
	}
	return v
}

// memberAction is PUT /v2.0/<collection>/{id}/<name>, guarded by the policy of that name or by the one given. Do gets the resource's view and the body.
type memberAction struct {
	Name string
	Do   func(ctx context.Context, r *rest.Request, view attr.Values, body map[string]any) (any, error)

	Policy string
}

// actionRoutes are the routes of a resource's member actions.
func (a *api) actionRoutes(res *resource) (routes []rest.Route) {
	for _, action := range res.Actions {
		if action.Policy == "" {
			action.Policy = action.Name
		}
		for _, base := range spellings(res.Path) {
			routes = append(routes, rest.Route{
				Method: "PUT", Path: "/v2.0/" + base + "/{id}/" + action.Name, Policy: action.Policy, Body: anything,
				Target: func(r *rest.Request) (policy.Target, error) { return a.find(r, res) },
				Handle: func(r *rest.Request) (any, error) {
					body, ok := r.Body.(map[string]any)
					if !ok {
						return nil, attr.Bad("Resource body required")
					}
					ctx := neutron.Track(r.Context())
					answer, err := action.Do(ctx, r, r.Loaded.(*loaded).view, body) //nolint:forcetypeassert // find has set it
					if err != nil {
						return nil, err
					}
					a.n.Await(ctx)
					return answer, nil
				},
			})
		}
	}
	return routes
}
