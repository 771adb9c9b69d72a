package keystone_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gostack/internal/clock"
	"gostack/internal/keystone"
	"gostack/internal/keystone/fernet"
	"gostack/internal/rest"
	"gostack/internal/secret"
	"gostack/internal/store"
	"gostack/internal/store/storetest"
)

func newService(t *testing.T, db *store.DB, dir string) *keystone.Service {
	t.Helper()
	s, err := keystone.New(keystone.Options{
		DB: db, Keys: fernet.OpenRepository(dir, 3), HashCost: 4, Clock: clock.NewManual(time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)),
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func spec(password, base string) keystone.BootstrapSpec {
	return keystone.BootstrapSpec{
		AdminPassword: secret.New(password), BaseURL: base,
		Services: []keystone.BootstrapService{
			{Type: "identity", Name: "keystone", Path: "/identity"}, {Type: "image", Name: "glance", Path: "/image"},
		},
	}
}

func login(password string) keystone.Login {
	l := adminLogin
	l.Password = &keystone.PasswordLogin{UserName: "admin", Domain: keystone.DomainRef{Name: "Default"}, Password: secret.New(password)}
	return l
}

// counts returns how many rows each table has.
func counts(t *testing.T, db *store.DB) map[string]int {
	t.Helper()
	out := map[string]int{}
	for _, table := range []string{
		"projects", "users", "roles", "implied_roles", "assignments", "regions", "services", "endpoints", "revocations",
	} {
		var n int
		if err := db.Read(t.Context()).NewSelect().Table("keystone_"+table).ColumnExpr("count(*)").Scan(t.Context(), &n); err != nil {
			t.Fatal(err)
		}
		out[table] = n
	}
	return out
}

func TestBootstrap(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		dir := filepath.Join(t.TempDir(), "keys")
		s := newService(t, db, dir)
		if _, err := s.Bootstrap(t.Context(), spec("", "http://a")); err == nil {
			t.Error("an admin was made without a password")
		}
		if has, err := s.HasAdmin(t.Context()); err != nil || has {
			t.Errorf("has admin: %v, %v", has, err)
		}
		first, err := s.Bootstrap(t.Context(), spec("one", "http://a"))
		if err != nil || !first.Changed {
			t.Fatalf("%+v, %v", first, err)
		}
		want := map[string]int{
			"projects": 2, "users": 1, "roles": 5, "implied_roles": 3, "assignments": 2, "regions": 1, "services": 2, "endpoints": 6, "revocations": 0,
		}
		if diff := cmp.Diff(want, counts(t, db)); diff != "" {
			t.Error(diff)
		}
		if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("keys: %v", err)
		}
		token, err := s.IssueToken(t.Context(), login("one"))
		if err != nil {
			t.Fatal(err)
		}
		// Again, and without a password: nothing changes.
		for _, password := range []string{"one", ""} {
			again, err := s.Bootstrap(t.Context(), spec(password, "http://a"))
			if err != nil || again.Changed || again.AdminUserID != first.AdminUserID || again.AdminProjectID != first.AdminProjectID {
				t.Errorf("again: %+v, %v", again, err)
			}
		}
		if diff := cmp.Diff(want, counts(t, db)); diff != "" {
			t.Error(diff)
		}
		// The cloud moved: the catalogue follows.
		if moved, err := s.Bootstrap(t.Context(), spec("", "https://b")); err != nil || !moved.Changed {
			t.Errorf("moved: %+v, %v", moved, err)
		}
		catalog, err := s.Catalog(t.Context(), "", "")
		if err != nil || len(catalog) != 2 || catalog[0].Endpoints[0].URL != "https://b/identity" {
			t.Errorf("catalogue %+v, %v", catalog, err)
		}
		// The last resort of a locked-out operator: another password, and an admin that somebody disabled.
		if _, err := s.UpdateUser(t.Context(), first.AdminUserID, keystone.Attrs{"enabled": false}, secret.String{}); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Bootstrap(t.Context(), spec("two", "https://b")); err != nil {
			t.Fatal(err)
		}
		if _, err := s.IssueToken(t.Context(), login("two")); err != nil {
			t.Errorf("the new password: %v", err)
		}
		if _, err := s.IssueToken(t.Context(), login("one")); rest.StatusOf(err) != 401 {
			t.Errorf("the old password: %v", err)
		}
		if _, err := s.Authenticate(t.Context(), token.ID); err == nil {
			t.Error("a token of before the new password is good")
		}
		if err := s.Ready(t.Context()); err != nil {
			t.Errorf("not ready: %v", err)
		}
	}, keystone.Migrations)
}

// Two processes that start at once on an empty database agree.
func TestBootstrapTwiceAtOnce(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		dir := filepath.Join(t.TempDir(), "keys")
		var wg sync.WaitGroup
		for range 4 {
			s := newService(t, db, dir)
			wg.Go(func() {
				if _, err := s.Bootstrap(t.Context(), spec("pw", "http://a")); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if n := counts(t, db)["users"]; n != 1 {
			t.Errorf("%d users", n)
		}
		if _, err := newService(t, db, dir).IssueToken(t.Context(), login("pw")); err != nil {
			t.Error(err)
		}
	}, keystone.Migrations)
}

func TestNotReadyWithoutKeys(t *testing.T) {
	s := newService(t, storetest.SQLite(t, keystone.Migrations), filepath.Join(t.TempDir(), "absent"))
	if err := s.Ready(t.Context()); err == nil {
		t.Error("ready without keys")
	}
}

func TestNewNeedsItsParts(t *testing.T) {
	if _, err := keystone.New(keystone.Options{}); err == nil {
		t.Error("no error without a database")
	}
	db := storetest.SQLite(t, keystone.Migrations)
	if _, err := keystone.New(keystone.Options{DB: db, Keys: fernet.OpenRepository(t.TempDir(), 3), HashCost: 99}); err == nil {
		t.Error("no error with an absurd cost")
	}
}

// A password that is checked while it is being changed must not give a token that outlives the change.
func TestLoginsDuringPasswordChanges(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		s := newService(t, db, filepath.Join(t.TempDir(), "keys"))
		made, err := s.Bootstrap(t.Context(), spec("pw0", "http://a"))
		if err != nil {
			t.Fatal(err)
		}
		var mu sync.Mutex
		got := map[string][]string{} // tokens by password
		ctx, stop := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		const changes = 12
		for range 4 {
			wg.Go(func() {
				for ctx.Err() == nil {
					for i := range changes + 1 {
						password := fmt.Sprintf("pw%d", i)
						if token, err := s.IssueToken(ctx, login(password)); err == nil {
							mu.Lock()
							got[password] = append(got[password], token.ID)
							mu.Unlock()
						} else if rest.StatusOf(err) != 401 && ctx.Err() == nil {
							t.Error(err)
						}
					}
				}
			})
		}
		for i := range changes {
			err := s.ChangePassword(t.Context(), made.AdminUserID, secret.New(fmt.Sprintf("pw%d", i)), secret.New(fmt.Sprintf("pw%d", i+1)))
			if err != nil {
				t.Fatal(err)
			}
		}
		stop()
		wg.Wait()
		last := fmt.Sprintf("pw%d", changes)
		for password, tokens := range got {
			for _, token := range tokens {
				if _, err := s.Authenticate(t.Context(), token); (err == nil) != (password == last) {
					t.Fatalf("a token of %s is good: %v", password, err == nil)
				}
			}
		}
		if _, err := s.IssueToken(t.Context(), login(last)); err != nil {
			t.Error(err)
		}
	}, keystone.Migrations)
}

// A database that is away is no reason to tell clients that their token is no good.
func TestAuthenticateWithoutDatabase(t *testing.T) {
	story := func(t *testing.T, url string) {
		db, err := store.Open(t.Context(), url)
		if err != nil {
			t.Fatal(err)
		}
		if err := db.Migrate(t.Context(), keystone.Migrations); err != nil {
			t.Fatal(err)
		}
		s := newService(t, db, filepath.Join(t.TempDir(), "keys"))
		if _, err := s.Bootstrap(t.Context(), spec("pw", "http://a")); err != nil {
			t.Fatal(err)
		}
		token, err := s.IssueToken(t.Context(), login("pw"))
		if err != nil {
			t.Fatal(err)
		}
		fresh := newService(t, db, "")
		if _, err := fresh.Authenticate(t.Context(), token.ID); rest.StatusOf(err) != 503 {
			t.Errorf("without keys: %v", err)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Authenticate(t.Context(), token.ID); err != nil {
			t.Errorf("a token that was seen a moment ago: %v", err)
		}
		if _, err := s.Authenticate(t.Context(), "gAAAAABnonsense"); !errors.Is(err, keystone.ErrInvalidToken) {
			t.Errorf("nonsense: %v", err)
		}
		s.Forget()
		if _, err := s.Authenticate(t.Context(), token.ID); rest.StatusOf(err) != 503 {
			t.Errorf("a token that must be looked up: %v", err)
		}
		if _, err := s.IssueToken(t.Context(), login("pw")); err == nil || rest.StatusOf(err) == 401 {
			t.Errorf("a login: %v", err)
		}
	}
	t.Run("sqlite", func(t *testing.T) { story(t, "sqlite:"+filepath.Join(t.TempDir(), "gostack.db")) })
	t.Run("postgres", func(t *testing.T) { story(t, storetest.PostgreSQLURL(t)) })
}
