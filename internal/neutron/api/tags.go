package api

import (
	"net/http"
	"slices"
	"strings"

	"gostack/internal/neutron"
	"gostack/internal/neutron/attr"
	"gostack/internal/policy"
	"gostack/internal/rest"
)

// tagRoutes are the tags below each resource that has them. Their policies are asked about the resource itself, so a foreign
// one's tags are as hidden as it is (OSSA-2024-005).
func (a *api) tagRoutes(resources []*resource) (routes []rest.Route) {
	for _, res := range resources {
		if res.Get("tags") == nil {
			continue
		}
		target := func(r *rest.Request) (policy.Target, error) { return a.find(r, res) }
		add := func(method, path, verb string, status int, handle func(r *rest.Request) (any, error)) {
			bases := spellings(res.Path)
			if _, short, ok := strings.Cut(res.Path, "qos/"); ok {
				bases = append(bases, short) // the tag extension knows the collection's name only
			}
			for _, base := range bases {
				routes = append(routes, rest.Route{
					Method: method, Path: "/v2.0/" + base + "/{id}/tags" + path, Policy: verb + res.Resource + ":tags", Target: target,
					Status: status, Body: bodyOf(method, path), Handle: handle,
				})
			}
		}
		have := func(r *rest.Request) []string { return r.Loaded.(*loaded).view.Strings("tags") } //nolint:forcetypeassert // find has set it
		change := func(r *rest.Request, to func([]string) ([]string, error)) ([]string, error) {
			return a.n.ChangeTags(r.Context(), res.Collection, id(r), to)
		}
		add("GET", "", "get_", 200, func(r *rest.Request) (any, error) { return map[string]any{"tags": have(r)}, nil })
		add("PUT", "", "update_", 200, func(r *rest.Request) (any, error) {
			tags, err := tagBody(r)
			if err == nil {
				tags, err = change(r, func([]string) ([]string, error) { return tags, nil })
			}
			return map[string]any{"tags": tags}, err
		})
		add("POST", "", "update_", 200, func(r *rest.Request) (any, error) {
			more, err := tagBody(r)
			if err != nil {
				return nil, err
			}
			tags, err := change(r, func(tags []string) ([]string, error) {
				for _, t := range more {
					tags = withTag(tags, t)
				}
				return tags, nil
			})
			return map[string]any{"tags": tags}, err
		})
		add("DELETE", "", "delete_", http.StatusNoContent, func(r *rest.Request) (any, error) {
			_, err := change(r, func([]string) ([]string, error) { return []string{}, nil })
			return nil, err
		})
		add("GET", "/{tag}", "get_", http.StatusNoContent, func(r *rest.Request) (any, error) {
			if !slices.Contains(have(r), r.Path("tag")) {
				return nil, neutron.TagNotFound(r.Path("tag"))
			}
			return nil, nil
		})
		add("PUT", "/{tag}", "update_", http.StatusCreated, func(r *rest.Request) (any, error) {
			if reason := badTag(r.Path("tag")); reason != "" {
				return nil, attr.Bad("Invalid input for tags. Reason: %s.", reason)
			}
			_, err := change(r, func(tags []string) ([]string, error) { return withTag(tags, r.Path("tag")), nil })
			return nil, err
		})
		add("DELETE", "/{tag}", "delete_", http.StatusNoContent, func(r *rest.Request) (any, error) {
			_, err := change(r, func(tags []string) ([]string, error) {
				i := slices.Index(tags, r.Path("tag"))
				if i < 0 {
					return nil, neutron.TagNotFound(r.Path("tag"))
				}
				return slices.Delete(tags, i, i+1), nil
			})
			return nil, err
		})
	}
	return routes
}

func bodyOf(method, path string) *rest.Schema {
	if path == "" && (method == "PUT" || method == "POST") {
		return anything
	}
	return nil
}

func withTag(tags []string, t string) []string {
	if slices.Contains(tags, t) {
		return tags
	}
	return append(tags, t)
}

func tagBody(r *rest.Request) ([]string, error) {
	doc, _ := r.Body.(map[string]any)
	if len(doc) != 1 || doc["tags"] == nil {
		return nil, attr.Bad("Invalid tags body")
	}
	v, reason := tagList(doc["tags"])
	if reason != "" {
		return nil, attr.Bad("Invalid input for tags. Reason: %s.", reason)
	}
	return v.([]string), nil //nolint:forcetypeassert // tagList gives nothing else
}
