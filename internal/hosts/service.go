// Package hosts knows which machines belong to the cloud: it keeps the cloud's certificate authority, lets hosts join with one-time tokens, renews their
// certificates, and refuses those that were removed.
//
// It owns who a host is, never what a host does: servers, networks and capacity belong to the services. A host that has joined holds a client
// certificate and a broker user of its own, and nothing else.
package hosts

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"sync"
	"time"

	"gostack/internal/clock"
	"gostack/internal/cloudca"
	"gostack/internal/hostlink"
	"gostack/internal/hosts/db"
	"gostack/internal/secret"
	"gostack/internal/store"
)

// Migrations are the tables of this package.
var Migrations = db.Migrations

// CertificateLife is how long a host's certificate is good. It is renewed every day, so control may be away for six days.
const CertificateLife = 7 * 24 * time.Hour

// renewAfter is the part of its life after which a certificate is renewed.
const renewAfter = 24 * time.Hour

// Broker gives hosts their access to the message queue.
type Broker interface {
	// EnsureHost makes the host's own user, limited to its own queues, with a new password, and returns the URL with which the host connects.
	EnsureHost(ctx context.Context, host string) (secret.String, error)
	// RemoveHost ends that user and its connections.
	RemoveHost(ctx context.Context, host string) error
}

// Service is who belongs to the cloud.
type Service struct {
	DB     *store.DB
	Region string
	Clock  clock.Clock // nil: the system's
	Log    *slog.Logger
	Broker Broker // nil: the bus is in this process, nobody can join
	// Settings are told to hosts that join.
	Settings Settings

	mu          sync.Mutex
	authorities map[int64]*cloudca.Authority
	own         *hostlink.Credentials       // of this process
	ovnClient   map[string]*tls.Certificate // of this process, for OVN's databases
	limit       limiter
}

// Settings are what a new host must know of the cloud besides who it is.
type Settings struct {
	Region        string   `json:"region"`
	Control       []string `json:"control"`        // hostlink addresses of control, host:port
	OVNSouthbound string   `json:"ovn_southbound"` // as neutron.ovn_southbound of a host
	BusCA         string   `json:"-"`              // PEM of who signed the broker's certificate, when that is nobody well known
}

func (s *Service) now() time.Time {
	if s.Clock == nil {
		return clock.System.Now().UTC()
	}
	return s.Clock.Now().UTC()
}

func (s *Service) log() *slog.Logger {
	if s.Log == nil {
		return slog.Default()
	}
	return s.Log
}

// Authority is the cloud's certificate authority, made at first need. All replicas have the same.
func (s *Service) Authority(ctx context.Context) (*cloudca.Authority, error) {
	return s.loadAuthority(ctx, db.CloudAuthority, s.Region)
}

func (s *Service) loadAuthority(ctx context.Context, id int64, name string) (*cloudca.Authority, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if a := s.authorities[id]; a != nil {
		return a, nil
	}
	row, err := db.GetAuthority(ctx, s.DB.Read(ctx), id)
	if store.IsNotFound(err) {
		row, err = s.createAuthority(ctx, id, name)
	}
	if err != nil {
		return nil, err
	}
	a, err := cloudca.Load([]byte(row.Certificate), secret.New(row.PrivateKey))
	if err != nil {
		return nil, err
	}
	if s.authorities == nil {
		s.authorities = map[int64]*cloudca.Authority{}
	}
	s.authorities[id] = a
	return a, nil
}

// createAuthority makes an authority unless another replica has been faster.
func (s *Service) createAuthority(ctx context.Context, id int64, name string) (row *db.Authority, err error) {
	made, err := cloudca.Create(name, s.now())
	if err != nil {
		return nil, err
	}
	key, err := made.KeyPEM()
	if err != nil {
		return nil, err
	}
	err = s.DB.Write(ctx, func(ctx context.Context, tx store.Tx) error {
		row, err = db.GetAuthority(ctx, tx, id)
		if !store.IsNotFound(err) {
			return err
		}
		row = &db.Authority{ID: id, Certificate: string(made.CertPEM()), PrivateKey: key.Reveal(), CreatedAt: s.now()}
		return db.Insert(ctx, tx, row)
	})
	if store.IsUnique(err) {
		return db.GetAuthority(ctx, s.DB.Read(ctx), id)
	}
	return row, err
}

// Roots is what everybody may know of the authority.
func (s *Service) Roots(ctx context.Context) (*cloudca.Roots, error) {
	a, err := s.Authority(ctx)
	if err != nil {
		return nil, err
	}
	return &a.Roots, nil
}

// Credentials gives this control process a certificate for itself, and a new one in time. The key never leaves the process.
func (s *Service) Credentials(self cloudca.Identity) func(ctx context.Context) (*hostlink.Credentials, error) {
	return func(ctx context.Context) (*hostlink.Credentials, error) {
		a, err := s.Authority(ctx)
		if err != nil {
			return nil, err
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.own != nil && s.now().Before(RenewTime(s.own.Certificate)) {
			return s.own, nil
		}
		cert, err := s.issueTo(a, self)
		if err != nil {
			return nil, err
		}
		s.own = &hostlink.Credentials{Roots: &a.Roots, Certificate: cert}
		return s.own, nil
	}
}

// RenewTime is when a certificate should be renewed.
func RenewTime(c *tls.Certificate) time.Time {
	return c.Leaf.NotBefore.Add(cloudca.Backdate + renewAfter)
}

// Admit refuses certificates of hosts that are not members any more, or never were with that key. Control's are good as long as they last.
func (s *Service) Admit(ctx context.Context, id cloudca.Identity, cert *x509.Certificate) error {
	if id.Control {
		return nil
	}
	m, err := db.GetMember(ctx, s.DB.Read(ctx), id.Host)
	switch {
	case store.IsNotFound(err):
		return hostlink.Refuse(hostlink.CodeStranger, "host %s was removed from this cloud", id.Host)
	case err != nil:
		return err
	case m.KeyPrint != cloudca.KeyFingerprint(cert):
		return hostlink.Refuse(hostlink.CodeStranger, "host %s has joined again since this certificate was made", id.Host)
	}
	return nil
}

// ticketRound makes tickets for the same thing equal for a while, so that a repeated call is the same call.
const ticketRound = time.Hour

// Ticket permits a host to use a service of hostlink with a subject, for one to two hours.
func (s *Service) Ticket(ctx context.Context, host, service, subject string) (string, error) {
	a, err := s.Authority(ctx)
	if err != nil {
		return "", err
	}
	return a.Ticket(cloudca.Ticket{Service: service, Subject: subject, Holder: host, Until: s.now().Truncate(ticketRound).Add(2 * ticketRound)})
}
