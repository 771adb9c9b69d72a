// Package api is Keystone's HTTP face: version documents and the Identity API v3, as tables of routes.
//
// It turns requests into calls of package keystone and rows into what clients read. What may be done is said by Policies and by
// the targets here; what is right is said there.
package api

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"gostack/internal/keystone"
	"gostack/internal/policy"
	"gostack/internal/rest"
)

// api serves one keystone.Service.
type api struct{ *keystone.Service }

// Services returns the API below /identity/v3 and /v3, and the version document below /identity.
func Services(s *keystone.Service) []*rest.Service {
	a := &api{s}
	routes := a.routes()
	v3 := &rest.Service{
		Name: "keystone", Type: "identity", Prefixes: []string{"/identity/v3", "/v3"}, Policies: Policies,
		Envelope: envelope, Deny: deny, SchemaLast: true, UnsupportedType: http.StatusBadRequest,
		Decorate: func(_ *rest.Request, h http.Header) { h.Add("Vary", "X-Auth-Token") },
		Routes:   append(routes, discovery(routes)),
	}
	versions := &rest.Service{
		Name: "keystone-versions", Prefixes: []string{"/identity"}, Envelope: envelope,
		Routes: []rest.Route{{Method: "GET", Path: "/", Policy: rest.Public, Status: http.StatusMultipleChoices, Handle: versionList(routes)}},
	}
	return []*rest.Service{v3, versions}
}

func (a *api) routes() []rest.Route {
	return slices.Concat(
		a.tokens(), a.auth(), a.domains(), a.projects(), a.users(), a.groups(), a.roles(), a.impliedRoles(), a.grants(),
		a.roleAssignments(), a.regions(), a.services(), a.endpoints(), a.credentials(), a.ec2(), a.applicationCredentials(), a.trusts(),
		a.limits(), a.servicePolicies(), a.endpointFilter(), a.domainConfig(), a.revocationEvents(), a.oauth1(), a.oauth2(),
	)
}

// HomeAt is the home document of all routes below prefix for a client whose headers ask for it, and its media type; nil for the others.
func HomeAt(s *keystone.Service, h http.Header, prefix string) (document any, mediaType string) {
	if !wantsHome(h) {
		return nil, ""
	}
	return home((&api{s}).routes(), prefix), jsonHome
}

// envelope is Keystone's {"error": {"code": 404, "message": "…", "title": "Not Found"}}. Who is not let in is told where to log in.
func envelope(r *rest.Request, e *rest.Error) any {
	if e.Status == http.StatusUnauthorized && r.Header().Get("WWW-Authenticate") == "" {
		r.Header().Set("WWW-Authenticate", fmt.Sprintf("Keystone uri=%q", r.RootURL()+"/identity"))
	}
	title := e.Title
	if title == "" {
		title = http.StatusText(e.Status)
	}
	return map[string]any{"error": map[string]any{"code": e.Status, "message": e.Message, "title": title}}
}

func deny(_ *rest.Request, d *policy.Denied) *rest.Error {
	return rest.Forbidden("You are not authorized to perform the requested action: %s.", d.Rule)
}

// object returns the members of the object that a request's body holds under key. In what is to be made, and in a consumer, hyphens and
// colons in their names count as underscores (upstream's _normalize_dict).
func object(r *rest.Request, key string) keystone.Attrs {
	body, _ := r.Body.(map[string]any)
	o, _ := body[key].(map[string]any)
	if o == nil {
		return map[string]any{}
	}
	if r.HTTP.Method == http.MethodPost || key == "consumer" {
		for name, v := range o {
			if plain := underscores.Replace(name); plain != name {
				delete(o, name)
				o[plain] = v
			}
		}
	}
	return o
}

var underscores = strings.NewReplacer("-", "_", ":", "_")

// placement is the domain of something to be made: what the request says, or else that of a domain-scoped token, or else the default
// domain (upstream's _normalize_domain_id).
func placement(r *rest.Request, a keystone.Attrs) any {
	if id, ok := a["domain_id"]; ok && id != nil && id != "" {
		return id
	}
	if r.Caller.DomainID != "" {
		return r.Caller.DomainID
	}
	return keystone.DefaultDomainID
}

// placed fills in the domain of something to be made.
func placed(r *rest.Request, a keystone.Attrs) keystone.Attrs {
	a["domain_id"] = placement(r, a)
	return a
}
