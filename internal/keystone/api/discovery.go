package api

import (
	"strings"

	"gostack/internal/rest"
)

// discovery is the document of the one version: what it is, or, for those who ask for JSON home, what routes it has.
func discovery(routes []rest.Route) rest.Route {
	return rest.Route{Method: "GET", Path: "/", Policy: rest.Public, Handle: func(r *rest.Request) (any, error) {
		if wantsHome(r.HTTP.Header) {
			return answerHome(routes, ""), nil
		}
		return map[string]any{"version": version(r.BaseURL() + "/")}, nil
	}}
}

// versionList is the document at the root of the Identity service: all versions there are.
func versionList(routes []rest.Route) func(r *rest.Request) (any, error) {
	return func(r *rest.Request) (any, error) {
		if wantsHome(r.HTTP.Header) {
			return answerHome(routes, r.Prefix()+"/v3"), nil
		}
		return Versions(strings.TrimSuffix(r.BaseURL(), "/") + "/v3/"), nil
	}
}

// Versions is the body of the version list when the API's one version is at address. Its status is 300.
func Versions(address string) any {
	return map[string]any{"versions": map[string]any{"values": []any{version(address)}}}
}

func version(address string) any {
	return map[string]any{
		"id": "v3.14", "status": "stable", "updated": "2020-04-07T00:00:00Z",
		"links":       []any{map[string]any{"rel": "self", "href": address}},
		"media-types": []any{map[string]any{"base": "application/json", "type": "application/vnd.openstack.identity-v3+json"}},
	}
}
