package api

import (
	"time"

	"gostack/internal/placement"
	"gostack/internal/rest"
)

func (a *API) aggregateRoutes() []rest.Route {
	const path = "/resource_providers/{uuid}/aggregates"
	return []rest.Route{
		{Method: "GET", Path: path, Policy: rule("resource_providers:aggregates:list"), Min: rest.V(1, 1), Handle: a.listAggregates},
		{Method: "PUT", Path: path, Policy: rule("resource_providers:aggregates:update"), Min: rest.V(1, 1), Max: rest.V(1, 18), Body: rest.JSON(aggregatesSchema), Handle: a.setAggregates},
		{Method: "PUT", Path: path, Policy: rule("resource_providers:aggregates:update"), Min: rest.V(1, 19), Body: rest.JSON(aggregatesSchema1_19), Handle: a.setAggregatesGuarded},
	}
}

func (a *API) showAggregates(r *rest.Request, row *placement.ResourceProvider, aggregates []string) *rest.Response {
	view := map[string]any{"aggregates": aggregates}
	if r.Version.AtLeast(1, 19) {
		view["resource_provider_generation"] = row.Generation
	}
	return a.show(r, view, time.Time{})
}

func (a *API) listAggregates(r *rest.Request) (any, error) {
	row, aggregates, err := a.ProviderAggregates(r.Context(), r.Path("uuid"))
	if err != nil {
		return nil, err
	}
	return a.showAggregates(r, row, aggregates), nil
}

func (a *API) setAggregates(r *rest.Request) (any, error) {
	aggregates := []string{}
	if err := r.Decode(&aggregates); err != nil {
		return nil, err
	}
	row, err := a.SetAggregates(r.Context(), r.Path("uuid"), aggregates, nil)
	if err != nil {
		return nil, err
	}
	return a.showAggregates(r, row, aggregates), nil
}

func (a *API) setAggregatesGuarded(r *rest.Request) (any, error) {
	var body struct {
		Aggregates []string
		Generation int64 `json:"resource_provider_generation"`
	}
	if err := r.Decode(&body); err != nil {
		return nil, err
	}
	row, err := a.SetAggregates(r.Context(), r.Path("uuid"), body.Aggregates, &body.Generation)
	if err != nil {
		return nil, err
	}
	return a.showAggregates(r, row, body.Aggregates), nil
}
