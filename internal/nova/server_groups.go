package nova

import (
	"context"

	"gostack/internal/nova/db"
	"gostack/internal/policy"
	"gostack/internal/rest"
	"gostack/internal/store"
)

func groupNotFound(id string) error {
	return rest.NotFound("Instance group %s could not be found.", id)
}

// ServerGroup returns a group that c may know of.
func (s *Service) ServerGroup(ctx context.Context, c *policy.Caller, id string) (*ServerGroup, error) {
	g, err := db.GetServerGroup(ctx, s.DB.Read(ctx), id)
	if store.IsNotFound(err) || err == nil && !c.IsAdmin() && c.Scope() == policy.Project && c.ProjectID != g.ProjectID {
		return nil, groupNotFound(id)
	}
	return g, err
}

// ServerGroups returns the groups of a project; "" is all.
func (s *Service) ServerGroups(ctx context.Context, project string, offset, limit int) ([]*ServerGroup, error) {
	if limit == 0 {
		return nil, nil
	}
	return db.ListServerGroups(ctx, s.DB.Read(ctx), project, offset, limit)
}

// CreateServerGroup stores a new group in the caller's project.
func (s *Service) CreateServerGroup(ctx context.Context, c *policy.Caller, g *ServerGroup) error {
	g.ID, g.ProjectID, g.UserID, g.CreatedAt = s.newID(), c.ProjectID, c.UserID, s.Now()
	return s.write(ctx, func(ctx context.Context, tx store.Tx) error {
		limits, err := s.limits(ctx, tx, c.ProjectID, c.UserID)
		if err != nil {
			return err
		}
		n, err := db.CountServerGroups(ctx, tx, c.ProjectID)
		if err != nil {
			return err
		}
		if most := limits["server_groups"]; most >= 0 && n >= most {
			return s.over("server_groups", most, n, 1, "Quota exceeded, too many server groups.")
		}
		g.Seq = 0
		return db.Insert(ctx, tx, g)
	})
}

// DeleteServerGroup removes a group; its members go on without one.
func (s *Service) DeleteServerGroup(ctx context.Context, id string) error {
	return s.write(ctx, func(ctx context.Context, tx store.Tx) error {
		err := db.DeleteServerGroup(ctx, tx, id)
		if store.IsNotFound(err) {
			return groupNotFound(id)
		}
		return err
	})
}
