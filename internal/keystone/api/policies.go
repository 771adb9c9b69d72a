package api

import (
	"slices"

	"gostack/internal/policy"
)

// The scopes that tokens must have, as upstream's policies name them.
var (
	anywhere = []policy.Scope{policy.System, policy.Domain, policy.Project}
	central  = []policy.Scope{policy.System, policy.Project} // not by a domain's own managers
)

// Policies are upstream's default rules (keystone/common/policies, the new defaults) for the resources served here.
var Policies = slices.Concat(basicPolicies, delegationPolicies, catalogPolicies, settingsPolicies)

var basicPolicies = []policy.Rule{
	{Name: "admin_required", Check: "role:admin or is_admin:1"},
	{Name: "service_role", Check: "role:service"},
	{Name: "service_or_admin", Check: "rule:admin_required or rule:service_role"},
	{Name: "token_subject", Check: "user_id:%(target.token.user_id)s"},
	{
		Name:  "domain_managed_target_role",
		Check: "'manager':%(target.role.name)s or 'member':%(target.role.name)s or 'reader':%(target.role.name)s",
	},

	{Name: "identity:get_auth_catalog", Check: ""},
	{Name: "identity:get_auth_projects", Check: ""},
	{Name: "identity:get_auth_domains", Check: ""},
	{Name: "identity:get_auth_system", Check: ""},

	{
		Name: "identity:get_domain",
		Check: "rule:admin_required or (role:reader and system_scope:all) or token.domain.id:%(target.domain.id)s or " +
			"token.project.domain.id:%(target.domain.id)s",
		Scopes: anywhere,
	},
	{
		Name:   "identity:list_domains",
		Check:  "rule:admin_required or (role:reader and system_scope:all) or (role:reader and domain_id:%(target.domain.id)s)",
		Scopes: anywhere,
	},
	{Name: "identity:create_domain", Check: "rule:admin_required", Scopes: central},
	{Name: "identity:update_domain", Check: "rule:admin_required", Scopes: central},
	{Name: "identity:delete_domain", Check: "rule:admin_required", Scopes: central},

	{Name: "identity:get_endpoint", Check: "rule:admin_required or (role:reader and system_scope:all)", Scopes: central},
	{Name: "identity:list_endpoints", Check: "rule:admin_required or (role:reader and system_scope:all)", Scopes: central},
	{Name: "identity:create_endpoint", Check: "rule:admin_required", Scopes: central},
	{Name: "identity:update_endpoint", Check: "rule:admin_required", Scopes: central},
	{Name: "identity:delete_endpoint", Check: "rule:admin_required", Scopes: central},

	{
		Name: "identity:check_grant",
		Check: "(rule:admin_required) or ((role:reader and system_scope:all) or ((role:reader and " +
			"domain_id:%(target.user.domain_id)s and domain_id:%(target.project.domain_id)s) or (role:reader and " +
			"domain_id:%(target.user.domain_id)s and domain_id:%(target.domain.id)s) or (role:reader and " +
			"domain_id:%(target.group.domain_id)s and domain_id:%(target.project.domain_id)s) or (role:reader and " +
			"domain_id:%(target.group.domain_id)s and domain_id:%(target.domain.id)s)) and " +
			"(domain_id:%(target.role.domain_id)s or None:%(target.role.domain_id)s))",
		Scopes: anywhere,
	},
	{
		Name: "identity:list_grants",
		Check: "(rule:admin_required) or ((role:reader and system_scope:all) or (role:reader and " +
			"domain_id:%(target.user.domain_id)s and domain_id:%(target.project.domain_id)s) or (role:reader and " +
			"domain_id:%(target.user.domain_id)s and domain_id:%(target.domain.id)s) or (role:reader and " +
			"domain_id:%(target.group.domain_id)s and domain_id:%(target.project.domain_id)s) or (role:reader and " +
			"domain_id:%(target.group.domain_id)s and domain_id:%(target.domain.id)s))",
		Scopes: anywhere,
	},
	{
		Name: "identity:create_grant",
		Check: "(rule:admin_required) or ((role:admin and domain_id:%(target.user.domain_id)s and " +
			"domain_id:%(target.project.domain_id)s) or (role:admin and domain_id:%(target.user.domain_id)s and " +
			"domain_id:%(target.domain.id)s) or (role:admin and domain_id:%(target.group.domain_id)s and " +
			"domain_id:%(target.project.domain_id)s) or (role:admin and domain_id:%(target.group.domain_id)s and " +
			"domain_id:%(target.domain.id)s)) and (domain_id:%(target.role.domain_id)s or None:%(target.role.domain_id)s) " +
			"or ((role:manager and domain_id:%(target.user.domain_id)s and domain_id:%(target.project.domain_id)s) or " +
			"(role:manager and domain_id:%(target.user.domain_id)s and domain_id:%(target.domain.id)s) or (role:manager and " +
			"domain_id:%(target.group.domain_id)s and domain_id:%(target.project.domain_id)s) or (role:manager and " +
			"domain_id:%(target.group.domain_id)s and domain_id:%(target.domain.id)s)) and rule:domain_managed_target_role",
		Scopes: anywhere,
	},
	{
		Name: "identity:revoke_grant",
		Check: "(rule:admin_required) or ((role:admin and domain_id:%(target.user.domain_id)s and " +
			"domain_id:%(target.project.domain_id)s) or (role:admin and domain_id:%(target.user.domain_id)s and " +
			"domain_id:%(target.domain.id)s) or (role:admin and domain_id:%(target.group.domain_id)s and " +
			"domain_id:%(target.project.domain_id)s) or (role:admin and domain_id:%(target.group.domain_id)s and " +
			"domain_id:%(target.domain.id)s)) and (domain_id:%(target.role.domain_id)s or None:%(target.role.domain_id)s) " +
			"or ((role:manager and domain_id:%(target.user.domain_id)s and domain_id:%(target.project.domain_id)s) or " +
			"(role:manager and domain_id:%(target.user.domain_id)s and domain_id:%(target.domain.id)s) or (role:manager and " +
			"domain_id:%(target.group.domain_id)s and domain_id:%(target.project.domain_id)s) or (role:manager and " +
			"domain_id:%(target.group.domain_id)s and domain_id:%(target.domain.id)s)) and rule:domain_managed_target_role",
		Scopes: anywhere,
	},
	{Name: "identity:list_system_grants_for_user", Check: "rule:admin_required or (role:reader and system_scope:all)", Scopes: central},
	{Name: "identity:check_system_grant_for_user", Check: "rule:admin_required or (role:reader and system_scope:all)", Scopes: central},
	{Name: "identity:create_system_grant_for_user", Check: "rule:admin_required", Scopes: central},
	{Name: "identity:revoke_system_grant_for_user", Check: "rule:admin_required", Scopes: central},
	{Name: "identity:list_system_grants_for_group", Check: "rule:admin_required or (role:reader and system_scope:all)", Scopes: central},
	{Name: "identity:check_system_grant_for_group", Check: "rule:admin_required or (role:reader and system_scope:all)", Scopes: central},
	{Name: "identity:create_system_grant_for_group", Check: "rule:admin_required", Scopes: central},
	{Name: "identity:revoke_system_grant_for_group", Check: "rule:admin_required", Scopes: central},

	{
		Name: "identity:get_group",
		Check: "(rule:admin_required) or (role:reader and system_scope:all) or (role:reader and " +
			"domain_id:%(target.group.domain_id)s)",
		Scopes: anywhere,
	},
	{
		Name: "identity:list_groups",
		Check: "(rule:admin_required) or (role:reader and system_scope:all) or (role:reader and " +
			"domain_id:%(target.group.domain_id)s)",
		Scopes: anywhere,
	},
	{
		Name: "identity:list_groups_for_user",
		Check: "(rule:admin_required) or (role:reader and system_scope:all) or (role:reader and " +
			"domain_id:%(target.user.domain_id)s) or user_id:%(user_id)s",
		Scopes: anywhere,
	},
	{
		Name:   "identity:create_group",
		Check:  "(rule:admin_required) or (role:manager and domain_id:%(target.group.domain_id)s)",
		Scopes: anywhere,
	},
	{
		Name:   "identity:update_group",
		Check:  "(rule:admin_required) or (role:manager and domain_id:%(target.group.domain_id)s)",
		Scopes: anywhere,
	},
	{
		Name:   "identity:delete_group",
		Check:  "(rule:admin_required) or (role:manager and domain_id:%(target.group.domain_id)s)",
		Scopes: anywhere,
	},
	{
		Name: "identity:list_users_in_group",
		Check: "(rule:admin_required) or (role:reader and system_scope:all) or (role:reader and " +
			"domain_id:%(target.group.domain_id)s)",
		Scopes: anywhere,
	},
	{
		Name: "identity:remove_user_from_group",
		Check: "(rule:admin_required) or (role:manager and domain_id:%(target.group.domain_id)s and " +
			"domain_id:%(target.user.domain_id)s)",
		Scopes: anywhere,
	},
	{
		Name: "identity:check_user_in_group",
		Check: "(rule:admin_required) or (role:reader and system_scope:all) or (role:reader and " +
			"domain_id:%(target.group.domain_id)s and domain_id:%(target.user.domain_id)s)",
		Scopes: anywhere,
	},
	{
		Name: "identity:add_user_to_group",
		Check: "(rule:admin_required) or (role:manager and domain_id:%(target.group.domain_id)s and " +
			"domain_id:%(target.user.domain_id)s)",
		Scopes: anywhere,
	},

	{Name: "identity:get_implied_role", Check: "rule:admin_required or (role:reader and system_scope:all)", Scopes: central},
	{Name: "identity:list_implied_roles", Check: "rule:admin_required or (role:reader and system_scope:all)", Scopes: central},
	{Name: "identity:create_implied_role", Check: "rule:admin_required", Scopes: central},
	{Name: "identity:delete_implied_role", Check: "rule:admin_required", Scopes: central},
	{Name: "identity:list_role_inference_rules", Check: "rule:admin_required or (role:reader and system_scope:all)", Scopes: central},
	{Name: "identity:check_implied_role", Check: "rule:admin_required or (role:reader and system_scope:all)", Scopes: central},

	{
		Name: "identity:get_project",
		Check: "(rule:admin_required) or (role:reader and system_scope:all) or (role:reader and " +
			"domain_id:%(target.project.domain_id)s and not None:%(target.project.domain_id)s) or " +
			"project_id:%(target.project.id)s",
		Scopes: anywhere,
	},
	{
		Name: "identity:list_projects",
		Check: "(rule:admin_required) or (role:reader and system_scope:all) or (role:reader and " +
			"domain_id:%(target.domain_id)s)",
		Scopes: anywhere,
	},
	{
		Name: "identity:list_user_projects",
		Check: "(rule:admin_required) or (role:reader and system_scope:all) or (role:reader and " +
			"domain_id:%(target.user.domain_id)s) or user_id:%(target.user.id)s",
		Scopes: anywhere,
	},
	{
		Name: "identity:create_project",
		Check: "(rule:admin_required) or (role:manager and domain_id:%(target.project.domain_id)s and not " +
			"None:%(target.project.domain_id)s)",
		Scopes: anywhere,
	},
	{
		Name: "identity:update_project",
		Check: "(rule:admin_required) or (role:manager and domain_id:%(target.project.domain_id)s and not " +
			"None:%(target.project.domain_id)s)",
		Scopes: anywhere,
	},
	{
		Name: "identity:delete_project",
		Check: "(rule:admin_required) or (role:manager and domain_id:%(target.project.domain_id)s and not " +
			"None:%(target.project.domain_id)s)",
		Scopes: anywhere,
	},
	{
		Name: "identity:list_project_tags",
		Check: "(rule:admin_required) or (role:reader and system_scope:all) or (role:reader and " +
			"domain_id:%(target.project.domain_id)s and not None:%(target.project.domain_id)s) or " +
			"project_id:%(target.project.id)s",
		Scopes: anywhere,
	},
	{
		Name: "identity:get_project_tag",
		Check: "(rule:admin_required) or (role:reader and system_scope:all) or (role:reader and " +
			"domain_id:%(target.project.domain_id)s and not None:%(target.project.domain_id)s) or " +
			"project_id:%(target.project.id)s",
		Scopes: anywhere,
	},
	{
		Name: "identity:update_project_tags",
		Check: "(rule:admin_required) or (role:manager and domain_id:%(target.project.domain_id)s and not " +
			"None:%(target.project.domain_id)s)",
		Scopes: anywhere,
	},
	{
		Name: "identity:create_project_tag",
		Check: "(rule:admin_required) or (role:manager and domain_id:%(target.project.domain_id)s and not " +
			"None:%(target.project.domain_id)s)",
		Scopes: anywhere,
	},
	{
		Name: "identity:delete_project_tags",
		Check: "(rule:admin_required) or (role:manager and domain_id:%(target.project.domain_id)s and not " +
			"None:%(target.project.domain_id)s)",
		Scopes: anywhere,
	},
	{
		Name: "identity:delete_project_tag",
		Check: "(rule:admin_required) or (role:manager and domain_id:%(target.project.domain_id)s and not " +
			"None:%(target.project.domain_id)s)",
		Scopes: anywhere,
	},

	{Name: "identity:get_region", Check: "", Scopes: anywhere},
	{Name: "identity:list_regions", Check: "", Scopes: anywhere},
	{Name: "identity:create_region", Check: "rule:admin_required", Scopes: central},
	{Name: "identity:update_region", Check: "rule:admin_required", Scopes: central},
	{Name: "identity:delete_region", Check: "rule:admin_required", Scopes: central},

	{
		Name: "identity:get_role",
		Check: "(rule:admin_required or (role:reader and system_scope:all)) or (role:manager and " +
			"rule:domain_managed_target_role)",
		Scopes: anywhere,
	},
	{
		Name:   "identity:list_roles",
		Check:  "(rule:admin_required or (role:reader and system_scope:all)) or (role:manager and not domain_id:None)",
		Scopes: anywhere,
	},
	{Name: "identity:create_role", Check: "rule:admin_required", Scopes: central},
	{Name: "identity:update_role", Check: "rule:admin_required", Scopes: central},
	{Name: "identity:delete_role", Check: "rule:admin_required", Scopes: central},
	{Name: "identity:get_domain_role", Check: "rule:admin_required or (role:reader and system_scope:all)", Scopes: central},
	{Name: "identity:list_domain_roles", Check: "rule:admin_required or (role:reader and system_scope:all)", Scopes: central},
	{Name: "identity:create_domain_role", Check: "rule:admin_required", Scopes: central},
	{Name: "identity:update_domain_role", Check: "rule:admin_required", Scopes: central},
	{Name: "identity:delete_domain_role", Check: "rule:admin_required", Scopes: central},

	{
		Name: "identity:list_role_assignments",
		Check: "(rule:admin_required) or (role:reader and system_scope:all) or (role:reader and " +
			"domain_id:%(target.domain_id)s)",
		Scopes: anywhere,
	},
	{
		Name: "identity:list_role_assignments_for_tree",
		Check: "(rule:admin_required) or (role:reader and system_scope:all) or (role:reader and " +
			"domain_id:%(target.domain_id)s)",
		Scopes: anywhere,
	},

	{Name: "identity:get_service", Check: "rule:admin_required or (role:reader and system_scope:all)", Scopes: central},
	{Name: "identity:list_services", Check: "rule:admin_required or (role:reader and system_scope:all)", Scopes: central},
	{Name: "identity:create_service", Check: "rule:admin_required", Scopes: central},
	{Name: "identity:update_service", Check: "rule:admin_required", Scopes: central},
	{Name: "identity:delete_service", Check: "rule:admin_required", Scopes: central},

	{Name: "identity:check_token", Check: "rule:admin_required or (role:reader and system_scope:all) or rule:token_subject", Scopes: anywhere},
	{
		Name:   "identity:validate_token",
		Check:  "rule:admin_required or (role:reader and system_scope:all) or rule:service_role or rule:token_subject",
		Scopes: anywhere,
	},
	{Name: "identity:revoke_token", Check: "rule:admin_required or rule:token_subject", Scopes: anywhere},

	{
		Name: "identity:get_user",
		Check: "(rule:admin_required) or (role:reader and system_scope:all) or (role:reader and " +
			"token.domain.id:%(target.user.domain_id)s) or user_id:%(target.user.id)s",
		Scopes: anywhere,
	},
	{
		Name: "identity:list_users",
		Check: "(rule:admin_required) or (role:reader and system_scope:all) or (role:reader and " +
			"domain_id:%(target.domain_id)s)",
		Scopes: anywhere,
	},
	{
		Name:   "identity:create_user",
		Check:  "(rule:admin_required) or (role:manager and token.domain.id:%(target.user.domain_id)s)",
		Scopes: anywhere,
	},
	{
		Name:   "identity:update_user",
		Check:  "(rule:admin_required) or (role:manager and token.domain.id:%(target.user.domain_id)s)",
		Scopes: anywhere,
	},
	{
		Name:   "identity:delete_user",
		Check:  "(rule:admin_required) or (role:manager and token.domain.id:%(target.user.domain_id)s)",
		Scopes: anywhere,
	},
}
