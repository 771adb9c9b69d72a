package api

import (
	"fmt"

	"gostack/internal/rest"
)

type versionDocument struct {
	ID     string      `json:"id"`
	Status string      `json:"status"`
	Links  []rest.Link `json:"links"`
}

// listed are the minor versions, newest first, that a service with or without several stores and a cache has. Versions are only
// listed, never negotiated (glance/api/versions.py).
func listed(stores, cache bool) []int {
	minors := []int{17, 15}
	if cache {
		minors = []int{18, 17, 16, 15, 14}
	}
	if stores {
		minors = append(minors, 13, 12, 11, 10, 9, 8)
	} else {
		minors = append(minors, 9)
	}
	return append(minors, 7, 6, 5, 4, 3, 2, 1, 0)
}

func (a *api) versions(r *rest.Request) (any, error) {
	var list []versionDocument
	for n, minor := range listed(a.service.Multi(), a.service.Caches()) {
		status := "SUPPORTED"
		if n == 0 {
			status = "CURRENT"
		}
		list = append(list, versionDocument{fmt.Sprintf("v2.%d", minor), status, []rest.Link{{Rel: "self", Href: r.BaseURL() + "/v2/"}}})
	}
	return map[string]any{"versions": list}, nil
}
