package api

import (
	"maps"
	"strings"

	"gostack/internal/glance"
	"gostack/internal/nova"
	"gostack/internal/rest"
)

// oldImageRoutes are images as the compute API had them before Glance: up to 2.35, and their metadata up to 2.38.
func (a *api) oldImageRoutes() []rest.Route {
	route := func(method, path string, handle func(*rest.Request) (any, error)) rest.Route {
		r := rest.Route{Method: method, Path: path, Policy: rest.Authenticated, Max: lastProxy, Handle: handle}
		if strings.Contains(path, "/metadata") {
			r.Max = rest.V(2, 38)
		}
		return r
	}
	with := func(r rest.Route, status int, body *rest.Schema) rest.Route {
		r.Status, r.Body = status, body
		return r
	}
	items := rest.JSON(`{"type": "object", "required": ["metadata"], "additionalProperties": false, "properties": {"metadata": ` + metadataSchema + `}}`)
	item := rest.JSON(`{"type": "object", "required": ["meta"], "additionalProperties": false, "properties": {"meta": ` + metadataSchema + `}}`)
	return []rest.Route{
		route("GET", "/images", a.oldImages(oldImageBrief)), route("GET", "/images/detail", a.oldImages(oldImageView)),
		route("GET", "/images/{id}", func(r *rest.Request) (any, error) {
			i, err := a.nova.OldImage(r.Context(), r.Caller, r.Path("id"))
			if err != nil {
				return nil, err
			}
			return object{"image": oldImageView(r, i)}, nil
		}),
		with(route("DELETE", "/images/{id}", func(r *rest.Request) (any, error) {
			return nil, a.nova.DeleteOldImage(r.Context(), r.Caller, r.Path("id"))
		}), 204, nil),
		route("GET", "/images/{id}/metadata", func(r *rest.Request) (any, error) {
			i, err := a.nova.OldImage(r.Context(), r.Caller, r.Path("id"))
			if err != nil {
				return nil, err
			}
			return object{"metadata": notNil(i.Properties)}, nil
		}),
		with(route("POST", "/images/{id}/metadata", a.setImageMetadata(false)), 0, items),
		with(route("PUT", "/images/{id}/metadata", a.setImageMetadata(true)), 0, items),
		route("GET", "/images/{id}/metadata/{key}", func(r *rest.Request) (any, error) {
			i, err := a.nova.OldImage(r.Context(), r.Caller, r.Path("id"))
			if err != nil {
				return nil, err
			}
			v, ok := i.Properties[r.Path("key")]
			if !ok {
				return nil, rest.NotFound("The resource could not be found.")
			}
			return object{"meta": object{r.Path("key"): v}}, nil
		}),
		with(route("PUT", "/images/{id}/metadata/{key}", a.setImageMetadataItem), 0, item),
		with(route("DELETE", "/images/{id}/metadata/{key}", func(r *rest.Request) (any, error) {
			_, err := a.nova.ChangeImageMetadata(r.Context(), r.Caller, r.Path("id"), func(have map[string]string) error {
				if _, ok := have[r.Path("key")]; !ok {
					return rest.NotFound("Invalid metadata key")
				}
				delete(have, r.Path("key"))
				return nil
			})
			return nil, err
		}), 204, nil),
	}
}

func (a *api) oldImages(view func(*rest.Request, *glance.Image) object) func(*rest.Request) (any, error) {
	return func(r *rest.Request) (any, error) {
		limit, marker, err := page(r)
		if err != nil {
			return nil, err
		}
		filters := map[string]string{}
		for name := range r.QueryValues() {
			filters[name] = r.Query(name)
		}
		list, err := a.nova.ListOldImages(r.Context(), r.Caller, filters, marker, limit+1)
		if err != nil {
			return nil, err
		}
		out := object{}
		if len(list) > limit {
			list = list[:limit]
			if limit > 0 {
				out["images_links"] = nextLinks(r, true, list[limit-1].ID)
			}
		}
		views := make([]object, len(list))
		for i := range list {
			views[i] = view(r, &list[i])
		}
		out["images"] = views
		return out, nil
	}
}

func oldImageBrief(r *rest.Request, i *glance.Image) object {
	alternate := object{"rel": "alternate", "type": "application/vnd.openstack.image", "href": r.RootURL() + "/image/v2/images/" + i.ID}
	var l []any
	for _, link := range links(r, "images", i.ID) {
		l = append(l, link)
	}
	return object{"id": i.ID, "name": i.Name, "links": append(l, alternate)}
}

// imageStates are the statuses of images in the words of the compute API, and how far each is.
var imageStates = map[string]struct {
	word     string
	progress int
}{
	"active": {"ACTIVE", 100}, "queued": {"SAVING", 25}, "saving": {"SAVING", 50}, "deleted": {"DELETED", 0}, "pending_delete": {"DELETED", 0}, "killed": {"ERROR", 0},
}

func oldImageView(r *rest.Request, i *glance.Image) object {
	v := oldImageBrief(r, i)
	state, ok := imageStates[i.Status]
	if !ok {
		state.word = "UNKNOWN"
	}
	var size int64
	if i.Size != nil {
		size = *i.Size
	}
	maps.Copy(v, object{
		"minRam": i.MinRAM, "minDisk": i.MinDisk, "metadata": notNil(i.Properties), "created": zulu(i.CreatedAt), "updated": zulu(i.UpdatedAt),
		"status": state.word, "progress": state.progress, "OS-EXT-IMG-SIZE:size": size,
	})
	if id := i.Properties["instance_uuid"]; id != "" {
		v["server"] = object{"id": id, "links": links(r, "servers", id)}
	}
	if auto, ok := rest.ParseBool(i.Properties["auto_disk_config"]); ok {
		v["OS-DCF:diskConfig"] = "MANUAL"
		if auto {
			v["OS-DCF:diskConfig"] = "AUTO"
		}
	}
	return v
}

func (a *api) setImageMetadata(replace bool) func(*rest.Request) (any, error) {
	return func(r *rest.Request) (any, error) {
		var body struct{ Metadata map[string]string }
		if err := r.Decode(&body); err != nil {
			return nil, err
		}
		items, err := a.nova.ChangeImageMetadata(r.Context(), r.Caller, r.Path("id"), func(have map[string]string) error {
			if replace {
				clear(have)
			}
			maps.Copy(have, body.Metadata)
			return nil
		})
		return object{"metadata": items}, err
	}
}

func (a *api) setImageMetadataItem(r *rest.Request) (any, error) {
	var body struct{ Meta map[string]string }
	if err := r.Decode(&body); err != nil {
		return nil, err
	}
	v, ok := body.Meta[r.Path("key")]
	if !ok {
		return nil, rest.BadRequest("Request body and URI mismatch")
	}
	_, err := a.nova.ChangeImageMetadata(r.Context(), r.Caller, r.Path("id"), func(have map[string]string) error {
		have[r.Path("key")] = v
		return nil
	})
	return object{"meta": body.Meta}, err
}

var _ nova.ProxiedImages = (*glance.Service)(nil)
