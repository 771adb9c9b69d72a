package api

import "gostack/internal/policy"

// The rules of upstream's placement/policies, with the base rules written out.
const (
	adminOrService                = "role:admin or role:service"
	adminOrProjectReaderOrService = "role:admin or role:service or (role:reader and project_id:%(project_id)s)"
	serviceOnly                   = "role:service"
)

// Policies are placement's default rules.
var Policies = policies(map[string][]string{
	adminOrService: {
		"resource_providers:list", "resource_providers:create", "resource_providers:show", "resource_providers:update",
		"resource_providers:delete",
		"resource_providers:inventories:list", "resource_providers:inventories:create", "resource_providers:inventories:show",
		"resource_providers:inventories:update", "resource_providers:inventories:delete",
		"resource_providers:aggregates:list", "resource_providers:aggregates:update",
		"resource_providers:traits:list", "resource_providers:traits:update", "resource_providers:traits:delete",
		"resource_providers:allocations:list", "resource_providers:usages",
		"resource_classes:list", "resource_classes:create", "resource_classes:show", "resource_classes:update", "resource_classes:delete",
		"traits:list", "traits:show", "traits:update", "traits:delete",
		"allocations:list", "allocations:manage", "allocations:update", "allocations:delete",
		"allocation_candidates:list",
	},
	adminOrProjectReaderOrService: {"usages"},
	serviceOnly:                   {"reshaper:reshape"},
})

func policies(byCheck map[string][]string) []policy.Rule {
	var rules []policy.Rule
	for check, names := range byCheck {
		for _, name := range names {
			rules = append(rules, policy.Rule{Name: "placement:" + name, Check: check, Scopes: []policy.Scope{policy.Project}})
		}
	}
	return rules
}
