package ovn

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"gostack/internal/engine/ovsdb"
	"gostack/internal/neutron/driver"
)

// Keys of external_ids. Those named neutron:… are networking-ovn's.
const (
	ownerKey    = "gostack:owner"  // KIND/ID of the API resource the row belongs to
	parentKey   = "gostack:parent" // UUID of the row whose set of references keeps this row alive
	revisionKey = "neutron:revision_number"
)

// Kinds of owners.
const (
	kindNetwork = "network"
	kindSubnet  = "subnet"
	kindPort    = "port"
	kindRouter  = "router"
	kindGroup   = "security_group"
)

func owner(kind, id string) string { return kind + "/" + id }

// ownerParts splits an owner mark.
func ownerParts(mark string) (kind, id string) {
	kind, id, _ = strings.Cut(mark, "/")
	return kind, id
}

// childOf names, for tables whose rows live only while a parent refers to them, the parent's table and column.
var childOf = map[string]struct{ table, column string }{
	"Logical_Switch_Port":         {"Logical_Switch", "ports"},
	"Logical_Router_Port":         {"Logical_Router", "ports"},
	"Logical_Router_Static_Route": {"Logical_Router", "static_routes"},
	"NAT":                         {"Logical_Router", "nat"},
	"ACL":                         {"Port_Group", "acls"},
	"Gateway_Chassis":             {"Logical_Router_Port", "gateway_chassis"},
	"QoS":                         {"Logical_Switch", "qos_rules"},
	"DNS":                         {"Logical_Switch", "dns_records"},
}

// stays names the tables among them whose rows live without a reference too, and have to be deleted.
var stays = map[string]bool{"DNS": true}

// ownedTables are the tables we write, parents before children.
var ownedTables = []string{
	"Logical_Switch", "Load_Balancer", "Logical_Router", "Port_Group", "DHCP_Options", "Logical_Switch_Port", "Logical_Router_Port",
	"Gateway_Chassis", "Meter_Band", "Meter", "BFD", "Logical_Router_Static_Route", "NAT", "ACL", "QoS", "DNS",
}

// notCompared are columns that others write or that are kept by references from children.
var notCompared = map[string][]string{
	"Logical_Switch":      {"ports", "qos_rules", "dns_records", "load_balancer"},
	"Logical_Switch_Port": {"up"},
	"Port_Group":          {"ports", "acls"},
	"Logical_Router":      {"ports", "static_routes", "nat"},
	"Logical_Router_Port": {"gateway_chassis"},
}

// plan is everything one API resource should have in the database.
type plan struct {
	owner    string
	revision int64
	rows     []ovsdb.Row
	// guards fail the transaction when something it builds on is gone.
	guards []ovsdb.Op
	// groups are the port groups a port should be in.
	groups []string
	// keepGroups leaves the port's groups as they are.
	keepGroups bool
	// members are the ports a new port group starts with.
	members []string
	// rejected are the parts that cannot be expressed.
	rejected []error
}

// add puts a row into the plan and marks it as ours. parent is empty for rows that live on their own.
func (p *plan) add(r ovsdb.Row, parent string) {
	ids := ovsdb.ExternalIDs(r)
	if ids == nil {
		ids = map[string]string{}
	}
	ids[ownerKey] = p.owner
	if parent != "" {
		ids[parentKey] = parent
	}
	if p.revision > 0 {
		ids[revisionKey] = strconv.FormatInt(p.revision, 10)
	}
	ovsdb.SetExternalIDs(r, ids)
	p.rows = append(p.rows, r)
}

func (p *plan) reject(format string, args ...any) {
	p.rejected = append(p.rejected, fmt.Errorf("%w: "+format, append([]any{driver.ErrInvalid}, args...)...))
}

// newPlan checks the ids, on which row UUIDs rest.
func newPlan(kind, id string, revision int64, otherIDs ...string) (*plan, error) {
	for _, s := range append(otherIDs, id) {
		if err := checkID(s); err != nil {
			return nil, err
		}
	}
	return &plan{owner: owner(kind, id), revision: revision}, nil
}

// checkID wants the canonical form, since ids become row UUIDs.
func checkID(id string) error {
	u, err := uuid.Parse(id)
	if err != nil || u.String() != id {
		return fmt.Errorf("%w: %q is not a UUID", driver.ErrInvalid, id)
	}
	return nil
}

// space is the name space of derived row UUIDs.
var space = uuid.MustParse("9f0fa3a6-4c4e-5b0e-9d5e-0e6b6f6d7374")

// rowID derives the UUID of a row that has no API id of its own.
func rowID(parts ...string) string {
	return uuid.NewSHA1(space, []byte(strings.Join(parts, "/"))).String()
}

func ptr[T any](v T) *T { return &v }

// optional is nil for an empty string.
func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
