// Package db holds Neutron's tables: row types and the statements on them.
//
// It owns the SQL and no rule: what may be stored or seen is decided by package neutron. Every function takes the handle to use,
// either store.DB.Read's or a transaction. A missing row is sql.ErrNoRows, for which store.IsNotFound asks. Queries on one
// table call it t. Text that is not there is stored as the empty string, so that everything sorts.
package db

import (
	"context"
	"database/sql"
	"embed"
	"strings"
	"time"

	"github.com/uptrace/bun"

	"gostack/internal/store"
)

//go:embed migrations/*.sql
var files embed.FS

// Migrations are the schema changes of Neutron.
var Migrations = store.Migrations{Service: "neutron", FS: files}

// Standard is what all resources have: upstream's standard attributes.
type Standard struct {
	ID          string    `bun:"id,pk"`
	ProjectID   string    `bun:"project_id"`
	Description string    `bun:"description"`
	TagText     string    `bun:"tags"` // ",a,b,": see Tags
	Revision    int64     `bun:"revision_number"`
	CreatedAt   time.Time `bun:"created_at"`
	UpdatedAt   time.Time `bun:"updated_at"`
}

// Base returns the standard attributes of a row.
func (s *Standard) Base() *Standard { return s }

// Row is a pointer to a row with standard attributes.
type Row interface{ Base() *Standard }

// Tags lists the tags in their order. A tag has no comma, which is why a comma separates them in the column.
func (s *Standard) Tags() []string {
	text := strings.Trim(s.TagText, ",")
	if text == "" {
		return []string{}
	}
	return strings.Split(text, ",")
}

// SetTags replaces the tags.
func (s *Standard) SetTags(tags []string) {
	s.TagText = ""
	if len(tags) > 0 {
		s.TagText = "," + strings.Join(tags, ",") + ","
	}
}

// Insert stores a row or a slice of rows of any table. A taken key fails with an error for which store.IsUnique is true.
func Insert(ctx context.Context, tx store.Tx, row any) error {
	_, err := tx.NewInsert().Model(row).Exec(ctx)
	return err
}

// Update stores all columns of a row again, found by its primary key.
func Update(ctx context.Context, tx store.Tx, row any) error {
	return one(tx.NewUpdate().Model(row).WherePK().Exec(ctx))
}

// Delete removes a row by its primary key.
func Delete(ctx context.Context, tx store.Tx, row any) error {
	return one(tx.NewDelete().Model(row).WherePK().Exec(ctx))
}

// Get returns the row of type T with an id.
func Get[T any](ctx context.Context, h bun.IDB, id string) (*T, error) {
	row := new(T)
	if err := h.NewSelect().Model(row).Where("t.id = ?", id).Scan(ctx); err != nil {
		return nil, err
	}
	return row, nil
}

// Find returns all rows of type T that narrow lets through.
func Find[T any](ctx context.Context, h bun.IDB, narrow func(*bun.SelectQuery)) ([]*T, error) {
	var rows []*T
	q := h.NewSelect().Model(&rows)
	narrow(q)
	return rows, q.Scan(ctx)
}

// one turns a statement that hit no row into sql.ErrNoRows.
func one(r sql.Result, err error) error {
	if err != nil {
		return err
	}
	n, err := r.RowsAffected()
	if err == nil && n == 0 {
		err = sql.ErrNoRows
	}
	return err
}
