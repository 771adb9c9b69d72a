package scheduler

import (
	"slices"
	"strings"
)

// passAggregateExtraSpecs compares "aggregate_instance_extra_specs:key" extra specs, and those without a scope, with the
// metadata of the host's aggregates.
func passAggregateExtraSpecs(q *query, h *host) bool {
	for key, requirement := range q.spec.Flavor.ExtraSpecs {
		if scope, rest, scoped := strings.Cut(key, ":"); scoped {
			if scope != "aggregate_instance_extra_specs" {
				continue
			}
			key = rest
		}
		if !slices.ContainsFunc(h.metadata[key], func(value string) bool { return matches(value, requirement) }) {
			return false
		}
	}
	return true
}

// passTenants keeps other projects away from aggregates that are for some (filter_tenant_id, filter_tenant_id_1, …).
func passTenants(q *query, h *host) bool {
	isolated := false
	for key, projects := range h.metadata {
		if isTenantKey(key) {
			if slices.Contains(projects, q.spec.Project) {
				return true
			}
			isolated = true
		}
	}
	return !isolated
}

// passAggregateImage keeps images away from aggregates whose metadata name other values of their properties.
func passAggregateImage(q *query, h *host) bool {
	for key, value := range q.spec.Image.Properties {
		if q.config.ImageNamespace != "" && !strings.HasPrefix(key, q.config.ImageNamespace+q.config.ImageSeparator) {
			continue
		}
		if values, found := h.metadata[key]; found && !slices.Contains(values, value) {
			return false
		}
	}
	return true
}

// passAggregateType keeps flavors away from aggregates that are for others (key instance_type).
func passAggregateType(q *query, h *host) bool {
	flavors, found := h.metadata["instance_type"]
	return !found || slices.Contains(flavors, q.spec.Flavor.Name)
}
