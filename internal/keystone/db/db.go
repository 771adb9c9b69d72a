// Package db holds Keystone's tables: row types and the statements on them.
//
// It owns the SQL and no rule: what may be stored or seen is decided by package keystone. Every function takes the handle to use,
// either store.DB.Read's or a transaction. A missing row is sql.ErrNoRows, for which store.IsNotFound asks.
package db

import (
	"context"
	"database/sql"
	"embed"

	"github.com/uptrace/bun"

	"gostack/internal/store"
)

// Select is a query for rows, which a caller may narrow.
type Select = bun.SelectQuery

//go:embed migrations/*.sql
var files embed.FS

// Migrations are the schema changes of Keystone.
var Migrations = store.Migrations{Service: "keystone", FS: files}

// Insert stores a new row of any table. A taken name or id fails with an error for which store.IsUnique is true.
func Insert(ctx context.Context, tx store.Tx, row any) error {
	_, err := tx.NewInsert().Model(row).Exec(ctx)
	return changed(ctx, "created", row, err)
}

// Update stores all columns of a row again, found by its primary key.
func Update(ctx context.Context, tx store.Tx, row any) error {
	return changed(ctx, "updated", row, one(tx.NewUpdate().Model(row).WherePK().Exec(ctx)))
}

// Delete removes a row by its primary key.
func Delete(ctx context.Context, tx store.Tx, row any) error {
	return changed(ctx, "deleted", row, one(tx.NewDelete().Model(row).WherePK().Exec(ctx)))
}

// get fills row, whose primary key is set.
func get[T any](ctx context.Context, h bun.IDB, row *T) (*T, error) {
	if err := h.NewSelect().Model(row).WherePK().Scan(ctx); err != nil {
		return nil, err
	}
	return row, nil
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
