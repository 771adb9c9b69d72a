package api

import (
	"net/http"

	"gostack/internal/rest"
)

// root is the list of versions at /compute/.
func (a *api) root() *rest.Service {
	return &rest.Service{
		Name: "nova", Prefixes: []string{"/compute"},
		Routes: []rest.Route{{Method: "GET", Path: "/", Policy: rest.Public, Handle: func(r *rest.Request) (any, error) {
			return object{"versions": []any{versionV2(r), versionV21(r)}}, nil
		}}},
	}
}

// v2 is the old version 2.0, which upstream still serves: 2.1 without microversions, where requests may have members that nobody knows.
func (a *api) v2(routes []rest.Route) *rest.Service {
	first := rest.V(2, 1)
	old := []rest.Route{{Method: "GET", Path: "/", Policy: rest.Public, Handle: func(r *rest.Request) (any, error) {
		return object{"version": withMedia(versionV2(r), "application/vnd.openstack.compute+json;version=2")}, nil
	}}}
	for _, r := range routes {
		if r.Path == "/" || first.Less(r.Min) {
			continue
		}
		r.Min, r.Max, r.Body, r.Query = rest.Version{}, rest.Version{}, r.Body.Relaxed(), r.Query.Relaxed()
		old = append(old, r)
	}
	return &rest.Service{Name: "nova-v2", Prefixes: []string{"/compute/v2"}, OptionalProject: true, Routes: old}
}

func (a *api) versionRoutes() []rest.Route {
	return []rest.Route{
		{Method: "GET", Path: "/", Policy: rest.Public, Handle: func(r *rest.Request) (any, error) {
			return object{"version": withMedia(versionV21(r), "application/vnd.openstack.compute+json;version=2.1")}, nil
		}},
	}
}

func versionV2(r *rest.Request) object {
	return object{
		"id": "v2.0", "status": "SUPPORTED", "version": "", "min_version": "", "updated": "2011-01-21T11:33:21Z",
		"links": []rest.Link{{Rel: "self", Href: r.RootURL() + "/compute/v2/"}},
	}
}

func versionV21(r *rest.Request) object {
	return object{
		"id": "v2.1", "status": "CURRENT", "version": maxVersion.String(), "min_version": minVersion.String(), "updated": "2013-07-23T11:33:21Z",
		"links": []rest.Link{{Rel: "self", Href: r.RootURL() + "/compute/v2.1/"}},
	}
}

func withMedia(v object, mediaType string) object {
	v["media-types"] = []object{{"base": "application/json", "type": mediaType}}
	links, _ := v["links"].([]rest.Link)
	v["links"] = append(links, rest.Link{Rel: "describedby", Href: "http://docs.openstack.org/"})
	return v
}

// gone answers for what left the API for good.
func gone(*rest.Request) (any, error) {
	return nil, rest.Fail(http.StatusGone, "This resource is no longer available. No forwarding address is given.")
}
