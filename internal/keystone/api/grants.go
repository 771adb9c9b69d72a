package api

import (
	"net/http"
	"strings"

	"gostack/internal/keystone"
	"gostack/internal/policy"
	"gostack/internal/rest"
)

// grants are the routes of roles for users and groups on projects, domains and the system, and of those that projects inherit.
func (a *api) grants() []rest.Route {
	var routes []rest.Route
	add := func(path, suffix, list, check, create, revoke string) {
		if list != "" {
			routes = append(routes, rest.Route{Method: "GET", Path: path + "/roles" + suffix, Policy: list, Target: a.grantTarget, Handle: a.listGrants})
		}
		one := path + "/roles/{role_id}" + suffix
		for _, op := range []struct {
			method, rule string
			handle       func(*rest.Request) (any, error)
		}{{"GET", check, a.checkGrant}, {"PUT", create, a.createGrant}, {"DELETE", revoke, a.revokeGrant}} {
			routes = append(routes, rest.Route{
				Method: op.method, Path: one, Policy: op.rule, Target: a.grantTarget, Status: http.StatusNoContent, Handle: op.handle,
			})
		}
	}
	const list, check, create, revoke = "identity:list_grants", "identity:check_grant", "identity:create_grant", "identity:revoke_grant"
	for _, actor := range []string{"/users/{user_id}", "/groups/{group_id}"} {
		add("/projects/{project_id}"+actor, "", list, check, create, revoke)
		add("/domains/{domain_id}"+actor, "", list, check, create, revoke)
		// Upstream lists inherited grants on domains only.
		add("/OS-INHERIT/projects/{project_id}"+actor, "/inherited_to_projects", "", check, create, revoke)
		add("/OS-INHERIT/domains/{domain_id}"+actor, "/inherited_to_projects", list, check, create, revoke)
	}
	for path, kind := range map[string]string{"/system/users/{user_id}": "user", "/system/groups/{group_id}": "group"} {
		add(path, "", "identity:list_system_grants_for_"+kind, "identity:check_system_grant_for_"+kind,
			"identity:create_system_grant_for_"+kind, "identity:revoke_system_grant_for_"+kind)
	}
	return routes
}

func grantOf(r *rest.Request) keystone.Grant {
	return keystone.Grant{
		UserID: r.Path("user_id"), GroupID: r.Path("group_id"), ProjectID: r.Path("project_id"), DomainID: r.Path("domain_id"),
		RoleID: r.Path("role_id"), Inherited: strings.HasSuffix(r.Route.Path, "/inherited_to_projects"),
	}
}

// grantTarget loads what a grant speaks of. To revoke one its user or group need not exist any more.
func (a *api) grantTarget(r *rest.Request) (policy.Target, error) {
	parts, err := a.GrantParts(r.Context(), grantOf(r), r.HTTP.Method == http.MethodDelete)
	if err != nil {
		return nil, a.unlessHidden(r, err)
	}
	r.Loaded = parts
	about := policy.Target{}
	if parts.Role != nil {
		about["role"] = roleAttributes(parts.Role)
	}
	if parts.User != nil {
		about["user"] = policy.Target{"id": parts.User.ID, "domain_id": parts.User.DomainID}
	}
	if parts.Group != nil {
		about["group"] = policy.Target{"id": parts.Group.ID, "domain_id": parts.Group.DomainID}
	}
	if parts.Project != nil {
		about["project"] = projectAttributes(parts.Project)
	}
	if parts.Domain != nil {
		about["domain"] = policy.Target{"id": parts.Domain.ID}
	}
	return policy.Target{"target": about, "user_id": r.Path("user_id")}, nil
}

func (a *api) listGrants(r *rest.Request) (any, error) {
	list, err := a.GrantedRoles(r.Context(), grantOf(r))
	return collection(r, "roles", list, roleView), err
}

func (a *api) checkGrant(r *rest.Request) (any, error) {
	return nil, a.CheckGrant(r.Context(), grantOf(r))
}

func (a *api) createGrant(r *rest.Request) (any, error) {
	return nil, a.CreateGrant(r.Context(), grantOf(r), r.Loaded.(keystone.GrantParts))
}

func (a *api) revokeGrant(r *rest.Request) (any, error) {
	return nil, a.DeleteGrant(r.Context(), grantOf(r))
}
