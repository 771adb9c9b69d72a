package api_test

import (
	"fmt"
	"net/http"
	"sync"
	"testing"

	"gostack/internal/rest/resttest"
)

const allocationsPath = "/placement/allocations"

func TestAllocationLife(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		c.provider(rp1, "", "VCPU", 8, "MEMORY_MB", 1024)
		c.provider(rp2, "", "DISK_GB", 100)
		body := allocation(nil, map[string]map[string]int{rp1: {"VCPU": 2, "MEMORY_MB": 512}, rp2: {"DISK_GB": 10}})
		body["mappings"] = map[string]any{"": []string{rp1}}
		c.latest().Put(allocationsPath+"/"+con1, body).Want(204)
		answer := c.latest().Get(allocationsPath+"/"+con1).Want(200).Has("consumer_generation", 1).Has("consumer_type", "INSTANCE").Has("project_id", "project-1")
		answer.Has("allocations."+rp1+".resources.VCPU", 2).Has("allocations."+rp1+".generation", 2).Has("allocations."+rp2+".resources.DISK_GB", 10)
		c.at(27).Get(allocationsPath+"/"+con1).Want(200).Has("consumer_generation", nil).Has("consumer_type", nil).Has("user_id", "user-1")
		c.at(11).Get(allocationsPath+"/"+con1).Want(200).Has("project_id", nil)
		c.latest().Get(providers+"/"+rp1+"/allocations").Want(200).Has("allocations."+con1+".resources.MEMORY_MB", 512).
			Has("allocations."+con1+".consumer_generation", 1).Has("resource_provider_generation", 2)
		c.latest().Get(providers+"/"+rp1+"/usages").Want(200).Has("usages.VCPU", 2)

		for name, generation := range map[string]any{"old": 0, "new": nil} {
			answer := c.allocate(con1, generation, rp1, "VCPU", 1).Want(409).Has("errors.0.code", "placement.concurrent_update")
			answer.Says("consumer generation conflict")
			_ = name
		}
		c.allocate(con2, 1, rp1, "VCPU", 1).Want(409).Says("expected null but got 1")
		c.allocate(con1, 1, rp1, "VCPU", 4).Want(204)
		c.latest().Get(providers+"/"+rp2+"/usages").Want(200).Has("usages.DISK_GB", 0)
		c.latest().Get(providers+"/"+rp1+"/usages").Want(200).Has("usages.VCPU", 4).Has("usages.MEMORY_MB", 0)
		c.latest().Put(allocationsPath+"/"+con1, allocation(2, nil)).Want(204) // nothing: removed
		c.latest().Get(allocationsPath+"/"+con1).Want(200).Has("consumer_generation", nil)
		c.latest().Delete(allocationsPath + "/" + con1).Want(404)
		c.allocate(con1, nil, rp1, "VCPU", 8).Want(204)
		c.latest().Delete(allocationsPath + "/" + con1).Want(204)
		c.latest().Get(providers+"/"+rp1+"/usages").Want(200).Has("usages.VCPU", 0)
	})
}

func TestAllocationRefusals(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		c.provider(rp1, "")
		c.latest().Put(providers+"/"+rp1+"/inventories", `{"resource_provider_generation": 0, "inventories": {"VCPU": {"total": 10, "min_unit": 2, "max_unit": 6, "step_size": 2, "reserved": 2}}}`).Want(200)
		for name, test := range map[string]struct {
			provider, class string
			amount, code    int
			says            string
		}{
			"below min_unit":      {rp1, "VCPU", 1, 409, "violate inventory constraints"},
			"above max_unit":      {rp1, "VCPU", 8, 409, "violate inventory constraints"},
			"not in steps":        {rp1, "VCPU", 5, 409, "violate inventory constraints"},
			"nothing":             {rp1, "VCPU", 0, 400, ""},
			"no such inventory":   {rp1, "DISK_GB", 2, 409, "invalid"},
			"no such class":       {rp1, "NOSUCH", 2, 400, "No such resource class NOSUCH"},
			"class in lower case": {rp1, "vcpu", 2, 400, ""},
			"no such provider":    {rp2, "VCPU", 2, 400, "does not exist"},
			"no provider":         {"x", "VCPU", 2, 400, ""},
		} {
			t.Run(name, func(t *testing.T) {
				own := &cloud{c.On(t), c.service}
				own.allocate(con1, nil, test.provider, test.class, test.amount).Want(test.code).Says(test.says)
			})
		}
		c.allocate("x", nil, rp1, "VCPU", 2).Want(400).Says("Malformed consumer_uuid")
		c.allocate(con1, nil, rp1, "VCPU", 6).Want(204)
		c.allocate(con2, nil, rp1, "VCPU", 4).Want(409).Says("exceed the capacity")
		c.allocate(con2, nil, rp1, "VCPU", 2).Want(204)
		body := allocation(nil, map[string]map[string]int{rp1: {"VCPU": 2}})
		for _, missing := range []string{"project_id", "user_id", "consumer_generation", "consumer_type", "allocations"} {
			less := map[string]any{}
			for key, value := range body {
				if key != missing {
					less[key] = value
				}
			}
			c.latest().Put(allocationsPath+"/"+con1, less).Want(400).Says(missing)
		}
		body["consumer_type"] = "lower case"
		c.latest().Put(allocationsPath+"/"+con1, body).Want(400)
		if drifts, err := c.service.Audit(t.Context(), false); err != nil || len(drifts) > 0 {
			t.Errorf("audit: %v %v", drifts, err)
		}
	})
}

// TestOldAllocations writes as clients did before each change of the form.
func TestOldAllocations(t *testing.T) {
	each(t, func(_ *testing.T, c *cloud) {
		c.provider(rp1, "", "VCPU", 8)
		list := `{"allocations": [{"resource_provider": {"uuid": "` + rp1 + `"}, "resources": {"VCPU": 1}}]`
		c.at(0).Put(allocationsPath+"/"+con1, list+`}`).Want(204)
		c.latest().Get(allocationsPath+"/"+con1).Want(200).Has("project_id", "00000000-0000-0000-0000-000000000000").Has("consumer_type", "unknown")
		c.at(8).Put(allocationsPath+"/"+con1, list+`}`).Want(400)
		c.at(8).Put(allocationsPath+"/"+con1, list+`, "project_id": "p", "user_id": "u"}`).Want(204)
		keyed := `{"allocations": {"` + rp1 + `": {"generation": 99, "resources": {"VCPU": 2}}}, "project_id": "p", "user_id": "u"`
		c.at(11).Put(allocationsPath+"/"+con1, keyed+`}`).Want(400)
		c.at(12).Put(allocationsPath+"/"+con1, keyed+`}`).Want(204)
		c.at(28).Put(allocationsPath+"/"+con1, keyed+`, "consumer_generation": 3}`).Want(204)
		c.at(33).Put(allocationsPath+"/"+con1, keyed+`, "consumer_generation": 4, "mappings": {"": ["`+rp1+`"]}}`).Want(400)
		c.at(34).Put(allocationsPath+"/"+con1, keyed+`, "consumer_generation": 4, "mappings": {"": ["`+rp1+`"]}}`).Want(204)
		c.at(38).Put(allocationsPath+"/"+con1, keyed+`, "consumer_generation": 5, "consumer_type": "INSTANCE"}`).Want(204)
		c.at(27).Put(allocationsPath+"/"+con1, keyed+`}`).Want(204)
		c.latest().Get(allocationsPath+"/"+con1).Want(200).Has("project_id", "p").Has("consumer_type", "INSTANCE").Has("consumer_generation", 7)
	})
}

// TestManyConsumers moves a server's allocation to a migration and gives it one elsewhere, in one request.
func TestManyConsumers(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		c.provider(rp1, "", "VCPU", 4)
		c.provider(rp2, "", "VCPU", 4)
		c.allocate(con1, nil, rp1, "VCPU", 4).Want(204)
		move := map[string]any{
			con1: allocation(1, map[string]map[string]int{rp2: {"VCPU": 4}}),
			con2: allocation(nil, map[string]map[string]int{rp1: {"VCPU": 4}}),
		}
		c.at(12).Post(allocationsPath, move).Want(404)
		c.latest().Post(allocationsPath, move).Want(204)
		c.latest().Get(allocationsPath+"/"+con2).Want(200).Has("allocations."+rp1+".resources.VCPU", 4)
		c.latest().Get(providers+"/"+rp1+"/usages").Want(200).Has("usages.VCPU", 4)
		// One that does not fit spoils all.
		c.latest().Post(allocationsPath, map[string]any{
			con1: allocation(2, nil), con2: allocation(1, map[string]map[string]int{rp1: {"VCPU": 4}, rp2: {"VCPU": 5}}),
		}).Want(409)
		c.latest().Get(allocationsPath+"/"+con1).Want(200).Has("allocations."+rp2+".resources.VCPU", 4)
		c.latest().Post(allocationsPath, map[string]any{con1: allocation(2, nil), con2: allocation(1, nil)}).Want(204)
		c.latest().Get(providers+"/"+rp1+"/usages").Want(200).Has("usages.VCPU", 0)
		c.latest().Post(allocationsPath, `{}`).Want(400)
		c.latest().Post(allocationsPath, map[string]any{"x": allocation(nil, nil)}).Want(400)
		if drifts, err := c.service.Audit(t.Context(), false); err != nil || len(drifts) > 0 {
			t.Errorf("audit: %v %v", drifts, err)
		}
	})
}

func TestUsages(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		c.provider(rp1, "", "VCPU", 100, "DISK_GB", 100)
		for i, test := range []struct{ project, user, kind string }{
			{"project-1", "user-1", "INSTANCE"}, {"project-1", "user-2", "INSTANCE"}, {"project-1", "user-1", "MIGRATION"}, {"project-2", "user-1", "INSTANCE"},
		} {
			body := allocation(nil, map[string]map[string]int{rp1: {"VCPU": i + 1, "DISK_GB": 1}})
			body["project_id"], body["user_id"], body["consumer_type"] = test.project, test.user, test.kind
			c.latest().Put(fmt.Sprintf("%s/cccccccc-0000-0000-0000-0000000000%02d", allocationsPath, 10+i), body).Want(204)
		}
		c.at(37).Put(allocationsPath+"/"+con1, `{"allocations": {"`+rp1+`": {"resources": {"VCPU": 10}}}, "project_id": "project-1", "user_id": "user-1", "consumer_generation": null}`).Want(204)
		const path = "/placement/usages?project_id=project-1"
		c.at(9).Get(path).Want(200).Has("usages.VCPU", 16).Has("usages.DISK_GB", 3)
		c.at(9).Get(path+"&user_id=user-2").Want(200).Has("usages.VCPU", 2)
		c.latest().Get(path).Want(200).Has("usages.INSTANCE.VCPU", 3).Has("usages.INSTANCE.consumer_count", 2).
			Has("usages.MIGRATION.VCPU", 3).Has("usages.unknown.VCPU", 10).Has("usages.unknown.consumer_count", 1)
		c.latest().Get(path+"&consumer_type=MIGRATION").Want(200).Has("usages.INSTANCE", nil).Has("usages.MIGRATION.consumer_count", 1)
		c.latest().Get(path+"&consumer_type=all").Want(200).Has("usages.all.VCPU", 16).Has("usages.all.consumer_count", 4)
		c.latest().Get(path+"&consumer_type=unknown").Want(200).Has("usages.unknown.VCPU", 10).Has("usages.INSTANCE", nil)
		if got := c.latest().Get("/placement/usages?project_id=nobody").Want(200).At("usages").(map[string]any); len(got) > 0 {
			t.Errorf("a stranger's usages: %v", got)
		}
		c.latest().Get("/placement/usages").Want(400)
		c.latest().Get(path + "&colour=red").Want(400)
		c.at(37).Get(path + "&consumer_type=INSTANCE").Want(400)
		// A reader sees the own project only.
		c.As("reader").At("placement 1.39").Get(path).Want(200)
		c.As("reader").At("placement 1.39").Get("/placement/usages?project_id=project-2").Want(403)
	})
}

func TestReshape(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		c.provider(rp1, "", "VCPU", 8, "VGPU", 4)
		c.provider(rp2, rp1)
		body := allocation(nil, map[string]map[string]int{rp1: {"VCPU": 2, "VGPU": 2}})
		c.latest().Put(allocationsPath+"/"+con1, body).Want(204)
		service := c.As("service").At("placement 1.39")
		inventories := func(generation1 int) map[string]any {
			return map[string]any{
				rp1: map[string]any{"resource_provider_generation": generation1, "inventories": map[string]any{"VCPU": map[string]any{"total": 8}}},
				rp2: map[string]any{"resource_provider_generation": 0, "inventories": map[string]any{"VGPU": map[string]any{"total": 4}}},
			}
		}
		moved := map[string]any{con1: allocation(1, map[string]map[string]int{rp1: {"VCPU": 2}, rp2: {"VGPU": 2}})}
		c.latest().Post("/placement/reshaper", map[string]any{"inventories": inventories(2), "allocations": moved}).Want(403) // an administrator may not
		service.Post("/placement/reshaper", map[string]any{"inventories": inventories(7), "allocations": moved}).
			Want(409).Has("errors.0.code", "placement.concurrent_update")
		service.Post("/placement/reshaper", map[string]any{"inventories": inventories(2), "allocations": map[string]any{}}).
			Want(409).Has("errors.0.code", "placement.inventory.inuse")
		service.Post("/placement/reshaper", map[string]any{"inventories": map[string]any{rp3: inventories(2)[rp2]}, "allocations": moved}).
			Want(400).Has("errors.0.code", "placement.resource_provider.not_found")
		service.Post("/placement/reshaper", map[string]any{"inventories": map[string]any{}, "allocations": moved}).Want(400)
		service.Post("/placement/reshaper", map[string]any{"inventories": inventories(2), "allocations": moved}).Want(204)
		c.latest().Get(providers+"/"+rp1+"/inventories").Want(200).Has("inventories.VGPU", nil).Has("inventories.VCPU.total", 8)
		c.latest().Get(providers+"/"+rp2+"/usages").Want(200).Has("usages.VGPU", 2)
		c.latest().Get(allocationsPath+"/"+con1).Want(200).Has("allocations."+rp2+".resources.VGPU", 2).Has("consumer_generation", 2)
		if drifts, err := c.service.Audit(t.Context(), false); err != nil || len(drifts) > 0 {
			t.Errorf("audit: %v %v", drifts, err)
		}
	})
}

// TestRacingClients lets clients with the same generation race: one wins.
func TestRacingClients(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		c.provider(rp1, "", "VCPU", 1000)
		var mu sync.Mutex
		codes := map[int]int{}
		race := func(call func() *resttest.Answer) {
			var wg sync.WaitGroup
			for range 20 {
				wg.Go(func() {
					code := call().Code
					mu.Lock()
					defer mu.Unlock()
					codes[code]++
				})
			}
			wg.Wait()
		}
		race(func() *resttest.Answer { return c.allocate(con1, nil, rp1, "VCPU", 1) })
		if codes[http.StatusNoContent] != 1 || codes[http.StatusConflict] != 19 {
			t.Errorf("allocations: %v", codes)
		}
		clear(codes)
		race(func() *resttest.Answer {
			return c.latest().Put(providers+"/"+rp1+"/inventories/VCPU", `{"resource_provider_generation": 2, "total": 2000}`)
		})
		if codes[http.StatusOK] != 1 || codes[http.StatusConflict] != 19 {
			t.Errorf("inventories: %v", codes)
		}
	})
}
