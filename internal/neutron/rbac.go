package neutron

import (
	"context"
	"fmt"
	"slices"
	"strings"

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

// rbacType is a type of objects that RBAC policies share.
type rbacType struct {
	table string
	// actions that a policy may have.
	actions []string
	absent  func(id string) error
	// users is SQL for the projects (project_id) that have something on an object, whose id is each of its arguments.
	users string
}

var onlyShared = []string{db.AccessAsShared}

// rbacTypes are what can be shared.
var rbacTypes = map[string]rbacType{
	"network": {
		"neutron_networks",
		[]string{db.AccessAsExternal, db.AccessAsShared},
		NetworkNotFound,
		`SELECT project_id FROM neutron_ports WHERE network_id = ? AND device_owner NOT LIKE 'network:%'
UNION SELECT project_id FROM neutron_subnets WHERE network_id = ?`,
	},
	"qos_policy": {
		"neutron_qos_policies", onlyShared, QoSPolicyNotFound,
		`SELECT project_id FROM neutron_ports WHERE qos_policy_id = ? UNION SELECT project_id FROM neutron_networks WHERE qos_policy_id = ?
UNION SELECT project_id FROM neutron_floatingips WHERE qos_policy_id = ? UNION SELECT project_id FROM neutron_routers WHERE qos_policy_id = ?`,
	},
	"security_group": {
		"neutron_security_groups", onlyShared, SecurityGroupNotFound,
		`SELECT p.project_id FROM neutron_ports p JOIN neutron_port_security_groups m ON m.port_id = p.id WHERE m.group_id = ?`,
	},
	"address_scope": {"neutron_address_scopes", onlyShared, AddressScopeNotFound, `SELECT project_id FROM neutron_subnetpools WHERE address_scope_id = ?`},
	"address_group": {
		"neutron_address_groups", onlyShared, AddressGroupNotFound,
		`SELECT g.project_id FROM neutron_security_group_rules r JOIN neutron_security_groups g ON g.id = r.security_group_id WHERE r.remote_address_group_id = ?`,
	},
	"subnetpool": {"neutron_subnetpools", onlyShared, SubnetPoolNotFound, `SELECT project_id FROM neutron_subnets WHERE subnetpool_id = ?`},
}

// CheckRBACType converts object_type: what can be shared, in any letters.
func CheckRBACType(v any) (any, string) {
	text, _ := v.(string)
	name := strings.ToLower(strings.TrimSpace(text))
	if _, ok := rbacTypes[name]; !ok {
		return nil, fmt.Sprintf("'%v' is not a valid RBAC object type", v)
	}
	return name, ""
}

// CreateRBACPolicy shares an object with a project, or with all ("*").
func (s *Service) CreateRBACPolicy(ctx context.Context, c *policy.Caller, v attr.Values) (*db.RBACPolicy, error) {
	r := &db.RBACPolicy{ObjectType: v.String("object_type"), ObjectID: v.String("object_id"), Action: v.String("action"), TargetProject: v.String("target_tenant")}
	if actions := rbacTypes[r.ObjectType].actions; !slices.Contains(actions, r.Action) {
		return nil, invalidInput("Invalid action '%s' for object type '%s'. Valid actions: %s", r.Action, r.ObjectType, strings.Join(actions, ", "))
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
		if err := u.poolScopeShared(ctx, r); err != nil {
			return err
		}
		dup, err := u.tx.NewSelect().Model((*db.RBACPolicy)(nil)).
			Where("t.object_id = ? AND t.action = ? AND t.target_project = ?", r.ObjectID, r.Action, r.TargetProject).Exists(ctx)
		if err != nil {
			return err
		}
		if dup {
			return conflict("DuplicatedRbacPolicy", "An RBAC policy already exists with those values.")
		}
		if err := u.madeExternal(ctx, r); err != nil {
			return err
		}
		if err := u.sharingChanged(ctx, r); err != nil {
			return err
		}
		return db.Insert(ctx, u.tx, r)
	})
}

// poolScopeShared fails for a subnet pool in an address scope that the project of a new policy may not use (upstream's SubnetPool,
// validate_rbac_policy_create).
func (u *unit) poolScopeShared(ctx context.Context, r *db.RBACPolicy) error {
	if r.ObjectType != "subnetpool" {
		return nil
	}
	p, err := db.Get[db.SubnetPool](ctx, u.tx, r.ObjectID)
	if err != nil || p.AddressScopeID == "" {
		return err
	}
	shared, err := u.tx.NewSelect().Model((*db.RBACPolicy)(nil)).
		Where("t.object_id = ? AND t.target_project IN ('*', ?)", p.AddressScopeID, r.TargetProject).Exists(ctx)
	if err == nil && !shared {
		err = bad("RbacPolicyInitError", "Failed to create RBAC policy on object %s because target project doesn't have access to associated address scope..", r.ObjectID)
	}
	return err
}

// sharingChanged raises a network's revision, as upstream does for networks alone.
func (u *unit) sharingChanged(ctx context.Context, r *db.RBACPolicy) error {
	if r.ObjectType != "network" {
		return nil
	}
	return u.networkTouched(ctx, r.ObjectID)
}

// rbacObject returns who owns a policy's object.
func (u *unit) rbacObject(ctx context.Context, r *db.RBACPolicy) (owner string, err error) {
	t := rbacTypes[r.ObjectType]
	err = u.tx.NewSelect().Table(t.table).Column("project_id").Where("id = ?", r.ObjectID).Scan(ctx, &owner)
	if store.IsNotFound(err) {
		err = t.absent(r.ObjectID)
	}
	return owner, err
}

// madeExternal makes a network external that a policy for access_as_external is made for, and not any more when the last one goes.
func (u *unit) madeExternal(ctx context.Context, r *db.RBACPolicy) error {
	if r.Action != db.AccessAsExternal {
		return nil
	}
	n, err := db.Get[db.Network](ctx, u.tx, r.ObjectID)
	if err != nil || n.External {
		return or(err, NetworkNotFound(r.ObjectID))
	}
	n.External = true
	u.changed(kindNetwork, n.ID)
	return u.update(ctx, n)
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
			if err := u.rbacUnused(ctx, r, t); err != nil {
				return err
			}
			r.TargetProject = t
		}
		if err := u.sharingChanged(ctx, r); err != nil {
			return err
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
		if err := u.rbacUnused(ctx, r, ""); err != nil {
			return err
		}
		if err := u.sharingChanged(ctx, r); err != nil {
			return err
		}
		if err := db.Delete(ctx, u.tx, r); err != nil {
			return err
		}
		return u.lastExternal(ctx, r)
	})
}

// lastExternal ends that a network is external with the last policy that made it so.
func (u *unit) lastExternal(ctx context.Context, r *db.RBACPolicy) error {
	if r.Action != db.AccessAsExternal {
		return nil
	}
	left, err := u.tx.NewSelect().Model((*db.RBACPolicy)(nil)).Where("t.object_id = ? AND t.action = ?", r.ObjectID, r.Action).Exists(ctx)
	if err != nil || left {
		return err
	}
	n, err := db.Get[db.Network](ctx, u.tx, r.ObjectID)
	if err != nil {
		return err
	}
	n.External, n.IsDefault = false, false
	u.changed(kindNetwork, n.ID)
	return u.update(ctx, n)
}

// rbacUnused fails when somebody has something on the object that only this policy lets him, and that the project for which the policy will be
// from now on, next, has not ("" for none).
func (u *unit) rbacUnused(ctx context.Context, r *db.RBACPolicy, next string) error {
	if r.Action == db.AccessAsExternal {
		return u.externalUnusedBut(ctx, r, next)
	}
	owner, err := u.rbacObject(ctx, r)
	if err != nil {
		return err
	}
	used, err := u.sharingUsed(ctx, r.ObjectType, r.ObjectID, owner, r.TargetProject)
	if err == nil && used {
		err = rbacInUse(r.ObjectID, "")
	}
	return err
}

func rbacInUse(object, details string) error {
	return conflict("RbacPolicyInUse", "RBAC policy on object %s cannot be removed because other objects depend on it.\nDetails: %s", object, details)
}

// externalUnusedBut fails when a project other than next has a gateway or a floating IP on a network that only this policy makes external for it.
// The default external network is everybody's (upstream's _validate_ext_not_in_use_by_tenant).
func (u *unit) externalUnusedBut(ctx context.Context, r *db.RBACPolicy, next string) error {
	if r.TargetProject == "*" {
		n, err := db.Get[db.Network](ctx, u.tx, r.ObjectID)
		if err != nil {
			return or(err, NetworkNotFound(r.ObjectID))
		}
		if n.IsDefault {
			return rbacInUse(r.ObjectID, "Default external networks must be shared to everyone.")
		}
	}
	var n int
	err := u.tx.NewRaw(`SELECT COUNT(*) FROM (
	SELECT r.project_id FROM neutron_routers r JOIN neutron_ports p ON p.router_id = r.id WHERE p.network_id = ? AND p.device_owner = 'network:router_gateway' UNION SELECT project_id FROM neutron_floatingips WHERE floating_network_id = ?) AS x
WHERE (? = '*' OR project_id = ?) AND project_id <> ? AND NOT EXISTS (SELECT 1 FROM neutron_rbac_policies r WHERE r.object_id = ? AND r.action = ? AND r.target_project <> ?
	AND r.target_project IN ('*', x.project_id))`,
		r.ObjectID, r.ObjectID, r.TargetProject, r.TargetProject, next, r.ObjectID, db.AccessAsExternal, r.TargetProject).Scan(ctx, &n)
	if err == nil && n > 0 {
		err = rbacInUse(r.ObjectID, "There are routers attached to this network that depend on this policy for access.")
	}
	return err
}
