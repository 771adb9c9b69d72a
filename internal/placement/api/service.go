// Package api is the HTTP API of placement: routes, schemas and the shapes of answers at each microversion, 1.0 to 1.39.
//
// The rules are in the package above; nothing is decided here but what a client may write and what it sees.
package api

import (
	"mime"
	"net/http"
	"slices"
	"strings"
	"time"

	"gostack/internal/clock"
	"gostack/internal/placement"
	"gostack/internal/policy"
	"gostack/internal/rest"
)

// Versions of the API.
var (
	MinVersion = rest.V(1, 0)
	MaxVersion = rest.V(1, 39)
)

// maxBody allows a reshape of hundreds of providers.
const maxBody = 8 << 20

// API serves placement.
type API struct {
	*placement.Service
	Clock clock.Clock // nil is the system's
}

// New declares the service.
func New(service *placement.Service) *rest.Service {
	api := &API{Service: service, Clock: service.Clock}
	if api.Clock == nil {
		api.Clock = clock.System
	}
	routes := slices.Concat(
		api.rootRoutes(), api.providerRoutes(), api.inventoryRoutes(), api.aggregateRoutes(), api.traitRoutes(),
		api.classRoutes(), api.usageRoutes(), api.allocationRoutes(), api.candidateRoutes(), api.reshapeRoutes(),
	)
	for i := range routes {
		route := &routes[i]
		handle, target := route.Handle, route.Target
		// Headers are judged before anything else, as upstream's decorators do.
		route.Target = func(r *rest.Request) (policy.Target, error) {
			if err := checkHeaders(r); err != nil {
				return nil, err
			}
			if target != nil {
				return target(r)
			}
			return rest.OwnTarget(r.Caller), nil
		}
		route.Handle = func(r *rest.Request) (any, error) {
			answer, err := handle(r)
			return answer, refused(err)
		}
	}
	return &rest.Service{
		Name:     "placement",
		Type:     "placement",
		Prefixes: []string{"/placement"},
		Routes:   routes,
		Policies: Policies,
		Microversions: &rest.Microversions{
			Service: "placement", Min: MinVersion, Max: MaxVersion, OfPublic: true,
			Refuse: func(status int, asked string) *rest.Error {
				format := "Invalid microversion: invalid version string: %s"
				if status == http.StatusNotAcceptable {
					format = "Invalid microversion: Unacceptable version header: %s"
				}
				return rest.Fail(status, format, asked).WithType(refusedVersion)
			},
		},
		Envelope: problem,
		Refuse:   refusedInput,
		// Upstream writes it so, and clients may look.
		Decorate: func(_ *rest.Request, h http.Header) { h.Set("Vary", "openstack-api-version") },
		Deny: func(_ *rest.Request, d *policy.Denied) *rest.Error {
			return rest.Forbidden("Policy does not allow %s to be performed.", d.Rule)
		},
		PolicyFirst: true,
		ExactPaths:  true,
		MaxBody:     maxBody,
	}
}

// rule gives the full name of a policy.
func rule(name string) string { return "placement:" + name }

// refused turns refusals of the service into answers.
func refused(err error) error {
	refusal, ok := placement.IsRefusal(err)
	if !ok {
		return err
	}
	status := map[placement.Reason]int{
		placement.Invalid: http.StatusBadRequest, placement.NotFound: http.StatusNotFound, placement.Conflict: http.StatusConflict,
	}[refusal.Reason]
	return rest.Fail(status, "%s", refusal.Message).WithCode(string(refusal.Code))
}

// checkHeaders refuses bodies without or of the wrong type, and clients that do not take JSON.
func checkHeaders(r *rest.Request) error {
	contentType := r.HTTP.Header.Get("Content-Type")
	if r.HTTP.ContentLength > 0 && contentType == "" {
		return rest.BadRequest("content-type header required when content-length > 0")
	}
	if r.Route.Body != nil {
		if mediaType, _, err := mime.ParseMediaType(contentType); err != nil || mediaType != "application/json" {
			if contentType == "" {
				contentType = "None"
			}
			return rest.Fail(http.StatusUnsupportedMediaType, "The media type %s is not supported, use application/json", contentType)
		}
	}
	answersJSON := r.HTTP.Method == http.MethodGet && r.Route.Status != http.StatusNoContent && r.Route.Policy != rest.Public
	if answersJSON && !acceptsJSON(r.HTTP.Header.Values("Accept")) {
		return rest.Fail(http.StatusNotAcceptable, "Only application/json is provided")
	}
	return nil
}

// acceptsJSON reads Accept headers (RFC 9110, 12.5.1). None accepts everything.
func acceptsJSON(headers []string) bool {
	ranges := strings.Split(strings.Join(headers, ","), ",")
	best, accepted := -1, strings.Join(headers, "") == ""
	for _, text := range ranges {
		mediaType, parameters, err := mime.ParseMediaType(text)
		precision := slices.Index([]string{"*/*", "application/*", "application/json"}, mediaType)
		if err != nil || precision < best || precision < 0 {
			continue
		}
		best, accepted = precision, strings.Trim(parameters["q"], "0.") != "" || parameters["q"] == ""
	}
	return accepted
}

// show answers with a document, and since microversion 1.15 with the time of its last change.
func (a *API) show(r *rest.Request, body any, modified time.Time) *rest.Response {
	return a.dated(r, rest.Reply(http.StatusOK, body), modified)
}

func (a *API) dated(r *rest.Request, answer *rest.Response, modified time.Time) *rest.Response {
	if !r.Version.AtLeast(1, 15) {
		return answer
	}
	if modified.IsZero() {
		modified = a.Clock.Now()
	}
	return answer.With("Last-Modified", modified.UTC().Format(http.TimeFormat)).With("Cache-Control", "no-cache")
}

// latest returns the greater time.
func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func (a *API) rootRoutes() []rest.Route {
	return []rest.Route{{Method: "GET", Path: "/", Policy: rest.Public, Handle: a.root}}
}

func (a *API) root(r *rest.Request) (any, error) {
	version := map[string]any{
		"id": "v1.0", "status": "CURRENT", "min_version": MinVersion.String(), "max_version": MaxVersion.String(),
		"links": []rest.Link{{Rel: "self", Href: ""}},
	}
	return a.show(r, map[string]any{"versions": []any{version}}, time.Time{}), nil
}
