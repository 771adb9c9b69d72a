package api_test

import (
	"fmt"
	"net/url"
	"strings"
)

// next makes a request. Reads that keep generations known come often.
func (g *generator) next() call {
	minor := g.IntN(40)
	if g.IntN(2) == 0 {
		minor = 39
	}
	kinds := []func() call{
		g.changeProvider, g.changeProvider, g.readProvider, g.readProvider, g.readProvider, g.changeInventory, g.changeInventory, g.changeInventory,
		g.changeLabels, g.changeLabels, g.changeNames, g.allocate, g.allocate, g.allocate, g.allocateMany, g.readAllocations, g.readAllocations,
		g.candidates, g.candidates, g.candidates, g.candidates, g.list, g.list, g.reshape,
	}
	c := kinds[g.IntN(len(kinds))]()
	c.minor = minor
	return g.adapt(c)
}

// adapt gives bodies the form of their version, mostly.
func (g *generator) adapt(c call) call {
	body, _ := c.body.(map[string]any)
	if g.IntN(15) == 0 {
		return c
	}
	switch {
	case strings.HasPrefix(c.path, "/allocations") && c.method == "PUT":
		g.adaptAllocation(c.minor, body)
	case c.path == "/allocations":
		for _, one := range body {
			g.adaptAllocation(max(c.minor, 12), one.(map[string]any))
		}
	case c.path == "/reshaper":
		for _, one := range body["allocations"].(map[string]any) {
			g.adaptAllocation(max(c.minor, 30), one.(map[string]any))
		}
	case strings.HasSuffix(c.path, "/aggregates") && c.method == "PUT" && c.minor < 19:
		c.body = body["aggregates"]
	case strings.HasPrefix(c.path, "/resource_providers") && c.minor < 14:
		delete(body, "parent_provider_uuid")
	}
	return c
}

func (g *generator) adaptAllocation(minor int, body map[string]any) {
	if minor < 38 {
		delete(body, "consumer_type")
	}
	if minor < 28 {
		delete(body, "consumer_generation")
	}
	if minor < 8 {
		delete(body, "project_id")
		delete(body, "user_id")
	}
	if minor < 12 {
		list := []any{}
		for uuid, one := range body["allocations"].(map[string]any) {
			list = append(list, map[string]any{"resource_provider": map[string]any{"uuid": uuid}, "resources": one.(map[string]any)["resources"]})
		}
		body["allocations"] = list
	}
}

func (g *generator) changeProvider() call {
	uuid := g.provider()
	body := map[string]any{"name": pick(g, "name-"+uuid[len(uuid)-1:], "name-"+uuid[len(uuid)-1:], "name-x")}
	if g.IntN(2) == 0 {
		body["parent_provider_uuid"] = pick[any](g, g.provider(), nil)
	}
	switch g.IntN(6) {
	case 0:
		return call{method: "PUT", path: "/resource_providers/" + uuid, body: body}
	case 1:
		if g.IntN(3) == 0 {
			return call{method: "DELETE", path: "/resource_providers/" + uuid}
		}
	}
	body["uuid"] = uuid
	return call{method: "POST", path: "/resource_providers", body: body}
}

func (g *generator) readProvider() call {
	return call{method: "GET", path: "/resource_providers/" + g.provider() +
		pick(g, "", "", "/inventories", "/inventories", "/usages", "/allocations", "/traits", "/aggregates", "/inventories/"+g.class())}
}

func (g *generator) changeInventory() call {
	uuid := g.provider()
	path := "/resource_providers/" + uuid + "/inventories"
	generation := g.providerGeneration(uuid)
	switch g.IntN(12) {
	case 0:
		return call{method: "DELETE", path: path}
	case 1, 2:
		return call{method: "DELETE", path: path + "/" + g.class()}
	case 3, 4:
		body := g.inventory()
		body["resource_provider_generation"] = generation
		return call{method: "PUT", path: path + "/" + g.class(), body: body}
	case 5, 6:
		body := g.inventory()
		body["resource_class"] = g.class()
		return call{method: "POST", path: path, body: body}
	}
	return call{method: "PUT", path: path, body: map[string]any{"resource_provider_generation": generation, "inventories": g.inventories()}}
}

func (g *generator) changeLabels() call {
	uuid := g.provider()
	path := "/resource_providers/" + uuid
	generation := g.providerGeneration(uuid)
	switch g.IntN(10) {
	case 0:
		return call{method: "DELETE", path: path + "/traits"}
	case 1, 2, 3, 4, 5:
		traits := some(g, g.traits()...)
		if g.IntN(20) == 0 {
			traits = append(traits, "CUSTOM_NONE")
		}
		return call{method: "PUT", path: path + "/traits", body: map[string]any{"resource_provider_generation": generation, "traits": traits}}
	}
	return call{method: "PUT", path: path + "/aggregates", body: map[string]any{
		"resource_provider_generation": generation, "aggregates": some(g, g.aggregates...),
	}}
}

func (g *generator) changeNames() call {
	kind := pick(g, "/traits", "/resource_classes")
	name := pick(g, "CUSTOM_A", "CUSTOM_B", "CUSTOM_X", "CUSTOM_Y", "VCPU", "HW_CPU_X86_AVX2", "custom", "CUSTOM_T")
	switch g.IntN(12) {
	case 0:
		return call{method: "DELETE", path: kind + "/" + name}
	case 1, 2:
		return call{method: "GET", path: kind + "/" + name}
	case 3:
		return call{method: "POST", path: "/resource_classes", body: map[string]any{"name": name}}
	case 4:
		return call{method: "GET", path: "/traits?name=" + pick(g, "in:CUSTOM_X,CUSTOM_Y,NONE", "startswith:CUSTOM_", "bad") + pick(g, "", "&associated=true", "&associated=false", "&associated=x", "&x=y")}
	case 5:
		return call{method: "GET", path: "/resource_classes"}
	}
	return call{method: "PUT", path: kind + "/" + name}
}

func (g *generator) allocation(consumer string) map[string]any {
	// Upstream leaves a new consumer behind when a provider does not exist.
	allocations := map[string]any{}
	for range 1 + g.IntN(2) {
		if uuid := pick(g, g.providers...); g.exists[uuid] {
			allocations[uuid] = map[string]any{"resources": g.resources()}
		}
	}
	if len(allocations) == 0 {
		return nil
	}
	if g.IntN(10) == 0 && g.exists[consumer] { // upstream makes consumers without allocations otherwise, and never removes them
		allocations = map[string]any{}
	}
	generation := g.consumerGeneration[consumer]
	if g.IntN(15) == 0 {
		generation = g.IntN(4)
	}
	return map[string]any{
		"allocations": allocations, "project_id": pick(g, "p1", "p2"), "user_id": pick(g, "u1", "u2"),
		"consumer_generation": generation, "consumer_type": pick(g, "INSTANCE", "MIGRATION", "bad type"),
	}
}

func (g *generator) allocate() call {
	consumer := pick(g, g.consumers...)
	if body := g.allocation(consumer); body != nil {
		return call{method: "PUT", path: "/allocations/" + consumer, body: body}
	}
	return g.list()
}

func (g *generator) allocateMany() call {
	body := map[string]any{}
	for range 1 + g.IntN(3) {
		consumer := pick(g, g.consumers...)
		if body[consumer] = g.allocation(consumer); body[consumer].(map[string]any) == nil {
			return g.list()
		}
	}
	return call{method: "POST", path: "/allocations", body: body}
}

func (g *generator) readAllocations() call {
	switch g.IntN(6) {
	case 0:
		return call{method: "DELETE", path: "/allocations/" + pick(g, g.consumers...)}
	case 1, 2:
		return call{method: "GET", path: "/usages?project_id=" + pick(g, "p1", "p2", "") + pick(g, "", "&user_id=u1", "&consumer_type=INSTANCE", "&consumer_type=all", "&consumer_type=unknown", "&x=y")}
	}
	return call{method: "GET", path: "/allocations/" + pick(g, g.consumers...)}
}

func (g *generator) reshape() call {
	inventories := map[string]any{}
	for range 1 + g.IntN(2) {
		uuid := g.provider()
		inventories[uuid] = map[string]any{"resource_provider_generation": g.providerGeneration(uuid), "inventories": g.inventories()}
	}
	allocations := map[string]any{}
	for range g.IntN(3) {
		consumer := pick(g, g.consumers...)
		if one := g.allocation(consumer); one != nil {
			allocations[consumer] = one
		}
	}
	return call{method: "POST", path: "/reshaper", body: map[string]any{"inventories": inventories, "allocations": allocations}}
}

func (g *generator) query(suffix string, tree bool) url.Values {
	query := url.Values{}
	if g.IntN(12) > 0 {
		query.Set("resources"+suffix, pick(g, "VCPU:1", "VCPU:2", "MEMORY_MB:1", "VCPU:1,MEMORY_MB:1", "VCPU:1,DISK_GB:1", "DISK_GB:1", "VGPU:1", "CUSTOM_A:1", "NOSUCH:1", "VCPU", "VCPU:0", ""))
	}
	if g.IntN(4) == 0 {
		for range 1 + g.IntN(2) {
			query.Add("required"+suffix, pick(g, g.trait(), "!"+g.trait(), g.trait()+","+g.trait(), "in:"+g.trait()+","+g.trait(), "in:", ""))
		}
	}
	if g.IntN(5) == 0 {
		for range 1 + g.IntN(2) {
			a, b := pick(g, g.aggregates...), pick(g, g.aggregates...)
			query.Add("member_of"+suffix, pick(g, a, "in:"+a+","+b, "!"+a, "!in:"+a+","+b, "in:x", a+","+b))
		}
	}
	if tree && g.IntN(10) == 0 {
		query.Set("in_tree"+suffix, pick(g, g.provider(), "x"))
	}
	return query
}

func (g *generator) list() call {
	query := g.query("", true)
	if g.IntN(4) > 0 {
		query.Del("resources")
	}
	if g.IntN(6) == 0 {
		query.Set("name", "name-1")
	}
	if g.IntN(6) == 0 {
		query.Set("uuid", pick(g, g.provider(), "x"))
	}
	return call{method: "GET", path: "/resource_providers?" + query.Encode()}
}

func (g *generator) candidates() call {
	query := url.Values{}
	if g.IntN(4) > 0 {
		query = g.query("", true)
	}
	var suffixes []string
	for i := range g.IntN(3) {
		suffix := fmt.Sprint(i + 1)
		if g.IntN(6) == 0 {
			suffix = "_X"
		}
		suffixes = append(suffixes, suffix)
		group := g.query(suffix, true)
		if !group.Has("resources" + suffix) {
			group.Del("in_tree" + suffix) // upstream ignores it for groups without resources
		}
		for key, values := range group {
			query[key] = values
		}
	}
	if len(suffixes) > 0 && g.IntN(8) > 0 {
		query.Set("group_policy", pick(g, "none", "isolate"))
	}
	if len(suffixes) > 0 && g.IntN(4) == 0 {
		query.Set("same_subtree", strings.Join(suffixes, ","))
	}
	if g.IntN(10) == 0 {
		query.Set("root_required", pick(g, g.trait(), "!"+g.trait()))
	}
	if g.IntN(20) == 0 {
		query.Set("limit", pick(g, "0", "1000", "x"))
	}
	return call{method: "GET", path: "/allocation_candidates?" + query.Encode()}
}
