package api

import (
	"io"
	"net/http"
	"net/url"
	"time"

	"gostack/internal/keystone"
	"gostack/internal/keystone/oauthsign"
	"gostack/internal/rest"
)

const consumerProperties = `"description": ` + textOrNull + `, "secret": ` + textOrNull

// oauth1 are the routes by which users let programs act for them (OS-OAUTH1, RFC 5849).
func (a *api) oauth1() []rest.Route {
	const all, one = "/OS-OAUTH1/consumers", "/OS-OAUTH1/consumers/{consumer_id}"
	const tokens, token = "/users/{user_id}/OS-OAUTH1/access_tokens", "/users/{user_id}/OS-OAUTH1/access_tokens/{access_token_id}"
	return []rest.Route{
		{Method: "GET", Path: all, Policy: "identity:list_consumers", Handle: func(r *rest.Request) (any, error) {
			o, err := listOptions(r)
			if err != nil {
				return nil, err
			}
			list, err := a.Consumers(r.Context(), o)
			return collection(r, "consumers", list, consumerView), err
		}},
		{
			Method: "POST", Path: all, Policy: "identity:create_consumer", Status: http.StatusCreated, Body: body("consumer", consumerProperties, ""),
			Handle: func(r *rest.Request) (any, error) {
				c, err := a.CreateConsumer(r.Context(), object(r, "consumer"))
				return oneOf("consumer", err, func() any {
					v := consumerView(r, c)
					v["secret"] = c.Secret
					return v
				})
			},
		},
		{Method: "GET", Path: one, Policy: "identity:get_consumer", Handle: func(r *rest.Request) (any, error) {
			c, err := a.Consumer(r.Context(), r.Path("consumer_id"))
			return oneOf("consumer", err, func() any { return consumerView(r, c) })
		}},
		{
			Method: "PATCH", Path: one, Policy: "identity:update_consumer", Body: body("consumer", consumerProperties),
			Handle: func(r *rest.Request) (any, error) {
				c, err := a.UpdateConsumer(r.Context(), r.Path("consumer_id"), object(r, "consumer"))
				return oneOf("consumer", err, func() any { return consumerView(r, c) })
			},
		},
		{
			Method: "DELETE", Path: one, Policy: "identity:delete_consumer", Status: http.StatusNoContent,
			Handle: func(r *rest.Request) (any, error) { return nil, a.DeleteConsumer(r.Context(), r.Path("consumer_id")) },
		},
		// The signature is what lets a consumer in here; it has no token.
		{Method: "POST", Path: "/OS-OAUTH1/request_token", Policy: rest.Public, Status: http.StatusCreated, Stream: true, Handle: a.requestToken},
		{Method: "POST", Path: "/OS-OAUTH1/access_token", Policy: rest.Public, Status: http.StatusCreated, Stream: true, Handle: a.accessToken},
		{
			Method: "PUT", Path: "/OS-OAUTH1/authorize/{request_token_id}", Policy: "identity:authorize_request_token",
			Body: rest.JSON(`{"type": "object", "required": ["roles"], "properties": {"roles": {"minItems": 1, "allOf": [` + rolesWanted + `]}}}`),
			Handle: func(r *rest.Request) (any, error) {
				by, err := a.own(r)
				if err != nil {
					return nil, err
				}
				var in struct {
					Roles []keystone.RoleWanted `json:"roles"`
				}
				if err := r.Decode(&in); err != nil {
					return nil, err
				}
				verifier, err := a.Authorize(r.Context(), by, r.Path("request_token_id"), in.Roles)
				return oneOf("token", err, func() any { return map[string]any{"oauth_verifier": verifier} })
			},
		},
		{Method: "GET", Path: tokens, Policy: "identity:list_access_tokens", Target: ofUserInPath, Handle: func(r *rest.Request) (any, error) {
			if t, err := a.own(r); err != nil || t.Delegated() {
				return nil, rest.Forbidden("Cannot list request tokens with a token issued via delegation.").Because(err)
			}
			list, err := a.AccessTokens(r.Context(), r.Path("user_id"))
			return collection(r, "access_tokens", list, accessTokenView), err
		}},
		{Method: "GET", Path: token, Policy: "identity:get_access_token", Target: ofUserInPath, Handle: func(r *rest.Request) (any, error) {
			t, err := a.AccessToken(r.Context(), r.Path("user_id"), r.Path("access_token_id"))
			return oneOf("access_token", err, func() any { return accessTokenView(r, t) })
		}},
		{
			Method: "DELETE", Path: token, Policy: "identity:delete_access_token", Target: ofUserInPath, Status: http.StatusNoContent,
			Handle: func(r *rest.Request) (any, error) {
				return nil, a.DeleteAccessToken(r.Context(), r.Path("user_id"), r.Path("access_token_id"))
			},
		},
		{Method: "GET", Path: token + "/roles", Policy: "identity:list_access_token_roles", Target: ofUserInPath, Handle: a.accessTokenRoles},
		{Method: "GET", Path: token + "/roles/{role_id}", Policy: "identity:get_access_token_role", Target: ofUserInPath, Handle: a.accessTokenRole},
	}
}

func consumerView(r *rest.Request, c *keystone.Consumer) map[string]any {
	v := view(r, "OS-OAUTH1/consumers", c.ID, c.Extra)
	v["description"] = c.Description
	return v
}

func accessTokenView(r *rest.Request, t *keystone.AccessToken) map[string]any {
	self := r.BaseURL() + "/users/" + t.UserID + "/OS-OAUTH1/access_tokens/" + t.ID
	v := map[string]any{
		"id": t.ID, "consumer_id": t.ConsumerID, "authorizing_user_id": t.UserID, "project_id": t.ProjectID, "expires_at": nil,
		"links": map[string]any{"self": self, "roles": self + "/roles"},
	}
	if t.ExpiresAt != nil {
		v["expires_at"] = t.ExpiresAt.UTC().Format(tokenTime)
	}
	return v
}

func (a *api) rolesOfAccessToken(r *rest.Request) ([]*keystone.Role, error) {
	t, err := a.AccessToken(r.Context(), r.Path("user_id"), r.Path("access_token_id"))
	if err != nil {
		return nil, err
	}
	return a.AccessTokenRoles(r.Context(), t)
}

func (a *api) accessTokenRoles(r *rest.Request) (any, error) {
	list, err := a.rolesOfAccessToken(r)
	return collection(r, "roles", list, shortRoleView), err
}

// shortRoleView is a role without its description, as upstream shows it here.
func shortRoleView(r *rest.Request, role *keystone.Role) map[string]any {
	v := roleView(r, role)
	delete(v, "description")
	return v
}

func (a *api) accessTokenRole(r *rest.Request) (any, error) {
	list, err := a.rolesOfAccessToken(r)
	if err != nil {
		return nil, err
	}
	for _, role := range list {
		if role.ID == r.Path("role_id") {
			return map[string]any{"role": shortRoleView(r, role)}, nil
		}
	}
	return nil, rest.NotFound("Could not find role: %s.", r.Path("role_id"))
}

// maxForm bounds the forms that are read here; they hold a handful of short members.
const maxForm = 64 << 10

// form reads a body of the kind application/x-www-form-urlencoded; any other has no members.
func form(r *rest.Request) (url.Values, error) {
	if r.HTTP.Header.Get("Content-Type") != "application/x-www-form-urlencoded" {
		return url.Values{}, nil
	}
	raw, err := io.ReadAll(http.MaxBytesReader(r.Writer, r.HTTP.Body, maxForm))
	if err != nil {
		return nil, rest.TooLarge("Request is too large.")
	}
	v, err := url.ParseQuery(string(raw))
	if err != nil {
		return nil, rest.BadRequest("The form does not parse.").Because(err)
	}
	return v, nil
}

// signedByOAuth reads the signature of a request. It may be for the public address or for the one that the client wrote.
func (a *api) signedByOAuth(r *rest.Request, members url.Values) keystone.OAuthRequest {
	in, err := oauthsign.Read(r.HTTP, members, a.Now())
	path := r.HTTP.URL.EscapedPath()
	return keystone.OAuthRequest{Request: in, Malformed: err, Addresses: []string{
		r.RootURL() + path, "http://" + r.HTTP.Host + path, "https://" + r.HTTP.Host + path,
	}}
}

func expecting(what string) error {
	return rest.BadRequest("Expecting to find %s in request. The server could not comply with the request since it is either malformed or "+
		"otherwise incorrect. The client is assumed to be in error.", what)
}

// madeToken answers with a token as OAuth does. As upstream's, the time has its colons: clients take the members apart and decode nothing.
func madeToken(id, secret string, until time.Time) *rest.Response {
	p := rest.Reply(http.StatusCreated, nil).With("Content-Type", "application/x-www-form-urlencoded")
	p.Write = func(w http.ResponseWriter) error {
		_, err := io.WriteString(w, "oauth_token="+url.QueryEscape(id)+"&oauth_token_secret="+url.QueryEscape(secret)+
			"&oauth_expires_at="+until.UTC().Format(tokenTime))
		return err
	}
	return p
}

func (a *api) requestToken(r *rest.Request) (any, error) {
	members, err := form(r)
	if err != nil {
		return nil, err
	}
	signed, project := a.signedByOAuth(r, members), r.HTTP.Header.Get("Requested-Project-Id")
	switch {
	case signed.ConsumerKey == "":
		return nil, expecting("oauth_consumer_key")
	case project == "":
		return nil, expecting("Requested-Project-Id")
	}
	t, err := a.RequestToken(r.Context(), signed, project)
	if err != nil {
		return nil, err
	}
	return madeToken(t.ID, t.Secret, *t.ExpiresAt), nil
}

func (a *api) accessToken(r *rest.Request) (any, error) {
	members, err := form(r)
	if err != nil {
		return nil, err
	}
	signed := a.signedByOAuth(r, members)
	switch {
	case signed.ConsumerKey == "":
		return nil, expecting("oauth_consumer_key")
	case signed.Token == "":
		return nil, expecting("oauth_token")
	case signed.Verifier == "":
		return nil, expecting("oauth_verifier")
	}
	t, err := a.ExchangeRequestToken(r.Context(), signed)
	if err != nil {
		return nil, err
	}
	return madeToken(t.ID, t.Secret, *t.ExpiresAt), nil
}
