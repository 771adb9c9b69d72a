package neutron

import (
	"context"

	"gostack/internal/neutron/db"
)

// rbac makes a policy for a network.
func (u *unit) rbac(n *db.Network, action, target string) *db.RBACPolicy {
	return &db.RBACPolicy{
		ID: u.s.newID(), ProjectID: n.ProjectID, ObjectType: "network", ObjectID: n.ID, Action: action, TargetProject: target,
	}
}

// setShared makes "shared" what it should be: it is the RBAC policy for everybody. Sharing that others use cannot end.
func (u *unit) setShared(ctx context.Context, n *db.Network, shared bool) error {
	had, err := u.tx.NewSelect().Model((*db.RBACPolicy)(nil)).
		Where("t.object_id = ? AND t.action = ? AND t.target_project = '*'", n.ID, db.AccessAsShared).Exists(ctx)
	if err != nil || had == shared {
		return err
	}
	n.Shared = shared
	if shared {
		return db.Insert(ctx, u.tx, u.rbac(n, db.AccessAsShared, "*"))
	}
	if err := u.sharingUnused(ctx, n, "*"); err != nil {
		return err
	}
	return u.dropRBAC(ctx, n.ID, db.AccessAsShared, "*")
}

// sharingUnused fails when a project that a policy lets in has ports or subnets on the network.
func (u *unit) sharingUnused(ctx context.Context, n *db.Network, target string) error {
	var users int
	err := u.tx.NewRaw(`SELECT COUNT(*) FROM (
	SELECT project_id FROM neutron_ports WHERE network_id = ? AND device_owner NOT LIKE 'network:%'
	UNION SELECT project_id FROM neutron_subnets WHERE network_id = ?) AS x
WHERE project_id NOT IN ('', ?) AND (? = '*' OR project_id = ?)
  AND NOT EXISTS (SELECT 1 FROM neutron_rbac_policies r WHERE r.object_id = ? AND r.action = ? AND r.target_project <> ?
	AND r.target_project IN ('*', x.project_id))`,
		n.ID, n.ID, n.ProjectID, target, target, n.ID, db.AccessAsShared, target).Scan(ctx, &users)
	if err == nil && users > 0 {
		err = conflict("InvalidSharedSetting", "Unable to reconfigure sharing settings for network %s. Multiple tenants are using it.", n.ID)
	}
	return err
}

// setExternal follows a change of router:external. A network with gateways or floating IPs stays external.
func (u *unit) setExternal(ctx context.Context, n *db.Network) error {
	if n.External {
		return db.Insert(ctx, u.tx, u.rbac(n, db.AccessAsExternal, "*"))
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
