package scheduler

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"gostack/internal/nova/hardware"
	"gostack/internal/placement"
)

// Host is a compute host as the scheduler sees it.
type Host struct {
	Name     string // of the service
	Node     string // hypervisor host name
	Provider string // UUID of its root resource provider, which is the compute node's

	Up       bool // the service has reported lately
	Disabled bool

	HypervisorType    string
	HypervisorVersion int // as in the API: 8002000
	Address           string

	// Supported lists what guests the hypervisor runs.
	Supported []Guest

	// Capabilities answer "capabilities:" extra specs and JsonFilter queries beyond the attributes of Host; values are
	// strings, numbers or nested maps, as "cpu_info".
	Capabilities map[string]any

	// Servers are the UUIDs of the servers on the host, those being built included.
	Servers []string

	// Count is how many servers the host has; 0 is as many as Servers.
	Count int

	// IOOps counts servers that are being built, resized, snapshotted, migrated, rescued or unshelved.
	IOOps int

	// FailedBuilds counts builds that failed in a row.
	FailedBuilds int

	// Metrics by name, for the metrics weigher.
	Metrics map[string]float64

	// ImageProperties counts the servers by image property and value, for the image properties weigher.
	ImageProperties map[string]map[string]int

	// PCI are the devices that nobody has.
	PCI []hardware.PCIDevice

	// NUMA are the host's cells, with what servers have of them; nil when it does not say.
	NUMA *hardware.Host
}

// Guest is a kind of guest that a hypervisor runs: "x86_64", "kvm", "hvm".
type Guest struct{ Architecture, Hypervisor, Mode string }

// Aggregate is a host aggregate.
type Aggregate struct {
	UUID     string
	Name     string
	Metadata map[string]string
	Hosts    []string
}

// DefaultZone is the availability zone of hosts that are in none, unless the configuration names another.
const DefaultZone = "nova"

// Snapshot is everything that decisions depend on. Make it with NewSnapshot; it may be used for many decisions, one at a
// time. Stale ones are harmless: claims are verified by placement.
type Snapshot struct {
	config    Config
	placement placement.Snapshot
	hosts     []*host

	// where tells on which host a server is, named the host of a name.
	where map[string]*host
	named map[string]*host

	// tuned are the weighers that any aggregate gives another multiplier.
	tuned map[string]bool

	aggregates []*Aggregate

	// isolating are the aggregates that are kept for traits.
	isolating map[*Aggregate][]string

	// keys are those that the metadata of any aggregate has.
	keys map[string]bool

	// flat is true when no provider is shared, which allows a much faster way for what no nested provider has.
	flat   bool
	nested map[string]bool // the classes of nested providers
}

// host is a Host with what is derived from its aggregates and taken by decisions.
type host struct {
	Host
	provider *placement.Provider
	zone     string
	inventories
	aggregates []*Aggregate
	metadata   map[string][]string // values of all its aggregates
	guests     []Guest             // canonical
	servers    int
	ioOps      int
	placed     []*hardware.Guest // on its cells, by decisions
	given      []string          // addresses of its devices, by decisions
}

// NewSnapshot prepares hosts for decisions and takes over what it is given. Hosts without a provider in placement cannot
// be chosen.
func NewSnapshot(config Config, hosts []Host, aggregates []Aggregate, from placement.Snapshot) *Snapshot {
	s := &Snapshot{config: config, placement: from, flat: true, nested: map[string]bool{}, hosts: make([]*host, 0, len(hosts)), where: map[string]*host{}, named: make(map[string]*host, len(hosts))}
	for i := range from.Providers {
		p := &from.Providers[i]
		if p.HasTrait(placement.TraitSharesViaAggregate) {
			s.flat = false
		}
		if p.Parent != "" {
			for class := range p.Inventories {
				s.nested[class] = true
			}
		}
	}
	of := map[string][]*Aggregate{}
	s.isolating, s.keys = map[*Aggregate][]string{}, map[string]bool{}
	for i := range aggregates {
		a := &aggregates[i]
		s.aggregates = append(s.aggregates, a)
		for _, name := range a.Hosts {
			of[name] = append(of[name], a)
		}
		for key, value := range a.Metadata {
			if isTenantKey(key) {
				key = tenantKey
			}
			s.keys[key] = true
			if trait, found := strings.CutPrefix(key, "trait:"); found && value == "required" {
				s.isolating[a] = append(s.isolating[a], trait)
			}
		}
	}
	for _, h := range hosts {
		state := &host{
			Host: h, provider: s.placement.Provider(h.Provider), zone: cmp.Or(config.DefaultZone, DefaultZone), aggregates: of[h.Name],
			servers: max(len(h.Servers), h.Count), ioOps: h.IOOps,
		}
		for _, uuid := range h.Servers {
			s.where[uuid] = state
		}
		for _, guest := range h.Supported {
			state.guests = append(state.guests, guest.canonical())
		}
		state.readAggregates()
		if state.provider != nil {
			state.inventories = inventoriesOf(state.provider)
		}
		s.hosts = append(s.hosts, state)
		s.named[h.Name] = state
	}
	s.tuned = map[string]bool{}
	for _, w := range weighers {
		s.tuned[w.setting] = s.keys[w.setting]
	}
	return s
}

func (h *host) readAggregates() {
	for _, aggregate := range h.aggregates {
		for key, value := range aggregate.Metadata {
			if h.metadata == nil {
				h.metadata = map[string][]string{}
			}
			if key == "availability_zone" {
				h.zone = value
			}
			for part := range strings.SplitSeq(value, ",") {
				if part = strings.TrimSpace(part); !slices.Contains(h.metadata[key], part) {
					h.metadata[key] = append(h.metadata[key], part)
				}
			}
		}
	}
}

// inventories are the amounts of a host's root provider that filters and weighers look at most, in units of the class.
type inventories struct{ vcpu, memory, disk placement.Inventory }

func inventoriesOf(p *placement.Provider) inventories {
	return inventories{p.Inventories[placement.VCPU], p.Inventories[placement.MemoryMB], p.Inventories[placement.DiskGB]}
}

// take lets a host hold one more server.
func (s *Snapshot) take(server string, c Choice) {
	s.book(c, 1)
	s.where[server] = c.host
}

// giveBack undoes take.
func (s *Snapshot) giveBack(server string, c Choice) {
	s.book(c, -1)
	delete(s.where, server)
}

func (s *Snapshot) book(c Choice, servers int) {
	for uuid, resources := range c.Allocations {
		p := s.placement.Provider(uuid)
		p.Inventories = maps.Clone(p.Inventories) // shared with other snapshots
		for class, amount := range resources {
			inventory := p.Inventories[class]
			inventory.Used += int64(servers * amount)
			p.Inventories[class] = inventory
		}
	}
	c.host.place(c.numa, servers)
	c.host.give(c.devices, servers)
	c.host.servers += servers
	c.host.ioOps += servers
	c.host.inventories = inventoriesOf(c.host.provider)
}

// Keep lets a decision count in later decisions on the same snapshot, as if it had been claimed.
func (s *Snapshot) Keep(d *Decision) {
	for _, selection := range d.Selections {
		s.take(selection.Server, selection.Choice)
	}
}
