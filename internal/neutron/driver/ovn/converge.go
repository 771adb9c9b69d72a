package ovn

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"gostack/internal/engine/ovsdb"
	"gostack/internal/engine/ovsdb/nb"
	"gostack/internal/neutron/driver"
)

// attempts bounds how often operations are computed anew because the replica was behind.
const attempts = 5

// change is one row's difference and the operations that settle it.
type change struct {
	driver.Difference
	ops []ovsdb.Op
}

// converge makes the rows of one owner as the plan says, in one transaction. render is called again when the replica turns out to have
// been behind.
func (b *Backend) converge(ctx context.Context, mark string, render func(ctx context.Context) (*plan, error)) error {
	defer b.resources.lock(mark)()
	var err error
	for range attempts {
		var p *plan
		if p, err = render(ctx); err != nil {
			break
		}
		if err = b.commit(ctx, p); !errors.Is(err, ovsdb.ErrStale) {
			if err == nil {
				err = errors.Join(p.rejected...)
			}
			break
		}
		if berr := b.nb.Barrier(ctx); berr != nil && ctx.Err() != nil {
			err = berr
			break
		}
	}
	if err != nil {
		return fmt.Errorf("ovn: %s: %w", mark, unavailable(err))
	}
	return nil
}

// commit applies the difference between the plan and what is there.
func (b *Backend) commit(ctx context.Context, p *plan) error {
	have, err := b.nb.ByExternalID(ctx, ownedTables, p.owner)
	if err != nil {
		return err
	}
	if newer(have, p) && ctx.Value(forced{}) == nil {
		return nil
	}
	changes, err := b.changes(ctx, have, p)
	if err != nil {
		return err
	}
	var ops []ovsdb.Op
	for _, c := range changes {
		ops = append(ops, c.ops...)
	}
	more, err := b.membership(ctx, have, p)
	if err != nil {
		return err
	}
	ops = append(ops, more...)
	if len(ops) == 0 {
		return nil
	}
	return b.nb.Transact(ctx, append(slices.Clone(p.guards), ops...)...)
}

// forced marks a context in which the given revision wins over a later one in the engine: the database is the truth, even one that was
// restored from a backup.
type forced struct{}

// newer tells whether what is there was made from a later revision of the resource; then another worker was faster.
func newer(have []ovsdb.Row, p *plan) bool {
	if p.revision == 0 {
		return false
	}
	for _, r := range have {
		if rev, err := strconv.ParseInt(ovsdb.ExternalIDs(r)[revisionKey], 10, 64); err == nil && rev > p.revision {
			return true
		}
	}
	return false
}

// changes compares rows. Parents come before children among inserts, so references are never dangling within the transaction.
func (b *Backend) changes(ctx context.Context, have []ovsdb.Row, p *plan) ([]change, error) {
	there := map[ovsdb.Key]ovsdb.Row{}
	for _, r := range have {
		there[keyOf(r)] = r
	}
	kind, id := ownerParts(p.owner)
	var out []change
	for _, want := range p.rows {
		k := keyOf(want)
		d := driver.Difference{Kind: kind, ID: id, Row: k.Table + " " + k.UUID}
		old := there[k]
		delete(there, k)
		if old == nil {
			ops, err := b.nb.Insert(ctx, want)
			if err != nil {
				return nil, err
			}
			if link, ok := childOf[k.Table]; ok {
				ops = append(ops, ovsdb.AddRefs(link.table, ovsdb.ExternalIDs(want)[parentKey], link.column, k.UUID))
			}
			if lb, ok := want.(*nb.LoadBalancer); ok {
				more, _, err := b.switched(ctx, nil, lb)
				if err != nil {
					return nil, err
				}
				ops = append(ops, more...)
			}
			d.Problem = driver.Missing
			out = append(out, change{d, ops})
			continue
		}
		columns := ovsdb.Diff(old, want, notCompared[k.Table]...)
		var more []ovsdb.Op
		if lb, ok := want.(*nb.LoadBalancer); ok {
			before, _ := old.(*nb.LoadBalancer)
			var absent bool
			var err error
			if more, absent, err = b.switched(ctx, before, lb); err != nil {
				return nil, err
			}
			if absent && len(columns) == 0 {
				d.Problem, d.Detail = driver.Differs, "switches"
				out = append(out, change{d, more})
			}
		}
		if len(columns) == 0 {
			continue
		}
		ops, err := b.nb.Update(ctx, want, columns...)
		if err != nil {
			return nil, err
		}
		d.Problem, d.Detail = driver.Differs, strings.Join(columns, ", ")
		out = append(out, change{d, append(ops, more...)})
	}
	return append(out, removals(kind, id, there)...), nil
}

// removals takes away rows nobody wants. A child whose parent goes too needs nothing of its own.
func removals(kind, id string, rows map[ovsdb.Key]ovsdb.Row) []change {
	var out []change
	for k, r := range rows {
		c := change{Difference: driver.Difference{Kind: kind, ID: id, Row: k.Table + " " + k.UUID, Problem: driver.Orphaned}}
		if link, ok := childOf[k.Table]; ok {
			parent := ovsdb.Key{Table: link.table, UUID: ovsdb.ExternalIDs(r)[parentKey]}
			if rows[parent] == nil {
				c.ops = append(c.ops, ovsdb.RemoveRefs(link.table, parent.UUID, link.column, k.UUID))
			}
			if stays[k.Table] {
				c.ops = append(c.ops, ovsdb.Delete(k.Table, k.UUID))
			}
		} else {
			c.ops = append(c.ops, ovsdb.Delete(k.Table, k.UUID))
		}
		out = append(out, c)
	}
	slices.SortFunc(out, func(a, b change) int { return strings.Compare(a.Row, b.Row) })
	return out
}

func keyOf(r ovsdb.Row) ovsdb.Key { return ovsdb.Key{Table: r.TableName(), UUID: ovsdb.UUID(r)} }

// remove deletes everything an owner has.
func (b *Backend) remove(ctx context.Context, kind, id string) error {
	return b.converge(ctx, owner(kind, id), func(context.Context) (*plan, error) { return newPlan(kind, id, 0) })
}
