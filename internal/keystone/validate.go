package keystone

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"gostack/internal/keystone/db"
	"gostack/internal/policy"
	"gostack/internal/rest"
	"gostack/internal/store"
)

// ErrInvalidToken is wrapped by every error that means: this token is no good (any more).
var ErrInvalidToken = errors.New("invalid token")

func invalid(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrInvalidToken, fmt.Sprintf(format, args...))
}

// Authenticate turns a token into its caller; it is what the HTTP kit asks for every request. A token that was checked before costs no
// statement, and one that was revoked, or whose user, project or roles are gone, is refused at once with ErrInvalidToken. Any other error is a 503.
func (s *Service) Authenticate(ctx context.Context, text string) (*policy.Caller, error) {
	t, err := s.check(ctx, text, 0)
	switch {
	case err == nil:
		return t.Caller(), nil
	case errors.Is(err, ErrInvalidToken):
		return nil, err
	}
	// That the database is away says nothing about the token: a client that is told 401 would throw it away.
	return nil, rest.Fail(http.StatusServiceUnavailable, "The Keystone service is temporarily unavailable.").Because(err)
}

// ValidateToken returns what a token is worth. A token that is no good is a 404. window lets a token pass that expired no longer ago.
func (s *Service) ValidateToken(ctx context.Context, text string, window time.Duration) (*Token, error) {
	if text == "" {
		return nil, rest.NotFound("No token in the request")
	}
	t, err := s.check(ctx, text, window)
	if errors.Is(err, ErrInvalidToken) {
		return nil, rest.NotFound("Failed to validate token").Because(err)
	}
	return t, err
}

func (s *Service) check(ctx context.Context, text string, window time.Duration) (*Token, error) {
	if err := s.refresh(ctx); err != nil {
		return nil, err
	}
	format, keyGeneration, err := s.format()
	if err != nil {
		return nil, err
	}
	t, generation := s.memory.token(text, keyGeneration)
	known := t != nil
	if !known {
		if t, err = format.open(text); err != nil {
			return nil, err
		}
	}
	if !s.clock.Now().Before(t.ExpiresAt().Add(window)) {
		return nil, invalid("it expired at %s", t.ExpiresAt())
	}
	if s.isRevoked(t) {
		return nil, invalid("it has been revoked")
	}
	if known {
		return t, nil
	}
	if err := s.load(ctx, t); err != nil {
		return nil, err
	}
	if len(t.grantors) > 0 && s.isRevoked(t) { // now it is known who gave it
		return nil, invalid("it has been revoked")
	}
	s.memory.remember(text, &remembered{token: t, identity: generation, keys: keyGeneration})
	return t, nil
}

// load looks up what the payload names: a user, a scope, roles. What is missing or disabled makes the token invalid.
func (s *Service) load(ctx context.Context, t *Token) error {
	p := &t.Payload
	u, err := db.FindUser(ctx, s.db.Read(ctx), db.UserKey{ID: p.UserID})
	if store.IsNotFound(err) {
		return invalid("user %s does not exist", p.UserID)
	}
	if err != nil {
		return err
	}
	return s.fill(ctx, t, u)
}

// fill looks up the rest for a user who is known.
func (s *Service) fill(ctx context.Context, t *Token, u *db.UserInDomain) error {
	p := &t.Payload
	if !u.Enabled || !u.DomainEnabled || s.Inactive(&u.User) {
		return invalid("user %s is disabled", u.ID)
	}
	bearer, limit, err := s.delegate(ctx, t, u)
	if err != nil {
		return err
	}
	t.User, t.UserDomain = Named{bearer.ID, bearer.Name}, Named{bearer.DomainID, bearer.DomainName}
	t.PasswordExpiresAt = bearer.PasswordExpiresAt
	switch {
	case p.ProjectID != "":
		project, domain, err := s.projectScope(ctx, p.ProjectID)
		if err != nil {
			return err
		}
		t.Project, t.IsDomain = &Named{project.ID, project.Name}, project.IsDomain
		if domain != nil {
			t.ProjectDomain = Named{domain.ID, domain.Name}
		}
	case p.DomainID != "":
		d, err := db.GetProject(ctx, s.db.Read(ctx), p.DomainID)
		if store.IsNotFound(err) || err == nil && (!d.IsDomain || !d.Enabled) {
			return invalid("domain %s does not exist or is disabled", p.DomainID)
		}
		if err != nil {
			return err
		}
		t.Domain = &Named{d.ID, d.Name}
	}
	if scope := (db.Scope{ProjectID: p.ProjectID, DomainID: p.DomainID, System: p.System != ""}); scope != (db.Scope{}) {
		grantor := u.ID
		if limit != nil {
			grantor = limit.grantor
		}
		roles, err := db.EffectiveRoles(ctx, s.db.Read(ctx), grantor, scope)
		if err == nil && limit != nil {
			roles, err = limit.within(ctx, s, roles)
		}
		if err != nil {
			return err
		}
		if len(roles) == 0 {
			return invalid("user %s has no role in the token's scope", u.ID)
		}
		t.Roles = roles
	}
	t.settle()
	return nil
}

// projectScope returns an enabled project in an enabled domain; the domain is nil for a project that is one.
func (s *Service) projectScope(ctx context.Context, id string) (project, domain *Project, err error) {
	rows, err := db.ProjectAndDomain(ctx, s.db.Read(ctx), id)
	if err != nil {
		return nil, nil, err
	}
	for _, r := range rows {
		if r.ID == id {
			project = r
		} else {
			domain = r
		}
	}
	switch {
	case project == nil:
		return nil, nil, invalid("project %s does not exist", id)
	case !project.Enabled:
		return nil, nil, invalid("project %s is disabled", id)
	case domain != nil && !domain.Enabled:
		return nil, nil, invalid("domain %s is disabled", domain.ID)
	}
	return project, domain, nil
}
