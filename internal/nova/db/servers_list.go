package db

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/uptrace/bun"
)

// ServerFilter narrows a list of servers. The zero value takes every server that lives.
type ServerFilter struct {
	Project string
	User    string
	IDs     []string // nil: any
	// Equal compares columns, Match compares them with regular expressions.
	Equal map[string]any
	Match map[string]string
	// Kept leaves out servers that are deleted and can still be restored.
	Kept bool
	// States are vm_state and task_state together; one of them must hold.
	States []State
	// Locked: nil takes both.
	Locked *bool
	// Tags: all of them, any of them, not all of them, none of them.
	AllTags, AnyTags, NotAllTags, NotAnyTags []string
	Metadata                                 map[string]string
	ChangedSince, ChangedBefore              *time.Time
	// UsedFrom and UsedUntil take the servers that ran at some time between.
	UsedFrom, UsedUntil *time.Time
	// Deleted takes the servers that are gone instead, Both takes them too.
	Deleted, Both bool

	Sort   []Order
	Marker *Server
	Limit  int

	// Omit are columns that the caller does not look at, Only are those that it does (nil: all): a list of a thousand rows costs by the column.
	Omit, Only []string
}

// State is a vm_state with the task_states that it must, or must not, have; nil does not care.
type State struct {
	VM              string
	Tasks, NotTasks []string
}

// Order is a column to sort by.
type Order struct {
	Column string
	Desc   bool
}

// ListServers returns a page of servers, in one statement.
func ListServers(ctx context.Context, h bun.IDB, f ServerFilter) ([]*Server, error) {
	return list[Server](ctx, h, func(q *bun.SelectQuery) {
		switch {
		case f.Both:
			q.ModelTableExpr("(SELECT * FROM nova_servers UNION ALL SELECT * FROM nova_deleted_servers) AS s")
		case f.Deleted:
			q.ModelTableExpr("nova_deleted_servers AS s")
		}
		if len(f.Omit) > 0 {
			q.ExcludeColumn(f.Omit...)
		}
		q.Column(f.Only...)
		f.where(h, q)
		f.page(q)
	})
}

// CountServers counts the servers that a filter takes, whatever its page.
func CountServers(ctx context.Context, h bun.IDB, f ServerFilter) (int64, error) {
	q := h.NewSelect().Model((*Server)(nil))
	f.where(h, q)
	return q.Count(ctx)
}

func (f *ServerFilter) where(h bun.IDB, q *bun.SelectQuery) {
	if f.Project != "" {
		q.Where("s.project_id = ?", f.Project)
	}
	if f.User != "" {
		q.Where("s.user_id = ?", f.User)
	}
	if f.Kept {
		q.Where("s.vm_state <> 'soft-delete'")
	}
	if f.IDs != nil {
		if len(f.IDs) == 0 {
			q.Where("1 = 0")
		} else {
			q.Where("s.id IN (?)", bun.List(f.IDs))
		}
	}
	for column, v := range f.Equal {
		if v == nil {
			q.Where("s.? IS NULL", bun.Ident(column))
		} else {
			q.Where("s.? = ?", bun.Ident(column), v)
		}
	}
	for column, pattern := range f.Match {
		q.Where("s.? "+matches(h)+" ?", bun.Ident(column), pattern)
	}
	f.whereStates(q)
	if f.Locked != nil {
		if *f.Locked {
			q.Where("s.locked_by <> ''")
		} else {
			q.Where("s.locked_by = ''")
		}
	}
	f.whereTags(q)
	for k, v := range f.Metadata {
		q.Where("s.metadata LIKE ? ESCAPE '!'", "%"+likeJSON(k)+":"+likeJSON(v)+"%")
	}
	if f.ChangedSince != nil {
		q.Where("s.updated_at >= ?", *f.ChangedSince)
	}
	if f.UsedFrom != nil {
		q.Where("(s.terminated_at IS NULL OR s.terminated_at >= ?)", *f.UsedFrom)
	}
	if f.UsedUntil != nil {
		q.Where("s.launched_at <= ?", *f.UsedUntil)
	}
	if f.ChangedBefore != nil {
		q.Where("s.updated_at <= ?", *f.ChangedBefore)
	}
}

func (f *ServerFilter) whereStates(q *bun.SelectQuery) {
	if f.States == nil {
		return
	}
	if len(f.States) == 0 {
		q.Where("1 = 0")
		return
	}
	if !slices.ContainsFunc(f.States, func(st State) bool { return st.VM == "active" }) {
		q.Where("s.vm_state <> 'active'") // the condition of the index nova_servers_state
	}
	q.WhereGroup(" AND ", func(q *bun.SelectQuery) *bun.SelectQuery {
		for _, st := range f.States {
			switch {
			case st.Tasks != nil:
				q.WhereOr("(s.vm_state = ? AND s.task_state IN (?))", st.VM, bun.List(st.Tasks))
			case st.NotTasks != nil:
				q.WhereOr("(s.vm_state = ? AND s.task_state NOT IN (?))", st.VM, bun.List(st.NotTasks))
			default:
				q.WhereOr("s.vm_state = ?", st.VM)
			}
		}
		return q
	})
}

// Tags are kept as a JSON list in the row, and so compared: a list request always has a project or an administrator.
func (f *ServerFilter) whereTags(q *bun.SelectQuery) {
	group := func(tags []string, not, join string) {
		if len(tags) == 0 {
			return
		}
		parts := make([]string, len(tags))
		args := make([]any, len(tags))
		for i, t := range tags {
			parts[i] = "s.tags LIKE ? ESCAPE '!'"
			args[i] = "%" + likeJSON(t) + "%"
		}
		q.Where(not+"("+strings.Join(parts, join)+")", args...)
	}
	group(f.AllTags, "", " AND ")
	group(f.AnyTags, "", " OR ")
	group(f.NotAllTags, "NOT ", " AND ")
	group(f.NotAnyTags, "NOT ", " OR ")
}

// likeJSON is text as JSON writes it, escaped for LIKE … ESCAPE '!'.
func likeJSON(text string) string {
	b, _ := json.Marshal(text)
	return strings.NewReplacer("!", "!!", "%", "!%", "_", "!_").Replace(string(b))
}

// page orders by the keys and then by id, so that every server has one place, and goes on after the marker: the keyset
// condition is written out because directions may differ and columns may be null.
func (f *ServerFilter) page(q *bun.SelectQuery) {
	order := append([]Order{}, f.Sort...)
	hasID := false
	for _, o := range order {
		hasID = hasID || o.Column == "id"
	}
	if !hasID {
		order = append(order, Order{"id", len(order) == 0 || order[len(order)-1].Desc})
	}
	for _, o := range order {
		dir := "ASC"
		if o.Desc {
			dir = "DESC"
		}
		q.OrderExpr(sortable(o.Column) + " " + dir)
	}
	if f.Marker != nil {
		q.WhereGroup(" AND ", func(q *bun.SelectQuery) *bun.SelectQuery {
			equal, args := "", []any(nil)
			for _, o := range order {
				cmp := ">"
				if o.Desc {
					cmp = "<"
				}
				col := sortable(o.Column)
				at := fmt.Sprintf("(SELECT %s FROM %s WHERE s.id = ?)", col, f.from())
				q.WhereOr("("+equal+col+" "+cmp+" "+at+")", append(args[:len(args):len(args)], f.Marker.ID)...)
				equal += col + " = " + at + " AND "
				args = append(args, f.Marker.ID)
			}
			return q
		})
	}
	if f.Limit > 0 {
		q.Limit(int64(f.Limit))
	}
}

func (f *ServerFilter) from() string {
	switch {
	case f.Both:
		return "(SELECT * FROM nova_servers UNION ALL SELECT * FROM nova_deleted_servers) AS s"
	case f.Deleted:
		return "nova_deleted_servers AS s"
	}
	return "nova_servers AS s"
}

// nullable are the sort columns that may be null, with what stands for null.
var nullable = map[string]string{"key_name": "''", "description": "''", "launched_at": "'0001-01-01'", "terminated_at": "'0001-01-01'"}

func sortable(column string) string {
	if z, ok := nullable[column]; ok {
		return "COALESCE(s." + column + ", " + z + ")"
	}
	return "s." + column
}
