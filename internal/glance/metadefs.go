package glance

import (
	"context"
	"encoding/json"

	"gostack/internal/glance/db"
	"gostack/internal/policy"
	"gostack/internal/rest"
	"gostack/internal/store"
)

// Namespace, Item, ResourceType and NamespaceFilter are metadata definitions as their rows have them.
type (
	Namespace       = db.Namespace
	Item            = db.Item
	ResourceType    = db.ResourceType
	NamespaceFilter = db.NamespaceFilter
)

// NamespaceSortKeys are what lists of namespaces are ordered by.
var NamespaceSortKeys = db.NamespaceSortColumns

// Metadef is a kind of thing that a namespace holds, with upstream's words about it (glance/common/exception.py).
type Metadef struct {
	kind                         string
	absent, duplicate, protected string // name, namespace; name, namespace; name
}

// The kinds of definitions in a namespace.
var (
	MetadefObjects = Metadef{
		db.MetadefObject, "The metadata definition object with name=%s was not found in namespace=%s.",
		"A metadata definition object with name=%s already exists in namespace=%s.", "Metadata definition object %s is protected and cannot be deleted.",
	}
	MetadefProperties = Metadef{
		db.MetadefProperty, "The metadata definition property with name=%s was not found in namespace=%s.",
		"A metadata definition property with name=%s already exists in namespace=%s.", "Metadata definition property %s is protected and cannot be deleted.",
	}
	MetadefTags = Metadef{
		db.MetadefTag, "The metadata definition tag with name=%s was not found in namespace=%s.",
		"A metadata tag with name=%s already exists in namespace=%s. (Please note that metadata tag names are case insensitive).", "Metadata definition tag %s is protected and cannot be deleted.",
	}
	MetadefAssociations = Metadef{
		db.MetadefAssociation, "The metadata definition resource-type association of resource-type=%s to namespace=%s, was not found.",
		"The metadata definition resource-type association of resource-type=%s to namespace=%s already exists.", "Metadata definition resource-type-association %s is protected and cannot be deleted.",
	}
)

// Is tells whether an item is of the kind.
func (m Metadef) Is(it *Item) bool { return it.Kind == m.kind }

// NewItem makes an item of the kind; doc is its definition without the name.
func (m Metadef) NewItem(name string, doc map[string]any) (Item, error) {
	switch m.kind {
	case db.MetadefProperty:
		textDefault(doc)
	case db.MetadefObject:
		properties, _ := doc["properties"].(map[string]any)
		for _, property := range properties {
			textDefault(property)
		}
	}
	text, err := json.Marshal(doc)
	return Item{Kind: m.kind, Name: name, Doc: string(text)}, err
}

// textDefault makes a text of a property's default value, as upstream does whatever the property's type is.
func textDefault(property any) {
	p, _ := property.(map[string]any)
	switch value := p["default"].(type) {
	case json.Number:
		p["default"] = value.String()
	case bool:
		p["default"] = map[bool]string{true: "True", false: "False"}[value]
	}
}

// Namespace returns a namespace if c may see it; a 404 otherwise.
func (s *Service) Namespace(ctx context.Context, c *policy.Caller, name string) (*Namespace, error) {
	n, err := db.GetNamespace(ctx, s.db.Read(ctx), scope(c), name)
	if store.IsNotFound(err) {
		return nil, rest.NotFound("Metadata definition namespace=%s was not found.", name)
	}
	return n, err
}

// Namespaces lists a page of namespaces behind marker ("": from the start), and their associations with resource types.
func (s *Service) Namespaces(ctx context.Context, c *policy.Caller, f NamespaceFilter, by Sort, marker string, limit int) ([]Namespace, []Item, error) {
	var after *Namespace
	if marker != "" {
		var err error
		if after, err = s.Namespace(ctx, c, marker); err != nil {
			return nil, nil, err
		}
	}
	if limit == 0 {
		return []Namespace{}, nil, nil
	}
	idb := s.db.Read(ctx)
	list, err := db.ListNamespaces(ctx, idb, scope(c), f, by, after, limit)
	if err != nil {
		return nil, nil, err
	}
	ids := make([]int64, len(list))
	for i := range list {
		ids[i] = list[i].ID
	}
	items, err := db.Items(ctx, idb, ids, db.MetadefAssociation)
	return list, items, err
}

// Items returns what a namespace holds of the given kinds; of all without any.
func (s *Service) Items(ctx context.Context, n *Namespace, kinds ...Metadef) ([]Item, error) {
	names := make([]string, len(kinds))
	for i, k := range kinds {
		names[i] = k.kind
	}
	return db.Items(ctx, s.db.Read(ctx), []int64{n.ID}, names...)
}

// Item returns one thing that a namespace holds; a 404 when there is none of the name.
func (s *Service) Item(ctx context.Context, n *Namespace, kind Metadef, name string) (*Item, error) {
	it, err := db.GetItem(ctx, s.db.Read(ctx), n.ID, kind.kind, name)
	if store.IsNotFound(err) {
		return nil, rest.NotFound(kind.absent, name, n.Namespace)
	}
	return it, err
}

// CreateNamespace adds a namespace with what it holds.
func (s *Service) CreateNamespace(ctx context.Context, n *Namespace, items []Item) error {
	n.CreatedAt = s.clock.Now()
	n.UpdatedAt = n.CreatedAt
	err := s.db.Write(ctx, func(ctx context.Context, tx store.Tx) error {
		n.ID = 0
		if err := db.InsertNamespace(ctx, tx, n); err != nil {
			return err
		}
		return s.insert(ctx, tx, n, items)
	})
	if store.IsUnique(err) {
		return rest.Conflict("The metadata definition namespace=%s already exists.", n.Namespace)
	}
	return err
}

// SaveNamespace changes a namespace, its name too.
func (s *Service) SaveNamespace(ctx context.Context, n *Namespace) error {
	n.UpdatedAt = s.clock.Now()
	err := s.db.Write(ctx, func(ctx context.Context, tx store.Tx) error {
		ok, err := db.SaveNamespace(ctx, tx, n)
		if err == nil && !ok {
			return rest.NotFound("Metadata definition namespace=%s was not found.", n.Namespace)
		}
		return err
	})
	if store.IsUnique(err) {
		return rest.Conflict("The metadata definition namespace=%s already exists.", n.Namespace)
	}
	return err
}

func unprotected(n *Namespace) error {
	if n.Protected {
		return rest.Forbidden("Metadata definition namespace %s is protected and cannot be deleted.", n.Namespace)
	}
	return nil
}

// DeleteNamespace removes a namespace and what it holds, unless it is protected.
func (s *Service) DeleteNamespace(ctx context.Context, n *Namespace) error {
	if err := unprotected(n); err != nil {
		return err
	}
	return s.db.Write(ctx, func(ctx context.Context, tx store.Tx) error {
		_, err := db.DeleteNamespace(ctx, tx, n.ID)
		return err
	})
}

// AddItems adds things to a namespace.
func (s *Service) AddItems(ctx context.Context, n *Namespace, kind Metadef, items []Item) error {
	err := s.db.Write(ctx, func(ctx context.Context, tx store.Tx) error { return s.insert(ctx, tx, n, items) })
	return kind.clash(err, n, items)
}

// ReplaceItems gives a namespace new things of a kind in the place of all it has.
func (s *Service) ReplaceItems(ctx context.Context, n *Namespace, kind Metadef, items []Item) error {
	err := s.db.Write(ctx, func(ctx context.Context, tx store.Tx) error {
		if _, err := db.DeleteItems(ctx, tx, n.ID, kind.kind, ""); err != nil {
			return err
		}
		return s.insert(ctx, tx, n, items)
	})
	return kind.clash(err, n, items)
}

// clash puts a name that is in use, or a namespace that has gone, in upstream's words.
func (m Metadef) clash(err error, n *Namespace, items []Item) error {
	switch {
	case store.IsUnique(err) && len(items) > 0:
		return rest.Conflict(m.duplicate, items[0].Name, n.Namespace)
	case store.IsForeignKey(err):
		return rest.NotFound("Metadata definition namespace=%s was not found.", n.Namespace)
	}
	return err
}

func (s *Service) insert(ctx context.Context, tx store.Tx, n *Namespace, items []Item) error {
	now := s.clock.Now()
	var types []string
	for i := range items {
		items[i].NamespaceID, items[i].CreatedAt, items[i].UpdatedAt = n.ID, now, now
		if items[i].Kind == db.MetadefAssociation {
			types = append(types, items[i].Name)
		}
	}
	if err := db.EnsureResourceTypes(ctx, tx, types, now); err != nil {
		return err
	}
	return db.InsertItems(ctx, tx, items)
}

// SaveItem changes a thing that had the name old.
func (s *Service) SaveItem(ctx context.Context, n *Namespace, kind Metadef, it *Item, old string) error {
	it.UpdatedAt = s.clock.Now()
	err := s.db.Write(ctx, func(ctx context.Context, tx store.Tx) error {
		ok, err := db.SaveItem(ctx, tx, it, old)
		if err == nil && !ok {
			return rest.NotFound(kind.absent, old, n.Namespace)
		}
		return err
	})
	return kind.clash(err, n, []Item{*it})
}

// DeleteItem removes one thing from a namespace that is not protected.
func (s *Service) DeleteItem(ctx context.Context, n *Namespace, kind Metadef, name string) error {
	if _, err := s.Item(ctx, n, kind, name); err != nil {
		return err
	}
	if n.Protected {
		return rest.Forbidden(kind.protected, name)
	}
	return s.db.Write(ctx, func(ctx context.Context, tx store.Tx) error {
		ok, err := db.DeleteItems(ctx, tx, n.ID, kind.kind, name)
		if err == nil && !ok {
			return rest.NotFound(kind.absent, name, n.Namespace)
		}
		return err
	})
}

// ClearItems removes all of a kind from a namespace that is not protected.
func (s *Service) ClearItems(ctx context.Context, n *Namespace, kind Metadef) error {
	if err := unprotected(n); err != nil {
		return err
	}
	return s.db.Write(ctx, func(ctx context.Context, tx store.Tx) error {
		_, err := db.DeleteItems(ctx, tx, n.ID, kind.kind, "")
		return err
	})
}

// ResourceTypes lists the kinds of things that definitions can be about.
func (s *Service) ResourceTypes(ctx context.Context) ([]ResourceType, error) {
	return db.ResourceTypes(ctx, s.db.Read(ctx))
}
