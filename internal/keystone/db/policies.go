package db

import (
	"context"

	"github.com/uptrace/bun"

	"gostack/internal/store"
)

// Policy is a row of keystone_policies: a text that services may keep here.
type Policy struct {
	bun.BaseModel `bun:"keystone_policies,alias:p"`

	ID    string         `bun:"id,pk"`
	Type  string         `bun:"type"`
	Blob  JSON           `bun:"blob"` // a string, or what clients of old sent
	Extra map[string]any `bun:"extra"`
}

// PolicyAssociation is a row of keystone_policy_associations; what does not apply is empty.
type PolicyAssociation struct {
	bun.BaseModel `bun:"keystone_policy_associations,alias:a"`

	EndpointID string `bun:"endpoint_id,pk"`
	ServiceID  string `bun:"service_id,pk"`
	RegionID   string `bun:"region_id,pk"`
	PolicyID   string `bun:"policy_id"`
}

// GetPolicy returns a policy.
func GetPolicy(ctx context.Context, h bun.IDB, id string) (*Policy, error) {
	return get(ctx, h, &Policy{ID: id})
}

// ListPolicies runs a list query that narrow has narrowed.
func ListPolicies(ctx context.Context, h bun.IDB, narrow func(*Select)) ([]*Policy, error) {
	var out []*Policy
	q := h.NewSelect().Model(&out)
	narrow(q)
	return out, q.Scan(ctx)
}

// Associate stores an association in place of another for the same things.
func Associate(ctx context.Context, tx store.Tx, a *PolicyAssociation) error {
	_, err := tx.NewInsert().Model(a).On("CONFLICT (endpoint_id, service_id, region_id) DO UPDATE").Set("policy_id = EXCLUDED.policy_id").Exec(ctx)
	return err
}

// IsAssociated tells whether exactly this association exists.
func IsAssociated(ctx context.Context, h bun.IDB, a *PolicyAssociation) (bool, error) {
	return h.NewSelect().Model(a).WherePK().Where("a.policy_id = ?", a.PolicyID).Exists(ctx)
}

// Dissociate removes an association.
func Dissociate(ctx context.Context, tx store.Tx, a *PolicyAssociation) error {
	return one(tx.NewDelete().Model(a).WherePK().Where("policy_id = ?", a.PolicyID).Exec(ctx))
}

// PolicyAssociations lists the associations of a policy, or all for "".
func PolicyAssociations(ctx context.Context, h bun.IDB, policyID string) ([]*PolicyAssociation, error) {
	var out []*PolicyAssociation
	q := h.NewSelect().Model(&out).Order("endpoint_id", "service_id", "region_id")
	if policyID != "" {
		q.Where("a.policy_id = ?", policyID)
	}
	return out, q.Scan(ctx)
}

// AssociationsFor lists the associations that may rule an endpoint: its own and those of its service.
func AssociationsFor(ctx context.Context, h bun.IDB, endpointID, serviceID string) ([]*PolicyAssociation, error) {
	var out []*PolicyAssociation
	err := h.NewSelect().Model(&out).Where("a.endpoint_id = ? OR a.service_id = ?", endpointID, serviceID).Scan(ctx)
	return out, err
}

// DissociateThing removes the associations of an endpoint, a service or a region that goes away.
func DissociateThing(ctx context.Context, tx store.Tx, column, id string) error {
	_, err := tx.NewDelete().Model((*PolicyAssociation)(nil)).Where("? = ?", bun.Ident(column), id).Exec(ctx)
	return err
}
