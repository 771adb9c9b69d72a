package api

import (
	"net/http"
	"strings"

	"gostack/internal/keystone"
	"gostack/internal/policy"
	"gostack/internal/rest"
	"gostack/internal/secret"
)

const userProperties = `"name": ` + identityName + `, "description": ` + textOrNull + `, "domain_id": ` + idString + `,
	"default_project_id": ` + idOrNull + `, "enabled": ` + boolean + `, "password": {"type": ["string", "null"]},
	"options": ` + userOptions

var userFilters = []filterable{{"domain_id", "u.domain_id", false}, {"enabled", "u.enabled", true}, {"name", "u.name", false}}

func (a *api) users() []rest.Route {
	const one = "/users/{user_id}"
	return []rest.Route{
		{Method: "GET", Path: "/users", Policy: "identity:list_users", Target: ownDomain, Handle: a.listUsers},
		{
			Method: "POST", Path: "/users", Policy: "identity:create_user", Target: newUserTarget, Body: body("user", userProperties, "name"),
			Status: http.StatusCreated, Handle: a.createUser,
		},
		{Method: "GET", Path: one, Policy: "identity:get_user", Target: a.userTarget, Handle: a.showUser},
		{
			Method: "PATCH", Path: one, Policy: "identity:update_user", Target: a.userTarget, Body: body("user", userProperties),
			Handle: a.updateUser,
		},
		{
			Method: "DELETE", Path: one, Policy: "identity:delete_user", Target: a.userTarget, Status: http.StatusNoContent,
			Handle: func(r *rest.Request) (any, error) { return nil, a.DeleteUser(r.Context(), r.Path("user_id")) },
		},
		// Whoever knows the old password may set a new one: an expired password lets nobody get a token.
		{
			Method: "POST", Path: one + "/password", Policy: rest.Public, Status: http.StatusNoContent, Handle: a.changePassword,
			Body: rest.JSON(`{"type": "object", "required": ["user"], "properties": {"user": {
				"type": "object", "required": ["original_password", "password"], "additionalProperties": false,
				"properties": {"original_password": {"type": "string"}, "password": {"type": "string"}}}}}`),
		},
		{Method: "GET", Path: one + "/groups", Policy: "identity:list_groups_for_user", Target: a.userTarget, Handle: a.listGroupsOfUser},
		{Method: "GET", Path: one + "/projects", Policy: "identity:list_user_projects", Target: a.userTarget, Handle: a.listProjectsOfUser},
	}
}

func (a *api) userTarget(r *rest.Request) (policy.Target, error) {
	target := policy.Target{"user_id": r.Path("user_id")}
	u, err := a.User(r.Context(), r.Path("user_id"))
	if rest.IsNotFound(err) {
		r.Loaded = err
		return target, nil
	}
	if err != nil {
		return nil, err
	}
	r.Loaded = u
	target["target"] = policy.Target{"user": policy.Target{"id": u.ID, "domain_id": u.DomainID}}
	return target, nil
}

func newUserTarget(r *rest.Request) (policy.Target, error) {
	return policy.Target{"target": policy.Target{"user": policy.Target{"domain_id": placement(r, object(r, "user"))}}}, nil
}

func (a *api) listUsers(r *rest.Request) (any, error) {
	o, err := userOptionsOf(r)
	if err != nil {
		return nil, err
	}
	for _, foreign := range []string{"idp_id", "protocol_id", "unique_id"} {
		if r.QueryValues().Has(foreign) { // no user comes from an identity provider
			return collection(r, "users", []*keystone.User{}, userView), nil
		}
	}
	if r.Caller.DomainID != "" {
		o = o.Equals("u.domain_id", r.Caller.DomainID)
	}
	list, err := a.Users(r.Context(), o)
	return collection(r, "users", list, userView), err
}

// userOptionsOf reads the options of a list of users; password_expires_at compares with lt, lte, gt, gte, eq or neq and a colon.
func userOptionsOf(r *rest.Request) (keystone.ListOptions, error) {
	o, err := listOptions(r, userFilters...)
	if v := r.Query("password_expires_at"); v != "" && err == nil {
		op, text := "eq", v
		if before, after, ok := strings.Cut(v, ":"); ok && len(before) <= 3 {
			op, text = before, after
		}
		at, bad := rest.ParseTime(text)
		switch op {
		case "lt", "lte", "gt", "gte", "eq", "neq":
		default:
			return o, rest.BadRequest("The given operator %s is not valid. It must be one of the following: 'eq', 'neq', 'lt', 'lte', 'gt', "+
				"or 'gte'.", op)
		}
		if bad != nil {
			return o, rest.BadRequest("Timestamp not in expected format. The server could not comply with the request since it is either " +
				"malformed or otherwise incorrect. The client is assumed to be in error.")
		}
		o.Filters = append(o.Filters, keystone.Filter{Column: "u.password_expires_at", Op: op, Value: at})
	}
	return o, err
}

// passwordOf takes the password out of the members of a user, so that nothing can store or print it.
func passwordOf(user keystone.Attrs) secret.String {
	p, ok := user["password"].(string)
	if ok {
		delete(user, "password")
	}
	return secret.New(p)
}

func (a *api) createUser(r *rest.Request) (any, error) {
	attrs := placed(r, object(r, "user"))
	u, err := a.CreateUser(r.Context(), attrs, passwordOf(attrs))
	if err != nil {
		return nil, err
	}
	return map[string]any{"user": userView(r, u)}, nil
}

func (a *api) showUser(r *rest.Request) (any, error) {
	u, err := loaded[*keystone.User](r)
	if err != nil {
		return nil, err
	}
	return map[string]any{"user": userView(r, u)}, nil
}

func (a *api) updateUser(r *rest.Request) (any, error) {
	if _, err := loaded[*keystone.User](r); err != nil {
		return nil, err
	}
	attrs := object(r, "user")
	u, err := a.UpdateUser(r.Context(), r.Path("user_id"), attrs, passwordOf(attrs))
	if err != nil {
		return nil, err
	}
	return map[string]any{"user": userView(r, u)}, nil
}

func (a *api) changePassword(r *rest.Request) (any, error) {
	user := object(r, "user")
	original, _ := user["original_password"].(string)
	return nil, a.ChangePassword(r.Context(), r.Path("user_id"), secret.New(original), passwordOf(user))
}

func (a *api) listGroupsOfUser(r *rest.Request) (any, error) {
	if _, err := loaded[*keystone.User](r); err != nil {
		return nil, err
	}
	o, err := listOptions(r, filterable{"name", "g.name", false})
	if err != nil {
		return nil, err
	}
	if r.Caller.DomainID != "" {
		o = o.Equals("g.domain_id", r.Caller.DomainID)
	}
	list, err := a.GroupsOfUser(r.Context(), r.Path("user_id"), o)
	return collection(r, "groups", list, func(r *rest.Request, g *keystone.Group) map[string]any {
		v := groupView(r, g)
		v["membership_expires_at"] = nil // memberships end only where an identity provider gave them
		return v
	}), err
}

func (a *api) listProjectsOfUser(r *rest.Request) (any, error) {
	if _, err := loaded[*keystone.User](r); err != nil {
		return nil, err
	}
	o, err := listOptions(r, projectFilters[:3]...)
	if err != nil {
		return nil, err
	}
	list, err := a.ProjectsOfUser(r.Context(), r.Path("user_id"), o)
	return collection(r, "projects", list, projectView), err
}
