package api

import (
	"gostack/internal/keystone"
	"gostack/internal/policy"
	"gostack/internal/rest"
)

func (a *api) roleAssignments() []rest.Route {
	return []rest.Route{{
		Method: "GET", Path: "/role_assignments", Policy: rest.Authenticated, Target: a.assignmentsPolicy, Handle: a.listAssignments,
	}}
}

// assignmentsPolicy asks the policy of the list, which is another one when the list reaches down a tree of projects.
func (a *api) assignmentsPolicy(r *rest.Request) (policy.Target, error) {
	if !asked(r, "include_subtree") {
		target, err := ownDomain(r)
		if err != nil {
			return nil, err
		}
		return nil, r.Enforce("identity:list_role_assignments", target)
	}
	target := policy.Target{}
	id := r.Query("scope.project.id")
	if id != "" {
		p, err := a.Project(r.Context(), id)
		if rest.IsNotFound(err) {
			if denied := r.Enforce("identity:list_role_assignments_for_tree", target); denied != nil {
				return nil, denied
			}
		}
		if err != nil {
			return nil, err
		}
		target["target"] = policy.Target{"domain_id": p.DomainID, "project": projectAttributes(p)}
	}
	if err := r.Enforce("identity:list_role_assignments_for_tree", target); err != nil {
		return nil, err
	}
	if id == "" {
		return nil, rest.BadRequest("scope.project.id must be specified if include_subtree is also specified")
	}
	return nil, nil
}

// asked tells whether a key of the query is there; only the value 0 says no (upstream's query_filter_is_true).
func asked(r *rest.Request, key string) bool {
	return r.QueryValues().Has(key) && r.Query(key) != "0"
}

func (a *api) listAssignments(r *rest.Request) (any, error) {
	f := keystone.AssignmentFilter{
		RoleID: r.Query("role.id"), UserID: r.Query("user.id"), GroupID: r.Query("group.id"),
		ProjectID: r.Query("scope.project.id"), DomainID: r.Query("scope.domain.id"), System: r.Query("scope.system") == "all",
		Subtree: asked(r, "include_subtree"), Effective: asked(r, "effective"),
	}
	if r.QueryValues().Has("scope.OS-INHERIT:inherited_to") {
		inherited := r.Query("scope.OS-INHERIT:inherited_to") == "projects"
		f.Inherited = &inherited
	}
	if err := sensible(r, f); err != nil {
		return nil, err
	}
	list, err := a.RoleAssignments(r.Context(), f)
	if err != nil {
		return nil, err
	}
	if r.Caller.DomainID != "" {
		if list, err = a.InDomain(r.Context(), list, r.Caller.DomainID); err != nil {
			return nil, err
		}
	}
	names := &keystone.AssignmentNames{}
	if asked(r, "include_names") {
		if names, err = a.AssignmentNames(r.Context(), list); err != nil {
			return nil, err
		}
	}
	return collection(r, "role_assignments", list, func(r *rest.Request, as keystone.RoleAssignment) map[string]any {
		return assignmentView(r, as, names)
	}), nil
}

// sensible refuses filters that contradict each other, or that would always give an empty list.
func sensible(r *rest.Request, f keystone.AssignmentFilter) error {
	system := r.Query("scope.system") != ""
	switch {
	case f.DomainID != "" && f.ProjectID != "":
		return rest.BadRequest("Specify a domain or project, not both")
	case f.DomainID != "" && system:
		return rest.BadRequest("Specify system or domain, not both")
	case f.ProjectID != "" && system:
		return rest.BadRequest("Specify system or project, not both")
	case f.UserID != "" && f.GroupID != "":
		return rest.BadRequest("Specify a user or group, not both")
	case f.Effective && f.GroupID != "":
		return rest.BadRequest("Combining effective and group filter will always result in an empty list.")
	case f.Effective && f.DomainID != "" && f.Inherited != nil && *f.Inherited:
		return rest.BadRequest("Combining effective, domain and inherited filters will always result in an empty list.")
	}
	return nil
}

// assignmentView shows a role assignment. Its link is that of the grant it came from.
func assignmentView(r *rest.Request, as keystone.RoleAssignment, names *keystone.AssignmentNames) map[string]any {
	scope, links, v := map[string]any{}, map[string]any{}, map[string]any{}
	link := "/system"
	switch {
	case as.ProjectID != "":
		scope["project"] = assignmentProject(as.ProjectID, names)
		link = "/projects/" + as.ProjectID
	case as.DomainID != "":
		scope["domain"] = assignmentDomain(as.DomainID, names)
		link = "/domains/" + as.DomainID
	default:
		scope["system"] = map[string]any{"all": true}
	}
	inherited := as.Inherited
	switch {
	case as.ViaProject != "":
		link, inherited = "/projects/"+as.ViaProject, true
	case as.ViaDomain != "":
		link, inherited = "/domains/"+as.ViaDomain, true
	}
	switch {
	case as.ViaGroup != "":
		links["membership"] = r.BaseURL() + "/groups/" + as.ViaGroup + "/users/" + as.UserID
		link += "/groups/" + as.ViaGroup
	case as.UserID != "":
		link += "/users/" + as.UserID
	default:
		link += "/groups/" + as.GroupID
	}
	if as.UserID != "" {
		u := map[string]any{"id": as.UserID}
		if row := names.Users[as.UserID]; row != nil {
			u["name"], u["domain"] = row.Name, assignmentDomain(row.DomainID, names)
		}
		v["user"] = u
	} else {
		g := map[string]any{"id": as.GroupID}
		if row := names.Groups[as.GroupID]; row != nil {
			g["name"], g["domain"] = row.Name, assignmentDomain(row.DomainID, names)
		}
		v["group"] = g
	}
	if as.ViaRole != "" {
		link += "/roles/" + as.ViaRole
		links["prior_role"] = r.BaseURL() + "/prior_role/" + as.RoleID + "/implies/" + as.ViaRole
	} else {
		link += "/roles/" + as.RoleID
	}
	if inherited {
		scope["OS-INHERIT:inherited_to"] = "projects"
		link = "/OS-INHERIT" + link + "/inherited_to_projects"
	}
	role := map[string]any{"id": as.RoleID}
	if row := names.Roles[as.RoleID]; row != nil {
		role["name"] = row.Name
		if row.DomainID != "" {
			role["domain"] = assignmentDomain(row.DomainID, names)
		}
	}
	links["assignment"] = r.BaseURL() + link
	v["scope"], v["role"], v["links"] = scope, role, links
	return v
}

func assignmentDomain(id string, names *keystone.AssignmentNames) any {
	d := map[string]any{"id": id}
	if row := names.Projects[id]; row != nil {
		d["name"] = row.Name
	}
	return d
}

func assignmentProject(id string, names *keystone.AssignmentNames) any {
	p := map[string]any{"id": id}
	if row := names.Projects[id]; row != nil {
		p["name"], p["domain"] = row.Name, assignmentDomain(row.DomainID, names)
	}
	return p
}
