// Package store is the one way to the database: SQLite or PostgreSQL behind one handle.
//
// It owns connections, transactions, migrations and the counting of statements. It knows no table of any service.
//
// Reads go through Read and see the last commit. Writes go through Write: a short function without I/O of its own.
// On SQLite there is one writer; the writes that wait together share one commit, each in its own savepoint, so one fsync
// serves many and a failing write rolls back alone. On PostgreSQL a write is a SERIALIZABLE transaction and may be run again
// after a serialization failure. In both a write sees and leaves the database as if it were alone.
package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/pgdialect"
	"github.com/uptrace/bun/dialect/sqlitedialect"
	"github.com/uptrace/bun/schema"
	_ "modernc.org/sqlite" // driver "sqlite"
)

// Tx is what a write works with. It must not be kept after the write function has returned.
type Tx = bun.IDB

// Kind names the database engine.
type Kind string

// The engines.
const (
	SQLite     Kind = "sqlite"
	PostgreSQL Kind = "postgres"
)

// DB is a database handle, safe for concurrent use.
type DB struct {
	kind    Kind
	readers *bun.DB
	writers *bun.DB // the same pool as readers on PostgreSQL
	group   *groupWriter
	pg      *pgWriter
	herald  *herald // PostgreSQL only

	attached sync.Map
}

// Open opens a database by URL, "sqlite:/path/to/file" or "postgres://…". It creates a missing SQLite file,
// and does not migrate: see Migrate.
func Open(ctx context.Context, rawURL string) (*DB, error) {
	switch {
	case strings.HasPrefix(rawURL, "sqlite:"):
		return openSQLite(ctx, strings.TrimPrefix(rawURL, "sqlite:"))
	case strings.HasPrefix(rawURL, "postgres://"), strings.HasPrefix(rawURL, "postgresql://"):
		return openPostgres(ctx, rawURL)
	}
	scheme, _, _ := strings.Cut(rawURL, ":")
	return nil, fmt.Errorf("database: unknown kind %q; write sqlite:/path/to/file or postgres://user@host/name", scheme)
}

func sqliteDSN(path string, pragmas ...string) string {
	q := url.Values{}
	for _, p := range append([]string{"busy_timeout(10000)", "foreign_keys(ON)"}, pragmas...) {
		q.Add("_pragma", p)
	}
	q.Set("_txlock", "immediate")
	return "file:" + (&url.URL{Path: path}).EscapedPath() + "?" + q.Encode()
}

func openSQLite(ctx context.Context, path string) (*DB, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	// The file holds password hashes: nobody else reads it. SQLite gives its side files the same mode.
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("database: %w", err)
	}
	_ = f.Close()
	w, err := sql.Open("sqlite", sqliteDSN(path, "journal_mode(WAL)", "synchronous(FULL)", "cache_size(-8000)"))
	if err != nil {
		return nil, err
	}
	w.SetMaxOpenConns(1)
	if err := w.PingContext(ctx); err != nil {
		_ = w.Close()
		return nil, fmt.Errorf("database %s: %w", path, err)
	}
	r, err := sql.Open("sqlite", sqliteDSN(path, "query_only(ON)", "cache_size(-4000)"))
	if err != nil {
		_ = w.Close()
		return nil, err
	}
	r.SetMaxOpenConns(max(4, runtime.NumCPU()*2))
	r.SetMaxIdleConns(4)
	db := &DB{
		kind:    SQLite,
		readers: newBun(r, sqlitedialect.New()),
		writers: newBun(w, sqlitedialect.New()),
	}
	db.readers = db.readers.WithQueryHook(countHook{})
	db.writers = db.writers.WithQueryHook(countHook{})
	db.group = newGroupWriter(db.writers)
	return db, nil
}

func openPostgres(ctx context.Context, rawURL string) (*DB, error) {
	cfg, err := parsePostgres(rawURL)
	if err != nil {
		return nil, err
	}
	pool, err := openPool(ctx, cfg)
	if err != nil {
		return nil, err
	}
	h := newBun(pool, pgdialect.New()).WithQueryHook(countHook{})
	db := &DB{kind: PostgreSQL, readers: h, writers: h, pg: newPGWriter(h), herald: newHerald(cfg)}
	// Before the first lease is taken: one by a clock that is ahead would hold up the other replicas for as long as it is.
	if err := db.herald.compareClocks(ctx, func(ctx context.Context, there *time.Time) error {
		return pool.QueryRowContext(ctx, askTime).Scan(there)
	}); err != nil {
		_ = db.Close()
		return nil, err
	}
	return db, nil
}

// newBun ignores columns that the program does not know: a newer release may have added them, while this one still runs beside it.
func newBun(db *sql.DB, dialect schema.Dialect) *bun.DB {
	return bun.NewDB(db, dialect, bun.WithDiscardUnknownColumns())
}

// Kind tells which engine it is.
func (db *DB) Kind() Kind { return db.kind }

// Read returns a handle for reading. Inside a Write it returns the transaction, so that rules which read work in both places.
func (db *DB) Read(ctx context.Context) bun.IDB {
	if w := writeFrom(ctx); w != nil && w.db == db {
		return w.tx
	}
	return db.readers
}

// Write runs fn in one transaction and commits it, durably, before it returns. An error of fn rolls back and is returned.
// fn gets a context that carries the transaction and is not cancelled in the middle. fn must be short, do no I/O but
// SQL on tx, and may be run more than once. A Write inside a Write of the same database joins it: one transaction, all or nothing.
func (db *DB) Write(ctx context.Context, fn func(ctx context.Context, tx Tx) error) error {
	if w := writeFrom(ctx); w != nil && w.db == db {
		return fn(ctx, w.tx)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	var after []func()
	var err error
	if db.group != nil {
		after, err = db.group.write(ctx, db, fn)
	} else {
		after, err = db.pg.write(ctx, db, fn)
	}
	if err != nil {
		return err
	}
	for _, f := range after {
		f()
	}
	return nil
}

// Close waits for writes under way and closes all connections.
func (db *DB) Close() error {
	if db.group != nil {
		db.group.close()
		return errors.Join(db.readers.Close(), db.writers.Close())
	}
	db.herald.close()
	return db.readers.Close()
}

type writeKey struct{}

// writing is the transaction that a context carries.
type writing struct {
	db    *DB
	tx    Tx
	after []func()

	before []func(context.Context, Tx) error
	values map[any]any
}

func writeFrom(ctx context.Context) *writing {
	w, _ := ctx.Value(writeKey{}).(*writing)
	return w
}

// AfterCommit runs fn once the transaction of ctx has been committed, in the goroutine that called Write; never when it rolls back.
// Outside a transaction it runs fn at once.
func AfterCommit(ctx context.Context, fn func()) {
	if w := writeFrom(ctx); w != nil {
		w.after = append(w.after, fn)
		return
	}
	fn()
}

// InWrite tells whether ctx carries a transaction.
func InWrite(ctx context.Context) bool { return writeFrom(ctx) != nil }

func enter(ctx context.Context, db *DB, tx Tx, fn func(context.Context, Tx) error) (w *writing, err error) {
	w = &writing{db: db, tx: tx}
	ctx = context.WithValue(context.WithoutCancel(ctx), writeKey{}, w)
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic in a database write: %v\n%s", p, stack())
		}
	}()
	if err := fn(ctx, tx); err != nil {
		return w, err
	}
	return w, w.finish(ctx)
}

func stack() []byte {
	b := make([]byte, 16<<10)
	return b[:runtime.Stack(b, false)]
}
