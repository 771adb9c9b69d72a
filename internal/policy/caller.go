package policy

import (
	"slices"
	"time"
)

// Caller is who makes a request and with which rights, as the token said when the request came in. It is immutable:
// operations keep a copy and act by it, never by the token (which may expire under way).
type Caller struct {
	UserID         string `json:"user_id"`
	UserName       string `json:"user_name,omitempty"`
	UserDomainID   string `json:"user_domain_id,omitempty"`
	UserDomainName string `json:"user_domain_name,omitempty"`

	// At most one of ProjectID, DomainID and SystemScope is set: the scope of the token.
	ProjectID         string `json:"project_id,omitempty"`
	ProjectName       string `json:"project_name,omitempty"`
	ProjectDomainID   string `json:"project_domain_id,omitempty"`
	ProjectDomainName string `json:"project_domain_name,omitempty"`
	DomainID          string `json:"domain_id,omitempty"`
	DomainName        string `json:"domain_name,omitempty"`
	SystemScope       string `json:"system_scope,omitempty"` // "all" or empty

	Roles   []string `json:"roles,omitempty"` // names, implied ones included
	RoleIDs []string `json:"role_ids,omitempty"`

	Methods   []string  `json:"methods,omitempty"`
	AuditIDs  []string  `json:"audit_ids,omitempty"`
	ExpiresAt time.Time `json:"expires_at,omitzero"`
	IssuedAt  time.Time `json:"issued_at,omitzero"`

	// Delegations narrow what a caller may do with identities (OSSA-2026-005): the id of the trust or application credential the token came from.
	TrustID                 string `json:"trust_id,omitempty"`
	ApplicationCredentialID string `json:"application_credential_id,omitempty"`

	AccessTokenID string `json:"access_token_id,omitempty"` // of OAuth 1.0a
	// AccessRules, when not nil, are the only requests the caller may make.
	AccessRules *AccessRules `json:"access_rules,omitempty"`

	RequestID string `json:"request_id,omitempty"`
}

// Internal is the caller of the cloud's own work: what no user asked for. It passes every policy.
func Internal() *Caller {
	return &Caller{UserID: "gostack", Roles: []string{"admin"}, SystemScope: "all"}
}

// HasRole tells whether the caller has a role, by name. OpenStack compares role names without case.
func (c *Caller) HasRole(name string) bool {
	return slices.ContainsFunc(c.Roles, func(r string) bool { return equalFold(r, name) })
}

// IsAdmin tells whether upstream's context_is_admin holds: the role admin, in whatever scope.
func (c *Caller) IsAdmin() bool { return c != nil && c.HasRole("admin") }

// Scope returns what kind of token it is.
func (c *Caller) Scope() Scope {
	switch {
	case c.SystemScope != "":
		return System
	case c.DomainID != "":
		return Domain
	case c.ProjectID != "":
		return Project
	}
	return Unscoped
}

// credential returns what the left side of a check names, as strings: a list has any number, a missing one none.
func (c *Caller) credential(key string) []string {
	one := func(s string) []string {
		if s == "" {
			return nil
		}
		return []string{s}
	}
	switch key {
	case "user_id", "user", "token.user.id":
		return one(c.UserID)
	case "project_id", "tenant_id", "tenant", "token.project.id":
		return one(c.ProjectID)
	case "domain_id", "token.domain.id":
		return one(c.DomainID)
	case "user_domain_id", "token.user.domain.id":
		return one(c.UserDomainID)
	case "project_domain_id", "token.project.domain.id":
		return one(c.ProjectDomainID)
	case "system_scope":
		return one(c.SystemScope)
	case "roles":
		return c.Roles
	case "trust_id", "token.trust_id":
		return one(c.TrustID)
	case "is_admin":
		if c.IsAdmin() {
			return []string{"True"}
		}
		return []string{"False"}
	case "is_admin_project":
		return []string{"True"}
	case "token.is_domain":
		return []string{"False"}
	}
	return nil
}
