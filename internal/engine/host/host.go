// Package host runs the engines of one machine: Open vSwitch, OVN and libvirt.
//
// Where systemd or somebody else runs an engine, it is left alone and only checked. Where nobody does, as in a
// container or on a machine without an init system, this package starts it detached, so that guests and networks
// survive any restart of gostack, remembers pid and start time, starts it again when it dies, and stops exactly that
// process on the way down.
//
// It owns /run/gostack/engines (what runs), <state>/engines (databases, and the list of what was made on this machine)
// and the settings in Open vSwitch that OVN needs. It never touches what it did not make, and knows nothing of
// servers or ports.
package host

import (
	"context"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"time"
)

// Options say how this machine's engines are set up. The zero value of each field means what its comment says.
type Options struct {
	RunDir   string // "/run/gostack": forgotten at reboot
	StateDir string // "/var/lib/gostack"
	LogDir   string // "/var/log/gostack"

	// Hostname is this machine's name in the cloud (the kernel's host name): OVN's chassis gets it, since Neutron binds
	// ports to hosts by name.
	Hostname string

	// ExternalBridge is the bridge of the provider network ("br-ex"), known to Neutron as PhysicalNetwork ("physnet1").
	ExternalBridge  string
	PhysicalNetwork string
	// OtherMappings are further "physical network:bridge" pairs; their bridges are the operator's to make.
	OtherMappings []string
	// ExternalAddress is this machine's own address on the external bridge, through which it reaches floating IPs.
	// 172.24.4.1/24 by default.
	ExternalAddress netip.Prefix
	// Member: this machine is one of a cloud's hosts. Its external bridge gets no address; what is plugged into it is the operator's.
	Member bool
	// Masquerade lets guests reach the outside: this machine forwards and rewrites what leaves the external network.
	Masquerade bool

	// Southbound is the OVN southbound database. Empty: this machine runs OVN's databases and northd itself.
	Southbound string
	// SouthboundTLS are the files with which ovn-controller reaches a southbound database of kind ssl.
	SouthboundTLS TLSFiles
	// EncapType and EncapIP are the tunnel's ("geneve", "127.0.0.1").
	EncapType string
	EncapIP   string
	// Datapath is "system" (kernel), "netdev" (userspace) or empty: the kernel's where it has one.
	Datapath string

	Log *slog.Logger // slog.Default()
}

// TLSFiles are paths of PEM files: this machine's key and certificate, and who signs the other side.
type TLSFiles struct{ Key, Certificate, CA string }

// Host is this machine with its engines.
type Host struct {
	opts    Options
	log     *slog.Logger
	engines []Engine
	units   units
}

// New describes the engines of this machine; nothing is started.
func New(o Options) *Host {
	fill := func(field *string, value string) {
		if *field == "" {
			*field = value
		}
	}
	fill(&o.RunDir, "/run/gostack")
	fill(&o.StateDir, "/var/lib/gostack")
	fill(&o.LogDir, "/var/log/gostack")
	fill(&o.Hostname, hostname())
	fill(&o.ExternalBridge, "br-ex")
	fill(&o.PhysicalNetwork, "physnet1")
	fill(&o.EncapType, "geneve")
	fill(&o.EncapIP, "127.0.0.1")
	if !o.ExternalAddress.IsValid() {
		o.ExternalAddress = netip.MustParsePrefix("172.24.4.1/24")
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	h := &Host{opts: o, log: o.Log, units: systemd{}}
	h.engines = h.declare()
	return h
}

// Engines lists the engines in the order in which they start.
func (h *Host) Engines() []Engine { return h.engines }

// Facts are what drivers need to know about the machine.
type Facts struct {
	VirtType string // "kvm" or "qemu"
	Datapath string // "system" or "netdev"
	Hostname string
	// Chassis is the name under which OVN knows this machine (Open_vSwitch external_ids:system-id).
	// Empty while Open vSwitch does not answer.
	Chassis string
}

// Facts finds them out anew.
func (h *Host) Facts(ctx context.Context) Facts {
	f := Facts{VirtType: VirtType(), Datapath: h.datapath(), Hostname: h.opts.Hostname}
	f.Chassis, _ = h.externalID(ctx, "system-id")
	return f
}

func hostname() string {
	name, err := os.Hostname()
	if err != nil {
		return "localhost"
	}
	return name
}

// dir joins a path below the engines' own state, which outlives a reboot.
func (h *Host) dir(elem ...string) string {
	return filepath.Join(append([]string{h.opts.StateDir, "engines"}, elem...)...)
}

// Progress is told what Up and Down do. It is called from one goroutine.
type Progress func(Event)

// Event is one thing that was done or begun.
type Event struct {
	Engine string
	Doing  string        // "starting", "started", "running already", "stopping", "stopped", "left alone"
	Why    string        // the engine's purpose, or the reason for leaving it alone
	Took   time.Duration // zero while it goes on
}

func (p Progress) say(engine, doing, why string, took time.Duration) {
	if p != nil {
		p(Event{engine, doing, why, took})
	}
}
