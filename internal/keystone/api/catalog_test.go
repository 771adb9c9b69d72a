package api_test

import (
	"bytes"
	"fmt"
	"testing"
)

func TestDiscovery(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		none := c.As("none")
		none.Get("/identity").Want(300).Has("versions.values.0.id", "v3.14").Has("versions.values.0.links.0.href", "http://example.com/identity/v3/")
		none.Get("/identity/").Want(300)
		none.Get("/identity/v3").Want(200).Has("version.status", "stable").Has("version.links.0.href", "http://example.com/identity/v3/").
			Has("version.media-types.0.type", "application/vnd.openstack.identity-v3+json")
		none.Get("/v3/").Want(200).Has("version.links.0.href", "http://example.com/v3/")
		none.Get("/identity/v3/users").Want(401).Has("error.title", "Unauthorized").Has("error.code", 401)
		none.Get("/identity/v3/unknown").Want(401)
		c.admin().Get("/identity/v3/unknown").Want(404).Has("error.code", 404)
		c.admin().Get("/identity/v3/auth/tokens/OS-PKI/revoked").Want(410)
		c.admin().Put("/identity/v3/users", `{}`).Want(405)
		// An unknown service token does no harm.
		c.admin().With("X-Service-Token", "nonsense").Get("/v3/regions").Want(200)
	})
}

func TestRegions(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		admin := c.admin()
		admin.Post("/v3/regions", `{"region": {"id": "North", "description": "d", "color": "blue"}}`).Want(201).
			Has("region.id", "North").Has("region.parent_region_id", nil).Has("region.color", "blue").
			Has("region.links.self", "http://example.com/v3/regions/North")
		admin.Post("/v3/regions", `{"region": {"id": "North"}}`).Want(409).
			Has("error.message", "Conflict occurred attempting to store region - Duplicate ID, North.")
		admin.Put("/v3/regions/Far%20North", `{"region": {"parent_region_id": "North"}}`).Want(201).Has("region.id", "Far North")
		admin.Put("/v3/regions/South", `{"region": {"id": "West"}}`).Want(400).Says("Conflicting region IDs specified")
		if id := admin.Post("/v3/regions", `{"region": {}}`).Want(201).Text("region.id"); len(id) != 32 {
			t.Errorf("id %q", id)
		}
		admin.Post("/v3/regions", `{"region": {"parent_region_id": "nowhere"}}`).Want(404).Has("error.message", "Could not find region: nowhere.")
		admin.Patch("/v3/regions/North", `{"region": {"parent_region_id": "Far North"}}`).Want(400).Says("would create a circular region hierarchy.")
		admin.Patch("/v3/regions/North", `{"region": {"parent_region_id": "North"}}`).Want(400)
		admin.Patch("/v3/regions/North", `{"region": {"description": "e"}}`).Want(200).Has("region.description", "e").Has("region.color", "blue")
		admin.Patch("/v3/regions/North", `{"region": {}}`).Want(400)
		admin.Patch("/v3/regions/nowhere", `{"region": {"description": "e"}}`).Want(404)
		admin.Get("/v3/regions?parent_region_id=North").Want(200).Has("regions.0.id", "Far North")
		admin.Get("/v3/regions/North").Want(200)
		_, name := c.user("default")
		anybody := c.As(c.token(name, "pw", unscoped))
		anybody.Get("/v3/regions").Want(200)
		anybody.Get("/v3/regions/RegionOne").Want(200)
		anybody.Delete("/v3/regions/North").Want(403)
		s := admin.Post("/v3/services", `{"service": {"type": "dns"}}`).Want(201).Text("service.id")
		admin.Post("/v3/endpoints", fmt.Sprintf(`{"endpoint": {"service_id": %q, "interface": "public", "url": "http://x", "region_id": "Far North"}}`, s)).
			Want(201)
		admin.Delete("/v3/regions/North").Want(403).
			Has("error.message", "Unable to delete region North because it or its child regions have associated endpoints.")
		admin.Delete("/v3/services/" + s).Want(204)
		admin.Delete("/v3/regions/North").Want(204)
		admin.Get("/v3/regions/Far%20North").Want(404)
		admin.Delete("/v3/regions/North").Want(404)
	})
}

func TestServicesAndEndpoints(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		admin := c.admin()
		a := admin.Post("/v3/services", `{"service": {"type": "dns", "name": "designate", "description": "d"}}`).Want(201).
			Has("service.type", "dns").Has("service.enabled", true).Has("service.description", "d")
		s := a.Text("service.id")
		admin.Post("/v3/services", `{"service": {"name": "x"}}`).Want(400).Says("'type' is a required property")
		admin.Post("/v3/services", `{"service": {"type": ""}}`).Want(400)
		admin.Get("/v3/services?type=dns").Want(200).Has("services.0.name", "designate").Has("services.1", nil)
		admin.Get("/v3/services?name=nova").Want(200).Has("services.0.type", "compute")
		admin.Patch("/v3/services/"+s, `{"service": {"name": "d2", "description": "e"}}`).Want(200).Has("service.name", "d2").Has("service.description", "e")
		admin.Get("/v3/services/"+s).Want(200).Has("service.links.self", "http://example.com/v3/services/"+s)
		endpoint := func(more string) string {
			return fmt.Sprintf(`{"endpoint": {"service_id": %q, "interface": "public", "url": "http://dns/$(tenant_id)s/%%(user_id)s"%s}}`, s, more)
		}
		e := admin.Post("/v3/endpoints", endpoint(`, "region_id": "RegionOne", "note": "n"`)).Want(201).Has("endpoint.region", "RegionOne").
			Has("endpoint.region_id", "RegionOne").Has("endpoint.enabled", true).Has("endpoint.note", "n").Text("endpoint.id")
		admin.Post("/v3/endpoints", endpoint(`, "region": "Made"`)).Want(201).Has("endpoint.region_id", "Made")
		admin.Get("/v3/regions/Made").Want(200)
		admin.Post("/v3/endpoints", endpoint(``)).Want(201).Has("endpoint.region_id", nil)
		for body, says := range map[string]string{
			endpoint(`, "region_id": "nowhere"`):                                                               "Could not find region: nowhere.",
			`{"endpoint": {"service_id": "nothing", "interface": "public", "url": "http://x"}}`:                "Could not find service: nothing.",
			`{"endpoint": {"service_id": "` + s + `", "interface": "private", "url": "http://x"}}`:             "is not one of",
			`{"endpoint": {"service_id": "` + s + `", "interface": "public", "url": "nonsense"}}`:              "does not match",
			`{"endpoint": {"service_id": "` + s + `", "interface": "public", "url": "http://x/$(password)s"}}`: "Cannot create an endpoint with an invalid URL",
			`{"endpoint": {"service_id": "` + s + `", "interface": "public", "url": "http://x/$(project_id"}}`: "Cannot create an endpoint with an invalid URL",
			`{"endpoint": {"service_id": "` + s + `", "interface": "public"}}`:                                 "'url' is a required property",
		} {
			admin.Post("/v3/endpoints", body).Want(400).Says(says)
		}
		if a := admin.Get("/v3/endpoints?service_id=" + s).Want(200); a.Len("endpoints") != 3 {
			t.Errorf("%s", a.Body)
		}
		if a := admin.Get("/v3/endpoints?service_id=" + s + "&interface=admin").Want(200); a.Len("endpoints") != 0 {
			t.Errorf("%s", a.Body)
		}
		admin.Get("/v3/endpoints?region_id=Made").Want(200).Has("endpoints.0.service_id", s)
		// The catalogue follows at once.
		c.As(c.token("admin", adminPassword, adminProject)).Get("/v3/auth/catalog").Want(200).
			Says("http://dns/" + c.made.AdminProjectID + "/" + c.made.AdminUserID)
		admin.Patch("/v3/endpoints/"+e, `{"endpoint": {"url": "http://elsewhere", "region_id": null}}`).Want(200).
			Has("endpoint.url", "http://elsewhere").Has("endpoint.region_id", nil).Has("endpoint.interface", "public").Has("endpoint.note", "n")
		admin.Get("/v3/auth/catalog").Want(200).Says("http://elsewhere")
		admin.Patch("/v3/endpoints/"+e, `{"endpoint": {"enabled": false}}`).Want(200)
		if a := admin.Get("/v3/auth/catalog").Want(200); contains(a.Body, "http://elsewhere") {
			t.Error("a disabled endpoint is in the catalogue")
		}
		admin.Patch("/v3/services/"+s, `{"service": {"enabled": false}}`).Want(200)
		if a := admin.Get("/v3/auth/catalog").Want(200); contains(a.Body, "dns") {
			t.Error("a disabled service is in the catalogue")
		}
		admin.Delete("/v3/endpoints/" + e).Want(204)
		admin.Get("/v3/endpoints/"+e).Want(404).Has("error.message", "Could not find endpoint: "+e+".")
		admin.Delete("/v3/endpoints/" + e).Want(404)
		admin.Patch("/v3/endpoints/"+e, `{"endpoint": {"enabled": false}}`).Want(404)
		admin.Delete("/v3/services/" + s).Want(204)
		if a := admin.Get("/v3/endpoints?service_id=" + s).Want(200); a.Len("endpoints") != 0 {
			t.Errorf("endpoints outlive their service: %s", a.Body)
		}
		admin.Get("/v3/services/"+s).Want(404).Has("error.message", "Could not find service: "+s+".")
		admin.Delete("/v3/services/" + s).Want(404)
	})
}

func contains(b []byte, text string) bool { return bytes.Contains(b, []byte(text)) }
