package api

import (
	"net/http"

	"gostack/internal/keystone"
	"gostack/internal/policy"
	"gostack/internal/rest"
)

const groupProperties = `"name": ` + identityName + `, "description": ` + textOrNull + `, "domain_id": ` + idString

func (a *api) groups() []rest.Route {
	const one, member = "/groups/{group_id}", "/groups/{group_id}/users/{user_id}"
	return []rest.Route{
		{Method: "GET", Path: "/groups", Policy: "identity:list_groups", Target: ownDomain, Handle: a.listGroups},
		{
			Method: "POST", Path: "/groups", Policy: "identity:create_group", Target: newGroupTarget, Body: body("group", groupProperties, "name"),
			Status: http.StatusCreated, Handle: a.createGroup,
		},
		{Method: "GET", Path: one, Policy: "identity:get_group", Target: a.groupTarget, Handle: a.showGroup},
		{
			Method: "PATCH", Path: one, Policy: "identity:update_group", Target: a.groupTarget, Body: body("group", groupProperties),
			Handle: a.updateGroup,
		},
		{
			Method: "DELETE", Path: one, Policy: "identity:delete_group", Target: a.groupMustExist, Status: http.StatusNoContent,
			Handle: func(r *rest.Request) (any, error) { return nil, a.DeleteGroup(r.Context(), r.Path("group_id")) },
		},
		{Method: "GET", Path: one + "/users", Policy: "identity:list_users_in_group", Target: a.groupTarget, Handle: a.listUsersInGroup},
		{
			Method: "GET", Path: member, Policy: "identity:check_user_in_group", Target: a.memberTarget, Status: http.StatusNoContent,
			Handle: func(r *rest.Request) (any, error) {
				return nil, a.CheckMember(r.Context(), r.Path("user_id"), r.Path("group_id"))
			},
		},
		{
			Method: "PUT", Path: member, Policy: "identity:add_user_to_group", Target: a.memberTarget, Status: http.StatusNoContent,
			Handle: func(r *rest.Request) (any, error) {
				return nil, a.AddMember(r.Context(), r.Path("user_id"), r.Path("group_id"))
			},
		},
		{
			Method: "DELETE", Path: member, Policy: "identity:remove_user_from_group", Target: a.memberTarget, Status: http.StatusNoContent,
			Handle: func(r *rest.Request) (any, error) {
				return nil, a.RemoveMember(r.Context(), r.Path("user_id"), r.Path("group_id"))
			},
		},
	}
}

func (a *api) groupTarget(r *rest.Request) (policy.Target, error) {
	g, err := a.Group(r.Context(), r.Path("group_id"))
	if rest.IsNotFound(err) {
		r.Loaded = err
		return policy.Target{}, nil
	}
	if err != nil {
		return nil, err
	}
	r.Loaded = g
	return policy.Target{"target": policy.Target{"group": policy.Target{"id": g.ID, "domain_id": g.DomainID}}}, nil
}

// groupMustExist tells everybody that there is no such group, as upstream does of one to be deleted.
func (a *api) groupMustExist(r *rest.Request) (policy.Target, error) {
	target, err := a.groupTarget(r)
	if err == nil {
		_, err = loaded[*keystone.Group](r)
	}
	return target, err
}

func newGroupTarget(r *rest.Request) (policy.Target, error) {
	return policy.Target{"target": policy.Target{"group": policy.Target{"domain_id": placement(r, object(r, "group"))}}}, nil
}

// memberTarget tells the policy of a group and a user; who of them is missing is told later.
func (a *api) memberTarget(r *rest.Request) (policy.Target, error) {
	about := policy.Target{}
	g, err := a.Group(r.Context(), r.Path("group_id"))
	if err == nil {
		about["group"] = policy.Target{"id": g.ID, "domain_id": g.DomainID}
	} else if !rest.IsNotFound(err) {
		return nil, err
	}
	u, err := a.User(r.Context(), r.Path("user_id"))
	if err == nil {
		about["user"] = policy.Target{"id": u.ID, "domain_id": u.DomainID}
	} else if !rest.IsNotFound(err) {
		return nil, err
	}
	return policy.Target{"target": about, "user_id": r.Path("user_id")}, nil
}

func (a *api) listGroups(r *rest.Request) (any, error) {
	o, err := listOptions(r, filterable{"domain_id", "g.domain_id", false}, filterable{"name", "g.name", false})
	if err != nil {
		return nil, err
	}
	if r.Caller.DomainID != "" {
		o = o.Equals("g.domain_id", r.Caller.DomainID)
	}
	list, err := a.Groups(r.Context(), o)
	return collection(r, "groups", list, groupView), err
}

func (a *api) createGroup(r *rest.Request) (any, error) {
	g, err := a.CreateGroup(r.Context(), placed(r, object(r, "group")))
	if err != nil {
		return nil, err
	}
	return map[string]any{"group": groupView(r, g)}, nil
}

func (a *api) showGroup(r *rest.Request) (any, error) {
	g, err := loaded[*keystone.Group](r)
	if err != nil {
		return nil, err
	}
	return map[string]any{"group": groupView(r, g)}, nil
}

func (a *api) updateGroup(r *rest.Request) (any, error) {
	g, err := a.UpdateGroup(r.Context(), r.Path("group_id"), object(r, "group"))
	if err != nil {
		return nil, err
	}
	return map[string]any{"group": groupView(r, g)}, nil
}

func (a *api) listUsersInGroup(r *rest.Request) (any, error) {
	if _, err := loaded[*keystone.Group](r); err != nil {
		return nil, err
	}
	o, err := userOptionsOf(r)
	if err != nil {
		return nil, err
	}
	if r.Caller.DomainID != "" { // a domain's own people see none of another's among them
		o = o.Equals("u.domain_id", r.Caller.DomainID)
	}
	list, err := a.UsersInGroup(r.Context(), r.Path("group_id"), o)
	return collection(r, "users", list, userView), err
}
