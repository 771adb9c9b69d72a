// Package storetest runs a test on both databases: SQLite in a temporary file and PostgreSQL from Debian's package, started
// once per test process on a private unix socket. A machine without PostgreSQL skips that half, loudly; with
// GOSTACK_REQUIRE=all it fails.
package storetest

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"

	"gostack/internal/store"
)

// Each runs fn as a subtest on an empty, migrated database of each kind.
func Each(t *testing.T, fn func(t *testing.T, db *store.DB), sets ...store.Migrations) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) { fn(t, SQLite(t, sets...)) })
	t.Run("postgres", func(t *testing.T) { fn(t, PostgreSQL(t, sets...)) })
}

// SQLite returns an empty, migrated SQLite database that lives as long as the test.
func SQLite(t testing.TB, sets ...store.Migrations) *store.DB {
	t.Helper()
	file := filepath.Join(t.TempDir(), "gostack.db")
	if err := os.WriteFile(file, sqliteTemplate(t, sets), 0o600); err != nil {
		t.Fatal(err)
	}
	return open(t, "sqlite:"+file)
}

// Either returns a database of the kind that GOSTACK_TEST_DATABASE names, sqlite or postgres; default sqlite. For long suites that run on one at a time.
func Either(t testing.TB, sets ...store.Migrations) *store.DB {
	t.Helper()
	if os.Getenv("GOSTACK_TEST_DATABASE") == "postgres" {
		return PostgreSQL(t, sets...)
	}
	return SQLite(t, sets...)
}

// PostgreSQL returns an empty, migrated PostgreSQL database that lives as long as the test.
func PostgreSQL(t testing.TB, sets ...store.Migrations) *store.DB {
	t.Helper()
	return open(t, postgresServer(t).copyOf(t, sets))
}

// PostgreSQLURL returns the URL of a new empty PostgreSQL database, for tests that start a whole process on it.
func PostgreSQLURL(t testing.TB) string {
	t.Helper()
	return postgresServer(t).newDatabase(t, "template1")
}

func postgresServer(t testing.TB) *pgServer {
	t.Helper()
	s, err := server()
	if err != nil {
		if os.Getenv("GOSTACK_REQUIRE") == "all" {
			t.Fatalf("PostgreSQL is required here: %v", err)
		}
		t.Skipf("NOT TESTED on PostgreSQL: %v", err)
	}
	return s
}

func open(t testing.TB, url string) *store.DB {
	t.Helper()
	db, err := store.Open(context.Background(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

var server = sync.OnceValues(startServer)

// removeStale removes the directories of test processes that have ended.
func removeStale() {
	dirs, _ := filepath.Glob("/tmp/gostack-pg-*")
	for _, d := range dirs {
		b, err := os.ReadFile(filepath.Join(d, "owner"))
		if err != nil {
			continue
		}
		if pid, err := strconv.Atoi(string(b)); err == nil && errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
			_ = os.RemoveAll(d)
		}
	}
}
