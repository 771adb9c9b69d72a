package api

import (
	"net/http"

	"gostack/internal/rest"
)

func (a *API) classRoutes() []rest.Route {
	const all, one = "/resource_classes", "/resource_classes/{name}"
	v1_2 := rest.V(1, 2)
	return []rest.Route{
		{Method: "GET", Path: all, Policy: rule("resource_classes:list"), Min: v1_2, Handle: a.listClasses},
		{Method: "POST", Path: all, Policy: rule("resource_classes:create"), Min: v1_2, Status: 201, Body: rest.JSON(classSchema), Handle: a.createClass},
		{Method: "GET", Path: one, Policy: rule("resource_classes:show"), Min: v1_2, Handle: a.showClass},
		{Method: "PUT", Path: one, Policy: rule("resource_classes:update"), Min: v1_2, Max: rest.V(1, 6), Body: rest.JSON(classSchema), Handle: a.renameClass},
		{Method: "PUT", Path: one, Policy: rule("resource_classes:update"), Min: rest.V(1, 7), Status: 204, Handle: a.putClass},
		{Method: "DELETE", Path: one, Policy: rule("resource_classes:delete"), Min: v1_2, Status: 204, Handle: a.deleteClass},
	}
}

type classView struct {
	Name  string      `json:"name"`
	Links []rest.Link `json:"links"`
}

func viewClass(r *rest.Request, name string) classView {
	return classView{name, []rest.Link{{Rel: "self", Href: r.Prefix() + "/resource_classes/" + name}}}
}

func (a *API) listClasses(r *rest.Request) (any, error) {
	classes, err := a.ResourceClasses(r.Context())
	if err != nil {
		return nil, err
	}
	names, modified := namesOf(classes)
	views := make([]classView, len(names))
	for i, name := range names {
		views[i] = viewClass(r, name)
	}
	return a.show(r, map[string]any{"resource_classes": views}, modified), nil
}

func (a *API) showClass(r *rest.Request) (any, error) {
	class, err := a.ResourceClass(r.Context(), r.Path("name"))
	if err != nil {
		return nil, err
	}
	return a.show(r, viewClass(r, class.Name), class.UpdatedAt), nil
}

func (a *API) createClass(r *rest.Request) (any, error) {
	var body struct{ Name string }
	if err := r.Decode(&body); err != nil {
		return nil, err
	}
	created, err := a.EnsureResourceClass(r.Context(), body.Name)
	if err != nil {
		return nil, err
	}
	if !created {
		return nil, rest.Conflict("Conflicting resource class already exists: %s", body.Name)
	}
	return rest.Reply(http.StatusCreated, nil).With("Location", r.BaseURL()+"/resource_classes/"+body.Name), nil
}

func (a *API) renameClass(r *rest.Request) (any, error) {
	var body struct{ Name string }
	if err := r.Decode(&body); err != nil {
		return nil, err
	}
	if err := a.RenameResourceClass(r.Context(), r.Path("name"), body.Name); err != nil {
		return nil, err
	}
	return viewClass(r, body.Name), nil
}

func (a *API) putClass(r *rest.Request) (any, error) {
	name := r.Path("name")
	if len(name) > 255 || !customName.MatchString(name) {
		return nil, rest.BadRequest("JSON does not validate: '%s' does not match '^CUSTOM_[A-Z0-9_]+$'", name)
	}
	created, err := a.EnsureResourceClass(r.Context(), name)
	if err != nil {
		return nil, err
	}
	status := http.StatusNoContent
	if created {
		status = http.StatusCreated
	}
	return rest.Reply(status, nil).With("Location", r.BaseURL()+"/resource_classes/"+name), nil
}

func (a *API) deleteClass(r *rest.Request) (any, error) {
	return nil, a.DeleteResourceClass(r.Context(), r.Path("name"))
}
