// Package sb holds the typed rows of OVN's Southbound database that are read: where ports are and which hosts there are.
// The only write is the removal of a dead chassis. See ovn-sb(5).
package sb

import "gostack/internal/engine/ovsdb"

// Database is the name of the database.
const Database = "OVN_Southbound"

// Keys of Chassis_Private's external_ids by which a metadata agent says that it is alive, as upstream's does.
const (
	MetadataIDKey     = "neutron:ovn-metadata-id"
	MetadataConfigKey = "neutron:ovn-metadata-sb-cfg" // the SB_Global.nb_cfg it has seen
)

// Tables are the tables a client follows.
func Tables() []ovsdb.Table {
	return []ovsdb.Table{{Row: &PortBinding{}}, {Row: &Chassis{}}, {Row: &ChassisPrivate{}}, {Row: &Encap{}}, {Row: &DatapathBinding{}}}
}

// PortBinding says on which chassis a logical port is.
type PortBinding struct {
	UUID        string   `ovsdb:"_uuid"`
	LogicalPort string   `ovsdb:"logical_port"`
	Type        string   `ovsdb:"type"`
	Datapath    string   `ovsdb:"datapath"`
	TunnelKey   int      `ovsdb:"tunnel_key"`
	Chassis     *string  `ovsdb:"chassis"`
	Up          *bool    `ovsdb:"up"`
	MAC         []string `ovsdb:"mac"`
	// PortSecurity is a copy of the logical port's; empty: the port may send what it likes.
	PortSecurity []string          `ovsdb:"port_security"`
	ExternalIDs  map[string]string `ovsdb:"external_ids"`
}

// Chassis is a host.
type Chassis struct {
	UUID        string            `ovsdb:"_uuid"`
	Name        string            `ovsdb:"name"`
	Hostname    string            `ovsdb:"hostname"`
	Encaps      []string          `ovsdb:"encaps"`
	ExternalIDs map[string]string `ovsdb:"external_ids"`
	OtherConfig map[string]string `ovsdb:"other_config"`
}

// ChassisPrivate is the part of a host's state that only its own controller writes.
type ChassisPrivate struct {
	UUID           string            `ovsdb:"_uuid"`
	Name           string            `ovsdb:"name"`
	Chassis        *string           `ovsdb:"chassis"`
	NbCfg          int               `ovsdb:"nb_cfg"`
	NbCfgTimestamp int               `ovsdb:"nb_cfg_timestamp"` // milliseconds since 1970
	ExternalIDs    map[string]string `ovsdb:"external_ids"`
}

// Global is the only row of SB_Global.
type Global struct {
	UUID  string `ovsdb:"_uuid"`
	NbCfg int    `ovsdb:"nb_cfg"` // raised to ask every host for a sign of life
}

// TableName implements ovsdb.Row.
func (*Global) TableName() string { return "SB_Global" }

// Encap is a tunnel endpoint.
type Encap struct {
	UUID        string `ovsdb:"_uuid"`
	Type        string `ovsdb:"type"`
	IP          string `ovsdb:"ip"`
	ChassisName string `ovsdb:"chassis_name"`
}

// DatapathBinding is a logical switch or router.
type DatapathBinding struct {
	UUID        string            `ovsdb:"_uuid"`
	TunnelKey   int               `ovsdb:"tunnel_key"`
	ExternalIDs map[string]string `ovsdb:"external_ids"`
}

// TableName implements ovsdb.Row.
func (*PortBinding) TableName() string { return "Port_Binding" }

// TableName implements ovsdb.Row.
func (*Chassis) TableName() string { return "Chassis" }

// TableName implements ovsdb.Row.
func (*ChassisPrivate) TableName() string { return "Chassis_Private" }

// TableName implements ovsdb.Row.
func (*Encap) TableName() string { return "Encap" }

// TableName implements ovsdb.Row.
func (*DatapathBinding) TableName() string { return "Datapath_Binding" }
