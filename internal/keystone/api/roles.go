package api

import (
	"net/http"

	"gostack/internal/keystone"
	"gostack/internal/policy"
	"gostack/internal/rest"
)

const roleProperties = `"name": ` + identityName + `, "description": ` + textOrNull + `, "domain_id": ` + idOrNull + `,
	"options": ` + immutability

// Roles of a domain have policies of their own: which one rules a request depends on the role, so the handlers ask.
func (a *api) roles() []rest.Route {
	const one = "/roles/{role_id}"
	return []rest.Route{
		{Method: "GET", Path: "/roles", Policy: rest.Authenticated, Handle: a.listRoles},
		{
			Method: "POST", Path: "/roles", Policy: rest.Authenticated, Body: body("role", roleProperties, "name"), Status: http.StatusCreated,
			Handle: a.createRole,
		},
		{Method: "GET", Path: one, Policy: rest.Authenticated, Target: a.rolePolicy("get"), Handle: a.showRole},
		{
			Method: "PATCH", Path: one, Policy: rest.Authenticated, Target: a.rolePolicy("update"), Body: body("role", roleProperties),
			Handle: a.updateRole,
		},
		{
			Method: "DELETE", Path: one, Policy: rest.Authenticated, Target: a.rolePolicy("delete"), Status: http.StatusNoContent,
			Handle: func(r *rest.Request) (any, error) { return nil, a.DeleteRole(r.Context(), r.Path("role_id")) },
		},
	}
}

func roleAttributes(role *keystone.Role) policy.Target {
	return policy.Target{"id": role.ID, "name": role.Name, "domain_id": orNull(role.DomainID)}
}

// rolePolicy loads the role and asks the policy that rules it: identity:get_role, or identity:get_domain_role for a role of a domain. That
// there is no such role is told to everybody, as upstream does.
func (a *api) rolePolicy(verb string) func(*rest.Request) (policy.Target, error) {
	return func(r *rest.Request) (policy.Target, error) {
		role, err := a.Role(r.Context(), r.Path("role_id"))
		if err != nil {
			return nil, err
		}
		rule, target := "identity:"+verb+"_role", policy.Target{"target": policy.Target{"role": roleAttributes(role)}}
		if role.DomainID != "" {
			rule = "identity:" + verb + "_domain_role"
		}
		r.Loaded = role
		return target, r.Enforce(rule, target)
	}
}

func (a *api) listRoles(r *rest.Request) (any, error) {
	domainID := r.Query("domain_id")
	rule := "identity:list_roles"
	if domainID != "" {
		rule = "identity:list_domain_roles"
	}
	if err := r.Enforce(rule, policy.Target{}); err != nil {
		return nil, err
	}
	o, err := listOptions(r, filterable{"name", "r.name", false})
	if err != nil {
		return nil, err
	}
	list, err := a.Roles(r.Context(), domainID, o)
	return collection(r, "roles", list, roleView), err
}

func (a *api) createRole(r *rest.Request) (any, error) {
	attrs := object(r, "role")
	rule := "identity:create_role"
	if id, _ := attrs["domain_id"].(string); id != "" {
		rule = "identity:create_domain_role"
	}
	if err := r.Enforce(rule, policy.Target{}); err != nil {
		return nil, err
	}
	role, err := a.CreateRole(r.Context(), attrs)
	if err != nil {
		return nil, err
	}
	return map[string]any{"role": roleView(r, role)}, nil
}

func (a *api) showRole(r *rest.Request) (any, error) {
	return map[string]any{"role": roleView(r, r.Loaded.(*keystone.Role))}, nil
}

func (a *api) updateRole(r *rest.Request) (any, error) {
	role, err := a.UpdateRole(r.Context(), r.Path("role_id"), object(r, "role"))
	if err != nil {
		return nil, err
	}
	return map[string]any{"role": roleView(r, role)}, nil
}
