package keystone

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"time"

	"gostack/internal/keystone/db"
	"gostack/internal/keystone/token"
	"gostack/internal/rest"
	"gostack/internal/secret"
	"gostack/internal/store"
)

// Login is a request for a token.
type Login struct {
	Methods  []string // in the order of the request
	Password *PasswordLogin
	Token    secret.String // of the method "token"
	// ApplicationCredential of the method "application_credential".
	ApplicationCredential *ApplicationCredentialLogin
	TOTP                  *TOTPLogin
	OAuth                 *OAuthRequest // of the method "oauth1"
	Receipt               string        // of an earlier login that did not show enough
	Scope                 LoginScope
}

// PasswordLogin says who wants in, and proves it.
type PasswordLogin struct {
	UserID, UserName string
	Domain           DomainRef // needed with a name
	Password         secret.String
}

// DomainRef names a domain by id or by name.
type DomainRef struct{ ID, Name string }

func (p *PasswordLogin) key() db.UserKey {
	if p.UserName == "" {
		return db.UserKey{ID: p.UserID}
	}
	key := db.UserKey{Name: p.UserName, DomainID: p.Domain.ID, DomainName: p.Domain.Name}
	if p.Domain.Name != "" {
		key.DomainID = ""
	}
	return key
}

func (d DomainRef) empty() bool { return d.ID == "" && d.Name == "" }

// LoginScope is what the token is to be good for. The zero value leaves it to the user's default project.
type LoginScope struct {
	Unscoped    bool // no scope, whatever the user's default
	System      bool
	Domain      DomainRef
	ProjectID   string
	ProjectName string
	// ProjectDomain is needed with a project's name.
	ProjectDomain DomainRef
	TrustID       string
}

func (l LoginScope) none() bool {
	return !l.System && l.Domain.empty() && l.ProjectID == "" && l.ProjectName == "" && l.TrustID == ""
}

// proof is who the methods agreed on.
type proof struct {
	user      *db.UserInDomain
	methods   []string
	expiresAt time.Time // zero: a full lifetime
	chain     string    // audit id of the first token of the chain
	// credential is the application credential that was shown.
	credential *db.ApplicationCredential
	// access is the access token that the request was signed with.
	access *db.AccessToken
}

// IssueToken lets somebody in. All reasons not to are one and the same 401 (OSSA-2021-003), but for a token that is no good, which is
// a 404 as upstream has it, and requests that make no sense, which are 400.
func (s *Service) IssueToken(ctx context.Context, l Login) (*Token, error) {
	if err := l.check(); err != nil {
		return nil, err
	}
	if err := s.refreshNow(ctx); err != nil {
		return nil, err
	}
	start := s.memory.generations()
	who, err := s.prove(ctx, l)
	if err != nil {
		return nil, err
	}
	if err := s.checkMethodRules(who); err != nil {
		return nil, err
	}
	p := token.Payload{UserID: who.user.ID, Methods: who.methods, ExpiresAt: who.expiresAt, AuditIDs: []string{newAuditID()}}
	if who.chain != "" {
		p.AuditIDs = append(p.AuditIDs, who.chain)
	}
	if p.ExpiresAt.IsZero() {
		p.ExpiresAt = s.clock.Now().Add(s.lifetime).Truncate(time.Second)
	}
	if err := s.setScope(ctx, &p, l.Scope); err != nil {
		return nil, err
	}
	asked := !l.Scope.none() || l.Scope.Unscoped
	if c := who.credential; c != nil {
		if asked {
			return nil, rest.Unauthorized("Error authenticating with application credential: Application credentials cannot request a scope.")
		}
		p.ApplicationCredentialID, p.ProjectID, asked = c.ID, c.ProjectID, true
	}
	if a := who.access; a != nil {
		p.AccessTokenID, p.ProjectID, asked = a.ID, a.ProjectID, true
		p.DomainID, p.System = "", ""
	}
	if l.Scope.TrustID != "" && who.access == nil {
		trust, err := s.scopeToTrust(ctx, who.user.ID, l.Scope.TrustID)
		if err != nil {
			return nil, err
		}
		p.TrustID, p.ProjectID = trust.ID, trust.ProjectID
	}
	t := &Token{Payload: p}
	if !asked && who.user.DefaultProjectID != "" {
		// The default project is taken if it can be; otherwise the token has no scope.
		t.Payload.ProjectID = who.user.DefaultProjectID
		if err := s.fill(ctx, t, who.user); errors.Is(err, ErrInvalidToken) {
			t = &Token{Payload: p}
		} else if err != nil {
			return nil, err
		}
	}
	if t.caller == nil {
		err := s.fill(ctx, t, who.user)
		switch {
		case errors.Is(err, ErrInvalidToken) && p.TrustID != "":
			return nil, rest.Forbidden("Trustee has no delegated roles.").Because(err)
		case errors.Is(err, ErrInvalidToken):
			return nil, Unauthorized(err)
		case err != nil:
			return nil, err
		}
	}
	if err := s.useTrust(ctx, t.Trust); err != nil {
		return nil, err
	}
	return t, s.seal(ctx, t, who, start)
}

// unchanged makes sure that nobody changed the password or disabled the user while the login was being worked on: the new token would be
// dated after the revocation of the old ones.
func (s *Service) unchanged(ctx context.Context, who *proof) error {
	u, err := db.FindUser(ctx, s.db.Read(ctx), db.UserKey{ID: who.user.ID})
	if store.IsNotFound(err) || err == nil && (u.PasswordHash != who.user.PasswordHash || !u.Enabled || !u.DomainEnabled) {
		return Unauthorized(errors.New("the user changed meanwhile"))
	}
	return err
}

// check refuses what makes no sense before anything is looked up.
func (l Login) check() error {
	for _, m := range l.Methods {
		switch {
		case m == "password" && l.Password == nil, m == "token" && l.Token.Empty(),
			m == "application_credential" && l.ApplicationCredential == nil, m == "totp" && l.TOTP == nil:
			return missing(m, "identity")
		case !slices.Contains(token.Methods, m):
			return rest.Unauthorized("Attempted to authenticate with an unsupported method.")
		}
	}
	if p := l.Password; p != nil && slices.Contains(l.Methods, "password") {
		switch {
		case p.UserID == "" && p.UserName == "":
			return missing("id or name", "user")
		case p.UserName != "" && p.Domain.empty():
			return missing("domain", "user")
		}
	}
	if c := l.TOTP; c != nil {
		switch {
		case c.User.UserID == "" && c.User.UserName == "":
			return missing("id or name", "user")
		case c.User.UserName != "" && c.User.Domain.empty():
			return missing("domain", "user")
		}
	}
	if c := l.ApplicationCredential; c != nil && c.ID == "" {
		switch {
		case c.Name == "":
			return missing("id or name", "application_credential")
		case c.User.UserID == "" && c.User.UserName == "":
			return missing("user", "application_credential")
		case c.User.UserName != "" && c.User.Domain.empty():
			return missing("domain", "user")
		}
	}
	if l.Scope.ProjectName != "" && l.Scope.ProjectID == "" && l.Scope.ProjectDomain.empty() {
		return missing("domain", "project")
	}
	return nil
}

// prove runs the methods. All must agree on one user.
func (s *Service) prove(ctx context.Context, l Login) (*proof, error) {
	who := &proof{}
	for _, method := range l.Methods {
		var user *db.UserInDomain
		var err error
		switch method {
		case "password":
			user, err = s.provePassword(ctx, l.Password)
		case "token":
			user, err = s.proveToken(ctx, l.Token, l.Scope, who)
		case "totp":
			user, err = s.proveTOTP(ctx, l.TOTP)
		case "oauth1":
			user, err = s.proveOAuth(ctx, l.OAuth, who)
		case "application_credential":
			user, err = s.proveApplicationCredential(ctx, l.ApplicationCredential, who)
		default:
			return nil, rest.Unauthorized("Attempted to authenticate with an unsupported method.")
		}
		if err != nil {
			return nil, err
		}
		if who.user != nil && who.user.ID != user.ID {
			return nil, Unauthorized(errors.New("the methods speak of different users"))
		}
		who.user = user
		who.methods = append(who.methods, method)
	}
	if who.user == nil {
		return nil, Unauthorized(errors.New("no method was given"))
	}
	if l.Receipt != "" {
		if err := s.takeReceipt(ctx, l.Receipt, who); err != nil {
			return nil, err
		}
	}
	slices.SortFunc(who.methods, func(a, b string) int { return slices.Index(token.Methods, b) - slices.Index(token.Methods, a) })
	who.methods = slices.Compact(who.methods)
	return who, nil
}

func (s *Service) provePassword(ctx context.Context, p *PasswordLogin) (*db.UserInDomain, error) {
	u, err := db.FindUser(ctx, s.db.Read(ctx), p.key())
	hash := ""
	switch {
	case store.IsNotFound(err):
	case err != nil:
		return nil, err
	case u.Enabled && u.DomainEnabled && !s.locked(&u.User) && !s.Inactive(&u.User):
		hash = u.PasswordHash
	}
	// Whoever has no hash to compare with waits as long as all others.
	right, err := s.passwords.Verify(ctx, hash, p.Password)
	if err != nil {
		return nil, err
	}
	if !right {
		if hash != "" {
			if err := s.noteFailure(ctx, &u.User); err != nil {
				return nil, err
			}
		}
		return nil, Unauthorized(fmt.Errorf("no such user, disabled, locked, or wrong password: %q%q", p.UserID, p.UserName))
	}
	if err := s.noteSuccess(ctx, &u.User); err != nil {
		return nil, err
	}
	ignore := optionOn(u.Options, "ignore_password_expiry")
	if u.MustChange || u.PasswordExpiresAt != nil && !ignore && !s.clock.Now().Before(*u.PasswordExpiresAt) {
		return nil, rest.Unauthorized("The password is expired and needs to be changed for user: %s.", u.ID)
	}
	return u, nil
}

// proveToken accepts a token as proof. The new token ends no later than the old one, and belongs to its chain.
func (s *Service) proveToken(ctx context.Context, text secret.String, scope LoginScope, who *proof) (*db.UserInDomain, error) {
	t, err := s.ValidateToken(ctx, text.Reveal(), 0)
	if err != nil {
		return nil, err
	}
	if t.Delegated() {
		return nil, forbidden("Using a token that was made by delegation to create another token. Create a new one by the same delegation instead")
	}
	elsewhere := scope.ProjectID != "" || scope.ProjectName != "" || !scope.Domain.empty()
	if t.Payload.System != "" && elsewhere {
		return nil, rest.Forbidden("You are not authorized to perform the requested action: Using a system-scoped token to create a " +
			"project-scoped or domain-scoped token is not allowed..")
	}
	u, err := db.FindUser(ctx, s.db.Read(ctx), db.UserKey{ID: t.Payload.UserID})
	if store.IsNotFound(err) {
		return nil, Unauthorized(err)
	}
	if err != nil {
		return nil, err
	}
	who.methods = append(who.methods, t.Payload.Methods...)
	who.expiresAt, who.chain = t.ExpiresAt(), t.Payload.ChainID()
	return u, nil
}

// setScope finds the ids of what a scope names.
func (s *Service) setScope(ctx context.Context, p *token.Payload, l LoginScope) error {
	var err error
	switch {
	case l.System:
		p.System = "all"
	case l.Domain.ID != "" && l.Domain.Name == "":
		p.DomainID = l.Domain.ID
	case l.Domain.Name != "":
		var d *Project
		if d, err = db.ProjectByName(ctx, s.db.Read(ctx), "", l.Domain.Name); err == nil {
			p.DomainID = d.ID
		}
	case l.ProjectID != "":
		p.ProjectID = l.ProjectID
	case l.ProjectName != "":
		in := l.ProjectDomain
		if in.Name != "" {
			in.ID = ""
		}
		p.ProjectID, err = db.ProjectIDByName(ctx, s.db.Read(ctx), l.ProjectName, in.ID, in.Name)
	}
	if store.IsNotFound(err) {
		return Unauthorized(fmt.Errorf("there is no such project or domain: %+v", l))
	}
	return err
}

// seal writes the token and remembers it, so that its first use costs as little as the next. start is what the login was judged by.
func (s *Service) seal(ctx context.Context, t *Token, who *proof, start generations) error {
	format, keyGeneration, err := s.format()
	if err != nil {
		return err
	}
	for seen := start; ; {
		var now generations
		if t.IssuedAt, now = s.stamp(append(t.grantors, t.Payload.UserID)...); now == seen {
			break
		}
		if err := s.unchanged(ctx, who); err != nil {
			return err
		}
		seen = now
	}
	if err := format.seal(t); err != nil {
		return err
	}
	t.settle()
	s.memory.remember(t.ID, &remembered{token: t, identity: start.identity, keys: keyGeneration})
	return nil
}

// newAuditID is 16 random bytes in base64url without padding.
func newAuditID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	return base64.RawURLEncoding.EncodeToString(b[:])
}
