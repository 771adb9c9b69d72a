package api_test

import (
	"strings"
	"testing"
)

func TestInventoryLife(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		c.provider(rp1, "")
		path := providers + "/" + rp1 + "/inventories"
		answer := c.latest().Post(path, `{"resource_class": "VCPU", "total": 8}`).Want(201).Has("resource_provider_generation", 1).Has("max_unit", 2147483647)
		if !strings.HasSuffix(answer.Header.Get("Location"), "/inventories/VCPU") {
			t.Error(answer.Header.Get("Location"))
		}
		if !strings.Contains(string(answer.Body), `"allocation_ratio":1.0`) {
			t.Errorf("a ratio has a fraction: %s", answer.Body)
		}
		c.latest().Post(path, `{"resource_class": "VCPU", "total": 8}`).Want(409).Has("errors.0.code", "placement.concurrent_update")
		c.latest().Put(path+"/VCPU", `{"resource_provider_generation": 1, "total": 16, "allocation_ratio": 4}`).Want(200).Has("total", 16).Has("resource_provider_generation", 2)
		c.latest().Put(path+"/VCPU", `{"resource_provider_generation": 1, "total": 17}`).Want(409).Has("errors.0.code", "placement.concurrent_update")
		c.latest().Put(path+"/DISK_GB", `{"resource_provider_generation": 2, "total": 17}`).Want(400)
		c.latest().Put(path+"/NOSUCH", `{"resource_provider_generation": 2, "total": 17}`).Want(404)
		c.latest().Get(path+"/VCPU").Want(200).Has("total", 16).Has("allocation_ratio", "4.0").Has("step_size", 1)
		c.latest().Get(path + "/DISK_GB").Want(404)
		c.latest().Put(path, `{"resource_provider_generation": 2, "inventories": {"DISK_GB": {"total": 100, "reserved": 10}, "MEMORY_MB": {"total": 1}}}`).
			Want(200).Has("inventories.DISK_GB.reserved", 10).Has("resource_provider_generation", 3)
		c.latest().Get(path).Want(200).Has("inventories.VCPU", nil).Has("inventories.DISK_GB.total", 100)
		c.latest().Delete(path + "/DISK_GB").Want(204)
		c.latest().Delete(path + "/DISK_GB").Want(404)
		c.at(5).Delete(path).Want(204)
		if n := len(c.latest().Get(path).Want(200).At("inventories").(map[string]any)); n != 0 {
			t.Errorf("%d inventories left", n)
		}
		c.latest().Get(providers + "/" + rp2 + "/inventories").Want(404)
	})
}

func TestInventoryInUseStays(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		c.provider(rp1, "", "VCPU", 8, "DISK_GB", 10)
		c.allocate(con1, nil, rp1, "VCPU", 4).Want(204)
		path := providers + "/" + rp1 + "/inventories"
		c.latest().Delete(path + "/VCPU").Want(409).Says("in use")
		c.latest().Delete(path).Want(409).Has("errors.0.code", "placement.inventory.inuse")
		c.latest().Put(path, map[string]any{"resource_provider_generation": c.generation(rp1), "inventories": map[string]any{}}).
			Want(409).Has("errors.0.code", "placement.inventory.inuse")
		c.latest().Delete(providers+"/"+rp1).Want(409).Has("errors.0.code", "placement.resource_provider.inuse")
		// Less than what is in use is allowed: the provider is over capacity then.
		c.latest().Put(path+"/VCPU", map[string]any{"resource_provider_generation": c.generation(rp1), "total": 2}).Want(200)
		c.latest().Get(providers+"/"+rp1+"/usages").Want(200).Has("usages.VCPU", 4).Has("usages.DISK_GB", 0)
		c.allocate(con2, nil, rp1, "VCPU", 1).Want(409)
		if drifts, err := c.service.Audit(t.Context(), false); err != nil || len(drifts) > 0 {
			t.Errorf("audit: %v %v", drifts, err)
		}
	})
}

func TestInventoryRefusals(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		c.provider(rp1, "")
		for name, body := range map[string]string{
			"no total":       `{}`,
			"zero":           `{"total": 0}`,
			"negative":       `{"total": -1}`,
			"too great":      `{"total": 2147483648}`,
			"fraction":       `{"total": 1.5}`,
			"text":           `{"total": "8"}`,
			"reserved":       `{"total": 8, "reserved": -1}`,
			"over-reserved":  `{"total": 8, "reserved": 9}`,
			"step":           `{"total": 8, "step_size": 0}`,
			"ratio":          `{"total": 8, "allocation_ratio": 3.5e38}`,
			"unknown member": `{"total": 8, "colour": "red"}`,
		} {
			t.Run(name, func(t *testing.T) {
				c.latest().On(t).Put(providers+"/"+rp1+"/inventories", `{"resource_provider_generation": 0, "inventories": {"VCPU": `+body+`}}`).Want(400)
			})
		}
		all := `{"resource_provider_generation": 0, "inventories": {"VCPU": {"total": 8, "reserved": 8}}}`
		c.at(25).Put(providers+"/"+rp1+"/inventories", all).Want(400).Says("greater than or equal to total")
		c.latest().Put(providers+"/"+rp1+"/inventories", `{"resource_provider_generation": 0, "inventories": {"NOSUCH": {"total": 8}}}`).Want(400).Says("NOSUCH")
		if got := c.generation(rp1); got != 0 {
			t.Errorf("generation %d after refusals", got)
		}
		c.at(26).Put(providers+"/"+rp1+"/inventories", all).Want(200)
		c.latest().Put(providers+"/"+rp1+"/inventories/VCPU", `{"resource_provider_generation": 1, "total": 2147483647, "allocation_ratio": 3.4e38}`).Want(200)
		c.latest().Get(candidates+"resources=VCPU:1").Want(200).Has("provider_summaries."+rp1+".resources.VCPU.capacity", 9223372036854775807)
	})
}

func TestResourceClasses(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		const path = "/placement/resource_classes"
		if n := c.latest().Get(path).Want(200).Has("resource_classes.0.name", "VCPU").Len("resource_classes"); n != 21 {
			t.Errorf("%d classes", n)
		}
		c.latest().Post(path, `{"name": "CUSTOM_A"}`).Want(201)
		c.latest().Post(path, `{"name": "CUSTOM_A"}`).Want(409)
		c.latest().Post(path, `{"name": "A"}`).Want(400)
		c.at(1).Get(path).Want(404)
		c.latest().Put(path+"/CUSTOM_A", nil).Want(204)
		c.latest().Put(path+"/CUSTOM_B", nil).Want(201)
		c.latest().Put(path+"/VCPU", nil).Want(400)
		c.latest().Get(path+"/CUSTOM_B").Want(200).Has("links.0.href", "/placement/resource_classes/CUSTOM_B")
		c.latest().Get(path + "/CUSTOM_NOWHERE").Want(404)
		c.provider(rp1, "", "CUSTOM_A", 4)
		c.allocate(con1, nil, rp1, "CUSTOM_A", 1).Want(204)
		c.latest().Delete(path + "/CUSTOM_A").Want(409).Says("in use")
		c.latest().Delete(path + "/VCPU").Want(400).Says("standard")
		c.latest().Delete(path + "/CUSTOM_B").Want(204)
		// Until 1.6 PUT renames, and whatever has the class keeps it.
		c.at(6).Put(path+"/CUSTOM_A", `{"name": "CUSTOM_C"}`).Want(200).Has("name", "CUSTOM_C")
		c.at(6).Put(path+"/VCPU", `{"name": "CUSTOM_D"}`).Want(400)
		c.at(6).Put(path+"/CUSTOM_A", `{"name": "CUSTOM_D"}`).Want(404)
		c.latest().Get(providers+"/"+rp1+"/usages").Want(200).Has("usages.CUSTOM_C", 1)
	})
}
