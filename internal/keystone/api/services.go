package api

import (
	"net/http"

	"gostack/internal/keystone"
	"gostack/internal/rest"
)

const serviceProperties = `"type": {"type": "string", "minLength": 1, "maxLength": 255}, "enabled": ` + boolean + `,
	"name": {"type": "string", "minLength": 1, "maxLength": 255}`

// services are the routes of the catalogue's services.
func (a *api) services() []rest.Route {
	one := func(r *rest.Request) func(*keystone.CatalogService, error) (any, error) {
		return func(s *keystone.CatalogService, err error) (any, error) {
			if err != nil {
				return nil, err
			}
			return map[string]any{"service": serviceView(r, s)}, nil
		}
	}
	const path = "/services/{service_id}"
	return []rest.Route{
		{Method: "GET", Path: "/services", Policy: "identity:list_services", Handle: func(r *rest.Request) (any, error) {
			o, err := listOptions(r, filterable{"type", "s.type", false}, filterable{"name", "s.name", false})
			if err != nil {
				return nil, err
			}
			list, err := a.CatalogServices(r.Context(), o)
			return collection(r, "services", list, serviceView), err
		}},
		{
			Method: "POST", Path: "/services", Policy: "identity:create_service", Body: body("service", serviceProperties, "type"),
			Status: http.StatusCreated,
			Handle: func(r *rest.Request) (any, error) {
				return one(r)(a.CreateCatalogService(r.Context(), object(r, "service")))
			},
		},
		{Method: "GET", Path: path, Policy: "identity:get_service", Handle: func(r *rest.Request) (any, error) {
			return one(r)(a.CatalogService(r.Context(), r.Path("service_id")))
		}},
		{
			Method: "PATCH", Path: path, Policy: "identity:update_service", Body: body("service", serviceProperties),
			Handle: func(r *rest.Request) (any, error) {
				return one(r)(a.UpdateCatalogService(r.Context(), r.Path("service_id"), object(r, "service")))
			},
		},
		{
			Method: "DELETE", Path: path, Policy: "identity:delete_service", Status: http.StatusNoContent,
			Handle: func(r *rest.Request) (any, error) {
				return nil, a.DeleteCatalogService(r.Context(), r.Path("service_id"))
			},
		},
	}
}
