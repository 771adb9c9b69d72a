package keystone_test

import (
	"path/filepath"
	"sync"
	"testing"
	"time"

	"gostack/internal/keystone"
	"gostack/internal/keystone/fernet"
	"gostack/internal/policy"
	"gostack/internal/secret"
	"gostack/internal/store"
	"gostack/internal/store/storetest"
)

// onTable is a replica with a database handle of its own, whose keys are in the database.
func onTable(t *testing.T, url, dir string) (*keystone.Service, *store.DB) {
	t.Helper()
	d, err := store.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	if err := d.Migrate(t.Context(), keystone.Migrations); err != nil {
		t.Fatal(err)
	}
	s, err := keystone.New(keystone.Options{DB: d, HashCost: 4, KeyDirectory: dir})
	if err != nil {
		t.Fatal(err)
	}
	return s, d
}

func issue(t *testing.T, s *keystone.Service, password string) string {
	t.Helper()
	token, err := s.IssueToken(t.Context(), keystone.Login{
		Methods:  []string{"password"},
		Password: &keystone.PasswordLogin{UserName: "admin", Domain: keystone.DomainRef{ID: "default"}, Password: secret.New(password)},
		Scope:    keystone.LoginScope{ProjectName: "admin", ProjectDomain: keystone.DomainRef{ID: "default"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return token.ID
}

// Four replicas start on an empty database at once, each with another idea of admin's password: one admin comes out, with the password of whoever
// made it, and one set of keys.
func TestReplicasBootstrapAtOnce(t *testing.T) {
	url := storetest.PostgreSQLURL(t)
	var wg sync.WaitGroup
	services := make([]*keystone.Service, 4)
	created := make([]bool, 4)
	for i := range services {
		services[i], _ = onTable(t, url, "")
	}
	for i, s := range services {
		wg.Go(func() {
			made, err := s.Bootstrap(t.Context(), keystone.BootstrapSpec{
				AdminPassword: secret.New(string(rune('a' + i))), KeepAdmin: true, BaseURL: "http://x", Services: []keystone.BootstrapService{{Type: "identity", Name: "keystone", Path: "/identity"}},
			})
			if err != nil {
				t.Errorf("replica %d: %v", i, err)
				return
			}
			created[i] = made.AdminCreated
		})
	}
	wg.Wait()
	winner := -1
	for i, c := range created {
		if c && winner >= 0 {
			t.Errorf("%d and %d both created admin", winner, i)
		}
		if c {
			winner = i
		}
	}
	if winner < 0 {
		t.Fatal("nobody created admin")
	}
	token := issue(t, services[winner], string(rune('a'+winner)))
	for i, s := range services {
		if _, err := s.Authenticate(t.Context(), token); err != nil {
			t.Errorf("replica %d: %v", i, err)
		}
	}
}

// A rotation, a revocation and a change of roles on one replica hold on the others within a second.
func TestReplicasSeeChanges(t *testing.T) {
	url := storetest.PostgreSQLURL(t)
	one, _ := onTable(t, url, "")
	two, _ := onTable(t, url, "")
	made, err := one.Bootstrap(t.Context(), keystone.BootstrapSpec{AdminPassword: secret.New("pw"), BaseURL: "http://x"})
	if err != nil {
		t.Fatal(err)
	}
	good := func(s *keystone.Service, token string) *policy.Caller {
		c, err := s.Authenticate(t.Context(), token)
		if err != nil {
			return nil
		}
		return c
	}
	soon := func(what string, cond func() bool) {
		t.Helper()
		for deadline := time.Now().Add(3 * time.Minute); !cond(); time.Sleep(5 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("never: %s", what)
			}
		}
	}
	old := issue(t, one, "pw")
	if good(two, old) == nil {
		t.Fatal("the other replica does not know the token")
	}
	for range 2 { // the second rotation removes the key of the first token
		if err := one.RotateKeys(); err != nil {
			t.Fatal(err)
		}
	}
	fresh := issue(t, one, "pw")
	soon("the new key is known", func() bool { return good(two, fresh) != nil })
	soon("the old key is gone", func() bool { return good(two, old) == nil })
	revoked, err := one.ValidateToken(t.Context(), fresh, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := one.RevokeToken(t.Context(), revoked); err != nil {
		t.Fatal(err)
	}
	soon("the revocation is known", func() bool { return good(two, fresh) == nil })
	again := issue(t, two, "pw")
	if err := one.ChangePassword(t.Context(), made.AdminUserID, secret.New("pw"), secret.New("new")); err != nil {
		t.Fatal(err)
	}
	soon("the change of password is known", func() bool { return good(two, again) == nil })
}

// A cloud whose keys were files keeps its tokens.
func TestKeysOfADirectoryAreTakenOver(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "keys")
	files := fernet.OpenRepository(dir, 3)
	if _, err := files.Setup(); err != nil {
		t.Fatal(err)
	}
	want, _, err := files.Keys()
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := fernet.Encrypt(want[0], []byte("before"), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	s, d := onTable(t, "sqlite:"+filepath.Join(t.TempDir(), "db"), dir)
	if _, err := s.Bootstrap(t.Context(), keystone.BootstrapSpec{AdminPassword: secret.New("pw"), BaseURL: "http://x"}); err != nil {
		t.Fatal(err)
	}
	var rows []struct{ Key string }
	if err := d.Read(t.Context()).NewRaw("SELECT key FROM keystone_fernet_keys ORDER BY number DESC").Scan(t.Context(), &rows); err != nil || len(rows) != 2 {
		t.Fatalf("%d keys, %v", len(rows), err)
	}
	key, err := fernet.ParseKey(rows[0].Key)
	if err != nil {
		t.Fatal(err)
	}
	if text, _, err := fernet.Decrypt([]fernet.Key{key}, sealed); err != nil || string(text) != "before" {
		t.Errorf("%q, %v", text, err)
	}
}

// Rotating a set of keys gives the same numbers as rotating a directory.
func TestRotatedIsAsTheDirectoryDoes(t *testing.T) {
	for _, keep := range []int{1, 2, 3, 5} {
		dir := filepath.Join(t.TempDir(), "keys")
		files := fernet.OpenRepository(dir, keep)
		if _, err := files.Setup(); err != nil {
			t.Fatal(err)
		}
		have, err := files.Numbered()
		for range 6 {
			if err != nil {
				t.Fatal(err)
			}
			if err := files.Rotate(); err != nil {
				t.Fatal(err)
			}
			var want map[int]fernet.Key
			if want, err = files.Numbered(); err != nil {
				t.Fatal(err)
			}
			have = fernet.Rotated(have, want[0], keep)
			if len(have) != len(want) {
				t.Fatalf("keep %d: %d keys, a directory has %d", keep, len(have), len(want))
			}
			for n, k := range want {
				if have[n] != k {
					t.Errorf("keep %d: key %d differs", keep, n)
				}
			}
		}
	}
}
