package hosts_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"gostack/internal/cloudca"
	"gostack/internal/config"
	"gostack/internal/hostlink"
	"gostack/internal/hosts"
	"gostack/internal/hosts/member"
	"gostack/internal/secret"
	"gostack/internal/store"
	"gostack/internal/store/storetest"
)

// clock is a time that tests move.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// broker remembers users.
type broker struct {
	mu    sync.Mutex
	users map[string]int // how often each got a password
	fail  error
}

func (b *broker) EnsureHost(_ context.Context, host string) (secret.String, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.fail != nil {
		return secret.String{}, b.fail
	}
	b.users[host]++
	return secret.New("amqps://gostack-host-" + host + ":geheim@mq:5671/cloud"), nil
}

func (b *broker) RemoveHost(_ context.Context, host string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.users, host)
	return nil
}

// world is control, and a place for machines.
type world struct {
	*hosts.Service
	t      *testing.T
	clock  *clock
	broker *broker
	link   *hostlink.Link
	self   cloudca.Identity
}

func newWorld(t *testing.T, d *store.DB) *world {
	t.Helper()
	// Without fractions, as both databases keep it.
	w := &world{t: t, clock: &clock{now: time.Now().UTC().Truncate(time.Second)}, broker: &broker{users: map[string]int{}}, self: cloudca.Identity{Control: true}}
	w.Service = &hosts.Service{DB: d, Region: "RegionOne", Clock: w.clock, Broker: w.broker, Settings: hosts.Settings{Region: "RegionOne", OVNSouthbound: "tcp:10.0.0.1:6642", BusCA: "-----BEGIN…"}}
	w.link = hostlink.New(hostlink.Options{Self: w.self, Listen: "127.0.0.1:0", Credentials: w.Credentials(w.self), Admit: w.Admit, Clock: w.clock})
	w.Serve(w.link)
	if err := w.link.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.link.Stop)
	w.Settings.Control = []string{w.link.Address().String()}
	return w
}

func (w *world) token(host string) hosts.Token {
	w.t.Helper()
	made, err := w.CreateToken(w.t.Context(), host, 0, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	t, err := hosts.ParseToken(made.Token)
	if err != nil {
		w.t.Fatal(err)
	}
	return t
}

// machine is a new machine with a token.
func (w *world) machine(t hosts.Token) member.JoinOptions {
	dir := w.t.TempDir()
	return member.JoinOptions{Token: t, ConfigFile: filepath.Join(dir, "etc", "gostack.yaml"), Dir: filepath.Join(dir, "hostlink"), Now: w.clock.Now}
}

func (w *world) join(o member.JoinOptions) (*member.Joined, error) {
	return member.Join(w.t.Context(), o)
}

// host is the link of a machine that has joined.
func (w *world) host(o member.JoinOptions) (*hostlink.Link, *member.Member) {
	w.t.Helper()
	m, err := member.Open(o.Dir, o.Token.Host, w.clock, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	l := hostlink.New(hostlink.Options{
		Self: cloudca.Identity{Host: o.Token.Host}, Listen: "127.0.0.1:0", Control: o.Token.Control, Credentials: m.Credentials, Admit: m.Admit, Clock: w.clock,
	})
	if err := l.Start(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(l.Stop)
	return l, m
}

// asks tells how control answers a host.
func (w *world) asks(l *hostlink.Link) error {
	conn, err := l.Dial(w.t.Context(), l.Control(), hosts.RemovedService, nil)
	if err == nil {
		_ = conn.Close()
	}
	return err
}

func TestJoin(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *store.DB) {
		w := newWorld(t, d)
		o := w.machine(w.token("a"))
		j, err := w.join(o)
		if err != nil {
			t.Fatal(err)
		}
		if j.HostIP != "127.0.0.1" || j.Certificate.Sub(w.clock.Now()) != hosts.CertificateLife {
			t.Errorf("%+v", j)
		}
		for _, f := range []string{o.ConfigFile, filepath.Join(o.Dir, "key.pem"), filepath.Join(o.Dir, "cert.pem"), filepath.Join(o.Dir, "bus-ca.pem")} {
			if fi, err := os.Stat(f); err != nil || fi.Mode().Perm() != 0o600 {
				t.Errorf("%s: %v %v", f, fi, err)
			}
		}
		c, err := config.Load(o.ConfigFile)
		if err != nil {
			t.Fatal(err)
		}
		if c.Host != "a" || !c.IsHost() || c.Role() != "host" || c.Control[0] != o.Token.Control[0] || c.HostIP != "127.0.0.1" || c.Neutron.OVNSouthbound != "tcp:10.0.0.1:6642" || c.BusCA != filepath.Join(o.Dir, "bus-ca.pem") {
			t.Errorf("%+v", c)
		}
		l, m := w.host(o)
		if err := errors.Join(w.asks(l), m.State()); err != nil {
			t.Error(err)
		}
		members, err := w.Members(t.Context())
		if err != nil || len(members) != 1 || members[0].Host != "a" {
			t.Errorf("%+v %v", members, err)
		}
	}, hosts.Migrations)
}

// One token is good for one machine, once.
func TestJoinTwiceWithOneToken(t *testing.T) {
	w := newWorld(t, storetest.Either(t, hosts.Migrations))
	token := w.token("a")
	first := w.machine(token)
	if _, err := w.join(first); err != nil {
		t.Fatal(err)
	}
	second := w.machine(token)
	if _, err := w.join(second); hostlink.Code(err) != hostlink.CodeForbidden || !strings.Contains(err.Error(), "has been used") {
		t.Errorf("%v", err)
	}
	if _, err := os.Stat(second.ConfigFile); !os.IsNotExist(err) {
		t.Error("a refused machine has a configuration")
	}
	if l, _ := w.host(first); w.asks(l) != nil || w.broker.users["a"] != 1 {
		t.Error("the first machine lost its access")
	}
}

func TestJoinRefusals(t *testing.T) {
	w := newWorld(t, storetest.Either(t, hosts.Migrations))
	refused := func(what string, o member.JoinOptions, code, say string) {
		t.Helper()
		if _, err := w.join(o); err == nil || hostlink.Code(err) != code || !strings.Contains(err.Error(), say) {
			t.Errorf("%s: %v", what, err)
		}
	}
	token := w.token("a")
	o := w.machine(token)

	o.Token.Host = "b"
	refused("another host's token", o, hostlink.CodeForbidden, "for host a, not b")
	o.Token = token
	o.Token.Secret = "guessed"
	refused("a wrong secret", o, hostlink.CodeForbidden, "not known")
	o.Token = token
	o.Now = func() time.Time { return w.clock.Now().Add(-time.Hour) }
	refused("a clock that is behind", o, hostlink.CodeSkew, "1h0m0s behind")
	o.Now = func() time.Time { return w.clock.Now().Add(time.Hour) }
	refused("a clock that is ahead", o, hostlink.CodeSkew, "1h0m0s ahead")
	o.Now = w.clock.Now
	o.Token.Fingerprint = strings.Repeat("0", 64)
	refused("another cloud at the address", o, "", "another cloud")
	o.Token = token
	o.Token.Control = []string{"127.0.0.1:1"}
	refused("control away", o, "", "cannot be reached")
	o.Token = token
	w.clock.advance(2 * time.Hour)
	refused("an expired token", o, hostlink.CodeExpired, "has expired")

	newer := w.token("a")
	refused("a token that was replaced", o, hostlink.CodeForbidden, "not known")
	o.Token = newer
	w.broker.fail = errors.New("broker away")
	refused("the broker away", o, hostlink.CodeFailed, "same token")
	w.broker.fail = nil
	if err := os.MkdirAll(filepath.Dir(o.ConfigFile), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(o.ConfigFile, []byte("host: precious\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	refused("a configuration that is there", o, "", "--force")
	o.Force = true
	j, err := w.join(o)
	if err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(j.Kept); err != nil || string(b) != "host: precious\n" {
		t.Errorf("the old configuration: %q %v", b, err)
	}
	if _, err := hosts.ParseToken(w.tokenText("x")[:60]); !errors.Is(err, hosts.ErrNoToken) {
		t.Errorf("half a token: %v", err)
	}
}

func (w *world) tokenText(host string) string {
	t, err := w.CreateToken(w.t.Context(), host, 0, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	return t.Token
}

func TestTooManyAttempts(t *testing.T) {
	w := newWorld(t, storetest.Either(t, hosts.Migrations))
	for i := range 12 { // good ones do not count
		if _, err := w.join(w.machine(w.token(fmt.Sprint("m", i)))); err != nil {
			t.Fatal(err)
		}
	}
	o := w.machine(w.token("a"))
	good := o.Token
	o.Token.Secret = "guessed"
	for range 10 {
		if _, err := w.join(o); hostlink.Code(err) != hostlink.CodeForbidden {
			t.Fatal(err)
		}
	}
	o.Token = good
	if _, err := w.join(o); hostlink.Code(err) != hostlink.CodeBusy {
		t.Errorf("%v", err)
	}
	w.clock.advance(time.Minute)
	if _, err := w.join(o); err != nil {
		t.Error(err)
	}
}

// A removed host's certificate is refused at once by control, and by the other hosts as soon as they have asked.
func TestRemovedHost(t *testing.T) {
	w := newWorld(t, storetest.Either(t, hosts.Migrations))
	oa, ob := w.machine(w.token("a")), w.machine(w.token("b"))
	for _, o := range []member.JoinOptions{oa, ob} {
		if _, err := w.join(o); err != nil {
			t.Fatal(err)
		}
	}
	la, ma := w.host(oa)
	lb, mb := w.host(ob)
	lb.Handle("x", func(_ context.Context, s *hostlink.Stream) error { _, err := s.Accept(); return err })
	toB := hostlink.Host("b", lb.Address().String())
	if _, err := la.Dial(t.Context(), toB, "x", nil); err != nil {
		t.Fatal(err)
	}
	if err := w.Remove(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	if err := w.asks(la); hostlink.Code(err) != hostlink.CodeStranger || !strings.Contains(err.Error(), "removed") {
		t.Errorf("control: %v", err)
	}
	if _, there := w.broker.users["a"]; there {
		t.Error("its user on the broker is still there")
	}
	if err := mb.Look(t.Context(), lb); err != nil {
		t.Fatal(err)
	}
	if _, err := la.Dial(t.Context(), toB, "x", nil); hostlink.Code(err) != hostlink.CodeStranger {
		t.Errorf("another host: %v", err)
	}
	_ = ma.Look(t.Context(), la)
	if err := ma.State(); err == nil || !strings.Contains(err.Error(), "does not know") {
		t.Errorf("the host itself says: %v", err)
	}
	// It may come back with a new token; the old certificate stays refused.
	again := w.machine(w.token("a"))
	if _, err := w.join(again); err != nil {
		t.Fatal(err)
	}
	l2, _ := w.host(again)
	if err := w.asks(l2); err != nil {
		t.Error(err)
	}
	if err := w.asks(la); hostlink.Code(err) != hostlink.CodeStranger {
		t.Errorf("the old certificate: %v", err)
	}
}

func TestRenewal(t *testing.T) {
	w := newWorld(t, storetest.Either(t, hosts.Migrations))
	o := w.machine(w.token("a"))
	if _, err := w.join(o); err != nil {
		t.Fatal(err)
	}
	l, m := w.host(o)
	before := m.Until()
	w.clock.advance(25 * time.Hour)
	if err := m.Look(t.Context(), l); err != nil {
		t.Fatal(err)
	}
	if got := m.Until().Sub(before); got != 25*time.Hour {
		t.Errorf("renewed by %s", got)
	}
	if _, again := w.host(o); !again.Until().Equal(m.Until()) {
		t.Error("the new certificate is not kept")
	}
	// A host that was away too long says so, and what to do.
	w.clock.advance(8 * 24 * time.Hour)
	if err := m.State(); err == nil || !strings.Contains(err.Error(), "expired") {
		t.Errorf("%v", err)
	}
	if err := m.Look(t.Context(), l); hostlink.Code(err) != hostlink.CodeExpired || !strings.Contains(err.Error(), "join again") {
		t.Errorf("%v", err)
	}
	// Nor can it renew a key that is not its own.
	other, err := cloudca.NewHolder()
	if err != nil {
		t.Fatal(err)
	}
	o2 := w.machine(w.token("b"))
	if _, err := w.join(o2); err != nil {
		t.Fatal(err)
	}
	lb, _ := w.host(o2)
	req, err := other.Request()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := lb.Dial(t.Context(), lb.Control(), hosts.RenewService, hosts.RenewRequest{Request: req}); hostlink.Code(err) != hostlink.CodeForbidden {
		t.Errorf("another key: %v", err)
	}
}

func TestOneAuthorityForAllReplicas(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *store.DB) {
		var prints [4]string
		var wg sync.WaitGroup
		for i := range prints {
			wg.Go(func() {
				s := &hosts.Service{DB: d, Region: "RegionOne"}
				a, err := s.Authority(t.Context())
				if err != nil {
					t.Error(err)
					return
				}
				prints[i] = a.Fingerprint()
			})
		}
		wg.Wait()
		for _, p := range prints {
			if p != prints[0] || p == "" {
				t.Errorf("%v", prints)
			}
		}
	}, hosts.Migrations)
}

func TestTokensAreChecked(t *testing.T) {
	w := newWorld(t, storetest.Either(t, hosts.Migrations))
	for _, c := range []struct {
		host    string
		life    time.Duration
		control []string
	}{{"", 0, nil}, {"a b", 0, nil}, {"../a", 0, nil}, {"a", time.Second, nil}, {"a", 1000 * time.Hour, nil}, {"a", 0, []string{"nowhere"}}} {
		if _, err := w.CreateToken(t.Context(), c.host, c.life, c.control); !errors.Is(err, hosts.ErrInvalid) {
			t.Errorf("%+v: %v", c, err)
		}
	}
	alone := &hosts.Service{DB: w.DB, Region: "RegionOne"}
	if _, err := alone.CreateToken(t.Context(), "a", 0, []string{"x:1"}); !errors.Is(err, hosts.ErrInvalid) || !strings.Contains(err.Error(), "bus_admin") {
		t.Errorf("a cloud of one process: %v", err)
	}
	var n int
	if err := w.DB.Read(t.Context()).NewRaw("SELECT COUNT(*) FROM hosts_tokens WHERE token_hash LIKE ?", "%"+w.token("z").Secret+"%").Scan(t.Context(), &n); err != nil || n != 0 {
		t.Errorf("the secret itself is kept: %d %v", n, err)
	}
}
