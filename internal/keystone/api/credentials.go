package api

import (
	"net/http"

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
				if err := a.ownProof(r); err != nil {
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

// ownProof refuses tokens that were made by delegation, of whatever kind: among credentials they could find, or make, the means to more rights
// than they have (OSSA-2026-005, and upstream's LP#2159643, which left no exception for unrestricted application credentials and trusts).
func (a *api) ownProof(r *rest.Request) error {
	t, err := a.own(r)
	if err != nil || !t.Delegated() {
		return err
	}
	return rest.Forbidden("You are not authorized to perform the requested action: Using method '%s' is not allowed for managing credentials.",
		t.DelegationMethod())
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
	t, err := a.own(r)
	if err != nil {
		return nil, err
	}
	if t.Delegated() { // it has none
		return collection(r, "credentials", []*keystone.Credential{}, credentialView), nil
	}
	list, err := a.Credentials(r.Context(), o)
	return collection(r, "credentials", list, credentialView), err
}

func (a *api) createCredential(r *rest.Request) (any, error) {
	if err := a.ownProof(r); err != nil {
		return nil, err
	}
	attrs := object(r, "credential")
	c, err := a.CreateCredential(r.Context(), attrs, blobOf(attrs))
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
	if err := a.ownProof(r); err != nil {
		return nil, err
	}
	return map[string]any{"credential": credentialView(r, c)}, nil
}

func (a *api) updateCredential(r *rest.Request) (any, error) {
	c, err := loaded[*keystone.Credential](r)
	if err != nil {
		return nil, err
	}
	if err := a.ownProof(r); err != nil {
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
