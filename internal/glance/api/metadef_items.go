package api

import (
	"encoding/json"
	"net/url"
	"strconv"
	"strings"

	"gostack/internal/glance"
	"gostack/internal/rest"
)

func atoi(text string) (int, error) { return strconv.Atoi(text) }

// itemKind is how the API speaks of a kind of definition in a namespace.
type itemKind struct {
	glance.Metadef
	word, collection string
	clear, remove    string // policies of deleting all, and one
	schema           *rest.Schema
	view             func(n *glance.Namespace, it *glance.Item, prefix string) (map[string]any, error)
}

// Who deletes all of a kind must be allowed to delete the namespace (upstream's glance/api/v2/metadef_namespaces.py).
var itemKinds = []itemKind{
	{glance.MetadefObjects, "object", "objects", deleteNamespace, "delete_metadef_object", objectSchema, objectView},
	{glance.MetadefProperties, "property", "properties", deleteNamespace, "remove_metadef_property", propertySchema, propertyView},
	{glance.MetadefTags, "tag", "tags", "delete_metadef_tags", "delete_metadef_tag", tagSchema, tagView},
}

const deleteNamespace = "delete_metadef_namespace"

func without(doc map[string]any, name string) map[string]any {
	out := make(map[string]any, len(doc))
	for k, v := range doc {
		if k != name {
			out[k] = v
		}
	}
	return out
}

func docOf(it *glance.Item) (map[string]any, error) {
	doc := map[string]any{}
	return doc, json.Unmarshal([]byte(it.Doc), &doc)
}

func stamped(v map[string]any, it *glance.Item) map[string]any {
	v["created_at"], v["updated_at"] = stamp(it.CreatedAt), stamp(it.UpdatedAt)
	return v
}

func objectView(n *glance.Namespace, it *glance.Item, prefix string) (map[string]any, error) {
	doc, err := docOf(it)
	if err != nil {
		return nil, err
	}
	properties, required := map[string]any{}, []any{}
	if had, ok := doc["properties"].(map[string]any); ok {
		for name, p := range had {
			properties[prefix+name] = p
		}
	}
	if had, ok := doc["required"].([]any); ok {
		for _, name := range had {
			if text, ok := name.(string); ok {
				required = append(required, prefix+text)
			}
		}
	}
	v := map[string]any{
		"name": it.Name, "properties": properties, "required": required,
		"self": "/v2/metadefs/namespaces/" + n.Namespace + "/objects/" + it.Name, "schema": "/v2/schemas/metadefs/object",
	}
	if text, ok := doc["description"]; ok {
		v["description"] = text
	}
	return stamped(v, it), nil
}

func propertyView(_ *glance.Namespace, it *glance.Item, prefix string) (map[string]any, error) {
	v, err := docOf(it)
	v["name"] = prefix + it.Name
	return v, err
}

func tagView(_ *glance.Namespace, it *glance.Item, _ string) (map[string]any, error) {
	return stamped(map[string]any{"name": it.Name}, it), nil
}

func associationView(it *glance.Item) (map[string]any, error) {
	v, err := docOf(it)
	v["name"] = it.Name
	return stamped(v, it), err
}

// prefixOf is what a namespace's association with the resource type of the query puts before property names.
func (a *api) prefixOf(r *rest.Request) (string, error) {
	name := r.Query("resource_type")
	if name == "" {
		return "", nil
	}
	if err := r.Enforce("get_metadef_resource_type", namespaceTarget(namespaceOf(r))); err != nil {
		return "", err
	}
	it, err := a.service.Item(r.Context(), namespaceOf(r), glance.MetadefAssociations, name)
	if err != nil {
		return "", err
	}
	doc, err := docOf(it)
	prefix, _ := doc["prefix"].(string)
	return prefix, err
}

func (a *api) listItems(k itemKind) func(*rest.Request) (any, error) {
	return func(r *rest.Request) (any, error) {
		n := namespaceOf(r)
		limit, err := pageLimit(r.QueryValues())
		if err != nil {
			return nil, err
		}
		prefix := ""
		if k.word == "property" {
			if prefix, err = a.prefixOf(r); err != nil {
				return nil, err
			}
		}
		items, err := a.service.Items(r.Context(), n, k.Metadef)
		if err != nil {
			return nil, err
		}
		if k.word == "object" && !r.Can("get_metadef_object", namespaceTarget(n)) { // may ask, but see none of them
			items = nil
		}
		if k.word == "property" {
			properties := map[string]any{}
			for _, it := range items {
				if properties[prefix+it.Name], err = propertyView(n, &it, prefix); err != nil {
					return nil, err
				}
			}
			return map[string]any{"properties": properties}, nil
		}
		page, more, err := pageOf(items, r.Query("marker"), limit)
		if err != nil {
			return nil, err
		}
		views := make([]map[string]any, len(page))
		for i := range page {
			if views[i], err = k.view(n, &page[i], ""); err != nil {
				return nil, err
			}
			if k.word == "tag" {
				views[i] = map[string]any{"name": page[i].Name}
			}
		}
		path := "/v2/metadefs/namespaces/" + n.Namespace + "/" + k.collection
		answer := map[string]any{k.collection: views, "schema": "/v2/schemas/metadefs/" + k.collection}
		pageLinks(answer, path, r.QueryValues(), more)
		return answer, nil
	}
}

// pageOf cuts a page out of a namespace's items, which are few; more names its last one when others follow.
func pageOf(items []glance.Item, marker string, limit int) (page []glance.Item, more string, err error) {
	if marker != "" {
		at := -1
		for i := range items {
			if items[i].Name == marker {
				at = i
			}
		}
		if at < 0 {
			return nil, "", rest.NotFound("Failed to find item by marker %s", marker)
		}
		items = items[at+1:]
	}
	if len(items) < limit {
		return items, "", nil
	}
	if limit > 0 {
		more = items[limit-1].Name
	}
	return items[:limit], more, nil
}

func (a *api) showItem(k itemKind) func(*rest.Request) (any, error) {
	return func(r *rest.Request) (any, error) {
		name, prefix := r.Path("name"), ""
		if k.word == "property" {
			var err error
			if prefix, err = a.prefixOf(r); err != nil {
				return nil, err
			}
			short, ok := strings.CutPrefix(name, prefix)
			if !ok {
				return nil, rest.NotFound("Property %s does not start with the expected resource type association prefix of '%s'.", name, prefix)
			}
			name = short
		}
		it, err := a.service.Item(r.Context(), namespaceOf(r), k.Metadef, name)
		if err != nil {
			return nil, err
		}
		return k.view(namespaceOf(r), it, prefix)
	}
}

// newItem reads a definition from the body.
func newItem(r *rest.Request, k itemKind) (glance.Item, error) {
	doc, err := metadefBody(r, k.word, k.schema)
	if err != nil {
		return glance.Item{}, err
	}
	name := doc["name"].(string)
	if name == "" || strings.Contains(name, "/") {
		return glance.Item{}, rest.BadRequest("Invalid input for field/attribute name. Value: %s.", name)
	}
	return k.NewItem(name, without(doc, "name"))
}

func (a *api) createItem(k itemKind) func(*rest.Request) (any, error) {
	return func(r *rest.Request) (any, error) {
		it, err := newItem(r, k)
		if err != nil {
			return nil, err
		}
		return a.added(r, k, it)
	}
}

func (a *api) added(r *rest.Request, k itemKind, it glance.Item) (any, error) {
	n := namespaceOf(r)
	items := []glance.Item{it}
	if err := a.service.AddItems(r.Context(), n, k.Metadef, items); err != nil {
		return nil, err
	}
	v, err := k.view(n, &items[0], "")
	return rest.Reply(201, v).With("Location", r.BaseURL()+"/v2/metadefs/namespaces/"+url.PathEscape(n.Namespace)+"/"+k.collection+"/"+url.PathEscape(it.Name)), err
}

func (a *api) updateItem(k itemKind) func(*rest.Request) (any, error) {
	return func(r *rest.Request) (any, error) {
		it, err := newItem(r, k)
		if err != nil {
			return nil, err
		}
		n, old := namespaceOf(r), r.Path("name")
		had, err := a.service.Item(r.Context(), n, k.Metadef, old)
		if err != nil {
			return nil, err
		}
		it.NamespaceID, it.CreatedAt = n.ID, had.CreatedAt
		if err := a.service.SaveItem(r.Context(), n, k.Metadef, &it, old); err != nil {
			return nil, err
		}
		return k.view(n, &it, "")
	}
}

func (a *api) deleteItem(k glance.Metadef) func(*rest.Request) (any, error) {
	return func(r *rest.Request) (any, error) {
		return nil, a.service.DeleteItem(r.Context(), namespaceOf(r), k, r.Path("name"))
	}
}

func (a *api) clearItems(k glance.Metadef) func(*rest.Request) (any, error) {
	return func(r *rest.Request) (any, error) {
		if err := r.Enforce(deleteNamespace, namespaceTarget(namespaceOf(r))); err != nil { // tags have a policy beside this one
			return nil, err
		}
		return nil, a.service.ClearItems(r.Context(), namespaceOf(r), k)
	}
}

// createTags makes several tags in the place of those there are, or beside them when the client says so.
func (a *api) createTags(r *rest.Request) (any, error) {
	doc, err := metadefBody(r, "tags", tagsSchema)
	if err != nil {
		return nil, err
	}
	items, views := []glance.Item{}, []any{}
	seen := map[string]bool{}
	for _, value := range doc["tags"].([]any) {
		name := value.(map[string]any)["name"].(string)
		if seen[name] {
			return nil, rest.Conflict("A metadata tag with name=%s already exists in namespace=%s. (Please note that metadata tag names are case insensitive).", name, namespaceOf(r).Namespace)
		}
		seen[name] = true
		it, err := glance.MetadefTags.NewItem(name, map[string]any{})
		if err != nil {
			return nil, err
		}
		items, views = append(items, it), append(views, map[string]any{"name": name})
	}
	write := a.service.ReplaceItems
	if yes, _ := rest.ParseBool(r.HTTP.Header.Get("X-Openstack-Append")); yes {
		write = a.service.AddItems
	}
	if err := write(r.Context(), namespaceOf(r), glance.MetadefTags, items); err != nil {
		return nil, err
	}
	return map[string]any{"tags": views}, nil
}

func (a *api) createTag(r *rest.Request) (any, error) {
	name := r.Path("name")
	if len(name) > 80 {
		return nil, rest.BadRequest("Invalid input for field/attribute name. Value: %s. '%s' is too long", name, name)
	}
	it, err := glance.MetadefTags.NewItem(name, map[string]any{})
	if err != nil {
		return nil, err
	}
	return a.added(r, itemKinds[2], it)
}

func (a *api) resourceTypes(r *rest.Request) (any, error) {
	list, err := a.service.ResourceTypes(r.Context())
	if err != nil {
		return nil, err
	}
	views := make([]map[string]any, len(list))
	for i, t := range list {
		views[i] = map[string]any{"name": t.Name, "created_at": stamp(t.CreatedAt), "updated_at": stamp(t.UpdatedAt)}
	}
	return map[string]any{"resource_types": views}, nil
}

func (a *api) listAssociations(r *rest.Request) (any, error) {
	if !r.Can("get_metadef_resource_type", namespaceTarget(namespaceOf(r))) { // may ask, but see none of them
		return map[string]any{"resource_type_associations": []any{}}, nil
	}
	items, err := a.service.Items(r.Context(), namespaceOf(r), glance.MetadefAssociations)
	if err != nil {
		return nil, err
	}
	views := make([]map[string]any, len(items))
	for i := range items {
		if views[i], err = associationView(&items[i]); err != nil {
			return nil, err
		}
	}
	return map[string]any{"resource_type_associations": views}, nil
}

func (a *api) associate(r *rest.Request) (any, error) {
	doc, err := metadefBody(r, "resource_type_association", associationSchema)
	if err != nil {
		return nil, err
	}
	it, err := glance.MetadefAssociations.NewItem(doc["name"].(string), without(doc, "name"))
	if err != nil {
		return nil, err
	}
	items := []glance.Item{it}
	if err := a.service.AddItems(r.Context(), namespaceOf(r), glance.MetadefAssociations, items); err != nil {
		return nil, err
	}
	v, err := associationView(&items[0])
	return rest.Reply(201, v).With("Location", r.BaseURL()+"/v2/metadefs/namespaces/"+url.PathEscape(namespaceOf(r).Namespace)+"/resource_types/"+url.PathEscape(it.Name)), err
}
