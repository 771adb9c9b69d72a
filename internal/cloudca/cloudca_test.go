package cloudca

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"strings"
	"testing"
	"time"
)

var now = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func authority(t *testing.T) *Authority {
	t.Helper()
	a, err := Create("RegionOne", now)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func issue(t *testing.T, a *Authority, id Identity, life time.Duration) *x509.Certificate {
	t.Helper()
	h, err := NewHolder()
	if err != nil {
		t.Fatal(err)
	}
	req, err := h.Request()
	if err != nil {
		t.Fatal(err)
	}
	key, print, err := RequestedKey(req)
	if err != nil {
		t.Fatal(err)
	}
	text, err := a.Issue(id, key, now, life)
	if err != nil {
		t.Fatal(err)
	}
	c, err := h.Certificate(text, &a.Roots)
	if err != nil {
		t.Fatal(err)
	}
	if KeyFingerprint(c.Leaf) != print {
		t.Error("the fingerprint of the request's key is another")
	}
	return c.Leaf
}

func TestCertificatesTellIdentities(t *testing.T) {
	a := authority(t)
	for _, id := range []Identity{{Control: true}, {Host: "compute-1.example.org"}, {Control: true, Host: "all"}} {
		got, err := a.Verify(issue(t, a, id, time.Hour), now)
		if err != nil || got != id {
			t.Errorf("%v became %v, %v", id, got, err)
		}
	}
	if _, err := a.Issue(Identity{}, nil, now, time.Hour); err == nil {
		t.Error("nobody got a certificate")
	}
	for _, bad := range []string{"a/b", "../a", "a b", "a#b", "-a", ".", "a..b", strings.Repeat("a", 300)} {
		if _, err := a.Issue(Identity{Host: bad}, nil, now, time.Hour); err == nil {
			t.Errorf("host %q got a certificate", bad)
		}
	}
}

func TestVerifySaysWhatIsWrong(t *testing.T) {
	a, other := authority(t), authority(t)
	c := issue(t, a, Identity{Host: "a"}, time.Hour)
	if _, err := other.Verify(c, now); !errors.Is(err, ErrForeign) {
		t.Errorf("another cloud's certificate: %v", err)
	}
	if _, err := a.Verify(c, now.Add(2*time.Hour)); !errors.Is(err, ErrExpired) || !strings.Contains(err.Error(), "host a") {
		t.Errorf("an expired certificate: %v", err)
	}
	if _, err := a.Verify(c, now.Add(-time.Hour)); !errors.Is(err, ErrEarly) {
		t.Errorf("a certificate of the future: %v", err)
	}
}

func TestAuthoritySurvivesStorage(t *testing.T) {
	a := authority(t)
	key, err := a.KeyPEM()
	if err != nil {
		t.Fatal(err)
	}
	b, err := Load(a.CertPEM(), key)
	if err != nil {
		t.Fatal(err)
	}
	if id, err := b.Verify(issue(t, b, Identity{Host: "a"}, time.Hour), now); err != nil || id.Host != "a" {
		t.Errorf("%v %v", id, err)
	}
	if _, err := Load(authority(t).CertPEM(), key); err == nil {
		t.Error("a key of another authority was taken")
	}
}

func TestRootsByFingerprint(t *testing.T) {
	a, other := authority(t), authority(t)
	chain := []*x509.Certificate{issue(t, a, Identity{Control: true}, time.Hour), a.cert}
	if r, err := RootsOf(chain, a.Fingerprint()); err != nil || r.Fingerprint() != a.Fingerprint() {
		t.Errorf("%v", err)
	}
	if _, err := RootsOf(chain, other.Fingerprint()); err == nil {
		t.Error("another authority was taken")
	}
	if _, err := RootsOf(chain[:1], fingerprint(chain[0].Raw)); err == nil {
		t.Error("a certificate that is no authority's was taken for one")
	}
}

func TestForgedRequest(t *testing.T) {
	h, err := NewHolder()
	if err != nil {
		t.Fatal(err)
	}
	req, err := h.Request()
	if err != nil {
		t.Fatal(err)
	}
	b, _ := pem.Decode(req)
	b.Bytes[len(b.Bytes)-1] ^= 1
	if _, _, err := RequestedKey(pem.EncodeToMemory(b)); err == nil {
		t.Error("a request with a broken signature was taken")
	}
}

func TestTickets(t *testing.T) {
	a, other := authority(t), authority(t)
	text, err := a.Ticket(Ticket{Service: "image", Subject: "i1", Holder: "a", Until: now.Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	if err := a.CheckTicket(text, now, "image", "i1", "a"); err != nil {
		t.Error(err)
	}
	foreign, err := other.Ticket(Ticket{Service: "image", Subject: "i1", Holder: "a", Until: now.Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	bad := map[string]error{
		"after its time":    a.CheckTicket(text, now.Add(time.Hour), "image", "i1", "a"),
		"another holder":    a.CheckTicket(text, now, "image", "i1", "b"),
		"no holder":         a.CheckTicket(text, now, "image", "i1", ""),
		"another subject":   a.CheckTicket(text, now, "image", "i2", "a"),
		"another service":   a.CheckTicket(text, now, "disk", "i1", "a"),
		"another authority": a.CheckTicket(foreign, now, "image", "i1", "a"),
		"none":              a.CheckTicket("", now, "image", "i1", "a"),
		"half":              a.CheckTicket(text[:len(text)-4], now, "image", "i1", "a"),
		"noise":             a.CheckTicket("x.y", now, "image", "i1", "a"),
	}
	for what, err := range bad {
		if !errors.Is(err, ErrTicket) {
			t.Errorf("%s: %v", what, err)
		}
	}
}
