package api

import (
	"net/http"

	"gostack/internal/keystone"
	"gostack/internal/rest"
)

const regionProperties = `"description": ` + textOrNull + `, "id": {"type": "string", "maxLength": 255},
	"parent_region_id": {"type": ["string", "null"]}`

func (a *api) regions() []rest.Route {
	create := body("region", regionProperties, "")
	return []rest.Route{
		{Method: "GET", Path: "/regions", Policy: "identity:list_regions", Handle: a.listRegions},
		{Method: "POST", Path: "/regions", Policy: "identity:create_region", Body: create, Status: http.StatusCreated, Handle: a.createRegion},
		{
			Method: "PUT", Path: "/regions/{region_id}", Policy: "identity:create_region", Body: create, Status: http.StatusCreated,
			Handle: a.createRegion,
		},
		{Method: "GET", Path: "/regions/{region_id}", Policy: "identity:get_region", Handle: func(r *rest.Request) (any, error) {
			return a.oneRegion(r)(a.Region(r.Context(), r.Path("region_id")))
		}},
		{
			Method: "PATCH", Path: "/regions/{region_id}", Policy: "identity:update_region", Body: body("region", regionProperties),
			Handle: func(r *rest.Request) (any, error) {
				return a.oneRegion(r)(a.UpdateRegion(r.Context(), r.Path("region_id"), object(r, "region")))
			},
		},
		{
			Method: "DELETE", Path: "/regions/{region_id}", Policy: "identity:delete_region", Status: http.StatusNoContent,
			Handle: func(r *rest.Request) (any, error) { return nil, a.DeleteRegion(r.Context(), r.Path("region_id")) },
		},
	}
}

func (a *api) oneRegion(r *rest.Request) func(*keystone.Region, error) (any, error) {
	return func(g *keystone.Region, err error) (any, error) {
		if err != nil {
			return nil, err
		}
		return map[string]any{"region": regionView(r, g)}, nil
	}
}

func (a *api) listRegions(r *rest.Request) (any, error) {
	o, err := listOptions(r, filterable{"parent_region_id", "r.parent_region_id", false})
	if err != nil {
		return nil, err
	}
	list, err := a.Regions(r.Context(), o)
	return collection(r, "regions", list, regionView), err
}

// createRegion serves POST and PUT: a region's id can be in the path, in the body, or left to us.
func (a *api) createRegion(r *rest.Request) (any, error) {
	attrs := object(r, "region")
	id, _ := attrs["id"].(string)
	if inPath := r.Path("region_id"); inPath != "" {
		if id != "" && id != inPath {
			return nil, rest.BadRequest("Conflicting region IDs specified: \"%s\" != \"%s\"", inPath, id)
		}
		id = inPath
	}
	return a.oneRegion(r)(a.CreateRegion(r.Context(), id, attrs))
}
