package api_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"gostack/internal/keystone"
	"gostack/internal/store/storetest"
)

func TestLimits(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		admin := c.admin()
		service := admin.Get("/v3/services?type=compute").Want(200).Text("services.0.id")
		for body, code := range map[string]int{
			`{"registered_limits": []}`: 400,
			`{"registered_limits": [{"service_id": "` + service + `", "resource_name": "x", "default_limit": -2}]}`:                        400,
			`{"registered_limits": [{"service_id": "nothing", "resource_name": "x", "default_limit": 1}]}`:                                 400,
			`{"registered_limits": [{"service_id": "` + service + `", "resource_name": "x", "default_limit": 1, "region_id": "nowhere"}]}`: 400,
			`{"registered_limits": [{"service_id": "` + service + `", "resource_name": "x", "default_limit": 1, "strange": 1}]}`:           400,
		} {
			if a := admin.Post("/v3/registered_limits", body); a.Code != code {
				t.Errorf("%s: %d, want %d\n%s", body, a.Code, code, a.Body)
			}
		}
		registered := admin.Post("/v3/registered_limits", fmt.Sprintf(`{"registered_limits": [
			{"service_id": %[1]q, "resource_name": "servers", "default_limit": 10, "description": "d"},
			{"service_id": %[1]q, "resource_name": "cores", "default_limit": 5},
			{"service_id": %[1]q, "resource_name": "cores", "default_limit": 7, "region_id": "RegionOne"}]}`, service)).Want(201).
			Has("registered_limits.0.region_id", nil).Has("registered_limits.2.default_limit", 7).Has("links", nil)
		servers := registered.Text("registered_limits.0.id")
		admin.Post("/v3/registered_limits", fmt.Sprintf(`{"registered_limits": [{"service_id": %q, "resource_name": "fresh", "default_limit": 1},
			{"service_id": %[1]q, "resource_name": "servers", "default_limit": 1}]}`, service)).Want(409)
		if n := admin.Get("/v3/registered_limits").Want(200).Len("registered_limits"); n != 3 {
			t.Errorf("%d registered limits: a refused request left something", n)
		}
		admin.Get("/v3/registered_limits?region_id=RegionOne").Want(200).Has("registered_limits.0.default_limit", 7).Has("registered_limits.1", nil)
		admin.Get("/v3/limits/model").Want(200).Has("model.name", "flat")

		_, name, project := c.worker("reader")
		other, _ := c.project("default", "")
		limit := func(more string) string {
			return fmt.Sprintf(`{"limits": [{"service_id": %q, "resource_name": "servers", "resource_limit": 3, %s}]}`, service, more)
		}
		for more, code := range map[string]int{
			`"description": "of nobody"`:                                400,
			`"project_id": "` + project + `", "domain_id": "default"`:   400,
			`"project_id": "nothing"`:                                   400,
			`"domain_id": "` + project + `"`:                            400,
			`"project_id": "` + project + `", "region_id": "RegionOne"`: 403,
		} {
			if a := admin.Post("/v3/limits", limit(more)); a.Code != code {
				t.Errorf("%s: %d, want %d\n%s", more, a.Code, code, a.Body)
			}
		}
		id := admin.Post("/v3/limits", limit(`"project_id": "`+project+`"`)).Want(201).Has("limits.0.domain_id", nil).Text("limits.0.id")
		admin.Post("/v3/limits", limit(`"project_id": "`+project+`"`)).Want(409)
		ofDomain := admin.Post("/v3/limits", limit(`"domain_id": "default"`)).Want(201).Has("limits.0.project_id", nil).Text("limits.0.id")
		admin.Patch("/v3/registered_limits/"+servers, `{"registered_limit": {"default_limit": 20}}`).Want(403)
		admin.Delete("/v3/registered_limits/" + servers).Want(403)

		// A project sees its own limits, the system all of them.
		me := c.As(c.token(name, "pw", on(project)))
		me.Get("/v3/limits").Want(200).Has("limits.0.id", id).Has("limits.1", nil)
		if n := admin.Get("/v3/limits").Want(200).Len("limits"); n != 2 {
			t.Errorf("an administrator sees %d limits", n)
		}
		me.Get("/v3/limits/" + id).Want(200)
		me.Get("/v3/limits/" + ofDomain).Want(403)
		me.Get("/v3/limits?project_id="+other).Want(200).Has("limits.0", nil)
		me.Patch("/v3/limits/"+id, `{"limit": {"resource_limit": 100}}`).Want(403)
		system := c.As(c.token("admin", adminPassword, system))
		if n := system.Get("/v3/limits").Want(200).Len("limits"); n != 2 {
			t.Errorf("%d limits", n)
		}
		system.Get("/v3/limits?domain_id=default").Want(200).Has("limits.0.id", ofDomain).Has("limits.1", nil)
		admin.Patch("/v3/limits/"+id, `{"limit": {"resource_limit": 4, "description": "more"}}`).Want(200).Has("limit.resource_limit", 4)
		admin.Patch("/v3/limits/"+id, `{"limit": {"resource_name": "x"}}`).Want(400)

		limits, err := c.service.Limits(t.Context(), project, "compute", "RegionOne")
		if err != nil || fmt.Sprint(limits) != "map[cores:7 servers:4]" {
			t.Errorf("%v %v", limits, err)
		}
		if limits, err = c.service.Limits(t.Context(), other, "compute", "elsewhere"); err != nil || fmt.Sprint(limits) != "map[cores:5 servers:10]" {
			t.Errorf("%v %v", limits, err)
		}
		admin.Delete("/v3/limits/" + id).Want(204)
		admin.Get("/v3/limits/" + id).Want(404)
		admin.Delete("/v3/limits/" + ofDomain).Want(204)
		admin.Patch("/v3/registered_limits/"+servers, `{"registered_limit": {"default_limit": 20}}`).Want(200).Has("registered_limit.default_limit", 20)
		admin.Delete("/v3/registered_limits/" + servers).Want(204)
		admin.Get("/v3/registered_limits/" + servers).Want(404)
	})
}

// Under strict_two_level nobody gets more than what is above, and a family together not more than its head.
func TestStrictTwoLevel(t *testing.T) {
	c := cloudWith(t, storetest.Either(t, keystone.Migrations), keystone.Options{LimitModel: keystone.StrictTwoLevel})
	admin := c.admin()
	service := admin.Get("/v3/services?type=compute").Want(200).Text("services.0.id")
	d := c.domain()
	a, _ := c.project(d, "")
	b, _ := c.project(d, "")
	admin.Post("/v3/registered_limits", fmt.Sprintf(`{"registered_limits": [{"service_id": %q, "resource_name": "servers", "default_limit": 10}]}`, service)).Want(201)
	admin.Get("/v3/limits/model").Want(200).Has("model.name", "strict_two_level")
	set := func(key, id string, n int) int {
		return admin.Post("/v3/limits", fmt.Sprintf(`{"limits": [{"service_id": %q, "resource_name": "servers", "resource_limit": %d, %q: %q}]}`,
			service, n, key, id)).Code
	}
	if code := set("project_id", a, 11); code != 403 {
		t.Errorf("more than the default above: %d", code)
	}
	if code := set("project_id", a, 8); code != 201 {
		t.Error(code)
	}
	if code := set("domain_id", d, 7); code != 403 {
		t.Errorf("less than what is below: %d", code)
	}
	if code := set("domain_id", d, 9); code != 201 {
		t.Error(code)
	}
	// A whole family comes in one request, whoever is named first.
	d2 := c.domain()
	p2, _ := c.project(d2, "")
	family := func(domain int) int {
		return admin.Post("/v3/limits", fmt.Sprintf(`{"limits": [{"service_id": %[1]q, "resource_name": "servers", "resource_limit": 12, "project_id": %[2]q},
			{"service_id": %[1]q, "resource_name": "servers", "resource_limit": %[3]d, "domain_id": %[4]q}]}`, service, p2, domain, d2)).Code
	}
	if code := family(11); code != 403 {
		t.Errorf("the project has more than the domain: %d", code)
	}
	admin.Get("/v3/limits?project_id="+p2).Want(200).Has("limits.0", nil)
	if code := family(12); code != 201 {
		t.Error(code)
	}
	usage := func(_ context.Context, projects, names []string) (map[string]map[string]int64, error) {
		if len(projects) != 3 {
			t.Errorf("asked about %v", projects)
		}
		return map[string]map[string]int64{a: {"servers": 5}, b: {"servers": 3}}, nil
	}
	ask := func(project string, n int64) error {
		return c.service.EnforceLimits(t.Context(), project, "compute", "", map[string]int64{"servers": n}, usage)
	}
	if err := ask(a, 1); err != nil {
		t.Error(err)
	}
	var over keystone.OverLimits
	if err := ask(a, 2); !errors.As(err, &over) || over[0].Limit != 9 || over[0].Current != 8 {
		t.Errorf("the family is at 10 of 9: %v", err)
	}
	if err := ask(a, 4); !errors.As(err, &over) || over[0].Limit != 8 || !strings.Contains(err.Error(), "servers is over limit of 8") {
		t.Errorf("the project is at 9 of 8: %v", err)
	}
	if err := c.service.EnforceLimits(t.Context(), a, "compute", "", map[string]int64{"unknown": 1}, usage); err == nil {
		t.Error("what nobody registered is free")
	}
}
