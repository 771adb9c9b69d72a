package api

import (
	"gostack/internal/glance"
	"gostack/internal/rest"
)

func (a *api) importMethods(*rest.Request) (any, error) {
	return map[string]any{"import-methods": map[string]any{
		"description": "Import methods available.", "type": "array", "value": a.service.ImportMethods(),
	}}, nil
}

func (a *api) stores(*rest.Request) (any, error) {
	if !a.service.Multi() {
		return nil, rest.NotFound("Multi backend is not supported at this site.")
	}
	views := []map[string]any{}
	for _, st := range a.service.Stores() {
		views = append(views, storeView(st))
	}
	return map[string]any{"stores": views}, nil
}

// storeView is a store as everybody sees it. Upstream writes yes as the text "true".
func storeView(st *glance.Store) map[string]any {
	v := map[string]any{"id": st.ID}
	if st.Description != "" {
		v["description"] = st.Description
	}
	if st.Default {
		v["default"] = "true"
	}
	if st.ReadOnly() {
		v["read-only"] = "true"
	}
	return v
}

func (a *api) storesDetail(r *rest.Request) (any, error) {
	if !a.service.Multi() {
		return nil, rest.NotFound("Multi backend is not supported at this site.")
	}
	if err := r.Enforce("stores_info_detail", nil); err != nil {
		return nil, err
	}
	views := []map[string]any{}
	for _, st := range a.service.Stores() {
		v := storeView(st)
		v["type"], v["weight"], v["properties"] = st.Type, st.Weight, map[string]any{}
		if st.Type == glance.FileStore {
			v["properties"] = map[string]any{"data_dir": st.Dir, "chunk_size": 65536, "thin_provisioning": false}
		}
		views = append(views, v)
	}
	return map[string]any{"stores": views}, nil
}

// deleteFromStore removes an image's data from one of several stores.
func (a *api) deleteFromStore(r *rest.Request) (any, error) {
	id := r.Path("store_id")
	if !a.service.Multi() {
		return nil, rest.NotFound("The resource could not be found.")
	}
	known := false
	for _, st := range a.service.Stores() {
		known = known || st.ID == id
	}
	if !known {
		return nil, rest.Conflict("The selected store %s is not available on this node.", id)
	}
	t, err := a.image(r)
	if err != nil {
		return nil, rest.NotFound("Failed to find image %s", r.Path("image_id"))
	}
	for _, rule := range []string{"get_image_location", "delete_image_location"} {
		if err := r.Enforce(rule, t); err != nil {
			return nil, err
		}
	}
	return nil, a.service.DeleteFromStore(r.Context(), r.Caller, loaded(r).ID, id)
}

// usage is what the caller's project has and may have, by Keystone's limits; nothing while those are not used.
func (a *api) usage(r *rest.Request) (any, error) {
	used, err := a.service.UsageOf(r.Context(), r.Caller.ProjectID)
	return map[string]any{"usage": used}, err
}
