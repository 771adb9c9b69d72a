// Package driver is the seam between Neutron's rules and the engine that carries packets.
//
// It owns plain specs (what a network, subnet, port, router, floating IP and security group must look like) and the
// Backend interface that realises them. Specs are declarative and complete: a backend never asks the database.
// Every Ensure may be repeated and every Delete of something that is gone succeeds, so a realiser that retries for ever
// after a crash converges. The package has no behaviour of its own and never imports a service or the store.
package driver

import (
	"context"
	"net/netip"
	"time"
)

// Backend realises specs in one engine. All methods are safe for concurrent use.
//
// Each Ensure and Delete is one transaction of the engine: it happens wholly or not at all. An error that a retry cannot
// cure wraps ErrInvalid; everything else (engine away, deadline) is worth retrying.
type Backend interface {
	EnsureNetwork(ctx context.Context, n NetworkSpec) error
	DeleteNetwork(ctx context.Context, id string) error

	// EnsureSubnet needs its network, in the engine or at least known by the same id. Ports of the subnet that are
	// already there get its DHCP answers too.
	EnsureSubnet(ctx context.Context, s SubnetSpec) error
	DeleteSubnet(ctx context.Context, id string) error

	// EnsurePort needs its network; subnets and security groups that do not exist yet are joined when they appear
	// (a Sync or a repeated EnsurePort), a missing network is ErrDependency.
	EnsurePort(ctx context.Context, p PortSpec) error
	DeletePort(ctx context.Context, id string) error

	// EnsureRouter replaces everything the router has: ports, routes, NAT rules. A floating IP is part of its router's spec.
	EnsureRouter(ctx context.Context, r RouterSpec) error
	DeleteRouter(ctx context.Context, id string) error

	// EnsureSecurityGroup replaces the rules. A rule the engine cannot express is left out and named in the error,
	// which then wraps ErrInvalid, after all the other rules took effect (OSSA-2019-001, OSSA-2019-002).
	EnsureSecurityGroup(ctx context.Context, g SecurityGroupSpec) error
	DeleteSecurityGroup(ctx context.Context, id string) error

	// EnsureLogging says what is logged besides.
	EnsureLogging(ctx context.Context, l LoggingSpec) error

	// Sync compares the engine with everything that should exist and reports each difference. With repair it also
	// creates what is missing, corrects what differs and removes what carries our owner mark but is in no spec.
	// Rows without our owner mark are never touched.
	Sync(ctx context.Context, want Desired, repair bool) (Report, error)

	// Events sends the present state of every bound port and every chassis, then each change, until ctx ends, which
	// closes the channel. After a lost connection the present state is sent again, so a reader needs no other source.
	Events(ctx context.Context) (<-chan Event, error)
	// Chassis lists the hosts that can carry ports. Hosts that have not been heard of for a while are asked, which takes a second or two
	// when one does not answer.
	Chassis(ctx context.Context) ([]Chassis, error)
	// Known returns a host by the name that Nova has for it, or with "" all hosts, as far as this process knows: nobody is asked, and
	// whether they are alive is not told.
	Known(ctx context.Context, host string) ([]Chassis, error)
	// Reaches returns those of the physical networks that a host maps, as far as this process knows; nobody is asked.
	Reaches(ctx context.Context, host string, physnets []string) ([]string, error)
	// Gateways returns the hosts that routers' gateways have, of one router or of all, and on one chassis or on all, as far as this process
	// knows; nobody is asked.
	Gateways(ctx context.Context, router, chassis string) ([]Gateway, error)
	// RemoveChassis forgets a host that is gone for good (name as in Chassis.Name).
	RemoveChassis(ctx context.Context, name string) error
	// PortStates tells which of the ports are plugged and forwarding, and where. Unknown ports are left out.
	PortStates(ctx context.Context, ids []string) (map[string]PortState, error)
	// WaitPortUp returns when the port is plugged and forwarding, or with ctx's error.
	WaitPortUp(ctx context.Context, id string) error
	// Ready is nil when the engine answers and this process sees its whole content.
	Ready(ctx context.Context) error
	Close()
}

// Desired is everything that should exist, for Sync.
type Desired struct {
	Networks       []NetworkSpec
	Subnets        []SubnetSpec
	Ports          []PortSpec
	Routers        []RouterSpec
	SecurityGroups []SecurityGroupSpec
	Logging        *LoggingSpec // nil in a Desired that is about something else

	// Recheck, when set, gives the present spec of one resource (kinds as in Difference) in an otherwise empty Desired, empty when it
	// no longer should exist. Sync asks before each repair, because the snapshot may have aged; without it Sync must not run
	// with repair beside other changes.
	Recheck func(ctx context.Context, kind, id string) (Desired, error)
}

// Problem says how the engine differs from the desired state.
type Problem string

// The problems Sync finds.
const (
	Missing  Problem = "missing"  // should exist and does not
	Differs  Problem = "differs"  // exists with other content
	Orphaned Problem = "orphaned" // carries our owner mark, nobody wants it
)

// Difference is one finding of Sync.
type Difference struct {
	Kind     string // network, subnet, port, router, security_group
	ID       string // the API resource, as far as the owner mark tells
	Row      string // where in the engine: table and row
	Problem  Problem
	Detail   string // columns that differ, operator's language
	Repaired bool
}

// Report is the outcome of Sync; empty Differences means the engine is true.
type Report struct {
	Checked     int // rows compared
	Differences []Difference
	// Rejected are specs (or single security group rules) that cannot be expressed in the engine.
	Rejected []error
}

// EventKind says what an Event is about.
type EventKind string

// The kinds of events.
const (
	PortUp      EventKind = "port_up"
	PortDown    EventKind = "port_down"
	ChassisUp   EventKind = "chassis_up"   // appeared, or its attributes changed
	ChassisGone EventKind = "chassis_gone" // its row was removed
	Restarted   EventKind = "restarted"    // the engine's configuration database was away; a Sync shows what it lost
)

// Event is one change seen in the engine. For ports, ID is the port id and Host where it is (may be empty when down).
// For chassis, ID is the chassis name and Host its host name.
type Event struct {
	Kind EventKind
	ID   string
	Host string
}

// PortState is what the engine says about one port.
type PortState struct {
	Up   bool
	Host string // host name of the chassis that claims the port
}

// Chassis is a host that carries ports.
type Chassis struct {
	Name       string // system-id of the host's switch
	Host       string // host name
	Encaps     []Encap
	Bridges    map[string]string // physical network -> bridge
	Gateway    bool              // may carry routers' external gateways
	Zones      []string          // availability zones it says it is in (ovn-cms-options, availability-zones)
	Bandwidth  Bandwidths        // what its bridges carry, when it says so
	LastSeen   time.Time         // last answer of its controller; zero if it never answered
	Generation int64             // configuration generation it has applied
	// Alive: its controller answered a moment ago. MetadataAgent and MetadataAlive tell the same of its metadata agent.
	Alive              bool
	MetadataAgent      bool
	MetadataAlive      bool
	MetadataGeneration int64
}

// Gateway is one host of one of a router's gateways.
type Gateway struct {
	Router, PortID string
	GatewayHost
}

// Bandwidths are what a host says its bridges carry, for Placement to count (ovn-cms-options, resource_provider_*).
type Bandwidths struct {
	Bridges map[string]Bandwidth // by bridge
	// Hypervisors names the compute node of a bridge, where it is not the host itself.
	Hypervisors map[string]string
	// Defaults are fields of the inventories: allocation_ratio, min_unit, max_unit, reserved, step_size.
	Defaults map[string]float64
}

// Bandwidth is in kbit/s and seen from a server: egress is what it sends. 0 is not told.
type Bandwidth struct{ Egress, Ingress int64 }

// Encap is one tunnel endpoint of a chassis.
type Encap struct {
	Type string // geneve, vxlan
	IP   netip.Addr
}
