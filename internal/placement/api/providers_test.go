package api_test

import (
	"strings"
	"testing"
)

func TestVersions(t *testing.T) {
	each(t, func(_ *testing.T, c *cloud) {
		for _, path := range []string{"/placement", "/placement/"} {
			c.As("none").Get(path).Want(200).Has("versions.0.min_version", "1.0").Has("versions.0.max_version", "1.39").Has("versions.0.status", "CURRENT")
		}
		c.As("none").Get("/placement/traits").Want(401).Has("errors.0.status", 401)
		answer := c.at(50).Get("/placement/traits").Want(406)
		answer.Has("errors.0.max_version", "1.39").Has("errors.0.min_version", "1.0").Has("errors.0.title", "Not Acceptable")
		c.As("admin").At("placement x.y").Get("/placement/traits").Want(400)
		c.As("admin").At("placement latest").Get("/placement/traits").Want(200)
		c.As("admin").Get("/placement/traits").Want(404) // 1.0 has none
		c.at(5).Get("/placement/traits").Want(404)
		c.at(4).Delete(providers + "/" + rp1 + "/inventories").Want(405)
		c.at(9).Get("/placement/allocation_candidates?resources=VCPU:1").Want(404)
		c.at(29).Post("/placement/reshaper", `{}`).Want(404)
		c.latest().Get("/placement/nothing").Want(404)
		c.latest().Do("PATCH", providers, `{}`).Want(405)
	})
}

func TestHeaders(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		answer := c.at(15).Get(providers).Want(200)
		if answer.Header.Get("Last-Modified") == "" || answer.Header.Get("Cache-Control") != "no-cache" || answer.Header.Get("OpenStack-API-Version") != "placement 1.15" {
			t.Errorf("headers: %v", answer.Header)
		}
		if answer := c.at(14).Get(providers).Want(200); answer.Header.Get("Last-Modified") != "" {
			t.Error("1.14 knows no Last-Modified")
		}
		c.latest().With("Accept", "text/plain").Get(providers).Want(406)
		c.latest().With("Accept", "text/plain, */*;q=0.1").Get(providers).Want(200)
		c.latest().With("Accept", "application/json;q=0").Get(providers).Want(406)
		c.latest().With("Content-Type", "text/plain").Post(providers, `{"name": "x"}`).Want(415)
		c.latest().With("Content-Type", "").Post(providers, `{"name": "x"}`).Want(400)
		c.latest().With("Content-Type", "application/json; charset=utf-8").Post(providers, `{"name": "x"}`).Want(200)
	})
}

func TestProviderLife(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		answer := c.at(13).Post(providers, map[string]any{"name": "first", "uuid": strings.ToUpper(rp1)}).Want(201)
		if !strings.HasSuffix(answer.Header.Get("Location"), "/placement/resource_providers/"+rp1) || len(answer.Body) > 0 {
			t.Errorf("location %q, body %q", answer.Header.Get("Location"), answer.Body)
		}
		c.at(20).Post(providers, map[string]any{"name": "second", "uuid": rp2}).Want(200).Has("name", "second").Has("generation", 0)
		c.at(13).Get(providers+"/"+rp1).Want(200).Has("links.0.href", "/placement/resource_providers/"+rp1).Has("root_provider_uuid", nil)
		if n := c.at(0).Get(providers + "/" + rp1).Len("links"); n != 3 {
			t.Errorf("1.0 has %d links", n)
		}
		c.latest().Get(providers+"/"+rp1).Want(200).Has("root_provider_uuid", rp1).Has("parent_provider_uuid", nil)
		c.latest().Put(providers+"/"+rp1, `{"name": "renamed"}`).Want(200).Has("name", "renamed").Has("generation", 0)
		c.latest().Get(providers+"?name=renamed").Want(200).Has("resource_providers.0.uuid", rp1)
		if n := c.latest().Get(providers + "?uuid=" + rp2).Want(200).Len("resource_providers"); n != 1 {
			t.Errorf("%d providers", n)
		}
		c.latest().Put(providers+"/"+rp1, `{"name": "second"}`).Want(409).Has("errors.0.code", "placement.duplicate_name")
		c.latest().Delete(providers + "/" + rp1).Want(204)
		c.latest().Get(providers+"/"+rp1).Want(404).Has("errors.0.code", "placement.undefined_code").Says("No resource provider with uuid " + rp1 + " found")
		c.at(22).Get(providers+"/"+rp1).Want(404).Has("errors.0.code", nil)
	})
}

func TestProviderRefusals(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		c.provider(rp1, "")
		for name, test := range map[string]struct {
			body string
			code int
			says string
		}{
			"malformed":         {`{"name": `, 400, ""},
			"unknown field":     {`{"name": "x", "colour": "red"}`, 400, "colour"},
			"no name":           {`{"uuid": "` + rp2 + `"}`, 400, "name"},
			"empty name":        {`{"name": ""}`, 400, "name is required"},
			"long name":         {`{"name": "` + strings.Repeat("x", 201) + `"}`, 400, "long"},
			"no UUID":           {`{"name": "x", "uuid": "y"}`, 400, "uuid"},
			"same UUID":         {`{"name": "x", "uuid": "` + rp1 + `"}`, 409, "uuid: " + rp1},
			"same name":         {`{"name": "name-` + rp1 + `"}`, 409, "name: name-" + rp1},
			"its own parent":    {`{"name": "x", "uuid": "` + rp2 + `", "parent_provider_uuid": "` + rp2 + `"}`, 400, "parent provider UUID cannot be same as UUID"},
			"parent of nowhere": {`{"name": "x", "parent_provider_uuid": "` + rp3 + `"}`, 400, "parent provider UUID does not exist"},
		} {
			t.Run(name, func(t *testing.T) { c.latest().On(t).Post(providers, test.body).Want(test.code).Says(test.says) })
		}
		c.at(13).Post(providers, `{"name": "x", "parent_provider_uuid": null}`).Want(400)
		c.latest().Get(providers + "?uuid=x").Want(400)
		c.latest().Get(providers + "?colour=red").Want(400)
		c.at(2).Get(providers + "?member_of=" + agg1).Want(400)
		if n := c.latest().Get(providers).Len("resource_providers"); n != 1 {
			t.Errorf("%d providers after refusals", n)
		}
	})
}

func TestTrees(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		c.provider(rp1, "")
		c.provider(rp2, rp1)
		c.provider(rp3, rp2)
		c.latest().Get(providers+"/"+rp3).Want(200).Has("root_provider_uuid", rp1).Has("parent_provider_uuid", rp2)
		if n := c.latest().Get(providers + "?in_tree=" + rp3).Want(200).Len("resource_providers"); n != 3 {
			t.Errorf("%d providers in the tree", n)
		}
		c.latest().Delete(providers+"/"+rp1).Want(409).Has("errors.0.code", "placement.resource_provider.cannot_delete_parent")
		move := func(uuid, parent string) string {
			return `{"name": "name-` + uuid + `", "parent_provider_uuid": ` + parent + `}`
		}
		c.at(36).Put(providers+"/"+rp2, move(rp2, "null")).Want(400).Says("un-parenting a provider is not currently allowed")
		c.at(36).Put(providers+"/"+rp3, move(rp3, `"`+rp1+`"`)).Want(400).Says("re-parenting a provider is not currently allowed")
		c.latest().Put(providers+"/"+rp1, move(rp1, `"`+rp3+`"`)).Want(400).Says("creating loop in the provider tree is not allowed")
		c.latest().Put(providers+"/"+rp2, move(rp2, "null")).Want(200).Has("root_provider_uuid", rp2).Has("parent_provider_uuid", nil)
		c.latest().Get(providers+"/"+rp3).Want(200).Has("root_provider_uuid", rp2)
		c.latest().Put(providers+"/"+rp1, move(rp1, `"`+rp3+`"`)).Want(200).Has("root_provider_uuid", rp2)
		c.latest().Delete(providers + "/" + rp1).Want(204)
	})
}

func TestProviderFilters(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		c.provider(rp1, "", "VCPU", 8)
		c.provider(rp2, "", "VCPU", 2, "DISK_GB", 100)
		c.provider(rp3, "")
		c.traits(rp1, "HW_CPU_X86_AVX2", "STORAGE_DISK_SSD")
		c.traits(rp2, "STORAGE_DISK_SSD")
		c.aggregates(rp1, agg1)
		c.aggregates(rp2, agg1, agg2)
		c.allocate(con1, nil, rp1, "VCPU", 7).Want(204)
		for query, want := range map[string]string{
			"resources=VCPU:2":                                   rp2,
			"resources=VCPU:1":                                   rp1 + " " + rp2,
			"resources=VCPU:1,DISK_GB:100":                       rp2,
			"required=HW_CPU_X86_AVX2":                           rp1,
			"required=STORAGE_DISK_SSD,!HW_CPU_X86_AVX2":         rp2,
			"required=in:HW_CPU_X86_AVX2,HW_CPU_X86_SSE":         rp1,
			"required=!STORAGE_DISK_SSD":                         rp3,
			"required=HW_CPU_X86_AVX2&required=STORAGE_DISK_HDD": "",
			"member_of=" + agg2:                                  rp2,
			"member_of=in:" + agg1 + "," + agg2:                  rp1 + " " + rp2,
			"member_of=" + agg1 + "&member_of=" + agg2:           rp2,
			"member_of=!" + agg2:                                 rp1 + " " + rp3,
			"member_of=!in:" + agg1 + "," + agg2:                 rp3,
			"member_of=" + rp3:                                   "",
			"in_tree=" + rp2:                                     rp2,
			"in_tree=" + agg1:                                    "",
			"name=nobody":                                        "",
		} {
			var list struct {
				Providers []struct{ UUID string } `json:"resource_providers"`
			}
			c.latest().Get(providers + "?" + query).Want(200).JSON(&list)
			var got []string
			for _, p := range list.Providers {
				got = append(got, p.UUID)
			}
			if strings.Join(got, " ") != want {
				t.Errorf("%s: %v, want %s", query, got, want)
			}
		}
		for query, says := range map[string]string{
			"resources=VCPU":                 "Badly formed resources parameter",
			"resources=VCPU:x":               "expected positive integer amount",
			"resources=VCPU:0":               "requires amount",
			"resources=":                     "empty string",
			"resources=NOSUCH:1":             "No such resource class NOSUCH",
			"required=CUSTOM_NOWHERE":        "No such trait(s): CUSTOM_NOWHERE",
			"required=":                      "Got an empty trait",
			"required=in:":                   "Got an empty trait",
			"required=in:A,!B":               "does not support forbidden traits",
			"member_of=x":                    "valid UUID(s)",
			"member_of=" + agg1 + "," + agg2: "must be prefixed with the 'in:'",
			"in_tree=x":                      "uuid",
		} {
			c.latest().Get(providers + "?" + query).Want(400).Says(says)
		}
		c.at(21).Get(providers + "?required=!STORAGE_DISK_SSD").Want(400)
		c.at(38).Get(providers + "?required=in:STORAGE_DISK_SSD,HW_CPU_X86_AVX2").Want(400).Says("only supported since microversion 1.39")
		c.at(23).Get(providers + "?member_of=" + agg1 + "&member_of=" + agg2).Want(400)
		c.at(31).Get(providers + "?member_of=!" + agg1).Want(400)
	})
}
