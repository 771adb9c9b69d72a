package api

import (
	"fmt"

	"gostack/internal/rest"
)

// newest is the newest minor version of the API. Versions are only listed, never negotiated.
const newest = 16

type versionDocument struct {
	ID     string      `json:"id"`
	Status string      `json:"status"`
	Links  []rest.Link `json:"links"`
}

func versions(r *rest.Request) (any, error) {
	var list []versionDocument
	for minor := newest; minor >= 0; minor-- {
		status := "SUPPORTED"
		if minor == newest {
			status = "CURRENT"
		}
		list = append(list, versionDocument{fmt.Sprintf("v2.%d", minor), status, []rest.Link{{Rel: "self", Href: r.BaseURL() + "/v2/"}}})
	}
	return map[string]any{"versions": list}, nil
}
