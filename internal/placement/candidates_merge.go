package placement

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// merge joins the parts of all groups that hang on one tree to whole allocation requests.
func (s *search) merge(parts [][]part) []AllocationRequest {
	byAnchor := make([]map[string][]part, len(parts))
	for i := range parts {
		byAnchor[i] = map[string][]part{}
		for _, p := range parts[i] {
			byAnchor[i][p.anchor] = append(byAnchor[i][p.anchor], p)
		}
	}
	want := maxCandidates
	if s.req.Limit > 0 {
		want = min(want, s.req.Limit)
	}
	var requests []AllocationRequest
	seen := map[string]bool{}
	for _, anchor := range slices.Sorted(maps.Keys(byAnchor[0])) {
		choices := make([][]part, len(parts))
		for i := range parts {
			choices[i] = byAnchor[i][anchor]
		}
		eachChoice(choices, &s.budget, s.isolated, func(picked []part) bool {
			if !s.inSameSubtrees(picked) {
				return true
			}
			request := join(picked)
			if !fits(request) || s.req.FlatOnly && s.nested && nestedIn(request) {
				return true
			}
			if key := request.key(); !seen[key] {
				seen[key] = true
				requests = append(requests, request)
			}
			return len(requests) < want
		})
		if len(requests) >= want {
			break
		}
	}
	return requests
}

// isolated applies group_policy=isolate.
func (s *search) isolated(picked []part) bool {
	if !s.req.Isolate {
		return true
	}
	var used []*Provider
	for _, p := range picked {
		if !p.group.sameProvider() {
			continue
		}
		if slices.Contains(used, p.providers[0]) {
			return false
		}
		used = append(used, p.providers[0])
	}
	return true
}

// inSameSubtrees applies same_subtree: of the providers of each set of groups, one must be above all others.
func (s *search) inSameSubtrees(picked []part) bool {
	for _, suffixes := range s.req.SameSubtree {
		var providers []*Provider
		for _, p := range picked {
			if slices.Contains(suffixes, p.group.Suffix) {
				providers = append(providers, p.providers...)
			}
		}
		above := func(top *Provider) bool {
			return !slices.ContainsFunc(providers, func(p *Provider) bool { return !s.below(p, top) })
		}
		if !slices.ContainsFunc(providers, above) {
			return false
		}
	}
	return true
}

// below tells whether p is top or a descendant of it.
func (s *search) below(p, top *Provider) bool {
	for p != nil {
		if p.UUID == top.UUID {
			return true
		}
		if p.Parent == "" {
			return false
		}
		p = s.Provider(p.Parent)
	}
	return false
}

// join adds up what several groups ask of one provider.
func join(picked []part) AllocationRequest {
	request := AllocationRequest{Mappings: make(map[string][]string, len(picked))}
	for _, p := range picked {
		for _, amount := range p.amounts {
			i := slices.IndexFunc(request.Resources, func(have ResourceAmount) bool {
				return have.Provider == amount.Provider && have.Class == amount.Class
			})
			if i < 0 {
				request.Resources = append(request.Resources, amount)
			} else {
				request.Resources[i].Amount += amount.Amount
			}
		}
		for _, provider := range p.providers {
			request.Mappings[p.group.Suffix] = append(request.Mappings[p.group.Suffix], provider.UUID)
		}
	}
	return request
}

// fits verifies the sums: groups that fit one by one may not fit together.
func fits(request AllocationRequest) bool {
	for _, r := range request.Resources {
		inventory := r.Provider.Inventories[r.Class]
		if inventory.Used+r.Amount > inventory.Capacity() || r.Amount > inventory.MaxUnit {
			return false
		}
	}
	return true
}

// nestedIn tells whether a request uses two providers of one tree.
func nestedIn(request AllocationRequest) bool {
	byRoot := map[string]*Provider{}
	for _, r := range request.Resources {
		if other, found := byRoot[r.Provider.Root]; found && other != r.Provider {
			return true
		}
		byRoot[r.Provider.Root] = r.Provider
	}
	return false
}

// key is equal for requests that are equal: trees can offer the same sharing provider several times.
func (r AllocationRequest) key() string {
	sorted := slices.SortedFunc(slices.Values(r.Resources), func(a, b ResourceAmount) int {
		return cmp.Or(cmp.Compare(a.Provider.UUID, b.Provider.UUID), cmp.Compare(a.Class, b.Class))
	})
	var key strings.Builder
	for _, resource := range sorted {
		key.WriteString(resource.Provider.UUID + resource.Class + strconv.FormatInt(resource.Amount, 10) + ";")
	}
	for _, suffix := range slices.Sorted(maps.Keys(r.Mappings)) {
		key.WriteString(suffix + "=" + strings.Join(slices.Sorted(slices.Values(r.Mappings[suffix])), ",") + ";")
	}
	return key.String()
}

// touched returns the providers of every tree that the requests use. Before nested providers were shown, only those used.
func (s *search) touched(requests []AllocationRequest) []*Provider {
	seen := map[string]bool{}
	var providers []*Provider
	for _, request := range requests {
		for _, r := range request.Resources {
			if s.req.FlatOnly && s.nested {
				if !seen[r.Provider.UUID] {
					seen[r.Provider.UUID] = true
					providers = append(providers, r.Provider)
				}
				continue
			}
			if !seen[r.Provider.Root] {
				seen[r.Provider.Root] = true
				providers = append(providers, s.byRoot[r.Provider.Root]...)
			}
		}
	}
	return providers
}
