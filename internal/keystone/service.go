// Package keystone is the Identity service: who somebody is, what roles they have where, and which services there are.
//
// It owns domains, projects, users, groups, roles, grants, the catalogue and tokens. Other services ask it to Authenticate a
// token; nothing about a token is stored, so a check is a decryption and a look into memory.
package keystone

import (
	"context"
	"errors"
	"regexp"
	"strings"
	"time"

	"github.com/google/uuid"

	"gostack/internal/clock"
	"gostack/internal/keystone/db"
	"gostack/internal/keystone/fernet"
	"gostack/internal/keystone/jws"
	"gostack/internal/keystone/password"
	"gostack/internal/store"
)

// Migrations are the tables of Keystone.
var Migrations = db.Migrations

// DefaultDomainID is the id of the domain that Bootstrap makes, and in which things are created when no domain is named.
const DefaultDomainID = "default"

// Upstream's defaults of [token].
const (
	DefaultTokenLifetime = time.Hour
	AllowExpiredWindow   = 48 * time.Hour
)

// The rows, as other packages may read them.
type (
	User     = db.User
	Project  = db.Project // or a domain
	Group    = db.Group
	Role     = db.Role
	Region   = db.Region
	Endpoint = db.Endpoint
	// CatalogService is a service of the catalogue: a type and a name, not the code that runs it.
	CatalogService = db.Service
)

// Options are what a Service needs.
type Options struct {
	DB *store.DB
	// Keys defaults to the key repository in the database, which keeps MaxActiveKeys and begins with the keys of the directory KeyDirectory, if there are any.
	Keys          KeyRepository
	MaxActiveKeys int
	KeyDirectory  string
	// Clock defaults to the system's.
	Clock clock.Clock
	// TokenLifetime is how long a token is good; 0 means DefaultTokenLifetime.
	TokenLifetime time.Duration
	// Notifications says what is told to others.
	Notifications Notifications
	// SignedTokens are the keys of signed tokens; nil: tokens are encrypted with the Fernet keys.
	SignedTokens *jws.Repository
	// HashCost is the bcrypt cost of new passwords; 0 means password.DefaultCost.
	HashCost int
	// PasswordRules that users and their passwords must keep to.
	PasswordRules PasswordRules
	// LimitModel says how limits of projects below each other go together; "" means Flat.
	LimitModel LimitModel
}

// Service is Keystone. It is safe for concurrent use.
type Service struct {
	db        *store.DB
	keys      KeyRepository
	table     *tableKeys      // keys, when they are in the database
	signed    *jws.Repository // the keys of tokens, when those are signed; nil: encrypted with keys
	clock     clock.Clock
	lifetime  time.Duration
	passwords *password.Hasher
	memory    *memory
	newID     func() string

	limitModel    LimitModel
	rules         PasswordRules
	regex         *regexp.Regexp // of the rules; nil: none
	notifications Notifications
}

// New makes the service. It does no I/O: the tables must have been migrated and Bootstrap run before the first request.
func New(o Options) (*Service, error) {
	if o.DB == nil {
		return nil, errors.New("keystone needs a database")
	}
	if o.Clock == nil {
		o.Clock = clock.System
	}
	if o.LimitModel == "" {
		o.LimitModel = Flat
	}
	if o.TokenLifetime == 0 {
		o.TokenLifetime = DefaultTokenLifetime
	}
	hasher, err := password.New(o.HashCost)
	if err != nil {
		return nil, err
	}
	regex, err := o.PasswordRules.compile()
	if err != nil {
		return nil, err
	}
	s := &Service{
		db: o.DB, keys: o.Keys, signed: o.SignedTokens, clock: o.Clock, lifetime: o.TokenLifetime, passwords: hasher, memory: newMemory(),
		limitModel: o.LimitModel, rules: o.PasswordRules, regex: regex,
		newID: func() string { return strings.ReplaceAll(uuid.NewString(), "-", "") },
	}
	s.notifications = o.Notifications
	if s.keys == nil {
		if o.MaxActiveKeys <= 0 {
			o.MaxActiveKeys = fernet.DefaultMaxActiveKeys
		}
		s.table = &tableKeys{s: s, maxActive: o.MaxActiveKeys, from: o.KeyDirectory}
		s.keys = s.table
	}
	db.Watch(s.db, s.tell)
	s.db.Hear(topic, func(string) { s.memory.compareSoon() })
	return s, nil
}

// Now is the service's time.
func (s *Service) Now() time.Time { return s.clock.Now() }

// topic is announced by a replica that changed what another has in memory.
const topic = "keystone"

// RotateKeys makes the staged Fernet key the primary, in all replicas.
func (s *Service) RotateKeys() error { return s.keys.Rotate() }

// change runs a write that can alter what existing tokens or the catalogue are worth. All that is remembered is looked up again
// afterwards, here at once, in other replicas within a second.
func (s *Service) change(ctx context.Context, fn func(ctx context.Context, tx store.Tx) error) error {
	return s.db.Write(ctx, func(ctx context.Context, tx store.Tx) error {
		if err := fn(ctx, tx); err != nil {
			return err
		}
		return s.changed(ctx, tx)
	})
}

// changed is change for a transaction that is under way.
func (s *Service) changed(ctx context.Context, tx store.Tx) error {
	g, err := db.BumpIdentity(ctx, tx)
	if err != nil {
		return err
	}
	store.AfterCommit(ctx, func() { s.memory.identityChanged(g.Identity) })
	s.db.Announce(ctx, topic, "identity")
	return nil
}
