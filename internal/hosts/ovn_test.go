package hosts_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"gostack/internal/app"
	"gostack/internal/cloudca"
	"gostack/internal/engine/ovsdb"
	"gostack/internal/engine/ovsdb/nb"
	"gostack/internal/engine/ovsdb/sb"
	"gostack/internal/hosts"
	"gostack/internal/hosts/member"
	"gostack/internal/store/storetest"
	"gostack/test/machine"
)

// central is OVN's central part, as an operator sets it up: on unix sockets for northd, by TLS for everybody else.
type central struct {
	t   *testing.T
	dir string
	// nb and sb are the addresses for others.
	nb, sb string
}

func startCentral(t *testing.T, s *hosts.Service) *central {
	t.Helper()
	for _, p := range []string{"ovsdb-server", "ovsdb-tool", "ovn-northd", "ovn-sbctl", "ovn-nbctl"} {
		if _, err := exec.LookPath(p); err != nil {
			machine.Missing(t, "NOT TESTED with OVN's databases: "+p+" is not installed (Debian package ovn-central)")
		}
	}
	dir, err := os.MkdirTemp("", "ovn") // short enough for unix sockets
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	c := &central{t: t, dir: dir}
	for _, d := range []struct{ short, name string }{{"nb", "OVN_Northbound"}, {"sb", "OVN_Southbound"}} {
		c.run("ovsdb-tool", "create", c.path(d.short+".db"), "/usr/share/ovn/ovn-"+d.short+".ovsschema")
		c.daemon(d.short, "ovsdb-server", c.path(d.short+".db"), "--remote=punix:"+c.path(d.short+".sock"), "--remote=db:"+d.name+","+strings.ToUpper(d.short)+"_Global,connections",
			"--private-key=db:"+d.name+",SSL,private_key", "--certificate=db:"+d.name+",SSL,certificate", "--ca-cert=db:"+d.name+",SSL,ca_cert")
	}
	c.daemon("northd", "ovn-northd", "--ovnnb-db=unix:"+c.path("nb.sock"), "--ovnsb-db=unix:"+c.path("sb.sock"))
	made, err := s.OVNServer(t.Context(), hosts.ServerLife)
	if err != nil {
		t.Fatal(err)
	}
	if err := app.WriteOVNServer(c.path("tls"), made); err != nil {
		t.Fatal(err)
	}
	f := func(name string) string { return c.path("tls/" + name) }
	// What gostack ovn certificate says, with ports of the kernel's choice.
	c.run("ovn-sbctl", "--db=unix:"+c.path("sb.sock"), "set-ssl", f("key.pem"), f("cert.pem"), f("hosts-ca.pem"))
	c.run("ovn-sbctl", "--db=unix:"+c.path("sb.sock"), "set-connection", "role=ovn-controller", "pssl:0:127.0.0.1")
	c.run("ovn-nbctl", "--db=unix:"+c.path("nb.sock"), "set-ssl", f("key.pem"), f("cert.pem"), f("control-ca.pem"))
	c.run("ovn-nbctl", "--db=unix:"+c.path("nb.sock"), "set-connection", "pssl:0:127.0.0.1")
	c.nb, c.sb = c.bound("nb"), c.bound("sb")
	return c
}

func (c *central) path(name string) string { return filepath.Join(c.dir, name) }

func (c *central) run(argv ...string) string {
	c.t.Helper()
	out, err := exec.CommandContext(c.t.Context(), argv[0], argv[1:]...).CombinedOutput()
	if err != nil {
		c.t.Fatalf("%s: %v\n%s", strings.Join(argv, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

func (c *central) daemon(name string, argv ...string) {
	c.t.Helper()
	pid := c.path(name + ".pid")
	c.run(append(argv, "--pidfile="+pid, "--unixctl="+c.path(name+".ctl"), "--log-file="+c.path(name+".log"), "--verbose=console:off", "--detach", "--no-chdir")...)
	c.t.Cleanup(func() {
		text, err := os.ReadFile(pid)
		if n, bad := strconv.Atoi(strings.TrimSpace(string(text))); err == nil && bad == nil {
			_ = syscall.Kill(n, syscall.SIGKILL)
		}
	})
}

// bound is where a database listens by TLS.
func (c *central) bound(short string) string {
	c.t.Helper()
	var port string
	c.until("ovn-"+short+" listens", func() bool {
		out, err := exec.CommandContext(c.t.Context(), "ovn-"+short+"ctl", "--db=unix:"+c.path(short+".sock"), "get", "connection", ".", "status:bound_port").Output()
		port = strings.Trim(strings.TrimSpace(string(out)), `"`)
		return err == nil && port != ""
	})
	return "ssl:127.0.0.1:" + port
}

func (c *central) until(what string, ok func() bool) {
	c.t.Helper()
	for end := time.Now().Add(3 * time.Minute); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			c.t.Fatal("not in time: " + what)
		}
	}
}

// row is the first row of the southbound database that a command of ovn-sbctl names.
func (c *central) row(args ...string) string {
	c.t.Helper()
	return strings.Fields(c.run(append([]string{"ovn-sbctl", "--db=unix:" + c.path("sb.sock"), "--bare", "--columns=_uuid"}, args...)...))[0]
}

// as runs ovn-sbctl as the holder of files does.
func (c *central) as(f member.OVNFiles, args ...string) (string, error) {
	argv := []string{"--timeout=120", "--db=" + c.sb, "--private-key=" + f.Key, "--certificate=" + f.Certificate, "--ca-cert=" + f.CA}
	out, err := exec.CommandContext(c.t.Context(), "ovn-sbctl", append(argv, args...)...).CombinedOutput()
	return string(out), err
}

// TestSouthboundRoles: with its certificate a host writes its own chassis in OVN's southbound database, and nothing of another's, no flow and no setting. Without
// one, or with another cloud's, nobody gets in; and no host gets into the northbound database. Control removes a chassis that is no more.
func TestSouthboundRoles(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t, hosts.Migrations))
	c := startCentral(t, w.Service)
	files, members := map[string]member.OVNFiles{}, map[string]*member.Member{}
	for _, name := range []string{"a", "b"} {
		o := w.machine(w.token(name))
		if _, err := w.join(o); err != nil {
			t.Fatal(err)
		}
		files[name] = member.OVN(o.Dir)
		_, members[name] = w.host(o)
	}
	c.until("northd has made the roles", func() bool {
		return c.run("ovn-sbctl", "--db=unix:"+c.path("sb.sock"), "--bare", "--columns=name", "list", "RBAC_Role") == "ovn-controller"
	})
	c.run("ovn-nbctl", "--db=unix:"+c.path("nb.sock"), "--wait=sb", "ls-add", "net", "--", "lsp-add", "net", "port", "--", "lsp-set-addresses", "port", "02:00:00:00:00:01 10.0.0.2")
	// Its own.
	for name, ip := range map[string]string{"a": "127.0.0.1", "b": "127.0.0.2"} {
		for _, args := range [][]string{
			{"chassis-add", name, "geneve", ip}, {"create", "Chassis_Private", "name=" + name}, {"set", "Chassis", name, "external_ids:x=1"}, {"set", "Chassis_Private", name, "external_ids:x=1"},
		} {
			if out, err := c.as(files[name], args...); err != nil {
				t.Errorf("%s may not %v: %v %s", name, args, err, out)
			}
		}
	}
	if out, err := c.as(files["a"], "lsp-bind", "port", "a"); err != nil {
		t.Errorf("a may not claim a port: %v %s", err, out)
	}

	// Not its own. What northd makes of the port that is up now is there, and stays.
	c.run("ovn-nbctl", "--db=unix:"+c.path("nb.sock"), "--wait=sb", "sync")
	flow := c.row("list", "Logical_Flow")
	for _, args := range [][]string{
		{"chassis-del", "a"},
		{"set", "Chassis", "a", "hostname=b"},
		{"set", "Chassis", "a", "external_ids:x=2"},
		{"set", "Chassis_Private", "a", "nb_cfg=7"},
		{"destroy", "Chassis_Private", "a"},
		{"chassis-add", "c", "geneve", "127.0.0.3"},
		{"create", "Chassis", "name=c"},
		{"set", "Encap", ".", "ip=127.0.0.9"},
		{"set", "Port_Binding", "port", `mac="02:00:00:00:00:02 10.0.0.3"`},
		{"set", "Port_Binding", "port", "port_security=any"},
		{"set", "Port_Binding", "port", "logical_port=other"},
		{"destroy", "Port_Binding", "port"},
		{"destroy", "Logical_Flow", flow},
		{"set", "Logical_Flow", flow, "actions=drop"},
		{"destroy", "Datapath_Binding", "."},
		{"set", "SB_Global", ".", "nb_cfg=99"},
		{"set-connection", "ptcp:16643"},
		{"del-ssl"},
		{"destroy", "RBAC_Role", "ovn-controller"},
		{"set", "Connection", ".", `role=""`},
	} {
		if args[0] == "set" && args[1] == "Encap" {
			args[2] = c.row("find", "Encap", "chassis_name=a")
		}
		if out, err := c.as(files["b"], args...); err == nil || !strings.Contains(out, "permission error") {
			t.Errorf("b may %v: %v %s", args, err, out)
		}
	}

	// Nobody without a certificate of this cloud; and nobody with one of a host where control writes what there is.
	stranger := newWorld(t, storetest.SQLite(t, hosts.Migrations))
	o := stranger.machine(stranger.token("a"))
	if _, err := stranger.join(o); err != nil {
		t.Fatal(err)
	}
	foreign := member.OVN(o.Dir)
	foreign.CA = files["a"].CA
	if out, err := c.as(foreign, "--timeout=5", "show"); err == nil { // which tries again until then
		t.Errorf("another cloud's host is let in: %s", out)
	}
	if out, err := exec.CommandContext(t.Context(), "ovn-sbctl", "--timeout=3", "--db="+strings.Replace(c.sb, "ssl:", "tcp:", 1), "show").CombinedOutput(); err == nil {
		t.Errorf("somebody without a certificate is let in: %s", out)
	}
	for who, config := range map[string]*tls.Config{"host": members["a"].SouthboundTLS(), "nobody": {InsecureSkipVerify: true, MinVersion: tls.VersionTLS12}} { //nolint:gosec // what an attacker does
		if err := answers(c.nb, config); err == nil {
			t.Errorf("%s is let into the northbound database", who)
		}
	}
	// A server that is none: signed by the cloud, as every host is, and not by the authority of OVN's servers.
	impostor := tls.Config{MinVersion: tls.VersionTLS12, ClientAuth: tls.RequestClientCert}
	pair, err := tls.LoadX509KeyPair(files["b"].Certificate, files["b"].Key)
	if err != nil {
		t.Fatal(err)
	}
	impostor.Certificates = []tls.Certificate{pair}
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &impostor)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	go func() {
		if conn, err := listener.Accept(); err == nil {
			_ = conn.(*tls.Conn).HandshakeContext(t.Context())
			_ = conn.Close()
		}
	}()
	if conn, err := tls.Dial("tcp", listener.Addr().String(), members["a"].SouthboundTLS()); !errors.Is(err, cloudca.ErrForeign) {
		if err == nil {
			_ = conn.Close()
		}
		t.Errorf("a host that plays OVN's database: %v", err)
	}

	// Control.
	if err := c.canRead(nb.Database, c.nb, w.NorthboundTLS(), &nb.LogicalSwitch{}); err != nil {
		t.Errorf("control and the northbound database: %v", err)
	}
	if err := answers(c.nb, w.NorthboundTLS()); err != nil {
		t.Errorf("control gets no answer: %v", err)
	}
	for _, config := range []*tls.Config{w.SouthboundTLS(), members["a"].SouthboundTLS()} {
		if err := c.canRead(sb.Database, c.sb, config, &sb.Chassis{}); err != nil {
			t.Errorf("the southbound database: %v", err)
		}
	}
	// Even control only in the name of the chassis.
	if err := c.removeChassis("a", w.SouthboundTLS()); err == nil {
		t.Error("control's own certificate removes a chassis")
	}
	if err := c.removeChassis("a", w.ChassisTLS("a")); err != nil {
		t.Errorf("control does not get rid of a chassis: %v", err)
	}
	if left := c.run("ovn-sbctl", "--db=unix:"+c.path("sb.sock"), "--bare", "--columns=name", "list", "Chassis"); left != "b" {
		t.Errorf("left is %q", left)
	}

	// A new certificate of the servers counts without a restart.
	before := c.serverCertificate(members["a"])
	made, err := w.OVNServer(t.Context(), hosts.ServerLife)
	if err != nil {
		t.Fatal(err)
	}
	if err := app.WriteOVNServer(c.path("tls"), made); err != nil {
		t.Fatal(err)
	}
	c.until("the new certificate is shown", func() bool { return c.serverCertificate(members["a"]) != before })
}

func (c *central) client(database, address string, config *tls.Config, rows ...ovsdb.Row) *ovsdb.Client {
	var tables []ovsdb.Table
	for _, r := range rows {
		tables = append(tables, ovsdb.Table{Row: r})
	}
	client := ovsdb.Open(ovsdb.Config{Database: database, Endpoints: []string{address}, TLS: config, Tables: tables})
	c.t.Cleanup(client.Close)
	return client
}

// answers asks a server for anything, and tells why it does not say.
func answers(address string, config *tls.Config) error {
	conn, err := (&tls.Dialer{NetDialer: &net.Dialer{Timeout: time.Minute}, Config: config}).Dial("tcp", strings.TrimPrefix(address, "ssl:"))
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		return err
	}
	if _, err := conn.Write([]byte(`{"method":"list_dbs","params":[],"id":1}`)); err != nil {
		return err
	}
	_, err = conn.Read(make([]byte, 1))
	return err
}

// canRead tells why not.
func (c *central) canRead(database, address string, config *tls.Config, row ovsdb.Row) error {
	client := c.client(database, address, config, row)
	ctx, cancel := context.WithTimeout(c.t.Context(), 2*time.Minute)
	defer cancel()
	return client.Ready(ctx)
}

func (c *central) removeChassis(name string, config *tls.Config) error {
	client := c.client(sb.Database, c.sb, config, &sb.Chassis{}, &sb.ChassisPrivate{})
	chassis, err := ovsdb.List(c.t.Context(), client, func(row *sb.Chassis) bool { return row.Name == name })
	if err != nil || len(chassis) != 1 {
		return fmt.Errorf("%d chassis, %w", len(chassis), err)
	}
	private, err := ovsdb.List(c.t.Context(), client, func(row *sb.ChassisPrivate) bool { return row.Name == name })
	if err != nil || len(private) != 1 {
		return fmt.Errorf("%d private chassis, %w", len(private), err)
	}
	return client.Transact(c.t.Context(), ovsdb.Delete("Chassis", chassis[0].UUID), ovsdb.Delete("Chassis_Private", private[0].UUID))
}

// serverCertificate is the serial number of what the southbound database shows.
func (c *central) serverCertificate(m *member.Member) string {
	conn, err := tls.Dial("tcp", strings.TrimPrefix(c.sb, "ssl:"), m.SouthboundTLS())
	if err != nil {
		c.t.Fatal(err)
	}
	defer conn.Close()
	return conn.ConnectionState().PeerCertificates[0].SerialNumber.String()
}

// TestMembersThatJoinedBeforeOVNHadTLS get at once what they need for it.
func TestMembersThatJoinedBeforeOVNHadTLS(t *testing.T) {
	w := newWorld(t, storetest.Either(t, hosts.Migrations))
	o := w.machine(w.token("a"))
	if _, err := w.join(o); err != nil {
		t.Fatal(err)
	}
	f := member.OVN(o.Dir)
	if err := os.Remove(f.CA); err != nil {
		t.Fatal(err)
	}
	l, m := w.host(o)
	w.clock.advance(time.Minute) // long before the certificate is due
	long := time.Now().Add(-time.Hour)
	for _, file := range []string{f.Key, f.Certificate} {
		if err := os.Chtimes(file, long, long); err != nil {
			t.Fatal(err)
		}
	}
	if err := m.Look(t.Context(), l); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{f.Key, f.Certificate, f.CA} { // key and certificate: Open vSwitch reads them again when both are new
		info, err := os.Stat(file)
		if err != nil {
			t.Fatal(err)
		}
		if info.ModTime().Equal(long) || info.Mode().Perm() != 0o600 {
			t.Errorf("%s is of %s, mode %v", file, info.ModTime(), info.Mode())
		}
	}
	// And then not again until it is due.
	before := m.Until()
	w.clock.advance(time.Minute)
	if err := m.Look(t.Context(), l); err != nil || !m.Until().Equal(before) {
		t.Errorf("renewed again: %v, %v", m.Until(), err)
	}
}
