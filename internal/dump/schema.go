// Package dump moves the rows of a whole cloud: from one database to another, into an archive, and back.
//
// It knows no table by name: what there is it reads from the database, so that no table is forgotten. All tables are read in one snapshot, and written in one
// transaction that ends with reading everything back: a copy is whole and equal, or there is none, and an interrupted one is just run again.
// Rows travel as plain values that SQLite and PostgreSQL both have.
package dump

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/uptrace/bun"

	"gostack/internal/store"
)

// Type is what a column holds.
type Type string

// The types that migrations may use.
const (
	Text      Type = "text"
	Integer   Type = "integer"
	Boolean   Type = "boolean"
	Timestamp Type = "timestamp"
	Double    Type = "double"
)

// Column is a column of a table.
type Column struct {
	Name string `json:"name"`
	Type Type   `json:"type"`
	// Auto numbers itself.
	Auto bool `json:"auto,omitempty"`
}

// Table is a table with its columns by name.
type Table struct {
	Name    string   `json:"name"`
	Columns []Column `json:"columns"`
}

// auto is the column that numbers itself, or "".
func (t *Table) auto() string {
	for _, c := range t.Columns {
		if c.Auto {
			return c.Name
		}
	}
	return ""
}

// transient are tables about processes, not about the cloud: the next process writes them anew.
var transient = []string{"replica_members", "replica_leases"}

// Tables lists the tables of a cloud: all but those of schema versions, which belong to the binary, and of living processes.
func Tables(ctx context.Context, db bun.IDB, kind store.Kind) ([]Table, error) {
	var names []string
	query := "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name"
	if kind == store.PostgreSQL {
		query = "SELECT table_name FROM information_schema.tables WHERE table_schema = current_schema() AND table_type = 'BASE TABLE' ORDER BY table_name"
	}
	if err := db.NewRaw(query).Scan(ctx, &names); err != nil {
		return nil, fmt.Errorf("tables: %w", err)
	}
	slices.Sort(names)
	var tables []Table
	for _, name := range names {
		if strings.HasPrefix(name, "schema_") || slices.Contains(transient, name) {
			continue
		}
		t := Table{Name: name}
		var err error
		if t.Columns, err = columns(ctx, db, kind, name); err != nil {
			return nil, err
		}
		tables = append(tables, t)
	}
	return tables, nil
}

func columns(ctx context.Context, db bun.IDB, kind store.Kind, table string) ([]Column, error) {
	var rows []struct {
		Name string
		Type string
		Auto bool
	}
	query := "SELECT name, lower(type) AS type, EXISTS (SELECT 1 FROM sqlite_master m WHERE m.name = ? AND m.sql LIKE '%AUTOINCREMENT%') AND pk = 1 AS auto FROM pragma_table_info(?) ORDER BY name"
	args := []any{table, table}
	if kind == store.PostgreSQL {
		query = "SELECT column_name AS name, data_type AS type, is_identity = 'YES' AS auto FROM information_schema.columns WHERE table_schema = current_schema() AND table_name = ? ORDER BY column_name"
		args = args[:1]
	}
	if err := db.NewRaw(query, args...).Scan(ctx, &rows); err != nil {
		return nil, fmt.Errorf("columns of %s: %w", table, err)
	}
	out := make([]Column, len(rows))
	for i, r := range rows {
		out[i] = Column{Name: r.Name, Auto: r.Auto}
		switch {
		case r.Type == "text":
			out[i].Type = Text
		case r.Type == "bigint", r.Type == "integer":
			out[i].Type = Integer
		case r.Type == "boolean":
			out[i].Type = Boolean
		case strings.HasPrefix(r.Type, "timestamp"):
			out[i].Type = Timestamp
		case r.Type == "double precision":
			out[i].Type = Double
		default:
			return nil, fmt.Errorf("column %s of %s has the type %q, which does not travel between databases", r.Name, table, r.Type)
		}
	}
	slices.SortFunc(out, func(a, b Column) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

// Versions are the versions of all services' tables.
func Versions(ctx context.Context, db bun.IDB, kind store.Kind) (map[string]int64, error) {
	var names []string
	query := "SELECT name FROM sqlite_master WHERE type = 'table' AND name LIKE 'schema\\_%' ESCAPE '\\'"
	if kind == store.PostgreSQL {
		query = "SELECT table_name FROM information_schema.tables WHERE table_schema = current_schema() AND table_name LIKE 'schema\\_%'"
	}
	if err := db.NewRaw(query).Scan(ctx, &names); err != nil {
		return nil, err
	}
	out := map[string]int64{}
	for _, n := range names {
		var v int64
		if err := db.NewRaw("SELECT COALESCE(MAX(version_id), 0) FROM ?", bun.Ident(n)).Scan(ctx, &v); err != nil {
			return nil, err
		}
		out[strings.TrimPrefix(n, "schema_")] = v
	}
	return out, nil
}
