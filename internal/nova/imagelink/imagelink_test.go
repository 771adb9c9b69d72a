package imagelink

import (
	"bytes"
	"context"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"gostack/internal/cloudca"
	"gostack/internal/hostlink"
	"gostack/internal/nova/driver"
	"gostack/internal/rest"
)

// world is control with one image, and a host.
type world struct {
	ca      *cloudca.Authority
	control *hostlink.Link
	data    []byte
	opened  atomic.Int32
	now     time.Time
}

type file struct{ *bytes.Reader }

func (file) Close() error { return nil }

func newWorld(t *testing.T) *world {
	t.Helper()
	ca, err := cloudca.Create("RegionOne", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	w := &world{ca: ca, data: make([]byte, 5<<20), now: time.Now()}
	rng := rand.NewChaCha8([32]byte{})
	_, _ = rng.Read(w.data)
	w.control = w.link(t, cloudca.Identity{Control: true}, "127.0.0.1:0", "")
	Serve(w.control, func(context.Context) (*cloudca.Roots, error) { return &ca.Roots, nil }, func() time.Time { return w.now },
		func(_ context.Context, id string) (io.ReadSeekCloser, int64, error) {
			w.opened.Add(1)
			if id != "i1" {
				return nil, 0, rest.NotFound("no image %s", id)
			}
			return file{bytes.NewReader(w.data)}, int64(len(w.data)), nil
		})
	return w
}

func (w *world) link(t *testing.T, id cloudca.Identity, listen, control string) *hostlink.Link {
	t.Helper()
	key, err := cloudca.NewHolder()
	if err != nil {
		t.Fatal(err)
	}
	text, err := w.ca.Issue(id, key.Public(), time.Now(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := key.Certificate(text, &w.ca.Roots)
	if err != nil {
		t.Fatal(err)
	}
	l := hostlink.New(hostlink.Options{
		Self: id, Listen: listen, Control: []string{control},
		Credentials: func(context.Context) (*hostlink.Credentials, error) {
			return &hostlink.Credentials{Roots: &w.ca.Roots, Certificate: cert}, nil
		},
	})
	if err := l.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Stop)
	return l
}

func (w *world) ticket(t *testing.T, host, image string) string {
	t.Helper()
	text, err := w.ca.Ticket(cloudca.Ticket{Service: Service, Subject: image, Holder: host, Until: w.now.Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func fetch(ctx context.Context, host *hostlink.Link, image, ticket string) ([]byte, error) {
	r, err := Source(host)(ctx, driver.Image{ID: image, Ticket: ticket})
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}

// A host gets the image it was asked to use, and no other; nobody else gets it.
func TestOnlyWithItsTicket(t *testing.T) {
	w := newWorld(t)
	a := w.link(t, cloudca.Identity{Host: "a"}, "", w.control.Address().String())
	b := w.link(t, cloudca.Identity{Host: "b"}, "", w.control.Address().String())
	good := w.ticket(t, "a", "i1")
	if got, err := fetch(t.Context(), a, "i1", good); err != nil || !bytes.Equal(got, w.data) {
		t.Fatalf("%d octets, %v", len(got), err)
	}
	w.opened.Store(0)
	refused := func(what string, host *hostlink.Link, image, ticket string) {
		t.Helper()
		if _, err := fetch(t.Context(), host, image, ticket); hostlink.Code(err) != hostlink.CodeForbidden {
			t.Errorf("%s: %v", what, err)
		}
	}
	refused("without a ticket", a, "i1", "")
	refused("with another host's ticket", b, "i1", good)
	refused("with a ticket for another image", a, "i2", good)
	w.now = w.now.Add(2 * time.Hour)
	refused("after the ticket's time", a, "i1", good)
	if n := w.opened.Load(); n != 0 {
		t.Errorf("the image service was asked %d times on behalf of who may not", n)
	}
	if _, err := fetch(t.Context(), a, "i2", w.ticket(t, "a", "i2")); hostlink.Code(err) != hostlink.CodeNotFound {
		t.Errorf("an image that is not there: %v", err)
	}
}

// cutter is a wire to control that breaks each connection after some octets, until it has broken enough.
func cutter(t *testing.T, to string, after int64, times int32) (string, *atomic.Int32) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	var cuts atomic.Int32
	go func() {
		for {
			near, err := ln.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("tcp", to)
			if err != nil {
				_ = near.Close()
				continue
			}
			go func() { _, _ = io.Copy(far, near); _ = far.Close() }()
			go func() {
				if cuts.Load() < times {
					_, _ = io.CopyN(near, far, after)
					cuts.Add(1)
				} else {
					_, _ = io.Copy(near, far)
				}
				_ = near.Close()
				_ = far.Close()
			}()
		}
	}()
	return ln.Addr().String(), &cuts
}

func TestGoesOnAfterACut(t *testing.T) {
	w := newWorld(t)
	wire, cuts := cutter(t, w.control.Address().String(), 1<<20, 3)
	a := w.link(t, cloudca.Identity{Host: "a"}, "", wire)
	got, err := fetch(t.Context(), a, "i1", w.ticket(t, "a", "i1"))
	if err != nil || !bytes.Equal(got, w.data) {
		t.Fatalf("%d octets of %d, %v", len(got), len(w.data), err)
	}
	if cuts.Load() != 3 || w.opened.Load() != 4 {
		t.Errorf("cut %d times, opened %d times", cuts.Load(), w.opened.Load())
	}
}

// An image that has another size after the cut is not glued together.
func TestAnotherImageAfterACut(t *testing.T) {
	w := newWorld(t)
	wire, _ := cutter(t, w.control.Address().String(), 1<<20, 1)
	a := w.link(t, cloudca.Identity{Host: "a"}, "", wire)
	r, err := Source(a)(t.Context(), driver.Image{ID: "i1", Ticket: w.ticket(t, "a", "i1")})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	w.data = w.data[:4<<20]
	if n, err := io.Copy(io.Discard, r); err == nil || !strings.Contains(err.Error(), "now has") {
		t.Errorf("%d octets, %v", n, err)
	}
}

func TestEndsWithItsContext(t *testing.T) {
	w := newWorld(t)
	a := w.link(t, cloudca.Identity{Host: "a"}, "", w.control.Address().String())
	ctx, cancel := context.WithCancel(t.Context())
	r, err := Source(a)(ctx, driver.Image{ID: "i1", Ticket: w.ticket(t, "a", "i1")})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	cancel()
	if _, err := io.ReadAll(r); err == nil {
		t.Error("it goes on")
	}
}
