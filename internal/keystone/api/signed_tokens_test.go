package api_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gostack/internal/keystone"
	"gostack/internal/keystone/jws"
	"gostack/internal/store/storetest"
)

// signed makes keys for tokens of the provider jws.
func signed(t testing.TB) *jws.Repository {
	t.Helper()
	dir := t.TempDir()
	if err := jws.CreatePair(dir, false); err != nil {
		t.Fatal(err)
	}
	public := filepath.Join(dir, "public")
	if err := os.Mkdir(public, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(dir, "public.pem"), filepath.Join(public, "one.pem")); err != nil {
		t.Fatal(err)
	}
	return &jws.Repository{Private: dir, Public: public}
}

// Signed tokens live as encrypted ones do: they are validated with what they were made with, rescoped, delegated, revoked and outlived; and neither
// provider takes the other's.
func TestSignedTokens(t *testing.T) {
	db := storetest.Either(t, keystone.Migrations)
	options := keystone.Options{SignedTokens: signed(t)}
	c := cloudWith(t, db, options)
	user, name, project := c.worker("member")
	made := c.login(name, "pw", on(project)).Want(201)
	text := made.Header.Get("X-Subject-Token")
	if strings.Count(text, ".") != 2 {
		t.Fatalf("%q is no JSON Web Signature", text)
	}
	other := cloudWith(t, db, options) // which has to read what the first one remembers
	seen := other.admin().With("X-Subject-Token", text).Get("/v3/auth/tokens").Want(200)
	for _, field := range []string{"token.expires_at", "token.issued_at", "token.audit_ids.0", "token.project.id", "token.roles.0.name", "token.user.id"} {
		if made.Text(field) != seen.Text(field) {
			t.Errorf("%s was %s and is %s", field, made.Text(field), seen.Text(field))
		}
	}
	again := c.rescope(text, on(project)).Want(201).Has("token.expires_at", made.Text("token.expires_at")).Header.Get("X-Subject-Token")
	me := c.As(text)
	credential := me.Post("/v3/users/"+user+"/application_credentials", `{"application_credential": {"name": "a"}}`).Want(201)
	delegated := c.applicationCredential(credential.Text("application_credential.id"), credential.Text("application_credential.secret")).Want(201)
	other.admin().With("X-Subject-Token", delegated.Header.Get("X-Subject-Token")).Get("/v3/auth/tokens").Want(200).
		Has("token.application_credential.id", credential.Text("application_credential.id"))
	encrypted := cloudWith(t, db, keystone.Options{})
	if encrypted.good(text) {
		t.Error("a cloud of encrypted tokens takes a signed one")
	}
	if c.good(encrypted.token(name, "pw", on(project))) {
		t.Error("a cloud of signed tokens takes an encrypted one")
	}
	me.With("X-Subject-Token", text).Delete("/v3/auth/tokens").Want(204)
	if c.good(text) || !c.good(again) {
		t.Error("a revoked token is good, or what it was exchanged for is not")
	}
	last := c.token(name, "pw", on(project))
	c.clock.Advance(keystone.DefaultTokenLifetime)
	if c.good(last) {
		t.Error("a token outlives its time")
	}
}
