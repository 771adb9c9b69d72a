package api

import (
	"gostack/internal/keystone"
	"gostack/internal/rest"
)

// auth are the routes that tell callers what they can do with their token.
func (a *api) auth() []rest.Route {
	return []rest.Route{
		{Method: "GET", Path: "/auth/catalog", Policy: "identity:get_auth_catalog", Handle: func(r *rest.Request) (any, error) {
			if r.Caller.ProjectID == "" {
				return nil, rest.Forbidden("You are not authorized to perform the requested action.")
			}
			c, err := a.Catalog(r.Context(), r.Caller.UserID, r.Caller.ProjectID)
			return map[string]any{"catalog": c, "links": map[string]any{"self": r.BaseURL() + "/auth/catalog"}}, err
		}},
		{Method: "GET", Path: "/auth/projects", Policy: "identity:get_auth_projects", Handle: func(r *rest.Request) (any, error) {
			list, err := a.ProjectsOfUser(r.Context(), r.Caller.UserID, keystone.ListOptions{})
			return collection(r, "projects", list, projectView), err
		}},
		{Method: "GET", Path: "/auth/domains", Policy: "identity:get_auth_domains", Handle: func(r *rest.Request) (any, error) {
			list, err := a.DomainsOfUser(r.Context(), r.Caller.UserID, keystone.ListOptions{})
			return collection(r, "domains", list, domainView), err
		}},
		{Method: "GET", Path: "/auth/system", Policy: "identity:get_auth_system", Handle: func(r *rest.Request) (any, error) {
			has, err := a.HasSystemRole(r.Context(), r.Caller.UserID)
			system := []any{}
			if has {
				system = append(system, map[string]any{"all": true})
			}
			return map[string]any{"system": system, "links": map[string]any{"self": r.BaseURL() + "/auth/system"}}, err
		}},
	}
}
