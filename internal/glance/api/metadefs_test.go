package api_test

import (
	"fmt"
	"strings"
	"testing"
)

const namespaces = "/image/v2/metadefs/namespaces"

const property = `{"title": "Type", "type": "string", "enum": ["kvm", "qemu"]}`

func TestNamespaces(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		admin := c.As("admin")
		ns := namespaces + "/OS::Compute::Test"
		full := fmt.Sprintf(`{"namespace": "OS::Compute::Test", "display_name": "Test", "description": "d", "visibility": "public", "protected": true,
			"resource_type_associations": [{"name": "OS::Nova::Flavor", "prefix": "hw:"}, {"name": "OS::Nova::Odd"}],
			"properties": {"type": %s}, "tags": [{"name": "t1"}], "objects": [{"name": "o1", "description": "x", "required": ["p"], "properties": {"p": %s}}]}`, property, property)
		a := admin.Post(namespaces, full).Want(201).Has("namespace", "OS::Compute::Test").Has("owner", "project-admin").
			Has("properties.type.title", "Type").Has("objects.0.required.0", "p").Has("self", "/v2/metadefs/namespaces/OS::Compute::Test")
		if a.Header.Get("Location") == "" {
			t.Error("no Location")
		}
		admin.Post(namespaces, full).Want(409).Says("The metadata definition namespace=OS::Compute::Test already exists.")
		c.As("reader").Get(ns).Want(200).Has("tags.0.name", "t1").Has("resource_type_associations.0.prefix", "hw:")
		c.As("reader").Get(ns+"?resource_type=OS::Nova::Flavor").Want(200).Has("objects.0.required.0", "hw:p").Has("objects.0.properties.hw:p.type", "string")
		if c.As("reader").Get("/image/v2/metadefs/resource_types").Want(200).Len("resource_types") != 7 {
			t.Error("a new resource type is not listed")
		}
		admin.Delete(ns).Want(403).Says("Metadata definition namespace OS::Compute::Test is protected and cannot be deleted.")
		admin.Delete(ns + "/tags").Want(403)
		admin.Delete(ns + "/objects/o1").Want(403)
		c.As("member").Put(ns, `{"namespace": "OS::Compute::Test"}`).Want(403)

		admin.Put(ns, `{"namespace": "Renamed", "visibility": "private"}`).Want(200).Has("protected", false).Has("visibility", "private")
		c.As("reader").Get(ns).Want(404)
		c.As("reader").Get(namespaces + "/Renamed").Want(404).Says("Metadata definition namespace=Renamed was not found.")
		admin.Get(namespaces+"/Renamed").Want(200).Has("properties.type.type", "string")
		admin.Delete(namespaces + "/Renamed/objects").Want(204)
		admin.Delete(namespaces + "/Renamed/properties").Want(204)
		admin.Delete(namespaces + "/Renamed/tags").Want(204)
		if v := admin.Get(namespaces + "/Renamed").At("properties"); v != nil {
			t.Error("properties are left")
		}
		admin.Delete(namespaces + "/Renamed").Want(204)
		admin.Delete(namespaces + "/Renamed").Want(404)
	})
}

func TestNamespacesAreListedInPages(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		admin := c.As("admin")
		for n := range 5 {
			visibility := "public"
			if n == 4 {
				visibility = "private"
			}
			admin.Post(namespaces, fmt.Sprintf(`{"namespace": "ns%d", "visibility": %q, "resource_type_associations": [{"name": "OS::Type%d"}]}`, n, visibility, n%2)).Want(201)
			c.clock.Advance(1e9)
		}
		if n := c.As("member").Get(namespaces).Want(200).Len("namespaces"); n != 4 {
			t.Errorf("a member sees %d", n)
		}
		if n := admin.Get(namespaces + "?visibility=private").Want(200).Len("namespaces"); n != 1 {
			t.Errorf("private are %d", n)
		}
		if n := admin.Get(namespaces + "?resource_types=OS::Type1,OS::None").Want(200).Len("namespaces"); n != 2 {
			t.Errorf("of the type are %d", n)
		}
		var names []string
		path := "/v2/metadefs/namespaces?limit=2&sort_key=namespace&sort_dir=asc"
		for path != "" {
			a := admin.Get("/image" + path).Want(200)
			for i := range a.Len("namespaces") {
				names = append(names, a.Text(fmt.Sprintf("namespaces.%d.namespace", i)))
			}
			path, _ = a.At("next").(string)
		}
		if got := strings.Join(names, " "); got != "ns0 ns1 ns2 ns3 ns4" {
			t.Errorf("pages give %s", got)
		}
		admin.Get(namespaces+"?limit=1").Want(200).Has("namespaces.0.namespace", "ns4").Has("namespaces.0.resource_type_associations.0.name", "OS::Type0")
		for query, text := range map[string]string{
			"limit=x": "limit param must be an integer", "limit=-1": "limit param must be positive", "sort_dir=up": "Invalid sort direction: up",
			"sort_key=size": "Invalid sort key: size", "visibility=shared": "Invalid visibility value: shared",
		} {
			admin.Get(namespaces + "?" + query).Want(400).Says(text)
		}
		admin.Get(namespaces + "?marker=none").Want(404)
	})
}

func TestItemsOfANamespace(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		admin := c.As("admin")
		admin.Post(namespaces, `{"namespace": "ns", "visibility": "public"}`).Want(201)
		ns := namespaces + "/ns"

		admin.Post(ns+"/objects", fmt.Sprintf(`{"name": "CPU Limits", "properties": {"p": %s}}`, property)).Want(201).Has("self", "/v2/metadefs/namespaces/ns/objects/CPU Limits")
		admin.Post(ns+"/objects", `{"name": "CPU Limits"}`).Want(409).Says("A metadata definition object with name=CPU Limits already exists in namespace=ns.")
		admin.Put(ns+"/objects/CPU%20Limits", `{"name": "cpu", "description": "new"}`).Want(200).Has("name", "cpu").Has("description", "new")
		c.As("reader").Get(ns+"/objects/cpu").Want(200).Has("schema", "/v2/schemas/metadefs/object")
		c.As("reader").Get(ns+"/objects").Want(200).Has("objects.0.name", "cpu")
		admin.Get(ns + "/objects/CPU%20Limits").Want(404).Says("The metadata definition object with name=CPU Limits was not found in namespace=ns.")
		admin.Delete(ns + "/objects/cpu").Want(204)

		admin.Post(ns+"/properties", `{"name": "type", "title": "T", "type": "integer", "minimum": 1}`).Want(201).Has("name", "type")
		admin.Post(ns+"/properties", `{"name": "type"}`).Want(400).Says("required property")
		admin.Post(ns+"/resource_types", `{"name": "OS::Nova::Flavor", "prefix": "hw:"}`).Want(201).Has("prefix", "hw:")
		admin.Post(ns+"/resource_types", `{"name": "OS::Nova::Flavor"}`).Want(409)
		c.As("reader").Get(ns+"/properties?resource_type=OS::Nova::Flavor").Want(200).Has("properties.hw:type.minimum", 1)
		c.As("reader").Get(ns+"/properties/hw:type?resource_type=OS::Nova::Flavor").Want(200).Has("name", "hw:type")
		c.As("reader").Get(ns + "/properties/type?resource_type=OS::Nova::Flavor").Want(404)
		c.As("reader").Get(ns + "/properties?resource_type=OS::None").Want(404)
		admin.Put(ns+"/properties/type", `{"name": "type", "title": "U", "type": "string"}`).Want(200).Has("title", "U")
		c.As("reader").Get(ns+"/resource_types").Want(200).Has("resource_type_associations.0.name", "OS::Nova::Flavor")
		admin.Delete(ns + "/resource_types/OS::Nova::Flavor").Want(204)
		admin.Delete(ns + "/resource_types/OS::Nova::Flavor").Want(404)

		admin.Post(ns+"/tags", `{"tags": [{"name": "a"}, {"name": "b"}]}`).Want(201).Has("tags.1.name", "b")
		admin.Post(ns+"/tags", `{"tags": [{"name": "c"}]}`).Want(201)
		if n := admin.Get(ns + "/tags").Want(200).Len("tags"); n != 1 {
			t.Errorf("%d tags after a replacement", n)
		}
		admin.With("X-Openstack-Append", "true").Post(ns+"/tags", `{"tags": [{"name": "d"}]}`).Want(201)
		admin.With("X-Openstack-Append", "true").Post(ns+"/tags", `{"tags": [{"name": "d"}]}`).Want(409)
		admin.Post(ns+"/tags", `{"tags": [{"name": "x"}, {"name": "x"}]}`).Want(409)
		admin.Post(ns+"/tags/e", nil).Want(201).Has("name", "e")
		admin.Post(ns+"/tags/"+strings.Repeat("e", 81), nil).Want(400)
		admin.Put(ns+"/tags/e", `{"name": "f"}`).Want(200).Has("name", "f")
		admin.Get(ns+"/tags?limit=2").Want(200).Has("tags.1.name", "d").Has("next", "/v2/metadefs/namespaces/ns/tags?limit=2&marker=d")
		admin.Get(ns+"/tags?marker=d").Want(200).Has("tags.0.name", "f")
		admin.Delete(ns + "/tags/f").Want(204)
		admin.Delete(ns + "/tags/f").Want(404)

		for _, s := range []struct {
			path, body string
			code       int
		}{
			{"/objects", `{"name": "x", "created_at": "2020-01-01T00:00:00Z"}`, 403},
			{"/objects", `{"name": "x", "odd": 1}`, 400},
			{"/objects", `{"name": 5}`, 400},
			{"/objects", `{"name": "` + strings.Repeat("x", 256) + `"}`, 400},
			{"/properties", `{"name": "x", "title": "x", "type": "text"}`, 400},
			{"/tags", `{"tags": "x"}`, 400},
			{"/tags", `[]`, 400},
			{"/resource_types", `{}`, 400},
		} {
			admin.Post(ns+s.path, s.body).Want(s.code)
		}
		admin.Post(namespaces, `{"namespace": "`+strings.Repeat("x", 81)+`"}`).Want(400)
		c.As("member").Post(ns+"/tags/z", nil).Want(403)
		for _, name := range []string{"namespace", "namespaces", "object", "objects", "property", "properties", "tag", "tags", "resource_type", "resource_types"} {
			c.As("reader").Get("/image/v2/schemas/metadefs/" + name).Want(200)
		}
	})
}

func TestMetadefBudgets(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		for n := range 20 {
			c.As("admin").Post(namespaces, fmt.Sprintf(`{"namespace": "ns%d", "visibility": "public", "tags": [{"name": "t"}], "resource_type_associations": [{"name": "OS::Type"}]}`, n)).Want(201)
		}
		for _, s := range []struct {
			method, path, body string
			status, most       int
		}{
			{"GET", namespaces + "/ns1", "", 200, 2},
			{"GET", namespaces + "?marker=ns15&limit=10", "", 200, 3},
			{"GET", namespaces + "/ns1/tags", "", 200, 3},
			{"GET", namespaces + "/ns1/tags/t", "", 200, 2},
			{"POST", namespaces, `{"namespace": "new", "tags": [{"name": "t"}], "resource_type_associations": [{"name": "OS::Type"}]}`, 201, 12},
		} {
			if n := c.statements("admin", s.method, s.path, "application/json", s.body, s.status); n == 0 || n > s.most {
				t.Errorf("%s %s took %d statements, the budget is %d", s.method, s.path, n, s.most)
			}
		}
	})
}
