// Package agent is neutron-metadata-agent: it gives the guests of this host the metadata service at 169.254.169.254, and keeps them
// from playing IPv6 routers (guard.go).
//
// For every network with a port bound to this host it keeps a namespace ovnmeta-NETWORK, which is plugged into the integration bridge
// as the network's localport, and in it an HTTP server that hands requests to a Fetcher together with what the guest cannot
// forge: the network and its source address. The agent learns everything from OVN's Southbound database. It holds no other
// credentials, keeps no state of its own, and adopts what it finds after a restart. Namespaces stay when it stops.
// It also keeps ovn-controller from a feature that Open vSwitch's userspace datapath does not survive (conntrack.go).
package agent

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	"gostack/internal/engine/ovsdb"
	"gostack/internal/engine/ovsdb/sb"
	"gostack/internal/engine/ovsdb/vswitch"
	"gostack/internal/neutron/agent/chassis"
)

// Request is what a guest asked, without anything by which it could pretend to be another.
type Request struct {
	Method string      `json:"method"`
	Path   string      `json:"path"` // with the query
	Header http.Header `json:"header,omitempty"`
	Body   []byte      `json:"body,omitempty"`
}

// Reply is the answer for the guest.
type Reply struct {
	Status int         `json:"status"`
	Header http.Header `json:"header,omitempty"`
	Body   []byte      `json:"body,omitempty"`
}

// Fetcher answers requests; the wiring asks nova-metadata over the bus. remoteIP is one of the guest's fixed addresses on the network.
type Fetcher interface {
	Fetch(ctx context.Context, network, remoteIP string, req Request) (Reply, error)
}

// FetcherFunc makes a function a Fetcher.
type FetcherFunc func(ctx context.Context, network, remoteIP string, req Request) (Reply, error)

// Fetch implements Fetcher.
func (f FetcherFunc) Fetch(ctx context.Context, network, remoteIP string, req Request) (Reply, error) {
	return f(ctx, network, remoteIP, req)
}

// Config says where the host's engines are. The zero value of an endpoint list is Debian's default socket or, for the Southbound
// database, what ovn-controller uses (external_ids:ovn-remote).
type Config struct {
	Switch     []string // the host's own Open_vSwitch database
	Southbound []string
	// SouthboundTLS is for endpoints of kind ssl: the host's own certificate.
	SouthboundTLS *tls.Config
	// Linger is how long a network that has lost its last port keeps its namespace, so that a restart of ovn-controller, which
	// releases all ports for a moment, interrupts nobody. 0 means 5 s.
	Linger time.Duration
	Log    *slog.Logger
}

// Agent runs the namespaces of one host.
type Agent struct {
	cfg   Config
	log   *slog.Logger
	fetch Fetcher

	vs *ovsdb.Client
	sb *ovsdb.Client

	// Only Run's goroutine uses these.
	proxies map[string]*proxy    // by network
	left    map[string]time.Time // networks without a port, since when

	ready chan struct{}
}

// New makes an agent; Run works.
func New(cfg Config, fetch Fetcher) *Agent {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if len(cfg.Switch) == 0 {
		cfg.Switch = []string{"unix:/run/openvswitch/db.sock"}
	}
	if cfg.Linger == 0 {
		cfg.Linger = 5 * time.Second
	}
	return &Agent{
		cfg: cfg, log: cfg.Log, fetch: fetch, proxies: map[string]*proxy{}, left: map[string]time.Time{}, ready: make(chan struct{}),
	}
}

// Ready is closed when the agent has realised the present state once.
func (a *Agent) Ready() <-chan struct{} { return a.ready }

// Run works until ctx ends. It returns nil then, and an error only when it cannot work at all.
func (a *Agent) Run(ctx context.Context) error {
	a.vs = ovsdb.Open(ovsdb.Config{Database: vswitch.Database, Endpoints: a.cfg.Switch, Tables: vswitch.Tables(), Log: a.log})
	var beside sync.WaitGroup
	defer beside.Wait()
	defer a.vs.Close()
	beside.Go(func() { a.tameConntrack(ctx) })
	host, err := chassis.Wait(ctx, a.vs, a.cfg.Southbound, a.log)
	if err != nil {
		return chassis.Ended(ctx, err)
	}
	a.sb = ovsdb.Open(ovsdb.Config{
		Database: sb.Database, Endpoints: host.Southbound, TLS: a.cfg.SouthboundTLS, Log: a.log,
		Tables: []ovsdb.Table{{Row: &sb.PortBinding{}}, {Row: &sb.Chassis{}}, {Row: &sb.ChassisPrivate{}}, {Row: &sb.Global{}}},
	})
	defer a.sb.Close()
	defer a.stopAll()
	sub := a.sb.Subscribe("Port_Binding", "Chassis", "SB_Global")
	defer sub.Cancel()
	return chassis.Follow(ctx, sub, a.ready, a.log, func(changed bool) (time.Duration, error) {
		look := guardEvery
		if changed {
			look = guardSettle
		}
		again, err := a.reconcile(ctx, host.Chassis)
		if guards, failed := a.guard(ctx, host.Chassis); failed != nil {
			err = errors.Join(err, failed)
		} else if guards && (again == 0 || again > look) {
			again = look
		}
		if err == nil {
			err = a.report(ctx, host.Chassis)
		}
		return again, err
	})
}

// reconcile makes namespaces, ports and servers as the Southbound database wants them. It should be repeated after the returned time,
// if that is not 0.
func (a *Agent) reconcile(ctx context.Context, chassis string) (again time.Duration, err error) {
	want, registered, err := a.wanted(ctx, chassis)
	if err != nil || !registered {
		return 0, err // while ovn-controller is away everything stays
	}
	var errs []error
	for _, id := range a.present(ctx) {
		if _, ok := want[id]; ok {
			delete(a.left, id)
			continue
		}
		if a.left[id].IsZero() {
			a.left[id] = time.Now()
		}
		if rest := a.cfg.Linger - time.Since(a.left[id]); rest > 0 {
			again = max(again, rest)
			continue
		}
		a.log.Info("no port of the network is left on this host; metadata service ends", "network", id)
		errs = append(errs, a.remove(ctx, id))
	}
	for id, n := range want {
		if p := a.proxies[id]; p != nil && p.network.same(n) {
			p.learn(n.guests)
			continue
		}
		if err := a.provide(ctx, n); err != nil {
			errs = append(errs, err)
			continue
		}
		a.log.Info("metadata service of the network runs", "network", id)
	}
	return again, errors.Join(errs...)
}

// provide makes one network's namespace, plugs it in and serves. Every part may be there already.
func (a *Agent) provide(ctx context.Context, n network) error {
	if p := a.proxies[n.id]; p != nil {
		p.stop()
		delete(a.proxies, n.id)
	}
	if err := makeNamespace(n); err != nil {
		return err
	}
	if err := a.plug(ctx, n); err != nil {
		return err
	}
	p, err := serve(n, a.fetch, a.log)
	if err != nil {
		return err
	}
	a.proxies[n.id] = p
	return nil
}

// remove takes away everything of one network.
func (a *Agent) remove(ctx context.Context, id string) error {
	if p := a.proxies[id]; p != nil {
		p.stop()
		delete(a.proxies, id)
	}
	delete(a.left, id)
	return errors.Join(a.unplug(ctx, id), removeNamespace(id))
}

// present lists the networks of which anything is there: a server, a namespace, a port.
func (a *Agent) present(ctx context.Context) []string {
	all := map[string]bool{}
	for id := range a.proxies {
		all[id] = true
	}
	for _, id := range namespaces() {
		all[id] = true
	}
	ports, err := a.plugged(ctx)
	if err != nil {
		a.log.Warn("cannot list ports of the integration bridge", "error", err)
	}
	for _, id := range ports {
		all[id] = true
	}
	return slices.Collect(maps.Keys(all))
}

func (a *Agent) stopAll() {
	for _, p := range a.proxies {
		p.stop()
	}
}
