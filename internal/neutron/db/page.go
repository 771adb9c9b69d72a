package db

import (
	"context"
	"strings"

	"github.com/uptrace/bun"
)

// Cond is a condition on the table t.
type Cond struct {
	SQL  string
	Args []any
}

// Where makes a condition.
func Where(sql string, args ...any) Cond { return Cond{sql, args} }

// In is a condition on a column; with no values it is false.
func In[T any](column string, values []T) Cond {
	if len(values) == 0 {
		return Cond{SQL: "1 = 0"}
	}
	return Cond{column + " IN (?)", []any{bun.List(values)}}
}

// Or joins conditions.
func Or(conds ...Cond) Cond {
	var sql []string
	var args []any
	for _, c := range conds {
		sql = append(sql, "("+c.SQL+")")
		args = append(args, c.Args...)
	}
	return Cond{"(" + strings.Join(sql, " OR ") + ")", args}
}

// Order is an expression to sort by.
type Order struct {
	Expr string
	Desc bool
}

// Query narrows and orders a list. The zero value is everything, by id.
type Query struct {
	// Project is whose view it is: what is shared depends on it.
	Project string
	Where   []Cond
	Sort    []Order
	Limit   int    // 0: no limit
	Marker  string // id of the row before the first
	Reverse bool   // the page before the marker
}

// And adds a condition.
func (p Query) And(c Cond) Query {
	p.Where = append(p.Where[:len(p.Where):len(p.Where)], c)
	return p
}

// ByID is the query for one row.
func ByID(id, project string) Query {
	return Query{Project: project, Where: []Cond{Where("t.id = ?", id)}}
}

// orders returns the sort with the id as last word.
func (p Query) orders() []Order {
	all := append([]Order(nil), p.Sort...)
	for _, o := range all {
		if o.Expr == "t.id" {
			return all
		}
	}
	return append(all, Order{Expr: "t.id"})
}

// list runs a query on rows of T, with the columns and joins that shape adds. An unknown marker gives an empty page.
func list[T any](ctx context.Context, h bun.IDB, p Query, shape func(*bun.SelectQuery)) ([]*T, error) {
	var rows []*T
	q := h.NewSelect().Model(&rows).ColumnExpr("t.*")
	if shape != nil {
		shape(q)
	}
	for _, c := range p.Where {
		q.Where(c.SQL, c.Args...)
	}
	if p.Marker != "" {
		after, err := p.after(ctx, h, (*T)(nil))
		if err != nil {
			return nil, err
		}
		q.Where(after.SQL, after.Args...)
	}
	for _, o := range p.orders() {
		if o.Desc != p.Reverse {
			q.OrderExpr(o.Expr + " DESC")
		} else {
			q.OrderExpr(o.Expr + " ASC")
		}
	}
	if p.Limit > 0 {
		q.Limit(int64(p.Limit))
	}
	if err := q.Scan(ctx); err != nil {
		return nil, err
	}
	if p.Reverse {
		for i, j := 0, len(rows)-1; i < j; i, j = i+1, j-1 {
			rows[i], rows[j] = rows[j], rows[i]
		}
	}
	return rows, nil
}

// after reads the marker's sort values and makes the condition for what lies behind it (before it, if Reverse).
func (p Query) after(ctx context.Context, h bun.IDB, model any) (Cond, error) {
	orders := p.orders()
	q := h.NewSelect().Model(model).Where("t.id = ?", p.Marker)
	values := make([]any, len(orders))
	into := make([]any, len(orders))
	for i, o := range orders {
		q.ColumnExpr(o.Expr + " AS k" + string(rune('a'+i)))
		into[i] = &values[i]
	}
	if err := q.Scan(ctx, into...); err != nil {
		return Cond{}, err
	}
	var alternatives []Cond
	for i, o := range orders {
		var sql []string
		var args []any
		for j := range i {
			sql, args = append(sql, orders[j].Expr+" = ?"), append(args, plain(values[j]))
		}
		cmp := " > ?"
		if o.Desc != p.Reverse {
			cmp = " < ?"
		}
		sql, args = append(sql, o.Expr+cmp), append(args, plain(values[i]))
		alternatives = append(alternatives, Cond{strings.Join(sql, " AND "), args})
	}
	return Or(alternatives...), nil
}

// plain makes text of the bytes that a driver may return for it.
func plain(v any) any {
	if b, ok := v.([]byte); ok {
		return string(b)
	}
	return v
}
