package api

import (
	"net/http"

	"gostack/internal/keystone"
	"gostack/internal/policy"
	"gostack/internal/rest"
)

func (a *api) impliedRoles() []rest.Route {
	const of, one = "/roles/{prior_role_id}/implies", "/roles/{prior_role_id}/implies/{implied_role_id}"
	check := func(r *rest.Request) (any, error) {
		pair := r.Loaded.(rolePair)
		return nil, a.CheckInference(r.Context(), pair.prior.ID, pair.implied.ID)
	}
	return []rest.Route{
		{Method: "GET", Path: "/role_inferences", Policy: "identity:list_role_inference_rules", Handle: a.listInferences},
		{Method: "GET", Path: of, Policy: "identity:list_implied_roles", Target: a.pairTarget, Handle: a.listImplied},
		{Method: "GET", Path: one, Policy: "identity:get_implied_role", Target: a.pairTarget, Handle: a.showImplied},
		{Method: "HEAD", Path: one, Policy: "identity:check_implied_role", Target: a.pairTarget, Status: http.StatusNoContent, Handle: check},
		{
			Method: "PUT", Path: one, Policy: "identity:create_implied_role", Target: a.pairTarget, Status: http.StatusCreated,
			Handle: func(r *rest.Request) (any, error) {
				pair := r.Loaded.(rolePair)
				if err := a.CreateInference(r.Context(), pair.prior, pair.implied); err != nil {
					return nil, err
				}
				return a.showImplied(r)
			},
		},
		{
			Method: "DELETE", Path: one, Policy: "identity:delete_implied_role", Target: a.pairTarget, Status: http.StatusNoContent,
			Handle: func(r *rest.Request) (any, error) {
				pair := r.Loaded.(rolePair)
				return nil, a.DeleteInference(r.Context(), pair.prior.ID, pair.implied.ID)
			},
		},
	}
}

// rolePair are the roles that a path names.
type rolePair struct{ prior, implied *keystone.Role }

func (a *api) pairTarget(r *rest.Request) (policy.Target, error) {
	var pair rolePair
	var err error
	if pair.prior, err = a.Role(r.Context(), r.Path("prior_role_id")); err != nil {
		return nil, a.unlessHidden(r, err)
	}
	if id := r.Path("implied_role_id"); id != "" {
		if pair.implied, err = a.Role(r.Context(), id); err != nil {
			return nil, a.unlessHidden(r, err)
		}
	}
	r.Loaded = pair
	return policy.Target{}, nil
}

// unlessHidden tells that something is missing only to those whom the route's policy lets in whatever the target.
func (a *api) unlessHidden(r *rest.Request, err error) error {
	if !rest.IsNotFound(err) {
		return err
	}
	if denied := r.Enforce(r.Route.Policy, policy.Target{}); denied != nil {
		return denied
	}
	return err
}

// inferenceRole is the little that these documents show of a role.
func inferenceRole(r *rest.Request, role *keystone.Role) any {
	return map[string]any{"id": role.ID, "name": role.Name, "links": map[string]any{"self": r.BaseURL() + "/roles/" + role.ID}}
}

func inferenceView(r *rest.Request, i keystone.Inference) map[string]any {
	implied := []any{}
	for _, role := range i.Implied {
		implied = append(implied, inferenceRole(r, role))
	}
	return map[string]any{"prior_role": inferenceRole(r, i.Prior), "implies": implied}
}

func (a *api) listInferences(r *rest.Request) (any, error) {
	list, err := a.Inferences(r.Context())
	out := []any{}
	for _, i := range list {
		out = append(out, inferenceView(r, i))
	}
	return map[string]any{"role_inferences": out, "links": map[string]any{"self": r.BaseURL() + "/role_inferences"}}, err
}

func (a *api) listImplied(r *rest.Request) (any, error) {
	i, err := a.InferencesOf(r.Context(), r.Loaded.(rolePair).prior)
	if err != nil {
		return nil, err
	}
	return map[string]any{
		"role_inference": inferenceView(r, i),
		"links":          map[string]any{"self": r.BaseURL() + "/roles/" + i.Prior.ID + "/implies"},
	}, nil
}

func (a *api) showImplied(r *rest.Request) (any, error) {
	pair := r.Loaded.(rolePair)
	if err := a.CheckInference(r.Context(), pair.prior.ID, pair.implied.ID); err != nil {
		return nil, err
	}
	return map[string]any{
		"role_inference": map[string]any{"prior_role": inferenceRole(r, pair.prior), "implies": inferenceRole(r, pair.implied)},
		"links":          map[string]any{"self": r.BaseURL() + "/roles/" + pair.prior.ID + "/implies/" + pair.implied.ID},
	}, nil
}
