package ovsdb

import (
	"context"

	"github.com/ovn-kubernetes/libovsdb/ovsdb"
)

// Insert makes the operation that creates the row with the UUID it carries.
func (c *Client) Insert(ctx context.Context, r Row) ([]Op, error) {
	s, err := c.current(ctx)
	if err != nil {
		return nil, err
	}
	return s.api.Create(r)
}

// Update makes the operation that sets the named columns of the row with r's UUID to r's values.
func (c *Client) Update(ctx context.Context, r Row, columns ...string) ([]Op, error) {
	s, err := c.current(ctx)
	if err != nil {
		return nil, err
	}
	return s.api.Where(r).Update(r, fieldPointers(r, columns...)...)
}

// Delete makes the operation that removes the row. A row that is gone already is no error.
func Delete(table, uuid string) Op {
	return Op{Op: ovsdb.OperationDelete, Table: table, Where: byUUID(uuid)}
}

// AddRefs makes the operation that adds references (row UUIDs) to a set column.
func AddRefs(table, uuid, column string, refs ...string) Op {
	return mutateRefs(table, uuid, column, ovsdb.MutateOperationInsert, refs)
}

// RemoveRefs makes the operation that removes references from a set column.
func RemoveRefs(table, uuid, column string, refs ...string) Op {
	return mutateRefs(table, uuid, column, ovsdb.MutateOperationDelete, refs)
}

// Increment makes the operation that adds one to a number.
func Increment(table, uuid, column string) Op {
	return Op{
		Op: ovsdb.OperationMutate, Table: table, Where: byUUID(uuid),
		Mutations: []ovsdb.Mutation{{Column: column, Mutator: ovsdb.MutateOperationAdd, Value: 1}},
	}
}

func mutateRefs(table, uuid, column string, how ovsdb.Mutator, refs []string) Op {
	set := ovsdb.OvsSet{}
	for _, r := range refs {
		set.GoSet = append(set.GoSet, ovsdb.UUID{GoUUID: r})
	}
	return Op{
		Op: ovsdb.OperationMutate, Table: table, Where: byUUID(uuid),
		Mutations: []ovsdb.Mutation{{Column: column, Mutator: how, Value: set}},
	}
}

// MustExist makes the operation that fails the transaction with ErrStale unless the row has that value in a string column.
func MustExist(table, uuid, column, value string) Op {
	now := 0
	return Op{
		Op: ovsdb.OperationWait, Table: table, Where: byUUID(uuid), Timeout: &now, Columns: []string{column}, Until: "==",
		Rows: []ovsdb.Row{{column: value}},
	}
}

func byUUID(uuid string) []ovsdb.Condition {
	return []ovsdb.Condition{{Column: "_uuid", Function: ovsdb.ConditionEqual, Value: ovsdb.UUID{GoUUID: uuid}}}
}
