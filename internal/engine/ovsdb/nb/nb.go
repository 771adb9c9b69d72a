// Package nb holds the typed rows of the tables of OVN's Northbound database that Neutron writes. Columns nobody here
// uses are left out, so a newer schema with more columns still fits. See ovn-nb(5) for their meaning.
package nb

import "gostack/internal/engine/ovsdb"

// Database is the name of the database.
const Database = "OVN_Northbound"

// Tables are the tables a client follows. indexKey, when not empty, is the key of external_ids by which rows are found quickly.
func Tables(indexKey string) []ovsdb.Table {
	var tables []ovsdb.Table
	for _, row := range []ovsdb.Row{
		&LogicalSwitch{}, &LogicalSwitchPort{}, &PortGroup{}, &AddressSet{}, &ACL{}, &LogicalRouter{}, &LogicalRouterPort{},
		&BFD{}, &StaticRoute{}, &NAT{}, &DHCPOptions{}, &GatewayChassis{}, &QoS{}, &LoadBalancer{}, &DNS{}, &Meter{}, &MeterBand{},
	} {
		tables = append(tables, ovsdb.Table{Row: row, ExternalIDIndex: indexKey, Unfollowed: unfollowed[row.TableName()]})
	}
	return append(tables, ovsdb.Table{Row: &Global{}})
}

// unfollowed are the sets of references from parents to children. A port group of a large cloud has 100,000 of them, and a child
// that exists is in its parent's set: rows without a reference vanish.
var unfollowed = map[string][]string{
	"Logical_Switch":      {"ports", "qos_rules", "dns_records"},
	"Logical_Router":      {"ports", "static_routes", "nat"},
	"Logical_Router_Port": {"gateway_chassis"},
	"Port_Group":          {"ports", "acls"},
}

// Global is the only row of NB_Global.
type Global struct {
	UUID        string            `ovsdb:"_uuid"`
	NbCfg       int               `ovsdb:"nb_cfg"`
	SbCfg       int               `ovsdb:"sb_cfg"`
	HvCfg       int               `ovsdb:"hv_cfg"`
	ExternalIDs map[string]string `ovsdb:"external_ids"`
	Options     map[string]string `ovsdb:"options"`
}

// LogicalSwitch is a network.
type LogicalSwitch struct {
	UUID          string            `ovsdb:"_uuid"`
	Name          string            `ovsdb:"name"`
	Ports         []string          `ovsdb:"ports"`
	QoSRules      []string          `ovsdb:"qos_rules"`
	DNSRecords    []string          `ovsdb:"dns_records"`
	LoadBalancers []string          `ovsdb:"load_balancer"`
	OtherConfig   map[string]string `ovsdb:"other_config"`
	ExternalIDs   map[string]string `ovsdb:"external_ids"`
}

// LogicalSwitchPort is a port of a switch.
type LogicalSwitchPort struct {
	UUID         string            `ovsdb:"_uuid"`
	Name         string            `ovsdb:"name"`
	Type         string            `ovsdb:"type"`
	Options      map[string]string `ovsdb:"options"`
	ParentName   *string           `ovsdb:"parent_name"`
	Tag          *int              `ovsdb:"tag"`
	Addresses    []string          `ovsdb:"addresses"`
	PortSecurity []string          `ovsdb:"port_security"`
	Up           *bool             `ovsdb:"up"`
	Enabled      *bool             `ovsdb:"enabled"`
	DHCPv4       *string           `ovsdb:"dhcpv4_options"`
	DHCPv6       *string           `ovsdb:"dhcpv6_options"`
	ExternalIDs  map[string]string `ovsdb:"external_ids"`
}

// PortGroup is a set of ports that share ACLs. northd derives the address sets NAME_ip4 and NAME_ip6 from it.
type PortGroup struct {
	UUID        string            `ovsdb:"_uuid"`
	Name        string            `ovsdb:"name"`
	Ports       []string          `ovsdb:"ports"`
	ACLs        []string          `ovsdb:"acls"`
	ExternalIDs map[string]string `ovsdb:"external_ids"`
}

// AddressSet is a named set of addresses for matches.
type AddressSet struct {
	UUID        string            `ovsdb:"_uuid"`
	Name        string            `ovsdb:"name"`
	Addresses   []string          `ovsdb:"addresses"`
	ExternalIDs map[string]string `ovsdb:"external_ids"`
}

// ACL is one rule of a port group.
type ACL struct {
	UUID        string            `ovsdb:"_uuid"`
	Name        *string           `ovsdb:"name"`
	Priority    int               `ovsdb:"priority"`
	Direction   string            `ovsdb:"direction"`
	Match       string            `ovsdb:"match"`
	Action      string            `ovsdb:"action"`
	Log         bool              `ovsdb:"log"`
	Severity    *string           `ovsdb:"severity"`
	Meter       *string           `ovsdb:"meter"`
	Options     map[string]string `ovsdb:"options"`
	ExternalIDs map[string]string `ovsdb:"external_ids"`
}

// LogicalRouter is a router.
type LogicalRouter struct {
	UUID          string            `ovsdb:"_uuid"`
	Name          string            `ovsdb:"name"`
	Ports         []string          `ovsdb:"ports"`
	StaticRoutes  []string          `ovsdb:"static_routes"`
	NAT           []string          `ovsdb:"nat"`
	LoadBalancers []string          `ovsdb:"load_balancer"`
	Enabled       *bool             `ovsdb:"enabled"`
	Options       map[string]string `ovsdb:"options"`
	ExternalIDs   map[string]string `ovsdb:"external_ids"`
}

// LogicalRouterPort is a router's side of a connection to a switch.
type LogicalRouterPort struct {
	UUID           string            `ovsdb:"_uuid"`
	Name           string            `ovsdb:"name"`
	MAC            string            `ovsdb:"mac"`
	Networks       []string          `ovsdb:"networks"`
	GatewayChassis []string          `ovsdb:"gateway_chassis"`
	Enabled        *bool             `ovsdb:"enabled"`
	Options        map[string]string `ovsdb:"options"`
	IPv6RAConfigs  map[string]string `ovsdb:"ipv6_ra_configs"`
	ExternalIDs    map[string]string `ovsdb:"external_ids"`
}

// StaticRoute is a route of a router.
type StaticRoute struct {
	UUID        string            `ovsdb:"_uuid"`
	IPPrefix    string            `ovsdb:"ip_prefix"`
	NextHop     string            `ovsdb:"nexthop"`
	OutputPort  *string           `ovsdb:"output_port"`
	Policy      *string           `ovsdb:"policy"`
	BFD         *string           `ovsdb:"bfd"`
	ExternalIDs map[string]string `ovsdb:"external_ids"`
}

// BFD is a session with a next hop: routes that refer to it count only while the hop answers.
type BFD struct {
	UUID        string            `ovsdb:"_uuid"`
	LogicalPort string            `ovsdb:"logical_port"`
	DstIP       string            `ovsdb:"dst_ip"`
	ExternalIDs map[string]string `ovsdb:"external_ids"`
}

// NAT is a translation rule of a router.
type NAT struct {
	UUID        string            `ovsdb:"_uuid"`
	Type        string            `ovsdb:"type"`
	ExternalIP  string            `ovsdb:"external_ip"`
	ExternalMAC *string           `ovsdb:"external_mac"`
	LogicalIP   string            `ovsdb:"logical_ip"`
	LogicalPort *string           `ovsdb:"logical_port"`
	GatewayPort *string           `ovsdb:"gateway_port"`
	Options     map[string]string `ovsdb:"options"`
	ExternalIDs map[string]string `ovsdb:"external_ids"`
}

// DHCPOptions are the answers of OVN's DHCP for the ports that refer to the row.
type DHCPOptions struct {
	UUID        string            `ovsdb:"_uuid"`
	CIDR        string            `ovsdb:"cidr"`
	Options     map[string]string `ovsdb:"options"`
	ExternalIDs map[string]string `ovsdb:"external_ids"`
}

// GatewayChassis is one host that may carry a router port.
type GatewayChassis struct {
	UUID        string            `ovsdb:"_uuid"`
	Name        string            `ovsdb:"name"`
	ChassisName string            `ovsdb:"chassis_name"`
	Priority    int               `ovsdb:"priority"`
	ExternalIDs map[string]string `ovsdb:"external_ids"`
}

// QoS limits and marks traffic on a switch. Bandwidth has rate (kilobits a second) and burst (kilobits), Action has dscp.
type QoS struct {
	UUID        string            `ovsdb:"_uuid"`
	Priority    int               `ovsdb:"priority"`
	Direction   string            `ovsdb:"direction"`
	Match       string            `ovsdb:"match"`
	Action      map[string]int    `ovsdb:"action"`
	Bandwidth   map[string]int    `ovsdb:"bandwidth"`
	ExternalIDs map[string]string `ovsdb:"external_ids"`
}

// DNS are names that ovn-controller answers for: Records is by name, lower case; addresses are separated by spaces.
type DNS struct {
	UUID        string            `ovsdb:"_uuid"`
	Records     map[string]string `ovsdb:"records"`
	ExternalIDs map[string]string `ovsdb:"external_ids"`
}

// TableName implements ovsdb.Row.
func (*DNS) TableName() string { return "DNS" }

// Meter limits what may happen in a time; Fair: for each of its users alone.
type Meter struct {
	UUID        string            `ovsdb:"_uuid"`
	Name        string            `ovsdb:"name"`
	Unit        string            `ovsdb:"unit"`
	Bands       []string          `ovsdb:"bands"`
	Fair        *bool             `ovsdb:"fair"`
	ExternalIDs map[string]string `ovsdb:"external_ids"`
}

// TableName implements ovsdb.Row.
func (*Meter) TableName() string { return "Meter" }

// MeterBand is a limit of a meter.
type MeterBand struct {
	UUID        string            `ovsdb:"_uuid"`
	Action      string            `ovsdb:"action"`
	Rate        int               `ovsdb:"rate"`
	BurstSize   int               `ovsdb:"burst_size"`
	ExternalIDs map[string]string `ovsdb:"external_ids"`
}

// TableName implements ovsdb.Row.
func (*MeterBand) TableName() string { return "Meter_Band" }

// LoadBalancer leads addresses with ports (Vips) to others.
type LoadBalancer struct {
	UUID        string            `ovsdb:"_uuid"`
	Name        string            `ovsdb:"name"`
	Vips        map[string]string `ovsdb:"vips"`
	Protocol    *string           `ovsdb:"protocol"`
	Options     map[string]string `ovsdb:"options"`
	ExternalIDs map[string]string `ovsdb:"external_ids"`
}

// TableName implements ovsdb.Row.
func (*LoadBalancer) TableName() string { return "Load_Balancer" }

// TableName implements ovsdb.Row.
func (*QoS) TableName() string { return "QoS" }

// TableName implements ovsdb.Row.
func (*Global) TableName() string { return "NB_Global" }

// TableName implements ovsdb.Row.
func (*LogicalSwitch) TableName() string { return "Logical_Switch" }

// TableName implements ovsdb.Row.
func (*LogicalSwitchPort) TableName() string { return "Logical_Switch_Port" }

// TableName implements ovsdb.Row.
func (*PortGroup) TableName() string { return "Port_Group" }

// TableName implements ovsdb.Row.
func (*AddressSet) TableName() string { return "Address_Set" }

// TableName implements ovsdb.Row.
func (*ACL) TableName() string { return "ACL" }

// TableName implements ovsdb.Row.
func (*LogicalRouter) TableName() string { return "Logical_Router" }

// TableName implements ovsdb.Row.
func (*LogicalRouterPort) TableName() string { return "Logical_Router_Port" }

// TableName implements ovsdb.Row.
func (*StaticRoute) TableName() string { return "Logical_Router_Static_Route" }

// TableName implements ovsdb.Row.
func (*BFD) TableName() string { return "BFD" }

// TableName implements ovsdb.Row.
func (*NAT) TableName() string { return "NAT" }

// TableName implements ovsdb.Row.
func (*DHCPOptions) TableName() string { return "DHCP_Options" }

// TableName implements ovsdb.Row.
func (*GatewayChassis) TableName() string { return "Gateway_Chassis" }
