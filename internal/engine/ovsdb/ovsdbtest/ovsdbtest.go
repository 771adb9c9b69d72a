// Package ovsdbtest gives tests an OVSDB server of their own, with the schema of the installed OVN. It is Debian's ovsdb-server on a
// private socket: the server inside libovsdb hangs now and then when its connections are cut.
package ovsdbtest

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"
)

// Schema file names of the installed packages.
const (
	NBSchema = "/usr/share/ovn/ovn-nb.ovsschema"
	SBSchema = "/usr/share/ovn/ovn-sb.ovsschema"
)

// Server is a running server.
type Server struct {
	Endpoint string
	schema   string
	dir      string
	cmd      *exec.Cmd
	ended    chan struct{}
}

// Start serves an empty database until the test ends.
func Start(t testing.TB, schemaFile string) *Server {
	t.Helper()
	for _, need := range []string{schemaFile, "/usr/sbin/ovsdb-server", "/usr/bin/ovsdb-tool"} {
		if _, err := os.Stat(need); err != nil {
			if os.Getenv("GOSTACK_REQUIRE") == "all" {
				t.Fatalf("OVN is not installed: %v", err)
			}
			t.Skipf("NOT TESTED: OVN is not installed: %v", err)
		}
	}
	s := &Server{schema: schemaFile, dir: t.TempDir()}
	s.Endpoint = "unix:" + filepath.Join(s.dir, "db.sock")
	s.Up(t)
	t.Cleanup(s.Down)
	return s
}

// Up starts the server with an empty database and waits until it answers.
func (s *Server) Up(t testing.TB) {
	t.Helper()
	db, socket := filepath.Join(s.dir, "db"), filepath.Join(s.dir, "db.sock")
	if out, err := exec.Command("/usr/bin/ovsdb-tool", "create", db, s.schema).CombinedOutput(); err != nil {
		t.Fatalf("ovsdb-tool: %v %s", err, out)
	}
	cmd := exec.Command("/usr/sbin/ovsdb-server", db, "--remote=punix:"+socket, "--unixctl="+filepath.Join(s.dir, "ctl"), "--no-chdir", "-vconsole:off", "-vsyslog:off")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	started, ended := make(chan error), make(chan struct{})
	go func() {
		runtime.LockOSThread() // the death signal follows the thread that started the child
		defer runtime.UnlockOSThread()
		defer close(ended)
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		t.Fatal(err)
	}
	s.cmd, s.ended = cmd, ended
	for end := time.Now().Add(2 * time.Minute); ; time.Sleep(2 * time.Millisecond) {
		c, err := net.Dial("unix", socket)
		if err == nil {
			_ = c.Close()
			return
		}
		if time.Now().After(end) {
			t.Fatalf("ovsdb-server does not answer: %v", err)
		}
	}
}

// Down ends the server, its connections and its data.
func (s *Server) Down() {
	if s.cmd == nil {
		return
	}
	_ = s.cmd.Process.Kill()
	<-s.ended
	s.cmd = nil
	for _, f := range []string{"db", "db.sock", "ctl", ".db.~lock~"} {
		_ = os.Remove(filepath.Join(s.dir, f))
	}
}
