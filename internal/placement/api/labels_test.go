package api_test

import "testing"

func TestTraits(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		const path = "/placement/traits"
		c.latest().Put(path+"/CUSTOM_X", nil).Want(201)
		c.latest().Put(path+"/CUSTOM_X", nil).Want(204)
		c.latest().Put(path+"/HW_X", nil).Want(400)
		c.latest().Put(path+"/custom", nil).Want(400)
		c.latest().Get(path + "/CUSTOM_X").Want(204)
		c.latest().Get(path + "/HW_CPU_X86_AVX2").Want(204)
		c.latest().Get(path + "/CUSTOM_Y").Want(404)
		c.provider(rp1, "")
		of := providers + "/" + rp1 + "/traits"
		c.latest().Put(of, `{"resource_provider_generation": 0, "traits": ["CUSTOM_X", "HW_CPU_X86_AVX2"]}`).Want(200).Has("resource_provider_generation", 1)
		c.latest().Put(of, `{"resource_provider_generation": 1, "traits": ["HW_CPU_X86_AVX2", "CUSTOM_X"]}`).Want(200).Has("resource_provider_generation", 1)
		c.latest().Put(of, `{"resource_provider_generation": 0, "traits": []}`).Want(409).Has("errors.0.code", "placement.concurrent_update")
		c.latest().Put(of, `{"resource_provider_generation": 1, "traits": ["CUSTOM_NO", "CUSTOM_X", "NEITHER"]}`).Want(400).Says("No such trait CUSTOM_NO, NEITHER")
		c.latest().Put(of, `{"traits": []}`).Want(400)
		if n := c.latest().Get(of).Want(200).Has("resource_provider_generation", 1).Len("traits"); n != 2 {
			t.Errorf("%d traits", n)
		}
		for query, want := range map[string]int{
			"": 371, "?name=startswith:CUSTOM_": 1, "?name=in:CUSTOM_X,HW_CPU_X86_AVX2,NOSUCH": 2, "?associated=true": 2,
			"?associated=false": 369, "?associated=true&name=startswith:CUSTOM": 1,
		} {
			if n := c.latest().Get(path + query).Want(200).Len("traits"); n != want {
				t.Errorf("%s: %d traits, want %d", query, n, want)
			}
		}
		for _, query := range []string{"?name=CUSTOM_X", "?associated=maybe", "?colour=red"} {
			c.latest().Get(path + query).Want(400)
		}
		c.latest().Delete(path + "/CUSTOM_X").Want(409)
		c.latest().Delete(path + "/HW_CPU_X86_AVX2").Want(400)
		c.latest().Delete(path + "/CUSTOM_Y").Want(404)
		c.latest().Delete(of).Want(204)
		c.latest().Delete(path + "/CUSTOM_X").Want(204)
		if got := c.generation(rp1); got != 2 {
			t.Errorf("generation %d", got)
		}
	})
}

func TestAggregates(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		c.provider(rp1, "")
		path := providers + "/" + rp1 + "/aggregates"
		c.at(0).Get(path).Want(404)
		c.at(1).Put(path, []string{agg1, agg2}).Want(200).Has("resource_provider_generation", nil)
		c.at(18).Get(path).Want(200).Has("aggregates.1", agg2)
		if got := c.generation(rp1); got != 0 {
			t.Errorf("generation %d before 1.19", got)
		}
		c.at(19).Put(path, `{"aggregates": ["`+agg1+`"], "resource_provider_generation": 0}`).Want(200).Has("resource_provider_generation", 1)
		c.at(19).Put(path, `{"aggregates": [], "resource_provider_generation": 0}`).Want(409)
		c.at(19).Put(path, `{"aggregates": ["x"], "resource_provider_generation": 1}`).Want(400)
		c.at(19).Put(path, `{"aggregates": ["`+agg1+`", "`+agg1+`"], "resource_provider_generation": 1}`).Want(400)
		c.at(1).Put(path, `{"aggregates": []}`).Want(400)
		if n := c.latest().Get(path).Want(200).Has("resource_provider_generation", 1).Len("aggregates"); n != 1 {
			t.Errorf("%d aggregates", n)
		}
		c.latest().Get(providers + "/" + rp2 + "/aggregates").Want(404)
	})
}
