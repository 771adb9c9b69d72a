package lab_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"golang.org/x/crypto/ssh"

	"gostack/test/api"
	"gostack/test/lab"
)

// walk is a tenant's walk through the lab.
type walk struct {
	*testing.T
	begin   time.Time
	lab     *lab.Lab
	api     *api.Client
	key     ssh.Signer
	image   string
	flavor  string
	network string
	public  string
}

type guest struct {
	id, name, host, fixed, floating string
}

func newWalk(t *testing.T, l *lab.Lab) *walk {
	w := &walk{T: t, begin: time.Now(), lab: l, api: api.New(l.Endpoint(), l.AdminPassword())}
	w.must(w.api.Login(t.Context()))
	_, private, err := ed25519.GenerateKey(rand.Reader)
	w.must(err)
	w.key, err = ssh.NewSignerFromKey(private)
	w.must(err)
	w.create("/compute/v2.1/os-keypairs", "keypair", map[string]any{"name": "walk", "public_key": string(ssh.MarshalAuthorizedKey(w.key.PublicKey()))})

	var image struct{ ID string }
	w.into(&image, http.MethodPost, "/image/v2/images", map[string]any{"name": "mini", "disk_format": "qcow2", "container_format": "bare", "visibility": "public"})
	data, err := os.Open(filepath.Join("..", "..", "build", "guest.qcow2"))
	w.must(err)
	w.do(http.MethodPut, "/image/v2/images/"+image.ID+"/file", data)
	w.must(data.Close())
	w.image = image.ID
	w.flavor = w.create("/compute/v2.1/flavors", "flavor", map[string]any{"name": "micro", "ram": 128, "vcpus": 1, "disk": 1})
	w.network = w.create("/network/v2.0/networks", "network", map[string]any{"name": "blue"})
	subnet := w.create("/network/v2.0/subnets", "subnet", map[string]any{"network_id": w.network, "ip_version": 4, "cidr": "10.77.0.0/24"})
	w.public = w.create("/network/v2.0/networks", "network", map[string]any{
		"name": "public", "router:external": true, "provider:network_type": "flat", "provider:physical_network": "physnet1",
	})
	w.create("/network/v2.0/subnets", "subnet", map[string]any{
		"network_id": w.public, "ip_version": 4, "cidr": lab.ProviderCIDR, "gateway_ip": lab.ProviderGateway, "enable_dhcp": false,
		"allocation_pools": []any{map[string]any{"start": "172.24.4.10", "end": "172.24.4.99"}},
	})
	router := w.create("/network/v2.0/routers", "router", map[string]any{"name": "r", "external_gateway_info": map[string]any{"network_id": w.public}})
	w.do(http.MethodPut, "/network/v2.0/routers/"+router+"/add_router_interface", map[string]any{"subnet_id": subnet})
	var groups struct {
		SecurityGroups []struct{ ID string } `json:"security_groups"`
	}
	var projects struct{ Projects []struct{ ID string } }
	w.into(&projects, http.MethodGet, "/v3/projects?name=admin", nil)
	w.into(&groups, http.MethodGet, "/network/v2.0/security-groups?name=default&project_id="+projects.Projects[0].ID, nil)
	for _, protocol := range []string{"tcp", "icmp"} {
		w.create("/network/v2.0/security-group-rules", "security_group_rule", map[string]any{"security_group_id": groups.SecurityGroups[0].ID, "direction": "ingress", "protocol": protocol})
	}
	return w
}

// tell says how far the walk is, and when.
func (w *walk) tell(format string, args ...any) {
	fmt.Fprintf(w.lab.Out, "%5.1f s  %s\n", time.Since(w.begin).Seconds(), fmt.Sprintf(format, args...))
}

func (w *walk) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func (w *walk) do(method, path string, body any) api.Answer {
	w.Helper()
	a, err := w.api.Do(w.Context(), method, path, body)
	w.must(err)
	if a.Status >= 300 {
		w.Fatalf("%s %s: %d %.500s", method, path, a.Status, a.Body)
	}
	return a
}

func (w *walk) into(v any, method, path string, body any) {
	w.Helper()
	w.must(w.do(method, path, body).Into(v))
}

func (w *walk) create(path, wrapper string, body map[string]any) string {
	w.Helper()
	id, err := w.api.Create(w.Context(), path, wrapper, body)
	w.must(err)
	return id
}

// boot asks for a server on a host, or anywhere.
func (w *walk) boot(name, host string) *guest {
	w.Helper()
	body := map[string]any{"name": name, "imageRef": w.image, "flavorRef": w.flavor, "key_name": "walk", "networks": []any{map[string]any{"uuid": w.network}}}
	if host != "" {
		body["availability_zone"] = "nova:" + host
	}
	return &guest{id: w.create("/compute/v2.1/servers", "server", body), name: name}
}

// view of a server in the API.
type view struct {
	Status    string
	Host      string  `json:"OS-EXT-SRV-ATTR:host"`
	Task      *string `json:"OS-EXT-STS:task_state"`
	Fault     struct{ Message string }
	Addresses map[string][]struct{ Addr string }
}

// await waits until a server has a status; "" means that it is gone.
func (w *walk) await(g *guest, status string) {
	w.Helper()
	var last view
	w.eventually(fmt.Sprintf("server %s is %q", g.name, status), func() error {
		var body struct{ Server view }
		ok, err := w.api.Get(w.Context(), "/compute/v2.1/servers/"+g.id, &body)
		w.must(err)
		last = body.Server
		switch {
		case !ok && status == "":
			return nil
		case last.Status == "ERROR" && status != "ERROR":
			w.Fatalf("server %s: %s\n%s", g.name, last.Fault.Message, w.lab.Why(w.Context(), g.id))
		case last.Status == status && last.Task == nil:
			return nil
		}
		return fmt.Errorf("it is %q", last.Status)
	})
	g.host = last.Host
	for _, list := range last.Addresses {
		g.fixed = list[0].Addr
	}
}

// float gives a server an address outside.
func (w *walk) float(g *guest) {
	w.Helper()
	var ports struct{ Ports []struct{ ID string } }
	w.into(&ports, http.MethodGet, "/network/v2.0/ports?device_id="+g.id, nil)
	var fip struct {
		Floatingip struct {
			Address string `json:"floating_ip_address"`
		}
	}
	w.into(&fip, http.MethodPost, "/network/v2.0/floatingips", map[string]any{"floatingip": map[string]any{"floating_network_id": w.public, "port_id": ports.Ports[0].ID}})
	g.floating = fip.Floatingip.Address
}

func (w *walk) eventually(what string, ok func() error) {
	w.Helper()
	var err error
	for end := time.Now().Add(8 * time.Minute); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		if err = ok(); err == nil {
			return
		}
	}
	w.Fatalf("in vain: %s: %v", what, err)
}

// shell logs in to a guest.
func (w *walk) shell(g *guest) (*ssh.Client, error) {
	conn, err := net.DialTimeout("tcp", net.JoinHostPort(g.floating, "22"), 15*time.Second)
	if err != nil {
		return nil, err
	}
	_ = conn.SetDeadline(time.Now().Add(90 * time.Second))
	sc, chans, reqs, err := ssh.NewClientConn(conn, g.floating, &ssh.ClientConfig{
		User: "cirros", Auth: []ssh.AuthMethod{ssh.PublicKeys(w.key)}, HostKeyCallback: ssh.InsecureIgnoreHostKey(), // made a moment ago
	})
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	_ = conn.SetDeadline(time.Time{})
	return ssh.NewClient(sc, chans, reqs), nil
}

// mustShell waits until a guest lets us in.
func (w *walk) mustShell(g *guest) (client *ssh.Client) {
	w.Helper()
	w.eventually("ssh to "+g.name, func() (err error) {
		client, err = w.shell(g)
		return err
	})
	w.Cleanup(func() { _ = client.Close() })
	return client
}

// says runs a command over a connection that exists.
func says(client *ssh.Client, command string) (string, error) {
	session, err := client.NewSession()
	if err != nil {
		return "", err
	}
	defer session.Close()
	type result struct {
		out []byte
		err error
	}
	done := make(chan result, 1)
	go func() {
		out, err := session.CombinedOutput(command)
		done <- result{out, err}
	}()
	select {
	case r := <-done:
		return strings.TrimSpace(string(r.out)), r.err
	case <-time.After(2 * time.Minute):
		return "", errors.New("no answer over the connection within two minutes")
	}
}

// screen reads the first words of a server's screen through the console proxy: those of an RFB server.
func (w *walk) screen(g *guest) {
	w.Helper()
	var console struct {
		RemoteConsole struct{ URL string } `json:"remote_console"`
	}
	w.into(&console, http.MethodPost, "/compute/v2.1/servers/"+g.id+"/remote-consoles", map[string]any{"remote_console": map[string]any{"protocol": "vnc", "type": "novnc"}})
	_, token, found := strings.Cut(console.RemoteConsole.URL, "token%3D")
	if !found {
		_, token, _ = strings.Cut(console.RemoteConsole.URL, "token=")
	}
	ctx, cancel := context.WithTimeout(w.Context(), 3*time.Minute)
	defer cancel()
	ws, _, err := websocket.Dial(ctx, strings.Replace(w.lab.Endpoint(), "http", "ws", 1)+"/novnc/websockify?token="+token, &websocket.DialOptions{
		Subprotocols: []string{"binary"}, HTTPHeader: http.Header{"Origin": {w.lab.Endpoint()}},
	})
	if err != nil {
		w.Fatalf("console of %s: %v (%s)", g.name, err, console.RemoteConsole.URL)
	}
	defer func() { _ = ws.CloseNow() }()
	conn := websocket.NetConn(ctx, ws, websocket.MessageBinary)
	hello := make([]byte, 12)
	if _, err := io.ReadFull(conn, hello); err != nil || !strings.HasPrefix(string(hello), "RFB 003.") {
		w.Fatalf("console of %s says %q, %v", g.name, hello, err)
	}
}

// clean wants gostack audit to find nothing, soon.
func (w *walk) clean() {
	w.Helper()
	w.eventually("the audit is empty", func() error {
		findings, err := w.lab.Audit(w.Context())
		if err == nil && len(findings) > 0 {
			err = errors.New(strings.Join(findings, "\n"))
		}
		return err
	})
}

// delete removes servers and waits.
func (w *walk) delete(guests ...*guest) {
	w.Helper()
	for _, g := range guests {
		a, err := w.api.Do(w.Context(), http.MethodDelete, "/compute/v2.1/servers/"+g.id, nil)
		w.must(err)
		if a.Status != http.StatusNoContent && (a.Status != http.StatusNotFound || a.Silent == 0) { // unanswered, it may have been carried out
			w.Fatalf("delete %s: %d %.500s", g.name, a.Status, a.Body)
		}
	}
	for _, g := range guests {
		w.await(g, "")
	}
}

// services waits until every service is up, as the API tells.
func (w *walk) services() {
	w.Helper()
	w.eventually("every service is up", func() error {
		var body struct {
			Services []struct{ Binary, Host, State string }
		}
		w.into(&body, http.MethodGet, "/compute/v2.1/os-services", nil)
		hosts := 0
		for _, s := range body.Services {
			if s.State != "up" {
				b, _ := json.Marshal(s)
				return errors.New(string(b))
			}
			if s.Binary == "nova-compute" {
				hosts++
			}
		}
		if hosts != len(w.lab.Hosts) {
			return fmt.Errorf("%d hosts of %d are there", hosts, len(w.lab.Hosts))
		}
		return nil
	})
}
