package api

import (
	"context"

	"gostack/internal/neutron"
	"gostack/internal/neutron/attr"
	"gostack/internal/neutron/db"
	"gostack/internal/policy"
)

// rbacPolicies share objects with projects.
func (a *api) rbacPolicies() *resource {
	return &resource{
		Table: attr.NewTable("rbac_policy", "rbac_policies", []attr.Attribute{
			{Name: "id", Column: "t.id"},
			{Name: "project_id", Post: true, Required: true, Check: attr.String(projectLength), Column: "t.project_id"},
			{Name: "tenant_id", Column: "t.project_id"},
			{Name: "object_type", Post: true, Required: true, Check: neutron.CheckRBACType, Column: "t.object_type"},
			{Name: "object_id", Post: true, Required: true, Check: attr.UUID, Column: "t.object_id"},
			{Name: "action", Post: true, Required: true, Check: attr.OneOf(db.AccessAsShared, db.AccessAsExternal), Column: "t.action"},
			{Name: "target_tenant", Post: true, Put: true, Required: true, Check: attr.String(projectLength), Column: "t.target_project"},
		}),
		Path: "rbac-policies", NoBulk: true,
		List: func(ctx context.Context, c *policy.Caller, q db.Query) ([]attr.Values, error) {
			rows, err := a.n.RBACPolicies(ctx, c, q)
			return viewed(rows, err, rbacView)
		},
		Create: func(ctx context.Context, c *policy.Caller, v attr.Values) (attr.Values, error) {
			r, err := a.n.CreateRBACPolicy(ctx, c, v)
			return one(r, err, rbacView)
		},
		Update: func(ctx context.Context, _ *policy.Caller, id string, v attr.Values) (attr.Values, error) {
			r, err := a.n.UpdateRBACPolicy(ctx, id, v)
			return one(r, err, rbacView)
		},
		Delete: func(ctx context.Context, _ *policy.Caller, id string) error { return a.n.DeleteRBACPolicy(ctx, id) },
		Absent: neutron.RBACNotFound,
	}
}

func rbacView(r *db.RBACPolicy) attr.Values {
	return attr.Values{
		"id": r.ID, "project_id": r.ProjectID, "tenant_id": r.ProjectID, "object_type": r.ObjectType, "object_id": r.ObjectID,
		"action": r.Action, "target_tenant": r.TargetProject,
	}
}
