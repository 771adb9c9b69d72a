package api

import (
	"net/http"
	"strings"
	"time"

	"gostack/internal/placement"
	"gostack/internal/rest"
)

func (a *API) traitRoutes() []rest.Route {
	const all, one, of = "/traits", "/traits/{name}", "/resource_providers/{uuid}/traits"
	v1_6 := rest.V(1, 6)
	return []rest.Route{
		{Method: "GET", Path: all, Policy: rule("traits:list"), Min: v1_6, Query: querySchema("name", "associated"), Handle: a.listTraits},
		{Method: "GET", Path: one, Policy: rule("traits:show"), Min: v1_6, Status: 204, Handle: a.showTrait},
		{Method: "PUT", Path: one, Policy: rule("traits:update"), Min: v1_6, Status: 204, Handle: a.putTrait},
		{Method: "DELETE", Path: one, Policy: rule("traits:delete"), Min: v1_6, Status: 204, Handle: a.deleteTrait},
		{Method: "GET", Path: of, Policy: rule("resource_providers:traits:list"), Min: v1_6, Handle: a.listProviderTraits},
		{Method: "PUT", Path: of, Policy: rule("resource_providers:traits:update"), Min: v1_6, Body: rest.JSON(providerTraitsSchema), Handle: a.setProviderTraits},
		{Method: "DELETE", Path: of, Policy: rule("resource_providers:traits:delete"), Min: v1_6, Status: 204, Handle: a.deleteProviderTraits},
	}
}

func namesOf(all []placement.Named) (names []string, modified time.Time) {
	names = make([]string, len(all))
	for i, one := range all {
		names[i] = one.Name
		modified = latest(modified, one.UpdatedAt)
	}
	return names, modified
}

func (a *API) listTraits(r *rest.Request) (any, error) {
	filter, err := traitFilter(r)
	if err != nil {
		return nil, err
	}
	traits, err := a.Traits(r.Context(), filter)
	if err != nil {
		return nil, err
	}
	names, modified := namesOf(traits)
	return a.show(r, map[string]any{"traits": names}, modified), nil
}

// traitFilter reads ?name=in:A,B or ?name=startswith:PREFIX, and ?associated=true.
func traitFilter(r *rest.Request) (placement.TraitFilter, error) {
	var filter placement.TraitFilter
	if r.QueryValues().Has("name") {
		name := last(r.QueryValues()["name"])
		operator, value, found := strings.Cut(name, ":")
		if !found {
			return filter, rest.BadRequest(`Badly formatted name parameter. Expected name query string parameter in form: `+
				`?name=[in|startswith]:[name1,name2|prefix]. Got: "%s"`, name)
		}
		switch operator {
		case "in":
			filter.Names = strings.Split(value, ",")
		case "startswith":
			filter.Prefix = value
		}
	}
	if r.QueryValues().Has("associated") {
		switch strings.ToLower(last(r.QueryValues()["associated"])) {
		case "true":
			filter.Associated = new(bool)
			*filter.Associated = true
		case "false":
			filter.Associated = new(bool)
		default:
			return filter, rest.BadRequest(`The query parameter "associated" only accepts "true" or "false"`)
		}
	}
	return filter, nil
}

func (a *API) showTrait(r *rest.Request) (any, error) {
	trait, err := a.Trait(r.Context(), r.Path("name"))
	if err != nil {
		return nil, err
	}
	return a.dated(r, rest.Reply(http.StatusNoContent, nil), trait.UpdatedAt), nil
}

func (a *API) putTrait(r *rest.Request) (any, error) {
	name := r.Path("name")
	if len(name) > 255 || !customName.MatchString(name) {
		return nil, rest.BadRequest(`The trait is invalid. A valid trait must be no longer than 255 characters, ` +
			`start with the prefix "CUSTOM_" and use following characters: "A"-"Z", "0"-"9" and "_"`)
	}
	trait, created, err := a.CreateTrait(r.Context(), name)
	if err != nil {
		return nil, err
	}
	status := http.StatusNoContent
	if created {
		status = http.StatusCreated
	}
	return a.dated(r, rest.Reply(status, nil), trait.UpdatedAt).With("Location", r.BaseURL()+"/traits/"+name), nil
}

func (a *API) deleteTrait(r *rest.Request) (any, error) {
	return nil, a.DeleteTrait(r.Context(), r.Path("name"))
}

func (a *API) showProviderTraits(r *rest.Request, row *placement.ResourceProvider, traits []placement.Named) *rest.Response {
	names, modified := namesOf(traits)
	return a.show(r, map[string]any{"traits": names, "resource_provider_generation": row.Generation}, modified)
}

func (a *API) listProviderTraits(r *rest.Request) (any, error) {
	row, traits, err := a.ProviderTraits(r.Context(), r.Path("uuid"))
	if err != nil {
		return nil, err
	}
	return a.showProviderTraits(r, row, traits), nil
}

func (a *API) setProviderTraits(r *rest.Request) (any, error) {
	var body struct {
		Traits     []string
		Generation int64 `json:"resource_provider_generation"`
	}
	if err := r.Decode(&body); err != nil {
		return nil, err
	}
	row, traits, err := a.SetTraits(r.Context(), r.Path("uuid"), body.Traits, &body.Generation)
	if err != nil {
		return nil, err
	}
	return a.showProviderTraits(r, row, traits), nil
}

func (a *API) deleteProviderTraits(r *rest.Request) (any, error) {
	_, _, err := a.SetTraits(r.Context(), r.Path("uuid"), nil, nil)
	return nil, err
}
