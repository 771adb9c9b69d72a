package api

import (
	"encoding/json"
	"time"

	"github.com/google/uuid"

	"gostack/internal/placement"
	"gostack/internal/rest"
)

func (a *API) allocationRoutes() []rest.Route {
	const one = "/allocations/{consumer_uuid}"
	routes := []rest.Route{
		{Method: "GET", Path: one, Policy: rule("allocations:list"), Handle: a.showAllocations},
		{Method: "DELETE", Path: one, Policy: rule("allocations:delete"), Status: 204, Handle: a.deleteAllocations},
		{Method: "GET", Path: "/resource_providers/{uuid}/allocations", Policy: rule("resource_providers:allocations:list"), Handle: a.listProviderAllocations},
	}
	routes = append(routes, versioned(
		rest.Route{Method: "PUT", Path: one, Policy: rule("allocations:update"), Status: 204, Handle: a.setAllocations}, setBody, allocationSchemas)...)
	return append(routes, versioned(
		rest.Route{Method: "POST", Path: "/allocations", Policy: rule("allocations:manage"), Status: 204, Handle: a.manageAllocations}, setBody, manySchemas)...)
}

// resourcesView are the amounts that one consumer has of one provider, or the other way round.
type resourcesView struct {
	Resources          map[string]int64 `json:"resources"`
	Generation         *int64           `json:"generation,omitempty"`
	ConsumerGeneration *int64           `json:"consumer_generation,omitempty"`
}

func (a *API) showAllocations(r *rest.Request) (any, error) {
	consumer, generations, err := a.ConsumerAllocations(r.Context(), r.Path("consumer_uuid"))
	if err != nil {
		return nil, err
	}
	allocations := map[string]resourcesView{}
	view := map[string]any{"allocations": allocations}
	if consumer == nil {
		return a.show(r, view, time.Time{}), nil
	}
	for provider, resources := range consumer.Allocations {
		generation := generations[provider]
		allocations[provider] = resourcesView{Resources: resources, Generation: &generation}
	}
	if r.Version.AtLeast(1, 12) {
		view["project_id"], view["user_id"] = consumer.Project, consumer.User
	}
	if r.Version.AtLeast(1, 28) {
		view["consumer_generation"] = consumer.Generation
	}
	if r.Version.AtLeast(1, 38) {
		view["consumer_type"] = consumer.Type
		if consumer.Type == "" {
			view["consumer_type"] = unknownType
		}
	}
	return a.show(r, view, consumer.Since), nil
}

func (a *API) listProviderAllocations(r *rest.Request) (any, error) {
	row, consumers, err := a.ProviderAllocations(r.Context(), r.Path("uuid"))
	if err != nil {
		return nil, err
	}
	var modified time.Time
	allocations := make(map[string]resourcesView, len(consumers))
	for id, consumer := range consumers {
		view := resourcesView{Resources: consumer.Allocations[row.UUID]}
		if r.Version.AtLeast(1, 28) {
			view.ConsumerGeneration = &consumer.Generation
		}
		allocations[id] = view
		modified = latest(modified, consumer.Since)
	}
	return a.show(r, map[string]any{"allocations": allocations, "resource_provider_generation": row.Generation}, modified), nil
}

// allocationBody is what one consumer shall have. Allocations are a list before microversion 1.12.
type allocationBody struct {
	Allocations json.RawMessage
	Project     string `json:"project_id"`
	User        string `json:"user_id"`
	Type        string `json:"consumer_type"`
	Generation  *int64 `json:"consumer_generation"`
}

func (b allocationBody) change(r *rest.Request, consumer string) (placement.ConsumerChange, error) {
	change := placement.ConsumerChange{
		Consumer: consumer, Project: b.Project, User: b.User, Type: b.Type, Allocations: placement.Allocations{},
		CheckGeneration: r.Version.AtLeast(1, 28), Generation: b.Generation,
	}
	if change.Project == "" {
		change.Project, change.User = placement.UnknownOwner, placement.UnknownOwner
	}
	var err error
	if r.Version.AtLeast(1, 12) {
		var keyed map[string]struct{ Resources map[string]int64 }
		err = json.Unmarshal(b.Allocations, &keyed)
		for provider, allocation := range keyed {
			change.Allocations[provider] = allocation.Resources
		}
	} else {
		var list []struct {
			Provider  struct{ UUID string } `json:"resource_provider"`
			Resources map[string]int64
		}
		err = json.Unmarshal(b.Allocations, &list)
		for _, allocation := range list {
			change.Allocations[canonical(allocation.Provider.UUID)] = allocation.Resources
		}
	}
	if err != nil {
		return change, rest.BadRequest("JSON does not validate: amounts are whole numbers").Because(err)
	}
	return change, nil
}

func (a *API) setAllocations(r *rest.Request) (any, error) {
	id, err := uuid.Parse(r.Path("consumer_uuid"))
	if err != nil {
		return nil, rest.BadRequest("Malformed consumer_uuid: %s", r.Path("consumer_uuid"))
	}
	var body allocationBody
	if err := r.Decode(&body); err != nil {
		return nil, err
	}
	change, err := body.change(r, id.String())
	if err != nil {
		return nil, err
	}
	return nil, a.Allocate(r.Context(), change)
}

func (a *API) manageAllocations(r *rest.Request) (any, error) {
	var bodies map[string]allocationBody
	if err := r.Decode(&bodies); err != nil {
		return nil, err
	}
	changes, err := changesOf(r, bodies)
	if err != nil {
		return nil, err
	}
	return nil, a.Allocate(r.Context(), changes...)
}

func changesOf(r *rest.Request, bodies map[string]allocationBody) ([]placement.ConsumerChange, error) {
	changes := make([]placement.ConsumerChange, 0, len(bodies))
	for _, consumer := range sortedKeys(bodies) {
		change, err := bodies[consumer].change(r, consumer)
		if err != nil {
			return nil, err
		}
		changes = append(changes, change)
	}
	return changes, nil
}

func (a *API) deleteAllocations(r *rest.Request) (any, error) {
	return nil, a.DeleteAllocations(r.Context(), r.Path("consumer_uuid"))
}
