package keystone

import (
	"context"

	"gostack/internal/keystone/db"
	"gostack/internal/rest"
	"gostack/internal/store"
)

// Grant is a role for an actor on a target: exactly one of UserID and GroupID is set, and at most one of ProjectID and DomainID; with
// neither it is on the system.
type Grant struct {
	UserID, GroupID     string
	ProjectID, DomainID string
	RoleID              string
	Inherited           bool // for the projects below the target instead of the target
}

func (g Grant) row() *db.Assignment {
	a := &db.Assignment{
		ActorType: db.ActorUser, ActorID: g.UserID, TargetType: db.TargetSystem, TargetID: db.SystemID, RoleID: g.RoleID, Inherited: g.Inherited,
	}
	if g.GroupID != "" {
		a.ActorType, a.ActorID = db.ActorGroup, g.GroupID
	}
	switch {
	case g.ProjectID != "":
		a.TargetType, a.TargetID = db.TargetProject, g.ProjectID
	case g.DomainID != "":
		a.TargetType, a.TargetID = db.TargetDomain, g.DomainID
	}
	return a
}

func (g Grant) notFound() error {
	a := g.row()
	return rest.NotFound("Could not find role assignment with role: %s, user or group: %s, project, domain, or system: %s.",
		g.RoleID, a.ActorID, a.TargetID)
}

// GrantParts are the things that a grant speaks of, found. An actor may be missing when a grant is revoked.
type GrantParts struct {
	Role    *Role
	User    *User
	Group   *Group
	Project *Project
	Domain  *Project
}

// GrantParts looks up what a grant speaks of; what is missing is a 404, but for the actor if mayLack.
func (s *Service) GrantParts(ctx context.Context, g Grant, mayLack bool) (parts GrantParts, err error) {
	if g.RoleID != "" {
		if parts.Role, err = s.Role(ctx, g.RoleID); err != nil {
			return parts, err
		}
	}
	if g.UserID != "" {
		parts.User, err = s.User(ctx, g.UserID)
	} else {
		parts.Group, err = s.Group(ctx, g.GroupID)
	}
	if mayLack && rest.IsNotFound(err) {
		parts.User, parts.Group, err = nil, nil, nil
	}
	if err != nil {
		return parts, err
	}
	switch {
	case g.DomainID != "":
		parts.Domain, err = s.Domain(ctx, g.DomainID)
	case g.ProjectID != "":
		parts.Project, err = s.Project(ctx, g.ProjectID)
	}
	return parts, err
}

// CreateGrant stores a grant whose parts exist; having it already is no error.
func (s *Service) CreateGrant(ctx context.Context, g Grant, parts GrantParts) error {
	switch {
	case parts.Role.DomainID == "":
	case parts.Project != nil && parts.Project.DomainID != parts.Role.DomainID:
		return rest.Forbidden("Project %s must be in the same domain as the role %s being assigned.", g.ProjectID, g.RoleID)
	case parts.Project == nil && parts.Domain == nil:
		return rest.BadRequest("Role %s is a domain-specific role. Unable to use a domain-specific role in a system assignment.", g.RoleID)
	}
	return s.change(ctx, func(ctx context.Context, tx store.Tx) error {
		// Whoever was deleted since the parts were looked up must not get a grant that nobody would ever remove.
		if _, err := s.GrantParts(ctx, g, false); err != nil {
			return err
		}
		return db.AddAssignment(ctx, tx, g.row())
	})
}

// CheckGrant fails with 404 unless the grant exists.
func (s *Service) CheckGrant(ctx context.Context, g Grant) error {
	ok, err := db.HasAssignment(ctx, s.db.Read(ctx), g.row())
	if err == nil && !ok {
		return g.notFound()
	}
	return err
}

// DeleteGrant removes a grant. Tokens that live by it lose the role at once, or their worth.
func (s *Service) DeleteGrant(ctx context.Context, g Grant) error {
	return s.change(ctx, func(ctx context.Context, tx store.Tx) error {
		err := db.Delete(ctx, tx, g.row())
		if store.IsNotFound(err) {
			return g.notFound()
		}
		if err != nil || g.UserID == "" || g.ProjectID == "" {
			return err
		}
		// What the user let programs do on the project ends with the user's own grant there, as upstream has it.
		return db.DeleteApplicationCredentials(ctx, tx, g.UserID, g.ProjectID)
	})
}

// GrantedRoles lists the roles granted directly to an actor on a target.
func (s *Service) GrantedRoles(ctx context.Context, g Grant) ([]*Role, error) {
	return db.GrantedRoles(ctx, s.db.Read(ctx), *g.row())
}

// HasSystemRole tells whether a user, or a group the user is in, has any role on the system.
func (s *Service) HasSystemRole(ctx context.Context, userID string) (bool, error) {
	roles, err := db.EffectiveRoles(ctx, s.db.Read(ctx), userID, db.Scope{System: true})
	return len(roles) > 0, err
}
