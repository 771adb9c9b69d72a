package hostlink

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"gostack/internal/cloudca"
)

// cloud is an authority and the credentials it gives.
type cloud struct {
	*cloudca.Authority
	now time.Time
}

func newCloud(t *testing.T) *cloud {
	t.Helper()
	now := time.Now()
	a, err := cloudca.Create("RegionOne", now)
	if err != nil {
		t.Fatal(err)
	}
	return &cloud{a, now}
}

func (c *cloud) credentials(t *testing.T, id Identity, life time.Duration) *Credentials {
	t.Helper()
	h, err := cloudca.NewHolder()
	if err != nil {
		t.Fatal(err)
	}
	text, err := c.Issue(id, h.Public(), c.now, life)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := h.Certificate(text, &c.Roots)
	if err != nil {
		t.Fatal(err)
	}
	return &Credentials{&c.Roots, cert}
}

func (c *cloud) link(t *testing.T, id Identity, change func(*Options)) *Link {
	t.Helper()
	creds := c.credentials(t, id, time.Hour)
	o := Options{Self: id, Listen: "127.0.0.1:0", Credentials: func(context.Context) (*Credentials, error) { return creds, nil }}
	if change != nil {
		change(&o)
	}
	l := New(o)
	if err := l.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Stop)
	return l
}

func at(l *Link) Peer { return Peer{l.Self, []string{l.Address().String()}} }

// echo answers with who the peer is, then with everything it sends.
func echo(_ context.Context, s *Stream) error {
	conn, err := s.AcceptWith(s.Peer.String())
	if err != nil {
		return err
	}
	_, err = io.Copy(conn, conn)
	return err
}

func converse(t *testing.T, conn net.Conn) {
	t.Helper()
	text := strings.Repeat("there and back ", 100_000)
	go func() {
		_, _ = io.WriteString(conn, text)
		_ = CloseWrite(conn)
	}()
	back, err := io.ReadAll(conn)
	if err != nil || string(back) != text {
		t.Errorf("%d octets came back, %v", len(back), err)
	}
	_ = conn.Close()
}

func TestStreams(t *testing.T) {
	c := newCloud(t)
	control := c.link(t, Identity{Control: true}, nil)
	control.Handle("echo", echo)
	host := c.link(t, Identity{Host: "a"}, func(o *Options) { o.Control = []string{"127.0.0.1:1", control.Address().String()} })
	var who string
	conn, err := host.DialInto(t.Context(), host.Control(), "echo", nil, &who)
	if err != nil {
		t.Fatal(err)
	}
	if who != "host a" {
		t.Errorf("the peer was taken for %q", who)
	}
	converse(t, conn)
}

func TestStreamsWithinAProcess(t *testing.T) {
	both := New(Options{Self: Identity{Control: true, Host: "a"}})
	t.Cleanup(both.Stop)
	both.Handle("echo", echo)
	for _, to := range []Peer{both.Control(), Host("a", "")} {
		conn, err := both.Dial(t.Context(), to, "echo", nil)
		if err != nil {
			t.Fatal(err)
		}
		converse(t, conn)
	}
	if _, err := both.Dial(t.Context(), Host("b", "127.0.0.1:1"), "echo", nil); Code(err) != CodeNoLink {
		t.Errorf("another host without a certificate: %v", err)
	}
	f := &Fabric{}
	a, b := New(Options{Self: Identity{Host: "a"}, Fabric: f}), New(Options{Self: Identity{Host: "b"}, Fabric: f})
	t.Cleanup(a.Stop)
	t.Cleanup(b.Stop)
	b.Handle("echo", echo)
	var who string
	conn, err := a.DialInto(t.Context(), Host("b", ""), "echo", nil, &who)
	if err != nil || who != "host a" {
		t.Fatal(who, err)
	}
	converse(t, conn)
}

func TestStrangersAreRefused(t *testing.T) {
	c, other := newCloud(t), newCloud(t)
	var mu sync.Mutex
	removed := map[string]bool{}
	control := c.link(t, Identity{Control: true}, func(o *Options) {
		o.Admit = func(_ context.Context, id Identity, _ *x509.Certificate) error {
			mu.Lock()
			defer mu.Unlock()
			if removed[id.Host] {
				return Refuse(CodeStranger, "host %s was removed", id.Host)
			}
			return nil
		}
	})
	control.Handle("echo", echo)
	control.HandleAnybody("join", echo)
	with := func(creds *Credentials) *Link {
		l := New(Options{Self: Identity{Host: "a"}, Credentials: func(context.Context) (*Credentials, error) { return creds, nil }})
		t.Cleanup(l.Stop)
		return l
	}
	roots := func(creds *Credentials) *Credentials { return &Credentials{&c.Roots, creds.Certificate} }

	good := with(c.credentials(t, Identity{Host: "a"}, time.Hour))
	if _, err := good.Dial(t.Context(), at(control), "echo", nil); err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	removed["a"] = true
	mu.Unlock()
	if _, err := good.Dial(t.Context(), at(control), "echo", nil); Code(err) != CodeStranger || !strings.Contains(err.Error(), "removed") {
		t.Errorf("a removed host: %v", err)
	}
	mu.Lock()
	removed["a"] = false
	mu.Unlock()

	foreign := with(roots(other.credentials(t, Identity{Host: "a"}, time.Hour)))
	if _, err := foreign.Dial(t.Context(), at(control), "echo", nil); Code(err) != CodeStranger {
		t.Errorf("another cloud's host: %v", err)
	}
	// Its own clock says that it is good; control's is what counts.
	late := c.credentials(t, Identity{Host: "a"}, -time.Minute)
	lazy := New(Options{Self: Identity{Host: "a"}, Clock: past{}, Credentials: func(context.Context) (*Credentials, error) { return late, nil }})
	t.Cleanup(lazy.Stop)
	if _, err := lazy.dial(t.Context(), at(control), "echo", nil, nil); err == nil {
		t.Error("an expired certificate was taken")
	}
	if _, err := with(late).Dial(t.Context(), at(control), "echo", nil); Code(err) != CodeExpired || !strings.Contains(err.Error(), "join again") {
		t.Errorf("an expired certificate: %v", err)
	}
	nobody := func(service string) error {
		_, err := DialStranger(t.Context(), control.Address().String(), service, nil, nil, func([]*x509.Certificate) error { return nil })
		return err
	}
	if err := nobody("echo"); Code(err) != CodeStranger {
		t.Errorf("nobody: %v", err)
	}
	if err := nobody("join"); err != nil {
		t.Errorf("nobody, for what anybody may: %v", err)
	}
	refusal := errors.New("not the one")
	if _, err := DialStranger(t.Context(), control.Address().String(), "join", nil, nil, func([]*x509.Certificate) error { return refusal }); !errors.Is(err, refusal) {
		t.Errorf("the chain was not judged: %v", err)
	}
}

// past is a clock that stands before everything.
type past struct{}

func (past) Now() time.Time { return time.Now().Add(-2 * time.Minute) }

// A dialer is sure of whom it reaches: a host cannot sit at another's address.
func TestWrongPeer(t *testing.T) {
	c, other := newCloud(t), newCloud(t)
	b := c.link(t, Identity{Host: "b"}, nil)
	a := c.link(t, Identity{Host: "a"}, nil)
	for _, id := range []Identity{{Control: true}, {Host: "c"}} {
		if _, err := a.Dial(t.Context(), Peer{id, []string{b.Address().String()}}, "echo", nil); Code(err) != CodeWrongPeer {
			t.Errorf("host b was taken for %s: %v", id, err)
		}
	}
	x := other.link(t, Identity{Host: "b"}, nil)
	if _, err := a.Dial(t.Context(), at(x), "echo", nil); Code(err) != CodeStranger {
		t.Errorf("another cloud's host b: %v", err)
	}
}

func TestRefusalsReachTheDialer(t *testing.T) {
	c := newCloud(t)
	b := c.link(t, Identity{Host: "b"}, nil)
	a := c.link(t, Identity{Host: "a"}, nil)
	b.Handle("refuses", func(context.Context, *Stream) error { return Refuse(CodeNotFound, "image %s is not here", "x") })
	b.Handle("fails", func(context.Context, *Stream) error { return fmt.Errorf("disk: %w", io.ErrUnexpectedEOF) })
	b.Handle("panics", func(context.Context, *Stream) error { panic("no") })
	for service, want := range map[string]string{"refuses": CodeNotFound, "fails": CodeFailed, "panics": CodeFailed, "unknown": CodeNoService} {
		if _, err := a.Dial(t.Context(), at(b), service, nil); Code(err) != want {
			t.Errorf("%s: %v", service, err)
		}
	}
}

func TestStopEndsStreams(t *testing.T) {
	c := newCloud(t)
	b := c.link(t, Identity{Host: "b"}, nil)
	a := c.link(t, Identity{Host: "a"}, nil)
	b.Handle("echo", echo)
	conn, err := a.Dial(t.Context(), at(b), "echo", nil)
	if err != nil {
		t.Fatal(err)
	}
	b.Stop()
	if _, err := conn.Read(make([]byte, 1)); err == nil {
		t.Error("the stream goes on")
	}
	if _, err := a.Dial(t.Context(), at(b), "echo", nil); err == nil {
		t.Error("a stopped link answers")
	}
}

func TestDialEndsWithItsContext(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0") // takes connections and says nothing
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	a := newCloud(t).link(t, Identity{Host: "a"}, nil)
	ctx, cancel := context.WithCancel(t.Context())
	context.AfterFunc(ctx, func() {})
	go func() {
		c, err := ln.Accept()
		if err == nil {
			t.Cleanup(func() { _ = c.Close() })
		}
		cancel()
	}()
	if _, err := a.Dial(ctx, Host("b", ln.Addr().String()), "echo", nil); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

func TestSplice(t *testing.T) {
	a1, a2, err := socketPair()
	if err != nil {
		t.Fatal(err)
	}
	b1, b2, err := socketPair()
	if err != nil {
		t.Fatal(err)
	}
	go func() { _, _ = io.Copy(b2, b2); _ = CloseWrite(b2) }()
	type counts struct {
		there, back int64
		err         error
	}
	done := make(chan counts, 1)
	go func() {
		there, back, err := Splice(a2, b1)
		done <- counts{there, back, err}
	}()
	converse(t, a1)
	if c := <-done; c.err != nil || c.there != 1_500_000 || c.back != c.there {
		t.Errorf("%+v", c)
	}
}

func FuzzReadFrame(f *testing.F) {
	f.Add([]byte("\x00\x00\x00\x0f{\"service\":\"x\"}"))
	f.Add([]byte("\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, b []byte) {
		var r request
		if err := readFrame(strings.NewReader(string(b)), &r); err == nil && len(b) < 6 {
			t.Errorf("%q was taken for a frame", b)
		}
	})
}
