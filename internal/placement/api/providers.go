package api

import (
	"net/http"
	"time"

	"gostack/internal/placement"
	"gostack/internal/rest"
)

func (a *API) providerRoutes() []rest.Route {
	const path = "/resource_providers"
	v1_13, v1_14 := rest.V(1, 13), rest.V(1, 14)
	routes := []rest.Route{
		{Method: "POST", Path: path, Policy: rule("resource_providers:create"), Max: v1_13, Status: 201, Body: providerSchema(true, false), Handle: a.createProvider},
		{Method: "POST", Path: path, Policy: rule("resource_providers:create"), Min: v1_14, Status: 201, Body: providerSchema(true, true), Handle: a.createProvider},
		{Method: "GET", Path: path + "/{uuid}", Policy: rule("resource_providers:show"), Handle: a.showProvider},
		{Method: "PUT", Path: path + "/{uuid}", Policy: rule("resource_providers:update"), Max: v1_13, Body: providerSchema(false, false), Handle: a.updateProvider},
		{Method: "PUT", Path: path + "/{uuid}", Policy: rule("resource_providers:update"), Min: v1_14, Body: providerSchema(false, true), Handle: a.updateProvider},
		{Method: "DELETE", Path: path + "/{uuid}", Policy: rule("resource_providers:delete"), Status: 204, Handle: a.deleteProvider},
	}
	return append(routes, versioned(
		rest.Route{Method: "GET", Path: path, Policy: rule("resource_providers:list"), Handle: a.listProviders}, setQuery, providerQueries)...)
}

// providerView is a provider as clients see it.
type providerView struct {
	UUID       string      `json:"uuid"`
	Name       string      `json:"name"`
	Generation int64       `json:"generation"`
	Links      []rest.Link `json:"links"`
	*treeView
}

// treeView is what microversion 1.14 added.
type treeView struct {
	Parent *string `json:"parent_provider_uuid"`
	Root   string  `json:"root_provider_uuid"`
}

func viewProvider(r *rest.Request, p *placement.ResourceProvider) providerView {
	href := r.Prefix() + "/resource_providers/" + p.UUID
	view := providerView{UUID: p.UUID, Name: p.Name, Generation: p.Generation, Links: []rest.Link{{Rel: "self", Href: href}}}
	for _, link := range []struct {
		rel   string
		since int
	}{{"inventories", 0}, {"usages", 0}, {"aggregates", 1}, {"traits", 6}, {"allocations", 11}} {
		if r.Version.AtLeast(1, link.since) {
			view.Links = append(view.Links, rest.Link{Rel: link.rel, Href: href + "/" + link.rel})
		}
	}
	if r.Version.AtLeast(1, 14) {
		view.treeView = &treeView{Parent: orNull(p.ParentUUID), Root: p.RootUUID}
	}
	return view
}

func orNull(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

func (a *API) listProviders(r *rest.Request) (any, error) {
	filter, err := providerFilter(r)
	if err != nil {
		return nil, err
	}
	rows, err := a.Providers(r.Context(), filter)
	if err != nil {
		return nil, err
	}
	var modified time.Time
	views := make([]providerView, len(rows))
	for i := range rows {
		views[i] = viewProvider(r, &rows[i])
		modified = latest(modified, rows[i].UpdatedAt)
	}
	return a.show(r, map[string]any{"resource_providers": views}, modified), nil
}

func (a *API) createProvider(r *rest.Request) (any, error) {
	var body struct {
		UUID   string
		Name   string
		Parent *string `json:"parent_provider_uuid"`
	}
	if err := r.Decode(&body); err != nil {
		return nil, err
	}
	parent := ""
	if body.Parent != nil {
		parent = canonical(*body.Parent)
	}
	row, err := a.CreateProvider(r.Context(), canonical(body.UUID), body.Name, parent)
	if err != nil {
		return nil, err
	}
	answer := rest.Reply(http.StatusCreated, nil)
	if r.Version.AtLeast(1, 20) {
		answer = a.show(r, viewProvider(r, row), row.UpdatedAt)
	}
	return answer.With("Location", r.BaseURL()+"/resource_providers/"+row.UUID), nil
}

func (a *API) showProvider(r *rest.Request) (any, error) {
	row, err := a.Provider(r.Context(), r.Path("uuid"))
	if err != nil {
		return nil, err
	}
	return a.show(r, viewProvider(r, row), row.UpdatedAt), nil
}

func (a *API) updateProvider(r *rest.Request) (any, error) {
	var body struct{ Name string }
	if err := r.Decode(&body); err != nil {
		return nil, err
	}
	change := placement.ProviderChange{Name: body.Name, MayMove: r.Version.AtLeast(1, 37)}
	var parent any
	parent, change.SetParent = r.Body.(map[string]any)["parent_provider_uuid"]
	if text, isText := parent.(string); isText {
		change.Parent = canonical(text)
	}
	row, err := a.UpdateProvider(r.Context(), r.Path("uuid"), change)
	if err != nil {
		return nil, err
	}
	return a.show(r, viewProvider(r, row), row.UpdatedAt), nil
}

func (a *API) deleteProvider(r *rest.Request) (any, error) {
	return nil, a.DeleteProvider(r.Context(), r.Path("uuid"))
}
