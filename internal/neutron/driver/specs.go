package driver

import "net/netip"

// NetworkType is a provider:network_type.
type NetworkType string

// The network types of the API.
const (
	Geneve NetworkType = "geneve"
	Flat   NetworkType = "flat"
	VLAN   NetworkType = "vlan"
	Local  NetworkType = "local"
	VXLAN  NetworkType = "vxlan"
	GRE    NetworkType = "gre"
	NVGRE  NetworkType = "nvgre"
)

// Networks with a TunnelVLAN are connected to a physical network of this name, and say under this key of their port to it what the hosts' tunnel
// agents need to know: "TYPE SEGMENT VLAN".
const (
	TunnelPhysnet    = "tunnels"
	TunnelSegmentKey = "gostack:tunnel"
)

// NetworkSpec is a network.
type NetworkSpec struct {
	ID       string
	Name     string
	Revision int64
	MTU      int // octets of an IP packet, 0 = leave to the engine
	Type     NetworkType
	Physnet  string // flat and vlan: the physical network
	// Segment is the VLAN id (1-4094). For tunnels it is the API's segmentation id; the engine chooses its own key on the wire.
	// TunnelVLAN, when not 0, is the VLAN by which the hosts' tunnel agents know the network: they then carry it, under its own id.
	Segment    int64
	TunnelVLAN int
	External   bool
	// VLANTransparent passes tenants' 802.1Q tags through.
	VLANTransparent bool
	// More are segments beside the one above (multi-provider networks): each flat or vlan one is one more way to a physical network.
	More []SegmentSpec
}

// SegmentSpec is one more segment of a network.
type SegmentSpec struct {
	ID      string
	Type    NetworkType
	Physnet string
	Segment int64
}

// IPv6Mode is ipv6_ra_mode or ipv6_address_mode; empty is "not set".
type IPv6Mode string

// The modes of the API.
const (
	SLAAC           IPv6Mode = "slaac"
	DHCPv6Stateful  IPv6Mode = "dhcpv6-stateful"
	DHCPv6Stateless IPv6Mode = "dhcpv6-stateless"
)

// HostRoute is a route for guests (host_routes) or for a router (routes).
type HostRoute struct {
	Destination netip.Prefix
	NextHop     netip.Addr
}

// SubnetSpec is a subnet with everything its DHCP answers say. The IP version is the CIDR's.
type SubnetSpec struct {
	ID          string
	NetworkID   string
	Name        string
	Revision    int64
	CIDR        netip.Prefix
	Gateway     netip.Addr // zero value: none
	EnableDHCP  bool
	DNS         []netip.Addr
	HostRoutes  []HostRoute
	RAMode      IPv6Mode
	AddressMode IPv6Mode
	MTU         int    // the network's MTU
	DNSDomain   string // domain given to guests, may be empty
	// MetadataIP is the address on this subnet of the network's metadata port (PortSpec of type LocalPort); zero: none.
	MetadataIP netip.Addr
}

// PortType says what the port is to the engine.
type PortType string

// The port types.
const (
	NormalPort PortType = ""          // a guest's or any other plugged port
	RouterPort PortType = "router"    // belongs to a router's interface or gateway
	LocalPort  PortType = "localport" // present on every chassis: the metadata port
)

// FixedIP is one address of a port.
type FixedIP struct {
	SubnetID string
	Address  netip.Addr
	CIDR     netip.Prefix // the subnet's
}

// AddressPair is one of allowed_address_pairs. An empty MAC means the port's own.
type AddressPair struct {
	MAC    string
	Prefix netip.Prefix
}

// DHCPOption is one of extra_dhcp_opts, as the API stores it.
type DHCPOption struct {
	Name      string
	Value     string
	IPVersion int // 4 or 6
}

// DNSName is a name with its addresses.
type DNSName struct {
	Name      string
	Addresses []netip.Addr
}

// PortSpec is a port.
type PortSpec struct {
	ID        string
	NetworkID string
	Name      string
	ProjectID string
	Revision  int64
	Type      PortType
	// RouterID is the router of a RouterPort.
	RouterID     string
	MAC          string
	FixedIPs     []FixedIP
	DeviceID     string
	DeviceOwner  string
	AdminStateUp bool
	// Host is binding:host_id; only that host may then claim the port. Empty: unbound.
	Host string
	// MigratingTo is a second host that may claim the port: the destination of a running server. It carries the port's traffic from the
	// moment on when the server announces itself there (RARP, as QEMU does).
	MigratingTo string
	// Translated: a floating IP leads to the port, and its host translates. While two hosts have the port, OVN takes only the first for the one
	// that translates: what the server says on the second leaves under the router's own address, and the peer of a connection answers
	// with a reset. So such a port is on one host at a time, and changes over when the server has arrived.
	Translated bool
	// PortSecurity false: no anti-spoofing and no security groups.
	PortSecurity   bool
	SecurityGroups []string
	AllowedPairs   []AddressPair
	DHCPOptions    []DHCPOption
	QoS            QoSSpec
	// Physical: its network is flat or vlan, so what leaves it leaves the host unwrapped.
	Physical bool
	// DNS are the names that guests of the network find the port's addresses by. Lower case.
	DNS []DNSName
	// VirtualParents are the ports that may have its addresses too, by their allowed address pairs: whoever of them announces an address has it.
	VirtualParents []string
	// Parent is the port inside of whose VLAN Tag this one is plugged (a trunk's subport). Empty: it is plugged itself.
	Parent string
	Tag    int
}

// Rate is a limit in kilobits a second; Burst in kilobits, 0 = the engine's choice. Kbps 0: no limit.
type Rate struct{ Kbps, Burst int64 }

// QoSSpec is what a QoS policy asks for one place, from the guest's view. The zero value asks for nothing.
type QoSSpec struct {
	Egress, Ingress Rate
	// DSCP is written into what the guest sends, if Mark.
	Mark bool
	DSCP int
	// MinEgressKbps is what the guest may always send, on physical networks.
	MinEgressKbps int64
}

// RouterSpec is a router with its interfaces, gateway, routes and floating IPs.
type RouterSpec struct {
	ID           string
	Name         string
	Revision     int64
	AdminStateUp bool
	Interfaces   []RouterInterface
	Gateway      *RouterGateway
	// MoreGateways are ways out beside Gateway. Those with next hops share the default route with it.
	MoreGateways []RouterGateway
	// WatchNextHops sends BFD to the next hops of default routes and leaves out those that do not answer.
	WatchNextHops bool
	Routes        []HostRoute
	FloatingIPs   []FloatingIPSpec
	Forwardings   []PortForwardingSpec
}

// Gateways are all ways out of the router, the first one first.
func (r *RouterSpec) Gateways() (out []*RouterGateway) {
	if r.Gateway == nil {
		return nil
	}
	out = append(out, r.Gateway)
	for i := range r.MoreGateways {
		out = append(out, &r.MoreGateways[i])
	}
	return out
}

// PortForwardingSpec leads ports of a floating IP to ports of an address behind the router. The ranges are equally long, or the inner one is
// a single port.
type PortForwardingSpec struct {
	FloatingIPID                string
	Protocol                    string // tcp, udp, sctp
	External, Internal          netip.Addr
	ExternalFirst, ExternalLast uint16
	InternalFirst, InternalLast uint16
}

// RouterInterface is an internal port of a router. The PortSpec with the same id puts it on its network.
type RouterInterface struct {
	PortID      string
	NetworkID   string
	NetworkType NetworkType
	MAC         string
	// Addresses are the router's own addresses with the length of their subnets: 10.0.0.1/24. At least one.
	Addresses []netip.Prefix
	MTU       int
	// RAMode makes the router send advertisements: empty for none (or an IPv4-only port).
	RAMode IPv6Mode
	// RADNS and RADomain go into advertisements.
	RADNS    netip.Addr
	RADomain string
}

// RouterGateway is the external side of a router.
type RouterGateway struct {
	PortID    string
	NetworkID string
	// Physnet of the external network; hosts that map it can carry the gateway.
	Physnet    string
	MAC        string
	Addresses  []netip.Prefix // with the subnets' lengths
	NextHops   []netip.Addr   // gateway_ip of the subnets: default routes
	EnableSNAT bool
	MTU        int
	QoS        QoSSpec
	// Chosen are the hosts that an operator chose. Empty: the backend chooses and keeps its choice (package gateways).
	Chosen []GatewayHost
	// Zones narrows the backend's choice to hosts of these availability zones; NoZone are those that name none. Empty: any host.
	Zones []string
}

// GatewayHost is a host of a gateway: of those that can, the one with the highest priority (at most 32767) carries it, the others stand by. A
// negative priority keeps the gateway away from the host.
type GatewayHost struct {
	Chassis  string // as in Chassis.Name
	Priority int
}

// NoZone stands for the hosts that name no availability zone: those of the cloud's default one.
const NoZone = "-"

// FloatingIPSpec is a floating IP that is associated with a port behind the router.
type FloatingIPSpec struct {
	ID       string
	External netip.Addr
	// NetworkID is the external network of External.
	NetworkID string
	Fixed     netip.Addr
	// PortID is the port that has Fixed.
	PortID string
	// MAC is that of the floating IP's own port on the external network; needed when distributed.
	MAC string
	QoS QoSSpec
	// Distributed answers on the host of PortID instead of the router's gateway host. The backend uses it only while
	// that host maps the external physical network.
	Distributed bool
}

// Direction of a security group rule, from the guest's view.
type Direction string

// The directions of the API.
const (
	Ingress Direction = "ingress"
	Egress  Direction = "egress"
)

// LoggingID stands for the one LoggingSpec where a resource's id is asked for.
const LoggingID = "00000000-0000-0000-0000-000000006c67"

// LoggingSpec says what hosts log of packets besides what security groups say themselves.
type LoggingSpec struct {
	// On: there is a log at all, so there is a limit on how much is written.
	On bool
	// Drops is the log for packets that no security group accepts; empty: they are not logged.
	Drops string
}

// SecurityGroupSpec is a security group.
type SecurityGroupSpec struct {
	ID        string
	Name      string
	ProjectID string
	Revision  int64
	Stateful  bool
	// Log is the log for packets that its rules accept; empty: they are not logged.
	Log   string
	Rules []SecurityGroupRule
}

// SecurityGroupRule allows traffic. Remote prefix and remote group exclude each other; neither means everywhere.
type SecurityGroupRule struct {
	ID        string
	Direction Direction
	IPVersion int // 4 or 6
	// Protocol is empty (any), a name of the API (tcp, udp, icmp, icmpv6, ipv6-icmp, sctp, ...) or a number 0-255.
	Protocol string
	// PortMin and PortMax bound the ports of tcp, udp, sctp and udplite; for ICMP they are type and code.
	PortMin, PortMax *int
	RemotePrefix     netip.Prefix // zero value: none
	RemoteGroupID    string
	// RemotePrefixes, when there are any, are the only addresses allowed: those of an address group. A group without addresses allows
	// nothing, so a rule with it is in no spec (OSSN-0095).
	RemotePrefixes []netip.Prefix
}
