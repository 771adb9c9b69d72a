package keystone

import (
	"context"
	"slices"
	"time"

	"gostack/internal/keystone/db"
	"gostack/internal/policy"
	"gostack/internal/rest"
	"gostack/internal/store"
)

// primaryMethods are those by which users prove who they are themselves. Whatever else a token was made with is a delegation, and such a token
// cannot be exchanged for another or hand its rights on.
var primaryMethods = []string{"external", "mapped", "password", "token", "totp"}

// Delegated tells that the token's rights were given to its bearer by somebody, and are limited to that.
func (t *Token) Delegated() bool {
	return t.Delegation() != (Delegation{}) || len(t.Payload.Methods) == 0 ||
		slices.ContainsFunc(t.Payload.Methods, func(m string) bool { return !slices.Contains(primaryMethods, m) })
}

// Own returns the token that a caller showed; it was checked just now, and so comes from memory.
func (s *Service) Own(ctx context.Context, text string) (*Token, error) { return s.check(ctx, text, 0) }

// delegate finds what a token was made from and narrows it to that: whose name it bears, which roles it may have at most, which requests it may
// make. grantor is the user whose roles count. Roles that were not delegated are not had, whatever the user got meanwhile (OSSA-2020-005).
func (s *Service) delegate(ctx context.Context, t *Token, u *db.UserInDomain) (bearer *db.UserInDomain, limit *limit, err error) {
	p := &t.Payload
	switch {
	case p.Federated || p.Thumbprint != "":
		return nil, nil, invalid("it was delegated in a way that is not in use here")
	case p.TrustID != "":
		return s.byTrust(ctx, t, u)
	case p.ApplicationCredentialID != "":
		return s.byApplicationCredential(ctx, t, u)
	case p.AccessTokenID != "":
		return s.byAccessToken(ctx, t, u)
	}
	return u, nil, nil
}

// limit is what a delegation gives.
type limit struct {
	roleIDs []string
	grantor string // the user who must have the roles
	all     bool   // the token is worth nothing unless the grantor has all of them
}

func (s *Service) byApplicationCredential(ctx context.Context, t *Token, u *db.UserInDomain) (*db.UserInDomain, *limit, error) {
	c, err := db.GetApplicationCredential(ctx, s.db.Read(ctx), t.Payload.ApplicationCredentialID)
	switch {
	case store.IsNotFound(err):
		return nil, nil, invalid("application credential %s does not exist", t.Payload.ApplicationCredentialID)
	case err != nil:
		return nil, nil, err
	case c.UserID != u.ID || c.ProjectID != t.Payload.ProjectID:
		return nil, nil, invalid("application credential %s is of another user or project", c.ID)
	case c.ExpiresAt != nil && !s.clock.Now().Before(*c.ExpiresAt):
		return nil, nil, invalid("application credential %s expired", c.ID)
	}
	t.endBy(c.ExpiresAt)
	rules := map[string][]*AccessRule{}
	if c.Restricted {
		if rules, err = db.AccessRulesOf(ctx, s.db.Read(ctx), []string{c.ID}); err != nil {
			return nil, nil, err
		}
	}
	t.ApplicationCredential = &ApplicationCredential{ApplicationCredential: c, AccessRules: rules[c.ID]}
	return u, &limit{roleIDs: c.RoleIDs, grantor: u.ID}, nil
}

func (s *Service) byTrust(ctx context.Context, t *Token, u *db.UserInDomain) (*db.UserInDomain, *limit, error) {
	chain, err := db.TrustPedigree(ctx, s.db.Read(ctx), t.Payload.TrustID)
	if err != nil {
		return nil, nil, err
	}
	if len(chain) == 0 {
		return nil, nil, invalid("trust %s does not exist", t.Payload.TrustID)
	}
	trust, first := chain[0], chain[len(chain)-1]
	switch {
	case trust.TrusteeUserID != u.ID:
		return nil, nil, invalid("trust %s has another trustee", trust.ID)
	case trust.ProjectID != t.Payload.ProjectID:
		return nil, nil, invalid("trust %s is for another project", trust.ID)
	case trust.ExpiresAt != nil && !s.clock.Now().Before(*trust.ExpiresAt):
		return nil, nil, invalid("trust %s expired", trust.ID)
	}
	t.endBy(trust.ExpiresAt)
	bearer := u
	for _, id := range []string{trust.TrustorUserID, first.TrustorUserID} {
		trustor, err := db.FindUser(ctx, s.db.Read(ctx), db.UserKey{ID: id})
		if err != nil {
			return nil, nil, err
		}
		if !trustor.Enabled || !trustor.DomainEnabled {
			return nil, nil, invalid("the trustor %s is disabled", id)
		}
		if trust.Impersonation && id == trust.TrustorUserID {
			bearer = trustor
		}
		t.grantors = append(t.grantors, id)
		if first == trust {
			break
		}
	}
	t.Trust = trust
	return bearer, &limit{roleIDs: trust.RoleIDs, grantor: first.TrustorUserID, all: true}, nil
}

// endBy makes a token that is being made end no later than what it was made from. One that was made before ended no later from the beginning.
func (t *Token) endBy(at *time.Time) {
	if at != nil && t.ID == "" && at.Before(t.Payload.ExpiresAt) {
		t.Payload.ExpiresAt = at.Truncate(time.Second)
	}
}

// within narrows the roles that the grantor has in the token's scope to those that were delegated.
func (l *limit) within(ctx context.Context, s *Service, has []db.RoleName) ([]db.RoleName, error) {
	given, err := db.RolesWithImplied(ctx, s.db.Read(ctx), l.roleIDs)
	if err != nil {
		return nil, err
	}
	out := []db.RoleName{}
	for _, r := range given {
		if slices.Contains(has, r) {
			out = append(out, r)
		} else if l.all {
			return nil, invalid("the trustor has not the role %s any more", r.Name)
		}
	}
	return out, nil
}

// accessRules are the rules of the token's application credential as callers carry them.
func (t *Token) accessRules() *policy.AccessRules {
	if t.ApplicationCredential == nil || !t.ApplicationCredential.Restricted {
		return nil
	}
	rules := policy.AccessRules{}
	for _, r := range t.ApplicationCredential.AccessRules {
		rules = append(rules, policy.AccessRule{Service: r.Service, Method: r.Method, Path: r.Path})
	}
	return &rules
}

// AccessRulesHeader is what a service sends with a question about a token when it enforces access rules; others are told that a token with such
// rules does not exist, because they would let it do anything.
const AccessRulesHeader = "OpenStack-Identity-Access-Rules"

// CheckUnderstood refuses to tell a service that does not enforce access rules about a token that has some.
func (t *Token) CheckUnderstood(header string) error {
	if t.ApplicationCredential == nil || !t.ApplicationCredential.Restricted {
		return nil
	}
	if header == "" || header[0] == '0' {
		return rest.NotFound("Failed to validate token")
	}
	return nil
}

// DelegationMethod is the method that made the token a delegated one, as its refusals name it.
func (t *Token) DelegationMethod() string {
	switch {
	case t.Payload.TrustID != "":
		return "trust"
	case t.Payload.AccessTokenID != "":
		return "oauth1"
	case slices.Contains(t.Payload.Methods, "ec2credential"):
		return "ec2credential"
	}
	return "application_credential"
}
