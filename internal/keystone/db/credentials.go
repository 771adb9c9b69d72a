package db

import (
	"context"
	"time"

	"github.com/uptrace/bun"

	"gostack/internal/store"
)

// Credential is a row of keystone_credentials.
type Credential struct {
	bun.BaseModel `bun:"keystone_credentials,alias:c"`

	ID        string         `bun:"id,pk"`
	UserID    string         `bun:"user_id"`
	ProjectID string         `bun:"project_id"` // empty: none
	Type      string         `bun:"type"`
	Blob      string         `bun:"blob"`     // encrypted
	KeyHash   string         `bun:"key_hash"` // of the key it is encrypted with
	Extra     map[string]any `bun:"extra"`
}

// CredentialKey is a row of keystone_credential_keys.
type CredentialKey struct {
	bun.BaseModel `bun:"keystone_credential_keys,alias:k"`

	Number    int64     `bun:"number,pk"`
	Key       string    `bun:"key"`
	CreatedAt time.Time `bun:"created_at"`
}

// GetCredential returns a credential, still encrypted.
func GetCredential(ctx context.Context, h bun.IDB, id string) (*Credential, error) {
	return get(ctx, h, &Credential{ID: id})
}

// ListCredentials runs a list query that narrow has narrowed.
func ListCredentials(ctx context.Context, h bun.IDB, narrow func(*Select)) ([]*Credential, error) {
	var out []*Credential
	q := h.NewSelect().Model(&out)
	narrow(q)
	return out, q.Scan(ctx)
}

// OtherKeyCredentials returns up to limit credentials that are not encrypted with the key of that hash.
func OtherKeyCredentials(ctx context.Context, h bun.IDB, keyHash string, limit int64) ([]*Credential, error) {
	var out []*Credential
	err := h.NewSelect().Model(&out).Where("c.key_hash <> ?", keyHash).Order("c.id").Limit(limit).Scan(ctx)
	return out, err
}

// DeleteCredentialsOf removes all credentials of a user, or for a project; the other argument is "".
func DeleteCredentialsOf(ctx context.Context, tx store.Tx, userID, projectID string) error {
	column, id := "user_id", userID
	if userID == "" {
		column, id = "project_id", projectID
	}
	_, err := tx.NewDelete().Model((*Credential)(nil)).Where("? = ?", bun.Ident(column), id).Exec(ctx)
	return err
}

// ListCredentialKeys returns all keys by rising number.
func ListCredentialKeys(ctx context.Context, h bun.IDB) ([]*CredentialKey, error) {
	var out []*CredentialKey
	err := h.NewSelect().Model(&out).Order("k.number").Scan(ctx)
	return out, err
}

// ReplaceCredentialKeys stores a set of keys in place of the one there is.
func ReplaceCredentialKeys(ctx context.Context, tx store.Tx, keys []*CredentialKey) error {
	if _, err := tx.NewDelete().Model((*CredentialKey)(nil)).Where("TRUE").Exec(ctx); err != nil {
		return err
	}
	_, err := tx.NewInsert().Model(&keys).Exec(ctx)
	return err
}
