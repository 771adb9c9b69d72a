package api

import (
	"gostack/internal/placement"
	"gostack/internal/rest"
)

func (a *API) reshapeRoutes() []rest.Route {
	return versioned(rest.Route{Method: "POST", Path: "/reshaper", Policy: rule("reshaper:reshape"), Status: 204, Handle: a.reshape}, setBody, reshapeSchemas)
}

func (a *API) reshape(r *rest.Request) (any, error) {
	var body struct {
		Inventories map[string]struct {
			Generation  int64 `json:"resource_provider_generation"`
			Inventories map[string]inventoryBody
		}
		Allocations map[string]allocationBody
	}
	if err := r.Decode(&body); err != nil {
		return nil, err
	}
	reshape := placement.Reshape{Inventories: make(map[string]placement.ProviderInventories, len(body.Inventories))}
	for provider, inventories := range body.Inventories {
		reshape.Inventories[provider] = placement.ProviderInventories{
			Generation: inventories.Generation, Inventories: inventoriesOf(inventories.Inventories),
		}
	}
	var err error
	if reshape.Consumers, err = changesOf(r, body.Allocations); err != nil {
		return nil, err
	}
	return nil, a.Reshape(r.Context(), reshape)
}
