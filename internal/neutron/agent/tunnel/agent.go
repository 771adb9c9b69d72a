// Package tunnel is neutron-tunnel-agent: it carries networks of type gre, vxlan and nvgre between hosts under their own segment ids.
//
// OVN does everything else for such a network: its switch has a localnet port to the physical network "tunnels", which is a bridge on
// each host, with a VLAN of that bridge for each network. Behind it this agent keeps a second bridge with one port per peer and
// tunnel kind, and flows that exchange VLANs with segment ids:
//
//	br-int  VLAN  br-tlan (learns)  VLAN  br-tun (flows)  segment id  gre and vxlan ports
//
// Which networks there are, and where the other hosts' tunnel endpoints are, the agent learns from OVN's Southbound database. It has no
// other credentials, keeps no state, and makes no bridge before the first such network exists. What it made stays when it stops.
package tunnel

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net/netip"
	"slices"
	"time"

	"gostack/internal/engine/ovsdb"
	"gostack/internal/engine/ovsdb/sb"
	"gostack/internal/engine/ovsdb/vswitch"
	"gostack/internal/neutron/agent/chassis"
	"gostack/internal/neutron/driver"
)

// Config says where the host's engines are; see agent.Config.
type Config struct {
	Switch     []string
	Southbound []string
	// SouthboundTLS is for endpoints of kind ssl: the host's own certificate.
	SouthboundTLS *tls.Config
	Log           *slog.Logger
}

// lookEvery is how often flows that Open vSwitch may have lost are looked for while there are networks.
const lookEvery = 30 * time.Second

// Agent keeps the tunnels of one host.
type Agent struct {
	cfg   Config
	log   *slog.Logger
	vs    *ovsdb.Client
	sb    *ovsdb.Client
	ready chan struct{}
	// flows are what the bridge was given last.
	flows string
}

// New makes an agent; Run works.
func New(cfg Config) *Agent {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if len(cfg.Switch) == 0 {
		cfg.Switch = []string{"unix:/run/openvswitch/db.sock"}
	}
	return &Agent{cfg: cfg, log: cfg.Log, ready: make(chan struct{})}
}

// Ready is closed when the agent has realised the present state once.
func (a *Agent) Ready() <-chan struct{} { return a.ready }

// Run works until ctx ends. It returns nil then.
func (a *Agent) Run(ctx context.Context) error {
	a.vs = ovsdb.Open(ovsdb.Config{Database: vswitch.Database, Endpoints: a.cfg.Switch, Tables: vswitch.Tables(), Log: a.log})
	defer a.vs.Close()
	h, err := chassis.Wait(ctx, a.vs, a.cfg.Southbound, a.log)
	if err != nil {
		return chassis.Ended(ctx, err)
	}
	a.sb = ovsdb.Open(ovsdb.Config{
		Database: sb.Database, Endpoints: h.Southbound, TLS: a.cfg.SouthboundTLS, Log: a.log,
		Tables: []ovsdb.Table{{Row: &sb.PortBinding{}}, {Row: &sb.Chassis{}}, {Row: &sb.Encap{}}},
	})
	defer a.sb.Close()
	sub := a.sb.Subscribe("Port_Binding", "Chassis", "Encap")
	defer sub.Cancel()
	return chassis.Follow(ctx, sub, a.ready, a.log, func(bool) (time.Duration, error) { return a.reconcile(ctx, h.Chassis) })
}

// reconcile makes bridges, ports and flows as the Southbound database wants them, and says when to look again.
func (a *Agent) reconcile(ctx context.Context, chassis string) (time.Duration, error) {
	segments, err := a.segments(ctx)
	if err != nil {
		return 0, err
	}
	exists, err := a.bridge(ctx, tunnelBridge)
	if err != nil || len(segments) == 0 && exists == nil {
		return 0, err
	}
	local, peers, vxlanPort, err := a.endpoints(ctx, chassis)
	if err != nil || !local.IsValid() {
		return 0, err // while ovn-controller has not made this host a chassis everything stays
	}
	if err := a.build(ctx, chassis, local, peers, vxlanPort); err != nil {
		return 0, err
	}
	return lookEvery, a.program(ctx, flows(segments, peers))
}

// segments are the networks to carry.
func (a *Agent) segments(ctx context.Context) ([]segment, error) {
	rows, err := ovsdb.List(ctx, a.sb, func(p *sb.PortBinding) bool { return p.ExternalIDs[driver.TunnelSegmentKey] != "" })
	if err != nil {
		return nil, err
	}
	var out []segment
	for _, p := range rows {
		s, err := parseSegment(p.ExternalIDs[driver.TunnelSegmentKey])
		if err != nil {
			a.log.Warn("network without a usable segment", "port", p.LogicalPort, "error", err)
			continue
		}
		out = append(out, s)
	}
	slices.SortFunc(out, func(x, y segment) int { return x.vlan - y.vlan })
	return out, nil
}

// endpoints are this host's tunnel address, the others', and the UDP port of VXLAN: 4789, unless OVN itself uses that.
func (a *Agent) endpoints(ctx context.Context, chassis string) (local netip.Addr, peers []netip.Addr, vxlanPort string, err error) {
	rows, err := ovsdb.List[sb.Encap](ctx, a.sb, nil)
	vxlanPort = "4789"
	for _, e := range rows {
		if e.Type == "vxlan" {
			vxlanPort = "8472"
		}
		ip, err := netip.ParseAddr(e.IP)
		switch {
		case err != nil:
		case e.ChassisName == chassis:
			local = ip
		case !slices.Contains(peers, ip):
			peers = append(peers, ip)
		}
	}
	slices.SortFunc(peers, netip.Addr.Compare)
	return local, peers, vxlanPort, err
}
