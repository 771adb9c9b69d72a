package keystone

import (
	"time"

	"gostack/internal/keystone/db"
	"gostack/internal/keystone/token"
	"gostack/internal/policy"
)

// Named is an id with its name.
type Named struct{ ID, Name string }

// Token is a token with what it is worth at the moment: its user, its scope and the roles there. It is shared and must not be changed.
type Token struct {
	ID       string // the text that clients send
	Payload  token.Payload
	IssuedAt time.Time

	User              Named
	UserDomain        Named
	PasswordExpiresAt *time.Time

	Project       *Named // of a project-scoped token
	ProjectDomain Named  // empty for a project that is a domain
	IsDomain      bool   // the project is a domain
	Domain        *Named // of a domain-scoped token
	Roles         []db.RoleName

	Trust                 *Trust                 // that it was made from
	ApplicationCredential *ApplicationCredential // that it was made from, without its roles
	AccessToken           *AccessToken           // of OAuth 1.0a that it was made from

	grantors []string // users other than its own whose rights it has
	caller   *policy.Caller
}

// ExpiresAt is the moment from which the token is no good.
func (t *Token) ExpiresAt() time.Time { return t.Payload.ExpiresAt }

// Caller returns who acts with this token. It is shared and must not be changed.
func (t *Token) Caller() *policy.Caller { return t.caller }

// settle computes the caller, once all else is known.
func (t *Token) settle() {
	c := &policy.Caller{
		UserID: t.User.ID, UserName: t.User.Name, UserDomainID: t.UserDomain.ID, UserDomainName: t.UserDomain.Name,
		SystemScope: t.Payload.System,
		Methods:     t.Payload.Methods, AuditIDs: t.Payload.AuditIDs, ExpiresAt: t.Payload.ExpiresAt, IssuedAt: t.IssuedAt,
		TrustID: t.Payload.TrustID, ApplicationCredentialID: t.Payload.ApplicationCredentialID,
		AccessTokenID: t.Payload.AccessTokenID, AccessRules: t.accessRules(),
	}
	if t.Project != nil {
		c.ProjectID, c.ProjectName = t.Project.ID, t.Project.Name
		c.ProjectDomainID, c.ProjectDomainName = t.ProjectDomain.ID, t.ProjectDomain.Name
	}
	if t.Domain != nil {
		c.DomainID, c.DomainName = t.Domain.ID, t.Domain.Name
	}
	for _, r := range t.Roles {
		c.Roles = append(c.Roles, r.Name)
		c.RoleIDs = append(c.RoleIDs, r.ID)
	}
	t.caller = c
}
