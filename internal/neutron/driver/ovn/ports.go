package ovn

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"gostack/internal/engine/ovsdb"
	"gostack/internal/engine/ovsdb/nb"
	"gostack/internal/neutron/driver"
)

const (
	groupsKey  = "neutron:security_group_ids"
	networkKey = "neutron:network_name"
	hostKey    = "neutron:host_id"
	moveKey    = "neutron:migrating_to"
	awaitedKey = "neutron:awaited_on" // of a port that is on one host at a time
)

// EnsurePort implements driver.Backend.
func (b *Backend) EnsurePort(ctx context.Context, s driver.PortSpec) error {
	if err := b.ensureDropGroup(ctx); err != nil {
		return err
	}
	b.structure.RLock()
	defer b.structure.RUnlock()
	before, err := live{b}.bound(ctx, s.ID)
	if err != nil {
		return unavailable(err)
	}
	if err := b.arrive(ctx, s); err != nil {
		return err
	}
	if err := b.ensurePort(ctx, s); err != nil || before == s.Host {
		return err
	}
	return b.relocateFloatingIPs(ctx, s.ID, s.Host)
}

func (b *Backend) ensurePort(ctx context.Context, s driver.PortSpec) error {
	return b.converge(ctx, owner(kindPort, s.ID), func(ctx context.Context) (*plan, error) {
		there, err := b.nb.Has(ctx, "Logical_Switch", s.NetworkID)
		if err != nil {
			return nil, err
		}
		p, err := renderPort(ctx, live{b}, s)
		if err != nil {
			return nil, err
		}
		if !there {
			return nil, fmt.Errorf("%w: network %s", driver.ErrDependency, s.NetworkID)
		}
		for _, r := range p.rejected {
			b.log.Warn("part of a port left out", "port", s.ID, "reason", r)
		}
		p.rejected = nil // a bad option must not keep the port from working; Sync reports it
		return p, nil
	})
}

// arrivalPatience is Config.ArrivalPatience where none is set.
const arrivalPatience = 10 * time.Second

// arrive lets the host of an arrived server claim its translated port while the port is silent. ovn-controller plugs a port that it has
// claimed a moment before it knows, from the Southbound database, that it is the one who translates; what the server said in between would
// leave under the router's address. The port's up tells nothing here: it may still be the word of the host that was left, and the new one
// says it in the same moment that is too early. So the new host is asked, as Chassis asks, once the database names it: it answers when
// the flows that follow from its name are in place.
func (b *Backend) arrive(ctx context.Context, s driver.PortSpec) error {
	lsp, err := ovsdb.Get[nb.LogicalSwitchPort](ctx, b.nb, s.ID)
	if err != nil {
		return unavailable(err)
	}
	if lsp == nil || s.Host == "" || s.MigratingTo != "" || !s.AdminStateUp || lsp.ExternalIDs[awaitedKey] != s.Host {
		return nil
	}
	s.AdminStateUp = false
	if err := b.ensurePort(ctx, s); err != nil {
		return err
	}
	wait, cancel := context.WithTimeout(ctx, b.cfg.ArrivalPatience)
	defer cancel()
	err = b.until(wait, "Port_Binding", func() (bool, error) {
		c, ok, err := b.chassisNamed(wait, s.Host)
		if err != nil || !ok {
			return false, err
		}
		states, err := b.PortStates(wait, []string{s.ID})
		return states[s.ID].Host == c.Hostname, err
	})
	if err == nil {
		err = b.applied(wait, s.Host)
	}
	if err != nil && ctx.Err() == nil {
		b.log.Warn("a host does not take over a port whose server has arrived; it speaks from there as soon as it does", "port", s.ID, "host", s.Host, "error", err)
		return nil
	}
	return ctx.Err()
}

// DeletePort implements driver.Backend. Port groups lose the port by themselves.
func (b *Backend) DeletePort(ctx context.Context, id string) error {
	b.structure.RLock()
	defer b.structure.RUnlock()
	return b.remove(ctx, kindPort, id)
}

// renderPort is a switch port, its own DHCP answers if it has extra options, and its port groups.
func renderPort(ctx context.Context, v view, s driver.PortSpec) (*plan, error) {
	p, err := newPlan(kindPort, s.ID, s.Revision, append([]string{s.NetworkID}, s.SecurityGroups...)...)
	if err != nil {
		return nil, err
	}
	mac, err := net.ParseMAC(s.MAC)
	if err != nil || len(mac) != 6 {
		return nil, fmt.Errorf("%w: port %s: MAC %q", driver.ErrInvalid, s.ID, s.MAC)
	}
	lsp := &nb.LogicalSwitchPort{
		UUID: s.ID, Name: s.ID, Type: string(s.Type), Enabled: ptr(s.AdminStateUp), Options: map[string]string{},
		ExternalIDs: map[string]string{
			"neutron:port_name": s.Name, "neutron:device_id": s.DeviceID, "neutron:device_owner": s.DeviceOwner,
			"neutron:project_id": s.ProjectID, networkKey: switchName(s.NetworkID), "neutron:cidrs": cidrs(s.FixedIPs),
			groupsKey: "", hostKey: s.Host,
		},
	}
	p.add(lsp, s.NetworkID)
	p.guards = append(p.guards, ovsdb.MustExist("Logical_Switch", s.NetworkID, "name", switchName(s.NetworkID)))
	own := strings.Join(append([]string{mac.String()}, ipStrings(s.FixedIPs)...), " ")
	switch s.Type {
	case driver.RouterPort:
		lsp.Addresses = []string{"router"}
		lsp.Options["router-port"] = routerPortName(s.ID)
		if s.DeviceOwner == "network:router_gateway" {
			// Gratuitous ARP for the router's external addresses.
			lsp.Options["nat-addresses"] = "router"
			lsp.Options["exclude-lb-vips-from-garp"] = "true"
		}
		return p, nil
	case driver.LocalPort:
		lsp.Addresses = []string{own}
		return p, nil
	case driver.NormalPort:
	default:
		return nil, fmt.Errorf("%w: port %s: type %q", driver.ErrInvalid, s.ID, s.Type)
	}
	if s.Parent != "" {
		if err := checkID(s.Parent); err != nil || s.Tag < 1 || s.Tag > 4094 {
			return nil, fmt.Errorf("%w: port %s: VLAN %d of port %q", driver.ErrInvalid, s.ID, s.Tag, s.Parent)
		}
		lsp.ParentName, lsp.Tag = ptr(s.Parent), ptr(s.Tag)
	}
	lsp.Addresses = []string{own}
	if err := placePort(ctx, v, lsp, s); err != nil {
		return nil, err
	}
	portQoS(p, lsp, s)
	dnsRecords(p, s)
	if err := virtual(lsp, s); err != nil {
		return nil, err
	}
	if s.PortSecurity {
		secure(p, lsp, s, mac.String(), own)
		if err := joinGroups(ctx, v, p, lsp, s.SecurityGroups); err != nil {
			return nil, err
		}
	} else {
		lsp.Addresses = append(lsp.Addresses, "unknown")
	}
	if over, disabled := overridesOf(p, s.DHCPOptions, 4); !disabled {
		setIf(lsp.ExternalIDs, subnets4Key, subnetsOf(s.FixedIPs, true))
		setIf(lsp.ExternalIDs, overrides4Key, over)
	}
	if over, disabled := overridesOf(p, s.DHCPOptions, 6); !disabled {
		setIf(lsp.ExternalIDs, subnets6Key, subnetsOf(s.FixedIPs, false))
		setIf(lsp.ExternalIDs, overrides6Key, over)
	}
	return p, linkDHCP(ctx, v, p, lsp)
}

// placePort says which host may claim the port; during a live migration two may, and the second one is silent until the server announces itself
// there (ovn-nb(5), requested-chassis and activation-strategy).
func placePort(ctx context.Context, v view, lsp *nb.LogicalSwitchPort, s driver.PortSpec) error {
	for _, host := range []string{s.Host, s.MigratingTo} {
		if strings.ContainsAny(host, ", \t\n") { // OVN would take it for several hosts
			return fmt.Errorf("%w: port %s: host %q", driver.ErrInvalid, s.ID, host)
		}
	}
	if s.Host == "" {
		return nil
	}
	if s.Translated {
		setIf(lsp.ExternalIDs, awaitedKey, s.MigratingTo)
		s.MigratingTo = ""
	}
	setIf(lsp.ExternalIDs, moveKey, s.MigratingTo)
	names, err := requested(s.Host, s.MigratingTo, func(host string) (string, error) { return v.chassisName(ctx, host) })
	if err != nil {
		return err
	}
	lsp.Options["requested-chassis"] = names
	if s.MigratingTo != "" {
		lsp.Options["activation-strategy"] = "rarp"
	}
	return nil
}

// requested is the value of requested-chassis for a host and, during a live migration, the next one.
func requested(host, next string, name func(string) (string, error)) (string, error) {
	names, err := name(host)
	if err != nil || next == "" {
		return names, err
	}
	second, err := name(next)
	return names + "," + second, err
}

// secure restricts the source addresses of the port to its own and the allowed pairs (ovn-nb(5), port_security).
func secure(p *plan, lsp *nb.LogicalSwitchPort, s driver.PortSpec, mac, own string) {
	same := own
	var others []string
	for _, pair := range s.AllowedPairs {
		if !pair.Prefix.IsValid() {
			p.reject("port %s: allowed address pair without an address", s.ID)
			continue
		}
		ip := pair.Prefix.String()
		if pair.Prefix.IsSingleIP() {
			ip = pair.Prefix.Addr().String()
		}
		hw, err := net.ParseMAC(pair.MAC)
		switch {
		case pair.MAC == "" || (err == nil && hw.String() == mac):
			if !slices.Contains(strings.Fields(same), ip) {
				same += " " + ip
			}
		case err != nil:
			p.reject("port %s: allowed address pair: MAC %q", s.ID, pair.MAC)
		default:
			others = append(others, hw.String()+" "+ip)
			if !slices.Contains(lsp.Addresses, hw.String()) {
				lsp.Addresses = append(lsp.Addresses, hw.String())
			}
		}
	}
	lsp.PortSecurity = append([]string{same}, others...)
}

// joinGroups puts the port into its groups and into the one that drops everything not allowed.
func joinGroups(ctx context.Context, v view, p *plan, lsp *nb.LogicalSwitchPort, ids []string) error {
	p.groups = []string{dropGroupID}
	for _, id := range ids {
		there, err := v.hasGroup(ctx, id)
		if err != nil {
			return err
		}
		if there { // else EnsureSecurityGroup takes the port in
			p.groups = append(p.groups, id)
		}
	}
	sorted := slices.Clone(ids)
	slices.Sort(sorted)
	lsp.ExternalIDs[groupsKey] = strings.Join(sorted, " ")
	return nil
}

// membership makes the operations that put a port into its groups and take it out of those it left, or fill a new group.
func (b *Backend) membership(ctx context.Context, have []ovsdb.Row, p *plan) ([]ovsdb.Op, error) {
	kind, id := ownerParts(p.owner)
	if len(p.members) > 0 {
		return []ovsdb.Op{ovsdb.AddRefs("Port_Group", id, "ports", p.members...)}, nil
	}
	if kind != kindPort || p.keepGroups || len(p.rows) == 0 {
		return nil, nil
	}
	var ops []ovsdb.Op
	for _, r := range have {
		lsp, ok := r.(*nb.LogicalSwitchPort)
		if !ok {
			continue
		}
		for _, g := range groupsOf(lsp) {
			if slices.Contains(p.groups, g) {
				continue
			}
			there, err := b.nb.Has(ctx, "Port_Group", g)
			if err != nil {
				return nil, err
			}
			if there {
				ops = append(ops, ovsdb.RemoveRefs("Port_Group", g, "ports", lsp.UUID))
			}
		}
	}
	for _, g := range p.groups {
		ops = append(ops, ovsdb.AddRefs("Port_Group", g, "ports", id))
	}
	return ops, nil
}

// groupsOf are the port groups a port should be in by its own row.
func groupsOf(lsp *nb.LogicalSwitchPort) []string {
	groups := strings.Fields(lsp.ExternalIDs[groupsKey])
	if len(lsp.PortSecurity) > 0 {
		groups = append(groups, dropGroupID)
	}
	return groups
}

func ipStrings(ips []driver.FixedIP) []string {
	var out []string
	for _, ip := range ips {
		out = append(out, ip.Address.String())
	}
	return out
}

// cidrs are the addresses with the length of their subnets, for the metadata agent.
func cidrs(ips []driver.FixedIP) string {
	var out []string
	for _, ip := range ips {
		if ip.CIDR.IsValid() {
			out = append(out, fmt.Sprintf("%s/%d", ip.Address, ip.CIDR.Bits()))
		}
	}
	return strings.Join(out, " ")
}

func setIf(m map[string]string, key, value string) {
	if value != "" {
		m[key] = value
	}
}
