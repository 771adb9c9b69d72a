package db

import (
	"context"

	"github.com/uptrace/bun"

	"gostack/internal/store"
)

// Role is a row of keystone_roles.
type Role struct {
	bun.BaseModel `bun:"keystone_roles,alias:r"`

	ID          string         `bun:"id,pk"`
	Name        string         `bun:"name"`
	DomainID    string         `bun:"domain_id"` // empty for a global role
	Description *string        `bun:"description"`
	Options     map[string]any `bun:"options"`
	Extra       map[string]any `bun:"extra"`
}

// ImpliedRole is a row of keystone_implied_roles: who has the prior role has the implied one too.
type ImpliedRole struct {
	bun.BaseModel `bun:"keystone_implied_roles,alias:i"`

	PriorRoleID   string `bun:"prior_role_id,pk"`
	ImpliedRoleID string `bun:"implied_role_id,pk"`
}

// GetRole returns a role.
func GetRole(ctx context.Context, h bun.IDB, id string) (*Role, error) {
	return get(ctx, h, &Role{ID: id})
}

// RoleByName returns the role of that name, global or of a domain.
func RoleByName(ctx context.Context, h bun.IDB, domainID, name string) (*Role, error) {
	r := new(Role)
	err := h.NewSelect().Model(r).Where("r.domain_id = ?", domainID).Where("r.name = ?", name).Scan(ctx)
	return r, err
}

// ListRoles runs a list query that narrow has narrowed.
func ListRoles(ctx context.Context, h bun.IDB, narrow func(*Select)) ([]*Role, error) {
	var out []*Role
	q := h.NewSelect().Model(&out)
	narrow(q)
	return out, q.Scan(ctx)
}

// ListImpliedRoles returns the direct implications of one role, or of all if priorID is empty.
func ListImpliedRoles(ctx context.Context, h bun.IDB, priorID string) ([]*ImpliedRole, error) {
	var out []*ImpliedRole
	q := h.NewSelect().Model(&out).Order("prior_role_id", "implied_role_id")
	if priorID != "" {
		q.Where("i.prior_role_id = ?", priorID)
	}
	return out, q.Scan(ctx)
}

// HasImpliedRole tells whether one role implies another directly.
func HasImpliedRole(ctx context.Context, h bun.IDB, priorID, impliedID string) (bool, error) {
	return h.NewSelect().Model((*ImpliedRole)(nil)).
		Where("i.prior_role_id = ?", priorID).Where("i.implied_role_id = ?", impliedID).Exists(ctx)
}

// RoleName is the part of a role that a token shows.
type RoleName struct {
	ID   string `bun:"id"`
	Name string `bun:"name"`
}

// Scope is what roles are asked for: at most one field is set.
type Scope struct {
	ProjectID string
	DomainID  string
	System    bool
}

// EffectiveRoles returns the global roles that a user has in a scope, by name: from grants to the user and to the user's groups, on the
// target or inherited from above it, and those that these roles imply. Domain-specific roles count for what they imply only.
func EffectiveRoles(ctx context.Context, h bun.IDB, userID string, s Scope) ([]RoleName, error) {
	const actor = `((a.actor_type = 'user' AND a.actor_id = ?) OR (a.actor_type = 'group' AND a.actor_id IN
		(SELECT group_id FROM keystone_memberships WHERE user_id = ?)))`
	const closure = `
	UNION
	SELECT i.implied_role_id FROM keystone_implied_roles i JOIN have ON have.role_id = i.prior_role_id)
SELECT r.id, r.name FROM keystone_roles r JOIN have ON have.role_id = r.id WHERE r.domain_id = '' ORDER BY r.name`
	var out []RoleName
	var err error
	switch {
	case s.System:
		err = h.NewRaw(`WITH RECURSIVE have (role_id) AS (
	SELECT a.role_id FROM keystone_assignments a WHERE `+actor+` AND a.target_type = 'system'`+closure, userID, userID).Scan(ctx, &out)
	case s.DomainID != "":
		err = h.NewRaw(`WITH RECURSIVE have (role_id) AS (
	SELECT a.role_id FROM keystone_assignments a WHERE `+actor+`
		AND a.target_type = 'domain' AND a.target_id = ? AND NOT a.inherited`+closure, userID, userID, s.DomainID).Scan(ctx, &out)
	case s.ProjectID != "":
		err = h.NewRaw(ancestors+`, have (role_id) AS (
	SELECT a.role_id FROM keystone_assignments a WHERE `+actor+`
		AND ((a.target_type = 'project' AND a.target_id = ? AND NOT a.inherited)
			OR (a.inherited AND a.target_id IN (SELECT id FROM up WHERE depth > 0)))`+closure,
			s.ProjectID, userID, userID, s.ProjectID).Scan(ctx, &out)
	}
	return out, err
}

// DeleteRole removes a role with its grants and implications.
func DeleteRole(ctx context.Context, tx store.Tx, id string) error {
	return Delete(ctx, tx, &Role{ID: id})
}

// RolesImpliedBy returns the roles that one implies directly.
func RolesImpliedBy(ctx context.Context, h bun.IDB, priorID string) ([]*Role, error) {
	var out []*Role
	err := h.NewSelect().Model(&out).
		Where("r.id IN (SELECT implied_role_id FROM keystone_implied_roles WHERE prior_role_id = ?)", priorID).Order("r.id").Scan(ctx)
	return out, err
}
