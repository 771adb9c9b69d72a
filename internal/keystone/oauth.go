package keystone

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"time"

	"gostack/internal/keystone/db"
	"gostack/internal/keystone/oauthsign"
	"gostack/internal/rest"
	"gostack/internal/secret"
	"gostack/internal/store"
)

// Consumer is a program that may ask users to let it act for them (OAuth 1.0a).
type Consumer = db.Consumer

// AccessToken is what a consumer acts by.
type AccessToken = db.AccessToken

// Upstream's [oauth1] durations.
const (
	requestTokenLifetime = 8 * time.Hour
	accessTokenLifetime  = 24 * time.Hour
)

var consumerColumns = []string{"description", "secret"}

// Consumer returns a consumer.
func (s *Service) Consumer(ctx context.Context, id string) (*Consumer, error) {
	c, err := db.GetConsumer(ctx, s.db.Read(ctx), id)
	return c, found(err, "Consumer", id)
}

// Consumers lists consumers.
func (s *Service) Consumers(ctx context.Context, o ListOptions) ([]*Consumer, error) {
	return db.ListConsumers(ctx, s.db.Read(ctx), o.on("c.id"))
}

// CreateConsumer makes a consumer with a new secret.
func (s *Service) CreateConsumer(ctx context.Context, a Attrs) (*Consumer, error) {
	c := &Consumer{ID: s.newID(), Secret: s.newID(), Extra: a.extra(nil, consumerColumns...)}
	if d, ok := a["description"].(string); ok {
		c.Description = &d
	}
	return c, s.db.Write(ctx, func(ctx context.Context, tx store.Tx) error { return db.Insert(ctx, tx, c) })
}

// UpdateConsumer changes what a consumer says of itself; its secret stays.
func (s *Service) UpdateConsumer(ctx context.Context, id string, a Attrs) (*Consumer, error) {
	var c *Consumer
	err := s.db.Write(ctx, func(ctx context.Context, tx store.Tx) (err error) {
		if c, err = db.GetConsumer(ctx, tx, id); err != nil {
			return found(err, "Consumer", id)
		}
		if err := a.matchID(id); err != nil {
			return err
		}
		if v, ok := a["secret"]; ok && v != nil {
			return rest.BadRequest("Cannot change consumer secret")
		}
		if v, ok := a["description"]; ok {
			c.Description = nil
			if d, ok := v.(string); ok {
				c.Description = &d
			}
		}
		c.Extra = a.extra(c.Extra, consumerColumns...)
		return db.Update(ctx, tx, c)
	})
	return c, err
}

// DeleteConsumer removes a consumer and all it acts by.
func (s *Service) DeleteConsumer(ctx context.Context, id string) error {
	return s.change(ctx, func(ctx context.Context, tx store.Tx) error {
		return found(db.Delete(ctx, tx, &Consumer{ID: id}), "Consumer", id)
	})
}

// OAuthRequest is a signed request with the addresses at which it may have been sent.
type OAuthRequest struct {
	*oauthsign.Request
	Addresses []string
	// Malformed says why the signature cannot be looked at.
	Malformed error
}

// wellFormed refuses what upstream's library would not look at.
func (r OAuthRequest) wellFormed() error {
	if r.Malformed == nil {
		return nil
	}
	return rest.BadRequest("Validation failed with errors: invalid_request, detail message is: %s.", r.Malformed)
}

func badSignature(err error) error { return rest.Unauthorized("Invalid signature").Because(err) }

// RequestToken lets a consumer ask for a project. It is worth nothing until somebody authorizes it.
func (s *Service) RequestToken(ctx context.Context, r OAuthRequest, projectID string) (*db.RequestToken, error) {
	if _, err := s.Project(ctx, projectID); err != nil {
		return nil, err
	}
	c, err := s.Consumer(ctx, r.ConsumerKey)
	if err != nil {
		return nil, err
	}
	if err := r.wellFormed(); err != nil {
		return nil, err
	}
	if !r.Fits(secret.New(c.Secret), secret.String{}, r.Addresses...) {
		return nil, badSignature(nil)
	}
	now := s.clock.Now()
	until := now.Add(requestTokenLifetime)
	t := &db.RequestToken{ID: s.newID(), Secret: s.newID(), ConsumerID: c.ID, ProjectID: projectID, RoleIDs: []string{}, ExpiresAt: &until}
	return t, s.db.Write(ctx, func(ctx context.Context, tx store.Tx) error {
		if err := db.PurgeRequestTokens(ctx, tx, now); err != nil {
			return err
		}
		return db.Insert(ctx, tx, t)
	})
}

// verifierLetters are those of upstream's verifiers.
const verifierLetters = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

const verifierLength = 8

func newVerifier() string {
	out := make([]byte, verifierLength)
	for i := range out {
		n, err := rand.Int(rand.Reader, big.NewInt(int64(len(verifierLetters))))
		if err != nil {
			panic(err) // crypto/rand never fails
		}
		out[i] = verifierLetters[n.Int64()]
	}
	return string(out)
}

// Authorize lets the consumer of a request token act for the user of token by, with some of the user's roles on the project asked for. The
// verifier goes back to the consumer by way of the user.
func (s *Service) Authorize(ctx context.Context, by *Token, id string, wanted []RoleWanted) (verifier string, err error) {
	if by.Delegated() {
		return "", rest.Forbidden("Cannot authorize a request token with a token issued via delegation.")
	}
	roles, err := s.roleIDs(ctx, wanted)
	if err != nil {
		return "", err
	}
	err = s.db.Write(ctx, func(ctx context.Context, tx store.Tx) error {
		t, err := db.GetRequestToken(ctx, tx, id)
		if err != nil {
			return found(err, "Request Token", id)
		}
		if t.ExpiresAt != nil && !s.clock.Now().Before(*t.ExpiresAt) {
			return rest.Unauthorized("Request token is expired")
		}
		has, err := db.EffectiveRoles(ctx, tx, by.User.ID, db.Scope{ProjectID: t.ProjectID})
		if err != nil {
			return err
		}
		for _, role := range roles {
			if !slices.ContainsFunc(has, func(r db.RoleName) bool { return r.ID == role }) {
				return rest.Unauthorized("authorizing user does not have role required")
			}
		}
		t.UserID, t.RoleIDs, t.Verifier = by.User.ID, roles, newVerifier()
		verifier = t.Verifier
		return db.Update(ctx, tx, t)
	})
	return verifier, err
}

// ExchangeRequestToken turns an authorized request token into an access token, once.
func (s *Service) ExchangeRequestToken(ctx context.Context, r OAuthRequest) (*AccessToken, error) {
	var out *AccessToken
	err := s.db.Write(ctx, func(ctx context.Context, tx store.Tx) error {
		t, err := db.GetRequestToken(ctx, tx, r.Token)
		if err != nil {
			return found(err, "Request Token", r.Token)
		}
		now := s.clock.Now()
		if t.ExpiresAt != nil && !now.Before(*t.ExpiresAt) {
			return rest.Unauthorized("Request token is expired")
		}
		if r.Malformed == nil && (len(r.Verifier) != verifierLength || strings.Trim(r.Verifier, verifierLetters) != "") {
			r.Malformed = errors.New("Invalid verifier") //nolint:staticcheck // a sentence to the client
		}
		if err := r.wellFormed(); err != nil {
			return err
		}
		c, err := db.GetConsumer(ctx, tx, r.ConsumerKey)
		switch {
		case store.IsNotFound(err):
			return rest.Unauthorized("Provided consumer does not exist.")
		case err != nil:
			return err
		case c.ID != t.ConsumerID:
			return rest.Unauthorized("Provided consumer key does not match stored consumer key.")
		case t.UserID == "":
			return rest.Unauthorized("Request Token does not have an authorizing user id.")
		case t.Verifier != r.Verifier:
			return rest.Unauthorized("Provided verifier does not match stored verifier")
		case !r.Fits(secret.New(c.Secret), secret.New(t.Secret), r.Addresses...):
			return badSignature(nil)
		}
		until := now.Add(accessTokenLifetime)
		out = &AccessToken{
			ID: s.newID(), Secret: s.newID(), ConsumerID: c.ID, UserID: t.UserID, ProjectID: t.ProjectID, RoleIDs: t.RoleIDs, ExpiresAt: &until,
		}
		if err := db.Delete(ctx, tx, t); err != nil {
			return err
		}
		return db.Insert(ctx, tx, out)
	})
	return out, err
}

// AccessTokens lists those that a user has authorized.
func (s *Service) AccessTokens(ctx context.Context, userID string) ([]*AccessToken, error) {
	return db.ListAccessTokens(ctx, s.db.Read(ctx), ListOptions{}.Equals("t.user_id", userID).on("t.id"))
}

// AccessToken returns one that a user has authorized.
func (s *Service) AccessToken(ctx context.Context, userID, id string) (*AccessToken, error) {
	t, err := db.GetAccessToken(ctx, s.db.Read(ctx), id)
	if store.IsNotFound(err) || err == nil && t.UserID != userID {
		return nil, rest.NotFound("Could not find Access Token: %s.", id)
	}
	return t, err
}

// AccessTokenRoles returns the roles of an access token.
func (s *Service) AccessTokenRoles(ctx context.Context, t *AccessToken) ([]*Role, error) {
	roles, err := s.rolesByID(ctx, t.RoleIDs)
	return pick(roles, t.RoleIDs), err
}

// DeleteAccessToken ends an access token, and the tokens made from it.
func (s *Service) DeleteAccessToken(ctx context.Context, userID, id string) error {
	if _, err := s.AccessToken(ctx, userID, id); err != nil {
		return err
	}
	return s.change(ctx, func(ctx context.Context, tx store.Tx) error {
		return found(db.Delete(ctx, tx, &AccessToken{ID: id}), "Access Token", id)
	})
}

// proveOAuth lets the user in who authorized the access token that a request is signed with.
func (s *Service) proveOAuth(ctx context.Context, r *OAuthRequest, who *proof) (*db.UserInDomain, error) {
	if r == nil {
		return nil, rest.Unauthorized("No auth header or token specified.")
	}
	t, err := db.GetAccessToken(ctx, s.db.Read(ctx), r.Token)
	if store.IsNotFound(err) {
		return nil, Unauthorized(fmt.Errorf("no access token %q", r.Token))
	}
	if err != nil {
		return nil, err
	}
	c, err := db.GetConsumer(ctx, s.db.Read(ctx), t.ConsumerID)
	if err != nil {
		return nil, err
	}
	if c.ID != r.ConsumerKey || !r.Fits(secret.New(c.Secret), secret.New(t.Secret), r.Addresses...) {
		return nil, Unauthorized(errors.New("wrong OAuth signature"))
	}
	if t.ExpiresAt != nil && !s.clock.Now().Before(*t.ExpiresAt) {
		return nil, rest.Unauthorized("Access token is expired")
	}
	u, err := db.FindUser(ctx, s.db.Read(ctx), db.UserKey{ID: t.UserID})
	if store.IsNotFound(err) {
		return nil, Unauthorized(err)
	}
	who.access = t
	return u, err
}

func (s *Service) byAccessToken(ctx context.Context, t *Token, u *db.UserInDomain) (*db.UserInDomain, *limit, error) {
	a, err := db.GetAccessToken(ctx, s.db.Read(ctx), t.Payload.AccessTokenID)
	switch {
	case store.IsNotFound(err):
		return nil, nil, invalid("access token %s does not exist", t.Payload.AccessTokenID)
	case err != nil:
		return nil, nil, err
	case a.UserID != u.ID || a.ProjectID != t.Payload.ProjectID:
		return nil, nil, invalid("access token %s is of another user or project", a.ID)
	}
	t.AccessToken = a
	return u, &limit{roleIDs: a.RoleIDs, grantor: u.ID}, nil
}
