package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/uptrace/bun"
	"modernc.org/sqlite"
	sqlitelib "modernc.org/sqlite/lib"
)

// pgWriter runs writes as SERIALIZABLE transactions. A write that failed often because of others runs alone in this process.
type pgWriter struct {
	h     *bun.DB
	slots chan struct{}
	alone sync.RWMutex
}

const (
	pgWriters     = 8
	pgAloneAfter  = 4
	pgMaxAttempts = 40
)

func newPGWriter(h *bun.DB) *pgWriter { return &pgWriter{h: h, slots: make(chan struct{}, pgWriters)} }

func (p *pgWriter) write(ctx context.Context, db *DB, fn func(context.Context, Tx) error) ([]func(), error) {
	select {
	case p.slots <- struct{}{}:
		defer func() { <-p.slots }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	for attempt := 1; ; attempt++ {
		after, err := p.try(ctx, db, fn, attempt > pgAloneAfter)
		if err == nil || !transient(err) {
			return after, err
		}
		if attempt == pgMaxAttempts {
			return nil, fmt.Errorf("the database refused this write %d times: %w", attempt, err)
		}
		pause := time.Duration(rand.Int64N(int64(time.Millisecond) << min(attempt, 7)))
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (p *pgWriter) try(ctx context.Context, db *DB, fn func(context.Context, Tx) error, alone bool) ([]func(), error) {
	if alone {
		p.alone.Lock()
		defer p.alone.Unlock()
	} else {
		p.alone.RLock()
		defer p.alone.RUnlock()
	}
	var after []func()
	err := p.h.RunInTx(context.WithoutCancel(ctx), &sql.TxOptions{Isolation: sql.LevelSerializable},
		func(txCtx context.Context, tx bun.Tx) error {
			w, err := enter(ctx, db, tx, fn)
			after = w.after
			return err
		})
	return after, err
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
