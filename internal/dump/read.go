package dump

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

	"github.com/uptrace/bun"

	"gostack/internal/store"
)

// Snapshot is all of a database as it was at one moment, whatever is written meanwhile.
type Snapshot struct {
	tx     bun.Tx
	kind   store.Kind
	Tables []Table
}

// Open begins a snapshot. Close ends it.
func Open(ctx context.Context, db *store.DB) (*Snapshot, error) {
	tx, err := db.Snapshot(ctx)
	if err != nil {
		return nil, err
	}
	s := &Snapshot{tx: tx, kind: db.Kind()}
	if s.Tables, err = Tables(ctx, tx, s.kind); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// Close ends the snapshot.
func (s *Snapshot) Close() { _ = s.tx.Rollback() }

// Rows calls fn with each row of a table and returns their sum.
func (s *Snapshot) Rows(ctx context.Context, t *Table, fn func(Row) error) (Sum, error) {
	return readRows(ctx, s.tx.Tx, t, fn)
}

// Next is the number that a table's own numbering gives next, and 0 when there is none.
func (s *Snapshot) Next(ctx context.Context, t *Table) (int64, error) {
	return nextNumber(ctx, s.tx, s.kind, t)
}

type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

func quoted(names ...string) string {
	for i, n := range names {
		names[i] = `"` + n + `"`
	}
	return strings.Join(names, ", ")
}

func readRows(ctx context.Context, q querier, t *Table, fn func(Row) error) (Sum, error) {
	names := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		names[i] = c.Name
	}
	rows, err := q.QueryContext(ctx, "SELECT "+quoted(names...)+" FROM "+quoted(t.Name))
	if err != nil {
		return Sum{}, fmt.Errorf("%s: %w", t.Name, err)
	}
	defer func() { _ = rows.Close() }()
	raw, pointers := make([]any, len(names)), make([]any, len(names))
	for i := range raw {
		pointers[i] = &raw[i]
	}
	var sum summer
	for rows.Next() {
		if err := rows.Scan(pointers...); err != nil {
			return Sum{}, fmt.Errorf("%s: %w", t.Name, err)
		}
		row := make(Row, len(raw))
		for i, c := range t.Columns {
			if row[i], err = normal(c, raw[i]); err != nil {
				return Sum{}, fmt.Errorf("%s: %w", t.Name, err)
			}
		}
		sum.add(row)
		if err := fn(row); err != nil {
			return Sum{}, err
		}
	}
	return sum.result(), rows.Err()
}

func nextNumber(ctx context.Context, db bun.IDB, kind store.Kind, t *Table) (int64, error) {
	column := t.auto()
	if column == "" {
		return 0, nil
	}
	var n sql.NullInt64
	var err error
	if kind == store.PostgreSQL {
		var sequence string
		if err := db.NewRaw("SELECT pg_get_serial_sequence(?, ?)", t.Name, column).Scan(ctx, &sequence); err != nil {
			return 0, fmt.Errorf("%s: %w", t.Name, err)
		}
		err = db.NewRaw("SELECT CASE WHEN is_called THEN last_value + 1 ELSE last_value END FROM "+sequence).Scan(ctx, &n)
	} else {
		err = db.NewRaw("SELECT COALESCE((SELECT seq FROM sqlite_sequence WHERE name = ?), 0) + 1", t.Name).Scan(ctx, &n)
	}
	if err != nil {
		return 0, fmt.Errorf("numbers of %s: %w", t.Name, err)
	}
	return max(1, n.Int64), nil
}
