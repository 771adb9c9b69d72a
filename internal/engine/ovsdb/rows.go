package ovsdb

import (
	"context"
	"fmt"
	"reflect"
	"slices"

	"github.com/ovn-kubernetes/libovsdb/cache"
	"github.com/ovn-kubernetes/libovsdb/model"
	libovsdb "github.com/ovn-kubernetes/libovsdb/ovsdb"
)

// Get returns a copy of the row with that UUID, or nil. The replica must be there: ctx bounds the wait for a connection.
func Get[T any, P interface {
	*T
	Row
}](ctx context.Context, c *Client, uuid string) (P, error) {
	s, err := c.current(ctx)
	if err != nil {
		return nil, err
	}
	table, err := s.table(P(new(T)).TableName())
	if err != nil {
		return nil, err
	}
	if m, ok := table.Row(uuid).(P); ok {
		return m, nil
	}
	return nil, nil
}

// Has tells whether the row is there, without copying it.
func (c *Client) Has(ctx context.Context, table, uuid string) (bool, error) {
	s, err := c.current(ctx)
	if err != nil {
		return false, err
	}
	t, err := s.table(table)
	if err != nil {
		return false, err
	}
	return t.HasRow(uuid), nil
}

// Select asks the server itself, for columns that are not replicated. Values are in OVSDB notation; see Refs.
func (c *Client) Select(ctx context.Context, table string, columns ...string) ([]map[string]any, error) {
	s, err := c.current(ctx)
	if err != nil {
		return nil, err
	}
	op := Op{Op: libovsdb.OperationSelect, Table: table, Where: []libovsdb.Condition{}, Columns: columns}
	results, err := s.api.Transact(ctx, op)
	if err != nil {
		return nil, err
	}
	if err := refused(results, []Op{op}); err != nil {
		return nil, err
	}
	var out []map[string]any
	for _, r := range results[0].Rows {
		out = append(out, r)
	}
	return out, nil
}

// Refs are the row UUIDs in a value of Select.
func Refs(value any) []string {
	switch v := value.(type) {
	case libovsdb.UUID:
		return []string{v.GoUUID}
	case libovsdb.OvsSet:
		var out []string
		for _, e := range v.GoSet {
			if u, ok := e.(libovsdb.UUID); ok {
				out = append(out, u.GoUUID)
			}
		}
		return out
	}
	return nil
}

// List returns copies of all rows of the table for which keep is true (all when keep is nil). keep must not change the row.
func List[T any, P interface {
	*T
	Row
}](ctx context.Context, c *Client, keep func(P) bool) ([]P, error) {
	s, err := c.current(ctx)
	if err != nil {
		return nil, err
	}
	table, err := s.table(P(new(T)).TableName())
	if err != nil {
		return nil, err
	}
	var out []P
	for _, m := range table.RowsShallow() {
		if row, ok := m.(P); ok && (keep == nil || keep(row)) {
			out = append(out, model.Clone(row).(P))
		}
	}
	return out, nil
}

// Find returns copies of the rows that equal the probe in the columns of one of the table's indexes.
func Find[T any, P interface {
	*T
	Row
}](ctx context.Context, c *Client, probe P) ([]P, error) {
	s, err := c.current(ctx)
	if err != nil {
		return nil, err
	}
	table, err := s.table(probe.TableName())
	if err != nil {
		return nil, err
	}
	found, err := table.RowsByModels([]model.Model{probe})
	if err != nil {
		return nil, err
	}
	var out []P
	for _, m := range found {
		out = append(out, m.(P))
	}
	return out, nil
}

// ByExternalID returns copies of the rows, of any table of the list that has an ExternalIDIndex, whose external_ids carry the value
// under the indexed key.
func (c *Client) ByExternalID(ctx context.Context, tables []string, value string) ([]Row, error) {
	return c.byKey(ctx, func(t *Table) string {
		if slices.Contains(tables, t.Row.TableName()) {
			return t.ExternalIDIndex
		}
		return ""
	}, value)
}

// ByKey returns copies of the rows of one table whose external_ids carry the value under a key, which is one of the table's indexes.
func (c *Client) ByKey(ctx context.Context, table, key, value string) ([]Row, error) {
	return c.byKey(ctx, func(t *Table) string {
		if t.Row.TableName() == table && (key == t.ExternalIDIndex || slices.Contains(t.MoreIndexes, key)) {
			return key
		}
		return ""
	}, value)
}

// nowhere is a value that no row has under an indexed key. A probe that had nothing there would find all rows that have nothing.
const nowhere = "\x00"

func (c *Client) byKey(ctx context.Context, keyOf func(*Table) string, value string) ([]Row, error) {
	s, err := c.current(ctx)
	if err != nil {
		return nil, err
	}
	var out []Row
	for i := range c.cfg.Tables {
		t := &c.cfg.Tables[i]
		key := keyOf(t)
		if key == "" {
			continue
		}
		ids := map[string]string{t.ExternalIDIndex: nowhere}
		for _, other := range t.MoreIndexes {
			ids[other] = nowhere
		}
		ids[key] = value
		probe := newLike(t.Row)
		SetExternalIDs(probe, ids)
		table, err := s.table(t.Row.TableName())
		if err != nil {
			return nil, err
		}
		found, err := table.RowsByModels([]model.Model{probe})
		if err != nil {
			return nil, err
		}
		for _, m := range found {
			out = append(out, m.(Row))
		}
	}
	return out, nil
}

// All returns copies of every row of the tables for which keep is true.
func (c *Client) All(ctx context.Context, tables []string, keep func(Row) bool) ([]Row, error) {
	s, err := c.current(ctx)
	if err != nil {
		return nil, err
	}
	var out []Row
	for _, name := range tables {
		table, err := s.table(name)
		if err != nil {
			return nil, err
		}
		for _, m := range table.RowsShallow() {
			if row := m.(Row); keep(row) {
				out = append(out, model.Clone(m).(Row))
			}
		}
	}
	return out, nil
}

// table is the replica of one table of this session.
func (s *session) table(name string) (*cache.RowCache, error) {
	replica := s.api.Cache()
	if replica == nil { // the connection was lost a moment ago
		s.lose()
		return nil, fmt.Errorf("%w: connection lost", ErrStale)
	}
	table := replica.Table(name)
	if table == nil {
		return nil, fmt.Errorf("ovsdb: table %s is not followed", name)
	}
	return table, nil
}

// UUID returns the row's _uuid.
func UUID(r Row) string {
	return reflect.ValueOf(r).Elem().FieldByName("UUID").String()
}

// ExternalIDs returns the row's external_ids; nil when the table has none.
func ExternalIDs(r Row) map[string]string {
	f := reflect.ValueOf(r).Elem().FieldByName("ExternalIDs")
	if !f.IsValid() {
		return nil
	}
	m, _ := f.Interface().(map[string]string)
	return m
}

// SetExternalIDs replaces the row's external_ids.
func SetExternalIDs(r Row, ids map[string]string) {
	reflect.ValueOf(r).Elem().FieldByName("ExternalIDs").Set(reflect.ValueOf(ids))
}

// newLike returns an empty row of the same type.
func newLike(r Row) Row {
	return reflect.New(reflect.TypeOf(r).Elem()).Interface().(Row)
}

// followed are pointers to all columns except _uuid and the unfollowed ones.
func followed(r Row, unfollowed []string) []any {
	v := reflect.ValueOf(r).Elem()
	var out []any
	for i := range v.NumField() {
		tag := v.Type().Field(i).Tag.Get("ovsdb")
		if tag != "_uuid" && tag != "" && !slices.Contains(unfollowed, tag) {
			out = append(out, v.Field(i).Addr().Interface())
		}
	}
	return out
}

// fieldPointers are pointers to all columns of the row, except _uuid.
func fieldPointers(r Row, names ...string) []any {
	v := reflect.ValueOf(r).Elem()
	var out []any
	for i := range v.NumField() {
		tag := v.Type().Field(i).Tag.Get("ovsdb")
		if tag == "_uuid" || tag == "" || (len(names) > 0 && !slices.Contains(names, tag)) {
			continue
		}
		out = append(out, v.Field(i).Addr().Interface())
	}
	return out
}
