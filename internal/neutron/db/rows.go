package db

import "github.com/uptrace/bun"

// Network is a row of neutron_networks.
type Network struct {
	bun.BaseModel `bun:"neutron_networks,alias:t"`
	Standard

	Name                  string        `bun:"name"`
	AdminStateUp          bool          `bun:"admin_state_up"`
	Status                string        `bun:"status"`
	MTU                   int64         `bun:"mtu"`
	NetworkType           string        `bun:"network_type"`
	PhysicalNetwork       string        `bun:"physical_network"`
	SegmentationID        int64         `bun:"segmentation_id"` // 0: none
	External              bool          `bun:"external"`
	IsDefault             bool          `bun:"is_default"`
	PortSecurityEnabled   bool          `bun:"port_security_enabled"`
	DNSDomain             string        `bun:"dns_domain"`
	AvailabilityZoneHints []string      `bun:"availability_zone_hints"`
	QoSPolicyID           string        `bun:"qos_policy_id"`
	TunnelVLAN            int64         `bun:"tunnel_vlan"` // of gre, vxlan and nvgre networks, on hosts' bridges
	Segments              []SegmentPart `bun:"segments"`    // when there are more than one
	VLANTransparent       *bool         `bun:"vlan_transparent"`

	// Shared is whether an RBAC policy shares it with the project that asked (see WithShared).
	Shared bool `bun:"shared,scanonly"`
	// ExternalAccess is whether one lets that project use it as an external network.
	ExternalAccess bool `bun:"external_access,scanonly"`
}

// Segment is a row of neutron_segments.
type Segment struct {
	bun.BaseModel `bun:"neutron_segments,alias:t"`

	NetworkType     string `bun:"network_type,pk"`
	PhysicalNetwork string `bun:"physical_network,pk"`
	SegmentationID  int64  `bun:"segmentation_id,pk"`
	NetworkID       string `bun:"network_id"`
}

// RBACPolicy is a row of neutron_rbac_policies.
type RBACPolicy struct {
	bun.BaseModel `bun:"neutron_rbac_policies,alias:t"`

	ID            string `bun:"id,pk"`
	ProjectID     string `bun:"project_id"`
	ObjectType    string `bun:"object_type"`
	ObjectID      string `bun:"object_id"`
	Action        string `bun:"action"`
	TargetProject string `bun:"target_project"` // or *
}

// The actions of RBAC policies.
const (
	AccessAsShared   = "access_as_shared"
	AccessAsExternal = "access_as_external"
)

// Pool is a range of addresses, both ends included.
type Pool struct {
	Start string `json:"start"`
	End   string `json:"end"`
}

// Route is a host route of a subnet or a route of a router.
type Route struct {
	Destination string `json:"destination"`
	NextHop     string `json:"nexthop"`
}

// Subnet is a row of neutron_subnets.
type Subnet struct {
	bun.BaseModel `bun:"neutron_subnets,alias:t"`
	Standard

	NetworkID         string   `bun:"network_id"`
	Name              string   `bun:"name"`
	IPVersion         int64    `bun:"ip_version"`
	CIDR              string   `bun:"cidr"`
	FirstKey          string   `bun:"first_key"`
	LastKey           string   `bun:"last_key"`
	GatewayIP         string   `bun:"gateway_ip"`
	EnableDHCP        bool     `bun:"enable_dhcp"`
	IPv6RAMode        string   `bun:"ipv6_ra_mode"`
	IPv6AddressMode   string   `bun:"ipv6_address_mode"`
	AllocationPools   []Pool   `bun:"allocation_pools"`
	DNSNameservers    []string `bun:"dns_nameservers"`
	HostRoutes        []Route  `bun:"host_routes"`
	ServiceTypes      []string `bun:"service_types"`
	DNSPublishFixedIP bool     `bun:"dns_publish_fixed_ip"`
	SubnetPoolID      string   `bun:"subnetpool_id"` // "" for none
	SegmentID         string   `bun:"segment_id"`    // "" for none

	// Of its network, when asked for (see WithNetwork).
	NetworkProject  string `bun:"network_project,scanonly"`
	NetworkExternal bool   `bun:"network_external,scanonly"`
	Shared          bool   `bun:"shared,scanonly"`
}

// AddressPair is one of a port's allowed_address_pairs.
type AddressPair struct {
	IPAddress  string `json:"ip_address"`
	MACAddress string `json:"mac_address"`
}

// DHCPOpt is one of a port's extra_dhcp_opts.
type DHCPOpt struct {
	OptName   string `json:"opt_name"`
	OptValue  string `json:"opt_value"`
	IPVersion int    `json:"ip_version"`
}

// Port is a row of neutron_ports.
type Port struct {
	bun.BaseModel `bun:"neutron_ports,alias:t"`
	Standard

	NetworkID           string         `bun:"network_id"`
	Name                string         `bun:"name"`
	AdminStateUp        bool           `bun:"admin_state_up"`
	Status              string         `bun:"status"`
	MACAddress          string         `bun:"mac_address"`
	DeviceID            string         `bun:"device_id"`
	DeviceOwner         string         `bun:"device_owner"`
	Host                string         `bun:"host"`
	MigratingTo         string         `bun:"migrating_to"` // the next host, while its server moves there running
	VNICType            string         `bun:"vnic_type"`
	Profile             map[string]any `bun:"profile"`
	PortSecurityEnabled bool           `bun:"port_security_enabled"`
	AllowedAddressPairs []AddressPair  `bun:"allowed_address_pairs"`
	ExtraDHCPOpts       []DHCPOpt      `bun:"extra_dhcp_opts"`
	DNSName             string         `bun:"dns_name"`
	DNSDomain           string         `bun:"dns_domain"`
	NovaOwned           bool           `bun:"nova_owned"`
	NovaIndex           int64          `bun:"nova_index"` // -1: no server's
	NovaTag             string         `bun:"nova_tag"`
	NovaServer          string         `bun:"nova_server"` // the server Nova made or took it for
	RouterID            string         `bun:"router_id"`   // the router it belongs to
	QoSPolicyID         string         `bun:"qos_policy_id"`

	IPDeferred bool `bun:"ip_deferred"` // it gets addresses when its host is known

	PropagateUplinkStatus bool           `bun:"propagate_uplink_status"`
	NUMAAffinityPolicy    string         `bun:"numa_affinity_policy"`
	DeviceProfile         string         `bun:"device_profile"`
	DataPlaneStatus       string         `bun:"data_plane_status"`
	Hints                 map[string]any `bun:"hints"`
	Trusted               *bool          `bun:"trusted"`
	HardwareOffloadType   string         `bun:"hardware_offload_type"`

	// Of its network, when asked for (see WithNetwork).
	NetworkProject string `bun:"network_project,scanonly"`
	NetworkName    string `bun:"network_name,scanonly"`
	NetworkMTU     int64  `bun:"network_mtu,scanonly"`
	NetworkDNS     string `bun:"network_dns,scanonly"`
	NetworkQoS     string `bun:"network_qos,scanonly"`
	NetworkPhysnet string `bun:"network_physnet,scanonly"`

	// Addresses, groups and trunks are rows of their own; see LoadPortParts.
	FixedIPs       []Allocation     `bun:"-"`
	SecurityGroups []string         `bun:"-"`
	MinKbps        map[string]int64 `bun:"-"` // by direction: the bandwidth that its QoS policy guarantees
	VirtualParents []string         `bun:"-"` // of the engine's spec: the ports that may have its address too
	TrunkID        string           `bun:"-"` // of the trunk whose parent it is
	SubPorts       []SubPort        `bun:"-"` // of that trunk
	TrunkParent    string           `bun:"-"` // the parent port of the trunk whose subport it is
	TrunkTag       int64            `bun:"-"` // its segmentation id there
}

// Allocation is a row of neutron_allocations: an address of a port.
type Allocation struct {
	bun.BaseModel `bun:"neutron_allocations,alias:t"`

	SubnetID  string `bun:"subnet_id,pk"`
	IPAddress string `bun:"ip_address,pk"`
	IPKey     string `bun:"ip_key"`
	NetworkID string `bun:"network_id"`
	PortID    string `bun:"port_id"`
	Place     int64  `bun:"place"` // order on the port
}

// Router is a row of neutron_routers.
type Router struct {
	bun.BaseModel `bun:"neutron_routers,alias:t"`
	Standard

	Name                  string   `bun:"name"`
	AdminStateUp          bool     `bun:"admin_state_up"`
	Status                string   `bun:"status"`
	GWPortID              string   `bun:"gw_port_id"`
	GWNetworkID           string   `bun:"gw_network_id"`
	EnableSNAT            bool     `bun:"enable_snat"`
	Routes                []Route  `bun:"routes"`
	AvailabilityZoneHints []string `bun:"availability_zone_hints"`
	QoSPolicyID           string   `bun:"qos_policy_id"` // of its gateway
	FlavorID              string   `bun:"flavor_id"`

	DefaultRouteECMP bool `bun:"default_route_ecmp"`
	DefaultRouteBFD  bool `bun:"default_route_bfd"`

	GatewayIPs   []Allocation `bun:"-"` // of the gateway port; see LoadGatewayIPs
	MoreGateways []Gateway    `bun:"-"` // those beside the one above, oldest first
}

// Gateway is one more way out of a router: a port of its own on an external network.
type Gateway struct {
	PortID, NetworkID string
	IPs               []Allocation
}

// FloatingIP is a row of neutron_floatingips.
type FloatingIP struct {
	bun.BaseModel `bun:"neutron_floatingips,alias:t"`
	Standard

	Status            string `bun:"status"`
	FloatingNetworkID string `bun:"floating_network_id"`
	FloatingPortID    string `bun:"floating_port_id"`
	FloatingIPAddress string `bun:"floating_ip_address"`
	FixedPortID       string `bun:"fixed_port_id"`
	FixedIPAddress    string `bun:"fixed_ip_address"`
	RouterID          string `bun:"router_id"`
	DNSName           string `bun:"dns_name"`
	DNSDomain         string `bun:"dns_domain"`
	QoSPolicyID       string `bun:"qos_policy_id"`

	NetworkQoS string `bun:"network_qos,scanonly"` // the external network's policy

	Forwardings []*PortForwarding `bun:"-"` // see LoadForwardings

	// Of the port it leads to, for port_details.
	PortName        string `bun:"port_name,scanonly"`
	PortNetworkID   string `bun:"port_network_id,scanonly"`
	PortMAC         string `bun:"port_mac,scanonly"`
	PortAdminUp     bool   `bun:"port_admin_up,scanonly"`
	PortStatus      string `bun:"port_status,scanonly"`
	PortDeviceID    string `bun:"port_device_id,scanonly"`
	PortDeviceOwner string `bun:"port_device_owner,scanonly"`
}

// SecurityGroup is a row of neutron_security_groups.
type SecurityGroup struct {
	bun.BaseModel `bun:"neutron_security_groups,alias:t"`
	Standard

	Name     string `bun:"name"`
	Stateful bool   `bun:"stateful"`

	IsDefault bool                 `bun:"is_default,scanonly"`
	Shared    bool                 `bun:"shared,scanonly"`
	Rules     []*SecurityGroupRule `bun:"-"`
}

// DefaultSecurityGroup is a row of neutron_default_security_groups.
type DefaultSecurityGroup struct {
	bun.BaseModel `bun:"neutron_default_security_groups,alias:t"`

	ProjectID string `bun:"project_id,pk"`
	GroupID   string `bun:"group_id"`
}

// SecurityGroupRule is a row of neutron_security_group_rules.
type SecurityGroupRule struct {
	bun.BaseModel `bun:"neutron_security_group_rules,alias:t"`
	Standard

	SecurityGroupID string `bun:"security_group_id"`
	Direction       string `bun:"direction"`
	Ethertype       string `bun:"ethertype"`
	Protocol        string `bun:"protocol"`
	PortRangeMin    *int64 `bun:"port_range_min"`
	PortRangeMax    *int64 `bun:"port_range_max"`
	RemoteIPPrefix  string `bun:"remote_ip_prefix"`
	RemoteGroupID   string `bun:"remote_group_id"`

	RemoteAddressGroupID string `bun:"remote_address_group_id"`

	GroupProject string `bun:"group_project,scanonly"`
	OfDefault    bool   `bun:"of_default,scanonly"`
}

// PortSecurityGroup is a row of neutron_port_security_groups.
type PortSecurityGroup struct {
	bun.BaseModel `bun:"neutron_port_security_groups,alias:t"`

	PortID  string `bun:"port_id,pk"`
	GroupID string `bun:"group_id,pk"`
}

// Quota is a row of neutron_quotas: a limit that is not the default.
type Quota struct {
	bun.BaseModel `bun:"neutron_quotas,alias:t"`

	ProjectID string `bun:"project_id,pk"`
	Resource  string `bun:"resource,pk"`
	Quota     int64  `bun:"quota"` // -1: no limit
}
