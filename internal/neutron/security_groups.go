package neutron

import (
	"context"
	"slices"
	"strings"

	"github.com/uptrace/bun"

	"gostack/internal/neutron/attr"
	"gostack/internal/neutron/db"
	"gostack/internal/policy"
	"gostack/internal/store"
)

const defaultGroupName = "default"

// SecurityGroups lists the groups that a caller can see. A project that has never used Neutron gets its default group first.
func (s *Service) SecurityGroups(ctx context.Context, c *policy.Caller, q db.Query) ([]*db.SecurityGroup, error) {
	if err := s.wantDefaultGroup(ctx, c.ProjectID); err != nil {
		return nil, err
	}
	q.Project = c.ProjectID
	if !seesAll(c) || !c.IsAdmin() {
		q = q.Seen(db.Or(db.Where("t.project_id = ?", c.ProjectID), db.SharedWith("t.id", db.AccessAsShared, c.ProjectID)),
			db.Owned("neutron_security_groups", c.ProjectID), db.Shared(db.AccessAsShared, c.ProjectID))
	}
	return db.SecurityGroups(ctx, s.DB.Read(ctx), q)
}

// DefaultGroupOf makes the default group of a project that an administrator asks about, as upstream does for a list of that project's groups.
func (s *Service) DefaultGroupOf(ctx context.Context, project string) error {
	return s.wantDefaultGroup(ctx, project)
}

// SecurityGroupRules lists the rules of the groups that a caller owns.
func (s *Service) SecurityGroupRules(ctx context.Context, c *policy.Caller, q db.Query) ([]*db.SecurityGroupRule, error) {
	if err := s.wantDefaultGroup(ctx, c.ProjectID); err != nil {
		return nil, err
	}
	if !c.IsAdmin() {
		q = q.Seen(db.Or(db.Where("g.project_id = ?", c.ProjectID), db.Where("t.project_id = ?", c.ProjectID)), db.Owned("neutron_security_group_rules", c.ProjectID),
			db.Where("SELECT x.id FROM neutron_security_groups y JOIN neutron_security_group_rules x ON x.security_group_id = y.id WHERE y.project_id = ?", c.ProjectID))
	}
	return db.SecurityGroupRules(ctx, s.DB.Read(ctx), q)
}

// wantDefaultGroup makes a project's default group unless it is known to have one.
func (s *Service) wantDefaultGroup(ctx context.Context, project string) error {
	if project == "" {
		return nil
	}
	if _, known := s.defaults.Load(project); known {
		return nil
	}
	has, err := s.DB.Read(ctx).NewSelect().Model((*db.DefaultSecurityGroup)(nil)).Where("t.project_id = ?", project).Exists(ctx)
	if err != nil {
		return err
	}
	if !has {
		err = s.write(ctx, func(ctx context.Context, u *unit) error {
			_, err := u.defaultGroup(ctx, project)
			return err
		})
	}
	if err == nil && !store.InWrite(ctx) {
		s.defaults.Store(project, true)
	}
	return err
}

// defaultGroup returns the id of a project's default group, which it makes when it is missing: everything may leave, and
// what comes from the group's other members may enter.
func (u *unit) defaultGroup(ctx context.Context, project string) (string, error) {
	var id string
	err := u.tx.NewSelect().Model((*db.DefaultSecurityGroup)(nil)).Column("group_id").Where("t.project_id = ?", project).Scan(ctx, &id)
	if !store.IsNotFound(err) {
		return id, err
	}
	g := &db.SecurityGroup{Name: defaultGroupName}
	if g.Stateful, err = u.stateful(ctx, project); err != nil {
		return "", err
	}
	if err := u.create(ctx, g, project, "Default security group"); err != nil {
		return "", err
	}
	if err := db.Insert(ctx, u.tx, &db.DefaultSecurityGroup{ProjectID: project, GroupID: g.ID}); err != nil {
		return "", err
	}
	u.changed(kindSecurityGroup, g.ID)
	return g.ID, u.firstRules(ctx, g, true)
}

// CreateSecurityGroup makes a group with the rules that let everything out.
func (s *Service) CreateSecurityGroup(ctx context.Context, v attr.Values) (*db.SecurityGroup, error) {
	g := &db.SecurityGroup{Name: v.String("name"), Stateful: v.Bool("stateful")}
	g.SetTags(v.Strings("tags"))
	if strings.EqualFold(g.Name, defaultGroupName) {
		return nil, defaultGroupExists()
	}
	return g, s.write(ctx, func(ctx context.Context, u *unit) error {
		g.ID, g.Revision = s.newID(), 0
		project := v.String("project_id")
		if _, err := u.defaultGroup(ctx, project); err != nil {
			return err
		}
		if err := u.checkQuota(ctx, project, quotaSecurityGroup, 1); err != nil {
			return err
		}
		if !v.Has("stateful") {
			var err error
			if g.Stateful, err = u.stateful(ctx, project); err != nil {
				return err
			}
		}
		if err := u.create(ctx, g, project, v.String("description")); err != nil {
			return err
		}
		u.changed(kindSecurityGroup, g.ID)
		if err := u.firstRules(ctx, g, false); err != nil {
			return err
		}
		return u.checkQuota(ctx, project, quotaSecurityGroupRule, 0) // they count, too
	})
}

func (u *unit) group(ctx context.Context, id string) (*db.SecurityGroup, error) {
	rows, err := db.SecurityGroups(ctx, u.tx, db.ByID(id, ""))
	if err == nil && len(rows) == 0 {
		err = SecurityGroupNotFound(id)
	}
	if err != nil {
		return nil, err
	}
	return rows[0], nil
}

// UpdateSecurityGroup changes what v names.
func (s *Service) UpdateSecurityGroup(ctx context.Context, id string, v attr.Values) (*db.SecurityGroup, error) {
	var g *db.SecurityGroup
	return g, s.write(ctx, func(ctx context.Context, u *unit) error {
		var err error
		if g, err = u.group(ctx, id); err != nil {
			return err
		}
		if v.Has("name") && g.IsDefault && v.String("name") != g.Name {
			return conflict("SecurityGroupCannotUpdateDefault", "Updating default security group not allowed.")
		}
		if v.Has("name") && strings.EqualFold(v.String("name"), defaultGroupName) {
			return defaultGroupExists()
		}
		if v.Has("stateful") && v.Bool("stateful") != g.Stateful {
			if err := u.groupUnused(ctx, id); err != nil {
				return err
			}
		}
		setText(v, "name", &g.Name)
		setText(v, "description", &g.Description)
		setBool(v, "stateful", &g.Stateful)
		u.changed(kindSecurityGroup, id)
		return u.update(ctx, g)
	})
}

func (u *unit) groupUnused(ctx context.Context, id string) error {
	used, err := u.tx.NewSelect().Model((*db.PortSecurityGroup)(nil)).Where("t.group_id = ?", id).Exists(ctx)
	if err == nil && used {
		err = conflict("SecurityGroupInUse", "Security Group %s in use.", id)
	}
	return err
}

// DeleteSecurityGroup removes a group that no port is in, and the rules of other groups that name it.
func (s *Service) DeleteSecurityGroup(ctx context.Context, c *policy.Caller, id string) error {
	return s.write(ctx, func(ctx context.Context, u *unit) error {
		g, err := u.group(ctx, id)
		if err != nil {
			return err
		}
		if g.IsDefault && !c.IsAdmin() {
			return conflict("SecurityGroupCannotRemoveDefault", "Insufficient rights for removing default security group.")
		}
		if err := u.groupUnused(ctx, id); err != nil {
			return err
		}
		rules, err := db.Find[db.SecurityGroupRule](ctx, u.tx, func(q *bun.SelectQuery) {
			q.Where("t.remote_group_id = ? AND t.security_group_id <> ?", id, id)
		})
		if err != nil {
			return err
		}
		for _, r := range rules {
			u.changed(kindSecurityGroup, r.SecurityGroupID)
		}
		if err := u.dropLogsOf(ctx, []string{id}); err != nil {
			return err
		}
		s.defaults.Delete(g.ProjectID)
		u.changed(kindSecurityGroup, id)
		for _, sql := range []string{
			"DELETE FROM neutron_security_group_rules WHERE remote_group_id = ?", "DELETE FROM neutron_rbac_policies WHERE object_id = ?",
			"DELETE FROM neutron_security_groups WHERE id = ?",
		} {
			if _, err := u.tx.NewRaw(sql, id).Exec(ctx); err != nil {
				return err
			}
		}
		return nil
	})
}

// groupsExist fails unless the caller may put a project's port in all of the groups.
func (u *unit) groupsExist(ctx context.Context, c *policy.Caller, project string, ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	var found []string
	q := u.tx.NewSelect().Model((*db.SecurityGroup)(nil)).Column("id").Where("t.id IN (?)", bun.List(ids))
	if c != nil && !c.IsAdmin() {
		cond := db.Or(db.Where("t.project_id IN (?, ?)", c.ProjectID, project), db.SharedWith("t.id", db.AccessAsShared, c.ProjectID))
		q.Where(cond.SQL, cond.Args...)
	}
	if err := q.Scan(ctx, &found); err != nil {
		return err
	}
	for _, id := range ids {
		if !slices.Contains(found, id) {
			return SecurityGroupNotFound(id)
		}
	}
	return nil
}

// defaultGroupExists is the answer to a group of a user's that wants to be the default one.
func defaultGroupExists() error {
	return conflict("SecurityGroupDefaultAlreadyExists", "Default security group already exists.")
}
