// Package db holds Nova's tables: row types and the statements on them.
//
// It owns the SQL and no rule: what may be stored or seen is decided by package nova. Every function takes the handle to
// use, either store.DB.Read's or a transaction. A missing row is sql.ErrNoRows, for which store.IsNotFound asks.
package db

import (
	"context"
	"database/sql"
	"embed"

	"github.com/uptrace/bun"

	"gostack/internal/store"
)

//go:embed migrations/*.sql
var files embed.FS

// Migrations are the schema changes of Nova.
var Migrations = store.Migrations{Service: "nova", FS: files}

// Insert stores a new row of any table. A taken name or id fails with an error for which store.IsUnique is true.
func Insert(ctx context.Context, tx store.Tx, row any) error {
	if err := joining(ctx, tx, row); err != nil {
		return err
	}
	if _, err := tx.NewInsert().Model(row).Exec(ctx); err != nil {
		return err
	}
	return made(ctx, tx, row)
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

// list runs a query that narrow has narrowed.
func list[T any](ctx context.Context, h bun.IDB, narrow func(*bun.SelectQuery)) ([]*T, error) {
	var out []*T
	q := h.NewSelect().Model(&out)
	if narrow != nil {
		narrow(q)
	}
	return out, q.Scan(ctx)
}
