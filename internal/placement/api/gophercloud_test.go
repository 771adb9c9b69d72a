package api_test

import (
	"context"
	"net/http/httptest"
	"testing"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/placement/v1/allocationcandidates"
	"github.com/gophercloud/gophercloud/v2/openstack/placement/v1/allocations"
	"github.com/gophercloud/gophercloud/v2/openstack/placement/v1/resourceclasses"
	"github.com/gophercloud/gophercloud/v2/openstack/placement/v1/resourceproviders"
	"github.com/gophercloud/gophercloud/v2/openstack/placement/v1/traits"
	"github.com/gophercloud/gophercloud/v2/openstack/placement/v1/usages"
)

// TestGophercloud walks through placement with an unchanged client of other people.
func TestGophercloud(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		server := httptest.NewServer(c.Handler)
		t.Cleanup(server.Close)
		ctx := context.Background()
		client := &gophercloud.ServiceClient{
			ProviderClient: &gophercloud.ProviderClient{TokenID: "admin"}, Endpoint: server.URL + "/placement/", Type: "placement", Microversion: "1.39",
		}
		must := func(what string, err error) {
			t.Helper()
			if err != nil {
				t.Fatalf("%s: %v", what, err)
			}
		}
		root, err := resourceproviders.Create(ctx, client, resourceproviders.CreateOpts{Name: "node"}).Extract()
		must("create a provider", err)
		child, err := resourceproviders.Create(ctx, client, resourceproviders.CreateOpts{Name: "gpu", UUID: rp2, ParentProviderUUID: root.UUID}).Extract()
		must("create a child", err)
		if child.RootProviderUUID != root.UUID || child.ParentProviderUUID != root.UUID {
			t.Errorf("child: %+v", child)
		}
		must("create a trait", traits.Create(ctx, client, "CUSTOM_FAST").ExtractErr())
		must("create a class", resourceclasses.Create(ctx, client, resourceclasses.CreateOpts{Name: "CUSTOM_WIDGET"}).ExtractErr())
		_, err = resourceproviders.UpdateInventories(ctx, client, root.UUID, resourceproviders.UpdateInventoriesOpts{
			Inventories: map[string]resourceproviders.Inventory{
				"VCPU": {Total: 8, AllocationRatio: 4, MinUnit: 1, MaxUnit: 8, StepSize: 1}, "CUSTOM_WIDGET": {Total: 2, AllocationRatio: 1, MinUnit: 1, MaxUnit: 2, StepSize: 1},
			},
		}).Extract()
		must("set inventories", err)
		_, err = resourceproviders.UpdateTraits(ctx, client, root.UUID, resourceproviders.UpdateTraitsOpts{ResourceProviderGeneration: 1, Traits: []string{"CUSTOM_FAST"}}).Extract()
		must("set traits", err)
		generation := 2
		_, err = resourceproviders.UpdateAggregates(ctx, client, root.UUID, resourceproviders.UpdateAggregatesOpts{ResourceProviderGeneration: &generation, Aggregates: []string{agg1}}).Extract()
		must("set aggregates", err)

		page, err := allocationcandidates.List(client, allocationcandidates.ListOpts{
			Resources: "VCPU:2,CUSTOM_WIDGET:1", Required: []string{"CUSTOM_FAST"}, MemberOf: []string{agg1}, Limit: 5,
		}).AllPages(ctx)
		must("list candidates", err)
		candidates, err := allocationcandidates.ExtractAllocationCandidates(page)
		must("read candidates", err)
		if len(candidates.AllocationRequests) != 1 || candidates.ProviderSummaries[root.UUID].Resources["VCPU"].Capacity != 32 {
			t.Fatalf("candidates: %+v", candidates)
		}
		opts := allocations.UpdateOpts{ProjectID: "p", UserID: "u", ConsumerType: "INSTANCE", Allocations: map[string]allocations.ProviderAllocationsOpts{}}
		for provider, resources := range candidates.AllocationRequests[0].Allocations {
			opts.Allocations[provider] = allocations.ProviderAllocationsOpts{Resources: resources.Resources}
		}
		must("allocate", allocations.Update(ctx, client, con1, opts).ExtractErr())
		if err := allocations.Update(ctx, client, con1, opts).ExtractErr(); !gophercloud.ResponseCodeIs(err, 409) {
			t.Errorf("allocating twice with the same generation: %v", err)
		}
		mine, err := allocations.Get(ctx, client, con1).Extract()
		must("get allocations", err)
		if mine.Allocations[root.UUID].Resources["VCPU"] != 2 {
			t.Errorf("allocations: %+v", mine)
		}
		used, err := resourceproviders.GetUsages(ctx, client, root.UUID).Extract()
		must("get usages", err)
		if used.Usages["CUSTOM_WIDGET"] != 1 {
			t.Errorf("usages: %+v", used)
		}
		_, err = usages.Get(ctx, client, usages.GetOpts{ProjectID: "p"}).Extract()
		must("get the project's usages", err)
		if err := resourceproviders.Delete(ctx, client, root.UUID).ExtractErr(); !gophercloud.ResponseCodeIs(err, 409) {
			t.Errorf("deleting a provider in use: %v", err)
		}
		must("release", allocations.Delete(ctx, client, con1).ExtractErr())
		must("delete the child", resourceproviders.Delete(ctx, client, child.UUID).ExtractErr())
		must("delete the provider", resourceproviders.Delete(ctx, client, root.UUID).ExtractErr())
	})
}
