package db

import (
	"context"

	"github.com/uptrace/bun"

	"gostack/internal/store"
)

// Kinds of rows in nova_quotas.
const (
	QuotaOfProject = "project"
	QuotaOfUser    = "user"
	QuotaOfClass   = "class"
)

// Quota is a row of nova_quotas: a limit that is not the default.
type Quota struct {
	bun.BaseModel `bun:"nova_quotas,alias:q"`

	Kind      string `bun:"kind,pk"`
	ScopeID   string `bun:"scope_id,pk"` // project, or name of the class
	UserID    string `bun:"user_id,pk"`
	Resource  string `bun:"resource,pk"`
	HardLimit int64  `bun:"hard_limit"`
}

// ListQuotas returns what is set for a project, for a user in it, and for the default class, in one statement.
func ListQuotas(ctx context.Context, h bun.IDB, project, user, class string) ([]*Quota, error) {
	return list[Quota](ctx, h, func(q *bun.SelectQuery) {
		q.Where("(q.kind = 'project' AND q.scope_id = ?) OR (q.kind = 'user' AND q.scope_id = ? AND q.user_id = ?) OR (q.kind = 'class' AND q.scope_id = ?)",
			project, project, user, class)
	})
}

// SetQuota stores a limit.
func SetQuota(ctx context.Context, tx store.Tx, q *Quota) error {
	_, err := tx.NewInsert().Model(q).On("CONFLICT (kind, scope_id, user_id, resource) DO UPDATE").
		Set("hard_limit = EXCLUDED.hard_limit").Exec(ctx)
	return err
}

// DeleteQuotas gives a project, or with user set only that user in it, the defaults again.
func DeleteQuotas(ctx context.Context, tx store.Tx, project, user string) error {
	q := tx.NewDelete().Model((*Quota)(nil)).Where("scope_id = ?", project)
	if user != "" {
		q.Where("kind = 'user'").Where("user_id = ?", user)
	} else {
		q.Where("kind IN ('project', 'user')")
	}
	_, err := q.Exec(ctx)
	return err
}
