package store

import (
	"context"
	"database/sql"

	"github.com/uptrace/bun"
)

// Snapshot begins a read-only transaction that sees the database as it is now, whatever is written later. It is ended by Rollback.
func (db *DB) Snapshot(ctx context.Context) (bun.Tx, error) {
	opts := &sql.TxOptions{ReadOnly: true}
	if db.kind == PostgreSQL {
		opts.Isolation = sql.LevelRepeatableRead
	}
	tx, err := db.readers.BeginTx(ctx, opts)
	if err != nil {
		return tx, err
	}
	// The first read is what fixes the moment.
	var one int
	query := "SELECT 1"
	if db.kind == SQLite {
		query = "SELECT count(*) FROM sqlite_master"
	}
	if err := tx.QueryRowContext(ctx, query).Scan(&one); err != nil {
		_ = tx.Rollback()
		return tx, err
	}
	return tx, nil
}

// Exclusive runs fn in one long transaction that may alter tables, for programs that have the database to themselves. Unlike Write's, fn runs once,
// may take as long as it needs and ends when ctx does.
func (db *DB) Exclusive(ctx context.Context, fn func(ctx context.Context, tx bun.IDB) error) error {
	return db.writers.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error { return fn(ctx, tx) })
}
