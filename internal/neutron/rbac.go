package neutron

import (
	"context"

	"gostack/internal/neutron/attr"
	"gostack/internal/neutron/db"
	"gostack/internal/policy"
	"gostack/internal/store"
)

// RBACPolicies lists the policies that a caller made.
func (s *Service) RBACPolicies(ctx context.Context, c *policy.Caller, q db.Query) ([]*db.RBACPolicy, error) {
	if !c.IsAdmin() {
		q = q.And(db.Where("t.project_id = ?", c.ProjectID))
	}
	return db.RBACPolicies(ctx, s.DB.Read(ctx), q)
}

// CreateRBACPolicy shares a network or a security group with a project, or with all ("*").
func (s *Service) CreateRBACPolicy(ctx context.Context, c *policy.Caller, v attr.Values) (*db.RBACPolicy, error) {
	r := &db.RBACPolicy{ObjectType: v.String("object_type"), ObjectID: v.String("object_id"), Action: v.String("action"), TargetProject: v.String("target_tenant")}
	if r.ObjectType == "security_group" && r.Action != db.AccessAsShared {
		return nil, invalidInput("Invalid action '%s' for object type 'security_group'. Valid actions: access_as_shared", r.Action)
	}
	return r, s.write(ctx, func(ctx context.Context, u *unit) error {
		r.ID, r.ProjectID = s.newID(), v.String("project_id")
		if err := u.checkQuota(ctx, r.ProjectID, quotaRBACPolicy, 1); err != nil {
			return err
		}
		owner, err := u.rbacObject(ctx, r)
		if err != nil {
			return err
		}
		if owner != c.ProjectID && !c.IsAdmin() {
			return bad("InvalidInput", "Invalid input for operation: Only admins can manipulate policies on objects they do not own.")
		}
		if r.Action == db.AccessAsExternal && !c.IsAdmin() {
			return fault(403, "PolicyNotAuthorized", "Only admins can manipulate policies with the action access_as_external.")
		}
		dup, err := u.tx.NewSelect().Model((*db.RBACPolicy)(nil)).
			Where("t.object_id = ? AND t.action = ? AND t.target_project = ?", r.ObjectID, r.Action, r.TargetProject).Exists(ctx)
		if err != nil {
			return err
		}
		if dup {
			return conflict("DuplicatedRbacPolicy", "An RBAC policy already exists with those values.")
		}
		return db.Insert(ctx, u.tx, r)
	})
}

// rbacObject returns who owns a policy's object; for access_as_external it makes the network external.
func (u *unit) rbacObject(ctx context.Context, r *db.RBACPolicy) (string, error) {
	if r.ObjectType == "security_group" {
		g, err := db.Get[db.SecurityGroup](ctx, u.tx, r.ObjectID)
		if err != nil {
			return "", or(err, SecurityGroupNotFound(r.ObjectID))
		}
		return g.ProjectID, nil
	}
	n, err := db.Get[db.Network](ctx, u.tx, r.ObjectID)
	if err != nil {
		return "", or(err, NetworkNotFound(r.ObjectID))
	}
	if r.Action == db.AccessAsExternal && !n.External {
		n.External = true
		u.changed(kindNetwork, n.ID)
		return n.ProjectID, u.update(ctx, n)
	}
	return n.ProjectID, nil
}

// UpdateRBACPolicy changes whom a policy is for.
func (s *Service) UpdateRBACPolicy(ctx context.Context, id string, v attr.Values) (*db.RBACPolicy, error) {
	var r *db.RBACPolicy
	err := s.write(ctx, func(ctx context.Context, u *unit) error {
		var err error
		if r, err = db.Get[db.RBACPolicy](ctx, u.tx, id); err != nil {
			return or(err, RBACNotFound(id))
		}
		if t := v.String("target_tenant"); t != "" && t != r.TargetProject {
			if err := u.rbacUnused(ctx, r); err != nil {
				return err
			}
			r.TargetProject = t
		}
		return db.Update(ctx, u.tx, r)
	})
	if store.IsUnique(err) {
		err = conflict("DuplicatedRbacPolicy", "An RBAC policy already exists with those values.")
	}
	return r, err
}

// DeleteRBACPolicy ends a sharing that nobody uses.
func (s *Service) DeleteRBACPolicy(ctx context.Context, id string) error {
	return s.write(ctx, func(ctx context.Context, u *unit) error {
		r, err := db.Get[db.RBACPolicy](ctx, u.tx, id)
		if err != nil {
			return or(err, RBACNotFound(id))
		}
		if err := u.rbacUnused(ctx, r); err != nil {
			return err
		}
		return db.Delete(ctx, u.tx, r)
	})
}

func (u *unit) rbacUnused(ctx context.Context, r *db.RBACPolicy) error {
	if r.ObjectType != "network" || r.Action != db.AccessAsShared {
		return nil
	}
	n, err := db.Get[db.Network](ctx, u.tx, r.ObjectID)
	if store.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	if u.sharingUnused(ctx, n, r.TargetProject) != nil {
		return conflict("RbacPolicyInUse", "RBAC policy on object %s cannot be removed because other objects depend on it.", r.ObjectID)
	}
	return nil
}
