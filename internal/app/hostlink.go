package app

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"strings"
	"sync"

	"gostack/internal/bus/amqp"
	"gostack/internal/clock"
	"gostack/internal/cloudca"
	"gostack/internal/hostlink"
	"gostack/internal/hosts"
	"gostack/internal/hosts/member"
	"gostack/internal/nova/imagelink"
	"gostack/internal/secret"
)

// openControlLink makes the control side's end of streams, and who knows the hosts. host says that this process is a host too. Others can reach it
// when the bus reaches others.
func (h *House) openControlLink(host bool) error {
	cfg := h.Config
	h.Hosts = &hosts.Service{DB: h.DB, Region: cfg.Region, Clock: h.Clock, Log: h.Log, Settings: hosts.Settings{
		Region: cfg.Region, Control: cfg.Control, OVNSouthbound: southboundForHosts(cfg.Neutron.OVNSouthbound, cfg.HostIP),
	}}
	if len(cfg.Control) == 0 {
		h.Hosts.Settings.Control = []string{cfg.LinkAddress()}
	}
	if h.BusAdmin != nil {
		h.Hosts.Broker = busUsers{h.BusAdmin, cfg.Bus}
	}
	if cfg.BusCA != "" {
		b, err := os.ReadFile(cfg.BusCA)
		if err != nil {
			return fmt.Errorf("bus_ca: %w", err)
		}
		h.Hosts.Settings.BusCA = string(b)
	}
	if h.Link == nil {
		o := hostlink.Options{Self: cloudca.Identity{Control: true}, Clock: h.Clock, Log: h.Log}
		if host {
			o.Self.Host = cfg.Host
		}
		if cfg.Bus != "" {
			o.Listen, o.Credentials, o.Admit = cfg.Hostlink, h.Hosts.Credentials(o.Self), h.Hosts.Admit
		}
		h.Link = hostlink.New(o)
	}
	h.Hosts.Serve(h.Link)
	return nil
}

// openHostLink makes the end of streams of a process that is a host and not control. One that talks over the bus as control does (agents on a control
// machine, simulated hosts) is no member, and reaches only itself.
func (h *House) openHostLink() error {
	if h.Link != nil {
		return nil
	}
	cfg := h.Config
	o := hostlink.Options{Self: cloudca.Identity{Host: cfg.Host}, Control: cfg.Control, Clock: h.Clock, Log: h.Log}
	if cfg.IsHost() {
		m, err := member.Open(member.Dir(cfg.StateDir), cfg.Host, clock.System, h.Log)
		if err != nil {
			return err
		}
		h.Member = m
		o.Listen, o.Credentials, o.Admit = cfg.Hostlink, m.Credentials, m.Admit
	}
	h.Link = hostlink.New(o)
	return nil
}

// keepMembership runs what keeps this host's certificate good.
func (h *House) keepMembership() {
	if h.Member == nil {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	var run sync.WaitGroup
	run.Go(func() { h.Member.Run(ctx, h.Link) })
	h.stopMembership = func() {
		cancel()
		run.Wait()
	}
}

// membersChanged has this host ask at once whom it must refuse.
func (h *House) membersChanged() {
	if h.Member != nil {
		h.Member.Refresh()
	}
}

// memberStatus is the line of the host's certificate in the status; nothing elsewhere.
func (h *House) memberStatus() []ComponentStatus {
	if h.Member == nil {
		return nil
	}
	st := ComponentStatus{Name: "certificate of this host", State: "ready"}
	if err := h.Member.State(); err != nil {
		st.State, st.Why = "degraded", err.Error()
	}
	return []ComponentStatus{st}
}

// busUsers gives hosts their users on the broker.
type busUsers struct {
	admin *amqp.Admin
	url   string // control's own
}

func (b busUsers) EnsureHost(ctx context.Context, host string) (secret.String, error) {
	password, err := b.admin.EnsureHostUser(ctx, host)
	if err != nil {
		return secret.String{}, err
	}
	scheme, rest, _ := strings.Cut(b.url, "://")
	authority, path, found := strings.Cut(rest, "/")
	if found {
		path = "/" + path
	}
	nodes := authority[strings.LastIndex(authority, "@")+1:]
	return secret.New(scheme + "://" + url.UserPassword(amqp.HostUser(host), password.Reveal()).String() + "@" + nodes + path), nil
}

func (b busUsers) RemoveHost(ctx context.Context, host string) error {
	return b.admin.RemoveHostUser(ctx, host)
}

// serveImages gives hosts the data of images, for tickets.
func (h *House) serveImages() { imagelink.Serve(h.Link, h.Hosts.Roots, h.Clock.Now, h.Glance.Data) }
