package scheduler

import (
	"slices"
	"strings"
)

// tenantKey begins the keys of aggregate metadata that name projects.
const tenantKey = "filter_tenant_id"

// isTenantKey tells whether a key of an aggregate's metadata names projects: filter_tenant_id, filter_tenant_id_1, …
func isTenantKey(key string) bool { return strings.HasPrefix(key, tenantKey) }

// memberHosts applies what upstream asks placement as member_of: aggregates of the project, and aggregates that are kept for
// traits which the request does not name (nova/scheduler/request_filter.py).
func (q *query) memberHosts(hosts []*host, eliminated *eliminations) []*host {
	if q.config.LimitTenants {
		own := q.tenantAggregates()
		switch {
		case len(own) > 0:
			hosts = keep(hosts, eliminated, "Placement(aggregates of the project)", func(h *host) bool {
				return slices.ContainsFunc(h.aggregates, func(a *Aggregate) bool { return own[a] })
			})
		case q.config.TenantAggregateRequired:
			hosts = keep(hosts, eliminated, "Placement(no aggregate is for the project)", func(*host) bool { return false })
		}
	}
	if q.config.IsolateAggregates && len(q.isolating) > 0 {
		named := namedTraits(q.spec)
		closed := map[*Aggregate]bool{}
		for aggregate, traits := range q.isolating {
			closed[aggregate] = slices.ContainsFunc(traits, func(trait string) bool { return !named[trait] })
		}
		hosts = keep(hosts, eliminated, "Placement(isolated aggregates)", func(h *host) bool {
			return !slices.ContainsFunc(h.aggregates, func(a *Aggregate) bool { return closed[a] })
		})
	}
	return hosts
}

// tenantAggregates are those whose metadata name the project of the request.
func (q *query) tenantAggregates() map[*Aggregate]bool {
	own := map[*Aggregate]bool{}
	for _, a := range q.aggregates {
		for key, value := range a.Metadata {
			if isTenantKey(key) && slices.ContainsFunc(strings.Split(value, ","), func(p string) bool { return strings.TrimSpace(p) == q.spec.Project }) {
				own[a] = true
			}
		}
	}
	return own
}
