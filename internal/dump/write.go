package dump

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/uptrace/bun"

	"gostack/internal/store"
)

// ErrNotEmpty says that the database to be written holds a cloud already.
var ErrNotEmpty = errors.New("the database to be written to is not empty")

// Source gives what Load writes: tables in any order, each with its rows, what it numbers next, and the sum to be found afterwards.
type Source interface {
	Each(ctx context.Context, table func(t *Table, next int64, rows func(fn func(Row) error) (Sum, error)) error) error
}

// Progress is told of each table when it is done.
type Progress func(table string, sum Sum)

// Load writes all of a source into a database whose tables are of the same versions, in one transaction, reads everything back and compares, and only then
// commits. Rows that are there already are an ErrNotEmpty, or with replace make way.
func Load(ctx context.Context, db *store.DB, from Source, replace bool, progress Progress) (map[string]Sum, error) {
	sums := map[string]Sum{}
	err := db.Exclusive(ctx, func(ctx context.Context, tx bun.IDB) error {
		clear(sums)
		l := &loader{tx: tx, kind: db.Kind(), here: map[string]*Table{}}
		if err := l.begin(ctx, replace); err != nil {
			return err
		}
		err := from.Each(ctx, func(t *Table, next int64, rows func(func(Row) error) (Sum, error)) error {
			sum, err := l.table(ctx, t, next, rows)
			if err == nil {
				sums[t.Name] = sum
				progress(t.Name, sum)
			}
			return err
		})
		if err != nil {
			return err
		}
		for name := range l.here {
			if _, ok := sums[name]; !ok {
				return fmt.Errorf("table %s did not come: it was made by another version of gostack", name)
			}
		}
		return l.end(ctx)
	})
	return sums, err
}

type loader struct {
	tx    bun.IDB
	kind  store.Kind
	here  map[string]*Table
	later []string // statements that put the foreign keys back
}

// filledAtBirth are the tables whose first rows come with the tables.
var filledAtBirth = map[string]bool{
	"keystone_generations": true, "glance_metadef_resource_types": true, "neutron_default_security_group_rules": true,
}

// begin looks for rows and sets foreign keys aside: tables come in any order, and rows point to rows of their own table.
func (l *loader) begin(ctx context.Context, replace bool) error {
	tables, err := Tables(ctx, l.tx, l.kind)
	if err != nil {
		return err
	}
	if len(tables) == 0 {
		return errors.New("the database to be written to has no tables")
	}
	if err := l.dropForeignKeys(ctx); err != nil {
		return err
	}
	var full []string
	for i := range tables {
		t := &tables[i]
		l.here[t.Name] = t
		some, err := l.tx.NewSelect().TableExpr("?", bun.Ident(t.Name)).ColumnExpr("1").Exists(ctx)
		if err != nil {
			return err
		}
		if some && !filledAtBirth[t.Name] {
			full = append(full, t.Name)
		}
		if _, err := l.tx.NewRaw("DELETE FROM ?", bun.Ident(t.Name)).Exec(ctx); err != nil {
			return err
		}
	}
	if len(full) > 0 && !replace {
		return fmt.Errorf("%w: there are rows in %s", ErrNotEmpty, strings.Join(full, ", "))
	}
	return nil
}

func (l *loader) dropForeignKeys(ctx context.Context) error {
	if l.kind == store.SQLite {
		_, err := l.tx.ExecContext(ctx, "PRAGMA defer_foreign_keys = ON") // they are checked at the commit
		return err
	}
	var keys []struct{ Tbl, Name, Def string }
	err := l.tx.NewRaw(`SELECT r.relname AS tbl, c.conname AS name, pg_get_constraintdef(c.oid) AS def FROM pg_constraint c
		JOIN pg_class r ON r.oid = c.conrelid JOIN pg_namespace n ON n.oid = r.relnamespace
		WHERE c.contype = 'f' AND n.nspname = current_schema() ORDER BY 1, 2`).Scan(ctx, &keys)
	if err != nil {
		return err
	}
	for _, k := range keys {
		if _, err := l.tx.ExecContext(ctx, "ALTER TABLE "+quoted(k.Tbl)+" DROP CONSTRAINT "+quoted(k.Name)); err != nil {
			return err
		}
		l.later = append(l.later, "ALTER TABLE "+quoted(k.Tbl)+" ADD CONSTRAINT "+quoted(k.Name)+" "+k.Def)
	}
	return nil
}

func (l *loader) end(ctx context.Context) error {
	for _, statement := range l.later {
		if _, err := l.tx.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("rows point to rows that did not come: %w", err)
		}
	}
	return nil
}

// batch is how many rows one statement inserts at most; PostgreSQL and SQLite both take as many values as fit in it.
const batch = 200

func (l *loader) table(ctx context.Context, t *Table, next int64, rows func(func(Row) error) (Sum, error)) (Sum, error) {
	here := l.here[t.Name]
	if here == nil {
		return Sum{}, fmt.Errorf("table %s is not known to this version of gostack", t.Name)
	}
	if err := sameColumns(t, here); err != nil {
		return Sum{}, err
	}
	var waiting []Row
	flush := func() error {
		if len(waiting) == 0 {
			return nil
		}
		err := l.insert(ctx, t, waiting)
		waiting = waiting[:0]
		return err
	}
	want, err := rows(func(r Row) error {
		if waiting = append(waiting, r); len(waiting) == batch {
			return flush()
		}
		return nil
	})
	if err == nil {
		err = flush()
	}
	if err != nil {
		return Sum{}, err
	}
	if err := l.number(ctx, t, next); err != nil {
		return Sum{}, err
	}
	got, err := readRows(ctx, l.tx, t, func(Row) error { return nil })
	if err == nil && got != want {
		err = fmt.Errorf("table %s: %d rows came and %d are there, or they differ; nothing is kept", t.Name, want.Rows, got.Rows)
	}
	return got, err
}

func sameColumns(came, here *Table) error {
	if len(came.Columns) == len(here.Columns) {
		for i := range came.Columns {
			if came.Columns[i].Name != here.Columns[i].Name || came.Columns[i].Type != here.Columns[i].Type {
				return fmt.Errorf("table %s: column %s came where %s is expected; it was made by another version of gostack", came.Name, came.Columns[i].Name, here.Columns[i].Name)
			}
		}
		return nil
	}
	return fmt.Errorf("table %s came with %d columns, but has %d here; it was made by another version of gostack", came.Name, len(came.Columns), len(here.Columns))
}

func (l *loader) insert(ctx context.Context, t *Table, rows []Row) error {
	names := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		names[i] = c.Name
	}
	one := "(" + strings.TrimSuffix(strings.Repeat("?, ", len(names)), ", ") + ")"
	args := make([]any, 0, len(rows)*len(names))
	for _, r := range rows {
		args = append(args, r...)
	}
	// Through bun, so that values are written as the services write them.
	query := "INSERT INTO " + quoted(t.Name) + " (" + quoted(names...) + ") VALUES " + strings.TrimSuffix(strings.Repeat(one+", ", len(rows)), ", ")
	if _, err := l.tx.NewRaw(query, args...).Exec(ctx); err != nil {
		return fmt.Errorf("%s: %w", t.Name, err)
	}
	return nil
}

// number has the table number on where the source stopped, so that no number is given twice.
func (l *loader) number(ctx context.Context, t *Table, next int64) error {
	column := t.auto()
	if column == "" || next == 0 {
		return nil
	}
	var err error
	if l.kind == store.PostgreSQL {
		_, err = l.tx.NewRaw("SELECT setval(pg_get_serial_sequence(?, ?), ?, false)", t.Name, column, next).Exec(ctx)
	} else {
		if _, err = l.tx.NewRaw("DELETE FROM sqlite_sequence WHERE name = ?", t.Name).Exec(ctx); err == nil {
			_, err = l.tx.NewRaw("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", t.Name, next-1).Exec(ctx)
		}
	}
	if err != nil {
		return fmt.Errorf("numbers of %s: %w", t.Name, err)
	}
	return nil
}
