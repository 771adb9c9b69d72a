package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestKilledAtEveryStep creates and deletes servers while gostack is killed, by SIGKILL, at every step boundary that a create and a delete
// pass; each time it is started again and must bring the work to an end that database and engines agree on.
func TestKilledAtEveryStep(t *testing.T) {
	if testing.Short() {
		t.Skip("long: boots a server for every step boundary")
	}
	c := up(t, "--bare")
	r := newREST(c)
	bystander := r.boot("bystander")
	r.await(bystander, "ACTIVE")
	uptime := func() string { return strings.TrimSpace(c.Run(t, "pgrep", "-f", "--", "-uuid "+bystander)) }
	before := uptime()

	// A walk that is not disturbed tells which boundaries there are.
	places := filepath.Join("/var/lib/gostack", "places")
	c.restart("GOSTACK_FAULTPOINT_LIST=" + places)
	r.login()
	id := r.boot("scout")
	r.await(id, "ACTIVE")
	r.do(http.MethodDelete, "/compute/v2.1/servers/"+id, nil, nil)
	r.await(id, "")
	b, err := os.ReadFile(c.Path(places))
	if err != nil {
		t.Fatal(err)
	}
	boundaries := strings.Split(strings.TrimSpace(string(b)), "\n")
	if len(boundaries) < 20 {
		t.Fatalf("only %d boundaries: %v", len(boundaries), boundaries)
	}
	for _, place := range boundaries {
		if !strings.HasPrefix(place, "saga:nova.server.create:") && !strings.HasPrefix(place, "saga:nova.server.delete:") || strings.HasSuffix(place, ":resumed") {
			continue
		}
		t.Run(place, func(t *testing.T) {
			c := c.on(t)
			r := r.on(c)
			c.restart("GOSTACK_FAULTPOINT=" + place)
			r.login()
			id := r.boot("victim")
			if strings.HasPrefix(place, "saga:nova.server.delete:") {
				if id == "" {
					t.Fatal("gostack did not answer the creation")
				}
				r.await(id, "ACTIVE")
				r.do(http.MethodDelete, "/compute/v2.1/servers/"+id, nil, nil)
			}
			c.eventually("gostack dies", func() bool { return !c.running() })
			c.restart()
			r.login()
			if id == "" {
				id = r.find("victim")
			}
			if strings.HasPrefix(place, "saga:nova.server.delete:") {
				r.await(id, "")
			} else {
				r.await(id, "ACTIVE")
				r.do(http.MethodDelete, "/compute/v2.1/servers/"+id, nil, nil)
				r.await(id, "")
			}
			c.clean()
		})
	}
	if after := uptime(); after != before || !slices.Contains([]string{"ACTIVE"}, r.status(bystander)) {
		t.Errorf("the bystander was disturbed: process %s, was %s, status %s", after, before, r.status(bystander))
	}
}

// restart ends gostack (if it lives) and starts it with an environment.
func (c *cloud) restart(env ...string) {
	c.t.Helper()
	if c.running() {
		c.kill("TERM")
	}
	bin, err := program()
	if err != nil {
		c.t.Fatal(err)
	}
	if out, errs, err := c.exec(env, bin, "up", "--bare"); err != nil {
		c.t.Fatalf("gostack up: %v\n%s\n%s", err, out, errs)
	}
}

func (c *cloud) pid() int {
	b, err := os.ReadFile(c.Path("/run/gostack/gostack.json"))
	var r struct{ PID int }
	if err != nil || json.Unmarshal(b, &r) != nil {
		return 0
	}
	return r.PID
}

// running looks for the process inside the machine, as gostack does; one that has ended but was not reaped does not run.
func (c *cloud) running() bool {
	b, err := os.ReadFile(c.Path(fmt.Sprintf("/proc/%d/stat", c.pid())))
	return err == nil && !strings.Contains(string(b), ") Z ")
}

// kill sends a signal to gostack and waits for its end.
func (c *cloud) kill(signal string) {
	c.t.Helper()
	c.Run(c.t, "kill", "-"+signal, fmt.Sprint(c.pid()))
	c.eventually("gostack ends", func() bool { return !c.running() })
}

// restClient speaks to the APIs without any client library, for tests that kill the server under it.
type restClient struct {
	c                      *cloud
	http                   *http.Client
	token                  string
	image, flavor, network string
}

func (r *restClient) on(c *cloud) *restClient { d := *r; d.c = c; return &d }

// newREST logs in as admin and makes an image, a flavor and a network.
func newREST(c *cloud) *restClient {
	r := &restClient{c: c, http: c.http()}
	r.login()
	var image struct{ ID string }
	r.do(http.MethodPost, "/image/v2/images", map[string]any{"name": "mini", "disk_format": "qcow2", "container_format": "bare", "visibility": "public"}, &image)
	f, err := os.Open(filepath.Join(root(), "build", "guest.qcow2"))
	if err != nil {
		c.t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	r.send(http.MethodPut, "/image/v2/images/"+image.ID+"/file", "application/octet-stream", f, nil)
	r.image = image.ID
	var flavor struct{ Flavor struct{ ID string } }
	r.do(http.MethodPost, "/compute/v2.1/flavors", map[string]any{"flavor": map[string]any{"name": "small", "ram": 128, "vcpus": 1, "disk": 1}}, &flavor)
	r.flavor = flavor.Flavor.ID
	var network struct{ Network struct{ ID string } }
	r.do(http.MethodPost, "/network/v2.0/networks", map[string]any{"network": map[string]any{"name": "n"}}, &network)
	r.network = network.Network.ID
	r.do(http.MethodPost, "/network/v2.0/subnets", map[string]any{"subnet": map[string]any{"network_id": r.network, "ip_version": 4, "cidr": "10.77.0.0/24"}}, nil)
	return r
}

func (r *restClient) login() {
	r.c.t.Helper()
	pass, err := os.ReadFile(r.c.Path("/var/lib/gostack/keystone/admin-password"))
	if err != nil {
		r.c.t.Fatal(err)
	}
	body := map[string]any{"auth": map[string]any{
		"identity": map[string]any{"methods": []string{"password"}, "password": map[string]any{"user": map[string]any{
			"name": "admin", "domain": map[string]any{"id": "default"}, "password": strings.TrimSpace(string(pass)),
		}}},
		"scope": map[string]any{"project": map[string]any{"name": "admin", "domain": map[string]any{"id": "default"}}},
	}}
	b, err := json.Marshal(body)
	if err != nil {
		r.c.t.Fatal(err)
	}
	r.c.eventually("log in", func() bool {
		resp, err := r.http.Post("http://127.0.0.1:5000/v3/auth/tokens", "application/json", bytes.NewReader(b))
		if err != nil {
			return false
		}
		_ = resp.Body.Close()
		r.token = resp.Header.Get("X-Subject-Token")
		return resp.StatusCode == http.StatusCreated
	})
}

func (r *restClient) do(method, path string, body, answer any) {
	r.c.t.Helper()
	var reader io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			r.c.t.Fatal(err)
		}
		reader = bytes.NewReader(b)
	}
	r.send(method, path, "application/json", reader, answer)
}

// send makes a request and wants a success, or nothing at all from a server that was killed while it answered: answer then stays as it was.
func (r *restClient) send(method, path, contentType string, body io.Reader, answer any) {
	r.c.t.Helper()
	req, err := http.NewRequestWithContext(context.Background(), method, "http://127.0.0.1:5000"+path, body)
	if err != nil {
		r.c.t.Fatal(err)
	}
	req.Header.Set("X-Auth-Token", r.token)
	req.Header.Set("Content-Type", contentType)
	req.Header.Set("OpenStack-API-Version", "compute 2.79")
	resp, err := r.http.Do(req)
	if err != nil {
		return
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return
	}
	if resp.StatusCode >= 300 {
		r.c.t.Fatalf("%s %s: %d %s", method, path, resp.StatusCode, b)
	}
	if answer != nil {
		if err := json.Unmarshal(b, answer); err != nil {
			r.c.t.Fatalf("%s %s: %v in %s", method, path, err, b)
		}
	}
}

// boot asks for a server and returns its id, which is "" when gostack died before it answered.
func (r *restClient) boot(name string) string {
	r.c.t.Helper()
	var s struct{ Server struct{ ID string } }
	r.do(http.MethodPost, "/compute/v2.1/servers", map[string]any{"server": map[string]any{
		"name": name, "imageRef": r.image, "flavorRef": r.flavor, "networks": []any{map[string]any{"uuid": r.network}},
	}}, &s)
	return s.Server.ID
}

// find is the id of the one server that has a name. A server whose creation was accepted is found, answered or not.
func (r *restClient) find(name string) string {
	r.c.t.Helper()
	var l struct{ Servers []struct{ ID string } }
	r.do(http.MethodGet, "/compute/v2.1/servers?name="+name, nil, &l)
	if len(l.Servers) != 1 {
		r.c.t.Fatalf("%d servers are named %s, want 1", len(l.Servers), name)
	}
	return l.Servers[0].ID
}

// status is a server's, or "" when it is gone; "?" when nobody answers.
func (r *restClient) status(id string) string {
	req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, "http://127.0.0.1:5000/compute/v2.1/servers/"+id, nil)
	if err != nil {
		return "?"
	}
	req.Header.Set("X-Auth-Token", r.token)
	resp, err := r.http.Do(req)
	if err != nil {
		return "?"
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode == http.StatusNotFound {
		return ""
	}
	var s struct {
		Server struct {
			Status string
			Fault  struct{ Message string }
		}
	}
	if json.NewDecoder(resp.Body).Decode(&s) != nil || resp.StatusCode != http.StatusOK {
		return "?"
	}
	if s.Server.Status == "ERROR" {
		return "ERROR: " + s.Server.Fault.Message
	}
	return s.Server.Status
}

// await waits for a status; an ERROR ends the wait.
func (r *restClient) await(id, want string) {
	r.c.t.Helper()
	last := ""
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if last = r.status(id); last == want {
			return
		}
		if strings.HasPrefix(last, "ERROR") {
			break
		}
	}
	bin, _ := program()
	why, _, _ := r.c.exec(nil, bin, "why", id)
	r.c.t.Fatalf("server %s is %q, want %q\n%s", id, last, want, why)
}
