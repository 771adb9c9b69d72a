package neutron

import (
	"context"
	"strings"

	"gostack/internal/neutron/db"
)

// rbac makes a policy for an object of a project.
func (u *unit) rbac(kind, object, owner, action, target string) *db.RBACPolicy {
	return &db.RBACPolicy{ID: u.s.newID(), ProjectID: owner, ObjectType: kind, ObjectID: object, Action: action, TargetProject: target}
}

// sharedWithAll tells whether everybody may use an object.
func (u *unit) sharedWithAll(ctx context.Context, object string) (bool, error) {
	return u.tx.NewSelect().Model((*db.RBACPolicy)(nil)).
		Where("t.object_id = ? AND t.action = ? AND t.target_project = '*'", object, db.AccessAsShared).Exists(ctx)
}

// setShared makes "shared" what it should be: it is the RBAC policy for everybody. Sharing that others use cannot end.
func (u *unit) setShared(ctx context.Context, n *db.Network, shared bool) error {
	had, err := u.sharedWithAll(ctx, n.ID)
	if err != nil || had == shared {
		return err
	}
	n.Shared = shared
	if shared {
		return db.Insert(ctx, u.tx, u.rbac("network", n.ID, n.ProjectID, db.AccessAsShared, "*"))
	}
	used, err := u.sharingUsed(ctx, "network", n.ID, n.ProjectID, "*")
	if err != nil {
		return err
	}
	if used {
		return conflict("InvalidSharedSetting", "Unable to reconfigure sharing settings for network %s. Multiple tenants are using it.", n.ID)
	}
	return u.dropRBAC(ctx, n.ID, db.AccessAsShared, "*")
}

// sharingUsed tells whether a project has something on an object that only the policy for target lets it in to. What a network's owner has there
// does not count; with other objects upstream counts the owner's own things too (RbacNeutronDbObjectMixin, _validate_rbac_policy_delete).
func (u *unit) sharingUsed(ctx context.Context, kind, object, owner, target string) (bool, error) {
	users := rbacTypes[kind].users
	if kind != "network" {
		owner = ""
	}
	args := make([]any, 0, 9)
	for range strings.Count(users, "?") {
		args = append(args, object)
	}
	var n int
	err := u.tx.NewRaw(`SELECT COUNT(*) FROM (`+users+`) AS x
WHERE project_id NOT IN ('', ?) AND (? = '*' OR project_id = ?)
  AND NOT EXISTS (SELECT 1 FROM neutron_rbac_policies r WHERE r.object_id = ? AND r.action = ? AND r.target_project <> ?
	AND r.target_project IN ('*', x.project_id))`,
		append(args, owner, target, target, object, db.AccessAsShared, target)...).Scan(ctx, &n)
	return n > 0, err
}

// networkTouched raises a network's revision when what belongs to it has changed.
func (u *unit) networkTouched(ctx context.Context, id string) error {
	u.changed(kindNetwork, id)
	_, err := u.tx.NewUpdate().Model((*db.Network)(nil)).Set("revision_number = revision_number + 1").Set("updated_at = ?", u.now).Where("id = ?", id).Exec(ctx)
	return err
}

// setExternal follows a change of router:external. A network with gateways or floating IPs stays external.
func (u *unit) setExternal(ctx context.Context, n *db.Network) error {
	if n.External {
		return db.Insert(ctx, u.tx, u.rbac("network", n.ID, n.ProjectID, db.AccessAsExternal, "*"))
	}
	if err := u.externalUnused(ctx, n.ID); err != nil {
		return err
	}
	_, err := u.tx.NewDelete().Model((*db.RBACPolicy)(nil)).Where("object_id = ? AND action = ?", n.ID, db.AccessAsExternal).Exec(ctx)
	return err
}

func (u *unit) externalUnused(ctx context.Context, id string) error {
	used, err := u.tx.NewSelect().Model((*db.Port)(nil)).
		Where("t.network_id = ? AND t.device_owner IN (?, ?)", id, ownerRouterGateway, ownerFloatingIP).Exists(ctx)
	if err == nil && used {
		err = conflict("ExternalNetworkInUse",
			"External network %s cannot be updated to be made non-external, since it has existing gateway ports.", id)
	}
	return err
}

func (u *unit) dropRBAC(ctx context.Context, object, action, target string) error {
	_, err := u.tx.NewDelete().Model((*db.RBACPolicy)(nil)).
		Where("object_id = ? AND action = ? AND target_project = ?", object, action, target).Exec(ctx)
	return err
}
