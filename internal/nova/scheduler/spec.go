package scheduler

import (
	"cmp"

	"gostack/internal/nova/hardware"
	"gostack/internal/placement"
)

// Spec says what to place: one server, or several equal ones in one decision.
type Spec struct {
	Servers []string // UUIDs
	Project string
	Flavor  Flavor
	Image   Image

	// BootFromVolume tells that the root disk is a volume, which takes nothing from the host.
	BootFromVolume bool

	AvailabilityZone string // "" is any

	// ForcedHost and ForcedNode name the only host, without asking filters (zone:host:node of an administrator).
	ForcedHost string
	ForcedNode string

	// Host and Node name the only host, filters included (microversion 2.74, and destinations of migrations).
	Host string
	Node string

	IgnoredHosts []string
	Hints        map[string][]string
	Group        *Group

	// Located tells on which host the servers are that hints and the group name. It goes before what the snapshot knows,
	// so that one snapshot serves decisions about any server.
	Located map[string]string

	// PCI are the devices that the flavor asks for.
	PCI []hardware.PCIRequest

	// Ports are what ports ask for, each of one provider.
	Ports []placement.RequestGroup

	// NUMA is the topology that flavor and image ask for; nil is none.
	NUMA *hardware.Guest

	// Least is how many of the servers must find a host for the decision to stand; 0 is all.
	Least int

	// Alternates is how many more hosts to name for each server; 0 is DefaultAlternates, negative none.
	Alternates int
}

// DefaultAlternates is upstream's: scheduler.max_attempts is 3.
const DefaultAlternates = 2

// Flavor is a flavor's resources. Disks are in GiB, memory and swap in MiB.
type Flavor struct {
	ID          string
	Name        string
	VCPUs       int
	MemoryMB    int
	RootGB      int
	EphemeralGB int
	SwapMB      int
	ExtraSpecs  map[string]string
}

// Image is what of an image decides where its servers can run.
type Image struct {
	ID         string
	DiskFormat string // "qcow2"; "" is not known
	Properties map[string]string
}

// Group is the server group of the servers.
type Group struct {
	Policy  string // "affinity", "anti-affinity", "soft-affinity", "soft-anti-affinity"
	Members []string
	// MaxPerHost of an anti-affinity group (microversion 2.64); 0 is 1.
	MaxPerHost int
}

// Allows tells whether one more server of the group may go to a host, when the others are on hosts. A decision is made on
// what was known then; this is for verifying it in the transaction that makes it true.
func (g *Group) Allows(host string, hosts []string) bool {
	same := 0
	for _, other := range hosts {
		if other == host {
			same++
		}
	}
	switch g.Policy {
	case "affinity":
		return same == len(hosts)
	case "anti-affinity":
		return same < cmp.Or(g.MaxPerHost, 1)
	}
	return true
}

// Decision is where the servers go.
type Decision struct {
	Selections []Selection // in the order of Spec.Servers

	// Unplaced are servers that found no host, when Spec.Least allows some.
	Unplaced []string

	// Considered is how many hosts there were, Eliminated why they fell out, in the order of asking: of the first
	// server that could not be placed, or of the last.
	Considered int
	Eliminated []Elimination
}

// Selection is one server's host, and hosts to try when that one fails.
type Selection struct {
	Server string
	Choice
	Alternates []Choice
}

// Choice is a host and what to claim there.
type Choice struct {
	Host     string
	Node     string
	Provider string
	Weight   float64

	// Allocations by provider UUID and resource class, ready for placement.Claim.
	Allocations map[string]map[string]int

	host *host
	numa *hardware.Guest

	devices []hardware.PCIDevice
}

// Elimination counts the hosts that one filter refused.
type Elimination struct {
	Filter string   `json:"filter"`
	Hosts  int      `json:"hosts"`
	Names  []string `json:"names,omitempty"` // the first few
}

// NoValidHostError says that a server fits nowhere, and why.
type NoValidHostError struct {
	Server     string
	Considered int
	Eliminated []Elimination
}

// Error is the text that users see in the server's fault. Details are for operators: see Eliminated.
func (e *NoValidHostError) Error() string {
	return "No valid host was found. There are not enough hosts available."
}
