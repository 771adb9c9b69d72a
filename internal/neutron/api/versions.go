package api

import (
	"gostack/internal/rest"
)

// versionRoutes are the documents that clients discover the API by.
func versionRoutes(resources []*resource) []rest.Route {
	return []rest.Route{
		{Method: "GET", Path: "/", Policy: rest.Public, Handle: func(r *rest.Request) (any, error) {
			return map[string]any{"versions": []any{map[string]any{
				"id": "v2.0", "status": "CURRENT", "links": []rest.Link{{Rel: "self", Href: r.BaseURL() + "/v2.0/"}},
			}}}, nil
		}},
		{Method: "GET", Path: "/v2.0", Policy: rest.Public, Handle: func(r *rest.Request) (any, error) {
			list := make([]any, len(resources))
			for i, res := range resources {
				list[i] = map[string]any{
					"name": res.Resource, "collection": res.Collection, "links": []rest.Link{{Rel: "self", Href: r.BaseURL() + "/v2.0/" + res.Path}},
				}
			}
			return map[string]any{"resources": list}, nil
		}},
	}
}
