package api

import (
	"net/http"
	"slices"

	"gostack/internal/keystone"
	"gostack/internal/policy"
	"gostack/internal/rest"
	"gostack/internal/secret"
)

// keystone/credential/schema.py.
const credentialProperties = `"blob": {"type": "string"}, "project_id": ` + idOrNull + `, "type": {"type": "string"}, "user_id": ` + idString

func (a *api) credentials() []rest.Route {
	const one = "/credentials/{credential_id}"
	create := rest.JSON(`{"type": "object", "required": ["credential"], "properties": {"credential": {"type": "object",
		"required": ["blob", "type", "user_id"], "properties": {` + credentialProperties + `},
		"if": {"properties": {"type": {"const": "ec2"}}}, "then": {"required": ["project_id"]}}}}`)
	return []rest.Route{
		{Method: "GET", Path: "/credentials", Policy: "identity:list_credentials", Target: ownCredentials, Handle: a.listCredentials},
		{
			Method: "POST", Path: "/credentials", Policy: "identity:create_credential", Body: create, Status: http.StatusCreated,
			Target: newCredentialTarget, Handle: a.createCredential,
		},
		{Method: "GET", Path: one, Policy: "identity:get_credential", Target: a.credentialTarget, Handle: a.showCredential},
		{
			Method: "PATCH", Path: one, Policy: "identity:update_credential", Target: a.credentialTarget,
			Body: body("credential", credentialProperties), Handle: a.updateCredential,
		},
		{
			Method: "DELETE", Path: one, Policy: "identity:delete_credential", Target: a.credentialTarget, Status: http.StatusNoContent,
			Handle: func(r *rest.Request) (any, error) {
				c, err := loaded[*keystone.Credential](r)
				if err != nil {
					return nil, err
				}
				if err := a.ownDelegation(r, c); err != nil {
					return nil, err
				}
				return nil, a.DeleteCredential(r.Context(), c.ID)
			},
		},
	}
}

// own is the caller's token.
func (a *api) own(r *rest.Request) (*keystone.Token, error) {
	return a.Own(r.Context(), r.HTTP.Header.Get("X-Auth-Token"))
}

func ownCredentials(r *rest.Request) (policy.Target, error) {
	if r.Caller.SystemScope != "" {
		return policy.Target{}, nil
	}
	return credentialOf(r.Caller.UserID), nil
}

func credentialOf(userID any) policy.Target {
	return policy.Target{"target": policy.Target{"credential": policy.Target{"user_id": userID}}, "user_id": userID}
}

func newCredentialTarget(r *rest.Request) (policy.Target, error) {
	return credentialOf(object(r, "credential")["user_id"]), nil
}

func (a *api) credentialTarget(r *rest.Request) (policy.Target, error) {
	c, err := a.Credential(r.Context(), r.Path("credential_id"))
	if rest.IsNotFound(err) {
		r.Loaded = err
		return policy.Target{}, nil
	}
	if err != nil {
		return nil, err
	}
	r.Loaded = c
	return credentialOf(c.UserID), nil
}

// freely tells that a token may handle all credentials of its user: it was made by the user's own proof, or by an application credential that
// may do so. Any other could find among them the means to more rights than it has (OSSA-2026-005).
func freely(t *keystone.Token) bool {
	return !t.Delegated() || t.ApplicationCredential != nil && t.ApplicationCredential.Unrestricted
}

// ownDelegation refuses a delegated token that handles a credential which it, or another token of the same delegation, has not made.
func (a *api) ownDelegation(r *rest.Request, c *keystone.Credential) error {
	t, err := a.own(r)
	if err != nil || freely(t) || c.MadeBy(t.Delegation()) {
		return err
	}
	return rest.Forbidden("You are not authorized to perform the requested action: handling a credential with a token that was made by delegation.")
}

func credentialView(r *rest.Request, c *keystone.Credential) map[string]any {
	v := view(r, "credentials", c.ID, c.Extra)
	v["user_id"], v["type"], v["blob"], v["project_id"] = c.UserID, c.Type, c.Blob.Reveal(), orNull(c.ProjectID)
	return v
}

func (a *api) listCredentials(r *rest.Request) (any, error) {
	o, err := listOptions(r, filterable{"user_id", "c.user_id", false}, filterable{"type", "c.type", false})
	if err != nil {
		return nil, err
	}
	if !r.Can("identity:get_credential", credentialOf("")) {
		o = o.Equals("c.user_id", r.Caller.UserID)
	}
	list, err := a.Credentials(r.Context(), o)
	if err != nil {
		return nil, err
	}
	t, err := a.own(r)
	if err != nil {
		return nil, err
	}
	if !freely(t) {
		list = slices.DeleteFunc(list, func(c *keystone.Credential) bool { return !c.MadeBy(t.Delegation()) })
	}
	return collection(r, "credentials", list, credentialView), nil
}

func (a *api) createCredential(r *rest.Request) (any, error) {
	t, err := a.own(r)
	if err != nil {
		return nil, err
	}
	attrs := object(r, "credential")
	if !freely(t) && (t.ApplicationCredential != nil || attrs["type"] != keystone.EC2Credential) {
		return nil, rest.Forbidden("You are not authorized to perform the requested action: making a credential with a token that was made by delegation.")
	}
	c, err := a.CreateCredential(r.Context(), attrs, blobOf(attrs), t.Delegation())
	if err != nil {
		return nil, err
	}
	return map[string]any{"credential": credentialView(r, c)}, nil
}

// blobOf takes the blob out of the members, so that nothing prints it.
func blobOf(attrs keystone.Attrs) secret.String {
	blob, _ := attrs["blob"].(string)
	delete(attrs, "blob")
	return secret.New(blob)
}

func (a *api) showCredential(r *rest.Request) (any, error) {
	c, err := loaded[*keystone.Credential](r)
	if err != nil {
		return nil, err
	}
	if err := a.ownDelegation(r, c); err != nil {
		return nil, err
	}
	return map[string]any{"credential": credentialView(r, c)}, nil
}

func (a *api) updateCredential(r *rest.Request) (any, error) {
	c, err := loaded[*keystone.Credential](r)
	if err != nil {
		return nil, err
	}
	if err := a.ownDelegation(r, c); err != nil {
		return nil, err
	}
	attrs := object(r, "credential")
	if owner, ok := attrs["user_id"]; ok { // nobody gives a credential to whom they could not have made one for (OSSA-2020-004)
		if err := r.Enforce("identity:update_credential", credentialOf(owner)); err != nil {
			return nil, err
		}
	}
	if c, err = a.UpdateCredential(r.Context(), c.ID, attrs, blobOf(attrs)); err != nil {
		return nil, err
	}
	return map[string]any{"credential": credentialView(r, c)}, nil
}
