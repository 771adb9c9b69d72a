package db

import (
	"context"
	"time"

	"github.com/uptrace/bun"

	"gostack/internal/store"
)

// Consumer is a row of keystone_consumers: a program that may ask to act for users.
type Consumer struct {
	bun.BaseModel `bun:"keystone_consumers,alias:c"`

	ID          string         `bun:"id,pk"`
	Description *string        `bun:"description"`
	Secret      string         `bun:"secret"`
	Extra       map[string]any `bun:"extra"`
}

// RequestToken is a row of keystone_request_tokens.
type RequestToken struct {
	bun.BaseModel `bun:"keystone_request_tokens,alias:t"`

	ID         string     `bun:"id,pk"`
	Secret     string     `bun:"secret"`
	ConsumerID string     `bun:"consumer_id"`
	ProjectID  string     `bun:"project_id"`
	UserID     string     `bun:"user_id"` // empty: nobody has authorized it
	Verifier   string     `bun:"verifier"`
	RoleIDs    []string   `bun:"role_ids,type:text"`
	ExpiresAt  *time.Time `bun:"expires_at"`
}

// AccessToken is a row of keystone_access_tokens.
type AccessToken struct {
	bun.BaseModel `bun:"keystone_access_tokens,alias:t"`

	ID         string     `bun:"id,pk"`
	Secret     string     `bun:"secret"`
	ConsumerID string     `bun:"consumer_id"`
	UserID     string     `bun:"user_id"`
	ProjectID  string     `bun:"project_id"`
	RoleIDs    []string   `bun:"role_ids,type:text"`
	ExpiresAt  *time.Time `bun:"expires_at"`
}

// GetConsumer returns a consumer.
func GetConsumer(ctx context.Context, h bun.IDB, id string) (*Consumer, error) {
	return get(ctx, h, &Consumer{ID: id})
}

// ListConsumers runs a list query that narrow has narrowed.
func ListConsumers(ctx context.Context, h bun.IDB, narrow func(*Select)) ([]*Consumer, error) {
	var out []*Consumer
	q := h.NewSelect().Model(&out)
	narrow(q)
	return out, q.Scan(ctx)
}

// GetRequestToken returns a request token.
func GetRequestToken(ctx context.Context, h bun.IDB, id string) (*RequestToken, error) {
	return get(ctx, h, &RequestToken{ID: id})
}

// GetAccessToken returns an access token.
func GetAccessToken(ctx context.Context, h bun.IDB, id string) (*AccessToken, error) {
	return get(ctx, h, &AccessToken{ID: id})
}

// ListAccessTokens runs a list query that narrow has narrowed.
func ListAccessTokens(ctx context.Context, h bun.IDB, narrow func(*Select)) ([]*AccessToken, error) {
	var out []*AccessToken
	q := h.NewSelect().Model(&out)
	narrow(q)
	return out, q.Scan(ctx)
}

// PurgeRequestTokens removes those that nobody used in time.
func PurgeRequestTokens(ctx context.Context, tx store.Tx, now time.Time) error {
	_, err := tx.NewDelete().Model((*RequestToken)(nil)).Where("expires_at < ?", now).Exec(ctx)
	return err
}
