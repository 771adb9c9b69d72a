package db

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/uptrace/bun"
)

// Filter is what a list is limited by. Zero fields do not limit.
type Filter struct {
	Visibility   string // "" is upstream's default view, "all" no limit
	MemberStatus string // of shared images; "all" any
	Hidden       bool
	Protected    *bool
	In           map[string][]string // columns of text: any of the values
	Equal        map[string]int64    // columns of numbers
	SizeMin      *int64
	SizeMax      *int64
	Times        []TimeFilter
	Tags         []string          // all of them
	Properties   map[string]string // all of them
}

// TimeFilter compares created_at or updated_at. API times have whole seconds, and so has the comparison.
type TimeFilter struct {
	Column string
	Op     string // eq neq gt gte lt lte
	Time   time.Time
}

// Sort is one column of the order, as an expression that is never NULL, so that both engines order alike.
type Sort struct {
	Column string
	Desc   bool
}

// SortColumns are the columns that lists are ordered by.
var SortColumns = map[string]string{
	"name": "COALESCE(i.name, '')", "status": "i.status", "container_format": "COALESCE(i.container_format, '')",
	"disk_format": "COALESCE(i.disk_format, '')", "size": "COALESCE(i.size, -1)", "id": "i.id",
	"created_at": "i.created_at", "updated_at": "i.updated_at",
}

// List returns a page of images: those behind marker (nil: from the start) in the order of sort, which ends in a unique
// column. One statement.
func List(ctx context.Context, idb bun.IDB, s Scope, f Filter, sort []Sort, marker *Image, limit int64) ([]Image, error) {
	images := []Image{}
	q := s.withMember(idb.NewSelect().Model(&images))
	q = s.listed(q, f)
	q = f.apply(q)
	if marker != nil {
		q = behind(q, sort, marker)
	}
	for _, by := range sort {
		dir := " ASC"
		if by.Desc {
			dir = " DESC"
		}
		q = q.OrderExpr(SortColumns[by.Column] + dir)
	}
	err := q.Limit(limit).Scan(ctx)
	return images, err
}

// listed limits a list to what the scope sees there. That is less than it may see by id: community images of others and
// shared ones not accepted are shown only when asked for (https://docs.openstack.org/api-ref/image/v2, "List images").
func (s Scope) listed(q *bun.SelectQuery, f Filter) *bun.SelectQuery {
	switch f.Visibility {
	case "", "all":
	default:
		q = q.Where("i.visibility = ?", f.Visibility)
	}
	if s.All {
		if f.Visibility == "" {
			q = q.Where("(i.visibility <> 'community' OR i.owner = ?)", s.Project)
		}
		return q
	}
	open := []string{"public", "community"}
	if f.Visibility == "" {
		open = open[:1]
	}
	// A union, so that each part comes from its index: with OR a page could take reading the images of everybody.
	shared, args := "SELECT y.image_id FROM glance_image_members y JOIN glance_images x ON x.id = y.image_id WHERE y.member_id = ? AND x.visibility = 'shared'", []any{s.Project, bun.List(open), s.Project}
	if f.MemberStatus != "all" {
		shared, args = shared+" AND y.status = ?", append(args, f.MemberStatus)
	}
	return q.Where("i.id IN (SELECT x.id FROM glance_images x WHERE x.owner = ? UNION ALL SELECT x.id FROM glance_images x WHERE x.visibility IN (?) UNION ALL "+shared+")", args...)
}

func (f Filter) apply(q *bun.SelectQuery) *bun.SelectQuery {
	q = q.Where("i.hidden = ?", f.Hidden)
	if f.Protected != nil {
		q = q.Where("i.protected = ?", *f.Protected)
	}
	for column, values := range f.In {
		if column == "status" && !slices.Contains(values, "active") {
			q = q.Where("i.status <> 'active'") // the condition of the index glance_images_status
		}
		q = q.Where("i.? IN ?", bun.Ident(column), bun.Tuple(values))
	}
	for column, value := range f.Equal {
		q = q.Where("i.? = ?", bun.Ident(column), value)
	}
	if f.SizeMin != nil {
		q = q.Where("i.size >= ?", *f.SizeMin)
	}
	if f.SizeMax != nil {
		q = q.Where("i.size <= ?", *f.SizeMax)
	}
	for _, t := range f.Times {
		q = t.apply(q)
	}
	for _, value := range f.Tags {
		q = q.Where("EXISTS (SELECT 1 FROM glance_image_tags AS t WHERE t.image_id = i.id AND t.value = ?)", value)
	}
	for name, value := range f.Properties {
		q = q.Where("EXISTS (SELECT 1 FROM glance_image_properties AS p WHERE p.image_id = i.id AND p.name = ? AND p.value = ?)", name, value)
	}
	return q
}

func (t TimeFilter) apply(q *bun.SelectQuery) *bun.SelectQuery {
	column := bun.Ident(t.Column)
	from, to := t.Time.Truncate(time.Second), t.Time.Truncate(time.Second).Add(time.Second)
	switch t.Op {
	case "eq":
		return q.Where("i.? >= ? AND i.? < ?", column, from, column, to)
	case "neq":
		return q.Where("(i.? < ? OR i.? >= ?)", column, from, column, to)
	case "gt":
		return q.Where("i.? >= ?", column, to)
	case "gte":
		return q.Where("i.? >= ?", column, from)
	case "lt":
		return q.Where("i.? < ?", column, from)
	}
	return q.Where("i.? < ?", column, to)
}

// behind limits q to the rows after marker. The keys may point different ways, so it is spelled out: greater in the first
// key, or equal there and greater in the second, and so on.
func behind(q *bun.SelectQuery, sort []Sort, marker *Image) *bun.SelectQuery {
	return q.WhereGroup(" AND ", func(q *bun.SelectQuery) *bun.SelectQuery {
		for n := range sort {
			q = q.WhereGroup(" OR ", func(q *bun.SelectQuery) *bun.SelectQuery {
				for _, by := range sort[:n] {
					q = q.Where(SortColumns[by.Column]+" = ?", marker.key(by.Column))
				}
				op := " > ?"
				if sort[n].Desc {
					op = " < ?"
				}
				return q.Where(SortColumns[sort[n].Column]+op, marker.key(sort[n].Column))
			})
		}
		return q
	})
}

// key is the marker's value of a sort column.
func (i *Image) key(column string) any {
	text := func(s *string) string {
		if s == nil {
			return ""
		}
		return *s
	}
	switch column {
	case "name":
		return text(i.Name)
	case "status":
		return i.Status
	case "container_format":
		return text(i.ContainerFormat)
	case "disk_format":
		return text(i.DiskFormat)
	case "size":
		if i.Size == nil {
			return int64(-1)
		}
		return *i.Size
	case "id":
		return i.ID
	case "created_at":
		return i.CreatedAt
	case "updated_at":
		return i.UpdatedAt
	}
	panic(fmt.Sprintf("no sort column %q", column))
}
