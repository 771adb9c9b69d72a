// Package replicas tests a cloud of several control processes: real processes of the real program on PostgreSQL and RabbitMQ, with simulated hosts, that are
// killed while they work.
package replicas

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"gostack/internal/bus/amqp"
	"gostack/internal/bus/amqp/rabbittest"
	"gostack/internal/saga"
	"gostack/internal/store/storetest"
	"gostack/test/freeport"
)

func TestMain(m *testing.M) {
	code := m.Run()
	rabbittest.Close()
	_ = os.RemoveAll(built)
	os.Exit(code)
}

// built is the directory of the program.
var built string

// build makes the program once.
var build = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "gostack-replicas-")
	if err != nil {
		return "", err
	}
	built = dir
	bin := filepath.Join(dir, "gostack")
	cmd := exec.Command("go", "build", "-o", bin, "gostack/cmd/gostack")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return bin, nil
})

// process is a gostack that can be killed and started again.
type process struct {
	t            *testing.T
	bin, dir     string
	name, listen string
	roles        []string
	child        *exec.Cmd
	exited       chan struct{}
}

func (p *process) config() string { return filepath.Join(p.dir, "gostack.yaml") }

func (p *process) log() string {
	b, _ := os.ReadFile(filepath.Join(p.dir, "log.json"))
	return string(b[max(0, len(b)-6000):])
}

func (p *process) start(env ...string) {
	p.t.Helper()
	log, err := os.OpenFile(filepath.Join(p.dir, "log.json"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		p.t.Fatal(err)
	}
	cmd := exec.Command(p.bin, append(append([]string{"run"}, p.roles...), "--config", p.config())...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Env = append(os.Environ(), env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	exited, started := make(chan struct{}), make(chan error)
	go func() {
		runtime.LockOSThread() // the death signal follows the thread that started the child
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait()
			_ = log.Close()
			close(exited)
		}
	}()
	if err := <-started; err != nil {
		p.t.Fatal(err)
	}
	p.child, p.exited = cmd, exited
}

func (p *process) runs() bool {
	select {
	case <-p.exited:
		return false
	default:
		return true
	}
}

func (p *process) kill() {
	_ = p.child.Process.Kill()
	<-p.exited
}

// ready waits until the APIs answer.
func (p *process) ready() {
	p.t.Helper()
	p.eventually("answers", func() bool {
		if !p.runs() {
			p.t.Fatalf("%s ended:\n%s", p.name, p.log())
		}
		resp, err := http.Get("http://" + p.listen + "/v3")
		if err != nil {
			return false
		}
		return resp.Body.Close() == nil
	})
}

func (p *process) eventually(what string, cond func() bool) {
	p.t.Helper()
	for deadline := time.Now().Add(6 * time.Minute); !cond(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			p.t.Fatalf("%s: not within six minutes: %s\n%s", p.name, what, p.log())
		}
	}
}

// run calls the command line beside the process.
func (p *process) run(args ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(p.t.Context(), 5*time.Minute)
	defer cancel()
	return exec.CommandContext(ctx, p.bin, append(args, "--config", p.config(), "-o", "json")...).Output()
}

// why returns the stories of a resource.
func (p *process) why(id string) []saga.Story {
	p.t.Helper()
	out, err := p.run("why", id)
	var stories []saga.Story
	if err == nil {
		err = json.Unmarshal(out, &stories)
	}
	if err != nil {
		p.t.Fatalf("why %s: %v", id, err)
	}
	return stories
}

// cloud is two control processes and one of simulated hosts.
type cloud struct {
	t        *testing.T
	pg       *storetest.Server
	controls []*process
	hosts    *process
	token    string
	password string
	project  string

	image, flavor, network string
}

func freeAddress(t *testing.T) string {
	t.Helper()
	address, err := freeport.Address()
	if err != nil {
		t.Fatal(err)
	}
	return address
}

// newCloud starts everything, both control processes at the same moment on an empty database; or one after the other when change has made the programs differ.
func newCloud(t *testing.T, change ...func(*process)) *cloud {
	t.Helper()
	pg := storetest.NewServer(t)
	broker := rabbittest.Start(t)
	bin, err := build()
	if err != nil {
		t.Fatal(err)
	}
	vhost := broker.NewVHost(t)
	shared := t.TempDir()
	database := pg.Database()
	c := &cloud{t: t, pg: pg}
	newProcess := func(name string, more string, roles ...string) *process {
		p := &process{t: t, bin: bin, dir: t.TempDir(), name: name, listen: freeAddress(t), roles: roles}
		text := fmt.Sprintf(`host: %s
database: %q
state_dir: %s
run_dir: %s
log_dir: %s
listen: %s
public_url: http://%s
hostlink_listen: %s
bus: %q
%skeystone: {bcrypt_cost: 4}
nova: {compute_driver: simulated, simulated_hosts: 3, simulated_network: %s}
`, name, database, p.dir, p.dir, p.dir, p.listen, p.listen, freeAddress(t), broker.URL(amqp.ControlUser, "pw-of-control", vhost), more, filepath.Join(shared, "network"))
		if err := os.WriteFile(p.config(), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if p.child != nil {
				p.kill()
			}
			if t.Failed() {
				t.Logf("the last of %s:\n%s", name, p.log())
			}
		})
		return p
	}
	admin := fmt.Sprintf("bus_admin: %q\n", "http://"+url.UserPassword(broker.User, broker.Password).String()+"@"+broker.ManagementAddr)
	c.controls = []*process{newProcess("control-1", admin, "control"), newProcess("control-2", admin, "control")}
	c.hosts = newProcess("hosts", "", "nova-compute")
	for _, p := range append(c.controls[:2:2], c.hosts) {
		for _, f := range change {
			f(p)
		}
	}
	for _, p := range c.controls {
		p.start()
		if len(change) > 0 {
			p.ready()
		}
	}
	c.hosts.start()
	for _, p := range c.controls {
		p.ready()
	}
	for _, p := range c.controls { // one of them has made the administrator
		if b, err := os.ReadFile(filepath.Join(p.dir, "keystone", "admin-password")); err == nil {
			if c.password != "" {
				t.Error("both replicas have made an administrator")
			}
			c.password = strings.TrimSpace(string(b))
		}
	}
	c.login(c.controls[0])
	c.image = c.make(c.controls[0], "/image/v2/images", "", m{"name": "i", "disk_format": "raw", "container_format": "bare", "visibility": "public"})
	if code, _ := c.send(c.controls[0], http.MethodPut, "/image/v2/images/"+c.image+"/file", []byte(strings.Repeat("x", 4096))); code != http.StatusNoContent {
		t.Fatalf("upload: %d", code)
	}
	c.flavor = c.make(c.controls[1], "/compute/v2.1/flavors", "flavor", m{"flavor": m{"name": "f", "ram": 64, "vcpus": 1, "disk": 1}})
	c.send(c.controls[0], http.MethodPut, "/compute/v2.1/os-quota-sets/"+c.project, m{"quota_set": m{"instances": -1, "cores": -1, "ram": -1}})
	c.network = c.make(c.controls[1], "/network/v2.0/networks", "network", m{"network": m{"name": "n"}})
	c.make(c.controls[0], "/network/v2.0/subnets", "subnet", m{"subnet": m{"network_id": c.network, "ip_version": 4, "cidr": "10.0.0.0/22"}})
	c.hosts.eventually("the hosts are known", func() bool {
		var list struct {
			Hypervisors []struct{ ID any } `json:"hypervisors"`
		}
		_, body := c.send(c.controls[0], http.MethodGet, "/compute/v2.1/os-hypervisors", nil)
		if json.Unmarshal(body, &list) != nil || len(list.Hypervisors) != 3 {
			return false
		}
		// What they have to give is told to Placement a moment later.
		var providers struct {
			All []struct{ UUID string } `json:"resource_providers"`
		}
		_, body = c.send(c.controls[0], http.MethodGet, "/placement/resource_providers", nil)
		return json.Unmarshal(body, &providers) == nil && len(providers.All) == 3
	})
	return c
}

type m = map[string]any

func (c *cloud) login(p *process) {
	c.t.Helper()
	body := m{"auth": m{
		"identity": m{"methods": []string{"password"}, "password": m{"user": m{"name": "admin", "domain": m{"id": "default"}, "password": c.password}}},
		"scope":    m{"project": m{"name": "admin", "domain": m{"id": "default"}}},
	}}
	b, _ := json.Marshal(body)
	resp, err := http.Post("http://"+p.listen+"/identity/v3/auth/tokens", "application/json", bytes.NewReader(b))
	if err != nil {
		c.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	var answer struct {
		Token struct{ Project struct{ ID string } }
	}
	_ = json.NewDecoder(resp.Body).Decode(&answer)
	c.project = answer.Token.Project.ID
	if c.token = resp.Header.Get("X-Subject-Token"); c.token == "" {
		c.t.Fatalf("login: %s", resp.Status)
	}
}

// send makes a request; code 0 is a connection that broke, as when the process died.
func (c *cloud) send(p *process, method, path string, body any) (int, []byte) {
	c.t.Helper()
	var text []byte
	kind := "application/json"
	switch b := body.(type) {
	case nil:
	case []byte:
		text, kind = b, "application/octet-stream"
	default:
		text, _ = json.Marshal(b)
	}
	r, err := http.NewRequestWithContext(c.t.Context(), method, (&url.URL{Scheme: "http", Host: p.listen}).String()+path, bytes.NewReader(text))
	if err != nil {
		c.t.Fatal(err)
	}
	r.Header.Set("Content-Type", kind)
	r.Header.Set("X-Auth-Token", c.token)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, nil
	}
	defer func() { _ = resp.Body.Close() }()
	answer, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, answer
}

func (c *cloud) make(p *process, path, key string, body any) string {
	c.t.Helper()
	code, answer := c.send(p, http.MethodPost, path, body)
	if code >= 300 || code == 0 {
		c.t.Fatalf("POST %s: %d %s", path, code, answer)
	}
	return id(answer, key)
}

func id(answer []byte, key string) string {
	raw := json.RawMessage(answer)
	if key != "" {
		var outer map[string]json.RawMessage
		_ = json.Unmarshal(answer, &outer)
		raw = outer[key]
	}
	var made struct{ ID string }
	_ = json.Unmarshal(raw, &made)
	return made.ID
}

func (c *cloud) boot(p *process, name string) (int, string) {
	c.t.Helper()
	code, answer := c.send(p, http.MethodPost, "/compute/v2.1/servers", m{"server": m{"name": name, "imageRef": c.image, "flavorRef": c.flavor, "networks": []m{{"uuid": c.network}}}})
	return code, id(answer, "server")
}

// find looks for a server by name, whose creation was perhaps not answered.
func (c *cloud) find(p *process, name string) string {
	c.t.Helper()
	var list struct{ Servers []struct{ ID, Name string } }
	_, body := c.send(p, http.MethodGet, "/compute/v2.1/servers?name=^"+name+"$", nil)
	if json.Unmarshal(body, &list) != nil || len(list.Servers) == 0 {
		return ""
	}
	return list.Servers[0].ID
}

func (c *cloud) status(p *process, server string) string {
	c.t.Helper()
	code, body := c.send(p, http.MethodGet, "/compute/v2.1/servers/"+server, nil)
	var got struct{ Server struct{ Status string } }
	_ = json.Unmarshal(body, &got)
	if code == http.StatusNotFound {
		return "gone"
	}
	return got.Server.Status
}

func (c *cloud) await(p *process, server, status string) {
	c.t.Helper()
	last := ""
	p.eventually("server "+server+" is "+status, func() bool {
		if last = c.status(p, server); last == "ERROR" && status != "ERROR" {
			c.t.Fatalf("server %s is in ERROR: %+v", server, p.why(server))
		}
		return last == status
	})
}

// clean waits until nothing is under way and the audits of all replicas find nothing.
func (c *cloud) clean() {
	c.t.Helper()
	for _, p := range c.controls {
		var out []byte
		var err error
		p.eventually("the audit finds nothing", func() bool { out, err = p.run("audit"); return err == nil })
		if err != nil {
			c.t.Errorf("audit on %s: %v: %s", p.name, err, out)
		}
	}
}
