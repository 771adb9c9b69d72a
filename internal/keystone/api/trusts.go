package api

import (
	"net/http"

	"gostack/internal/keystone"
	"gostack/internal/policy"
	"gostack/internal/rest"
)

// keystone/trust/schema.py.
const trustProperties = `"trustor_user_id": ` + anyID + `, "trustee_user_id": ` + anyID + `, "impersonation": ` + boolean + `,
	"project_id": ` + idOrNull + `, "remaining_uses": {"type": ["integer", "null"], "minimum": 1}, "expires_at": {"type": ["string", "null"]},
	"allow_redelegation": {"type": ["boolean", "null"]}, "redelegation_count": {"type": ["integer", "null"], "minimum": 0},
	"roles": ` + rolesWanted

// anyID is the id of a user, who may come from a directory with ids of its own kind.
const anyID = `{"type": "string", "minLength": 1, "maxLength": 64}`

func (a *api) trusts() []rest.Route {
	const all, one = "/OS-TRUST/trusts", "/OS-TRUST/trusts/{trust_id}"
	return []rest.Route{
		{Method: "GET", Path: all, Policy: rest.Authenticated, Target: trustsPolicy, Handle: a.listTrusts},
		{
			Method: "POST", Path: all, Policy: "identity:create_trust", Status: http.StatusCreated, Handle: a.createTrust,
			Body: body("trust", trustProperties, "trustee_user_id", "trustor_user_id", "impersonation"),
			Target: func(r *rest.Request) (policy.Target, error) {
				return trustOf(object(r, "trust")["trustor_user_id"], nil), nil
			},
		},
		{Method: "GET", Path: one, Policy: "identity:get_trust", Target: a.trustTarget, Handle: a.showTrust},
		{
			Method: "DELETE", Path: one, Policy: "identity:delete_trust", Target: a.trustTarget, Status: http.StatusNoContent,
			Handle: func(r *rest.Request) (any, error) {
				if t, err := a.own(r); err != nil || t.ApplicationCredential != nil && !freely(t) {
					return nil, a.managesDelegation(r, "for managing trusts")
				}
				return nil, a.DeleteTrust(r.Context(), r.Path("trust_id"))
			},
		},
		{Method: "GET", Path: one + "/roles", Policy: "identity:list_roles_for_trust", Target: a.trustTarget, Handle: a.listTrustRoles},
		{Method: "GET", Path: one + "/roles/{role_id}", Policy: "identity:get_role_for_trust", Target: a.trustTarget, Handle: a.showTrustRole},
	}
}

func trustOf(trustor, trustee any) policy.Target {
	return policy.Target{"target": policy.Target{"trust": policy.Target{"trustor_user_id": trustor, "trustee_user_id": trustee}}}
}

// trustsPolicy asks the policy that rules the list: of everybody's trusts, of a trustor's or of a trustee's.
func trustsPolicy(r *rest.Request) (policy.Target, error) {
	rule, target := "identity:list_trusts", policy.Target{}
	if id := r.Query("trustor_user_id"); id != "" {
		rule, target = "identity:list_trusts_for_trustor", trustOf(id, nil)
	} else if id := r.Query("trustee_user_id"); id != "" {
		rule, target = "identity:list_trusts_for_trustee", trustOf(nil, id)
	}
	return nil, r.Enforce(rule, target)
}

// trustTarget loads the trust. That there is none is told to everybody, as upstream does.
func (a *api) trustTarget(r *rest.Request) (policy.Target, error) {
	t, err := a.Trust(r.Context(), r.Path("trust_id"))
	if err != nil {
		return nil, err
	}
	r.Loaded = t
	return trustOf(t.TrustorUserID, t.TrusteeUserID), nil
}

const trustTime = "2006-01-02T15:04:05.000000Z"

func trustView(r *rest.Request, t *keystone.Trust) map[string]any {
	v := view(r, "OS-TRUST/trusts", t.ID, t.Extra)
	v["trustor_user_id"], v["trustee_user_id"], v["impersonation"] = t.TrustorUserID, t.TrusteeUserID, t.Impersonation
	v["project_id"], v["remaining_uses"], v["redelegation_count"] = orNull(t.ProjectID), t.RemainingUses, t.RedelegationCount
	v["redelegated_trust_id"], v["deleted_at"], v["expires_at"] = orNull(t.RedelegatedTrustID), nil, nil
	if t.ExpiresAt != nil {
		v["expires_at"] = t.ExpiresAt.UTC().Format(trustTime)
	}
	return v
}

func (a *api) fullTrust(r *rest.Request, t *keystone.Trust) (any, error) {
	roles, err := a.TrustRoles(r.Context(), t)
	if err != nil {
		return nil, err
	}
	list := []any{}
	for _, role := range roles {
		list = append(list, roleView(r, role))
	}
	v := trustView(r, t)
	v["roles"] = list
	v["roles_links"] = map[string]any{"self": r.BaseURL() + "/OS-TRUST/trusts/" + t.ID + "/roles", "next": nil, "previous": nil}
	return map[string]any{"trust": v}, nil
}

func (a *api) listTrusts(r *rest.Request) (any, error) {
	list, err := a.Trusts(r.Context(), r.Query("trustor_user_id"), r.Query("trustee_user_id"))
	return collection(r, "trusts", list, trustView), err
}

func (a *api) createTrust(r *rest.Request) (any, error) {
	by, err := a.own(r)
	if err != nil {
		return nil, err
	}
	if by.ApplicationCredential != nil && !by.ApplicationCredential.Unrestricted {
		return nil, a.managesDelegation(r, "for managing trusts")
	}
	var in struct {
		Wanted keystone.TrustSpec `json:"trust"`
	}
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	in.Wanted.Extra = object(r, "trust")
	t, err := a.CreateTrust(r.Context(), by, in.Wanted)
	if err != nil {
		return nil, err
	}
	return a.fullTrust(r, t)
}

func (a *api) showTrust(r *rest.Request) (any, error) {
	return a.fullTrust(r, r.Loaded.(*keystone.Trust))
}

func (a *api) listTrustRoles(r *rest.Request) (any, error) {
	list, err := a.TrustRoles(r.Context(), r.Loaded.(*keystone.Trust))
	return collection(r, "roles", list, roleView), err
}

func (a *api) showTrustRole(r *rest.Request) (any, error) {
	list, err := a.TrustRoles(r.Context(), r.Loaded.(*keystone.Trust))
	if err != nil {
		return nil, err
	}
	for _, role := range list {
		if role.ID == r.Path("role_id") {
			return map[string]any{"role": roleView(r, role)}, nil
		}
	}
	return nil, rest.NotFound("Could not find role: %s.", r.Path("role_id"))
}
