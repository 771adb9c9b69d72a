package api

import (
	"errors"
	"net/http"
	"slices"
	"time"

	"gostack/internal/keystone"
	"gostack/internal/policy"
	"gostack/internal/rest"
	"gostack/internal/secret"
)

func (a *api) tokens() []rest.Route {
	const path = "/auth/tokens"
	gone := func(*rest.Request) (any, error) {
		return nil, rest.Fail(http.StatusGone, "The requested resource is no longer available.")
	}
	return []rest.Route{
		{Method: "POST", Path: path, Policy: rest.Public, Body: loginBody, Status: http.StatusCreated, Handle: a.issueToken},
		{Method: "GET", Path: path, Policy: "identity:validate_token", Target: a.subject, Handle: a.showToken},
		{Method: "HEAD", Path: path, Policy: "identity:check_token", Target: a.subject, Handle: a.showToken},
		{Method: "DELETE", Path: path, Policy: "identity:revoke_token", Target: a.subject, Status: http.StatusNoContent, Handle: a.revokeToken},
		{Method: "GET", Path: path + "/OS-PKI/revoked", Policy: rest.Authenticated, Handle: gone},
	}
}

var loginBody = rest.JSON(`{
	"type": "object", "required": ["auth"],
	"properties": {"auth": {
		"type": "object", "required": ["identity"],
		"properties": {
			"identity": {
				"type": "object", "required": ["methods"],
				"properties": {
					"methods": {"type": "array", "items": {"type": "string"}},
					"password": {"type": "object", "properties": {"user": {
						"type": "object",
						"properties": {
							"id": {"type": "string"}, "name": {"type": "string"}, "password": {"type": "string"},
							"domain": {"type": "object", "properties": {"id": {"type": "string"}, "name": {"type": "string"}}}
						}
					}}},
					"token": {"type": "object", "required": ["id"], "properties": {"id": {"type": "string"}}},
					"totp": {"type": "object", "required": ["user"], "properties": {"user": {
						"type": "object", "required": ["passcode"], "properties": {
							"id": {"type": "string"}, "name": {"type": "string"}, "passcode": {"type": "string"},
							"domain": {"type": "object", "properties": {"id": {"type": "string"}, "name": {"type": "string"}}}}}}},
					"oauth1": {"type": "object"},
					"application_credential": {"type": "object", "required": ["secret"], "properties": {
						"id": {"type": "string"}, "name": {"type": "string"}, "secret": {"type": "string"},
						"user": {"type": "object", "properties": {"id": {"type": "string"}, "name": {"type": "string"},
							"domain": {"type": "object", "properties": {"id": {"type": "string"}, "name": {"type": "string"}}}}}
					}}
				}
			},
			"scope": {
				"type": ["object", "string"],
				"properties": {
					"project": {"type": "object", "properties": {
						"id": {"type": "string"}, "name": {"type": "string"},
						"domain": {"type": "object", "properties": {"id": {"type": "string"}, "name": {"type": "string"}}}
					}},
					"domain": {"type": "object", "properties": {"id": {"type": "string"}, "name": {"type": "string"}}},
					"OS-TRUST:trust": {"type": "object", "properties": {"id": {"type": "string"}}},
					"system": {"type": "object", "properties": {"all": {"type": "boolean"}}}
				}
			}
		}
	}}
}`)

// reference is an object that names something by id or by name.
type reference struct {
	ID     string     `json:"id"`
	Name   string     `json:"name"`
	Domain *reference `json:"domain"`
}

func (p *reference) domain() keystone.DomainRef {
	if p == nil {
		return keystone.DomainRef{}
	}
	return keystone.DomainRef{ID: p.ID, Name: p.Name}
}

type loginRequest struct {
	Auth struct {
		Identity struct {
			Methods  []string `json:"methods"`
			Password *struct {
				User *struct {
					reference
					Password secret.String `json:"password"`
				} `json:"user"`
			} `json:"password"`
			Token *struct {
				ID secret.String `json:"id"`
			} `json:"token"`
			TOTP *struct {
				User struct {
					reference
					Passcode secret.String `json:"passcode"`
				} `json:"user"`
			} `json:"totp"`
			ApplicationCredential *struct {
				reference
				Secret secret.String `json:"secret"`
				User   *reference    `json:"user"`
			} `json:"application_credential"`
		} `json:"identity"`
		Scope any `json:"scope"`
	} `json:"auth"`
}

func (a *api) issueToken(r *rest.Request) (any, error) {
	var in loginRequest
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	login := keystone.Login{Methods: in.Auth.Identity.Methods}
	if p := in.Auth.Identity.Password; p != nil {
		login.Password = &keystone.PasswordLogin{}
		if u := p.User; u != nil {
			if u.ID == "" && u.Name == "" {
				return nil, rest.BadRequest("Invalid input for field identity/password/user: id or name must be present.")
			}
			if u.Domain != nil && u.Domain.ID == "" && u.Domain.Name == "" {
				return nil, rest.BadRequest("Invalid input for field identity/password/user/domain: id or name must be present.")
			}
			login.Password = &keystone.PasswordLogin{UserID: u.ID, UserName: u.Name, Domain: u.Domain.domain(), Password: u.Password}
		}
	}
	if t := in.Auth.Identity.Token; t != nil {
		login.Token = t.ID
	}
	if c := in.Auth.Identity.ApplicationCredential; c != nil {
		login.ApplicationCredential = &keystone.ApplicationCredentialLogin{ID: c.ID, Name: c.Name, Secret: c.Secret}
		if u := c.User; u != nil {
			login.ApplicationCredential.User = keystone.PasswordLogin{UserID: u.ID, UserName: u.Name, Domain: u.Domain.domain()}
		}
	}
	if p := in.Auth.Identity.TOTP; p != nil {
		login.TOTP = &keystone.TOTPLogin{
			User: keystone.PasswordLogin{UserID: p.User.ID, UserName: p.User.Name, Domain: p.User.Domain.domain()}, Passcode: p.User.Passcode,
		}
	}
	var err error
	if slices.Contains(login.Methods, "oauth1") {
		signed := a.signedByOAuth(r, nil)
		if signed.Malformed != nil {
			return nil, rest.Unauthorized("Invalid signature").Because(signed.Malformed)
		}
		login.OAuth = &signed
	}
	login.Receipt = r.HTTP.Header.Get(receiptHeader)
	if login.Scope, err = scopeOf(in.Auth.Scope); err != nil {
		return nil, err
	}
	t, err := a.IssueToken(r.Context(), login)
	var receipt *keystone.Receipt
	if errors.As(err, &receipt) {
		return receiptAnswer(r, receipt), nil
	}
	if err != nil {
		if login.Password != nil && rest.StatusOf(err) == http.StatusUnauthorized {
			a.Authenticated(r.Context(), login.Password.UserID, "", true)
		}
		return nil, err
	}
	a.Authenticated(r.Context(), t.Payload.UserID, t.Payload.ProjectID, false)
	body, err := a.tokenBody(r, t)
	if err != nil {
		return nil, err
	}
	return rest.Reply(http.StatusCreated, body).With("X-Subject-Token", t.ID), nil
}

// receiptHeader carries a receipt to who has not shown enough yet, and back.
const receiptHeader = "Openstack-Auth-Receipt"

func receiptAnswer(r *rest.Request, receipt *keystone.Receipt) *rest.Response {
	return rest.Reply(http.StatusUnauthorized, map[string]any{
		"receipt": map[string]any{
			"methods": receipt.Methods, "issued_at": receipt.IssuedAt.Format(tokenTime), "expires_at": receipt.ExpiresAt.Format(tokenTime),
			"user": map[string]any{"id": receipt.User.ID, "name": receipt.User.Name, "domain": named(receipt.UserDomain)},
		},
		"required_auth_methods": receipt.Required,
	}).With(receiptHeader, receipt.ID).With("WWW-Authenticate", `Keystone uri="`+r.RootURL()+`/identity"`)
}

// scopeOf reads auth.scope. "unscoped" is a string, or a key for clients of long ago.
func scopeOf(v any) (s keystone.LoginScope, err error) {
	if v == nil {
		return s, nil
	}
	if text, ok := v.(string); ok {
		v = map[string]any{text: map[string]any{}}
	}
	in := v.(map[string]any)
	known := 0
	for _, k := range []string{"project", "domain", "unscoped", "system", "OS-TRUST:trust"} {
		if _, ok := in[k]; ok {
			known++
		}
	}
	if known != 1 {
		return s, rest.BadRequest("Expecting to find project, domain, OS-TRUST:trust or unscoped in scope. The server could not comply with the " +
			"request since it is either malformed or otherwise incorrect. The client is assumed to be in error.")
	}
	text := func(o any, key string) string {
		m, _ := o.(map[string]any)
		s, _ := m[key].(string)
		return s
	}
	named := func(field string, o any) (keystone.DomainRef, error) {
		ref := keystone.DomainRef{ID: text(o, "id"), Name: text(o, "name")}
		if ref.ID == "" && ref.Name == "" {
			return ref, rest.BadRequest("Invalid input for field %s: id or name must be present.", field)
		}
		return ref, nil
	}
	switch {
	case in["project"] != nil:
		p, err := named("scope/project", in["project"])
		if err != nil {
			return s, err
		}
		s.ProjectID, s.ProjectName = p.ID, p.Name
		if d, ok := in["project"].(map[string]any)["domain"]; ok {
			if s.ProjectDomain, err = named("scope/project/domain", d); err != nil {
				return s, err
			}
		}
	case in["domain"] != nil:
		s.Domain, err = named("scope/domain", in["domain"])
	case in["system"] != nil:
		s.System = true
	case in["unscoped"] != nil:
		s.Unscoped = true
	default:
		if s.TrustID = text(in["OS-TRUST:trust"], "id"); s.TrustID == "" {
			return s, rest.BadRequest("Invalid input for field scope/OS-TRUST:trust: id must be present.")
		}
	}
	return s, err
}

// subject loads the token that a request is about.
func (a *api) subject(r *rest.Request) (policy.Target, error) {
	var window time.Duration
	if ok, _ := rest.ParseBool(r.Query("allow_expired")); ok && r.HTTP.Method != http.MethodDelete {
		window = keystone.AllowExpiredWindow
	}
	t, err := a.ValidateToken(r.Context(), r.HTTP.Header.Get("X-Subject-Token"), window)
	if err != nil {
		return nil, err
	}
	if r.HTTP.Method != http.MethodDelete {
		if err := t.CheckUnderstood(r.HTTP.Header.Get(keystone.AccessRulesHeader)); err != nil {
			return nil, err
		}
	}
	r.Loaded = t
	return policy.Target{"target": policy.Target{"token": policy.Target{
		"user_id": t.User.ID, "user": policy.Target{"domain": policy.Target{"id": t.UserDomain.ID}},
	}}}, nil
}

func (a *api) showToken(r *rest.Request) (any, error) {
	t := r.Loaded.(*keystone.Token)
	body, err := a.tokenBody(r, t)
	if err != nil {
		return nil, err
	}
	return rest.Reply(http.StatusOK, body).With("X-Subject-Token", t.ID), nil
}

func (a *api) revokeToken(r *rest.Request) (any, error) {
	return nil, a.RevokeToken(r.Context(), r.Loaded.(*keystone.Token))
}

type tokenView struct {
	Methods   []string                `json:"methods"`
	User      map[string]any          `json:"user"`
	AuditIDs  []string                `json:"audit_ids"`
	ExpiresAt string                  `json:"expires_at"`
	IssuedAt  string                  `json:"issued_at"`
	Project   any                     `json:"project,omitempty"`
	IsDomain  *bool                   `json:"is_domain,omitempty"`
	Domain    any                     `json:"domain,omitempty"`
	System    any                     `json:"system,omitempty"`
	Roles     []any                   `json:"roles,omitempty"`
	Catalog   []keystone.CatalogEntry `json:"catalog,omitzero"`
	Trust     any                     `json:"OS-TRUST:trust,omitempty"`

	ApplicationCredential any `json:"application_credential,omitempty"`
	OAuth1                any `json:"OS-OAUTH1,omitempty"`
}

const tokenTime = "2006-01-02T15:04:05.000000Z"

func (a *api) tokenBody(r *rest.Request, t *keystone.Token) (any, error) {
	v := tokenView{
		Methods: t.Payload.Methods, AuditIDs: t.Payload.AuditIDs,
		ExpiresAt: t.ExpiresAt().Format(tokenTime), IssuedAt: t.IssuedAt.Format(tokenTime),
		User: map[string]any{
			"id": t.User.ID, "name": t.User.Name, "domain": named(t.UserDomain),
			"password_expires_at": keystone.PasswordExpiry(t.PasswordExpiresAt),
		},
	}
	projectID := ""
	switch {
	case t.Project != nil:
		projectID = t.Project.ID
		v.Project = map[string]any{"id": t.Project.ID, "name": t.Project.Name, "domain": named(t.ProjectDomain)}
		v.IsDomain = &t.IsDomain
	case t.Domain != nil:
		v.Domain = named(*t.Domain)
	case t.Payload.System != "":
		v.System = map[string]any{"all": true}
	}
	for _, role := range t.Roles {
		v.Roles = append(v.Roles, map[string]any{"id": role.ID, "name": role.Name})
	}
	if t.AccessToken != nil {
		v.OAuth1 = map[string]any{"access_token_id": t.AccessToken.ID, "consumer_id": t.AccessToken.ConsumerID}
	}
	v.Trust, v.ApplicationCredential = trustOfToken(t), applicationCredentialOfToken(t)
	if !r.QueryValues().Has("nocatalog") && !t.Payload.Unscoped() {
		var err error
		if v.Catalog, err = a.Catalog(r.Context(), t.User.ID, projectID); err != nil {
			return nil, err
		}
	}
	return map[string]any{"token": v}, nil
}

func trustOfToken(t *keystone.Token) any {
	if t.Trust == nil {
		return nil
	}
	return map[string]any{
		"id": t.Trust.ID, "impersonation": t.Trust.Impersonation,
		"trustor_user": map[string]any{"id": t.Trust.TrustorUserID}, "trustee_user": map[string]any{"id": t.Trust.TrusteeUserID},
	}
}

func applicationCredentialOfToken(t *keystone.Token) any {
	c := t.ApplicationCredential
	if c == nil {
		return nil
	}
	return withRules(map[string]any{"id": c.ID, "name": c.Name, "restricted": !c.Unrestricted}, c)
}

// named shows an id with its name; the domain of a project that is a domain has neither.
func named(n keystone.Named) any {
	if n.ID == "" {
		return map[string]any{"id": nil, "name": nil}
	}
	return map[string]any{"id": n.ID, "name": n.Name}
}
