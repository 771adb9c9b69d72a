package db

import (
	"context"
	"slices"

	"github.com/uptrace/bun"
)

// List is a list of values in an IN (?).
func List(values []string) any { return bun.List(values) }

// WithIDs narrows a query to some ids; empty and repeated ones do not matter, and none at all give nothing.
func WithIDs(column string, ids []string) func(*Select) {
	ids = distinct(ids)
	return func(q *Select) {
		if len(ids) == 0 {
			q.Where("1 = 0")
			return
		}
		q.Where("? IN (?)", bun.Ident(column), bun.List(ids))
	}
}

func distinct(ids []string) []string {
	ids = slices.Clone(ids)
	slices.Sort(ids)
	return slices.DeleteFunc(slices.Compact(ids), func(id string) bool { return id == "" })
}

// ProjectsWithDomains returns projects and the domains they are in.
func ProjectsWithDomains(ctx context.Context, h bun.IDB, ids []string) ([]*Project, error) {
	ids = distinct(ids)
	var out []*Project
	if len(ids) == 0 {
		return out, nil
	}
	err := h.NewSelect().Model(&out).
		Where("p.id IN (?) OR p.id IN (SELECT domain_id FROM keystone_projects WHERE id IN (?))", bun.List(ids), bun.List(ids)).Scan(ctx)
	return out, err
}

// Members returns the ids of the users in each of some groups.
func Members(ctx context.Context, h bun.IDB, groups []string) (map[string][]string, error) {
	var rows []*Membership
	err := h.NewSelect().Model(&rows).Where("m.group_id IN (?)", bun.List(groups)).Order("m.group_id", "m.user_id").Scan(ctx)
	out := map[string][]string{}
	for _, r := range rows {
		out[r.GroupID] = append(out[r.GroupID], r.UserID)
	}
	return out, err
}

// DescendantIDs returns the ids of all projects below each of some projects or domains.
func DescendantIDs(ctx context.Context, h bun.IDB, roots []string) (map[string][]string, error) {
	var rows []struct {
		Root string `bun:"root"`
		ID   string `bun:"id"`
	}
	err := h.NewRaw(`WITH RECURSIVE down (root, id) AS (
	SELECT parent_id, id FROM keystone_projects WHERE parent_id IN (?)
	UNION
	SELECT down.root, p.id FROM keystone_projects p JOIN down ON p.parent_id = down.id)
SELECT root, id FROM down ORDER BY root, id`, bun.List(roots)).Scan(ctx, &rows)
	out := map[string][]string{}
	for _, r := range rows {
		out[r.Root] = append(out[r.Root], r.ID)
	}
	return out, err
}
