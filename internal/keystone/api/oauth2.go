package api

import (
	"net/http"

	"gostack/internal/keystone"
	"gostack/internal/rest"
	"gostack/internal/secret"
)

// oauth2 is the route by which clients of OAuth 2.0 get a token for an application credential (RFC 6749 section 4.4; OS-OAUTH2). Clients that show
// a certificate are not served: upstream maps certificates by a federation mapping.
func (a *api) oauth2() []rest.Route {
	return []rest.Route{{Method: "POST", Path: "/OS-OAUTH2/token", Policy: rest.Public, Stream: true, Handle: a.oauth2Token}}
}

// oauth2Error is an answer as section 5.2 of RFC 6749 has it.
func oauth2Error(r *rest.Request, status int, code, description string) *rest.Response {
	p := rest.Reply(status, map[string]any{"error": code, "error_description": description})
	if status == http.StatusUnauthorized {
		p = p.With("WWW-Authenticate", `Keystone uri="`+r.BaseURL()+`/OS-OAUTH2/token"`)
	}
	return p
}

func (a *api) oauth2Token(r *rest.Request) (any, error) {
	members, err := form(r)
	if err != nil {
		return nil, err
	}
	switch grant := members.Get("grant_type"); grant {
	case "client_credentials":
	case "":
		return oauth2Error(r, http.StatusBadRequest, "invalid_request", "The parameter grant_type is required."), nil
	default:
		return oauth2Error(r, http.StatusBadRequest, "unsupported_grant_type", "The parameter grant_type "+grant+" is not supported."), nil
	}
	id, words := members.Get("client_id"), members.Get("client_secret")
	if user, password, ok := r.HTTP.BasicAuth(); ok {
		id, words = user, password
	}
	refused := oauth2Error(r, http.StatusUnauthorized, "invalid_client", "Client authentication failed.")
	if id == "" || words == "" {
		return refused, nil
	}
	t, err := a.IssueToken(r.Context(), keystone.Login{
		Methods:               []string{"application_credential"},
		ApplicationCredential: &keystone.ApplicationCredentialLogin{ID: id, Secret: secret.New(words)},
	})
	if rest.StatusOf(err) == http.StatusUnauthorized && err != nil {
		return refused, nil
	}
	if err != nil {
		return nil, err
	}
	return rest.Reply(http.StatusOK, map[string]any{
		"access_token": t.ID, "token_type": "Bearer", "expires_in": int(t.ExpiresAt().Sub(a.Now()).Seconds()),
	}), nil
}
