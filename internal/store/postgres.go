package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/uptrace/bun"
	"modernc.org/sqlite"
	sqlitelib "modernc.org/sqlite/lib"
)

// pgWriter runs writes as SERIALIZABLE transactions. A write that failed often because of others runs alone in this process.
type pgWriter struct {
	h         *bun.DB
	slots     chan struct{}
	alone     sync.RWMutex
	conflicts atomic.Int64
}

const (
	pgWriters     = 8
	pgAloneAfter  = 4
	pgMaxAttempts = 40
	// pgPatience is how long a write goes on trying while the database is away.
	pgPatience = 10 * time.Second
)

func newPGWriter(h *bun.DB) *pgWriter { return &pgWriter{h: h, slots: make(chan struct{}, pgWriters)} }

// Conflicts is how often writes were run again because PostgreSQL could not put them and those of others in any order. 0 on SQLite.
func (db *DB) Conflicts() int64 {
	if db.pg == nil {
		return 0
	}
	return db.pg.conflicts.Load()
}

func (p *pgWriter) write(ctx context.Context, db *DB, fn func(context.Context, Tx) error) ([]func(), error) {
	select {
	case p.slots <- struct{}{}:
		defer func() { <-p.slots }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	conflicts, away := 0, time.Time{}
	for attempt := 1; ; attempt++ {
		forget := mark(ctx)
		after, err := p.try(ctx, db, fn, conflicts >= pgAloneAfter)
		switch {
		case err == nil:
			return after, nil
		case errors.Is(err, ErrUnknownOutcome):
			return nil, err
		case transient(err):
			p.conflicts.Add(1)
			forget()
			if conflicts++; conflicts == pgMaxAttempts {
				return nil, fmt.Errorf("the database refused this write %d times: %w", conflicts, err)
			}
		case disconnected(err) && !refused(err):
			if away.IsZero() {
				away = time.Now()
			}
			if time.Since(away) > pgPatience {
				return nil, fmt.Errorf("the database is away: %w", err)
			}
		default:
			return nil, err
		}
		pause := time.Duration(rand.Int64N(int64(time.Millisecond) << min(attempt, 7)))
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// try runs fn in one transaction. Only when the connection is lost in the very commit nobody knows how it ended.
func (p *pgWriter) try(ctx context.Context, db *DB, fn func(context.Context, Tx) error, alone bool) ([]func(), error) {
	if alone {
		p.alone.Lock()
		defer p.alone.Unlock()
	} else {
		p.alone.RLock()
		defer p.alone.RUnlock()
	}
	tx, err := p.h.BeginTx(context.WithoutCancel(ctx), &sql.TxOptions{Isolation: sql.LevelSerializable})
	if err != nil {
		return nil, err
	}
	w, err := enter(ctx, db, tx, fn)
	if err != nil {
		_ = tx.Rollback() // fails when the connection has
		return nil, err
	}
	if err := tx.Commit(); err != nil {
		if disconnected(err) {
			err = fmt.Errorf("%w: %w", ErrUnknownOutcome, err)
		}
		return nil, err
	}
	return w.after, nil
}

func transient(err error) bool {
	switch pgCode(err) {
	case "40001", "40P01": // serialization_failure, deadlock_detected
		return true
	}
	return false
}

func pgCode(err error) string {
	var e *pgconn.PgError
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

func sqliteCode(err error) int {
	var e *sqlite.Error
	if errors.As(err, &e) {
		return e.Code()
	}
	return 0
}

// IsUnique tells whether err is a violated unique or primary key.
func IsUnique(err error) bool {
	switch sqliteCode(err) {
	case sqlitelib.SQLITE_CONSTRAINT_UNIQUE, sqlitelib.SQLITE_CONSTRAINT_PRIMARYKEY:
		return true
	}
	return pgCode(err) == "23505"
}

// IsForeignKey tells whether err is a violated foreign key: a row that others still point to, or one that points nowhere.
func IsForeignKey(err error) bool {
	return sqliteCode(err) == sqlitelib.SQLITE_CONSTRAINT_FOREIGNKEY || pgCode(err) == "23503"
}

// IsNotFound tells whether err says that no row was found.
func IsNotFound(err error) bool { return errors.Is(err, sql.ErrNoRows) }
