package app

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gostack/internal/bus"
	"gostack/internal/bus/amqp"
	"gostack/internal/bus/amqp/rabbittest"
	"gostack/internal/config"
	"gostack/internal/hostlink"
	"gostack/internal/hosts"
	"gostack/internal/hosts/member"
	neutronagent "gostack/internal/neutron/agent"
	"gostack/internal/nova/driver"
	"gostack/internal/nova/imagelink"
	"gostack/internal/nova/rpc"
)

func TestMain(m *testing.M) {
	code := m.Run()
	rabbittest.Close()
	os.Exit(code)
}

// split is a cloud whose control side and hosts are houses of their own, with RabbitMQ between them.
type split struct {
	*House
	t     *testing.T // of the part that runs
	whole *testing.T
	token string
	vhost string // of the broker
}

func newSplit(t *testing.T, change ...func(*config.Config)) *split {
	t.Helper()
	broker := rabbittest.Start(t)
	vhost := broker.NewVHost(t)
	h := testHouse(t)
	h.Config.Host = "control1"
	h.Config.Bus = broker.TLSURL(amqp.ControlUser, "control-password", vhost, "localhost")
	h.Config.BusAdmin, h.Config.BusCA = broker.AdminURL(vhost), broker.CAFile
	h.Config.Hostlink = "127.0.0.1:0"
	for _, f := range change {
		f(h.Config)
	}
	s := &split{House: h, t: t, whole: t, vhost: vhost}
	s.start(h, "control")
	h.Hosts.Settings.Control = []string{h.Link.Address().String()}
	password, err := os.ReadFile(AdminPasswordFile(h.Config))
	s.must(err)
	_, s.token = h.login(t, "admin", strings.TrimSpace(string(password)))
	return s
}

func (s *split) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *split) start(h *House, names ...string) {
	s.t.Helper()
	s.must(h.Start(context.Background(), names...))
	s.whole.Cleanup(func() { s.stop(h) })
}

func (s *split) stop(h *House) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	if h.begin.IsZero() {
		return
	}
	h.begin = time.Time{}
	if err := h.Stop(ctx); err != nil {
		s.whole.Error(err)
	}
}

// run is a part.
func (s *split) run(name string, f func(t *testing.T)) {
	s.whole.Run(name, func(t *testing.T) {
		s.t = t
		defer func() { s.t = s.whole }()
		f(t)
	})
}

// eventually polls.
func (s *split) eventually(what string, f func() error) {
	s.t.Helper()
	deadline := time.Now().Add(3 * time.Minute)
	err := f()
	for ; err != nil && time.Now().Before(deadline); err = f() {
		time.Sleep(50 * time.Millisecond)
	}
	if err != nil {
		s.t.Fatalf("%s: %v", what, err)
	}
}

// join makes a machine a member, as gostack join does, and returns its configuration.
func (s *split) join(name string) *config.Config {
	s.t.Helper()
	made, err := s.Hosts.CreateToken(s.t.Context(), name, 0, nil)
	s.must(err)
	token, err := hosts.ParseToken(made.Token)
	s.must(err)
	dir := s.whole.TempDir()
	file := filepath.Join(dir, "gostack.yaml")
	_, err = member.Join(s.t.Context(), member.JoinOptions{Token: token, ConfigFile: file, Dir: member.Dir(dir), StateDir: dir})
	s.must(err)
	cfg, err := config.Load(file)
	s.must(err)
	cfg.RunDir, cfg.LogDir, cfg.Nova.Driver, cfg.Hostlink = dir, dir, "simulated", "127.0.0.1:0"
	return cfg
}

// host runs the agents of a machine that has joined, and waits until control knows it.
func (s *split) host(cfg *config.Config) *House {
	s.t.Helper()
	h := New(cfg, slog.New(slog.NewTextHandler(io.Discard, nil)))
	s.start(h, "nova-compute")
	s.eventually("host "+cfg.Host+" is up", func() error { return s.state(cfg.Host, "up") })
	return h
}

func (s *split) state(host, want string) error {
	list, err := s.HostReports(s.t.Context())
	if err != nil {
		return err
	}
	for _, r := range list {
		if r.Name == host && r.State == want {
			return nil
		}
	}
	return fmt.Errorf("%+v", list)
}

// ask makes an API request as the administrator and decodes the answer.
func (s *split) ask(method, path, body string) map[string]any {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), method, "http://"+s.Listen.Addr()+path, strings.NewReader(body))
	s.must(err)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-Auth-Token", s.token)
	r.Header.Set("OpenStack-API-Version", "compute 2.90")
	a, err := http.DefaultClient.Do(r)
	s.must(err)
	defer func() { _ = a.Body.Close() }()
	b, err := io.ReadAll(a.Body)
	s.must(err)
	if a.StatusCode >= 300 {
		s.t.Fatalf("%s %s: %d %s", method, path, a.StatusCode, b)
	}
	v := map[string]any{}
	if len(b) > 0 {
		s.must(json.Unmarshal(b, &v))
	}
	return v
}

// boot makes a server on a host and returns its id, network and address.
func (s *split) boot(host string) (id, network, address string) {
	s.t.Helper()
	flavor := s.ask("POST", "/compute/v2.1/flavors", `{"flavor": {"name": "f-`+host+`", "ram": 64, "vcpus": 1, "disk": 1}}`)["flavor"].(map[string]any)["id"].(string)
	image := s.image(host)
	network = s.ask("POST", "/network/v2.0/networks", `{"network": {"name": "n"}}`)["network"].(map[string]any)["id"].(string)
	s.ask("POST", "/network/v2.0/subnets", `{"subnet": {"network_id": "`+network+`", "ip_version": 4, "cidr": "10.1.0.0/24"}}`)
	id = s.ask("POST", "/compute/v2.1/servers", `{"server": {"name": "s", "flavorRef": "`+flavor+`", "imageRef": "`+image+`", "host": "`+host+`",
		"networks": [{"uuid": "`+network+`"}]}}`)["server"].(map[string]any)["id"].(string)
	s.eventually("server on "+host, func() error {
		srv := s.ask("GET", "/compute/v2.1/servers/"+id, "")["server"].(map[string]any)
		if srv["status"] != "ACTIVE" {
			return fmt.Errorf("%s: %v", srv["status"], srv["fault"])
		}
		return nil
	})
	port := s.ask("GET", "/network/v2.0/ports?device_id="+id, "")["ports"].([]any)[0].(map[string]any)
	return id, network, port["fixed_ips"].([]any)[0].(map[string]any)["ip_address"].(string)
}

// image makes an image with data and returns its id.
func (s *split) image(name string) string {
	s.t.Helper()
	id := s.ask("POST", "/image/v2/images", `{"name": "`+name+`", "disk_format": "raw", "container_format": "bare"}`)["id"].(string)
	r, err := http.NewRequestWithContext(s.t.Context(), "PUT", "http://"+s.Listen.Addr()+"/image/v2/images/"+id+"/file", strings.NewReader(strings.Repeat("data", 1000)))
	s.must(err)
	r.Header.Set("Content-Type", "application/octet-stream")
	r.Header.Set("X-Auth-Token", s.token)
	a, err := http.DefaultClient.Do(r)
	s.must(err)
	_ = a.Body.Close()
	if a.StatusCode != http.StatusNoContent {
		s.t.Fatalf("upload: %d", a.StatusCode)
	}
	return id
}

// Hosts are processes of their own that hold no database, and what one tries beyond its own is refused.
func TestHostsAreNotTrusted(t *testing.T) {
	s := newSplit(t)
	cfgB := s.join("b")
	a, b := s.host(s.join("a")), s.host(cfgB)
	if a.DB != nil || a.Glance != nil || a.Keystone != nil || a.Hosts != nil {
		t.Fatal("a host holds parts of the control side")
	}
	ctx := t.Context()
	server, network, address := s.boot("b")

	s.run("metadata of another host's guest", func(t *testing.T) {
		get := func(h *House) int {
			reply, err := neutronagent.OverBus(h.Bus, h.Config.Host).Fetch(ctx, network, address, neutronagent.Request{Method: http.MethodGet, Path: "/openstack/latest/meta_data.json"})
			s.must(err)
			return reply.Status
		}
		if mine, others := get(b), get(a); mine != http.StatusOK || others != http.StatusNotFound {
			t.Errorf("its own host gets %d, another one %d", mine, others)
		}
		// Saying that it is the other host does not help.
		reply, err := neutronagent.OverBus(a.Bus, "b").Fetch(ctx, network, address, neutronagent.Request{Method: http.MethodGet, Path: "/openstack/latest/meta_data.json"})
		if err == nil && reply.Status != http.StatusNotFound {
			t.Errorf("host a as host b gets %d", reply.Status)
		}
	})
	s.run("reports about another host", func(t *testing.T) {
		for method, args := range map[string]any{
			rpc.PowerEvents: rpc.PowerEventsArgs{Host: "b", Events: []driver.Event{{ServerID: server, State: driver.Shutdown, At: time.Now()}}},
			rpc.HostUp:      rpc.HostUpArgs{Host: "b", Info: driver.HostInfo{Hostname: "b", LinkAddress: "6.6.6.6:1"}},
		} {
			for _, speak := range []context.Context{ctx, bus.AsHost(ctx, "b")} {
				if err := a.Bus.Call(speak, bus.To{Topic: rpc.ConductorTopic}, method, args, nil); bus.Code(err) != bus.CodeForbidden {
					t.Errorf("%s: %v", method, err)
				}
			}
		}
		// About a server that is on another host nothing is believed either.
		s.must(a.Bus.Call(ctx, bus.To{Topic: rpc.ConductorTopic}, rpc.PowerEvents, rpc.PowerEventsArgs{Host: "a", Events: []driver.Event{{ServerID: server, Gone: true, At: time.Now()}}}, nil))
		if srv := s.ask("GET", "/compute/v2.1/servers/"+server, "")["server"].(map[string]any); srv["status"] != "ACTIVE" {
			t.Errorf("the server is %s", srv["status"])
		}
	})
	s.run("images", func(t *testing.T) {
		id := s.image("secret")
		fetch := func(h *House, ticket string) error {
			r, err := imagelink.Source(h.Link)(ctx, driver.Image{ID: id, Ticket: ticket})
			if err == nil {
				_, err = io.Copy(io.Discard, r)
				_ = r.Close()
			}
			return err
		}
		ticket, err := s.Hosts.Ticket(ctx, "b", imagelink.Service, id)
		s.must(err)
		s.must(fetch(b, ticket))
		if err := fetch(a, ""); hostlink.Code(err) != hostlink.CodeForbidden {
			t.Errorf("without a ticket: %v", err)
		}
		if err := fetch(a, ticket); hostlink.Code(err) != hostlink.CodeForbidden {
			t.Errorf("with another host's ticket: %v", err)
		}
	})
	s.run("calls to another host", func(t *testing.T) {
		heard := make(chan string, 1)
		stop, err := a.Bus.Serve(bus.To{Topic: rpc.ComputeTopic, Host: "b"}, bus.Handlers{rpc.PowerState: func(context.Context, *bus.Message) (any, error) {
			heard <- "host a answers for host b"
			return rpc.PowerStateReply{State: driver.Crashed}, nil
		}})
		if err == nil {
			defer stop()
		}
		for range 20 {
			var reply rpc.PowerStateReply
			s.must(s.Bus.Call(ctx, bus.To{Topic: rpc.ComputeTopic, Host: "b"}, rpc.PowerState, rpc.ServerRef{ServerID: server}, &reply))
			if reply.State != driver.Running {
				t.Fatalf("%s", reply.State)
			}
		}
		select {
		case what := <-heard:
			t.Error(what)
		default:
		}
		if err := a.Bus.Call(ctx, bus.To{Topic: rpc.ComputeTopic, Host: "b"}, rpc.Destroy, rpc.ServerRef{ServerID: server}, nil); err == nil {
			t.Error("host a gives orders to host b")
		}
	})
	s.run("consoles of another host", func(t *testing.T) {
		conn, err := a.Link.Dial(ctx, hostlink.Host("b", b.Link.Address().String()), rpc.ConsoleStream, rpc.ServerRef{ServerID: server})
		if hostlink.Code(err) != hostlink.CodeForbidden {
			t.Errorf("%v %v", conn, err)
		}
	})
	s.run("a restarted agent finds its guests", func(t *testing.T) {
		s.stop(b)
		b = s.host(cfgB)
		var list rpc.ListReply
		s.eventually("b answers", func() error {
			return s.Bus.Call(ctx, bus.To{Topic: rpc.ComputeTopic, Host: "b"}, rpc.List, struct{}{}, &list)
		})
		if len(list.Guests) != 1 || list.Guests[0].ID != server || list.Guests[0].State != driver.Running {
			t.Errorf("%+v", list.Guests)
		}
	})
	s.run("a removed host", func(t *testing.T) {
		steps := func(force bool) (list []string, err error) {
			err = s.removeHost(ctx, hostCommand{host: "b", force: force, say: func(format string, args ...any) { list = append(list, fmt.Sprintf(format, args...)) }})
			return list, err
		}
		if _, err := steps(false); err == nil || !strings.Contains(err.Error(), "1 servers") {
			t.Errorf("a host with a server: %v", err)
		}
		s.ask("DELETE", "/compute/v2.1/servers/"+server, "")
		s.eventually("the server is gone", func() error {
			if on, err := s.Nova.ServersOn(ctx, "b"); err != nil || len(on) > 0 {
				return fmt.Errorf("%d servers, %w", len(on), err)
			}
			return nil
		})
		said, err := steps(false)
		s.must(err)
		if len(said) < 3 {
			t.Errorf("it says only %q", said)
		}
		if _, err := b.Link.Dial(ctx, b.Link.Control(), hosts.RemovedService, nil); hostlink.Code(err) != hostlink.CodeStranger {
			t.Errorf("its certificate: %v", err)
		}
		s.eventually("its user on the broker is gone", func() error {
			if err := b.Bus.(*amqp.Bus).Ready(); err == nil {
				return fmt.Errorf("still connected")
			}
			return nil
		})
		list, err := s.HostReports(ctx)
		if err != nil || len(list) != 1 || list[0].Name != "a" {
			t.Errorf("%+v %v", list, err)
		}
		if list := s.ask("GET", "/placement/resource_providers", "")["resource_providers"].([]any); len(list) != 1 {
			t.Errorf("%d resource providers", len(list))
		}
		s.eventually("the others refuse it", func() error {
			_, err := b.Link.Dial(ctx, hostlink.Host("a", a.Link.Address().String()), rpc.ConsoleStream, rpc.ServerRef{})
			if code := hostlink.Code(err); code != hostlink.CodeStranger {
				return fmt.Errorf("%q %w", code, err)
			}
			return nil
		})
	})
}
