package placement

import (
	"maps"
	"slices"
)

// serveByTrees finds trees that serve the group without suffix with all their providers together, and with the sharing
// providers of their aggregates.
func (s *search) serveByTrees(g *RequestGroup) []part {
	classes := slices.Sorted(maps.Keys(g.Resources))
	perClass := make([]map[string][]*Provider, len(classes)) // by anchor
	for i, class := range classes {
		if perClass[i] = s.offersByAnchor(g, class); len(perClass[i]) == 0 {
			return nil
		}
	}
	if len(classes) == 0 {
		return nil
	}
	var parts []part
	for _, anchor := range slices.Sorted(maps.Keys(perClass[0])) {
		choices := make([][]*Provider, len(classes))
		for i := range classes {
			choices[i] = perClass[i][anchor]
		}
		eachChoice(choices, &s.budget, nil, func(providers []*Provider) bool {
			if !fitsTraits(providers, g) {
				return true
			}
			found := part{group: g, anchor: anchor, amounts: make([]ResourceAmount, len(classes))}
			for i, class := range classes {
				found.amounts[i] = ResourceAmount{providers[i], class, g.Resources[class]}
				if !slices.Contains(found.providers, providers[i]) {
					found.providers = append(found.providers, providers[i])
				}
			}
			parts = append(parts, found)
			return len(parts) < maxCandidates
		})
	}
	return parts
}

// offersByAnchor lists the providers that have enough of one class, by the root of the tree that they can serve.
func (s *search) offersByAnchor(g *RequestGroup, class string) map[string][]*Provider {
	offers := map[string][]*Provider{}
	add := func(p *Provider, anchor string) {
		if !s.anchored(anchor) || !s.inWantedAggregates(p, anchor, g) || slices.Contains(offers[anchor], p) {
			return
		}
		offers[anchor] = append(offers[anchor], p)
	}
	for i := range s.Providers {
		p := &s.Providers[i]
		if !s.offers(p, g, class, g.Resources[class]) {
			continue
		}
		add(p, p.Root)
		if g.InTree == "" && p.HasTrait(TraitSharesViaAggregate) && inAllAggregates(p, g) {
			for _, anchor := range s.sharedAnchors(p) {
				add(p, anchor)
			}
		}
	}
	return offers
}

// inWantedAggregates applies member_of for the group without suffix: a provider belongs to an aggregate itself, or by the
// root of the tree that it serves (placement bug 1792503).
func (s *search) inWantedAggregates(p *Provider, anchor string, g *RequestGroup) bool {
	if len(g.MemberOf) == 0 && len(g.ForbiddenAggregates) == 0 {
		return true
	}
	root := s.Provider(anchor)
	if len(g.MemberOf) > 0 && !inAllAggregates(p, g) && (root == nil || !inAllAggregates(root, g)) {
		return false
	}
	return !p.inAnyAggregate(g.ForbiddenAggregates) && (root == nil || !root.inAnyAggregate(g.ForbiddenAggregates))
}

func inAllAggregates(p *Provider, g *RequestGroup) bool {
	for _, anyOf := range g.MemberOf {
		if !p.inAnyAggregate(anyOf) {
			return false
		}
	}
	return true
}

// fitsTraits tells whether the providers together have the required traits and none of them a forbidden one.
func fitsTraits(providers []*Provider, g *RequestGroup) bool {
	for _, p := range providers {
		if p.hasAnyTrait(g.Forbidden) {
			return false
		}
	}
	for _, anyOf := range g.Required {
		if !slices.ContainsFunc(providers, func(p *Provider) bool { return p.hasAnyTrait(anyOf) }) {
			return false
		}
	}
	return true
}

// eachChoice calls visit with every way to pick one element of each list, until visit returns false. Beginnings that allow
// refuses are not completed. It gives up after budget steps, which it takes from there.
func eachChoice[T any](lists [][]T, budget *int, allow func([]T) bool, visit func([]T) bool) {
	picked := make([]T, 0, len(lists))
	var descend func() bool
	descend = func() bool {
		if len(picked) == len(lists) {
			return visit(picked)
		}
		for _, element := range lists[len(picked)] {
			if *budget--; *budget < 0 {
				return false
			}
			picked = append(picked, element)
			if (allow == nil || allow(picked)) && !descend() {
				return false
			}
			picked = picked[:len(picked)-1]
		}
		return true
	}
	descend()
}
