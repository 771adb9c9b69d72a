package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"strings"

	"github.com/uptrace/bun"
	sqlitelib "modernc.org/sqlite/lib"
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

// Exists is an error when a URL names a SQLite file that is not there: opening it would make an empty one.
func Exists(rawURL string) error {
	path, ok := strings.CutPrefix(rawURL, "sqlite:")
	if !ok {
		return nil
	}
	if _, err := os.Stat(path); err != nil {
		return fmt.Errorf("database: %w", err)
	}
	return nil
}

// Unused is an error when another process has the SQLite file open.
func Unused(ctx context.Context, path string) error {
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	// A connection in exclusive mode needs the file for itself, and each connection of another process has a lock on it.
	h, err := sql.Open("sqlite", "file:"+(&url.URL{Path: path}).EscapedPath()+"?_pragma=busy_timeout(500)&_pragma=locking_mode(EXCLUSIVE)")
	if err != nil {
		return err
	}
	defer func() { _ = h.Close() }()
	h.SetMaxOpenConns(1)
	_, err = h.ExecContext(ctx, "BEGIN IMMEDIATE")
	if err == nil {
		_, err = h.ExecContext(ctx, "ROLLBACK")
	}
	if code := sqliteCode(err) & 0xff; code == sqlitelib.SQLITE_BUSY || code == sqlitelib.SQLITE_LOCKED {
		return fmt.Errorf("another process has %s open", path)
	}
	return err
}
