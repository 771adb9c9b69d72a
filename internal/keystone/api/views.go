package api

import (
	"maps"

	"gostack/internal/keystone"
	"gostack/internal/rest"
)

// view starts what clients see of a row: the attributes that have no column, then its own id and link.
func view(r *rest.Request, collection, id string, extra map[string]any) map[string]any {
	v := maps.Clone(extra)
	if v == nil {
		v = map[string]any{}
	}
	v["id"] = id
	v["links"] = map[string]any{"self": r.BaseURL() + "/" + collection + "/" + id}
	return v
}

// orNull is a text, or null when there is none.
func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func options(o map[string]any) map[string]any {
	if o == nil {
		return map[string]any{}
	}
	return o
}

func projectView(r *rest.Request, p *keystone.Project) map[string]any {
	v := view(r, "projects", p.ID, p.Extra)
	v["name"], v["description"], v["enabled"] = p.Name, p.Description, p.Enabled
	v["domain_id"], v["parent_id"], v["is_domain"] = orNull(p.DomainID), orNull(p.ParentID), p.IsDomain
	v["tags"], v["options"] = p.Tags(), options(p.Options)
	return v
}

func domainView(r *rest.Request, p *keystone.Project) map[string]any {
	v := view(r, "domains", p.ID, p.Extra)
	v["name"], v["description"], v["enabled"] = p.Name, p.Description, p.Enabled
	v["tags"], v["options"] = p.Tags(), options(p.Options)
	return v
}

func userView(r *rest.Request, u *keystone.User) map[string]any {
	v := view(r, "users", u.ID, u.Extra)
	v["name"], v["domain_id"], v["enabled"] = u.Name, u.DomainID, u.Enabled
	v["password_expires_at"], v["options"] = keystone.PasswordExpiry(u.PasswordExpiresAt), options(u.Options)
	if u.DefaultProjectID != "" {
		v["default_project_id"] = u.DefaultProjectID
	}
	return v
}

func groupView(r *rest.Request, g *keystone.Group) map[string]any {
	v := view(r, "groups", g.ID, g.Extra)
	v["name"], v["domain_id"], v["description"] = g.Name, g.DomainID, g.Description
	return v
}

func roleView(r *rest.Request, role *keystone.Role) map[string]any {
	v := view(r, "roles", role.ID, role.Extra)
	v["name"], v["domain_id"], v["description"], v["options"] = role.Name, orNull(role.DomainID), role.Description, options(role.Options)
	return v
}

func regionView(r *rest.Request, g *keystone.Region) map[string]any {
	v := view(r, "regions", g.ID, g.Extra)
	v["description"], v["parent_region_id"] = g.Description, g.ParentRegionID
	return v
}

func serviceView(r *rest.Request, s *keystone.CatalogService) map[string]any {
	v := view(r, "services", s.ID, s.Extra)
	v["type"], v["name"], v["enabled"] = s.Type, s.Name, s.Enabled
	return v
}

func endpointView(r *rest.Request, e *keystone.Endpoint) map[string]any {
	v := view(r, "endpoints", e.ID, e.Extra)
	v["interface"], v["service_id"], v["url"], v["enabled"] = e.Interface, e.ServiceID, e.URL, e.Enabled
	v["region"], v["region_id"] = e.RegionID, e.RegionID
	return v
}
