// Package api is Nova's HTTP API: routes with their policies, schemas and views, one file per resource.
//
// It turns requests into calls of package nova and rows into the JSON of the microversion asked for. It owns no rule
// beyond the form of requests.
package api

import (
	"net/http"
	"slices"

	"gostack/internal/nova"
	"gostack/internal/rest"
)

// The microversions spoken.
var (
	minVersion = rest.V(2, 1)
	maxVersion = rest.V(2, 104)
)

// maxPage is the most a list shows at once (upstream's max_limit).
const maxPage = 1000

type api struct {
	nova *nova.Service
}

// New declares the API of a service: /compute/v2.1, its version documents, and /compute/v2, which it was before.
func New(svc *nova.Service) []*rest.Service {
	a := &api{svc}
	routes := slices.Concat(
		a.versionRoutes(), a.flavorRoutes(), a.extraSpecRoutes(), a.flavorAccessRoutes(), a.keyPairRoutes(), a.serverRoutes(),
		a.actionRoutes(), a.imageActionRoutes(), a.rebuildRoutes(), a.stateActionRoutes(), a.partRoutes(), a.instanceActionRoutes(), a.interfaceRoutes(), a.consoleRoutes(),
		a.quotaRoutes(), a.limitRoutes(), a.serviceRoutes(), a.zoneRoutes(), a.hypervisorRoutes(), a.aggregateRoutes(), a.serverGroupRoutes(), a.extensionRoutes(), a.usageRoutes(), a.otherRoutes(), a.migrationRoutes(),
		a.moveRoutes(), a.liveRoutes(), a.volumeAttachmentRoutes(), a.shareRoutes(), a.auditLogRoutes(), assistedSnapshotRoutes(),
		a.oldNetworkRoutes(), a.oldGroupRoutes(), a.oldImageRoutes(), oldVolumeRoutes(), a.oldHostRoutes(), bareMetalRoutes(), a.removedRoutes(),
	)
	main := &rest.Service{
		Name: "nova", Type: "compute", Prefixes: []string{"/compute/v2.1"}, OptionalProject: true, ExactPaths: true, Policies: Policies,
		Decorate: func(r *rest.Request, h http.Header) { h.Set("X-Compute-Request-Id", r.ID) },
		Microversions: &rest.Microversions{
			Service: "compute", LegacyHeader: "X-OpenStack-Nova-API-Version", Min: minVersion, Max: maxVersion,
		},
		Routes: strictQueries(append(routes, volumesBoot(routes)...)),
	}
	return []*rest.Service{main, a.root(), a.v2(main.Routes)}
}

// strictQueries refuses parameters, from 2.102 on, to calls that read none.
func strictQueries(routes []rest.Route) (out []rest.Route) {
	none, since := querySchema(true), rest.V(2, 102)
	for _, r := range routes {
		if r.Method != "GET" || r.Query != nil || r.Policy == rest.Public || !r.Max.IsZero() && r.Max.Less(since) {
			out = append(out, r)
			continue
		}
		if r.Min.Less(since) {
			old := r
			old.Max = before(since)
			out, r.Min = append(out, old), since
		}
		r.Query = none
		out = append(out, r)
	}
	return out
}

// window is a stretch of microversions with a body schema of its own, up to the next one's beginning.
type window struct {
	from rest.Version
	body *rest.Schema
}

// windows declares one route per stretch.
func windows(route rest.Route, steps ...window) []rest.Route {
	routes := make([]rest.Route, len(steps))
	for i, w := range steps {
		r := route
		r.Min, r.Body = w.from, w.body
		if i+1 < len(steps) {
			r.Max = before(steps[i+1].from)
		}
		routes[i] = r
	}
	return routes
}

func before(v rest.Version) rest.Version { return rest.V(v.Major, v.Minor-1) }

// object is shorthand for JSON objects whose form depends on the microversion.
type object map[string]any

// links are a resource's own address and its address without version, as every Nova resource has them.
func links(r *rest.Request, collection, id string) []rest.Link {
	return []rest.Link{{Rel: "self", Href: versioned(r) + "/" + collection + "/" + id}, bookmark(r, collection, id)}
}

func bookmark(r *rest.Request, collection, id string) rest.Link {
	return rest.Link{Rel: "bookmark", Href: r.RootURL() + "/compute" + project(r) + "/" + collection + "/" + id}
}

func versioned(r *rest.Request) string { return r.BaseURL() + project(r) }

func project(r *rest.Request) string {
	if r.URLProject() == "" {
		return ""
	}
	return "/" + r.URLProject()
}

// page reads limit and marker; Nova cuts larger limits to maxPage.
func page(r *rest.Request) (limit int, marker string, err error) {
	limit, err = r.QueryInt("limit", maxPage)
	if err != nil {
		return 0, "", err
	}
	if limit > maxPage {
		limit = maxPage
	}
	return limit, r.Query("marker"), nil
}

// nextLinks are the links of a page that is full.
func nextLinks(r *rest.Request, full bool, marker string) []rest.Link {
	if !full {
		return nil
	}
	return []rest.Link{{Rel: "next", Href: r.NextLink(marker, 0)}}
}
