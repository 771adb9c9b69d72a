package api_test

// sampleDifferences are the members in which upstream's code differs from one of its documented answers.
var sampleDifferences = map[string][]string{
	// Clients send the blob as a text today, as the sample of the request does.
	"v3-ext/samples/OS-ENDPOINT-POLICY/policy-show-response": {".policy.blob is a text and should be an object"},
	"v3/samples/admin/policies-list-response":                {".policies[].blob is a text and should be an object"},
	"v3/samples/admin/policy-show-response":                  {".policy.blob is a text and should be an object"},
	"v3/samples/admin/policy-update-response":                {".policy.blob is a text and should be an object"},
	// Upstream wraps no member of a list.
	"v3-ext/samples/OS-EP-FILTER/endpoint-groups-response": {
		".endpoint_groups[].endpoint_group is missing",
		".endpoint_groups[].filters is not in the sample",
		".endpoint_groups[].id is not in the sample",
		".endpoint_groups[].name is not in the sample",
	},
	// Upstream sends all members of a trust, and no links in tokens.
	"v3-ext/samples/OS-TRUST/trust-auth-trust-response": {
		".token.OS-TRUST:trust.links is missing",
		".token.OS-TRUST:trust.trustee_user.links is missing",
		".token.OS-TRUST:trust.trustor_user.links is missing",
		".token.audit_ids is not in the sample",
		".token.project is not in the sample",
		".token.roles is not in the sample",
		".token.user.domain.links is missing",
		".token.user.email is missing",
		".token.user.links is missing",
	},
	"v3-ext/samples/OS-TRUST/trust-create-response": {
		".trust.deleted_at is not in the sample",
		".trust.redelegated_trust_id is not in the sample",
	},
	"v3-ext/samples/OS-TRUST/trust-get-response": {
		".trust.deleted_at is not in the sample",
		".trust.redelegated_trust_id is not in the sample",
		".trust.redelegation_count is not in the sample",
		".trust.remaining_uses is not in the sample",
	},
	"v3-ext/samples/OS-TRUST/trust-list-response": {
		".trusts[].deleted_at is not in the sample",
		".trusts[].redelegated_trust_id is not in the sample",
		".trusts[].redelegation_count is not in the sample",
		".trusts[].remaining_uses is not in the sample",
	},
	// Upstream sends whose it is.
	"v3/samples/admin/application-credential-create-response": {".application_credential.user_id is not in the sample"},
	"v3/samples/admin/application-credential-get-response":    {".application_credential.user_id is not in the sample"},
	"v3/samples/admin/application-credential-list-response":   {".application_credentials[].user_id is not in the sample"},
	// Upstream sends {"config": …} around it.
	"v3/samples/admin/domain-config-group-option-default-response": {".config is not in the sample", ".driver is missing"},
	"v3/samples/admin/domain-config-group-option-show-response":    {".config is not in the sample", ".url is missing"},
	"v3/samples/admin/domain-config-group-show-response":           {".config is not in the sample", ".ldap is missing"},
	// Upstream repeats the region under its old name.
	"v3/samples/admin/endpoint-update-response": {".endpoint.region is not in the sample"},
	// Upstream sends the link to itself only.
	"v3/samples/admin/get-service-catalog-response": {".links.next is missing", ".links.previous is missing"},
	// Upstream answers with the tags; the sample is that of a list of projects.
	"v3/samples/admin/project-tags-update-response": {
		".links.next is missing",
		".links.previous is missing",
		".projects is missing",
	},
	// Which kinds of actor and target come first differs from one cloud to another.
	"v3/samples/admin/role-assignments-effective-list-response": {
		".role_assignments[].links.membership is not in the sample",
	},
	"v3/samples/admin/role-assignments-list-include-subtree-response": {
		".role_assignments[].group is not in the sample",
		".role_assignments[].scope.OS-INHERIT:inherited_to is missing",
		".role_assignments[].scope.domain is missing",
		".role_assignments[].scope.project is not in the sample",
		".role_assignments[].user is missing",
	},
	// Upstream sends no description here.
	"v3/samples/admin/role-inferences-response": {
		".role_inferences[].implies[].description is missing",
		".role_inferences[].prior_role.description is missing",
	},
	// Upstream sends a description where there is one.
	"v3/samples/admin/services-list-response": {".services[].description is missing"},
	// Upstream sends federated where there is something in it; email and options are what the user was made with.
	"v3/samples/admin/user-create-response": {".user.federated is missing"},
	"v3/samples/admin/user-show-response":   {".user.email is not in the sample", ".user.federated is missing"},
	"v3/samples/admin/user-update-response": {
		".user.email is not in the sample",
		".user.federated is missing",
		".user.options.ignore_lockout_failure_attempts is missing",
		".user.options.ignore_password_expiry is not in the sample",
	},
}
