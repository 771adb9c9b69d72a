package api

import "gostack/internal/policy"

// catalogPolicies are upstream's default rules of endpoint filters, policies and their associations.
var catalogPolicies = []policy.Rule{
	{Name: "identity:create_endpoint_group", Check: "rule:admin_required", Scopes: central},
	{Name: "identity:list_endpoint_groups", Check: "rule:admin_required or (role:reader and system_scope:all)", Scopes: central},
	{Name: "identity:get_endpoint_group", Check: "rule:admin_required or (role:reader and system_scope:all)", Scopes: central},
	{Name: "identity:update_endpoint_group", Check: "rule:admin_required", Scopes: central},
	{Name: "identity:delete_endpoint_group", Check: "rule:admin_required", Scopes: central},
	{
		Name:   "identity:list_projects_associated_with_endpoint_group",
		Check:  "rule:admin_required or (role:reader and system_scope:all)",
		Scopes: central,
	},
	{
		Name:   "identity:list_endpoints_associated_with_endpoint_group",
		Check:  "rule:admin_required or (role:reader and system_scope:all)",
		Scopes: central,
	},
	{Name: "identity:get_endpoint_group_in_project", Check: "rule:admin_required or (role:reader and system_scope:all)", Scopes: central},
	{
		Name:   "identity:list_endpoint_groups_for_project",
		Check:  "rule:admin_required or (role:reader and system_scope:all)",
		Scopes: central,
	},
	{Name: "identity:add_endpoint_group_to_project", Check: "rule:admin_required", Scopes: central},
	{Name: "identity:remove_endpoint_group_from_project", Check: "rule:admin_required", Scopes: central},
	{Name: "identity:get_policy", Check: "rule:admin_required or (role:reader and system_scope:all)", Scopes: central},
	{Name: "identity:list_policies", Check: "rule:admin_required or (role:reader and system_scope:all)", Scopes: central},
	{Name: "identity:create_policy", Check: "rule:admin_required", Scopes: central},
	{Name: "identity:update_policy", Check: "rule:admin_required", Scopes: central},
	{Name: "identity:delete_policy", Check: "rule:admin_required", Scopes: central},
	{Name: "identity:create_policy_association_for_endpoint", Check: "rule:admin_required", Scopes: central},
	{
		Name:   "identity:check_policy_association_for_endpoint",
		Check:  "rule:admin_required or (role:reader and system_scope:all)",
		Scopes: central,
	},
	{Name: "identity:delete_policy_association_for_endpoint", Check: "rule:admin_required", Scopes: central},
	{Name: "identity:create_policy_association_for_service", Check: "rule:admin_required", Scopes: central},
	{
		Name:   "identity:check_policy_association_for_service",
		Check:  "rule:admin_required or (role:reader and system_scope:all)",
		Scopes: central,
	},
	{Name: "identity:delete_policy_association_for_service", Check: "rule:admin_required", Scopes: central},
	{Name: "identity:create_policy_association_for_region_and_service", Check: "rule:admin_required", Scopes: central},
	{
		Name:   "identity:check_policy_association_for_region_and_service",
		Check:  "rule:admin_required or (role:reader and system_scope:all)",
		Scopes: central,
	},
	{Name: "identity:delete_policy_association_for_region_and_service", Check: "rule:admin_required", Scopes: central},
	{Name: "identity:get_policy_for_endpoint", Check: "rule:admin_required or (role:reader and system_scope:all)", Scopes: central},
	{Name: "identity:list_endpoints_for_policy", Check: "rule:admin_required or (role:reader and system_scope:all)", Scopes: central},
	{Name: "identity:list_projects_for_endpoint", Check: "rule:admin_required or (role:reader and system_scope:all)", Scopes: central},
	{Name: "identity:add_endpoint_to_project", Check: "rule:admin_required", Scopes: central},
	{Name: "identity:check_endpoint_in_project", Check: "rule:admin_required or (role:reader and system_scope:all)", Scopes: central},
	{Name: "identity:list_endpoints_for_project", Check: "rule:admin_required or (role:reader and system_scope:all)", Scopes: central},
	{Name: "identity:remove_endpoint_from_project", Check: "rule:admin_required", Scopes: central},
}
