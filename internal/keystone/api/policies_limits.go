package api

import "gostack/internal/policy"

// settingsPolicies are upstream's default rules of limits, of the settings of domains and of revocation events.
var settingsPolicies = []policy.Rule{
	{Name: "identity:create_domain_config", Check: "rule:admin_required", Scopes: central},
	{Name: "identity:get_domain_config", Check: "rule:admin_required or (role:reader and system_scope:all)", Scopes: central},
	{Name: "identity:get_security_compliance_domain_config", Check: "", Scopes: anywhere},
	{Name: "identity:update_domain_config", Check: "rule:admin_required", Scopes: central},
	{Name: "identity:delete_domain_config", Check: "rule:admin_required", Scopes: central},
	{Name: "identity:get_domain_config_default", Check: "rule:admin_required or (role:reader and system_scope:all)", Scopes: central},
	{Name: "identity:get_limit_model", Check: "", Scopes: anywhere},
	{
		Name: "identity:get_limit",
		Check: "rule:admin_required or (role:reader and system_scope:all) or (domain_id:%(target.limit.domain.id)s or " +
			"domain_id:%(target.limit.project.domain_id)s) or (project_id:%(target.limit.project_id)s and not " +
			"None:%(target.limit.project_id)s)",
		Scopes: anywhere,
	},
	{Name: "identity:list_limits", Check: "", Scopes: anywhere},
	{Name: "identity:create_limits", Check: "rule:admin_required", Scopes: central},
	{Name: "identity:update_limit", Check: "rule:admin_required", Scopes: central},
	{Name: "identity:delete_limit", Check: "rule:admin_required", Scopes: central},
	{Name: "identity:get_registered_limit", Check: "", Scopes: anywhere},
	{Name: "identity:list_registered_limits", Check: "", Scopes: anywhere},
	{Name: "identity:create_registered_limits", Check: "rule:admin_required", Scopes: central},
	{Name: "identity:update_registered_limit", Check: "rule:admin_required", Scopes: central},
	{Name: "identity:delete_registered_limit", Check: "rule:admin_required", Scopes: central},
	{Name: "identity:list_revoke_events", Check: "rule:service_or_admin", Scopes: central},
	{Name: "identity:revocation_list", Check: "rule:service_or_admin", Scopes: central},
}
