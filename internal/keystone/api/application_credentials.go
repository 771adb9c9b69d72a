package api

import (
	"net/http"

	"gostack/internal/keystone"
	"gostack/internal/policy"
	"gostack/internal/rest"
)

// keystone/application_credential/schema.py.
const applicationCredentialProperties = `"name": ` + identityName + `, "description": ` + textOrNull + `, "secret": {"type": ["string", "null"]},
	"expires_at": {"type": ["string", "null"]}, "unrestricted": {"type": ["boolean", "null"]},
	"roles": ` + rolesWanted + `,
	"access_rules": {"type": ["array", "null"], "items": {"type": "object", "additionalProperties": false, "minProperties": 1, "properties": {
		"path": {"type": "string", "minLength": 0, "maxLength": 225, "pattern": "^/.*"},
		"method": {"type": "string", "pattern": "^(POST|GET|HEAD|PATCH|PUT|DELETE)$"},
		"service": {"type": "string", "minLength": 0, "maxLength": 64},
		"id": ` + idString + `}}}`

// rolesWanted are the roles that something delegates, each by its id or its name.
const rolesWanted = `{"type": "array", "items": {"type": "object", "minProperties": 1, "maxProperties": 1, "additionalProperties": false,
	"properties": {"id": ` + idString + `, "name": ` + identityName + `}}}`

func (a *api) applicationCredentials() []rest.Route {
	const all, one = "/users/{user_id}/application_credentials", "/users/{user_id}/application_credentials/{application_credential_id}"
	const rules, rule = "/users/{user_id}/access_rules", "/users/{user_id}/access_rules/{access_rule_id}"
	return []rest.Route{
		{Method: "GET", Path: all, Policy: "identity:list_application_credentials", Target: ofUserInPath, Handle: a.listApplicationCredentials},
		{
			Method: "POST", Path: all, Policy: "identity:create_application_credential", Target: ofUserInPath, Status: http.StatusCreated,
			Body: body("application_credential", applicationCredentialProperties, "name"), Handle: a.createApplicationCredential,
		},
		{
			Method: "GET", Path: one, Policy: "identity:get_application_credential", Target: a.applicationCredentialTarget,
			Handle: func(r *rest.Request) (any, error) {
				c, err := loaded[*keystone.ApplicationCredential](r)
				if err != nil {
					return nil, err
				}
				return map[string]any{"application_credential": applicationCredentialView(r, c)}, nil
			},
		},
		{
			Method: "DELETE", Path: one, Policy: "identity:delete_application_credential", Target: a.applicationCredentialTarget,
			Status: http.StatusNoContent, Handle: a.deleteApplicationCredential,
		},
		{Method: "GET", Path: rules, Policy: "identity:list_access_rules", Target: ofUserInPath, Handle: a.listAccessRules},
		{Method: "GET", Path: rule, Policy: "identity:get_access_rule", Target: ofUserInPath, Handle: func(r *rest.Request) (any, error) {
			rule, err := a.AccessRule(r.Context(), r.Path("user_id"), r.Path("access_rule_id"))
			if err != nil {
				return nil, err
			}
			return map[string]any{"access_rule": accessRuleView(r, rule)}, nil
		}},
		{
			Method: "DELETE", Path: rule, Policy: "identity:delete_access_rule", Target: ofUserInPath, Status: http.StatusNoContent,
			Handle: func(r *rest.Request) (any, error) {
				if err := a.managesDelegation(r, "for managing additional application credentials"); err != nil {
					return nil, err
				}
				return nil, a.DeleteAccessRule(r.Context(), r.Path("user_id"), r.Path("access_rule_id"))
			},
		},
	}
}

func ofUserInPath(r *rest.Request) (policy.Target, error) {
	id := r.Path("user_id")
	return policy.Target{"user_id": id, "target": policy.Target{"user": policy.Target{"id": id}}}, nil
}

// applicationCredentialTarget is about the user whose credential it is, not the one in the path, which anybody can write.
func (a *api) applicationCredentialTarget(r *rest.Request) (policy.Target, error) {
	c, err := a.ApplicationCredential(r.Context(), r.Path("application_credential_id"))
	if rest.IsNotFound(err) {
		r.Loaded = err
		return ofUserInPath(r)
	}
	if err != nil {
		return nil, err
	}
	r.Loaded = c
	return policy.Target{"user_id": c.UserID}, nil
}

// freely tells that a token may make and end delegations of its user: it was made by the user's own proof, or by an application credential
// that may do so.
func freely(t *keystone.Token) bool {
	return !t.Delegated() || t.ApplicationCredential != nil && t.ApplicationCredential.Unrestricted
}

// managesDelegation refuses tokens of restricted application credentials, and of other delegations that must not be handed on.
func (a *api) managesDelegation(r *rest.Request, what string) error {
	t, err := a.own(r)
	if err != nil || freely(t) {
		return err
	}
	return rest.Forbidden("You are not authorized to perform the requested action: Using method '%s' is not allowed %s.",
		t.DelegationMethod(), what)
}

func applicationCredentialView(r *rest.Request, c *keystone.ApplicationCredential) map[string]any {
	roles := []any{}
	for _, role := range c.Roles {
		roles = append(roles, map[string]any{"id": role.ID, "name": role.Name, "domain_id": orNull(role.DomainID)})
	}
	v := map[string]any{
		"id": c.ID, "name": c.Name, "description": c.Description, "project_id": c.ProjectID, "user_id": c.UserID,
		"unrestricted": c.Unrestricted, "expires_at": keystone.PasswordExpiry(c.ExpiresAt), "roles": roles,
		"links": map[string]any{"self": r.BaseURL() + "/users/" + c.UserID + "/application_credentials/" + c.ID},
	}
	return withRules(v, c)
}

// withRules adds what a restricted credential allows, without links.
func withRules(v map[string]any, c *keystone.ApplicationCredential) map[string]any {
	if !c.Restricted {
		return v
	}
	rules := []any{}
	for _, rule := range c.AccessRules {
		rules = append(rules, bareRule(rule))
	}
	v["access_rules"] = rules
	return v
}

func bareRule(rule *keystone.AccessRule) map[string]any {
	return map[string]any{"id": rule.ID, "service": rule.Service, "method": rule.Method, "path": rule.Path}
}

func accessRuleView(r *rest.Request, rule *keystone.AccessRule) map[string]any {
	v := bareRule(rule)
	v["links"] = map[string]any{"self": r.BaseURL() + "/users/" + rule.UserID + "/access_rules/" + rule.ID}
	return v
}

func (a *api) listApplicationCredentials(r *rest.Request) (any, error) {
	o, err := listOptions(r, filterable{"name", "c.name", false})
	if err != nil {
		return nil, err
	}
	list, err := a.ApplicationCredentials(r.Context(), r.Path("user_id"), o)
	return collection(r, "application_credentials", list, applicationCredentialView), err
}

func (a *api) createApplicationCredential(r *rest.Request) (any, error) {
	if err := a.managesDelegation(r, "for managing additional application credentials"); err != nil {
		return nil, err
	}
	t, err := a.own(r)
	if err != nil {
		return nil, err
	}
	var in struct {
		Wanted keystone.ApplicationCredentialSpec `json:"application_credential"`
	}
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	c, err := a.CreateApplicationCredential(r.Context(), t, in.Wanted)
	if err != nil {
		return nil, err
	}
	v := applicationCredentialView(r, c)
	v["secret"] = c.Secret.Reveal()
	return map[string]any{"application_credential": v}, nil
}

func (a *api) deleteApplicationCredential(r *rest.Request) (any, error) {
	c, err := loaded[*keystone.ApplicationCredential](r)
	if err != nil {
		return nil, err
	}
	if err := a.managesDelegation(r, "for managing additional application credentials"); err != nil {
		return nil, err
	}
	return nil, a.DeleteApplicationCredential(r.Context(), c.ID)
}

func (a *api) listAccessRules(r *rest.Request) (any, error) {
	o, err := listOptions(r, filterable{"service", "a.service", false}, filterable{"path", "a.path", false}, filterable{"method", "a.method", false})
	if err != nil {
		return nil, err
	}
	list, err := a.AccessRules(r.Context(), r.Path("user_id"), o)
	return collection(r, "access_rules", list, accessRuleView), err
}
