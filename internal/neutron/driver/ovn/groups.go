package ovn

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"gostack/internal/engine/ovsdb"
	"gostack/internal/engine/ovsdb/nb"
	"gostack/internal/neutron/driver"
)

// Priorities of ACLs, as in networking-ovn.
const (
	aclDrop  = 1001
	aclAllow = 1002
	// aclSpoof comes before what a security group allows.
	aclSpoof = 1003
)

const dropGroupName = "neutron_pg_drop"

// dropGroupID is the row of the port group of all ports with port security: what no rule allows is dropped.
var dropGroupID = rowID("port_group", dropGroupName)

// groupName is the port group of a security group. OVN names may not contain dashes.
func groupName(id string) string { return "pg_" + strings.ReplaceAll(id, "-", "_") }

// EnsureSecurityGroup implements driver.Backend.
func (b *Backend) EnsureSecurityGroup(ctx context.Context, g driver.SecurityGroupSpec) error {
	if err := b.ensureDropGroup(ctx); err != nil {
		return err
	}
	b.structure.Lock()
	defer b.structure.Unlock()
	return b.converge(ctx, owner(kindGroup, g.ID), func(ctx context.Context) (*plan, error) {
		p, err := renderGroup(g)
		if err != nil {
			return nil, err
		}
		return p, b.adopt(ctx, p, g.ID, func(lsp *nb.LogicalSwitchPort) bool { return strings.Contains(lsp.ExternalIDs[groupsKey], g.ID) })
	})
}

// DeleteSecurityGroup implements driver.Backend.
func (b *Backend) DeleteSecurityGroup(ctx context.Context, id string) error {
	b.structure.Lock()
	defer b.structure.Unlock()
	return b.remove(ctx, kindGroup, id)
}

// adopt fills a group that is about to be created with the ports that already ask for it.
func (b *Backend) adopt(ctx context.Context, p *plan, groupID string, wants func(*nb.LogicalSwitchPort) bool) error {
	there, err := b.nb.Has(ctx, "Port_Group", groupID)
	if err != nil || there {
		return err
	}
	ports, err := ovsdb.List(ctx, b.nb, wants)
	for _, lsp := range ports {
		p.members = append(p.members, lsp.UUID)
	}
	return err
}

// ensureDropGroup creates the group of all secured ports when it is not there.
func (b *Backend) ensureDropGroup(ctx context.Context) error {
	there, err := b.nb.Has(ctx, "Port_Group", dropGroupID)
	if err != nil || there {
		return unavailable(err)
	}
	b.structure.Lock()
	defer b.structure.Unlock()
	return b.converge(ctx, owner(kindGroup, dropGroupID), func(ctx context.Context) (*plan, error) {
		p := renderDropGroup(nil)
		return p, b.adopt(ctx, p, dropGroupID, func(lsp *nb.LogicalSwitchPort) bool { return len(lsp.PortSecurity) > 0 })
	})
}

// renderDropGroup drops everything that no security group allows, and what no guest may send whatever its groups allow.
func renderDropGroup(l *driver.LoggingSpec) *plan {
	p := &plan{owner: owner(kindGroup, dropGroupID)}
	p.add(&nb.PortGroup{UUID: dropGroupID, Name: dropGroupName}, "")
	acl := func(direction, match, action string, priority int) {
		row := &nb.ACL{UUID: rowID("acl", dropGroupName, direction, match), Direction: direction, Match: match, Action: action, Priority: priority}
		if l != nil && action == "drop" {
			logged(row, l.Drops)
		}
		p.add(row, dropGroupID)
	}
	in, out := "inport == @"+dropGroupName, "outport == @"+dropGroupName
	acl("from-lport", in+" && ip", "drop", aclDrop)
	acl("to-lport", out+" && ip", "drop", aclDrop)
	// A guest may always ask for its addresses.
	acl("from-lport", in+" && ip4 && udp.src == 68 && udp.dst == 67", "allow", aclAllow)
	acl("from-lport", in+" && ip6 && udp.src == 546 && udp.dst == 547", "allow", aclAllow)
	// A guest is never a DHCP server for others.
	acl("from-lport", in+" && ip4 && udp.src == 67 && udp.dst == 68", "drop", aclSpoof)
	acl("from-lport", in+" && ip6 && udp.src == 547 && udp.dst == 546", "drop", aclSpoof)
	// Nor does it redirect anybody's traffic. Its router advertisements cannot be dropped by an ACL: northd lets neighbour discovery
	// pass before all of them (priority 65532). The agent of the host drops them.
	acl("from-lport", in+" && icmp6.type == 137", "drop", aclSpoof)
	logMeter(p, l)
	return p
}

// renderGroup is a port group with one ACL a rule.
func renderGroup(g driver.SecurityGroupSpec) (*plan, error) {
	p, err := newPlan(kindGroup, g.ID, g.Revision)
	if err != nil {
		return nil, err
	}
	p.add(&nb.PortGroup{UUID: g.ID, Name: groupName(g.ID), ExternalIDs: map[string]string{"neutron:security_group_id": g.ID}}, "")
	action := "allow-related"
	if !g.Stateful {
		action = "allow-stateless"
	}
	for _, r := range g.Rules {
		acl, err := renderRule(g.ID, r)
		if err != nil {
			p.reject("security group %s: rule %s: %w", g.ID, r.ID, err)
			continue
		}
		acl.Action, acl.Priority = action, aclAllow
		logged(acl, g.Log)
		p.add(acl, g.ID)
	}
	return p, nil
}

// renderRule writes a rule as a match. Everything in it is typed or parsed, so no rule can break the expression of another.
func renderRule(groupID string, r driver.SecurityGroupRule) (*nb.ACL, error) {
	if err := checkID(r.ID); err != nil {
		return nil, err
	}
	acl := &nb.ACL{UUID: r.ID, ExternalIDs: map[string]string{"neutron:security_group_rule_id": r.ID}}
	remote := "src"
	var match []string
	switch r.Direction {
	case driver.Ingress:
		acl.Direction, match = "to-lport", append(match, "outport == @"+groupName(groupID))
	case driver.Egress:
		acl.Direction, match = "from-lport", append(match, "inport == @"+groupName(groupID))
		remote = "dst"
	default:
		return nil, fmt.Errorf("direction %q", r.Direction)
	}
	ip := "ip" + strconv.Itoa(r.IPVersion)
	if r.IPVersion != 4 && r.IPVersion != 6 {
		return nil, fmt.Errorf("IP version %d", r.IPVersion)
	}
	match = append(match, ip)
	if r.RemotePrefix.IsValid() {
		if r.RemotePrefix.Addr().Is4() != (r.IPVersion == 4) {
			return nil, fmt.Errorf("remote %s is not IPv%d", r.RemotePrefix, r.IPVersion)
		}
		if r.RemotePrefix.Bits() > 0 {
			match = append(match, fmt.Sprintf("%s.%s == %s", ip, remote, r.RemotePrefix.Masked()))
		}
	}
	if r.RemoteGroupID != "" {
		if err := checkID(r.RemoteGroupID); err != nil {
			return nil, err
		}
		// northd keeps an address set for each family of each port group.
		match = append(match, fmt.Sprintf("%s.%s == $%s_%s", ip, remote, groupName(r.RemoteGroupID), ip))
	}
	if len(r.RemotePrefixes) > 0 {
		set := make([]string, len(r.RemotePrefixes))
		all := false
		for i, prefix := range r.RemotePrefixes {
			if prefix.Addr().Is4() != (r.IPVersion == 4) {
				return nil, fmt.Errorf("remote %s is not IPv%d", prefix, r.IPVersion)
			}
			set[i] = prefix.Masked().String()
			all = all || prefix.Bits() == 0
		}
		if !all {
			match = append(match, fmt.Sprintf("%s.%s == {%s}", ip, remote, strings.Join(set, ", ")))
		}
	}
	proto, err := protocolMatch(r)
	if err != nil {
		return nil, err
	}
	acl.Match = strings.Join(append(match, proto...), " && ")
	return acl, nil
}
