package api

import (
	"encoding/json"
	"net/url"
	"slices"
	"strings"

	"gostack/internal/glance"
	"gostack/internal/policy"
	"gostack/internal/rest"
)

// metadefRoutes are the metadata definitions (https://docs.openstack.org/api-ref/image/v2/metadefs-index.html).
func (a *api) metadefRoutes() []rest.Route {
	const ns = "/v2/metadefs/namespaces/{namespace}"
	routes := []rest.Route{
		{Method: "GET", Path: "/v2/metadefs/namespaces", Policy: "get_metadef_namespaces", Handle: a.listNamespaces},
		{Method: "POST", Path: "/v2/metadefs/namespaces", Policy: "add_metadef_namespace", Status: 201, Body: anything, Handle: a.createNamespace},
		{Method: "GET", Path: ns, Policy: "get_metadef_namespace", Target: a.namespace, Handle: a.showNamespace},
		{Method: "PUT", Path: ns, Policy: "modify_metadef_namespace", Body: anything, Target: a.namespace, Handle: a.updateNamespace},
		{Method: "DELETE", Path: ns, Policy: "delete_metadef_namespace", Status: 204, Target: a.namespace, Handle: a.deleteNamespace},

		{Method: "GET", Path: "/v2/metadefs/resource_types", Policy: "list_metadef_resource_types", Handle: a.resourceTypes},
		{Method: "GET", Path: ns + "/resource_types", Policy: "list_metadef_resource_types", Target: a.namespace, Handle: a.listAssociations},
		{Method: "POST", Path: ns + "/resource_types", Policy: "add_metadef_resource_type_association", Status: 201, Body: anything, Target: a.namespace, Handle: a.associate},
		{Method: "DELETE", Path: ns + "/resource_types/{name}", Policy: "remove_metadef_resource_type_association", Status: 204, Target: a.namespace, Handle: a.deleteItem(glance.MetadefAssociations)},

		{Method: "POST", Path: ns + "/tags", Policy: "add_metadef_tags", Status: 201, Body: anything, Target: a.namespace, Handle: a.createTags},
		{Method: "POST", Path: ns + "/tags/{name}", Policy: "add_metadef_tag", Status: 201, Target: a.namespace, Handle: a.createTag},
	}
	for _, k := range itemKinds {
		list, one := ns+"/"+k.collection, ns+"/"+k.collection+"/{name}"
		routes = append(routes,
			rest.Route{Method: "GET", Path: list, Policy: "get_metadef_" + k.collection, Target: a.namespace, Handle: a.listItems(k)},
			rest.Route{Method: "DELETE", Path: list, Policy: k.clear, Status: 204, Target: a.namespace, Handle: a.clearItems(k.Metadef)},
			rest.Route{Method: "GET", Path: one, Policy: "get_metadef_" + k.word, Target: a.namespace, Handle: a.showItem(k)},
			rest.Route{Method: "PUT", Path: one, Policy: "modify_metadef_" + k.word, Body: anything, Target: a.namespace, Handle: a.updateItem(k)},
			rest.Route{Method: "DELETE", Path: one, Policy: k.remove, Status: 204, Target: a.namespace, Handle: a.deleteItem(k.Metadef)},
		)
		if k.word != "tag" {
			routes = append(routes, rest.Route{Method: "POST", Path: list, Policy: "add_metadef_" + k.word, Status: 201, Body: anything, Target: a.namespace, Handle: a.createItem(k)})
		}
	}
	for name, document := range metadefDocuments {
		routes = append(routes, rest.Route{Method: "GET", Path: "/v2/schemas/metadefs/" + name, Policy: rest.Authenticated, Handle: schemaOf(document)})
	}
	return routes
}

// namespace loads the namespace of the path for the policy and the handler.
func (a *api) namespace(r *rest.Request) (policy.Target, error) {
	n, err := a.service.Namespace(r.Context(), r.Caller, r.Path("namespace"))
	if err != nil {
		return nil, err
	}
	r.Loaded = n
	return namespaceTarget(n), nil
}

func namespaceTarget(n *glance.Namespace) policy.Target {
	return policy.Target{"project_id": n.Owner, "visibility": n.Visibility}
}

func namespaceOf(r *rest.Request) *glance.Namespace { return r.Loaded.(*glance.Namespace) }

// metadefBody reads a body that fits a schema, after upstream's refusal of what only the service writes.
func metadefBody(r *rest.Request, name string, schema *rest.Schema) (map[string]any, error) {
	doc, ok := r.Body.(map[string]any)
	if !ok {
		return nil, rest.BadRequest("Body expected in request.")
	}
	for _, name := range []string{"self", "schema", "created_at", "updated_at"} {
		if _, there := doc[name]; there {
			return nil, rest.Forbidden("Attribute '%s' is read-only.", name)
		}
	}
	if err := schema.Validate(doc); err != nil {
		return nil, rest.BadRequest("Provided object does not match schema '%s': %s", name, strings.TrimPrefix(message(err), "Invalid input for "))
	}
	if text, err := json.Marshal(doc); err == nil && strings.Contains(string(text), `\u0000`) {
		return nil, rest.BadRequest("Definitions may not hold NUL characters.")
	}
	return doc, nil
}

func (a *api) listNamespaces(r *rest.Request) (any, error) {
	if err := r.Enforce("list_metadef_resource_types", nil); err != nil { // namespaces are shown with theirs
		return nil, err
	}
	query := r.QueryValues()
	limit, err := pageLimit(query)
	if err != nil {
		return nil, err
	}
	by := glance.Sort{Column: "created_at", Desc: true}
	if key := r.Query("sort_key"); key != "" {
		by.Column = key
	}
	if !slices.Contains(glance.NamespaceSortKeys, by.Column) {
		return nil, rest.BadRequest("Invalid sort key: %s. It must be one of the following: %s.", by.Column, strings.Join(glance.NamespaceSortKeys, ", "))
	}
	switch dir := r.Query("sort_dir"); dir {
	case "", "desc":
	case "asc":
		by.Desc = false
	default:
		return nil, rest.BadRequest("Invalid sort direction: %s", dir)
	}
	f := glance.NamespaceFilter{Visibility: r.Query("visibility")}
	if f.Visibility != "" && f.Visibility != "public" && f.Visibility != "private" {
		return nil, rest.BadRequest("Invalid visibility value: %s", f.Visibility)
	}
	if types := r.Query("resource_types"); types != "" {
		f.ResourceTypes = strings.Split(types, ",")
	}
	list, items, err := a.service.Namespaces(r.Context(), r.Caller, f, by, r.Query("marker"), limit)
	if err != nil {
		return nil, err
	}
	held := map[int64][]glance.Item{}
	for _, it := range items {
		held[it.NamespaceID] = append(held[it.NamespaceID], it)
	}
	views := make([]map[string]any, 0, len(list))
	for i := range list {
		if !r.Can("get_metadef_namespace", namespaceTarget(&list[i])) {
			continue
		}
		v, err := namespaceView(&list[i], held[list[i].ID], "")
		if err != nil {
			return nil, err
		}
		views = append(views, v)
	}
	answer := map[string]any{"namespaces": views, "schema": "/v2/schemas/metadefs/namespaces"}
	pageLinks(answer, "/v2/metadefs/namespaces", query, lastOf(list, limit, func(n *glance.Namespace) string { return n.Namespace }))
	return answer, nil
}

// pageLimit reads the parameter limit as upstream's lists do.
func pageLimit(query url.Values) (int, error) {
	text := query.Get("limit")
	if text == "" {
		return defaultPage, nil
	}
	limit, err := atoi(text)
	switch {
	case err != nil:
		return 0, rest.BadRequest("limit param must be an integer")
	case limit < 0:
		return 0, rest.BadRequest("limit param must be positive")
	}
	return min(limit, largestPage), nil
}

// lastOf is the marker of the page that follows a full one.
func lastOf[T any](page []T, limit int, marker func(*T) string) string {
	if len(page) == 0 || len(page) < limit {
		return ""
	}
	return marker(&page[len(page)-1])
}

// pageLinks adds first, and next when there is a last item to go on from.
func pageLinks(answer map[string]any, path string, query url.Values, last string) {
	same := url.Values{}
	for key, values := range query {
		if key != "marker" {
			same[key] = values
		}
	}
	answer["first"] = path
	if len(same) > 0 {
		answer["first"] = path + "?" + same.Encode()
	}
	if last != "" {
		same.Set("marker", last)
		answer["next"] = path + "?" + same.Encode()
	}
}

func (a *api) createNamespace(r *rest.Request) (any, error) {
	doc, err := metadefBody(r, "namespace", namespaceSchema)
	if err != nil {
		return nil, err
	}
	for member, rule := range map[string]string{
		"resource_type_associations": "add_metadef_resource_type_association", "objects": "add_metadef_object",
		"properties": "add_metadef_property", "tags": "add_metadef_tag",
	} {
		if doc[member] == nil {
			continue
		}
		if err := r.Enforce(rule, nil); err != nil {
			return nil, err
		}
	}
	n := &glance.Namespace{Owner: r.Caller.ProjectID}
	fillNamespace(n, doc)
	items, err := heldItems(doc)
	if err != nil {
		return nil, err
	}
	if err := a.service.CreateNamespace(r.Context(), n, items); err != nil {
		return nil, err
	}
	v, err := namespaceView(n, items, "")
	return rest.Reply(201, v).With("Location", r.BaseURL()+"/v2/metadefs/namespaces/"+url.PathEscape(n.Namespace)), err
}

// fillNamespace sets the attributes of a namespace as a body has them; those left out become upstream's defaults.
func fillNamespace(n *glance.Namespace, doc map[string]any) {
	text := func(name string) *string {
		if s, ok := doc[name].(string); ok {
			return &s
		}
		return nil
	}
	n.Namespace, n.DisplayName, n.Description = doc["namespace"].(string), text("display_name"), text("description")
	n.Visibility, n.Protected = glance.Private, false
	if v := text("visibility"); v != nil {
		n.Visibility = *v
	}
	if yes, ok := doc["protected"].(bool); ok {
		n.Protected = yes
	}
	if owner := text("owner"); owner != nil && *owner != "" {
		n.Owner = *owner
	}
}

// heldItems are what the body of a new namespace wants it to hold.
func heldItems(doc map[string]any) (items []glance.Item, err error) {
	add := func(kind glance.Metadef, name string, doc map[string]any) {
		it, e := kind.NewItem(name, without(doc, "name"))
		items = append(items, it)
		if e != nil {
			err = e
		}
	}
	for _, from := range []struct {
		member string
		kind   glance.Metadef
	}{{"resource_type_associations", glance.MetadefAssociations}, {"objects", glance.MetadefObjects}, {"tags", glance.MetadefTags}} {
		list, _ := doc[from.member].([]any)
		for _, value := range list {
			item, _ := value.(map[string]any)
			name, ok := item["name"].(string)
			if !ok || name == "" {
				return nil, rest.BadRequest("Provided object does not match schema 'namespace': 'name' is a required property")
			}
			add(from.kind, name, item)
		}
	}
	properties, _ := doc["properties"].(map[string]any)
	for name, value := range properties {
		property, _ := value.(map[string]any)
		add(glance.MetadefProperties, name, property)
	}
	return items, err
}

func (a *api) showNamespace(r *rest.Request) (any, error) {
	n := namespaceOf(r)
	for _, rule := range []string{"get_metadef_objects", "list_metadef_resource_types", "get_metadef_properties", "get_metadef_tags"} { // of what it is shown with
		if err := r.Enforce(rule, namespaceTarget(n)); err != nil {
			return nil, err
		}
	}
	items, err := a.service.Items(r.Context(), n)
	if err != nil {
		return nil, err
	}
	return namespaceView(n, items, r.Query("resource_type"))
}

func (a *api) updateNamespace(r *rest.Request) (any, error) {
	doc, err := metadefBody(r, "namespace", namespaceSchema)
	if err != nil {
		return nil, err
	}
	n := namespaceOf(r)
	n.Owner = r.Caller.ProjectID
	fillNamespace(n, doc)
	if err := a.service.SaveNamespace(r.Context(), n); err != nil {
		return nil, err
	}
	return namespaceView(n, nil, "")
}

func (a *api) deleteNamespace(r *rest.Request) (any, error) {
	return nil, a.service.DeleteNamespace(r.Context(), namespaceOf(r))
}

// namespaceView is a namespace with what it holds. Property names get the prefix of its association with resourceType.
func namespaceView(n *glance.Namespace, items []glance.Item, resourceType string) (map[string]any, error) {
	v := map[string]any{
		"namespace": n.Namespace, "visibility": n.Visibility, "protected": n.Protected, "owner": n.Owner,
		"created_at": stamp(n.CreatedAt), "updated_at": stamp(n.UpdatedAt),
		"self": "/v2/metadefs/namespaces/" + n.Namespace, "schema": "/v2/schemas/metadefs/namespace",
	}
	if n.DisplayName != nil {
		v["display_name"] = *n.DisplayName
	}
	if n.Description != nil {
		v["description"] = *n.Description
	}
	prefix := ""
	for i := range items {
		if glance.MetadefAssociations.Is(&items[i]) && resourceType != "" && items[i].Name == resourceType {
			doc, err := docOf(&items[i])
			if err != nil {
				return nil, err
			}
			prefix, _ = doc["prefix"].(string)
		}
	}
	var associations, objects, tags []any
	properties := map[string]any{}
	for i := range items {
		it := &items[i]
		switch {
		case glance.MetadefProperties.Is(it):
			properties[prefix+it.Name] = json.RawMessage(it.Doc)
			continue
		case glance.MetadefTags.Is(it):
			tags = append(tags, map[string]any{"name": it.Name})
			continue
		}
		if glance.MetadefObjects.Is(it) {
			view, err := objectView(n, it, prefix)
			if err != nil {
				return nil, err
			}
			objects = append(objects, view)
			continue
		}
		view, err := associationView(it)
		if err != nil {
			return nil, err
		}
		associations = append(associations, view)
	}
	for name, list := range map[string][]any{"resource_type_associations": associations, "objects": objects, "tags": tags} {
		if len(list) > 0 {
			v[name] = list
		}
	}
	if len(properties) > 0 {
		v["properties"] = properties
	}
	return v, nil
}
