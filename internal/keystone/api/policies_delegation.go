package api

import "gostack/internal/policy"

// inProject is the scope of what is delegated from a project.
var inProject = []policy.Scope{policy.Project}

// delegationPolicies are upstream's default rules of credentials, and of whatever lets somebody act for somebody else.
var delegationPolicies = []policy.Rule{
	{Name: "owner", Check: "user_id:%(user_id)s"},
	{Name: "admin_or_owner", Check: "rule:admin_required or rule:owner"},

	{Name: "identity:get_access_rule", Check: "(role:reader and system_scope:all) or user_id:%(target.user.id)s", Scopes: central},
	{Name: "identity:list_access_rules", Check: "(role:reader and system_scope:all) or user_id:%(target.user.id)s", Scopes: central},
	{Name: "identity:delete_access_rule", Check: "(role:admin and system_scope:all) or user_id:%(target.user.id)s", Scopes: central},
	{Name: "identity:authorize_request_token", Check: "rule:admin_required", Scopes: inProject},
	{Name: "identity:get_access_token", Check: "rule:admin_required", Scopes: inProject},
	{Name: "identity:get_access_token_role", Check: "rule:admin_required", Scopes: inProject},
	{Name: "identity:list_access_tokens", Check: "rule:admin_required", Scopes: inProject},
	{Name: "identity:list_access_token_roles", Check: "rule:admin_required", Scopes: inProject},
	{Name: "identity:delete_access_token", Check: "rule:admin_required", Scopes: inProject},
	{
		Name:   "identity:get_application_credential",
		Check:  "(rule:admin_required) or (role:reader and system_scope:all) or rule:owner",
		Scopes: central,
	},
	{
		Name:   "identity:list_application_credentials",
		Check:  "(rule:admin_required) or (role:reader and system_scope:all) or rule:owner",
		Scopes: central,
	},
	{Name: "identity:create_application_credential", Check: "user_id:%(user_id)s", Scopes: inProject},
	{Name: "identity:delete_application_credential", Check: "rule:admin_or_owner", Scopes: central},
	{Name: "identity:get_consumer", Check: "rule:admin_required or (role:reader and system_scope:all)", Scopes: central},
	{Name: "identity:list_consumers", Check: "rule:admin_required or (role:reader and system_scope:all)", Scopes: central},
	{Name: "identity:create_consumer", Check: "rule:admin_required", Scopes: central},
	{Name: "identity:update_consumer", Check: "rule:admin_required", Scopes: central},
	{Name: "identity:delete_consumer", Check: "rule:admin_required", Scopes: central},
	{
		Name:   "identity:get_credential",
		Check:  "(rule:admin_required) or (role:reader and system_scope:all) or user_id:%(target.credential.user_id)s",
		Scopes: anywhere,
	},
	{
		Name:   "identity:list_credentials",
		Check:  "(rule:admin_required) or (role:reader and system_scope:all) or user_id:%(target.credential.user_id)s",
		Scopes: anywhere,
	},
	{Name: "identity:create_credential", Check: "(rule:admin_required) or user_id:%(target.credential.user_id)s", Scopes: anywhere},
	{Name: "identity:update_credential", Check: "(rule:admin_required) or user_id:%(target.credential.user_id)s", Scopes: anywhere},
	{Name: "identity:delete_credential", Check: "(rule:admin_required) or user_id:%(target.credential.user_id)s", Scopes: anywhere},
	{
		Name:   "identity:ec2_get_credential",
		Check:  "(rule:admin_required) or (role:reader and system_scope:all) or user_id:%(target.credential.user_id)s",
		Scopes: central,
	},
	{
		Name:   "identity:ec2_list_credentials",
		Check:  "(rule:admin_required) or (role:reader and system_scope:all) or rule:owner",
		Scopes: central,
	},
	{
		Name:   "identity:ec2_create_credential",
		Check:  "(rule:admin_required) or (role:member and user_id:%(target.credential.user_id)s)",
		Scopes: central,
	},
	{
		Name:   "identity:ec2_delete_credential",
		Check:  "(rule:admin_required) or (role:member and user_id:%(target.credential.user_id)s)",
		Scopes: central,
	},
	{Name: "identity:ec2tokens_validate", Check: "rule:service_or_admin", Scopes: anywhere},
	{Name: "identity:s3tokens_validate", Check: "rule:service_or_admin", Scopes: anywhere},
	{Name: "identity:create_trust", Check: "user_id:%(target.trust.trustor_user_id)s", Scopes: inProject},
	{Name: "identity:list_trusts", Check: "rule:admin_required or (role:reader and system_scope:all)", Scopes: central},
	{
		Name:   "identity:list_trusts_for_trustor",
		Check:  "(rule:admin_required) or (role:reader and system_scope:all or user_id:%(target.trust.trustor_user_id)s)",
		Scopes: central,
	},
	{
		Name:   "identity:list_trusts_for_trustee",
		Check:  "(rule:admin_required) or (role:reader and system_scope:all or user_id:%(target.trust.trustee_user_id)s)",
		Scopes: central,
	},
	{
		Name: "identity:list_roles_for_trust",
		Check: "(rule:admin_required) or (role:reader and system_scope:all or user_id:%(target.trust.trustor_user_id)s or " +
			"user_id:%(target.trust.trustee_user_id)s)",
		Scopes: central,
	},
	{
		Name: "identity:get_role_for_trust",
		Check: "(rule:admin_required) or (role:reader and system_scope:all or user_id:%(target.trust.trustor_user_id)s or " +
			"user_id:%(target.trust.trustee_user_id)s)",
		Scopes: central,
	},
	{Name: "identity:delete_trust", Check: "rule:admin_required or user_id:%(target.trust.trustor_user_id)s", Scopes: central},
	{
		Name: "identity:get_trust",
		Check: "(rule:admin_required) or (role:reader and system_scope:all or user_id:%(target.trust.trustor_user_id)s or " +
			"user_id:%(target.trust.trustee_user_id)s)",
		Scopes: central,
	},
}
