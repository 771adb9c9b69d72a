package jws

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"gostack/internal/keystone/token"
)

// repository has a pair of keys.
func repository(t *testing.T) *Repository {
	t.Helper()
	dir := t.TempDir()
	r := &Repository{Private: filepath.Join(dir, "private"), Public: filepath.Join(dir, "public")}
	for _, d := range []string{r.Private, r.Public} {
		if err := os.Mkdir(d, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := CreatePair(r.Private, false); err != nil {
		t.Fatal(err)
	}
	move(t, r, "first.pem")
	return r
}

// move brings the new public key to the others.
func move(t *testing.T, r *Repository, name string) {
	t.Helper()
	if err := os.Rename(filepath.Join(r.Private, "public.pem"), filepath.Join(r.Public, name)); err != nil {
		t.Fatal(err)
	}
	later := time.Now().Add(time.Duration(len(name)) * time.Second) // some file systems' times are coarse
	if err := os.Chtimes(r.Public, later, later); err != nil {
		t.Fatal(err)
	}
}

func keysOf(t *testing.T, r *Repository) *Keys {
	t.Helper()
	k, _, err := r.Keys()
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestRoundTrip(t *testing.T) {
	k, issued := keysOf(t, repository(t)), time.Unix(1_700_000_000, 0).UTC()
	expires := issued.Add(time.Hour)
	for _, p := range []token.Payload{
		{UserID: "u", Methods: []string{"password"}, AuditIDs: []string{"a"}, ExpiresAt: expires},
		{UserID: "u", Methods: []string{"token", "password"}, AuditIDs: []string{"b", "a"}, ExpiresAt: expires, ProjectID: "p", TrustID: "t"},
		{UserID: "u", Methods: []string{"application_credential"}, AuditIDs: []string{"a"}, ExpiresAt: expires, ProjectID: "p", ApplicationCredentialID: "c"},
		{UserID: "u", Methods: []string{"oauth1"}, AuditIDs: []string{"a"}, ExpiresAt: expires, ProjectID: "p", AccessTokenID: "x"},
		{UserID: "u", Methods: []string{"password"}, AuditIDs: []string{"a"}, ExpiresAt: expires, System: "all", Thumbprint: "f"},
		{UserID: "u", Methods: []string{"mapped"}, AuditIDs: []string{"a"}, ExpiresAt: expires, DomainID: "d", Federated: true, FederatedGroupIDs: []string{"g"}, IdentityProviderID: "i", ProtocolID: "saml2"},
	} {
		fraction := p
		fraction.ExpiresAt = p.ExpiresAt.Add(300 * time.Millisecond)
		text, err := k.Sign(&fraction, issued.Add(900*time.Millisecond))
		if err != nil {
			t.Fatal(err)
		}
		if !fraction.ExpiresAt.Equal(expires) {
			t.Errorf("the payload says %s, the token %s", fraction.ExpiresAt, expires)
		}
		got, at, err := k.Read(text)
		if err != nil || !at.Equal(issued) || !reflect.DeepEqual(*got, p) {
			t.Errorf("%+v came back as %+v, %s, %v", p, got, at, err)
		}
	}
}

func TestForged(t *testing.T) {
	r, other := repository(t), repository(t)
	k := keysOf(t, r)
	p := token.Payload{UserID: "u", Methods: []string{"password"}, AuditIDs: []string{"a"}, ExpiresAt: time.Now().Add(time.Hour)}
	good, err := k.Sign(&p, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	foreign, err := keysOf(t, other).Sign(&p, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	public, err := os.ReadFile(filepath.Join(r.Public, "first.pem"))
	if err != nil {
		t.Fatal(err)
	}
	c := &claims{Subject: "u", ExpiresAt: 1 << 40, AuditIDs: []string{"a"}}
	confused, err := jwt.NewWithClaims(jwt.SigningMethodHS256, c).SignedString(public)
	if err != nil {
		t.Fatal(err)
	}
	unsigned, err := jwt.NewWithClaims(jwt.SigningMethodNone, c).SignedString(jwt.UnsafeAllowNoneSignatureType)
	if err != nil {
		t.Fatal(err)
	}
	empty, err := jwt.NewWithClaims(jwt.SigningMethodES256, &claims{}).SignedString(k.private)
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(good, ".")
	admin := base64.RawURLEncoding.EncodeToString([]byte(`{"sub":"admin","iat":1,"exp":99999999999,"openstack_methods":["password"],"openstack_audit_ids":["a"]}`))
	for name, text := range map[string]string{
		"another cloud's": foreign, "signed with the public key": confused, "not signed": unsigned, "without claims": empty, "nothing": "", "no token": "gAAAAA",
		"other claims": parts[0] + "." + admin + "." + parts[2], "no signature": parts[0] + "." + parts[1] + ".",
	} {
		if got, _, err := k.Read(text); err == nil {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if _, _, err := k.Read(good); err != nil {
		t.Error(err)
	}
}

func TestKeysComeAndGo(t *testing.T) {
	r := repository(t)
	p := token.Payload{UserID: "u", Methods: []string{"password"}, AuditIDs: []string{"a"}, ExpiresAt: time.Now().Add(time.Hour)}
	first, before, err := r.Keys()
	if err != nil {
		t.Fatal(err)
	}
	old, err := first.Sign(&p, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if err := CreatePair(r.Private, false); err == nil {
		t.Error("a key was overwritten unasked")
	}
	if err := CreatePair(r.Private, true); err != nil {
		t.Fatal(err)
	}
	if _, _, err := r.Keys(); err == nil || !strings.Contains(err.Error(), "good nowhere") {
		t.Errorf("a private key whose public one is missing: %v", err)
	}
	move(t, r, "second.pem")
	second, after, err := r.Keys()
	if err != nil || after == before {
		t.Fatalf("generation %d after %d, %v", after, before, err)
	}
	if _, _, err := second.Read(old); err != nil {
		t.Errorf("the first key's public half is still there, yet: %v", err)
	}
	if err := os.Remove(filepath.Join(r.Public, "first.pem")); err != nil {
		t.Fatal(err)
	}
	later := time.Now().Add(time.Hour)
	if err := os.Chtimes(r.Public, later, later); err != nil {
		t.Fatal(err)
	}
	if _, _, err := keysOf(t, r).Read(old); err == nil {
		t.Error("the first key is gone, its tokens are not")
	}
	info, err := os.Stat(filepath.Join(r.Private, "private.pem"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("private.pem: %v, %v", info.Mode(), err)
	}
	if err := os.WriteFile(filepath.Join(r.Public, "third.pem"), []byte("no key"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := read(filepath.Join(r.Private, "private.pem"), r.Public); err == nil {
		t.Error("a file that is no key was passed over")
	}
}
