package api_test

import (
	"context"
	"fmt"
	"testing"

	"gostack/internal/placement"
	"gostack/internal/placement/api"
	"gostack/internal/rest/resttest"
	"gostack/internal/store"
	"gostack/internal/store/storetest"
	"gostack/test/upstream"
)

const (
	rp1, rp2, rp3 = "aaaaaaaa-0000-0000-0000-000000000001", "aaaaaaaa-0000-0000-0000-000000000002", "aaaaaaaa-0000-0000-0000-000000000003"
	agg1, agg2    = "bbbbbbbb-0000-0000-0000-000000000001", "bbbbbbbb-0000-0000-0000-000000000002"
	con1, con2    = "cccccccc-0000-0000-0000-000000000001", "cccccccc-0000-0000-0000-000000000002"
	providers     = "/placement/resource_providers"
)

// cloud is placement under test. at asks as an administrator at a microversion.
type cloud struct {
	*resttest.API
	service *placement.Service
}

func (c *cloud) at(minor int) *resttest.API {
	return c.As("admin").At(fmt.Sprintf("placement 1.%d", minor))
}

// latest asks at the newest microversion.
func (c *cloud) latest() *resttest.API { return c.at(39) }

// each tells a story on both databases, with every answer judged by upstream's OpenAPI document where it is at hand.
func each(t *testing.T, story func(t *testing.T, c *cloud)) {
	t.Helper()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		service := &placement.Service{DB: db}
		c := &cloud{resttest.New(t, api.New(service)), service}
		story(t, c)
	}, placement.Migrations)
}

// provider makes a provider with inventories: class and total in turn.
func (c *cloud) provider(uuid, parent string, inventories ...any) {
	c.T.Helper()
	body := map[string]any{"uuid": uuid, "name": "name-" + uuid}
	if parent != "" {
		body["parent_provider_uuid"] = parent
	}
	c.latest().Post(providers, body).Want(200)
	if len(inventories) == 0 {
		return
	}
	amounts := map[string]any{}
	for i := 0; i < len(inventories); i += 2 {
		amounts[inventories[i].(string)] = map[string]any{"total": inventories[i+1]}
	}
	c.latest().Put(providers+"/"+uuid+"/inventories", map[string]any{"resource_provider_generation": 0, "inventories": amounts}).Want(200)
}

func (c *cloud) generation(uuid string) int {
	c.T.Helper()
	var view struct{ Generation int }
	c.latest().Get(providers + "/" + uuid).Want(200).JSON(&view)
	return view.Generation
}

// traits sets the traits of a provider.
func (c *cloud) traits(uuid string, names ...string) {
	c.T.Helper()
	c.latest().Put(providers+"/"+uuid+"/traits", map[string]any{"resource_provider_generation": c.generation(uuid), "traits": names}).Want(200)
}

func (c *cloud) aggregates(uuid string, aggregates ...string) {
	c.T.Helper()
	c.latest().Put(providers+"/"+uuid+"/aggregates", map[string]any{"resource_provider_generation": c.generation(uuid), "aggregates": aggregates}).Want(200)
}

// allocation is a body for one consumer at the newest microversion.
func allocation(generation any, byProvider map[string]map[string]int) map[string]any {
	allocations := map[string]any{}
	for uuid, resources := range byProvider {
		allocations[uuid] = map[string]any{"resources": resources}
	}
	return map[string]any{
		"allocations": allocations, "project_id": "project-1", "user_id": "user-1", "consumer_generation": generation, "consumer_type": "INSTANCE",
	}
}

func (c *cloud) allocate(consumer string, generation any, provider, class string, amount int) *resttest.Answer {
	c.T.Helper()
	return c.latest().Put("/placement/allocations/"+consumer, allocation(generation, map[string]map[string]int{provider: {class: amount}}))
}

// Every route lets in exactly those whom upstream's policies do.
func TestPoliciesAreUpstreams(t *testing.T) {
	service := api.New(&placement.Service{DB: storetest.SQLite(t, placement.Migrations)})
	upstream.ComparePolicies(t, service, "placement", upstream.PolicyExceptions{})
}

// Answers have the form that upstream's OpenAPI document gives them.
func TestAnswersFitOpenAPI(t *testing.T) {
	document := upstream.LoadOpenAPI(t, "placement")
	c := &cloud{API: resttest.New(t, api.New(&placement.Service{DB: storetest.SQLite(t, placement.Migrations)}))}
	c.provider(rp1, "", "VCPU", 8, "MEMORY_MB", 1024)
	c.provider(rp2, rp1, "VGPU", 2)
	c.traits(rp1, "HW_CPU_X86_AVX2")
	c.aggregates(rp1, agg1)
	c.allocate(con1, nil, rp1, "VCPU", 2).Want(204)
	for _, path := range []string{
		"/", "/resource_providers", "/resource_providers/" + rp1, "/resource_providers/" + rp1 + "/inventories",
		"/resource_providers/" + rp1 + "/inventories/VCPU", "/resource_providers/" + rp1 + "/usages", "/resource_providers/" + rp1 + "/aggregates",
		"/resource_providers/" + rp1 + "/traits", "/resource_providers/" + rp1 + "/allocations", "/traits", "/resource_classes",
		"/resource_classes/VCPU", "/allocations/" + con1, "/usages?project_id=project-1",
		"/allocation_candidates?resources=VCPU:1&resources1=VGPU:1",
	} {
		answer := c.latest().Get("/placement" + path).Want(200)
		if err := document.Check("GET", path, answer.Code, answer.Body); err != nil {
			t.Errorf("GET %s: %v\n%s", path, err, answer.Body)
		}
	}
	if document.Checked == 0 {
		t.Error("no answer was checked")
	}
}

// TestBudgets counts SQL statements.
func TestBudgets(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		for i := range 20 {
			c.provider(fmt.Sprintf("aaaaaaaa-0000-0000-0000-1000000000%02d", i), "", "VCPU", 8, "DISK_GB", 100)
		}
		c.provider(rp1, "", "VCPU", 8)
		c.allocate(con1, nil, rp1, "VCPU", 1).Want(204)
		for path, budget := range map[string]int{
			"/resource_providers/" + rp1:                                                      1,
			"/resource_providers/" + rp1 + "/inventories":                                     2,
			"/resource_providers/" + rp1 + "/inventories/VCPU":                                2,
			"/resource_providers/" + rp1 + "/usages":                                          2,
			"/resource_providers/" + rp1 + "/aggregates":                                      2,
			"/resource_providers/" + rp1 + "/traits":                                          2,
			"/resource_providers/" + rp1 + "/allocations":                                     2,
			"/allocations/" + con1:                                                            1,
			"/traits/HW_CPU_X86_AVX2":                                                         1,
			"/resource_classes/VCPU":                                                          1,
			"/resource_providers?resources=VCPU:1&required=HW_CPU_X86_AVX2&member_of=" + agg1: 3,
			"/traits?associated=true":                                                         3,
			"/usages?project_id=project-1":                                                    3,
			"/allocation_candidates?resources=VCPU:1":                                         3,
			"/resource_classes":                                                               3,
			"/resource_providers?in_tree=" + rp1:                                              3,
			"/allocation_candidates?resources=DISK_GB:10":                                     3,
		} {
			ctx, count := store.Count(context.Background())
			counted := *c.latest()
			counted.T = withContext{t, ctx}
			if counted.Get("/placement" + path); count.Statements() > budget {
				t.Errorf("GET %s: %d statements, budget %d", path, count.Statements(), budget)
			}
		}
		for what, call := range map[string]func(api *resttest.API) *resttest.Answer{
			"a provider": func(api *resttest.API) *resttest.Answer { return api.Post(providers, map[string]any{"name": "more"}) },
			"an allocation": func(api *resttest.API) *resttest.Answer {
				return api.Put("/placement/allocations/"+con2, allocation(nil, map[string]map[string]int{rp1: {"VCPU": 1}}))
			},
			"inventories": func(api *resttest.API) *resttest.Answer {
				return api.Put(providers+"/"+rp2+"/inventories", map[string]any{"resource_provider_generation": 0, "inventories": map[string]any{"VCPU": map[string]any{"total": 1}}})
			},
		} {
			ctx, count := store.Count(context.Background())
			counted := *c.latest()
			counted.T = withContext{t, ctx}
			if call(&counted); count.Statements() > 12 {
				t.Errorf("%s: %d statements", what, count.Statements())
			}
		}
	})
}

// withContext is a test whose requests carry a context.
type withContext struct {
	testing.TB
	ctx context.Context //nolint:containedctx // what resttest takes its context from
}

func (w withContext) Context() context.Context { return w.ctx }
