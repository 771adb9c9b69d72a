package api

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"gostack/internal/nova"
	"gostack/internal/rest"
)

const aggregatesPolicy = "os_compute_api:os-aggregates:"

func (a *api) aggregateRoutes() []rest.Route {
	named := func(required string) *rest.Schema {
		return rest.JSON(`{"type": "object", "required": ["aggregate"], "additionalProperties": false, "properties": {"aggregate": {"type": "object", ` + required + `"additionalProperties": false,
			"properties": {"name": ` + nameSchema + `, "availability_zone": {"type": ["string", "null"], "minLength": 1, "maxLength": 255, "pattern": "^[^\\p{Z}\\p{C}:]([^\\p{C}\\p{Zl}\\p{Zp}:]*[^\\p{Z}\\p{C}:])?$"}}}}}`)
	}
	host := func(key string) *rest.Schema {
		return rest.JSON(fmt.Sprintf(`{"type": "object", "required": [%q], "additionalProperties": false, "properties": {%q: {
			"type": "object", "required": ["host"], "additionalProperties": false, "properties": {"host": %s}}}}`, key, key, hostnameSchema))
	}
	view := func(r *rest.Request, g *nova.Aggregate, err error) (any, error) {
		if err != nil {
			return nil, err
		}
		return object{"aggregate": aggregateView(r, g)}, nil
	}
	changeHost := func(key string, change func(ctx context.Context, id, host string) (*nova.Aggregate, error)) func(*rest.Request) (any, error) {
		return func(r *rest.Request) (any, error) {
			var body map[string]struct{ Host string }
			if err := r.Decode(&body); err != nil {
				return nil, err
			}
			g, err := change(r.Context(), r.Path("id"), body[key].Host)
			return view(r, g, err)
		}
	}
	return []rest.Route{
		{Method: "GET", Path: "/os-aggregates", Policy: aggregatesPolicy + "index", Handle: func(r *rest.Request) (any, error) {
			rows, err := a.nova.Aggregates(r.Context())
			views := make([]object, len(rows))
			for i, g := range rows {
				views[i] = aggregateView(r, g)
			}
			return object{"aggregates": views}, err
		}},
		{Method: "POST", Path: "/os-aggregates", Policy: aggregatesPolicy + "create", Body: named(`"required": ["name"], `), Handle: func(r *rest.Request) (any, error) {
			var body struct {
				Aggregate struct {
					Name string
					Zone string `json:"availability_zone"`
				}
			}
			if err := r.Decode(&body); err != nil {
				return nil, err
			}
			g, err := a.nova.CreateAggregate(r.Context(), body.Aggregate.Name, body.Aggregate.Zone)
			if err != nil {
				return nil, err
			}
			v := aggregateView(r, g)
			delete(v, "hosts")
			delete(v, "metadata")
			return object{"aggregate": v}, nil
		}},
		{Method: "GET", Path: "/os-aggregates/{id}", Policy: aggregatesPolicy + "show", Handle: func(r *rest.Request) (any, error) {
			g, err := a.nova.Aggregate(r.Context(), r.Path("id"))
			return view(r, g, err)
		}},
		{Method: "PUT", Path: "/os-aggregates/{id}", Policy: aggregatesPolicy + "update", Body: named(`"minProperties": 1, `), Handle: func(r *rest.Request) (any, error) {
			var body struct{ Aggregate map[string]*string }
			if err := r.Decode(&body); err != nil {
				return nil, err
			}
			change := nova.AggregateChange{Action: nova.UpdateAggregate}
			if n := body.Aggregate["name"]; n != nil {
				change.Name = n
			}
			if z, ok := body.Aggregate["availability_zone"]; ok {
				change.Metadata = map[string]*string{"availability_zone": z}
			}
			g, err := a.nova.ChangeAggregate(r.Context(), r.Path("id"), change)
			return view(r, g, err)
		}},
		{Method: "DELETE", Path: "/os-aggregates/{id}", Policy: aggregatesPolicy + "delete", Handle: func(r *rest.Request) (any, error) {
			return nil, a.nova.DeleteAggregate(r.Context(), r.Path("id"))
		}},
		{Method: "POST", Path: "/os-aggregates/{id}/action", Action: "add_host", Policy: aggregatesPolicy + "add_host", Body: host("add_host"), Handle: changeHost("add_host", a.nova.AddAggregateHost)},
		{Method: "POST", Path: "/os-aggregates/{id}/action", Action: "remove_host", Policy: aggregatesPolicy + "remove_host", Body: host("remove_host"), Handle: changeHost("remove_host", a.nova.RemoveAggregateHost)},
		{
			Method: "POST", Path: "/os-aggregates/{id}/action", Action: "set_metadata", Policy: aggregatesPolicy + "set_metadata", Body: rest.JSON(`{"type": "object", "required": ["set_metadata"],
				"additionalProperties": false, "properties": {"set_metadata": {"type": "object", "required": ["metadata"], "additionalProperties": false, "properties": {"metadata": {
				"type": "object", "additionalProperties": false, "patternProperties": {"^[a-zA-Z0-9-_:. ]{1,255}$": {"type": ["string", "null"], "maxLength": 255}}}}}}}`),
			Handle: func(r *rest.Request) (any, error) {
				var body struct {
					Set struct{ Metadata map[string]*string } `json:"set_metadata"`
				}
				if err := json.Unmarshal(r.Raw, &body); err != nil {
					return nil, rest.BadRequest("Malformed request body").Because(err)
				}
				g, err := a.nova.ChangeAggregate(r.Context(), r.Path("id"), nova.AggregateChange{Metadata: body.Set.Metadata, Action: nova.UpdateMetadata})
				return view(r, g, err)
			},
		},
		{
			Method: "POST", Path: "/os-aggregates/{id}/images", Policy: "compute:aggregates:images", Min: rest.V(2, 81), Status: 202, Handle: a.cacheImages,
			Body: rest.JSON(`{"type": "object", "required": ["cache"], "additionalProperties": false, "properties": {"cache": {"type": "array", "minItems": 1, "items": {
				"type": "object", "required": ["id"], "additionalProperties": false, "properties": {"id": ` + uuidSchema + `}}}}}`),
		},
	}
}

// cacheImages has the hosts of an aggregate fetch images before servers need them.
func (a *api) cacheImages(r *rest.Request) (any, error) {
	var body struct{ Cache []struct{ ID string } }
	if err := r.Decode(&body); err != nil {
		return nil, err
	}
	ids := make([]string, len(body.Cache))
	for i, image := range body.Cache {
		if ids[i] = image.ID; slices.Contains(ids[:i], image.ID) {
			return nil, rest.BadRequest("Duplicate images in request")
		}
	}
	return nil, a.nova.CacheImages(r.Context(), r.Caller, r.Path("id"), ids)
}

func aggregateView(r *rest.Request, g *nova.Aggregate) object {
	var zone any
	if z := g.Metadata["availability_zone"]; z != "" {
		zone = z
	}
	v := object{
		"id": g.ID, "name": g.Name, "availability_zone": zone, "hosts": notNilList(g.Hosts), "metadata": notNil(g.Metadata), "created_at": plainTime(&g.CreatedAt),
		"updated_at": plainTime(g.UpdatedAt), "deleted": false, "deleted_at": nil,
	}
	if r.Version.AtLeast(2, 41) {
		v["uuid"] = g.UUID
	}
	return v
}
