// Package bringup is `gostack up` and `gostack down`: from a machine with packages installed to a cloud with a first server, and back.
//
// It joins the engines of the machine (engine/host), the process in the background (daemon) and the walk over the public APIs (firstcloud).
// Every part may be repeated: up repairs and goes on where it was.
package bringup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"gostack/internal/app"
	"gostack/internal/config"
	"gostack/internal/daemon"
	"gostack/internal/engine/host"
	"gostack/internal/firstcloud"
	"gostack/internal/secret"
)

// Options of Up.
type Options struct {
	Config     *config.Config
	ConfigFile string
	Program    string // this binary
	Home       string // of the user whose clients are set up
	Image      string // guest image; empty: where make image puts it
	EnginesAll bool   // stop after the engines and services, without a first server
	Masquerade bool
	Out        io.Writer
	Log        *slog.Logger
}

// Summary is what Up tells at its end.
type Summary struct {
	Endpoint  string             `json:"endpoint,omitempty"`
	Host      string             `json:"host,omitempty"` // its name, on a host of somebody's cloud
	Clouds    string             `json:"clouds_yaml"`
	OpenRC    string             `json:"openrc"`
	AdminRC   string             `json:"admin_openrc"`
	Key       string             `json:"ssh_key"`
	User      string             `json:"ssh_user"`
	First     *firstcloud.Result `json:"first_server,omitempty"`
	VirtType  string             `json:"virt_type"`
	Phases    []Phase            `json:"phases"`
	TotalTime time.Duration      `json:"total"`
}

// The clouds that Up writes into clouds.yaml.
const (
	CloudDemo  = "gostack"
	CloudAdmin = "gostack-admin"
)

// GuestUser is the user of the small image.
const GuestUser = "cirros"

// AdminPasswordFile holds the administrator's first password, made at the first start.
func AdminPasswordFile(c *config.Config) string {
	return filepath.Join(c.StateDir, "keystone", "admin-password")
}

func (o *Options) machine() (*host.Host, error) {
	options, err := host.FromConfig(o.Config)
	if err != nil {
		return nil, err
	}
	options.Masquerade, options.Log = o.Masquerade, o.Log
	return host.New(options), nil
}

// Background is the gostack process that Up starts.
func Background(c *config.Config, program, configFile string) *daemon.Daemon {
	argv := []string{program, "run", c.Role(), "--config", configFile}
	d := &daemon.Daemon{Record: filepath.Join(c.RunDir, "gostack.json"), Log: filepath.Join(c.LogDir, "gostack.log"), Argv: argv}
	for _, k := range c.Keys() {
		d.Environment = append(d.Environment, k.Env())
	}
	return d
}

// Up does it all. A second Up leaves what is right and repairs what is not.
func Up(ctx context.Context, o Options) (*Summary, error) {
	begin := time.Now()
	p := NewProgress(o.Out)
	defer p.Close()
	sum, err := up(ctx, o, p)
	if sum != nil {
		sum.Phases, sum.TotalTime = p.phases, time.Since(begin)
	}
	return sum, err
}

func up(ctx context.Context, o Options, p *Progress) (*Summary, error) {
	m, err := o.machine()
	if err != nil {
		return nil, err
	}
	if o.Config.IsHost() {
		o.EnginesAll = true
	}
	if o.Image == "" && !o.EnginesAll {
		if o.Image, err = findImage(o); err != nil {
			if _, first := os.Stat(app.AdminPasswordFile(o.Config)); first != nil {
				return nil, err
			} // else the cloud has been up, and has its image
		}
	}
	if err := m.Up(ctx, engineProgress(p)); err != nil {
		var missing *host.MissingError
		if errors.As(err, &missing) {
			err = fmt.Errorf("%w; scripts/install-engines installs it", err)
		}
		return nil, fmt.Errorf("engines: %w", err)
	}
	d := Background(o.Config, o.Program, o.ConfigFile)
	if d.Outdated(o.ConfigFile) {
		done := p.Begin("end of gostack as it was before")
		err = stopGostack(ctx, d)
		done(err)
		if err != nil {
			return nil, err
		}
	}
	done := p.Begin("gostack")
	_, err = d.Start()
	if err == nil {
		err = awaitStart(ctx, o.Config, d)
	}
	done(err)
	if err != nil {
		return nil, fmt.Errorf("gostack did not come up: %w; its log is %s", err, d.Log)
	}
	done = p.Begin("every component at work")
	err = awaitReady(ctx, o.Config)
	done(err)
	if err != nil {
		return nil, err
	}
	sum := &Summary{Endpoint: o.Config.PublicURL, User: GuestUser, VirtType: host.VirtType()}
	if o.Config.IsHost() {
		sum.Endpoint, sum.User, sum.Host = "", "", o.Config.Host
	}
	if o.EnginesAll {
		return sum, nil
	}
	return sum, o.firstServer(ctx, p, sum)
}

// stopGostack ends the process in the background, and does not wait for ever for what it has in hand.
func stopGostack(ctx context.Context, d *daemon.Daemon) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	return d.Stop(ctx)
}

// engineProgress turns the events of engines into phases.
func engineProgress(p *Progress) host.Progress {
	ends := map[string]func(error){}
	return func(e host.Event) {
		switch e.Doing {
		case "starting":
			ends[e.Engine] = p.Begin(e.Engine)
		case "started":
			if end := ends[e.Engine]; end != nil {
				end(nil)
			}
		}
	}
}

func findImage(o Options) (string, error) {
	places := []string{
		filepath.Join(o.Config.StateDir, "guest.qcow2"),
		filepath.Join(filepath.Dir(o.Program), "..", "build", "guest.qcow2"),
	}
	for _, f := range places {
		if _, err := os.Stat(f); err == nil {
			return f, nil
		}
	}
	return "", fmt.Errorf("there is no guest image at %s; make one with scripts/build-image, or name one with --image", strings.Join(places, " or "))
}

// startTime is how long the services may take to answer. A process that ends is noticed at once, so this is for machines that are slow.
const startTime = 4 * time.Minute

// awaitStart waits until the process answers, or has died: on the listener of its APIs, on a host by its admin socket.
func awaitStart(ctx context.Context, c *config.Config, d *daemon.Daemon) error {
	if !c.IsHost() {
		return awaitAPI(ctx, c, d)
	}
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	for {
		err := app.AskAdmin(ctx, c.RunDir, http.MethodGet, "/status", &app.StatusReport{})
		if err == nil {
			return nil
		}
		if d.Running() == 0 {
			return errors.New("the process ended: " + lastLine(d.Log))
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(30 * time.Millisecond):
		}
	}
}

// awaitAPI waits until the listener answers, or the process has died.
func awaitAPI(ctx context.Context, c *config.Config, d *daemon.Daemon) error {
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	_, port, err := net.SplitHostPort(c.Listen)
	if err != nil {
		return err
	}
	for {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", net.JoinHostPort("127.0.0.1", port))
		if err == nil {
			return conn.Close()
		}
		if d.Running() == 0 {
			return errors.New("the process ended: " + lastLine(d.Log))
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("nothing answers on port %s: %w", port, err)
		case <-time.After(30 * time.Millisecond):
		}
	}
}

// awaitReady waits until every component says that it does its work: hosts have been reported, engines answer.
func awaitReady(ctx context.Context, c *config.Config) error {
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	var last app.StatusReport
	for {
		waiting := ""
		err := app.AskAdmin(ctx, c.RunDir, http.MethodGet, "/status", &last)
		if err != nil {
			waiting = err.Error()
		}
		if err == nil && len(last.Components) == 0 {
			waiting = "\n  nothing has started yet"
		}
		for _, part := range last.Components {
			if part.State != "ready" {
				waiting += fmt.Sprintf("\n  %s is %s: %s", part.Name, part.State, part.Why)
			}
		}
		if waiting == "" {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("not everything works after %s:%s", startTime, waiting)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func lastLine(file string) string {
	b, err := os.ReadFile(file)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(b)), "\n")
	return lines[len(lines)-1]
}

func (o *Options) firstServer(ctx context.Context, p *Progress, sum *Summary) error {
	dir := filepath.Join(o.Home, ".config", "openstack")
	sum.Clouds, sum.OpenRC, sum.AdminRC = filepath.Join(dir, "clouds.yaml"), filepath.Join(dir, "gostack-openrc"), filepath.Join(dir, "gostack-admin-openrc")
	sum.Key = filepath.Join(dir, "gostack-demo-key")
	demo, err := firstcloud.Password(filepath.Join(o.Config.StateDir, "keystone", "demo-password"))
	if err != nil {
		return err
	}
	admin, err := awaitFile(ctx, AdminPasswordFile(o.Config))
	if err != nil {
		return err
	}
	public, err := firstcloud.KeyPair(sum.Key)
	if err != nil {
		return err
	}
	logins := []firstcloud.Login{{Cloud: CloudDemo, User: firstcloud.DemoUser, Project: firstcloud.DemoProject, Password: demo}, {Cloud: CloudAdmin, User: "admin", Project: "admin", Password: admin}}
	if err := firstcloud.WriteClouds(sum.Clouds, o.Config.PublicURL, o.Config.Region, o.Config.TLSCert, logins...); err != nil {
		return err
	}
	for i, file := range []string{sum.OpenRC, sum.AdminRC} {
		if err := firstcloud.WriteOpenRC(file, o.Config.PublicURL, o.Config.Region, o.Config.TLSCert, logins[i]); err != nil {
			return err
		}
	}
	external, err := netip.ParsePrefix(o.Config.Neutron.ExternalCIDR)
	if err != nil {
		return err
	}
	physnet, _, _ := strings.Cut(o.Config.Neutron.BridgeMappings[0], ":")
	sum.First, err = firstcloud.Make(ctx, firstcloud.Plan{
		PublicURL: o.Config.PublicURL, Region: o.Config.Region, AdminPassword: admin, DemoPassword: demo, Image: o.Image, External: external,
		PhysicalNet: physnet, TenantCIDR: netip.MustParsePrefix("10.0.0.0/24"), DNSServers: o.Config.Neutron.DNSServers, PublicKey: public, Progress: p.Begin,
	})
	if err != nil {
		return err
	}
	done := p.Begin("guest answers on its SSH port")
	err = awaitSSH(ctx, sum.First.FloatingIP)
	done(err)
	return err
}

// awaitFile reads a secret that the services write at their first start.
func awaitFile(ctx context.Context, path string) (secret.String, error) {
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	for {
		b, err := os.ReadFile(path)
		if err == nil {
			return secret.New(strings.TrimSpace(string(b))), nil
		}
		select {
		case <-ctx.Done():
			return secret.String{}, err
		case <-time.After(30 * time.Millisecond):
		}
	}
}

// awaitSSH waits for the guest's banner.
func awaitSSH(ctx context.Context, ip string) error {
	ctx, cancel := context.WithTimeout(ctx, 6*time.Minute)
	defer cancel()
	var last error
	for {
		conn, err := (&net.Dialer{Timeout: 2 * time.Second}).DialContext(ctx, "tcp", net.JoinHostPort(ip, "22"))
		if err == nil {
			_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
			b := make([]byte, 4)
			_, err = io.ReadFull(conn, b)
			_ = conn.Close()
			if err == nil && string(b) == "SSH-" {
				return nil
			}
		}
		last = err
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s does not answer on port 22 (%w); openstack --os-cloud %s console log show %s shows the guest's console", ip, last, CloudDemo, firstcloud.ServerName)
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// Down stops the process in the background and the engines that Up started. Guests are left running unless purge, which removes every trace:
// guests, networks, databases, files, and our entries in the client's files.
func Down(ctx context.Context, o Options, purge bool) error {
	p := NewProgress(o.Out)
	defer p.Close()
	m, err := o.machine()
	if err != nil {
		return err
	}
	if purge {
		done := p.Begin("servers")
		err := purgeServers(ctx, o)
		done(err)
		if err != nil {
			return err
		}
	}
	done := p.Begin("gostack")
	err = stopGostack(ctx, Background(o.Config, o.Program, o.ConfigFile))
	done(err)
	if err != nil {
		return err
	}
	done = p.Begin("engines")
	if purge {
		err = m.Purge(ctx, nil)
	} else {
		err = m.Down(ctx, nil)
	}
	done(err)
	if err != nil || !purge {
		return err
	}
	return o.purgeFiles()
}

// purgeServers asks the running gostack to remove its guests from this machine's engines; without one there is nobody to ask and the engines' purge
// refuses when guests are left.
func purgeServers(ctx context.Context, o Options) error {
	d := Background(o.Config, o.Program, o.ConfigFile)
	if d.Running() == 0 {
		return nil
	}
	var answer struct{ Error string }
	if err := app.AskAdmin(ctx, o.Config.RunDir, http.MethodPost, "/purge", &answer); err != nil {
		return err
	}
	if answer.Error != "" {
		return errors.New(answer.Error)
	}
	return nil
}

func (o *Options) purgeFiles() error {
	dir := filepath.Join(o.Home, ".config", "openstack")
	errs := []error{firstcloud.RemoveClouds(filepath.Join(dir, "clouds.yaml"), o.Config.PublicURL, CloudDemo, CloudAdmin)}
	for _, f := range []string{"gostack-openrc", "gostack-admin-openrc", "gostack-demo-key"} {
		if err := os.Remove(filepath.Join(dir, f)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	_ = os.Remove(dir) // when nothing of the user's is in it
	// By name: a directory that an operator chose may hold other things.
	for dir, names := range map[string][]string{
		o.Config.StateDir: {"gostack.db", "gostack.db-wal", "gostack.db-shm", "images", "staging", "instances", "keystone", "engines", "guest.qcow2", "compute", "console", "hostlink", "ovn"},
		o.Config.RunDir:   {"admin.sock", "gostack.json", "gostack.json.new", "engines"},
		o.Config.LogDir:   {"gostack.log"},
	} {
		for _, name := range names {
			errs = append(errs, os.RemoveAll(filepath.Join(dir, name)))
		}
		_ = os.Remove(dir) // when nothing is left in it
	}
	return errors.Join(errs...)
}
