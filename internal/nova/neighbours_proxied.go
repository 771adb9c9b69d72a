package nova

import (
	"context"

	"gostack/internal/glance"
	"gostack/internal/policy"
)

// ProxiedNetwork is what the compute API's old calls for networks and addresses ask of Neutron: upstream kept those calls as proxies up to
// microversion 2.35 (2.43 for the actions of servers). Everything is done in the name of the caller.
type ProxiedNetwork interface {
	// Networks are those that Neutron shows the caller; id "" is all.
	Networks(ctx context.Context, c *policy.Caller, id string) ([]OldNetwork, error)
	// Pools are the external networks.
	Pools(ctx context.Context, c *policy.Caller) ([]OldNetwork, error)
	// FloatingIPs are those of the caller's project, narrowed by id or address where one is given; an administrator's narrowed ones are of any project.
	FloatingIPs(ctx context.Context, c *policy.Caller, id, address string) ([]FloatingIP, error)
	AllocateFloatingIP(ctx context.Context, c *policy.Caller, networkID string) (id string, err error)
	ReleaseFloatingIP(ctx context.Context, c *policy.Caller, id string) error
	// LeadFloatingIP leads a floating IP to an address of a port; to none with portID "".
	LeadFloatingIP(ctx context.Context, c *policy.Caller, id, portID, fixed string) error
	// AddFixedIP gives the server's port on a network one more address there. A 404 when it has no port there.
	AddFixedIP(ctx context.Context, c *policy.Caller, serverID, networkID string) error
	// RemoveFixedIP takes an address from a server's port; false when none has it.
	RemoveFixedIP(ctx context.Context, c *policy.Caller, serverID, address string) (bool, error)

	// Groups are the security groups of the caller's project or, for administrators, of all; id narrows to one.
	Groups(ctx context.Context, c *policy.Caller, id string, all bool) ([]SecurityGroup, error)
	CreateGroup(ctx context.Context, c *policy.Caller, name, description string) (id string, err error)
	UpdateGroup(ctx context.Context, c *policy.Caller, id, name, description string) error
	DeleteGroup(ctx context.Context, c *policy.Caller, id string) error
	// CreateRule adds a rule for what comes in.
	CreateRule(ctx context.Context, c *policy.Caller, rule NewGroupRule) (id string, err error)
	// DeleteRule removes a rule of a group of the caller's.
	DeleteRule(ctx context.Context, c *policy.Caller, id string) error
}

// OldNetwork is all that the old calls still show of a network.
type OldNetwork struct{ ID, Name string }

// FloatingIP is a floating IP as the old calls show it.
type FloatingIP struct {
	ID, Address, Pool string
	PortID, FixedIP   string // "" when it leads nowhere
	ServerID          string
}

// NewGroupRule is a rule that the old calls ask for. Ports below 0 are any.
type NewGroupRule struct {
	GroupID, Protocol, CIDR, RemoteGroupID string
	FromPort, ToPort                       *int64
}

// ProxiedImages is what the compute API's old calls for images ask of Glance: methods of glance.Service.
type ProxiedImages interface {
	Image(ctx context.Context, c *policy.Caller, id string) (*glance.Image, error)
	List(ctx context.Context, c *policy.Caller, f glance.Filter, sort []glance.Sort, marker string, limit int) ([]glance.Image, error)
	Update(ctx context.Context, c *policy.Caller, id string, change func(img *glance.Image) error) (*glance.Image, error)
	Delete(ctx context.Context, c *policy.Caller, id string) error
}
