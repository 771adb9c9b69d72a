package keystone_test

import (
	"context"
	"path/filepath"
	"testing"

	"golang.org/x/crypto/bcrypt"

	"gostack/internal/keystone"
	"gostack/internal/keystone/api"
	"gostack/internal/keystone/fernet"
	"gostack/internal/keystone/password"
	"gostack/internal/rest"
	"gostack/internal/rest/resttest"
	"gostack/internal/secret"
	"gostack/internal/store"
	"gostack/internal/store/storetest"
)

func benchService(b *testing.B) *keystone.Service {
	b.Helper()
	return benchServiceOn(b, storetest.SQLite(b, keystone.Migrations))
}

func benchServiceOn(b *testing.B, db *store.DB) *keystone.Service {
	b.Helper()
	s, err := keystone.New(keystone.Options{
		DB: db, Keys: fernet.OpenRepository(filepath.Join(b.TempDir(), "keys"), 3),
	})
	if err != nil {
		b.Fatal(err)
	}
	if _, err := s.Bootstrap(b.Context(), keystone.BootstrapSpec{
		AdminPassword: secret.New("pw"), BaseURL: "http://cloud.example:5000",
		Services: []keystone.BootstrapService{{Type: "identity", Name: "keystone", Path: "/identity"}, {Type: "compute", Name: "nova", Path: "/compute/v2.1"}},
	}); err != nil {
		b.Fatal(err)
	}
	return s
}

var adminLogin = keystone.Login{
	Methods:  []string{"password"},
	Password: &keystone.PasswordLogin{UserName: "admin", Domain: keystone.DomainRef{ID: "default"}, Password: secret.New("pw")},
	Scope:    keystone.LoginScope{ProjectName: "admin", ProjectDomain: keystone.DomainRef{ID: "default"}},
}

// BenchmarkBcrypt is the baseline of issuing: the hash that upstream computes for every login.
func BenchmarkBcrypt(b *testing.B) {
	hash, err := bcrypt.GenerateFromPassword([]byte("pw"), password.DefaultCost)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if err := bcrypt.CompareHashAndPassword(hash, []byte("pw")); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkIssue issues project-scoped tokens to a user who has logged in before.
func BenchmarkIssue(b *testing.B) {
	s := benchService(b)
	if _, err := s.IssueToken(b.Context(), adminLogin); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := s.IssueToken(b.Context(), adminLogin); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "tokens/s")
}

// BenchmarkAuthenticate is what each request of any service pays.
func BenchmarkAuthenticate(b *testing.B) {
	s := benchService(b)
	t, err := s.IssueToken(b.Context(), adminLogin)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := s.Authenticate(b.Context(), t.ID); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "validations/s")
}

// BenchmarkAuthenticateUnseen decrypts the token and looks everything up, as for the first request after a restart.
func BenchmarkAuthenticateUnseen(b *testing.B) {
	s := benchService(b)
	t, err := s.IssueToken(b.Context(), adminLogin)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		s.Forget()
		if _, err := s.Authenticate(b.Context(), t.ID); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "validations/s")
}

// BenchmarkValidateHTTP is GET /v3/auth/tokens with the catalogue, through the router.
func BenchmarkValidateHTTP(b *testing.B) {
	s := benchService(b)
	t, err := s.IssueToken(b.Context(), adminLogin)
	if err != nil {
		b.Fatal(err)
	}
	a := resttest.Serve(b, rest.Config{Services: api.Services(s), Authenticator: s}).As(t.ID).With("X-Subject-Token", t.ID)
	for b.Loop() {
		a.Get("/v3/auth/tokens").Want(200)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "validations/s")
}

// BenchmarkListUsers lists a page of 1,000 out of 100,000 users, and finds one of them by name.
func BenchmarkListUsers(b *testing.B) {
	db := storetest.SQLite(b, keystone.Migrations)
	s := benchServiceOn(b, db)
	err := db.Write(b.Context(), func(ctx context.Context, tx store.Tx) error {
		_, err := tx.NewRaw(`WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000)
			INSERT INTO keystone_users (id, domain_id, name, enabled, default_project_id, password_hash, created_at, options, extra)
			SELECT 'user-' || i, 'default', 'name-' || i, TRUE, '', '', '2026-01-01 00:00:00+00:00', '{}', '{}' FROM n`).Exec(ctx)
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	t, err := s.IssueToken(b.Context(), adminLogin)
	if err != nil {
		b.Fatal(err)
	}
	a := resttest.Serve(b, rest.Config{Services: api.Services(s), Authenticator: s}).As(t.ID)
	for name, path := range map[string]string{"page": "/v3/users?limit=1000&marker=user-5", "name": "/v3/users?name=name-77777&domain_id=default", "one": "/v3/users/user-4711"} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				a.Get(path).Want(200)
			}
		})
	}
}
