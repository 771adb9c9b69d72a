package neutron

import (
	"context"

	"github.com/uptrace/bun"

	"gostack/internal/neutron/attr"
	"gostack/internal/neutron/db"
	"gostack/internal/policy"
)

// QoSPolicyNotFound is a 404.
func QoSPolicyNotFound(id string) error {
	return missing("QosPolicyNotFound", "QoS policy %s could not be found.", id)
}

// QoSPolicies lists the policies that a caller sees: the project's own and shared ones.
func (s *Service) QoSPolicies(ctx context.Context, c *policy.Caller, q db.Query) ([]*db.QoSPolicy, error) {
	q.Project = c.ProjectID
	if !c.IsAdmin() {
		q = q.And(ownOrShared(c.ProjectID))
	}
	return db.QoSPolicies(ctx, s.DB.Read(ctx), q)
}

func ownOrShared(project string) db.Cond {
	return db.Or(db.Where("t.project_id = ?", project), db.SharedWith("t.id", db.AccessAsShared, project))
}

// CreateQoSPolicy makes a policy without rules.
func (s *Service) CreateQoSPolicy(ctx context.Context, v attr.Values) (*db.QoSPolicy, error) {
	p := &db.QoSPolicy{Name: v.String("name"), IsDefault: v.Bool("is_default")}
	p.SetTags(v.Strings("tags"))
	return p, s.write(ctx, func(ctx context.Context, u *unit) error {
		p.ID, p.Revision = s.newID(), 0
		p.ProjectID = v.String("project_id")
		if err := u.onlyDefaultQoS(ctx, p); err != nil {
			return err
		}
		if err := u.create(ctx, p, p.ProjectID, v.String("description")); err != nil {
			return err
		}
		return u.shareQoS(ctx, p, v.Bool("shared"))
	})
}

// onlyDefaultQoS fails when a project has another default policy already.
func (u *unit) onlyDefaultQoS(ctx context.Context, p *db.QoSPolicy) error {
	if !p.IsDefault {
		return nil
	}
	other, err := u.tx.NewSelect().Model((*db.QoSPolicy)(nil)).Where("t.project_id = ? AND t.is_default AND t.id <> ?", p.ProjectID, p.ID).Exists(ctx)
	if err == nil && other {
		err = conflict("QoSPolicyDefaultAlreadyExists", "A default QoS policy exists for project %s.", p.ProjectID)
	}
	return err
}

// shareQoS shares a policy with everybody, or with nobody but those whom an RBAC policy names.
func (u *unit) shareQoS(ctx context.Context, p *db.QoSPolicy, shared bool) error {
	everybody := func(q *bun.SelectQuery) {
		q.Where("t.object_id = ? AND t.action = ? AND t.target_project = '*'", p.ID, db.AccessAsShared)
	}
	rows, err := db.Find[db.RBACPolicy](ctx, u.tx, everybody)
	switch {
	case err != nil || (len(rows) > 0) == shared:
	case shared:
		err = db.Insert(ctx, u.tx, &db.RBACPolicy{
			ID: u.s.newID(), ProjectID: p.ProjectID, ObjectType: "qos_policy", ObjectID: p.ID, Action: db.AccessAsShared, TargetProject: "*",
		})
	default:
		if err = u.rbacUnused(ctx, rows[0], ""); err == nil {
			err = db.Delete(ctx, u.tx, rows[0])
		}
	}
	p.Shared = shared
	return err
}

func (u *unit) qosPolicy(ctx context.Context, id, project string) (*db.QoSPolicy, error) {
	rows, err := db.QoSPolicies(ctx, u.tx, db.ByID(id, project))
	if err == nil && len(rows) == 0 {
		err = QoSPolicyNotFound(id)
	}
	if err != nil {
		return nil, err
	}
	return rows[0], nil
}

// UpdateQoSPolicy changes what v names.
func (s *Service) UpdateQoSPolicy(ctx context.Context, id string, v attr.Values) (*db.QoSPolicy, error) {
	var p *db.QoSPolicy
	return p, s.write(ctx, func(ctx context.Context, u *unit) error {
		var err error
		if p, err = u.qosPolicy(ctx, id, ""); err != nil {
			return err
		}
		setText(v, "name", &p.Name)
		setText(v, "description", &p.Description)
		setBool(v, "is_default", &p.IsDefault)
		if err := u.onlyDefaultQoS(ctx, p); err != nil {
			return err
		}
		if v.Has("shared") {
			if err := u.shareQoS(ctx, p, v.Bool("shared")); err != nil {
				return err
			}
		}
		return u.update(ctx, p)
	})
}

// DeleteQoSPolicy removes a policy that nothing uses.
func (s *Service) DeleteQoSPolicy(ctx context.Context, id string) error {
	return s.write(ctx, func(ctx context.Context, u *unit) error {
		p, err := u.qosPolicy(ctx, id, "")
		if err != nil {
			return err
		}
		var used []struct{ Kind, ID string }
		err = u.tx.NewRaw(`SELECT 'network' AS kind, id FROM neutron_networks WHERE qos_policy_id = ?0
UNION ALL SELECT 'port', id FROM neutron_ports WHERE qos_policy_id = ?0
UNION ALL SELECT 'floatingip', id FROM neutron_floatingips WHERE qos_policy_id = ?0
UNION ALL SELECT 'router', id FROM neutron_routers WHERE qos_policy_id = ?0 LIMIT 1`, id).Scan(ctx, &used)
		if err != nil {
			return err
		}
		if len(used) > 0 {
			return conflict("QosPolicyInUse", "QoS Policy %s is used by %s %s.", id, used[0].Kind, used[0].ID)
		}
		if _, err := u.tx.NewDelete().Model((*db.RBACPolicy)(nil)).Where("object_id = ?", id).Exec(ctx); err != nil {
			return err
		}
		return db.Delete(ctx, u.tx, p)
	})
}

// qosChanged has everything realised again that a policy is for.
func (u *unit) qosChanged(ctx context.Context, policyID string) error {
	var users []struct{ Kind, ID string }
	err := u.tx.NewRaw(`SELECT 'port' AS kind, id FROM neutron_ports WHERE qos_policy_id = ?0 AND device_owner NOT LIKE 'network:%'
UNION SELECT 'port', p.id FROM neutron_ports p JOIN neutron_networks n ON n.id = p.network_id
	WHERE n.qos_policy_id = ?0 AND p.qos_policy_id = '' AND p.device_owner NOT LIKE 'network:%'
UNION SELECT 'router', f.router_id FROM neutron_floatingips f JOIN neutron_networks n ON n.id = f.floating_network_id
	WHERE f.router_id <> '' AND ?0 IN (f.qos_policy_id, n.qos_policy_id)
UNION SELECT 'router', r.id FROM neutron_routers r JOIN neutron_ports p ON p.router_id = r.id AND p.device_owner = 'network:router_gateway'
	JOIN neutron_networks n ON n.id = p.network_id WHERE ?0 IN (r.qos_policy_id, n.qos_policy_id)`,
		policyID).Scan(ctx, &users)
	for _, x := range users {
		u.changed(x.Kind, x.ID)
	}
	return err
}

// networkQoSChanged does so for what has its network's policy.
func (u *unit) networkQoSChanged(ctx context.Context, network string) error {
	var users []struct{ Kind, ID string }
	err := u.tx.NewRaw(`SELECT 'port' AS kind, id FROM neutron_ports WHERE network_id = ?0 AND qos_policy_id = '' AND device_owner NOT LIKE 'network:%'
UNION SELECT 'router', router_id FROM neutron_floatingips WHERE floating_network_id = ?0 AND router_id <> ''
UNION SELECT 'router', router_id FROM neutron_ports WHERE network_id = ?0 AND device_owner = 'network:router_gateway'`, network).Scan(ctx, &users)
	for _, x := range users {
		u.changed(x.Kind, x.ID)
	}
	return err
}

// chooseQoS checks the policy that v names for something of a caller, and returns its id; the present one when v names none.
func (u *unit) chooseQoS(ctx context.Context, c *policy.Caller, v attr.Values, now string) (string, error) {
	id := v.String("qos_policy_id")
	if !v.Has("qos_policy_id") || id == now {
		return now, nil
	}
	may := func(id string) (bool, error) {
		if c == nil || c.IsAdmin() {
			return true, nil
		}
		cond := ownOrShared(c.ProjectID)
		return u.tx.NewSelect().Model((*db.QoSPolicy)(nil)).Where("t.id = ?", id).Where(cond.SQL, cond.Args...).Exists(ctx)
	}
	if now != "" {
		ok, err := may(now)
		if err != nil {
			return "", err
		}
		if !ok {
			return "", fault(403, "PolicyRemoveAuthorizationError", "Failed to remove provided policy %s because you are not authorized.", now)
		}
	}
	if id == "" {
		return "", nil
	}
	if _, err := u.qosPolicy(ctx, id, ""); err != nil {
		return "", err
	}
	ok, err := may(id)
	if err == nil && !ok {
		err = QoSPolicyNotFound(id)
	}
	return id, err
}

// defaultQoS is the default policy of a project, "" without one.
func (u *unit) defaultQoS(ctx context.Context, project string) (string, error) {
	rows, err := db.Find[db.QoSPolicy](ctx, u.tx, func(q *bun.SelectQuery) { q.Column("id").Where("t.project_id = ? AND t.is_default", project) })
	if err != nil || len(rows) == 0 {
		return "", err
	}
	return rows[0].ID, nil
}

// effectiveQoS is the policy that holds for a port: its own or its network's. Ports of the network itself have none.
func effectiveQoS(p *db.Port) string {
	switch {
	case trusted(p.DeviceOwner):
		return ""
	case p.QoSPolicyID != "":
		return p.QoSPolicyID
	}
	return p.NetworkQoS
}
