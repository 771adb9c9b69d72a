package neutron

import (
	"context"
	"net/netip"
	"slices"
	"strings"

	"github.com/uptrace/bun"

	"gostack/internal/neutron/db"
	"gostack/internal/neutron/driver"
)

// selection says which resources specs are built of; nil lists mean all of a kind when all is set, none otherwise.
type selection struct {
	all bool
	ids map[string][]string
}

func (sel selection) has(kind string) bool { return sel.all || len(sel.ids[kind]) > 0 }

func (sel selection) query(kind string) db.Query {
	if sel.all {
		return db.Query{}
	}
	return db.Query{Where: []db.Cond{db.In("t.id", sel.ids[kind])}}
}

// specs builds driver specs from the database: a few statements per kind, however many resources.
type specs struct {
	s            *Service
	h            bun.IDB
	networks     map[string]*db.Network
	subnets      map[string]*db.Subnet
	policies     map[string]*db.QoSPolicy
	logs         []*db.Log // those that are on, oldest first
	logsKnown    bool
	targetGroups map[[2]string]bool // ports that logs are about, with their groups
	// forwardings by router
	forwardings map[string][]driver.PortForwardingSpec
}

// desired returns what should exist of a selection. What is not in the database is not in the answer.
func (s *Service) desired(ctx context.Context, sel selection) (driver.Desired, error) {
	b := &specs{s: s, h: s.DB.Read(ctx), networks: map[string]*db.Network{}, subnets: map[string]*db.Subnet{}, policies: map[string]*db.QoSPolicy{}, forwardings: map[string][]driver.PortForwardingSpec{}}
	var d driver.Desired
	for _, step := range []struct {
		kind string
		do   func(context.Context, selection, *driver.Desired) error
	}{
		{kindNetwork, b.addNetworks},
		{kindSubnet, b.addSubnets},
		{kindSecurityGroup, b.addSecurityGroups},
		{kindPort, b.addPorts},
		{kindRouter, b.addRouters},
		{kindLogging, func(ctx context.Context, _ selection, d *driver.Desired) error { return b.addLogging(ctx, d) }},
	} {
		if sel.has(step.kind) {
			if err := step.do(ctx, sel, &d); err != nil {
				return d, err
			}
		}
	}
	return d, nil
}

func (b *specs) addNetworks(ctx context.Context, sel selection, d *driver.Desired) error {
	rows, err := db.Networks(ctx, b.h, sel.query(kindNetwork))
	for _, n := range rows {
		b.networks[n.ID] = n
		spec := driver.NetworkSpec{
			ID: n.ID, Name: n.Name, Revision: n.Revision, MTU: int(n.MTU), Type: driver.NetworkType(n.NetworkType),
			Physnet: n.PhysicalNetwork, Segment: n.SegmentationID, External: n.External, TunnelVLAN: int(n.TunnelVLAN),
			VLANTransparent: n.VLANTransparent != nil && *n.VLANTransparent,
		}
		for i, seg := range n.Segments {
			if i > 0 {
				spec.More = append(spec.More, driver.SegmentSpec{
					ID: seg.ID, Type: driver.NetworkType(seg.NetworkType), Physnet: seg.PhysicalNetwork, Segment: seg.SegmentationID,
				})
			}
		}
		d.Networks = append(d.Networks, spec)
	}
	return err
}

func (b *specs) addSubnets(ctx context.Context, sel selection, d *driver.Desired) error {
	rows, err := db.Subnets(ctx, b.h, sel.query(kindSubnet))
	if err != nil {
		return err
	}
	var networks, ids []string
	for _, sn := range rows {
		b.subnets[sn.ID] = sn
		networks, ids = append(networks, sn.NetworkID), append(ids, sn.ID)
	}
	if err := b.needNetworks(ctx, networks); err != nil {
		return err
	}
	metadata, err := metadataIPs(ctx, b.h, ids)
	if err != nil {
		return err
	}
	for _, sn := range rows {
		n := b.networks[sn.NetworkID]
		if n == nil {
			continue
		}
		spec := driver.SubnetSpec{
			ID: sn.ID, NetworkID: sn.NetworkID, Name: sn.Name, Revision: sn.Revision, CIDR: netip.MustParsePrefix(sn.CIDR),
			Gateway: parseAddr(sn.GatewayIP), EnableDHCP: sn.EnableDHCP, RAMode: driver.IPv6Mode(sn.IPv6RAMode),
			AddressMode: driver.IPv6Mode(sn.IPv6AddressMode), MTU: int(n.MTU), DNSDomain: b.domain(), MetadataIP: parseAddr(metadata[sn.ID]),
			DNS: b.nameservers(sn), HostRoutes: hostRoutes(sn.HostRoutes),
		}
		d.Subnets = append(d.Subnets, spec)
	}
	return nil
}

// defaultDomain is upstream's default of dns_domain.
const defaultDomain = "openstacklocal"

// domain is the one that guests are told: the cloud's own (dns_domain), unless it is the default one, which means none. A network's dns_domain is what
// its names are published in, not where guests look (upstream's OVNClient._get_ovn_dhcpv4_opts, LP#1826419).
func (b *specs) domain() string {
	if d := strings.TrimSuffix(b.s.DNSDomain, "."); d != defaultDomain {
		return d
	}
	return ""
}

// nameservers are the subnet's own, or the cloud's of the same IP version.
func (b *specs) nameservers(sn *db.Subnet) (out []netip.Addr) {
	list := sn.DNSNameservers
	if len(list) == 0 {
		list = b.s.DNSServers
	}
	for _, text := range list {
		if a := parseAddr(text); a.IsValid() && a.Is4() == (sn.IPVersion == 4) {
			out = append(out, a)
		}
	}
	return out
}

func hostRoutes(rows []db.Route) (out []driver.HostRoute) {
	for _, r := range rows {
		if p, err := netip.ParsePrefix(r.Destination); err == nil {
			out = append(out, driver.HostRoute{Destination: p, NextHop: parseAddr(r.NextHop)})
		}
	}
	return out
}

// needForPorts loads the QoS policies of ports.
func (b *specs) needForPorts(ctx context.Context, ports []*db.Port) error {
	var policies []string
	for _, p := range ports {
		policies = append(policies, effectiveQoS(p))
	}
	return b.needPolicies(ctx, policies)
}

func (b *specs) needPolicies(ctx context.Context, ids []string) error {
	ids = slices.DeleteFunc(absent(ids, b.policies), func(id string) bool { return id == "" })
	if len(ids) == 0 {
		return nil
	}
	rows, err := db.QoSPolicies(ctx, b.h, db.Query{Where: []db.Cond{db.In("t.id", ids)}})
	for _, p := range rows {
		b.policies[p.ID] = p
	}
	return err
}

func (b *specs) needNetworks(ctx context.Context, ids []string) error {
	ids = absent(ids, b.networks)
	if len(ids) == 0 {
		return nil
	}
	rows, err := db.Networks(ctx, b.h, db.Query{Where: []db.Cond{db.In("t.id", ids)}})
	for _, n := range rows {
		b.networks[n.ID] = n
	}
	return err
}

func (b *specs) needSubnets(ctx context.Context, ids []string) error {
	ids = absent(ids, b.subnets)
	if len(ids) == 0 {
		return nil
	}
	rows, err := db.Subnets(ctx, b.h, db.Query{Where: []db.Cond{db.In("t.id", ids)}})
	for _, sn := range rows {
		b.subnets[sn.ID] = sn
	}
	return err
}

// absent returns the ids that have is missing, each once.
func absent[V any](ids []string, have map[string]V) (out []string) {
	seen := map[string]bool{}
	for _, id := range ids {
		if _, ok := have[id]; !ok && !seen[id] {
			seen[id] = true
			out = append(out, id)
		}
	}
	return out
}

func (b *specs) addSecurityGroups(ctx context.Context, sel selection, d *driver.Desired) error {
	if err := b.needLogs(ctx); err != nil {
		return err
	}
	rows, err := db.SecurityGroups(ctx, b.h, sel.query(kindSecurityGroup))
	if err != nil {
		return err
	}
	addresses, err := addressesOf(ctx, b.h, rows)
	if err != nil {
		return err
	}
	for _, g := range rows {
		spec := driver.SecurityGroupSpec{ID: g.ID, Name: g.Name, ProjectID: g.ProjectID, Revision: g.Revision, Stateful: g.Stateful, Log: b.logOf(g)}
		for _, r := range g.Rules {
			rule := driver.SecurityGroupRule{
				ID: r.ID, Direction: driver.Direction(r.Direction), IPVersion: 4, Protocol: r.Protocol,
				PortMin: intPtr(r.PortRangeMin), PortMax: intPtr(r.PortRangeMax), RemoteGroupID: r.RemoteGroupID,
			}
			if r.Ethertype == "IPv6" {
				rule.IPVersion = 6
			}
			rule.RemotePrefix, _ = netip.ParsePrefix(NormalizedCIDR(r.RemoteIPPrefix))
			for _, p := range addresses[r.RemoteAddressGroupID] {
				if p.Addr().Is4() == (rule.IPVersion == 4) {
					rule.RemotePrefixes = append(rule.RemotePrefixes, p)
				}
			}
			if r.RemoteAddressGroupID != "" && len(rule.RemotePrefixes) == 0 {
				continue // a group without addresses allows nothing (OSSN-0095)
			}
			spec.Rules = append(spec.Rules, rule)
		}
		d.SecurityGroups = append(d.SecurityGroups, spec)
	}
	return nil
}

func intPtr(n *int64) *int {
	if n == nil {
		return nil
	}
	i := int(*n)
	return &i
}

func (b *specs) addPorts(ctx context.Context, sel selection, d *driver.Desired) error {
	rows, err := db.Ports(ctx, b.h, sel.query(kindPort))
	if err != nil {
		return err
	}
	var subnets []string
	for _, p := range rows {
		for _, a := range p.FixedIPs {
			subnets = append(subnets, a.SubnetID)
		}
	}
	if err := b.needSubnets(ctx, subnets); err != nil {
		return err
	}
	if err := b.needForPorts(ctx, rows); err != nil {
		return err
	}
	if err := b.findParents(ctx, rows); err != nil {
		return err
	}
	translated, err := b.translated(ctx, rows)
	if err != nil {
		return err
	}
	for _, p := range rows {
		if p.DeviceOwner != ownerFloatingIP { // its address is a rule of the router; there is nothing to plug
			spec := b.port(p)
			spec.Translated = translated[p.ID]
			d.Ports = append(d.Ports, spec)
		}
	}
	return nil
}

// translated tells which of the ports that are on their way to another host have a floating IP.
func (b *specs) translated(ctx context.Context, ports []*db.Port) (map[string]bool, error) {
	var moving []string
	for _, p := range ports {
		if p.MigratingTo != "" {
			moving = append(moving, p.ID)
		}
	}
	if len(moving) == 0 {
		return nil, nil
	}
	fips, err := db.FloatingIPs(ctx, b.h, db.Query{Where: []db.Cond{db.In("t.fixed_port_id", moving)}})
	some := map[string]bool{}
	for _, f := range fips {
		some[f.FixedPortID] = true
	}
	return some, err
}

func (b *specs) port(p *db.Port) driver.PortSpec {
	spec := driver.PortSpec{
		ID: p.ID, NetworkID: p.NetworkID, Name: p.Name, ProjectID: p.ProjectID, Revision: p.Revision, MAC: p.MACAddress,
		DeviceID: p.DeviceID, DeviceOwner: p.DeviceOwner, AdminStateUp: p.AdminStateUp, Host: p.Host, MigratingTo: p.MigratingTo,
		PortSecurity: p.PortSecurityEnabled, SecurityGroups: p.SecurityGroups, Parent: p.TrunkParent, Tag: int(p.TrunkTag),
	}
	spec.QoS = qosSpec(b.policies[effectiveQoS(p)])
	spec.Physical = effectiveQoS(p) != "" && p.NetworkPhysnet != ""
	spec.DNS = b.names(p)
	spec.VirtualParents = p.VirtualParents
	switch {
	case p.RouterID != "":
		spec.Type, spec.RouterID = driver.RouterPort, p.RouterID
	case p.DeviceOwner == ownerDistributed:
		spec.Type = driver.LocalPort
	}
	for _, a := range p.FixedIPs {
		f := driver.FixedIP{SubnetID: a.SubnetID, Address: parseAddr(a.IPAddress)}
		if sn := b.subnets[a.SubnetID]; sn != nil {
			f.CIDR = netip.MustParsePrefix(sn.CIDR)
		}
		spec.FixedIPs = append(spec.FixedIPs, f)
	}
	for _, pair := range p.AllowedAddressPairs {
		prefix, err := netip.ParsePrefix(pair.IPAddress)
		if a := parseAddr(pair.IPAddress); err != nil && a.IsValid() {
			prefix = netip.PrefixFrom(a, a.BitLen())
		}
		spec.AllowedPairs = append(spec.AllowedPairs, driver.AddressPair{MAC: pair.MACAddress, Prefix: prefix})
	}
	for _, o := range p.ExtraDHCPOpts {
		spec.DHCPOptions = append(spec.DHCPOptions, driver.DHCPOption{Name: o.OptName, Value: o.OptValue, IPVersion: o.IPVersion})
	}
	return spec
}
