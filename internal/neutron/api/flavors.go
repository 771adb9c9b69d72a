package api

import (
	"net/http"

	"gostack/internal/neutron"
	"gostack/internal/neutron/attr"
	"gostack/internal/neutron/db"
	"gostack/internal/policy"
	"gostack/internal/rest"
)

// unowned are the attributes of resources that belong to the cloud and not to a project: the project of a body is heard and forgotten.
func unowned() []attr.Attribute {
	return []attr.Attribute{{Name: "id", Column: "t.id"}, {Name: "project_id", Post: true, Hidden: true}, {Name: "tenant_id", Hidden: true}}
}

// flavors are the flavors of services (extension flavors).
func (a *api) flavors() *resource {
	return serve(a.n.Flavors(), resource{
		Table: attr.NewTable("flavor", "flavors", unowned(), named(), []attr.Attribute{
			{Name: "description", Post: true, Put: true, Default: "", Check: attr.String(1024), Column: "t.description"},
			{Name: "service_type", Post: true, Required: true, Check: attr.String(255), Column: "t.service_type"},
			{Name: "enabled", Post: true, Put: true, Default: true, Check: attr.Boolean, Column: "t.enabled", Kind: attr.Bool},
			{Name: "service_profiles"},
		}),
		Path: "flavors", Absent: neutron.FlavorNotFound,
	}, func(f *db.Flavor) attr.Values {
		return attr.Values{
			"id": f.ID, "name": f.Name, "description": f.Description, "service_type": f.ServiceType, "enabled": f.Enabled,
			"service_profiles": f.Profiles,
		}
	})
}

// serviceProfiles say by which driver a flavor is served.
func (a *api) serviceProfiles() *resource {
	return serve(a.n.ServiceProfiles(), resource{
		Table: attr.NewTable("service_profile", "service_profiles", unowned(), []attr.Attribute{
			{Name: "description", Post: true, Put: true, Default: "", Check: attr.String(1024), Column: "t.description"},
			{Name: "driver", Post: true, Put: true, Default: "", Check: attr.String(255), Column: "t.driver"},
			{Name: "enabled", Post: true, Put: true, Default: true, Check: attr.Boolean, Column: "t.enabled", Kind: attr.Bool},
			{Name: "metainfo", Post: true, Put: true, Default: "", Check: attr.String(4096), Column: "t.metainfo"},
		}),
		Path: "service_profiles", Absent: neutron.ServiceProfileNotFound,
	}, func(p *db.ServiceProfile) attr.Values {
		return attr.Values{"id": p.ID, "description": p.Description, "driver": p.Driver, "enabled": p.Enabled, "metainfo": p.MetaInfo}
	})
}

// flavorRoutes associate flavors with service profiles.
func (a *api) flavorRoutes() []rest.Route {
	target := func(r *rest.Request) (policy.Target, error) { return policy.Target{}, nil }
	return []rest.Route{
		{
			Method: "POST", Path: "/v2.0/flavors/{id}/service_profiles", Policy: "create_flavor_service_profile", Target: target,
			Body: anything, Status: http.StatusCreated,
			Handle: func(r *rest.Request) (any, error) {
				doc, _ := r.Body.(map[string]any)
				body, _ := doc["service_profile"].(map[string]any)
				profile, reason := attr.UUID(body["id"])
				if reason != "" {
					return nil, attr.Bad("Invalid input for service_profile. Reason: %s.", reason)
				}
				if err := a.n.AddProfile(r.Context(), id(r), profile.(string)); err != nil { //nolint:forcetypeassert // UUID gives nothing else
					return nil, err
				}
				return map[string]any{"service_profile": map[string]any{"id": profile}}, nil
			},
		},
		{
			Method: "DELETE", Path: "/v2.0/flavors/{id}/service_profiles/{profile_id}", Policy: "delete_flavor_service_profile", Target: target,
			Status: http.StatusNoContent,
			Handle: func(r *rest.Request) (any, error) {
				return nil, a.n.RemoveProfile(r.Context(), id(r), r.Path("profile_id"))
			},
		},
	}
}
