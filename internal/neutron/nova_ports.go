package neutron

// The types in this file are what Nova exchanges with Neutron. The methods of Service that use them:
//
//	PlanPorts(ctx, c, []NICRequest) ([]NICPlan, error)             validates at POST time, changes nothing
//	CreatePorts(ctx, tx, c, ServerRef, []NICPlan) ([]Port, error)  in the caller's transaction; repeatable
//	BindPorts(ctx, portIDs, host) ([]VIF, error)                   sets the host and waits for the engine
//	PrepareMigration(ctx, portIDs, host) error                     a second host may have them: see there
//	UnbindPorts(ctx, portIDs) error
//	PortsReady(ctx, portIDs) (bool, error)                         plugged and forwarding
//	DeletePorts(ctx, tx, serverID) error                           deletes Nova's own, gives back the user's
//	DetachPort(ctx, tx, serverID, portID) error                    the same for one port
//	PortsOf(ctx, serverIDs) (map[string][]Port, error)             two statements for a whole page
//	NetworkInfo(ctx, serverID) ([]VIF, error)
//	PortByAddress(ctx, networkID, ip) (*Port, error)               for the metadata service

// NICMode says what a request for a NIC asks for when it names neither a network nor a port.
type NICMode string

// The modes.
const (
	NICNamed NICMode = ""     // NetworkID or PortID; with neither: the project's only network, as Nova without "networks"
	NICAuto  NICMode = "auto" // "networks": "auto"
	NICNone  NICMode = "none" // "networks": "none"
)

// NICRequest is one element of "networks" in POST /servers, or the body of an interface attachment. No request at all, or
// one that names nothing, asks for the default choice: the one network that the project can use, none if there is none,
// and a refusal if there are several.
type NICRequest struct {
	Mode      NICMode
	NetworkID string
	PortID    string
	FixedIP   string // v4 or v6, only with NetworkID
	Tag       string
	// SecurityGroups are names or ids for a port that Nova creates; none means the project's default group.
	SecurityGroups []string
}

// NICPlan is a NIC that PlanPorts has found possible. It is plain data and may be kept in a saga's state.
type NICPlan struct {
	// Index is the NIC's place on the server, from 0. CreatePorts makes one port per server and Index, however often it
	// is called. A caller that attaches to a running server sets a free one (see NextIndex).
	Index          int      `json:"index"`
	NetworkID      string   `json:"network_id"`
	PortID         string   `json:"port_id,omitempty"` // an existing port of the user
	FixedIP        string   `json:"fixed_ip,omitempty"`
	Tag            string   `json:"tag,omitempty"`
	SecurityGroups []string `json:"security_groups,omitempty"` // ids; none: the project's default group
	// Physnet of a flat or vlan network: the host must map it. Empty for tunnels.
	Physnet string `json:"physnet,omitempty"`
	// Request is what the port asks of Placement; without an id, what one that is made on the network would ask for.
	Request *RequestGroup `json:"request,omitempty"`
}

// ServerRef is the server a port is for.
type ServerRef struct {
	ID      string
	Name    string // becomes dns_name, made fit for DNS
	Project string
	AZ      string // device_owner becomes compute:<AZ>
}

// Port is a port as Nova sees it.
type Port struct {
	ID             string
	NetworkID      string
	NetworkName    string // the label in a server's addresses
	ProjectID      string
	MAC            string
	FixedIPs       []FixedIP
	SecurityGroups []SecurityGroupRef
	Status         string // ACTIVE, DOWN, BUILD
	DeviceID       string // the server that Nova made or took the port for
	DeviceOwner    string
	Host           string
	Tag            string
	Index          int
	// NovaOwned is true for a port that Nova created and deletes with the server.
	NovaOwned bool
	AdminUp   bool
}

// FixedIP is an address of a port.
type FixedIP struct {
	SubnetID    string
	Address     string
	Version     int      // 4 or 6
	FloatingIPs []string // that lead to this address
}

// SecurityGroupRef names a security group.
type SecurityGroupRef struct{ ID, Name string }

// VIF is what a hypervisor and a config drive need to know about a port.
type VIF struct {
	PortID      string      `json:"port_id"`
	NetworkID   string      `json:"network_id"`
	NetworkName string      `json:"network_name"`
	ProjectID   string      `json:"project_id"`
	MAC         string      `json:"mac"`
	MTU         int         `json:"mtu"`
	Type        string      `json:"type"` // "ovs"
	Bridge      string      `json:"bridge"`
	VNICType    string      `json:"vnic_type"`
	Host        string      `json:"host"`
	Active      bool        `json:"active"`
	Tag         string      `json:"tag,omitempty"`
	Index       int         `json:"index"`
	NovaOwned   bool        `json:"nova_owned"`
	Subnets     []VIFSubnet `json:"subnets"`
}

// VIFSubnet is a subnet of a VIF with the addresses that the port has on it.
type VIFSubnet struct {
	ID          string     `json:"id"`
	CIDR        string     `json:"cidr"`
	Version     int        `json:"version"`
	Gateway     string     `json:"gateway,omitempty"`
	DHCP        bool       `json:"dhcp"`
	RAMode      string     `json:"ipv6_ra_mode,omitempty"`
	AddressMode string     `json:"ipv6_address_mode,omitempty"`
	DNS         []string   `json:"dns"`
	Routes      []VIFRoute `json:"routes"`
	Addresses   []string   `json:"addresses"`
}

// VIFRoute is a host route of a subnet.
type VIFRoute struct {
	Destination string `json:"destination"`
	NextHop     string `json:"nexthop"`
}
