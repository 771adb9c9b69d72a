package db

import (
	"context"
	"time"

	"github.com/uptrace/bun"

	"gostack/internal/store"
)

// ApplicationCredential is a row of keystone_application_credentials.
type ApplicationCredential struct {
	bun.BaseModel `bun:"keystone_application_credentials,alias:c"`

	ID           string     `bun:"id,pk"`
	UserID       string     `bun:"user_id"`
	ProjectID    string     `bun:"project_id"`
	Name         string     `bun:"name"`
	SecretHash   string     `bun:"secret_hash"`
	Description  *string    `bun:"description"`
	Unrestricted bool       `bun:"unrestricted"` // may manage application credentials and trusts
	ExpiresAt    *time.Time `bun:"expires_at"`
	RoleIDs      []string   `bun:"role_ids,type:text"`
	Restricted   bool       `bun:"restricted"` // to the requests that its access rules name
}

// AccessRule is a row of keystone_access_rules: a request that an application credential may make.
type AccessRule struct {
	bun.BaseModel `bun:"keystone_access_rules,alias:a"`

	ID      string `bun:"id,pk"`
	UserID  string `bun:"user_id"`
	Service string `bun:"service"` // a type of the catalogue
	Method  string `bun:"method"`
	Path    string `bun:"path"`
}

// RuleOfCredential is a row of keystone_application_credential_rules.
type RuleOfCredential struct {
	bun.BaseModel `bun:"keystone_application_credential_rules,alias:x"`

	ApplicationCredentialID string `bun:"application_credential_id,pk"`
	AccessRuleID            string `bun:"access_rule_id,pk"`
}

// GetApplicationCredential returns an application credential.
func GetApplicationCredential(ctx context.Context, h bun.IDB, id string) (*ApplicationCredential, error) {
	return get(ctx, h, &ApplicationCredential{ID: id})
}

// ApplicationCredentialByName returns the application credential of that name of a user.
func ApplicationCredentialByName(ctx context.Context, h bun.IDB, userID, name string) (*ApplicationCredential, error) {
	c := new(ApplicationCredential)
	err := h.NewSelect().Model(c).Where("c.user_id = ?", userID).Where("c.name = ?", name).Scan(ctx)
	return c, err
}

// ListApplicationCredentials runs a list query that narrow has narrowed.
func ListApplicationCredentials(ctx context.Context, h bun.IDB, narrow func(*Select)) ([]*ApplicationCredential, error) {
	var out []*ApplicationCredential
	q := h.NewSelect().Model(&out)
	narrow(q)
	return out, q.Scan(ctx)
}

// DeleteApplicationCredentials removes those of a user on a project.
func DeleteApplicationCredentials(ctx context.Context, tx store.Tx, userID, projectID string) error {
	_, err := tx.NewDelete().Model((*ApplicationCredential)(nil)).Where("user_id = ?", userID).Where("project_id = ?", projectID).Exec(ctx)
	return err
}

// DeleteApplicationCredentialsByRole removes those of whoever was granted the role directly, on the project of the grant.
func DeleteApplicationCredentialsByRole(ctx context.Context, tx store.Tx, roleID string) error {
	_, err := tx.NewDelete().Model((*ApplicationCredential)(nil)).
		Where("EXISTS (SELECT 1 FROM keystone_assignments a WHERE a.actor_type = 'user' AND a.actor_id = user_id "+
			"AND a.target_type = 'project' AND a.target_id = project_id AND a.role_id = ?)", roleID).Exec(ctx)
	return err
}

// GetAccessRule returns an access rule.
func GetAccessRule(ctx context.Context, h bun.IDB, id string) (*AccessRule, error) {
	return get(ctx, h, &AccessRule{ID: id})
}

// ListAccessRules runs a list query that narrow has narrowed.
func ListAccessRules(ctx context.Context, h bun.IDB, narrow func(*Select)) ([]*AccessRule, error) {
	var out []*AccessRule
	q := h.NewSelect().Model(&out)
	narrow(q)
	return out, q.Scan(ctx)
}

// AccessRulesOf returns the access rules of each of some application credentials.
func AccessRulesOf(ctx context.Context, h bun.IDB, ids []string) (map[string][]*AccessRule, error) {
	out := map[string][]*AccessRule{}
	if len(ids) == 0 {
		return out, nil
	}
	var rows []struct {
		AccessRule `bun:",extend"`
		Of         string `bun:"of"`
	}
	err := h.NewSelect().Model(&rows).ColumnExpr("a.*, x.application_credential_id AS of").
		Join("JOIN keystone_application_credential_rules AS x ON x.access_rule_id = a.id").
		Where("x.application_credential_id IN (?)", bun.List(ids)).Order("a.id").Scan(ctx)
	for i := range rows {
		out[rows[i].Of] = append(out[rows[i].Of], &rows[i].AccessRule)
	}
	return out, err
}
