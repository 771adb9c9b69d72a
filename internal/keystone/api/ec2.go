package api

import (
	"encoding/base64"
	"encoding/json"
	"net/http"

	"gostack/internal/keystone"
	"gostack/internal/keystone/awssign"
	"gostack/internal/policy"
	"gostack/internal/rest"
)

func (a *api) ec2() []rest.Route {
	const all, one = "/users/{user_id}/credentials/OS-EC2", "/users/{user_id}/credentials/OS-EC2/{credential_id}"
	anyObject := rest.JSON(`{"type": "object", "minProperties": 1}`)
	return []rest.Route{
		{Method: "GET", Path: all, Policy: "identity:ec2_list_credentials", Target: userInPath, Handle: a.listEC2},
		{
			Method: "POST", Path: all, Policy: "identity:ec2_create_credential", Target: userInPath, Status: http.StatusCreated,
			Body: rest.JSON(`{"type": "object", "required": ["tenant_id"], "properties": {"tenant_id": ` + idString + `}}`), Handle: a.createEC2,
		},
		{Method: "GET", Path: one, Policy: "identity:ec2_get_credential", Target: a.ec2Target, Handle: a.showEC2},
		{
			Method: "DELETE", Path: one, Policy: "identity:ec2_delete_credential", Target: a.ec2Target, Status: http.StatusNoContent,
			Handle: a.deleteEC2,
		},
		// Only services may ask these (OSSA-2025-002): whoever finds a signed request must not get a token for it.
		{Method: "POST", Path: "/ec2tokens", Policy: "identity:ec2tokens_validate", Body: anyObject, Handle: a.ec2Token},
		{Method: "POST", Path: "/s3tokens", Policy: "identity:s3tokens_validate", Body: anyObject, Handle: a.s3Token},
	}
}

func userInPath(r *rest.Request) (policy.Target, error) { return credentialOf(r.Path("user_id")), nil }

// ec2Target loads the key. The policy is asked about its own user, whatever user the path names (OSSN-0102), and upstream asks no more.
func (a *api) ec2Target(r *rest.Request) (policy.Target, error) {
	c, err := a.Credential(r.Context(), keystone.AccessKeyID(r.Path("credential_id")))
	if rest.IsNotFound(err) {
		return nil, rest.NotFound("Could not find credential: %s.", r.Path("credential_id"))
	}
	if err != nil {
		return nil, err
	}
	r.Loaded = c
	return credentialOf(c.UserID), nil
}

func ec2View(r *rest.Request, k *keystone.EC2Key) map[string]any {
	return map[string]any{
		"user_id": k.UserID, "tenant_id": k.ProjectID, "access": k.Access, "secret": k.Secret.Reveal(), "trust_id": orNull(k.TrustID),
		"links": map[string]any{"self": r.BaseURL() + "/users/" + k.UserID + "/credentials/OS-EC2/" + k.Access},
	}
}

func (a *api) listEC2(r *rest.Request) (any, error) {
	if _, err := a.User(r.Context(), r.Path("user_id")); err != nil {
		return nil, err
	}
	if err := a.ownProof(r); err != nil {
		return nil, err
	}
	list, err := a.EC2Keys(r.Context(), r.Path("user_id"))
	return collection(r, "credentials", list, ec2View), err
}

func (a *api) createEC2(r *rest.Request) (any, error) {
	if err := a.ownProof(r); err != nil {
		return nil, err
	}
	project, _ := r.Body.(map[string]any)["tenant_id"].(string)
	k, err := a.CreateEC2Key(r.Context(), r.Path("user_id"), project, keystone.Delegation{})
	if err != nil {
		return nil, err
	}
	return map[string]any{"credential": ec2View(r, k)}, nil
}

func (a *api) showEC2(r *rest.Request) (any, error) {
	if err := a.ownProof(r); err != nil {
		return nil, err
	}
	if _, err := a.User(r.Context(), r.Path("user_id")); err != nil {
		return nil, err
	}
	k, err := a.EC2Key(r.Context(), r.Path("credential_id"))
	if err != nil {
		return nil, err
	}
	return map[string]any{"credential": ec2View(r, k)}, nil
}

func (a *api) deleteEC2(r *rest.Request) (any, error) {
	c, err := loaded[*keystone.Credential](r)
	if err != nil {
		return nil, err
	}
	if err := a.ownProof(r); err != nil {
		return nil, err
	}
	if _, err := a.User(r.Context(), r.Path("user_id")); err != nil {
		return nil, err
	}
	if _, err := a.EC2Key(r.Context(), r.Path("credential_id")); err != nil {
		return nil, err
	}
	return nil, a.DeleteCredential(r.Context(), c.ID)
}

// signed is a signed request in the body of ec2tokens or s3tokens, under any of the names that clients have used.
type signed struct {
	Access    string         `json:"access"`
	Signature string         `json:"signature"`
	Token     string         `json:"token"` // of S3: the string that was signed, in base64
	Verb      string         `json:"verb"`
	Host      string         `json:"host"`
	Path      string         `json:"path"`
	Params    map[string]any `json:"params"`
	Headers   map[string]any `json:"headers"`
	BodyHash  string         `json:"body_hash"`
}

func signedRequest(r *rest.Request) (signed, error) {
	var s signed
	body, _ := r.Body.(map[string]any)
	for _, name := range []string{"credentials", "credential", "ec2Credentials"} {
		if o, ok := body[name].(map[string]any); ok && len(o) > 0 {
			b, err := json.Marshal(o)
			if err == nil {
				err = json.Unmarshal(b, &s)
			}
			if err != nil {
				return s, rest.BadRequest("The signed request has members of a wrong type.").Because(err)
			}
			break
		}
	}
	if s.Access == "" {
		return s, rest.Unauthorized("EC2 Signature not supplied")
	}
	return s, nil
}

func texts(m map[string]any) map[string]string {
	out := map[string]string{}
	for k, v := range m {
		switch v := v.(type) {
		case string:
			out[k] = v
		case json.Number:
			out[k] = v.String()
		}
	}
	return out
}

func (a *api) ec2Token(r *rest.Request) (any, error) {
	s, err := signedRequest(r)
	if err != nil {
		return nil, err
	}
	t, err := a.IssueEC2Token(r.Context(), keystone.EC2Login{Access: s.Access, Signature: s.Signature, Request: &awssign.Request{
		Verb: s.Verb, Host: s.Host, Path: s.Path, Params: texts(s.Params), Headers: texts(s.Headers), BodyHash: s.BodyHash,
	}})
	if err != nil {
		return nil, err
	}
	body, err := a.tokenBody(r, t)
	if err != nil {
		return nil, err
	}
	return rest.Reply(http.StatusOK, body).With("X-Subject-Token", t.ID), nil
}

func (a *api) s3Token(r *rest.Request) (any, error) {
	s, err := signedRequest(r)
	if err != nil {
		return nil, err
	}
	text, err := base64.URLEncoding.DecodeString(s.Token)
	if err != nil {
		if text, err = base64.StdEncoding.DecodeString(s.Token); err != nil {
			return nil, rest.Unauthorized("Credential signature mismatch")
		}
	}
	t, err := a.IssueEC2Token(r.Context(), keystone.EC2Login{Access: s.Access, Signature: s.Signature, StringToSign: text})
	if err != nil {
		return nil, err
	}
	return a.tokenBody(r, t)
}
