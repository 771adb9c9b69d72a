package scheduler

import (
	"maps"
	"slices"
	"strings"

	"gostack/internal/placement"
)

// placementChoices keeps the hosts that have the resources and traits, and returns what to claim on each.
func (q *query) placementChoices(hosts []*host, eliminated *eliminations) (func(*host) Choice, []*host, error) {
	hosts = keep(hosts, eliminated, "Placement(provider)", func(h *host) bool { return h.provider != nil })
	if q.flat && len(q.request.Groups) == 1 && q.ofHosts(&q.request.Groups[0]) {
		return q.flatChoices, q.flatHosts(hosts, eliminated), nil
	}
	candidates, err := q.placement.Candidates(q.request)
	if refusal, ok := placement.IsRefusal(err); ok {
		hosts = keep(hosts, eliminated, "Placement("+strings.TrimSuffix(refusal.Message, ".")+")", func(*host) bool { return false })
		return nil, hosts, nil
	}
	if err != nil {
		return nil, nil, err
	}
	first := map[string]placement.AllocationRequest{} // by root
	for _, request := range candidates.Requests {
		for _, root := range rootsOf(request) {
			if _, found := first[root]; !found {
				first[root] = request
			}
		}
	}
	hosts = keep(hosts, eliminated, "Placement(allocation candidates)", func(h *host) bool {
		_, found := first[h.provider.Root]
		return found
	})
	choose := func(h *host) Choice {
		choice := Choice{Host: h.Name, Node: h.Node, Provider: h.Provider, Allocations: map[string]map[string]int{}, host: h}
		for _, r := range first[h.provider.Root].Resources {
			if choice.Allocations[r.Provider.UUID] == nil {
				choice.Allocations[r.Provider.UUID] = map[string]int{}
			}
			choice.Allocations[r.Provider.UUID][r.Class] += int(r.Amount)
		}
		return choice
	}
	return choose, hosts, nil
}

// ofHosts tells whether only the hosts' own providers have what a group asks for.
func (q *query) ofHosts(g *placement.RequestGroup) bool {
	for class := range g.Resources {
		if q.nested[class] {
			return false
		}
	}
	return true
}

// rootsOf returns the trees that a request takes anything from, apart from sharing providers.
func rootsOf(request placement.AllocationRequest) []string {
	var roots []string
	for _, r := range request.Resources {
		if !r.Provider.HasTrait(placement.TraitSharesViaAggregate) && !slices.Contains(roots, r.Provider.Root) {
			roots = append(roots, r.Provider.Root)
		}
	}
	return roots
}

// flatHosts is the fast way when no provider is nested or shared: everything comes from the host's own provider.
func (q *query) flatHosts(hosts []*host, eliminated *eliminations) []*host {
	group := &q.request.Groups[0]
	for _, class := range slices.Sorted(maps.Keys(group.Resources)) {
		name, amount := "Placement("+class+")", group.Resources[class]
		switch class {
		case placement.VCPU:
			hosts = keep(hosts, eliminated, name, func(h *host) bool { return h.vcpu.Has(amount) })
		case placement.MemoryMB:
			hosts = keep(hosts, eliminated, name, func(h *host) bool { return h.memory.Has(amount) })
		case placement.DiskGB:
			hosts = keep(hosts, eliminated, name, func(h *host) bool { return h.disk.Has(amount) })
		default:
			hosts = keep(hosts, eliminated, name, func(h *host) bool { return h.provider.Inventories[class].Has(amount) })
		}
	}
	required := slices.Clone(group.Required)
	for _, trait := range q.request.RootRequired {
		required = append(required, []string{trait})
	}
	for _, anyOf := range required {
		hosts = keep(hosts, eliminated, "Placement(trait "+strings.Join(anyOf, " or ")+")", func(h *host) bool {
			return slices.ContainsFunc(anyOf, h.provider.HasTrait)
		})
	}
	for _, name := range slices.Concat(group.Forbidden, q.request.RootForbidden) {
		label := "Placement(trait !" + name + ")"
		if name == placement.TraitComputeDisabled {
			label = "Placement(service disabled)"
		}
		hosts = keep(hosts, eliminated, label, func(h *host) bool { return !h.provider.HasTrait(name) })
	}
	return hosts
}

func (q *query) flatChoices(h *host) Choice {
	resources := make(map[string]int, len(q.request.Groups[0].Resources))
	for class, amount := range q.request.Groups[0].Resources {
		resources[class] = int(amount)
	}
	return Choice{
		Host: h.Name, Node: h.Node, Provider: h.Provider, host: h,
		Allocations: map[string]map[string]int{h.Provider: resources},
	}
}
