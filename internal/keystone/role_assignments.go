package keystone

import (
	"context"
	"slices"

	"gostack/internal/keystone/db"
)

// AssignmentFilter narrows a list of role assignments. Empty fields do not narrow.
type AssignmentFilter struct {
	RoleID, UserID, GroupID string
	ProjectID, DomainID     string
	System                  bool
	Subtree                 bool  // with ProjectID: that project and all below it
	Inherited               *bool // only those that are inherited, or only those that are not
	// Effective asks who has which role where in the end: groups are replaced by their members, inherited grants by
	// one on each project they reach, and implied roles are added.
	Effective bool
}

// RoleAssignment says that an actor has a role on a target, and in an effective list where it came from.
type RoleAssignment struct {
	RoleID              string
	UserID, GroupID     string
	ProjectID, DomainID string
	System              bool
	Inherited           bool // granted for what is below the target

	// Of an effective assignment: the group, the project or domain above, or the prior role that it came from.
	ViaGroup, ViaProject, ViaDomain, ViaRole string
}

// RoleAssignments lists role assignments.
func (s *Service) RoleAssignments(ctx context.Context, f AssignmentFilter) ([]RoleAssignment, error) {
	within := []string{f.ProjectID}
	if f.Subtree {
		below, err := db.Descendants(ctx, s.db.Read(ctx), f.ProjectID)
		if err != nil {
			return nil, err
		}
		for _, p := range below {
			within = append(within, p.ID)
		}
	}
	if f.Effective {
		return s.effectiveAssignments(ctx, f, within)
	}
	rows, err := db.ListAssignments(ctx, s.db.Read(ctx), func(q *db.Select) {
		if f.RoleID != "" {
			q.Where("a.role_id = ?", f.RoleID)
		}
		if f.UserID != "" {
			q.Where("a.actor_type = ?", db.ActorUser).Where("a.actor_id = ?", f.UserID)
		}
		if f.GroupID != "" {
			q.Where("a.actor_type = ?", db.ActorGroup).Where("a.actor_id = ?", f.GroupID)
		}
		switch {
		case f.System:
			q.Where("a.target_type = ?", db.TargetSystem)
		case f.DomainID != "":
			q.Where("a.target_type = ?", db.TargetDomain).Where("a.target_id = ?", f.DomainID)
		case f.ProjectID != "":
			q.Where("a.target_type = ?", db.TargetProject).Where("a.target_id IN (?)", db.List(within))
		}
		if f.Inherited != nil {
			q.Where("a.inherited = ?", *f.Inherited)
		}
	})
	out := make([]RoleAssignment, len(rows))
	for i, r := range rows {
		out[i] = direct(r)
	}
	return out, err
}

func direct(r *db.Assignment) RoleAssignment {
	a := RoleAssignment{RoleID: r.RoleID, Inherited: r.Inherited}
	if r.ActorType == db.ActorGroup {
		a.GroupID = r.ActorID
	} else {
		a.UserID = r.ActorID
	}
	switch r.TargetType {
	case db.TargetProject:
		a.ProjectID = r.TargetID
	case db.TargetDomain:
		a.DomainID = r.TargetID
	default:
		a.System = true
	}
	return a
}

// effectiveAssignments expands grants: groups to members, inherited grants to projects, roles to what they imply.
func (s *Service) effectiveAssignments(ctx context.Context, f AssignmentFilter, within []string) ([]RoleAssignment, error) {
	h := s.db.Read(ctx)
	rows, err := db.ListAssignments(ctx, h, func(q *db.Select) {
		if f.UserID != "" {
			q.Where("((a.actor_type = 'user' AND a.actor_id = ?) OR (a.actor_type = 'group' AND a.actor_id IN "+
				"(SELECT group_id FROM keystone_memberships WHERE user_id = ?)))", f.UserID, f.UserID)
		}
		switch {
		case f.System:
			q.Where("a.target_type = ?", db.TargetSystem)
		case f.DomainID != "":
			q.Where("a.target_type = ?", db.TargetDomain).Where("a.target_id = ?", f.DomainID).Where("NOT a.inherited")
		case f.ProjectID != "":
			q.Where("a.target_type <> ?", db.TargetSystem).Where("(a.inherited OR a.target_id IN (?))", db.List(within))
		}
		if f.Inherited != nil {
			q.Where("a.inherited = ?", *f.Inherited)
		}
	})
	if err != nil {
		return nil, err
	}
	list := make([]RoleAssignment, len(rows))
	for i, r := range rows {
		list[i] = direct(r)
	}
	if list, err = s.expandGroups(ctx, list, f.UserID); err != nil {
		return nil, err
	}
	if list, err = s.expandInherited(ctx, list, f.ProjectID, within); err != nil {
		return nil, err
	}
	if list, err = s.expandRoles(ctx, list); err != nil {
		return nil, err
	}
	if f.RoleID != "" {
		list = slices.DeleteFunc(list, func(a RoleAssignment) bool { return a.RoleID != f.RoleID })
	}
	return list, nil
}

func (s *Service) expandGroups(ctx context.Context, list []RoleAssignment, userID string) ([]RoleAssignment, error) {
	var groups []string
	for _, a := range list {
		if a.GroupID != "" && !slices.Contains(groups, a.GroupID) {
			groups = append(groups, a.GroupID)
		}
	}
	if len(groups) == 0 {
		return list, nil
	}
	members, err := db.Members(ctx, s.db.Read(ctx), groups)
	if err != nil {
		return nil, err
	}
	var out []RoleAssignment
	for _, a := range list {
		if a.GroupID == "" {
			out = append(out, a)
			continue
		}
		for _, m := range members[a.GroupID] {
			if userID == "" || m == userID {
				b := a
				b.UserID, b.GroupID, b.ViaGroup = m, "", a.GroupID
				out = append(out, b)
			}
		}
	}
	return out, nil
}

// expandInherited replaces what is granted for the projects below a target by one assignment on each of them, if a project is asked for
// only on those of within.
func (s *Service) expandInherited(ctx context.Context, list []RoleAssignment, projectID string, within []string) ([]RoleAssignment, error) {
	var roots []string
	for _, a := range list {
		if root := a.ProjectID + a.DomainID; a.Inherited && !slices.Contains(roots, root) {
			roots = append(roots, root)
		}
	}
	if len(roots) == 0 {
		return list, nil
	}
	below, err := db.DescendantIDs(ctx, s.db.Read(ctx), roots)
	if err != nil {
		return nil, err
	}
	var out []RoleAssignment
	for _, a := range list {
		if !a.Inherited {
			out = append(out, a)
			continue
		}
		for _, id := range below[a.ProjectID+a.DomainID] {
			if projectID == "" || slices.Contains(within, id) {
				b := a
				b.ViaProject, b.ViaDomain = a.ProjectID, a.DomainID
				b.ProjectID, b.DomainID, b.Inherited = id, "", false
				out = append(out, b)
			}
		}
	}
	return out, nil
}

// expandRoles adds what roles imply, and drops domain-specific roles, which count for what they imply only.
func (s *Service) expandRoles(ctx context.Context, list []RoleAssignment) ([]RoleAssignment, error) {
	rules, err := db.ListImpliedRoles(ctx, s.db.Read(ctx), "")
	if err != nil {
		return nil, err
	}
	roles, err := db.ListRoles(ctx, s.db.Read(ctx), func(*db.Select) {})
	if err != nil {
		return nil, err
	}
	implies := map[string][]string{}
	for _, r := range rules {
		implies[r.PriorRoleID] = append(implies[r.PriorRoleID], r.ImpliedRoleID)
	}
	local := map[string]bool{}
	for _, r := range roles {
		local[r.ID] = r.DomainID != ""
	}
	seen := map[RoleAssignment]bool{}
	out := []RoleAssignment{}
	for _, a := range list {
		queue := []RoleAssignment{a}
		for len(queue) > 0 {
			a := queue[0]
			queue = queue[1:]
			key := a
			key.ViaRole = ""
			if seen[key] {
				continue
			}
			seen[key] = true
			if !local[a.RoleID] {
				out = append(out, a)
			}
			for _, id := range implies[a.RoleID] {
				b := a
				b.RoleID, b.ViaRole = id, a.RoleID
				queue = append(queue, b)
			}
		}
	}
	return out, nil
}

// AssignmentNames are the names of everything in a list of role assignments, by id.
type AssignmentNames struct {
	Roles    map[string]*Role
	Users    map[string]*User
	Groups   map[string]*Group
	Projects map[string]*Project // domains too
}

// AssignmentNames looks up the names for a list.
func (s *Service) AssignmentNames(ctx context.Context, list []RoleAssignment) (*AssignmentNames, error) {
	var roles, users, groups, projects []string
	for _, a := range list {
		roles, users, groups = append(roles, a.RoleID), append(users, a.UserID), append(groups, a.GroupID)
		projects = append(projects, a.ProjectID, a.DomainID)
	}
	n := &AssignmentNames{Roles: map[string]*Role{}, Users: map[string]*User{}, Groups: map[string]*Group{}, Projects: map[string]*Project{}}
	h := s.db.Read(ctx)
	rs, err := db.ListRoles(ctx, h, db.WithIDs("r.id", roles))
	if err != nil {
		return nil, err
	}
	for _, r := range rs {
		n.Roles[r.ID] = r
		projects = append(projects, r.DomainID)
	}
	us, err := db.ListUsers(ctx, h, db.WithIDs("u.id", users))
	if err != nil {
		return nil, err
	}
	for _, u := range us {
		n.Users[u.ID] = u
		projects = append(projects, u.DomainID)
	}
	gs, err := db.ListGroups(ctx, h, db.WithIDs("g.id", groups))
	if err != nil {
		return nil, err
	}
	for _, g := range gs {
		n.Groups[g.ID] = g
		projects = append(projects, g.DomainID)
	}
	ps, err := db.ProjectsWithDomains(ctx, h, projects)
	if err != nil {
		return nil, err
	}
	for _, p := range ps {
		n.Projects[p.ID] = p
	}
	return n, nil
}

// InDomain keeps the assignments on a domain and on its projects.
func (s *Service) InDomain(ctx context.Context, list []RoleAssignment, domainID string) ([]RoleAssignment, error) {
	var ids []string
	for _, a := range list {
		ids = append(ids, a.ProjectID)
	}
	projects, err := db.ListProjects(ctx, s.db.Read(ctx), db.WithIDs("p.id", ids))
	if err != nil {
		return nil, err
	}
	mine := map[string]bool{}
	for _, p := range projects {
		mine[p.ID] = p.DomainID == domainID
	}
	return slices.DeleteFunc(list, func(a RoleAssignment) bool { return a.DomainID != domainID && !mine[a.ProjectID] }), nil
}
