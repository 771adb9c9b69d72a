package api

import (
	"time"

	"gostack/internal/placement"
	"gostack/internal/policy"
	"gostack/internal/rest"
)

func (a *API) usageRoutes() []rest.Route {
	total := rest.Route{
		Method: "GET", Path: "/usages", Policy: rule("usages"), Handle: a.totalUsages,
		Target: func(r *rest.Request) (policy.Target, error) {
			return policy.Target{"project_id": r.Query("project_id")}, nil
		},
	}
	return append(versioned(total, setQuery, usageQueries),
		rest.Route{Method: "GET", Path: "/resource_providers/{uuid}/usages", Policy: rule("resource_providers:usages"), Handle: a.providerUsages})
}

func (a *API) providerUsages(r *rest.Request) (any, error) {
	row, usages, err := a.ProviderUsages(r.Context(), r.Path("uuid"))
	if err != nil {
		return nil, err
	}
	return a.show(r, map[string]any{"resource_provider_generation": row.Generation, "usages": usages}, time.Time{}), nil
}

func (a *API) totalUsages(r *rest.Request) (any, error) {
	usages, err := a.Usages(r.Context(), r.Query("project_id"), r.Query("user_id"))
	if err != nil {
		return nil, err
	}
	var view any
	if r.Version.AtLeast(1, 38) {
		view = usagesByType(usages, r.Query("consumer_type"))
	} else {
		view = sum(usages).Resources
	}
	return a.show(r, map[string]any{"usages": view}, time.Time{}), nil
}

// unknownType stands for consumers that never told their type; allTypes asks for the sum over all types.
const (
	unknownType = "unknown"
	allTypes    = "all"
)

// usagesByType groups usages by consumer type (microversion 1.38).
func usagesByType(usages map[string]*placement.Usage, wanted string) map[string]map[string]int64 {
	if wanted == allTypes {
		usages = map[string]*placement.Usage{allTypes: sum(usages)}
	}
	view := map[string]map[string]int64{}
	for name, usage := range usages {
		if name == "" {
			name = unknownType
		}
		if len(usage.Resources) == 0 || wanted != "" && wanted != name {
			continue
		}
		view[name] = map[string]int64{"consumer_count": int64(usage.Consumers)}
		for class, used := range usage.Resources {
			view[name][class] = used
		}
	}
	return view
}

func sum(usages map[string]*placement.Usage) *placement.Usage {
	total := &placement.Usage{Resources: map[string]int64{}}
	for _, usage := range usages {
		total.Consumers += usage.Consumers
		for class, used := range usage.Resources {
			total.Resources[class] += used
		}
	}
	return total
}
