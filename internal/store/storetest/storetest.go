// Package storetest runs a test on both databases: SQLite in a temporary file and PostgreSQL from Debian's package, started
// once per test process on a private unix socket. A machine without PostgreSQL skips that half, loudly; with
// GOSTACK_REQUIRE=all it fails.
package storetest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"sort"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

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
	return open(t, "sqlite:"+filepath.Join(t.TempDir(), "gostack.db"), sets)
}

// PostgreSQL returns an empty, migrated PostgreSQL database that lives as long as the test.
func PostgreSQL(t testing.TB, sets ...store.Migrations) *store.DB {
	t.Helper()
	return open(t, PostgreSQLURL(t), sets)
}

// PostgreSQLURL returns the URL of a new empty PostgreSQL database, for tests that start a whole process on it.
func PostgreSQLURL(t testing.TB) string {
	t.Helper()
	s, err := server()
	if err != nil {
		if os.Getenv("GOSTACK_REQUIRE") == "all" {
			t.Fatalf("PostgreSQL is required here: %v", err)
		}
		t.Skipf("NOT TESTED on PostgreSQL: %v", err)
	}
	name := fmt.Sprintf("t%d", s.last.Add(1))
	if out, err := s.psql("CREATE DATABASE " + name); err != nil {
		t.Fatalf("create database: %v %s", err, out)
	}
	t.Cleanup(func() { _, _ = s.psql("DROP DATABASE IF EXISTS " + name + " WITH (FORCE)") })
	return s.url(name)
}

func open(t testing.TB, url string, sets []store.Migrations) *store.DB {
	t.Helper()
	db, err := store.Open(context.Background(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	if err := db.Migrate(context.Background(), sets...); err != nil {
		t.Fatal(err)
	}
	return db
}

type pgServer struct {
	bin, dir string
	last     atomic.Int64
}

func (s *pgServer) url(name string) string {
	return fmt.Sprintf("postgres://postgres@/%s?host=%s", name, s.dir)
}

func (s *pgServer) psql(sql string) ([]byte, error) {
	return exec.Command(filepath.Join(s.bin, "psql"), "-q", "-h", s.dir, "-U", "postgres", "-c", sql).CombinedOutput()
}

var server = sync.OnceValues(startServer)

func startServer() (*pgServer, error) {
	bins, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if len(bins) == 0 {
		return nil, errors.New("no initdb in /usr/lib/postgresql; install Debian's package postgresql")
	}
	sort.Strings(bins)
	removeStale()
	// Directly below /tmp: the server's own user must be able to reach it.
	dir, err := os.MkdirTemp("/tmp", "gostack-pg-")
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(dir, "owner"), []byte(strconv.Itoa(os.Getpid())), 0o644); err != nil {
		return nil, err
	}
	s := &pgServer{bin: filepath.Dir(bins[len(bins)-1]), dir: dir}
	var cred *syscall.Credential
	if os.Getuid() == 0 { // PostgreSQL refuses root
		u, err := user.Lookup("postgres")
		if err != nil {
			return nil, err
		}
		uid, _ := strconv.Atoi(u.Uid)
		gid, _ := strconv.Atoi(u.Gid)
		cred = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
		if err := os.Chown(dir, uid, gid); err != nil {
			return nil, err
		}
	}
	data := filepath.Join(dir, "data")
	initdb := exec.Command(bins[len(bins)-1], "-D", data, "-A", "trust", "-N", "--no-locale", "-E", "UTF8", "-U", "postgres")
	initdb.SysProcAttr = &syscall.SysProcAttr{Credential: cred}
	initdb.Dir = dir
	if out, err := initdb.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("initdb: %w: %s", err, out)
	}
	started := make(chan error)
	go func() {
		runtime.LockOSThread() // the death signal follows the thread that started the child
		cmd := exec.Command(filepath.Join(s.bin, "postgres"), "-D", data, "-k", dir, "-c", "listen_addresses=",
			"-c", "fsync=off", "-c", "shared_buffers=16MB", "-c", "max_connections=200", "-c", "logging_collector=off")
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: cred, Pdeathsig: syscall.SIGINT}
		cmd.Dir = dir
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait()
		}
		select {}
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if _, err := s.psql("SELECT 1"); err == nil {
			return s, nil
		}
	}
	return nil, errors.New("the PostgreSQL server did not answer within 30 s")
}

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
