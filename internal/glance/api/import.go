package api

import (
	"net/http"
	"slices"

	"gostack/internal/glance"
	"gostack/internal/policy"
	"gostack/internal/rest"
)

func (a *api) stage(r *rest.Request) (any, error) {
	return nil, a.received(r, a.service.Stage(r.Context(), loaded(r), r.HTTP.Body, max(0, r.HTTP.ContentLength)))
}

// asked reads the body of an import, in upstream's order and words, before the image is looked at.
func (a *api) asked(r *rest.Request) (policy.Target, error) {
	doc, ok := r.Body.(map[string]any)
	if !ok {
		return nil, rest.BadRequest("Body expected in request.")
	}
	method, ok := doc["method"].(map[string]any)
	if !ok {
		return nil, rest.BadRequest("Import request requires a 'method' field.")
	}
	name, ok := method["name"]
	if !ok {
		return nil, rest.BadRequest("Import request requires a 'name' field.")
	}
	if text, ok := name.(string); !ok || !slices.Contains(a.service.ImportMethods(), text) {
		return nil, rest.BadRequest("Unknown import method name '%v'.", name)
	}
	for _, member := range []string{"all_stores_must_succeed", "all_stores"} {
		if value, there := doc[member]; there {
			if _, ok := value.(bool); !ok {
				return nil, rest.BadRequest("'%s' must be boolean value only", member)
			}
		}
	}
	return a.image(r)
}

func (a *api) importImage(r *rest.Request) (any, error) {
	doc := r.Body.(map[string]any)
	method := doc["method"].(map[string]any)
	in := glance.ImportRequest{Body: doc}
	in.Method = method["name"].(string)
	in.URI, _ = method["uri"].(string)
	in.AllStores, _ = doc["all_stores"].(bool)
	in.MustSucceed = true
	if must, there := doc["all_stores_must_succeed"].(bool); there {
		in.MustSucceed = must
	}
	img := loaded(r)
	if err := a.service.EnforceSize(r.Context(), img); err != nil {
		return nil, err
	}
	if err := glance.Importable(img, in.Method); err != nil {
		return nil, err
	}
	rule := "modify_image"
	if in.Method == glance.CopyImage {
		rule = "copy_image"
	}
	if err := r.Enforce(rule, target(r.Caller, img)); err != nil {
		return nil, err
	}
	if img.Reserved[glance.ImportTask] != "" {
		return nil, rest.Conflict("Image has active task")
	}
	named, err := storeNames(doc)
	if err != nil {
		return nil, err
	}
	if in.Stores, err = a.service.ImportStores(in.AllStores, named, r.HTTP.Header.Get("X-Image-Meta-Store")); err != nil {
		return nil, err
	}
	if _, err := a.service.Import(r.Context(), r.Caller, img, in); err != nil {
		return nil, err
	}
	return rest.Reply(http.StatusAccepted, nil), nil
}

// storeNames reads the stores of the body; nil when it has none.
func storeNames(doc map[string]any) ([]string, error) {
	value, there := doc["stores"]
	if !there {
		return nil, nil
	}
	list, ok := value.([]any)
	if !ok {
		return nil, rest.BadRequest("'stores' must be a list of store names")
	}
	names := []string{}
	for _, item := range list {
		name, ok := item.(string)
		if !ok {
			return nil, rest.BadRequest("'stores' must be a list of store names")
		}
		names = append(names, name)
	}
	return names, nil
}
