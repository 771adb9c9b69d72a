package db

import (
	"context"
	"time"

	"github.com/uptrace/bun"

	"gostack/internal/store"
)

// User is a row of keystone_users.
type User struct {
	bun.BaseModel `bun:"keystone_users,alias:u"`

	ID                string         `bun:"id,pk"`
	DomainID          string         `bun:"domain_id"`
	Name              string         `bun:"name"`
	Enabled           bool           `bun:"enabled"`
	DefaultProjectID  string         `bun:"default_project_id"`
	PasswordHash      string         `bun:"password_hash"` // empty: cannot log in with a password
	PasswordCreatedAt *time.Time     `bun:"password_created_at"`
	PasswordExpiresAt *time.Time     `bun:"password_expires_at"`
	CreatedAt         time.Time      `bun:"created_at"`
	FailedCount       int64          `bun:"failed_count"`   // wrong passwords in a row
	FailedAt          *time.Time     `bun:"failed_at"`      // the last of them
	LastActiveAt      *time.Time     `bun:"last_active_at"` // day of the last login, where somebody asks for it
	MustChange        bool           `bun:"must_change"`    // the password is good only for setting another
	Options           map[string]any `bun:"options"`
	Extra             map[string]any `bun:"extra"`
}

// UserInDomain is a user with what a token says of the user's domain.
type UserInDomain struct {
	User          `bun:",extend"`
	DomainName    string `bun:"domain_name"`
	DomainEnabled bool   `bun:"domain_enabled"`
}

// GetUser returns a user.
func GetUser(ctx context.Context, h bun.IDB, id string) (*User, error) {
	return get(ctx, h, &User{ID: id})
}

// UserByName returns the user of that name in a domain.
func UserByName(ctx context.Context, h bun.IDB, domainID, name string) (*User, error) {
	u := new(User)
	err := h.NewSelect().Model(u).Where("u.domain_id = ?", domainID).Where("u.name = ?", name).Scan(ctx)
	return u, err
}

// UserKey says which user is meant: by id, or by name and either id or name of the domain.
type UserKey struct {
	ID, Name, DomainID, DomainName string
}

// FindUser returns the user that key means.
func FindUser(ctx context.Context, h bun.IDB, key UserKey) (*UserInDomain, error) {
	u := new(UserInDomain)
	q := h.NewSelect().Model(u).
		ColumnExpr("u.*, d.name AS domain_name, d.enabled AS domain_enabled").
		Join("JOIN keystone_projects AS d ON d.id = u.domain_id")
	switch {
	case key.ID != "":
		q.Where("u.id = ?", key.ID)
	case key.DomainID != "":
		q.Where("u.name = ?", key.Name).Where("u.domain_id = ?", key.DomainID)
	default:
		q.Where("u.name = ?", key.Name).Where("d.name = ?", key.DomainName).Where("d.is_domain")
	}
	return u, q.Scan(ctx)
}

// ListUsers runs a list query that narrow has narrowed.
func ListUsers(ctx context.Context, h bun.IDB, narrow func(*Select)) ([]*User, error) {
	var out []*User
	q := h.NewSelect().Model(&out)
	narrow(q)
	return out, q.Scan(ctx)
}

// ForgetDefaultProject clears a project that goes away from the users who had it as their default.
func ForgetDefaultProject(ctx context.Context, tx store.Tx, projectID string) error {
	_, err := tx.NewUpdate().Model((*User)(nil)).Set("default_project_id = ''").Where("default_project_id = ?", projectID).Exec(ctx)
	return err
}
