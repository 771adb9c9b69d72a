package db

import (
	"context"
	"time"

	"github.com/uptrace/bun"

	"gostack/internal/store"
)

// Namespace is a metadata definition namespace.
type Namespace struct {
	bun.BaseModel `bun:"table:glance_metadef_namespaces,alias:n"`
	ID            int64  `bun:",pk,autoincrement"`
	Namespace     string // its name
	DisplayName   *string
	Description   *string
	Visibility    string
	Protected     bool
	Owner         string // project id
	CreatedAt     time.Time
	UpdatedAt     time.Time
}

// Item is what a namespace holds: an object, a property, a tag or an association with a resource type. Doc is the definition
// without its name.
type Item struct {
	bun.BaseModel `bun:"table:glance_metadef_items,alias:d"`
	NamespaceID   int64  `bun:",pk"`
	Kind          string `bun:",pk"`
	Name          string `bun:",pk"`
	Doc           string // JSON
	CreatedAt     time.Time
	UpdatedAt     time.Time
}

// Kinds of items.
const (
	MetadefObject      = "object"
	MetadefProperty    = "property"
	MetadefTag         = "tag"
	MetadefAssociation = "resource_type"
)

// ResourceType is a kind of thing that definitions can be about.
type ResourceType struct {
	bun.BaseModel `bun:"table:glance_metadef_resource_types"`
	Name          string `bun:",pk"`
	CreatedAt     time.Time
	UpdatedAt     time.Time
}

// namespaces limits q to what the scope sees: its own and public ones.
func (s Scope) namespaces(q *bun.SelectQuery) *bun.SelectQuery {
	if s.All {
		return q
	}
	return q.Where("(n.visibility = 'public' OR n.owner = ?)", s.Project)
}

// GetNamespace returns a namespace by its name, or an error that store.IsNotFound knows. One statement.
func GetNamespace(ctx context.Context, idb bun.IDB, s Scope, name string) (*Namespace, error) {
	var n Namespace
	if err := s.namespaces(idb.NewSelect().Model(&n)).Where("n.namespace = ?", name).Scan(ctx); err != nil {
		return nil, err
	}
	return &n, nil
}

// NamespaceFilter limits a list of namespaces. Zero fields do not limit.
type NamespaceFilter struct {
	Visibility    string
	ResourceTypes []string // associated with any of them
}

// NamespaceSortColumns are the columns that lists of namespaces are ordered by.
var NamespaceSortColumns = []string{"created_at", "updated_at", "namespace"}

// ListNamespaces returns a page of namespaces behind marker (nil: from the start). One statement.
func ListNamespaces(ctx context.Context, idb bun.IDB, s Scope, f NamespaceFilter, by Sort, marker *Namespace, limit int) ([]Namespace, error) {
	list := []Namespace{}
	q := s.namespaces(idb.NewSelect().Model(&list))
	if f.Visibility != "" {
		q = q.Where("n.visibility = ?", f.Visibility)
	}
	if len(f.ResourceTypes) > 0 {
		q = q.Where("EXISTS (SELECT 1 FROM glance_metadef_items AS d WHERE d.namespace_id = n.id AND d.kind = ? AND d.name IN (?))", MetadefAssociation, bun.List(f.ResourceTypes))
	}
	column, op, dir := bun.Ident("n."+by.Column), bun.Safe(">"), bun.Safe("ASC")
	if by.Desc {
		op, dir = "<", "DESC"
	}
	if marker != nil {
		value := map[string]any{"created_at": marker.CreatedAt, "updated_at": marker.UpdatedAt, "namespace": marker.Namespace}[by.Column]
		q = q.Where("(? ? ? OR ? = ? AND n.id ? ?)", column, op, value, column, value, op, marker.ID)
	}
	return list, q.OrderExpr("? ?, n.id ?", column, dir, dir).Limit(int64(limit)).Scan(ctx)
}

// Items returns the items of namespaces of the given kinds (none: all), by name. One statement.
func Items(ctx context.Context, idb bun.IDB, namespaces []int64, kinds ...string) ([]Item, error) {
	items := []Item{}
	if len(namespaces) == 0 {
		return items, nil
	}
	q := idb.NewSelect().Model(&items).Where("d.namespace_id IN (?)", bun.List(namespaces))
	if len(kinds) > 0 {
		q = q.Where("d.kind IN (?)", bun.List(kinds))
	}
	return items, q.Order("d.namespace_id", "d.kind", "d.created_at", "d.name").Scan(ctx)
}

// GetItem returns one item, or an error that store.IsNotFound knows.
func GetItem(ctx context.Context, idb bun.IDB, namespace int64, kind, name string) (*Item, error) {
	var it Item
	err := idb.NewSelect().Model(&it).Where("namespace_id = ?", namespace).Where("kind = ?", kind).Where("name = ?", name).Scan(ctx)
	if err != nil {
		return nil, err
	}
	return &it, nil
}

// InsertNamespace adds a namespace and sets its ID. A name in use is a store.IsUnique error.
func InsertNamespace(ctx context.Context, tx store.Tx, n *Namespace) error {
	_, err := tx.NewInsert().Model(n).Returning("id").Exec(ctx)
	return err
}

// SaveNamespace writes all columns of a namespace but those of its creation.
func SaveNamespace(ctx context.Context, tx store.Tx, n *Namespace) (bool, error) {
	return changed(tx.NewUpdate().Model(n).WherePK().ExcludeColumn("id", "created_at").Exec(ctx))
}

// DeleteNamespace removes a namespace with all it holds. False: it is gone already.
func DeleteNamespace(ctx context.Context, tx store.Tx, id int64) (bool, error) {
	if _, err := tx.NewDelete().Model((*Item)(nil)).Where("namespace_id = ?", id).Exec(ctx); err != nil {
		return false, err
	}
	return changed(tx.NewDelete().Model((*Namespace)(nil)).Where("id = ?", id).Exec(ctx))
}

// InsertItems adds items. A name in use is a store.IsUnique error.
func InsertItems(ctx context.Context, tx store.Tx, items []Item) error {
	if len(items) == 0 {
		return nil
	}
	_, err := tx.NewInsert().Model(&items).Exec(ctx)
	return err
}

// SaveItem writes an item that had the name old. False: there is none.
func SaveItem(ctx context.Context, tx store.Tx, it *Item, old string) (bool, error) {
	return changed(tx.NewUpdate().Model((*Item)(nil)).Set("name = ?", it.Name).Set("doc = ?", it.Doc).Set("updated_at = ?", it.UpdatedAt).
		Where("namespace_id = ?", it.NamespaceID).Where("kind = ?", it.Kind).Where("name = ?", old).Exec(ctx))
}

// DeleteItems removes a namespace's items of a kind: one, or all when name is "". False: there was none.
func DeleteItems(ctx context.Context, tx store.Tx, namespace int64, kind, name string) (bool, error) {
	q := tx.NewDelete().Model((*Item)(nil)).Where("namespace_id = ?", namespace).Where("kind = ?", kind)
	if name != "" {
		q = q.Where("name = ?", name)
	}
	return changed(q.Exec(ctx))
}

// ResourceTypes returns all resource types by name.
func ResourceTypes(ctx context.Context, idb bun.IDB) ([]ResourceType, error) {
	list := []ResourceType{}
	return list, idb.NewSelect().Model(&list).Order("name").Scan(ctx)
}

// EnsureResourceTypes adds the resource types that are not there yet.
func EnsureResourceTypes(ctx context.Context, tx store.Tx, names []string, now time.Time) error {
	if len(names) == 0 {
		return nil
	}
	rows := make([]ResourceType, len(names))
	for i, name := range names {
		rows[i] = ResourceType{Name: name, CreatedAt: now, UpdatedAt: now}
	}
	_, err := tx.NewInsert().Model(&rows).On("CONFLICT DO NOTHING").Exec(ctx)
	return err
}
