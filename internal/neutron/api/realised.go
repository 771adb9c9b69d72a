package api

import (
	"slices"

	"gostack/internal/rest"
)

// realised are the resources that change what hosts do with packets, besides the core ones.
func (a *api) realised() []*resource {
	return append(a.qosRules(), a.trunks(), a.qosPolicies(), a.portForwardings(), a.logs())
}

// realisedRoutes are their routes that are no collection's.
func (a *api) realisedRoutes(all []*resource) []rest.Route {
	return slices.Concat(a.trunkActions(resourceNamed(all, "trunk")), a.ruleTypeRoutes(), a.floatingIPPoolRoutes(), a.loggableRoutes())
}

// resourceNamed finds one of the resources.
func resourceNamed(resources []*resource, name string) *resource {
	return resources[slices.IndexFunc(resources, func(r *resource) bool { return r.Resource == name })]
}
