package db

import (
	"context"
	"time"

	"github.com/uptrace/bun"

	"gostack/internal/store"
)

// Trust is a row of keystone_trusts.
type Trust struct {
	bun.BaseModel `bun:"keystone_trusts,alias:t"`

	ID                 string         `bun:"id,pk"`
	TrustorUserID      string         `bun:"trustor_user_id"`
	TrusteeUserID      string         `bun:"trustee_user_id"`
	ProjectID          string         `bun:"project_id,nullzero"` // empty: none
	Impersonation      bool           `bun:"impersonation"`
	ExpiresAt          *time.Time     `bun:"expires_at"`
	RemainingUses      *int64         `bun:"remaining_uses"` // nil: any number
	RedelegatedTrustID string         `bun:"redelegated_trust_id,nullzero"`
	RedelegationCount  int64          `bun:"redelegation_count"`
	RoleIDs            []string       `bun:"role_ids,type:text"`
	Extra              map[string]any `bun:"extra"`
}

// GetTrust returns a trust, usable or not.
func GetTrust(ctx context.Context, h bun.IDB, id string) (*Trust, error) {
	return get(ctx, h, &Trust{ID: id})
}

// ListTrusts runs a list query that narrow has narrowed.
func ListTrusts(ctx context.Context, h bun.IDB, narrow func(*Select)) ([]*Trust, error) {
	var out []*Trust
	q := h.NewSelect().Model(&out)
	narrow(q)
	return out, q.Scan(ctx)
}

// TrustPedigree returns a trust and those it was redelegated from, the first of the chain last.
func TrustPedigree(ctx context.Context, h bun.IDB, id string) ([]*Trust, error) {
	var out []*Trust
	err := h.NewRaw(`WITH RECURSIVE up (id, parent, depth) AS (
	SELECT id, redelegated_trust_id, 0 FROM keystone_trusts WHERE id = ?
	UNION ALL
	SELECT t.id, t.redelegated_trust_id, up.depth + 1 FROM keystone_trusts t JOIN up ON t.id = up.parent)
SELECT t.* FROM keystone_trusts t JOIN up ON up.id = t.id ORDER BY up.depth`, id).Scan(ctx, &out)
	return out, err
}

// UseTrust takes one use from a trust; false if none is left.
func UseTrust(ctx context.Context, tx store.Tx, id string) (bool, error) {
	r, err := tx.NewUpdate().Model((*Trust)(nil)).Set("remaining_uses = remaining_uses - 1").
		Where("id = ?", id).Where("remaining_uses > 0").Exec(ctx)
	if err != nil {
		return false, err
	}
	n, err := r.RowsAffected()
	return n > 0, err
}

// RolesWithImplied returns the global roles among some roles and those that they imply, by name.
func RolesWithImplied(ctx context.Context, h bun.IDB, ids []string) ([]RoleName, error) {
	var out []RoleName
	if len(ids) == 0 {
		return out, nil
	}
	err := h.NewRaw(`WITH RECURSIVE have (role_id) AS (
	SELECT id FROM keystone_roles WHERE id IN (?)
	UNION
	SELECT i.implied_role_id FROM keystone_implied_roles i JOIN have ON have.role_id = i.prior_role_id)
SELECT r.id, r.name FROM keystone_roles r JOIN have ON have.role_id = r.id WHERE r.domain_id = '' ORDER BY r.name`, bun.List(ids)).Scan(ctx, &out)
	return out, err
}
