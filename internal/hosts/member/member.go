// Package member is a host's side of belonging to a cloud: it joins with a token, keeps the host's key and certificate, has the certificate renewed, and
// knows which hosts were removed.
//
// The key is made on the host and never leaves it. Everything is in one directory that only root reads; there is no database.
package member

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"time"

	"gostack/internal/clock"
	"gostack/internal/cloudca"
	"gostack/internal/hostlink"
	"gostack/internal/hosts"
	"gostack/internal/secret"
)

// The files of a member.
const (
	authorityFile   = "ca.pem"
	certificateFile = "cert.pem"
	keyFile         = "key.pem"
	busCAFile       = "bus-ca.pem"
	ovnCAFile       = "ovn-ca.pem"
)

// Dir is where a member's files are, below the state directory.
func Dir(stateDir string) string { return filepath.Join(stateDir, "hostlink") }

// ErrNotJoined says that this machine is no member of any cloud.
var ErrNotJoined = errors.New("this machine has not joined a cloud; on control: gostack token create --host NAME, then here: gostack join TOKEN")

// Member is this host as a member of its cloud.
type Member struct {
	dir   string
	clock clock.Clock
	log   *slog.Logger
	key   *cloudca.Holder
	roots *cloudca.Roots

	mu      sync.Mutex
	creds   *hostlink.Credentials
	removed map[string]bool // keys
	trouble error           // why control does not renew or answer
	wake    chan struct{}
}

// Open reads the member's files. A certificate that has expired is no error here: State tells, and every stream.
func Open(dir string, host string, c clock.Clock, log *slog.Logger) (*Member, error) {
	read := func(name string) ([]byte, error) { return os.ReadFile(filepath.Join(dir, name)) }
	ca, err := read(authorityFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNotJoined
	}
	keyText, err1 := read(keyFile)
	cert, err2 := read(certificateFile)
	if err := errors.Join(err, err1, err2); err != nil {
		return nil, fmt.Errorf("the certificate of this host: %w; join again", err)
	}
	if log == nil {
		log = slog.Default()
	}
	m := &Member{dir: dir, clock: c, log: log, removed: map[string]bool{}, wake: make(chan struct{}, 1)}
	if m.roots, err = cloudca.LoadRoots(ca); err != nil {
		return nil, err
	}
	if m.key, err = cloudca.LoadHolder(secret.New(string(keyText))); err != nil {
		return nil, fmt.Errorf("the key of this host: %w", err)
	}
	if err := m.take(cert, host); err != nil {
		return nil, err
	}
	return m, nil
}

// take uses a certificate from now on, when it is this host's.
func (m *Member) take(text []byte, host string) error {
	cert, err := m.key.Certificate(text, m.roots)
	if err != nil {
		return fmt.Errorf("the certificate of this host: %w", err)
	}
	id, err := m.roots.Verify(cert.Leaf, cert.Leaf.NotBefore)
	if err != nil {
		return err
	}
	if host != "" && id.Host != host {
		return fmt.Errorf("the certificate here is that of %s, but the configuration calls this machine %s; join again, or set host: %s", id, host, id.Host)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.creds = &hostlink.Credentials{Roots: m.roots, Certificate: cert}
	return nil
}

// Credentials are those in use, for hostlink.
func (m *Member) Credentials(context.Context) (*hostlink.Credentials, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.creds, nil
}

// Roots verify tickets of control.
func (m *Member) Roots(context.Context) (*cloudca.Roots, error) { return m.roots, nil }

// Admit refuses hosts that control has removed.
func (m *Member) Admit(_ context.Context, id cloudca.Identity, cert *x509.Certificate) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.removed[cloudca.KeyFingerprint(cert)] {
		return hostlink.Refuse(hostlink.CodeStranger, "host %s was removed from this cloud", id.Host)
	}
	return nil
}

// State is nil when the host's certificate is good, and else says what is wrong.
func (m *Member) State() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	until := m.creds.Certificate.Leaf.NotAfter
	switch left := until.Sub(m.clock.Now()); {
	case left <= 0:
		return fmt.Errorf("this host's certificate has expired at %s; join again with a new token", until.UTC().Format(time.RFC3339))
	case hostlink.Code(m.trouble) == hostlink.CodeStranger:
		return fmt.Errorf("control does not know this host any more: %w", m.trouble)
	case left < hosts.CertificateLife/2:
		return fmt.Errorf("this host's certificate ends at %s and could not be renewed: %w", until.UTC().Format(time.RFC3339), m.trouble)
	}
	return nil
}

// Until is when the certificate ends.
func (m *Member) Until() time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.creds.Certificate.Leaf.NotAfter
}

// Refresh asks control anew which hosts were removed, soon.
func (m *Member) Refresh() {
	select {
	case m.wake <- struct{}{}:
	default:
	}
}

// lookEvery is how often control is asked unless Refresh says so; spread, so that many hosts do not ask at once.
const lookEvery = 10 * time.Minute

// Run renews the certificate in time and keeps the list of removed hosts, until ctx ends.
func (m *Member) Run(ctx context.Context, link *hostlink.Link) {
	pause := time.Second
	for {
		before := m.Trouble()
		err := m.Look(ctx, link)
		if ctx.Err() != nil {
			return
		}
		news := (err == nil) != (before == nil)
		switch {
		case err != nil && news:
			m.log.Warn("control cannot be reached for this host's certificate; it is tried again", "error", err, "certificate_until", m.Until().UTC())
		case err == nil && news:
			m.log.Info("control answers")
		}
		wait := lookEvery - lookEvery/5 + rand.N(lookEvery/5)
		if err != nil {
			wait, pause = min(pause, wait), min(2*pause, lookEvery)
		} else {
			pause = time.Second
		}
		select {
		case <-ctx.Done():
			return
		case <-m.wake:
		case <-time.After(wait):
		}
	}
}

// Trouble is why control could not be asked the last time; nil when it could.
func (m *Member) Trouble() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.trouble
}

// Look does once what Run does.
func (m *Member) Look(ctx context.Context, link *hostlink.Link) error {
	err := m.askControl(ctx, link)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.trouble = err
	return err
}

func (m *Member) askControl(ctx context.Context, link *hostlink.Link) error {
	var list hosts.RemovedReply
	if err := ask(ctx, link, hosts.RemovedService, nil, &list); err != nil {
		return err
	}
	removed := make(map[string]bool, len(list.Keys))
	for _, k := range list.Keys {
		removed[k] = true
	}
	m.mu.Lock()
	m.removed = removed
	cert := m.creds.Certificate
	m.mu.Unlock()
	if m.clock.Now().Before(hosts.RenewTime(cert)) && m.fitForOVN(cert.Leaf, link.Self.Host) {
		return nil
	}
	return m.renew(ctx, link)
}

func (m *Member) renew(ctx context.Context, link *hostlink.Link) error {
	request, err := m.key.Request()
	if err != nil {
		return err
	}
	var reply hosts.RenewReply
	if err := ask(ctx, link, hosts.RenewService, hosts.RenewRequest{Request: request}, &reply); err != nil {
		return err
	}
	if err := m.take(reply.Certificate, link.Self.Host); err != nil {
		return err
	}
	if err := m.store(reply); err != nil {
		return err
	}
	m.log.Info("this host's certificate was renewed", "until", m.Until().UTC())
	return nil
}

// ask is one question to control.
func ask(ctx context.Context, link *hostlink.Link, service string, question, reply any) error {
	conn, err := link.DialInto(ctx, link.Control(), service, question, reply)
	if err != nil {
		return err
	}
	return conn.Close()
}

// writeFile replaces a file that only its owner reads, surviving a power cut.
func writeFile(path string, text []byte) error {
	part := path + ".part"
	f, err := os.OpenFile(part, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	err = errors.Join(err, f.Chmod(0o600), f.Sync(), f.Close())
	if err != nil {
		_ = os.Remove(part)
		return err
	}
	return os.Rename(part, path)
}
