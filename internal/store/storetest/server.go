package storetest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"sort"
	"strconv"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// pgServer is a PostgreSQL server on a unix socket of its own.
type pgServer struct {
	bin, dir string
	cred     *syscall.Credential
	last     atomic.Int64
	migrated templates[string] // names of databases
	settings []string          // "-c name=value", beside those that all servers have
	log      *os.File          // nil: nowhere
	process  *os.Process
	ended    chan struct{}
}

// Server is a PostgreSQL server of a test's own, which it may stop and start.
type Server struct {
	*pgServer
	t testing.TB
}

// NewServer starts a server that lives as long as the test. Where there is no PostgreSQL the test is skipped, or fails under GOSTACK_REQUIRE=all.
func NewServer(t testing.TB) *Server {
	t.Helper()
	s, err := startServer()
	if err != nil {
		if os.Getenv("GOSTACK_REQUIRE") == "all" {
			t.Fatalf("PostgreSQL is required here: %v", err)
		}
		t.Skipf("NOT TESTED on PostgreSQL: %v", err)
	}
	t.Cleanup(func() {
		s.stop()
		_ = os.RemoveAll(s.dir)
	})
	return &Server{s, t}
}

// ErrNoPostgreSQL says that there is no PostgreSQL on this machine.
var ErrNoPostgreSQL = errors.New("no initdb in /usr/lib/postgresql; install Debian's package postgresql")

// Launch starts a server as it would run for users: durable, with Debian's sizes, and the settings ("name=value") that are given. It is for
// what measures; a test takes NewServer. The log, if any, takes what the server writes.
func Launch(log *os.File, settings ...string) (url string, stop func(), err error) {
	s, err := launch(log, settings...)
	if err != nil {
		return "", nil, err
	}
	return s.url("postgres"), func() {
		s.stop()
		_ = os.RemoveAll(s.dir)
	}, nil
}

// Database makes an empty database and returns its URL.
func (s *Server) Database() string { s.t.Helper(); return s.newDatabase(s.t, "template1") }

// Stop ends the server at once, as a crash does, and waits for its end.
func (s *Server) Stop() { s.stop() }

// Start starts it again and waits until it answers.
func (s *Server) Start() {
	s.t.Helper()
	if err := s.start(); err != nil {
		s.t.Fatal(err)
	}
}

func (s *pgServer) url(name string) string {
	return fmt.Sprintf("postgres://postgres@/%s?host=%s", name, s.dir)
}

func (s *pgServer) newDatabase(t testing.TB, template string) string {
	t.Helper()
	name := fmt.Sprintf("t%d", s.last.Add(1))
	if out, err := s.psql("CREATE DATABASE " + name + " TEMPLATE " + template); err != nil {
		t.Fatalf("create database: %v %s", err, out)
	}
	t.Cleanup(func() { _, _ = s.psql("DROP DATABASE IF EXISTS " + name + " WITH (FORCE)") })
	return s.url(name)
}

func (s *pgServer) psql(sql string) ([]byte, error) {
	return exec.Command(filepath.Join(s.bin, "psql"), "-q", "-h", s.dir, "-U", "postgres", "-c", sql).CombinedOutput()
}

// startServer starts a server that forgets in a crash of the machine, and is quick.
func startServer() (*pgServer, error) {
	return launch(nil, "fsync=off", "shared_buffers=16MB", "max_connections=200")
}

func launch(log *os.File, settings ...string) (*pgServer, error) {
	bins, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if len(bins) == 0 {
		return nil, ErrNoPostgreSQL
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
	s := &pgServer{bin: filepath.Dir(bins[len(bins)-1]), dir: dir, log: log}
	for _, setting := range settings {
		s.settings = append(s.settings, "-c", setting)
	}
	if os.Getuid() == 0 { // PostgreSQL refuses root
		u, err := user.Lookup("postgres")
		if err != nil {
			return nil, err
		}
		uid, _ := strconv.Atoi(u.Uid)
		gid, _ := strconv.Atoi(u.Gid)
		s.cred = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
		if err := os.Chown(dir, uid, gid); err != nil {
			return nil, err
		}
	}
	initdb := exec.Command(bins[len(bins)-1], "-D", s.data(), "-A", "trust", "-N", "--no-locale", "-E", "UTF8", "-U", "postgres")
	initdb.SysProcAttr = &syscall.SysProcAttr{Credential: s.cred}
	initdb.Dir = dir
	if out, err := initdb.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("initdb: %w: %s", err, out)
	}
	return s, s.start()
}

func (s *pgServer) data() string { return filepath.Join(s.dir, "data") }

// start runs the server as a child that dies with this process, and waits until it answers.
func (s *pgServer) start() error {
	started, ended := make(chan error), make(chan struct{})
	go func() {
		runtime.LockOSThread() // the death signal follows the thread that started the child
		cmd := exec.Command(filepath.Join(s.bin, "postgres"), append([]string{"-D", s.data(), "-k", s.dir, "-c", "listen_addresses=", "-c", "logging_collector=off"}, s.settings...)...)
		if s.log != nil {
			cmd.Stdout, cmd.Stderr = s.log, s.log
		}
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: s.cred, Pdeathsig: syscall.SIGINT}
		cmd.Dir = s.dir
		err := cmd.Start()
		if err == nil {
			s.process, s.ended = cmd.Process, ended
		}
		started <- err
		if err == nil {
			_ = cmd.Wait()
			close(ended)
		}
		select {}
	}()
	if err := <-started; err != nil {
		return err
	}
	for deadline := time.Now().Add(3 * time.Minute); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if _, err := s.psql("SELECT 1"); err == nil {
			return nil
		}
	}
	return errors.New("the PostgreSQL server did not answer within three minutes")
}

// stop is PostgreSQL's immediate shutdown: no checkpoint, recovery at the next start.
func (s *pgServer) stop() {
	_ = s.process.Signal(syscall.SIGQUIT)
	<-s.ended
}
