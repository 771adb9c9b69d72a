package storetest

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"gostack/internal/store"
)

// templates are databases that were migrated once in this process and are copied for each test: to run all migrations takes many times longer.
type templates[T any] struct {
	mu   sync.Mutex
	made map[[sha256.Size]byte]T
}

// of returns the template for sets of migrations, made by make if it is not there.
func (m *templates[T]) of(t testing.TB, sets []store.Migrations, make func() T) T {
	t.Helper()
	key := fingerprint(t, sets)
	m.mu.Lock()
	defer m.mu.Unlock()
	if v, ok := m.made[key]; ok {
		return v
	}
	if m.made == nil {
		m.made = map[[sha256.Size]byte]T{}
	}
	v := make()
	m.made[key] = v
	return v
}

// fingerprint tells sets of migrations apart by their text.
func fingerprint(t testing.TB, sets []store.Migrations) (key [sha256.Size]byte) {
	t.Helper()
	h := sha256.New()
	for _, set := range sets {
		fmt.Fprintf(h, "%q\n", set.Service)
		err := fs.WalkDir(set.FS, ".", func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			text, err := fs.ReadFile(set.FS, path)
			fmt.Fprintf(h, "%q %q\n", path, text)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return [sha256.Size]byte(h.Sum(nil))
}

var sqliteFiles templates[[]byte]

// sqliteTemplate is the content of a migrated SQLite database.
func sqliteTemplate(t testing.TB, sets []store.Migrations) []byte {
	t.Helper()
	return sqliteFiles.of(t, sets, func() []byte {
		file := filepath.Join(t.TempDir(), "template.db")
		migrate(t, "sqlite:"+file, sets)
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		return b
	})
}

// copyOf makes a migrated database.
func (s *pgServer) copyOf(t testing.TB, sets []store.Migrations) string {
	t.Helper()
	template := s.migrated.of(t, sets, func() string {
		name := fmt.Sprintf("template_%d", s.last.Add(1))
		if out, err := s.psql("CREATE DATABASE " + name); err != nil {
			t.Fatalf("create database: %v %s", err, out)
		}
		migrate(t, s.url(name), sets)
		return name
	})
	return s.newDatabase(t, template)
}

// migrate brings an empty database to the newest version and leaves it: it can be copied.
func migrate(t testing.TB, url string, sets []store.Migrations) {
	t.Helper()
	db, err := store.Open(context.Background(), url)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Migrate(context.Background(), sets...)
	if err2 := db.Close(); err == nil {
		err = err2
	}
	if err != nil {
		t.Fatal(err)
	}
}
