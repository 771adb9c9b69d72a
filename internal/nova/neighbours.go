package nova

import (
	"context"

	"gostack/internal/neutron"
	"gostack/internal/placement"
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
	Size       int64 // bytes of data
	DiskSize   int64 // bytes of the disk inside
	MinDiskGB  int64
	MinRAMMB   int64
	HashAlgo   string
	HashValue  string
	Properties map[string]string
}

// Network is what Nova asks of Neutron: the methods of neutron.Service that it uses.
type Network interface {
	PlanPorts(ctx context.Context, c *policy.Caller, reqs []neutron.NICRequest) ([]neutron.NICPlan, error)
	// PortRoom is how many more ports a project may have; below 0 there is no bound.
	PortRoom(ctx context.Context, project string) (int, error)
	CreatePorts(ctx context.Context, tx store.Tx, c *policy.Caller, server neutron.ServerRef, plan []neutron.NICPlan) ([]neutron.Port, error)
	BindPorts(ctx context.Context, portIDs []string, host string) ([]neutron.VIF, error)
	// PrepareMigration lets a second host have bound ports; "" takes that back, BindPorts there ends it.
	PrepareMigration(ctx context.Context, portIDs []string, host string) error
	UnbindPorts(ctx context.Context, portIDs []string) error
	DeletePorts(ctx context.Context, tx store.Tx, serverID string) error
	DetachPort(ctx context.Context, tx store.Tx, serverID, portID string) error
	PortsReady(ctx context.Context, portIDs []string) (bool, error)
	PortsOf(ctx context.Context, serverIDs []string) (map[string][]neutron.Port, error)
	NetworkInfo(ctx context.Context, serverID string) ([]neutron.VIF, error)
	// PortRequests are what the ports of a server ask of Placement; most servers' ask for nothing.
	PortRequests(ctx context.Context, serverID string) ([]neutron.RequestGroup, error)
	// PortByAddress returns the port with a fixed address on a network; a *rest.Error of status 404 when there is none.
	PortByAddress(ctx context.Context, networkID, address string) (*neutron.Port, error)
}

// SecurityGroups is what the compute API shows and changes of a server's security groups.
type SecurityGroups interface {
	// ServersByAddress returns the ids of servers with a fixed address that contains the fragment; project "" is all.
	ServersByAddress(ctx context.Context, project, fragment string, v6 bool) ([]string, error)
	// Change adds a group, by name or id, to every port of a server, or removes it.
	Change(ctx context.Context, c *policy.Caller, serverID, group string, add bool) error
	// Of returns the security groups of a server's ports, each once, as the compute API shows them.
	Of(ctx context.Context, c *policy.Caller, serverID string) ([]SecurityGroup, error)
}

// SecurityGroup is a group as os-security-groups shows it.
type SecurityGroup struct {
	ID          string      `json:"id"`
	Name        string      `json:"name"`
	Description string      `json:"description"`
	ProjectID   string      `json:"tenant_id"`
	Rules       []GroupRule `json:"rules"`
}

// GroupRule is a rule for what comes in, in the words of nova-network. Exactly one of group and ip_range says from where.
type GroupRule struct {
	ID       string            `json:"id"`
	GroupID  string            `json:"parent_group_id"`
	Protocol *string           `json:"ip_protocol"`
	FromPort *int64            `json:"from_port"`
	ToPort   *int64            `json:"to_port"`
	Group    map[string]string `json:"group"`
	Range    map[string]string `json:"ip_range"`

	RemoteGroupID string `json:"-"`
}

// Placement is what Nova asks of Placement: the methods of placement.Service that it uses.
type Placement interface {
	Snapshot(ctx context.Context) (placement.Snapshot, error)
	Claim(ctx context.Context, tx store.Tx, claim placement.Claim) error
	ClaimAll(ctx context.Context, tx store.Tx, claims []placement.Claim) error
	Release(ctx context.Context, tx store.Tx, consumer string) error
	Move(ctx context.Context, tx store.Tx, from, to, consumerType string) (bool, error)
	Adjust(ctx context.Context, tx store.Tx, consumer string, changes placement.Allocations) error
	EnsureHost(ctx context.Context, host placement.HostInventory) error
	RemoveHost(ctx context.Context, tx store.Tx, uuid string) error
	SetTrait(ctx context.Context, tx store.Tx, uuid, trait string, on bool) error
	SetMember(ctx context.Context, tx store.Tx, uuid, aggregate string, member bool) error
	Consumers(ctx context.Context) (map[string]*placement.Consumer, error)
	Consumer(ctx context.Context, uuid string) (*placement.Consumer, error)
	Usages(ctx context.Context, project, user string) (map[string]*placement.Usage, error)
}

// Projects is what Nova asks of Keystone.
type Projects interface {
	ProjectExists(ctx context.Context, id string) (bool, error)
}

// Hosts sends a call to a host's agent. Nobody there is bus.ErrUnroutable; a driver's refusal is a *driver.Fault.
type Hosts interface {
	Call(ctx context.Context, host, method string, args, reply any) error
}

// Tickets permits hosts to open streams: host may use a service of hostlink with a subject (an image, a server, …) for an hour or two. Every one
// for the same thing within an hour is the same text.
type Tickets interface {
	Ticket(ctx context.Context, host, service, subject string) (string, error)
}

// Operations starts durable work in the transaction of a request, and waits for it where the API is synchronous.
type Operations interface {
	Start(ctx context.Context, tx store.Tx, in saga.Intent) (string, error)
	// Wait returns when an operation has ended, or with ctx. The error is why it was undone.
	Wait(ctx context.Context, operationID string) error
	// Cancel has the operations of a server undo themselves.
	Cancel(ctx context.Context, tx store.Tx, serverID string) error
	// Kick has the operations of a server that wait for something look again now.
	Kick(ctx context.Context, serverID string) error
}
