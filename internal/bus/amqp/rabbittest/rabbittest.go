// Package rabbittest runs a private RabbitMQ for the tests of one binary: a child process with its own data, node name, ports on
// loopback and Erlang port mapper, in its own process namespace, so that nothing of it survives the tests, however they end.
//
// A machine without RabbitMQ skips the tests, loudly; with GOSTACK_REQUIRE=all they fail.
package rabbittest

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"gostack/test/freeport"
)

// program is what Debian's wrapper calls; the wrapper itself wants to become another user.
const program = "/usr/lib/rabbitmq/bin/rabbitmq-server"

// startTimeout is for a busy machine; five seconds are usual.
const startTimeout = 3 * time.Minute

// Broker is a running RabbitMQ with its management plugin, and an administrator.
type Broker struct {
	Addr, TLSAddr, ManagementAddr string // 127.0.0.1:port
	User, Password                string // of the administrator
	// CAFile signed the certificate of the TLS listener, which is for the name localhost, not for the address; ClientCert, whose key is
	// ClientKey, is signed by it too.
	CAFile, ClientCert, ClientKey string

	dir   string
	env   []string
	last  atomic.Int64
	mu    sync.Mutex
	child *child
}

type child struct {
	cmd   *exec.Cmd
	stdin io.WriteCloser
	done  chan struct{}
}

var (
	shared  = sync.OnceValues(newBroker)
	running atomic.Pointer[Broker]
)

// Start returns the broker of this test binary, running.
func Start(t testing.TB) *Broker {
	t.Helper()
	b, err := shared()
	if err != nil {
		if os.Getenv("GOSTACK_REQUIRE") == "all" {
			t.Fatalf("RabbitMQ is required here: %v", err)
		}
		t.Skipf("NOT TESTED with RabbitMQ: %v", err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.child == nil {
		if err := b.launch(); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

// Close ends the broker of this test binary, if there is one; for TestMain.
func Close() {
	b := running.Load()
	if b == nil {
		return
	}
	b.Kill()
	http.DefaultClient.CloseIdleConnections()
	_ = os.RemoveAll(b.dir)
}

func newBroker() (*Broker, error) {
	dir, err := newDir()
	if err != nil {
		return nil, err
	}
	ports, err := freeport.Ports(5)
	if err != nil {
		return nil, err
	}
	b := &Broker{User: "administrator", Password: rand.Text(), dir: dir}
	if err := b.prepare(node{name: "gostack" + ports[0] + "@localhost", home: dir, ports: ports[:4], epmd: ports[4]}); err != nil {
		return nil, err
	}
	running.Store(b)
	return b, nil
}

// newDir makes a directory for a broker's data, when there is a RabbitMQ to use it.
func newDir() (string, error) {
	if _, err := os.Stat(program); err != nil {
		return "", errors.New("no " + program + "; install Debian's package rabbitmq-server")
	}
	removeStale()
	dir, err := os.MkdirTemp("", "gostack-rabbit-")
	if err != nil {
		return "", err
	}
	return dir, os.WriteFile(filepath.Join(dir, "owner"), []byte(strconv.Itoa(os.Getpid())), 0o600)
}

// node is what tells one broker from another.
type node struct {
	name, home string
	ports      []string // AMQP, AMQP over TLS, management, other nodes
	epmd       string   // port of the Erlang port mapper
	peers      []string // names of the nodes of its cluster
}

// prepare writes the broker's files into its directory.
func (b *Broker) prepare(n node) error {
	at := func(i int) string { return "127.0.0.1:" + n.ports[i] }
	b.Addr, b.TLSAddr, b.ManagementAddr = at(0), at(1), at(2)
	if err := b.certificates(); err != nil {
		return err
	}
	// The limits of disk and memory are absolute: the defaults are shares of a machine that is not ours.
	conf := fmt.Sprintf(`listeners.tcp.1 = %s
listeners.ssl.1 = %s
ssl_options.cacertfile = %s
ssl_options.certfile = %s
ssl_options.keyfile = %s
ssl_options.verify = verify_peer
ssl_options.fail_if_no_peer_cert = false
management.tcp.ip = 127.0.0.1
management.tcp.port = %s
collect_statistics_interval = 5000
default_user = %s
default_pass = %s
disk_free_limit.absolute = 10MB
vm_memory_high_watermark.absolute = 512MB
log.console = true
log.console.level = info
log.file = false
`, b.Addr, b.TLSAddr, b.CAFile, filepath.Join(b.dir, "server.pem"), filepath.Join(b.dir, "server.key"), n.ports[2], b.User, b.Password)
	if len(n.peers) > 0 {
		conf += "cluster_formation.peer_discovery_backend = classic_config\n"
	}
	for i, peer := range n.peers {
		conf += fmt.Sprintf("cluster_formation.classic_config.nodes.%d = %s\n", i+1, peer)
	}
	for name, text := range map[string]string{"rabbitmq.conf": conf, "plugins": "[rabbitmq_management].\n"} {
		if err := os.WriteFile(filepath.Join(b.dir, name), []byte(text), 0o600); err != nil {
			return err
		}
	}
	b.env = append(os.Environ(), "HOME="+n.home, "RABBITMQ_NODENAME="+n.name, "RABBITMQ_CONFIG_FILE="+filepath.Join(b.dir, "rabbitmq"),
		"RABBITMQ_MNESIA_BASE="+filepath.Join(b.dir, "mnesia"), "RABBITMQ_LOG_BASE="+filepath.Join(b.dir, "log"), "RABBITMQ_ENABLED_PLUGINS_FILE="+filepath.Join(b.dir, "plugins"),
		"RABBITMQ_CONF_ENV_FILE=/dev/null", "RABBITMQ_DIST_PORT="+n.ports[3], "ERL_EPMD_PORT="+n.epmd, "ERL_EPMD_ADDRESS=127.0.0.1",
		"RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=-kernel inet_dist_use_interface {127,0,0,1} +S 2:2 +sbwt none +sbwtdcpu none +sbwtdio none")
	return nil
}

// keeper is the first process of the broker's namespace: when it ends, everything in there does. It ends when this process does (its
// input closes), and a line on its input asks for an orderly stop.
const keeper = `"$0" </dev/null & pid=$!
if read -r line; then kill -TERM $pid; wait $pid; fi`

// apart prepares a daemon in a namespace of processes that ends with it.
func apart(program string, env []string, dir string) *exec.Cmd {
	argv := []string{"--pid", "--fork", "--kill-child", "--mount", "--mount-proc", "--propagation", "private"}
	if os.Getuid() != 0 {
		argv = append(argv, "--user", "--map-root-user")
	}
	cmd := exec.Command("unshare", append(argv, "sh", "-c", keeper, program)...)
	cmd.Env, cmd.Dir = env, dir
	return cmd
}

// launch starts the broker and waits until it takes connections. b.mu is held.
func (b *Broker) launch() error {
	cmd := apart(program, b.env, b.dir)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	c := &child{cmd: cmd, stdin: stdin, done: make(chan struct{})}
	log, err := os.OpenFile(filepath.Join(b.dir, "output"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	ready := make(chan struct{})
	go func() {
		defer close(c.done)
		defer log.Close()
		up := false
		for lines := bufio.NewScanner(stdout); lines.Scan(); {
			fmt.Fprintln(log, lines.Text())
			if !up && strings.Contains(lines.Text(), "Server startup complete") {
				up = true
				close(ready)
			}
		}
		_ = cmd.Wait()
	}()
	b.child = c
	timeout := time.NewTimer(startTimeout)
	defer timeout.Stop()
	select {
	case <-ready:
		return nil
	case <-c.done:
	case <-timeout.C:
	}
	b.end()
	said, _ := os.ReadFile(filepath.Join(b.dir, "output"))
	return fmt.Errorf("RabbitMQ did not start: %s", said[max(0, len(said)-4000):])
}

// end kills the broker at once.
func (b *Broker) end() {
	if b.child == nil {
		return
	}
	_ = b.child.cmd.Process.Kill()
	<-b.child.done
	b.child = nil
}

// Kill ends the broker at once, as a power cut does. Its data stays.
func (b *Broker) Kill() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.end()
}

// Stop ends the broker in an orderly way. Its data stays.
func (b *Broker) Stop() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.child == nil {
		return
	}
	fmt.Fprintln(b.child.stdin, "stop")
	select {
	case <-b.child.done:
		b.child = nil
	case <-time.After(30 * time.Second):
		b.end()
	}
}

// Restart starts the broker again with its data.
func (b *Broker) Restart(t testing.TB) {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.end()
	if err := b.launch(); err != nil {
		t.Fatal(err)
	}
}

// Log is what the broker has printed so far.
func (b *Broker) Log() string {
	said, _ := os.ReadFile(filepath.Join(b.dir, "output"))
	return string(said)
}

// URL is how user reaches a virtual host.
func (b *Broker) URL(user, password, vhost string) string {
	return (&url.URL{Scheme: "amqp", User: url.UserPassword(user, password), Host: b.Addr, Path: "/" + vhost}).String()
}

// TLSURL is the same over TLS; name is the host name to use, localhost or 127.0.0.1.
func (b *Broker) TLSURL(user, password, vhost, name string) string {
	_, port, _ := net.SplitHostPort(b.TLSAddr)
	return (&url.URL{Scheme: "amqps", User: url.UserPassword(user, password), Host: net.JoinHostPort(name, port), Path: "/" + vhost}).String()
}

// AdminURL is the management API, with the administrator's credentials. The path is the virtual host.
func (b *Broker) AdminURL(vhost string) string {
	return (&url.URL{Scheme: "http", User: url.UserPassword(b.User, b.Password), Host: b.ManagementAddr, Path: "/" + vhost}).String()
}

// NewVHost returns the name of a new virtual host, which is removed with the test.
func (b *Broker) NewVHost(t testing.TB) string {
	t.Helper()
	name := fmt.Sprint("test", b.last.Add(1))
	b.manage(t, http.MethodPut, "/api/vhosts/"+name)
	t.Cleanup(func() {
		if b.up() {
			b.manage(t, http.MethodDelete, "/api/vhosts/"+name)
		}
	})
	return name
}

func (b *Broker) up() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.child != nil
}

func (b *Broker) manage(t testing.TB, method, path string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, "http://"+b.ManagementAddr+path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth(b.User, b.Password)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode/100 != 2 && resp.StatusCode != http.StatusNotFound {
		t.Fatalf("%s %s: %s", method, path, resp.Status)
	}
}

// removeStale removes the directories of test processes that have ended.
func removeStale() {
	dirs, _ := filepath.Glob(filepath.Join(os.TempDir(), "gostack-rabbit-*"))
	for _, d := range dirs {
		owner, err := os.ReadFile(filepath.Join(d, "owner"))
		if err != nil {
			continue
		}
		if pid, err := strconv.Atoi(string(owner)); err == nil && errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
			_ = os.RemoveAll(d)
		}
	}
}
