// Package vswitch holds the typed rows of a host's own Open_vSwitch database that agents read and write. See ovs-vswitchd.conf.db(5).
package vswitch

import "gostack/internal/engine/ovsdb"

// Database is the name of the database.
const Database = "Open_vSwitch"

// Tables are the tables a client follows.
func Tables() []ovsdb.Table {
	return []ovsdb.Table{{Row: &OpenvSwitch{}}, {Row: &Bridge{}}, {Row: &Port{}}, {Row: &Interface{}}, {Row: &Datapath{}}}
}

// OpenvSwitch is the only row of the root table.
type OpenvSwitch struct {
	UUID        string            `ovsdb:"_uuid"`
	ExternalIDs map[string]string `ovsdb:"external_ids"`
	Bridges     []string          `ovsdb:"bridges"`
	Datapaths   map[string]string `ovsdb:"datapaths"` // by datapath type
	OVSVersion  *string           `ovsdb:"ovs_version"`
}

// Bridge is a virtual switch.
type Bridge struct {
	UUID         string            `ovsdb:"_uuid"`
	Name         string            `ovsdb:"name"`
	DatapathType string            `ovsdb:"datapath_type"`
	Ports        []string          `ovsdb:"ports"`
	ExternalIDs  map[string]string `ovsdb:"external_ids"`
}

// Port is a port of a bridge.
type Port struct {
	UUID        string            `ovsdb:"_uuid"`
	Name        string            `ovsdb:"name"`
	Interfaces  []string          `ovsdb:"interfaces"`
	ExternalIDs map[string]string `ovsdb:"external_ids"`
}

// Interface is a network device of a port.
type Interface struct {
	UUID        string            `ovsdb:"_uuid"`
	Name        string            `ovsdb:"name"`
	Type        string            `ovsdb:"type"`
	ExternalIDs map[string]string `ovsdb:"external_ids"`
	Ofport      *int              `ovsdb:"ofport"`
	Error       *string           `ovsdb:"error"`
}

// Datapath is what all bridges of a datapath type share. ovn-controller makes the row of br-int's type, ovs-vswitchd says in it what it can.
type Datapath struct {
	UUID         string            `ovsdb:"_uuid"`
	Capabilities map[string]string `ovsdb:"capabilities"`
}

// TableName implements ovsdb.Row.
func (*OpenvSwitch) TableName() string { return "Open_vSwitch" }

// TableName implements ovsdb.Row.
func (*Bridge) TableName() string { return "Bridge" }

// TableName implements ovsdb.Row.
func (*Port) TableName() string { return "Port" }

// TableName implements ovsdb.Row.
func (*Interface) TableName() string { return "Interface" }

// TableName implements ovsdb.Row.
func (*Datapath) TableName() string { return "Datapath" }
