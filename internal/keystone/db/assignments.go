package db

import (
	"context"

	"github.com/uptrace/bun"

	"gostack/internal/store"
)

// The words of Assignment's type columns.
const (
	ActorUser     = "user"
	ActorGroup    = "group"
	TargetProject = "project"
	TargetDomain  = "domain"
	TargetSystem  = "system"
	SystemID      = "system" // the id of the one target of its kind
)

// Assignment is a row of keystone_assignments: a role granted to an actor on a target.
type Assignment struct {
	bun.BaseModel `bun:"keystone_assignments,alias:a"`

	ActorType  string `bun:"actor_type,pk"`
	ActorID    string `bun:"actor_id,pk"`
	TargetType string `bun:"target_type,pk"`
	TargetID   string `bun:"target_id,pk"`
	RoleID     string `bun:"role_id,pk"`
	Inherited  bool   `bun:"inherited,pk"` // holds for the projects below the target, and not for the target itself
}

// HasAssignment tells whether exactly this grant exists.
func HasAssignment(ctx context.Context, h bun.IDB, a *Assignment) (bool, error) {
	return h.NewSelect().Model(a).WherePK().Exists(ctx)
}

// AddAssignment stores a grant; one that is there already is no error.
func AddAssignment(ctx context.Context, tx store.Tx, a *Assignment) error {
	_, err := tx.NewInsert().Model(a).On("CONFLICT DO NOTHING").Exec(ctx)
	return changed(ctx, "created", a, err)
}

// GrantedRoles lists the roles granted directly to an actor on a target.
func GrantedRoles(ctx context.Context, h bun.IDB, a Assignment) ([]*Role, error) {
	var out []*Role
	err := h.NewSelect().Model(&out).
		Join("JOIN keystone_assignments AS a ON a.role_id = r.id").
		Where("a.actor_type = ?", a.ActorType).Where("a.actor_id = ?", a.ActorID).
		Where("a.target_type = ?", a.TargetType).Where("a.target_id = ?", a.TargetID).
		Where("a.inherited = ?", a.Inherited).
		Order("r.id").Scan(ctx)
	return out, err
}

// ListAssignments runs a list query that narrow has narrowed.
func ListAssignments(ctx context.Context, h bun.IDB, narrow func(*Select)) ([]*Assignment, error) {
	var out []*Assignment
	q := h.NewSelect().Model(&out).Order("actor_type", "actor_id", "target_type", "target_id", "role_id", "inherited")
	narrow(q)
	return out, q.Scan(ctx)
}

// DeleteAssignmentsOfActor removes all grants to a user or group.
func DeleteAssignmentsOfActor(ctx context.Context, tx store.Tx, actorType, actorID string) error {
	_, err := tx.NewDelete().Model((*Assignment)(nil)).Where("actor_type = ?", actorType).Where("actor_id = ?", actorID).Exec(ctx)
	return err
}

// DeleteAssignmentsOnTarget removes all grants on a project or domain.
func DeleteAssignmentsOnTarget(ctx context.Context, tx store.Tx, targetID string) error {
	_, err := tx.NewDelete().Model((*Assignment)(nil)).Where("target_id = ?", targetID).Exec(ctx)
	return err
}

const mine = `((a.actor_type = 'user' AND a.actor_id = ?) OR (a.actor_type = 'group' AND a.actor_id IN
	(SELECT group_id FROM keystone_memberships WHERE user_id = ?)))`

// ProjectsOfUser lists the projects on which a user has a role, granted or inherited, to the user or a group.
func ProjectsOfUser(ctx context.Context, h bun.IDB, userID string, narrow func(*Select)) ([]*Project, error) {
	var out []*Project
	q := h.NewSelect().Model(&out).WithRecursive("reach", h.NewRaw(`
		SELECT p.id, FALSE AS below FROM keystone_projects p JOIN keystone_assignments a ON a.target_id = p.id
			WHERE `+mine+` AND a.target_type = 'project' AND NOT a.inherited
		UNION
		SELECT p.id, TRUE FROM keystone_projects p JOIN keystone_assignments a ON a.target_id = p.parent_id
			WHERE `+mine+` AND a.inherited
		UNION
		SELECT p.id, TRUE FROM keystone_projects p JOIN reach ON p.parent_id = reach.id AND reach.below`,
		userID, userID, userID, userID)).
		Where("p.id IN (SELECT id FROM reach)")
	narrow(q)
	return out, q.Scan(ctx)
}

// DomainsOfUser lists the domains on which a user has a role, granted to the user or a group.
func DomainsOfUser(ctx context.Context, h bun.IDB, userID string, narrow func(*Select)) ([]*Project, error) {
	var out []*Project
	q := h.NewSelect().Model(&out).Where("p.is_domain").
		Where("p.id IN (SELECT a.target_id FROM keystone_assignments a WHERE "+mine+" AND a.target_type = 'domain' AND NOT a.inherited)",
			userID, userID)
	narrow(q)
	return out, q.Scan(ctx)
}
