package app

import (
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"gostack/internal/engine/command"
	"gostack/internal/hosts"
	"gostack/internal/store/storetest"
	"gostack/test/machine"
)

// TestSouthboundDoor: control opens its own OVN's southbound database to hosts by TLS with the role, once, renews the certificate, and leaves an operator's settings.
func TestSouthboundDoor(t *testing.T) {
	for _, p := range []string{"ovsdb-server", "ovn-sbctl"} {
		if _, err := exec.LookPath(p); err != nil {
			machine.Missing(t, "NOT TESTED with OVN's database: "+p+" is not installed")
		}
	}
	dir, err := os.MkdirTemp("", "ovn") // short enough for a unix socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	run := func(argv ...string) string {
		t.Helper()
		out, err := command.Run(t.Context(), argv...)
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(out)
	}
	path := func(name string) string { return filepath.Join(dir, name) }
	run("ovsdb-tool", "create", path("db"), "/usr/share/ovn/ovn-sb.ovsschema")
	run("ovsdb-server", path("db"), "--remote=punix:"+path("sock"), "--pidfile="+path("pid"), "--unixctl="+path("ctl"), "--log-file="+path("log"), "--verbose=console:off", "--detach", "--no-chdir")
	t.Cleanup(func() {
		text, _ := os.ReadFile(path("pid"))
		if pid, err := strconv.Atoi(strings.TrimSpace(string(text))); err == nil {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	})
	sbctl := func(args ...string) string {
		t.Helper()
		return run(append([]string{"ovn-sbctl", "--timeout=20", "--db=unix:" + path("sock")}, args...)...)
	}
	d := &southboundDoor{hosts: &hosts.Service{DB: storetest.SQLite(t, hosts.Migrations), Region: "R"}, database: "unix:" + path("sock"), dir: path("tls"), log: slog.New(slog.DiscardHandler)}
	key := func() string {
		t.Helper()
		text, err := os.ReadFile(path("tls/" + OVNServerFiles.Key))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	var first string
	for range 2 {
		if err := d.open(t.Context()); err != nil {
			t.Fatal(err)
		}
		if first == "" {
			first = key()
		}
		if got := sbctl("get-connection"); got != `read-write role="ovn-controller" pssl:6642` {
			t.Errorf("listens %q", got)
		}
		if got := sbctl("get-ssl"); !strings.Contains(got, path("tls/cert.pem")) || !strings.Contains(got, path("tls/hosts-ca.pem")) {
			t.Errorf("with %q", got)
		}
		if key() != first {
			t.Error("the certificate was made anew without need")
		}
	}
	// Of another cloud: after gostack restore, say.
	d.hosts = &hosts.Service{DB: storetest.SQLite(t, hosts.Migrations), Region: "R"}
	if err := d.open(t.Context()); err != nil || key() == first {
		t.Errorf("another cloud's certificate is kept: %v", err)
	}
	// What somebody else has set stays, and is told when hosts cannot use it.
	sbctl("del-ssl", "--", "set-connection", "ptcp:16642:127.0.0.1")
	if err := d.open(t.Context()); err == nil || !strings.Contains(err.Error(), "ptcp:16642") {
		t.Errorf("somebody else's connection: %v", err)
	}
	sbctl("set-ssl", "/etc/key.pem", "/etc/cert.pem", "/etc/ca.pem")
	if err := d.open(t.Context()); err != nil || !strings.Contains(sbctl("get-ssl"), "/etc/key.pem") {
		t.Errorf("somebody else's certificate: %v", err)
	}
	for address, want := range map[string]string{"unix:/run/ovn/ovnsb_db.sock": "ssl:10.0.0.1:6642", "ssl:10.0.0.9:6642": "ssl:10.0.0.9:6642"} {
		if got := southboundForHosts(address, "10.0.0.1"); got != want {
			t.Errorf("hosts are told %s for %s", got, address)
		}
	}
}
