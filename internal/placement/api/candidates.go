package api

import (
	"slices"
	"strings"
	"time"

	"gostack/internal/placement"
	"gostack/internal/rest"
)

func (a *API) candidateRoutes() []rest.Route {
	return versioned(
		rest.Route{Method: "GET", Path: "/allocation_candidates", Policy: rule("allocation_candidates:list"), Handle: a.listCandidates},
		setQuery, candidateQueries)
}

func (a *API) listCandidates(r *rest.Request) (any, error) {
	req, err := candidateRequest(r)
	if err != nil {
		return nil, err
	}
	snapshot, err := a.Snapshot(r.Context())
	if err != nil {
		return nil, err
	}
	candidates, err := snapshot.Candidates(req)
	if placement.IsReason(err, placement.NotFound) {
		return nil, refusedNames(err)
	}
	if err != nil {
		return nil, err
	}
	requests := make([]any, len(candidates.Requests))
	for i, request := range candidates.Requests {
		if r.Version.AtLeast(1, 12) {
			requests[i] = viewRequest(r, request)
		} else {
			requests[i] = viewListedRequest(request)
		}
	}
	view := map[string]any{"allocation_requests": requests, "provider_summaries": viewSummaries(r, req, candidates.Providers)}
	return a.show(r, view, time.Time{}), nil
}

// refusedNames tells of names in a query that mean nothing.
func refusedNames(err error) error {
	if text := err.Error(); strings.HasPrefix(text, "No such resource class ") {
		return rest.BadRequest("Invalid resource class in resources parameter: %s", text)
	}
	return rest.BadRequest("%s", err.Error())
}

func viewRequest(r *rest.Request, request placement.AllocationRequest) any {
	allocations := map[string]resourcesView{}
	for _, part := range request.Resources {
		if _, found := allocations[part.Provider.UUID]; !found {
			allocations[part.Provider.UUID] = resourcesView{Resources: map[string]int64{}}
		}
		allocations[part.Provider.UUID].Resources[part.Class] = part.Amount
	}
	view := map[string]any{"allocations": allocations}
	if r.Version.AtLeast(1, 34) {
		view["mappings"] = request.Mappings
	}
	return view
}

// viewListedRequest is the form before microversion 1.12.
func viewListedRequest(request placement.AllocationRequest) any {
	type listed struct {
		Provider  map[string]string `json:"resource_provider"`
		Resources map[string]int64  `json:"resources"`
	}
	list := []*listed{}
	for _, part := range request.Resources {
		i := slices.IndexFunc(list, func(l *listed) bool { return l.Provider["uuid"] == part.Provider.UUID })
		if i < 0 {
			i = len(list)
			list = append(list, &listed{map[string]string{"uuid": part.Provider.UUID}, map[string]int64{}})
		}
		list[i].Resources[part.Class] = part.Amount
	}
	return map[string]any{"allocations": list}
}

type capacityView struct {
	Capacity int64 `json:"capacity"`
	Used     int64 `json:"used"`
}

type summaryView struct {
	Resources map[string]capacityView `json:"resources"`
	Traits    *[]string               `json:"traits,omitempty"`
	*treeView
}

// viewSummaries shows the providers: only the requested classes before 1.27, traits since 1.17, their place since 1.29.
func viewSummaries(r *rest.Request, req placement.CandidateRequest, providers []*placement.Provider) map[string]summaryView {
	requested := func(class string) bool {
		return slices.ContainsFunc(req.Groups, func(g placement.RequestGroup) bool { return g.Resources[class] > 0 })
	}
	views := make(map[string]summaryView, len(providers))
	for _, p := range providers {
		view := summaryView{Resources: map[string]capacityView{}}
		for class, inventory := range p.Inventories {
			if r.Version.AtLeast(1, 27) || requested(class) {
				view.Resources[class] = capacityView{inventory.Capacity(), inventory.Used}
			}
		}
		if r.Version.AtLeast(1, 17) {
			traits := append([]string{}, p.Traits...)
			view.Traits = &traits
		}
		if r.Version.AtLeast(1, 29) {
			view.treeView = &treeView{Parent: orNull(p.Parent), Root: p.Root}
		}
		views[p.UUID] = view
	}
	return views
}
