package api

import (
	"errors"

	"gostack/internal/rest"
)

func (a *api) show(r *rest.Request) (any, error) { return a.view(r, loaded(r)), nil }

func (a *api) remove(r *rest.Request) (any, error) {
	return nil, a.service.Delete(r.Context(), r.Caller, loaded(r).ID)
}

func (a *api) deactivate(r *rest.Request) (any, error) {
	return nil, a.service.Deactivate(r.Context(), r.Caller, loaded(r).ID)
}

func (a *api) reactivate(r *rest.Request) (any, error) {
	return nil, a.service.Reactivate(r.Context(), r.Caller, loaded(r).ID)
}

func (a *api) addTag(r *rest.Request) (any, error) {
	tag := r.Path("tag")
	if len(tag) > 255 {
		return nil, rest.BadRequest("Could not update image: %s is too long", tag)
	}
	return nil, renamed(r, a.service.AddTag(r.Context(), r.Caller, loaded(r).ID, tag))
}

func (a *api) removeTag(r *rest.Request) (any, error) {
	return nil, renamed(r, a.service.RemoveTag(r.Context(), r.Caller, loaded(r).ID, r.Path("tag")))
}

// renamed gives the sub-resources' 404 of an image that vanished their own words.
func renamed(r *rest.Request, err error) error {
	var e *rest.Error
	if errors.As(err, &e) && e.Status == 404 && e.Message == "No image found with ID "+loaded(r).ID {
		return rest.NotFound("Image %s not found.", loaded(r).ID)
	}
	return err
}
