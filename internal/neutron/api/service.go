// Package api is Neutron's HTTP API: each resource is a table of attributes and a few functions of package neutron, and one
// engine (resource.go, list.go) runs them all.
//
// The package owns shapes, policies and statuses of the API; the rules of the resources are in package neutron.
package api

import (
	"maps"
	"net/http"
	"slices"
	"strings"

	"gostack/internal/neutron"
	"gostack/internal/policy"
	"gostack/internal/rest"
)

// Service declares the API of a Neutron. It answers at each of the prefixes; the version is part of the paths.
func Service(n *neutron.Service, prefixes ...string) *rest.Service {
	if len(prefixes) == 0 {
		prefixes = []string{"/network"}
	}
	a := &api{n: n}
	resources := []*resource{
		a.networks(), a.subnets(), a.ports(), a.routers(), a.floatingIPs(), a.securityGroups(), a.securityGroupRules(),
		a.rbacPolicies(),
		a.addressScopes(),
		a.subnetPools(),
		a.addressGroups(),
		a.defaultRules(),
		a.defaultStatefulness(),
		a.flavors(),
		a.serviceProfiles(),
		a.segments(),
		a.meteringLabels(),
		a.meteringLabelRules(),
	}
	resources = append(resources, a.realised()...)
	n.PortViews = a.portViews(resourceNamed(resources, "port"))
	var routes []rest.Route
	for _, r := range resources {
		routes = append(routes, a.routes(r)...)
	}
	routes = append(routes, a.tagRoutes(resources)...)
	routes = append(routes, a.quotaRoutes()...)
	routes = append(routes, a.realisedRoutes(resources)...)
	routes = append(routes, a.agentRoutes()...)
	routes = append(routes, a.ipAvailabilityRoutes()...)
	routes = append(routes, a.autoTopologyRoutes()...)
	routes = append(routes, a.bindingRoutes(resourceNamed(resources, "port"))...)
	routes = append(routes, a.flavorRoutes()...)
	routes = append(routes, a.dhcpSchedulingRoutes(resourceNamed(resources, "network"))...)
	routes = append(routes, a.routerSchedulingRoutes(resourceNamed(resources, "router"))...)
	routes = append(routes, a.extensionRoutes()...)
	routes = append(routes, versionRoutes(resources)...)
	return &rest.Service{
		Name: "neutron", Type: "network", Prefixes: prefixes, Routes: routes, Policies: Policies, Envelope: envelope, Deny: deny,
		MaxBody: 4 << 20, // bulk creation of ports
	}
}

type api struct{ n *neutron.Service }

// envelope is {"NeutronError": {"type", "message", "detail"}}.
func envelope(_ *rest.Request, e *rest.Error) any {
	if e.Status == http.StatusUnauthorized {
		return map[string]any{"error": map[string]any{"code": e.Status, "title": "Unauthorized", "message": e.Message}}
	}
	name := e.Type
	if name == "" {
		name = map[int]string{
			400: "HTTPBadRequest", 403: "HTTPForbidden", 404: "HTTPNotFound", 405: "HTTPMethodNotAllowed", 409: "HTTPConflict",
			412: "HTTPPreconditionFailed", 413: "HTTPRequestEntityTooLarge", 415: "HTTPUnsupportedMediaType", 503: "HTTPServiceUnavailable",
		}[e.Status]
	}
	message := e.Message
	if name == "" {
		name, message = "HTTPInternalServerError", "Request Failed: internal server error while processing your request."
	}
	return map[string]any{"NeutronError": map[string]any{"type": name, "message": message, "detail": ""}}
}

// deny answers a policy's refusal: 403 about what the caller may see, 404 about the rest, so that nobody learns what exists (upstream's
// PolicyHook).
func deny(r *rest.Request, d *policy.Denied) *rest.Error {
	forbidden := rest.Forbidden("rule:%s is disallowed by policy", d.Rule).WithType("PolicyNotAuthorized")
	if d.Scope {
		return forbidden
	}
	l, ok := r.Loaded.(*loaded)
	if !ok || l.view == nil {
		return forbidden
	}
	target := policy.Target(maps.Clone(l.view))
	if l.own {
		delete(target, "shared")
	}
	if !r.Can(l.get, target) {
		return rest.NotFound("The resource could not be found.")
	}
	return forbidden
}

// id is the path's id without the suffix that old clients write.
func id(r *rest.Request) string { return strings.TrimSuffix(r.Path("id"), ".json") }

// spellings are the paths that a collection answers at: with dashes and underscores, and with the old suffix.
func spellings(path string) []string {
	list := []string{path}
	for _, other := range []string{strings.ReplaceAll(path, "-", "_"), strings.ReplaceAll(path, "_", "-")} {
		if !slices.Contains(list, other) {
			list = append(list, other)
		}
	}
	return list
}
