package keystone

import (
	"context"

	"gostack/internal/keystone/db"
	"gostack/internal/rest"
	"gostack/internal/store"
)

var groupColumns = []string{"name", "domain_id", "description"}

// Group returns a group.
func (s *Service) Group(ctx context.Context, id string) (*Group, error) {
	g, err := db.GetGroup(ctx, s.db.Read(ctx), id)
	return g, found(err, "group", id)
}

// Groups lists groups.
func (s *Service) Groups(ctx context.Context, o ListOptions) ([]*Group, error) {
	return db.ListGroups(ctx, s.db.Read(ctx), o.on("g.id"))
}

// GroupsOfUser lists the groups that a user is in.
func (s *Service) GroupsOfUser(ctx context.Context, userID string, o ListOptions) ([]*Group, error) {
	return db.GroupsOfUser(ctx, s.db.Read(ctx), userID, o.on("g.id"))
}

// UsersInGroup lists the users in a group.
func (s *Service) UsersInGroup(ctx context.Context, groupID string, o ListOptions) ([]*User, error) {
	return db.UsersInGroup(ctx, s.db.Read(ctx), groupID, o.on("u.id"))
}

// CreateGroup makes a group.
func (s *Service) CreateGroup(ctx context.Context, a Attrs) (*Group, error) {
	g := &Group{ID: s.newID(), Extra: a.extra(nil, groupColumns...)}
	if err := a.name(&g.Name); err != nil {
		return nil, err
	}
	a.text("domain_id", &g.DomainID)
	a.text("description", &g.Description)
	err := s.db.Write(ctx, func(ctx context.Context, tx store.Tx) error {
		if _, err := getDomain(ctx, s, g.DomainID); err != nil {
			return err
		}
		return taken(db.Insert(ctx, tx, g), "group", g.Name, g.DomainID)
	})
	return g, err
}

// UpdateGroup changes a group.
func (s *Service) UpdateGroup(ctx context.Context, id string, a Attrs) (*Group, error) {
	var g *Group
	err := s.db.Write(ctx, func(ctx context.Context, tx store.Tx) (err error) {
		if g, err = db.GetGroup(ctx, tx, id); err != nil {
			return found(err, "group", id)
		}
		if err := a.matchID(id); err != nil {
			return err
		}
		if err := a.matchDomain(g.DomainID); err != nil {
			return err
		}
		if err := a.name(&g.Name); err != nil {
			return err
		}
		a.text("description", &g.Description)
		g.Extra = a.extra(g.Extra, groupColumns...)
		return taken(db.Update(ctx, tx, g), "group", g.Name, g.DomainID)
	})
	return g, err
}

// DeleteGroup removes a group with its grants. If it had any, the tokens of its members end.
func (s *Service) DeleteGroup(ctx context.Context, id string) error {
	return s.change(ctx, func(ctx context.Context, tx store.Tx) error {
		grants, err := db.ListAssignments(ctx, tx, func(q *db.Select) { q.Where("a.actor_type = 'group'").Where("a.actor_id = ?", id) })
		if err != nil {
			return err
		}
		if len(grants) > 0 {
			members, err := db.MemberIDs(ctx, tx, id)
			if err != nil {
				return err
			}
			if err := s.revokeUsers(ctx, tx, members...); err != nil {
				return err
			}
			if err := db.DeleteAssignmentsOfActor(ctx, tx, db.ActorGroup, id); err != nil {
				return err
			}
		}
		return found(db.Delete(ctx, tx, &Group{ID: id}), "group", id)
	})
}

// CheckMember fails with 404 unless the user is in the group.
func (s *Service) CheckMember(ctx context.Context, userID, groupID string) error {
	if _, err := s.User(ctx, userID); err != nil {
		return err
	}
	if _, err := s.Group(ctx, groupID); err != nil {
		return err
	}
	in, err := db.IsMember(ctx, s.db.Read(ctx), userID, groupID)
	if err == nil && !in {
		return rest.NotFound("User '%s' not found in group '%s'", userID, groupID)
	}
	return err
}

// AddMember puts a user into a group.
func (s *Service) AddMember(ctx context.Context, userID, groupID string) error {
	return s.change(ctx, func(ctx context.Context, tx store.Tx) error {
		if _, err := s.User(ctx, userID); err != nil {
			return err
		}
		if _, err := s.Group(ctx, groupID); err != nil {
			return err
		}
		return db.AddMember(ctx, tx, userID, groupID)
	})
}

// RemoveMember takes a user out of a group. It ends the user's tokens, as upstream does.
func (s *Service) RemoveMember(ctx context.Context, userID, groupID string) error {
	return s.change(ctx, func(ctx context.Context, tx store.Tx) error {
		if err := s.CheckMember(ctx, userID, groupID); err != nil {
			return err
		}
		if err := db.Delete(ctx, tx, &db.Membership{UserID: userID, GroupID: groupID}); err != nil {
			return err
		}
		return s.revokeUsers(ctx, tx, userID)
	})
}
