package keystone

import (
	"strings"

	"github.com/uptrace/bun"

	"gostack/internal/rest"
)

// Filter narrows a list. Column comes from a table in the code, never from a client.
type Filter struct {
	Column string
	// Op is equals; contains, startswith or endswith, or these with i for "whatever case"; lt, lte, gt, gte, eq, neq; or for a list of tags
	// tags, tags-any, not-tags, not-tags-any.
	Op    string
	Value any
}

// ListOptions say which part of a list is wanted.
type ListOptions struct {
	Filters []Filter
	Limit   int    // 0: all
	Marker  string // the id after which to go on
}

// Equals adds a filter.
func (o ListOptions) Equals(column string, value any) ListOptions {
	o.Filters = append(append([]Filter{}, o.Filters...), Filter{Column: column, Op: "equals", Value: value})
	return o
}

// on returns what a query needs to obey the options; ids is the id's column.
func (o ListOptions) on(ids string) func(*bun.SelectQuery) {
	return func(q *bun.SelectQuery) {
		for _, f := range o.Filters {
			f.apply(q)
		}
		q.OrderBy(ids, bun.OrderAsc)
		if o.Marker != "" {
			q.Where("? > ?", bun.Ident(ids), o.Marker)
		}
		if o.Limit > 0 {
			q.Limit(int64(o.Limit))
		}
	}
}

func (f Filter) apply(q *bun.SelectQuery) {
	if f.Op == "equals" {
		q.Where("? = ?", bun.Ident(f.Column), f.Value)
		return
	}
	if symbol, ok := map[string]string{"eq": "=", "neq": "<>", "lt": "<", "lte": "<=", "gt": ">", "gte": ">="}[f.Op]; ok {
		q.Where("? ? ?", bun.Ident(f.Column), bun.Safe(symbol), f.Value)
		return
	}
	if tags, ok := f.Value.([]string); ok {
		f.tags(q, tags)
		return
	}
	text, _ := f.Value.(string)
	kind, fold := strings.CutPrefix(f.Op, "i")
	if fold {
		text = strings.ToLower(text)
	}
	// SQLite's LIKE ignores case and PostgreSQL's does not; replace() and substr() are the same in both.
	of := bun.SafeQuery("?", bun.Ident(f.Column))
	if fold {
		of = bun.SafeQuery("lower(?)", bun.Ident(f.Column))
	}
	switch kind {
	case "contains":
		if text != "" {
			q.Where("replace(?, ?, '') <> ?", of, text, of)
		}
	case "startswith":
		q.Where("substr(?, 1, ?) = ?", of, len([]rune(text)), text)
	case "endswith":
		n := len([]rune(text))
		q.Where("length(?) >= ? AND substr(?, length(?) - ? + 1) = ?", of, n, of, of, n, text)
	}
}

// tags narrows to projects that have all or any of some tags, or have not. The column holds ",a,b,".
func (f Filter) tags(q *bun.SelectQuery, tags []string) {
	var has []string
	var args []any
	for _, t := range tags {
		has = append(has, "replace(?, ?, '') <> ?")
		args = append(args, bun.Ident(f.Column), ","+t+",", bun.Ident(f.Column))
	}
	op, negated := strings.CutPrefix(f.Op, "not-")
	condition := "(" + strings.Join(has, " AND ") + ")"
	if op == "tags-any" {
		condition = "(" + strings.Join(has, " OR ") + ")"
	}
	if negated {
		condition = "NOT " + condition
	}
	q.Where(condition, args...)
}

// FilterBool reads a boolean of a query as upstream does: what is not clearly false is true.
func FilterBool(s string) bool {
	v, ok := rest.ParseBool(s)
	return v || !ok
}
