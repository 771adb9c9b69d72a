package nova

import (
	"context"
	"encoding/json"

	"gostack/internal/nova/driver"
	"gostack/internal/policy"
	"gostack/internal/saga"
	"gostack/internal/store"
)

// Images is what Nova asks of Glance.
type Images interface {
	// Image returns an image that c may see; a *rest.Error of status 404 when there is none.
	Image(ctx context.Context, c *policy.Caller, id string) (*Image, error)
}

// Image is a Glance image.
type Image struct {
	ID         string
	Name       string
	Status     string // active, queued, …
	DiskFormat string
	Size       int64 // bytes
	MinDiskGB  int64
	MinRAMMB   int64
	HashAlgo   string
	HashValue  string
	Properties map[string]string
}

// Network is what Nova asks of Neutron.
type Network interface {
	// PlanPorts checks what a user wants to be connected to; errors are *rest.Error. It changes nothing.
	PlanPorts(ctx context.Context, c *policy.Caller, ask NetworkAsk) (PortPlan, error)
	// CreatePorts makes and takes the ports of a plan for a server. Repeated for the same server and plan it finds them made.
	CreatePorts(ctx context.Context, tx store.Tx, c *policy.Caller, server NetworkServer, plan PortPlan) ([]Port, error)
	// BindPorts puts ports on a host and returns what the hypervisor plugs.
	BindPorts(ctx context.Context, portIDs []string, host string) ([]VIF, error)
	// UnbindPorts takes ports from their host.
	UnbindPorts(ctx context.Context, portIDs []string) error
	// DeletePorts deletes the ports that Nova made for a server and gives the user's own back. With portIDs only those.
	DeletePorts(ctx context.Context, tx store.Tx, serverID string, portIDs ...string) error
	// PortsReady tells whether all ports are up.
	PortsReady(ctx context.Context, portIDs []string) (bool, error)
	// PortsOf returns the ports of servers, in the order they were attached, at a cost that does not grow with their number.
	PortsOf(ctx context.Context, serverIDs []string) (map[string][]Port, error)
	// NetworkInfo returns what a guest and its metadata must know of the server's ports.
	NetworkInfo(ctx context.Context, serverID string) ([]VIF, error)
	// ServersByAddress returns the ids of servers with a fixed address that contains the fragment; project "" is all.
	ServersByAddress(ctx context.Context, project, fragment string, v6 bool) ([]string, error)
	// ChangeSecurityGroup adds a group, by name or id, to every port of a server, or removes it.
	ChangeSecurityGroup(ctx context.Context, c *policy.Caller, serverID, group string, add bool) error
	// SecurityGroups returns the security groups of a server's ports, each once.
	SecurityGroups(ctx context.Context, c *policy.Caller, serverID string) ([]SecurityGroup, error)
	// ServerAt returns the server behind a fixed address on a network, and the host its port is bound to.
	ServerAt(ctx context.Context, networkID, address string) (serverID, host string, err error)
}

// NetworkAsk is what a user wants a server to be connected to.
type NetworkAsk struct {
	Mode           string // "auto", "none", or "" for NICs (none: the choice is the network's)
	NICs           []NICAsk
	SecurityGroups []string // names or ids; empty: the project's default
	Servers        int      // how many servers get it
}

// NICAsk is one connection a user wants: by network or by port.
type NICAsk struct {
	NetworkID string `json:"uuid,omitempty"`
	PortID    string `json:"port,omitempty"`
	FixedIP   string `json:"fixed_ip,omitempty"`
	Tag       string `json:"tag,omitempty"`
}

// PortPlan is the network's own note of what to make; Nova keeps it and hands it back. Ports says how many there will be.
type PortPlan struct {
	Ports int             `json:"ports"`
	Plan  json.RawMessage `json:"plan,omitempty"`
}

// NetworkServer is what the network must know of a server.
type NetworkServer struct{ ID, Name, Hostname, ProjectID, Zone string }

// Port is a port as the compute API shows it.
type Port struct {
	ID, NetworkID, NetworkName, MAC, Status, Tag string
	FixedIPs                                     []FixedIP
	SecurityGroups                               []string // names
	Host                                         string   // binding:host_id
}

// FixedIP is an address of a port.
type FixedIP struct {
	SubnetID, Address string
	Version           int
	Floating          []string
}

// SecurityGroup is a group as os-security-groups shows it; Rules are written as they are.
type SecurityGroup struct {
	ID          string `json:"id"`
	Name        string `json:"name"`
	Description string `json:"description"`
	ProjectID   string `json:"tenant_id"`
	Rules       []any  `json:"rules"`
}

// VIF is a port as a hypervisor and a guest's metadata need it.
type VIF struct {
	NIC         driver.NIC
	NetworkID   string
	NetworkName string
	Tag         string
	// Info is the network's full description of the port for the metadata.
	Info any `json:"-"`
}

// Placement is what Nova asks of Placement. Claims are made by operations.
type Placement interface {
	// EnsureHost creates or updates the provider of a host.
	EnsureHost(ctx context.Context, h HostInventory) error
	// DeleteHost removes the provider of a host that has no allocations.
	DeleteHost(ctx context.Context, nodeID string) error
}

// HostInventory is what a host has to give.
type HostInventory struct {
	NodeID, Name                  string
	VCPUs, MemoryMB, DiskGB       int
	ReservedMemoryMB              int
	CPURatio, RAMRatio, DiskRatio float64
	Traits                        []string
	Disabled                      bool // COMPUTE_STATUS_DISABLED
}

// Projects is what Nova asks of Keystone.
type Projects interface {
	ProjectExists(ctx context.Context, id string) (bool, error)
}

// Hosts sends a call to a host's agent.
type Hosts interface {
	Call(ctx context.Context, host, method string, args, reply any) error
}

// Operations starts durable work in the transaction of a request.
type Operations interface {
	Start(ctx context.Context, tx store.Tx, in saga.Intent) (string, error)
}
