package placement

import (
	"maps"
	"slices"
)

// A RequestGroup is a part of a candidate request. The group without a suffix may be served by several providers of one
// tree together; a group with a suffix is served by one provider alone.
type RequestGroup struct {
	Suffix    string
	Resources map[string]int64

	// Required is a list of alternatives: of each inner list the providers must have at least one trait.
	Required  [][]string
	Forbidden []string

	// MemberOf is a list of alternatives like Required, of aggregate UUIDs.
	MemberOf            [][]string
	ForbiddenAggregates []string

	// InTree is the UUID of any provider of the only tree that may serve the group.
	InTree string
}

func (g *RequestGroup) sameProvider() bool { return g.Suffix != "" }

// A CandidateRequest is the question of GET /allocation_candidates.
type CandidateRequest struct {
	Groups []RequestGroup

	// Isolate is group_policy=isolate: groups with a suffix must come from different providers.
	Isolate bool

	// RootRequired and RootForbidden are traits of the root of the tree that a candidate hangs on.
	RootRequired  []string
	RootForbidden []string

	// SameSubtree lists sets of suffixes; the providers of each set must be below one of them.
	SameSubtree [][]string

	// Limit is the greatest number of candidates to return; 0 is no limit.
	Limit int

	// FlatOnly leaves out candidates that use two providers of one tree, as before microversion 1.29.
	FlatOnly bool
}

// maxCandidates and maxSteps bound the memory and the work that one request can cause when groups multiply.
const (
	maxCandidates = 100_000
	maxSteps      = 500_000
)

// A ResourceAmount is a part of an allocation request.
type ResourceAmount struct {
	Provider *Provider
	Class    string
	Amount   int64
}

// An AllocationRequest is one way to serve a request.
type AllocationRequest struct {
	Resources []ResourceAmount

	// Mappings names the providers that serve each group, by suffix.
	Mappings map[string][]string
}

// Candidates are all ways to serve a request, and the providers of every tree that they touch.
type Candidates struct {
	Requests  []AllocationRequest
	Providers []*Provider
}

// Candidates answers a request. Names that do not exist are an Error with reason NotFound.
//
// Semantics: https://docs.openstack.org/placement/latest/user/provider-tree.html and api-ref "Allocation candidates".
func (s *Snapshot) Candidates(req CandidateRequest) (Candidates, error) {
	search := newSearch(s, req)
	for _, name := range slices.Concat(req.RootRequired, req.RootForbidden) {
		if !s.HasTrait(name) {
			return Candidates{}, unknownTrait(name)
		}
	}
	if !search.chooseAnchors() {
		return Candidates{}, nil
	}
	parts := make([][]part, len(req.Groups))
	for i := range req.Groups {
		group := &req.Groups[i]
		possible, err := search.checkGroup(group)
		if err != nil || !possible {
			return Candidates{}, err
		}
		if parts[i] = search.serve(group); len(parts[i]) == 0 {
			return Candidates{}, nil
		}
	}
	requests := search.merge(parts)
	return Candidates{Requests: requests, Providers: search.touched(requests)}, nil
}

// A part is a way to serve one group: the amounts, and the root of the tree that it hangs on.
type part struct {
	group   *RequestGroup
	anchor  string
	amounts []ResourceAmount

	// providers serve the group; without resources there is one and no amount.
	providers []*Provider
}

// search is the state of answering one request.
type search struct {
	*Snapshot
	req     CandidateRequest
	nested  bool
	sharing []*Provider
	byRoot  map[string][]*Provider
	inAgg   map[string][]*Provider

	// anchors are the roots that fit root_required; nil means all.
	anchors map[string]bool

	// budget is how many more combinations may be looked at.
	budget int
}

func newSearch(s *Snapshot, req CandidateRequest) *search {
	search := &search{Snapshot: s, req: req, byRoot: map[string][]*Provider{}, inAgg: map[string][]*Provider{}, budget: maxSteps}
	for i := range s.Providers {
		p := &s.Providers[i]
		search.nested = search.nested || p.Parent != ""
		search.byRoot[p.Root] = append(search.byRoot[p.Root], p)
		if p.HasTrait(TraitSharesViaAggregate) {
			search.sharing = append(search.sharing, p)
		}
	}
	if len(search.sharing) > 0 {
		for i := range s.Providers {
			for _, aggregate := range s.Providers[i].Aggregates {
				search.inAgg[aggregate] = append(search.inAgg[aggregate], &s.Providers[i])
			}
		}
	}
	return search
}

// chooseAnchors applies root_required and tells whether any root is left.
func (s *search) chooseAnchors() bool {
	if len(s.req.RootRequired) == 0 && len(s.req.RootForbidden) == 0 {
		return true
	}
	s.anchors = map[string]bool{}
	for i := range s.Providers {
		p := &s.Providers[i]
		hasAll := !slices.ContainsFunc(s.req.RootRequired, func(name string) bool { return !p.HasTrait(name) })
		if p.Parent == "" && hasAll && !p.hasAnyTrait(s.req.RootForbidden) {
			s.anchors[p.UUID] = true
		}
	}
	return len(s.anchors) > 0
}

func (s *search) anchored(root string) bool { return s.anchors == nil || s.anchors[root] }

// checkGroup finds unknown names, and tells whether aggregates, tree and each single resource of the group exist at all.
func (s *search) checkGroup(g *RequestGroup) (possible bool, err error) {
	for _, class := range slices.Sorted(maps.Keys(g.Resources)) {
		if !s.HasResourceClass(class) {
			return false, unknownClass(class)
		}
	}
	for _, anyOf := range g.MemberOf {
		if !slices.ContainsFunc(s.Providers, func(p Provider) bool { return p.inAnyAggregate(anyOf) }) {
			return false, nil
		}
	}
	for _, anyOf := range slices.Concat(g.Required, [][]string{g.Forbidden}) {
		for _, name := range anyOf {
			if !s.HasTrait(name) {
				return false, unknownTrait(name)
			}
		}
	}
	if g.InTree != "" && s.Provider(g.InTree) == nil {
		return false, nil
	}
	return true, nil
}

// serve returns all ways to serve one group, whatever the other groups ask.
func (s *search) serve(g *RequestGroup) []part {
	if !g.sameProvider() && (s.nested || len(s.sharing) > 0) {
		return s.serveByTrees(g)
	}
	return s.serveByOne(g)
}

// offers tells whether p has the amount and is in the group's tree.
func (s *search) offers(p *Provider, g *RequestGroup, class string, amount int64) bool {
	inventory, found := p.Inventories[class]
	return found && inventory.Has(amount) && s.inTree(p, g)
}

func (s *search) inTree(p *Provider, g *RequestGroup) bool {
	return g.InTree == "" || p.Root == s.Provider(g.InTree).Root
}

// sharedAnchors returns the roots of all trees that the sharing provider p serves.
func (s *search) sharedAnchors(p *Provider) []string {
	seen := map[string]bool{}
	var roots []string
	for _, aggregate := range p.Aggregates {
		for _, member := range s.inAgg[aggregate] {
			if !seen[member.Root] {
				seen[member.Root] = true
				roots = append(roots, member.Root)
			}
		}
	}
	return roots
}

// serveByOne finds single providers that serve the whole group. A sharing one also serves the trees of its aggregates.
func (s *search) serveByOne(g *RequestGroup) []part {
	// A group without resources is an addition to others; with nothing that a provider must have, it matches none.
	if len(g.Resources) == 0 && len(g.Required) == 0 && len(g.MemberOf) == 0 {
		return nil
	}
	classes := slices.Sorted(maps.Keys(g.Resources))
	var parts []part
	for i := range s.Providers {
		p := &s.Providers[i]
		if !s.servesAlone(p, g) {
			continue
		}
		amounts := make([]ResourceAmount, 0, len(classes))
		for _, class := range classes {
			amounts = append(amounts, ResourceAmount{p, class, g.Resources[class]})
		}
		found := part{group: g, anchor: p.Root, amounts: amounts, providers: []*Provider{p}}
		if s.anchored(p.Root) {
			parts = append(parts, found)
		}
		if !p.HasTrait(TraitSharesViaAggregate) {
			continue
		}
		for _, anchor := range s.sharedAnchors(p) {
			if anchor != p.Root && s.anchored(anchor) {
				found.anchor = anchor
				parts = append(parts, found)
			}
		}
	}
	return parts
}

func (s *search) servesAlone(p *Provider, g *RequestGroup) bool {
	for class, amount := range g.Resources {
		if !s.offers(p, g, class, amount) {
			return false
		}
	}
	for _, anyOf := range g.Required {
		if !p.hasAnyTrait(anyOf) {
			return false
		}
	}
	for _, anyOf := range g.MemberOf {
		if !p.inAnyAggregate(anyOf) {
			return false
		}
	}
	return s.inTree(p, g) && !p.hasAnyTrait(g.Forbidden) && !p.inAnyAggregate(g.ForbiddenAggregates)
}
