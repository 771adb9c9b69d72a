package neutron

import (
	"cmp"
	"context"
	"net/netip"

	"github.com/uptrace/bun"

	"gostack/internal/neutron/db"
	"gostack/internal/neutron/driver"
)

// addRouters builds routers with interfaces, gateway, routes and floating IPs.
func (b *specs) addRouters(ctx context.Context, sel selection, d *driver.Desired) error {
	rows, err := db.Routers(ctx, b.h, sel.query(kindRouter))
	if err != nil || len(rows) == 0 {
		return err
	}
	ids := make([]string, len(rows))
	for i, r := range rows {
		ids[i] = r.ID
	}
	ports, err := db.Ports(ctx, b.h, db.Query{Where: []db.Cond{db.In("t.router_id", ids)}})
	if err != nil {
		return err
	}
	var networks, subnets []string
	byRouter := map[string][]*db.Port{}
	for _, p := range ports {
		byRouter[p.RouterID] = append(byRouter[p.RouterID], p)
		networks = append(networks, p.NetworkID)
		for _, a := range p.FixedIPs {
			subnets = append(subnets, a.SubnetID)
		}
	}
	if err := b.needNetworks(ctx, networks); err != nil {
		return err
	}
	if err := b.needSubnets(ctx, subnets); err != nil {
		return err
	}
	var policies []string
	for _, r := range rows {
		for _, g := range gatewaysOf(r) {
			if n := b.networks[g.NetworkID]; n != nil {
				policies = append(policies, r.QoSPolicyID, n.QoSPolicyID)
			}
		}
	}
	if err := b.needPolicies(ctx, policies); err != nil {
		return err
	}
	chosen, err := b.chosenHosts(ctx, sel, ids)
	if err != nil {
		return err
	}
	floating, err := b.floating(ctx, ids)
	if err != nil {
		return err
	}
	for _, r := range rows {
		spec := driver.RouterSpec{
			ID: r.ID, Name: r.Name, Revision: r.Revision, AdminStateUp: r.AdminStateUp, Routes: hostRoutes(r.Routes), FloatingIPs: floating[r.ID], Forwardings: b.forwardings[r.ID],
			WatchNextHops: r.DefaultRouteBFD,
		}
		for _, p := range byRouter[r.ID] {
			n := b.networks[p.NetworkID]
			switch {
			case n == nil || len(p.FixedIPs) == 0:
			case p.ID == r.GWPortID:
				spec.Gateway = b.gateway(r, p, n)
			case p.DeviceOwner == ownerRouterGateway:
				more := b.gateway(r, p, n)
				if !r.DefaultRouteECMP {
					more.NextHops = nil
				}
				spec.MoreGateways = append(spec.MoreGateways, *more)
			default:
				spec.Interfaces = append(spec.Interfaces, b.routerInterface(p, n))
			}
		}
		for _, g := range spec.Gateways() {
			g.Chosen = chosen[r.ID]
		}
		d.Routers = append(d.Routers, spec)
	}
	return nil
}

// chosenHosts are those that operators chose, by router.
func (b *specs) chosenHosts(ctx context.Context, sel selection, routers []string) (map[string][]driver.GatewayHost, error) {
	rows, err := db.RouterHosts(ctx, b.h, func(q *bun.SelectQuery) {
		if !sel.all {
			q.Where("t.router_id IN (?)", bun.List(routers))
		}
	})
	out := map[string][]driver.GatewayHost{}
	for _, r := range rows {
		out[r.RouterID] = append(out[r.RouterID], driver.GatewayHost{Chassis: r.Chassis, Priority: int(r.Priority)})
	}
	return out, err
}

// addresses are a router port's own with the lengths of their subnets.
func (b *specs) addresses(p *db.Port) (out []netip.Prefix) {
	for _, a := range p.FixedIPs {
		if sn := b.subnets[a.SubnetID]; sn != nil {
			out = append(out, netip.PrefixFrom(parseAddr(a.IPAddress), netip.MustParsePrefix(sn.CIDR).Bits()))
		}
	}
	return out
}

func (b *specs) routerInterface(p *db.Port, n *db.Network) driver.RouterInterface {
	i := driver.RouterInterface{
		PortID: p.ID, NetworkID: n.ID, NetworkType: driver.NetworkType(n.NetworkType), MAC: p.MACAddress, Addresses: b.addresses(p), MTU: int(n.MTU),
	}
	for _, a := range p.FixedIPs {
		sn := b.subnets[a.SubnetID]
		if sn == nil || sn.IPVersion != 6 || sn.IPv6RAMode == "" {
			continue
		}
		i.RAMode, i.RADomain = driver.IPv6Mode(sn.IPv6RAMode), b.domain()
		if dns := b.nameservers(sn); len(dns) > 0 {
			i.RADNS = dns[0]
		}
	}
	return i
}

func (b *specs) gateway(r *db.Router, p *db.Port, n *db.Network) *driver.RouterGateway {
	g := &driver.RouterGateway{
		PortID: p.ID, NetworkID: n.ID, Physnet: n.PhysicalNetwork, MAC: p.MACAddress, Addresses: b.addresses(p), EnableSNAT: r.EnableSNAT, MTU: int(n.MTU),
		Zones: b.s.gatewayZones(r.AvailabilityZoneHints),
	}
	g.QoS = qosSpec(b.policies[n.QoSPolicyID])
	if p.ID == r.GWPortID && r.QoSPolicyID != "" {
		g.QoS = qosSpec(b.policies[r.QoSPolicyID])
	}
	for _, a := range p.FixedIPs {
		if sn := b.subnets[a.SubnetID]; sn != nil && sn.GatewayIP != "" {
			g.NextHops = append(g.NextHops, parseAddr(sn.GatewayIP))
		}
	}
	return g
}

// floating returns the associated floating IPs of routers.
func (b *specs) floating(ctx context.Context, routers []string) (map[string][]driver.FloatingIPSpec, error) {
	rows, err := db.FloatingIPs(ctx, b.h, db.Query{Where: []db.Cond{db.In("t.router_id", routers)}})
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	var ids, policies []string
	for _, f := range rows {
		ids, policies = append(ids, f.FloatingPortID), append(policies, cmp.Or(f.QoSPolicyID, f.NetworkQoS))
	}
	if err := b.needPolicies(ctx, policies); err != nil {
		return nil, err
	}
	macs, err := portMACs(ctx, b.h, ids)
	out := map[string][]driver.FloatingIPSpec{}
	for _, f := range rows {
		b.forwardings[f.RouterID] = append(b.forwardings[f.RouterID], forwardingSpecs(f)...)
		if f.FixedPortID == "" {
			continue
		}
		out[f.RouterID] = append(out[f.RouterID], driver.FloatingIPSpec{
			ID: f.ID, External: parseAddr(f.FloatingIPAddress), NetworkID: f.FloatingNetworkID, Fixed: parseAddr(f.FixedIPAddress), PortID: f.FixedPortID, MAC: macs[f.FloatingPortID],
			Distributed: b.s.DistributedFloatingIPs, QoS: qosSpec(b.policies[cmp.Or(f.QoSPolicyID, f.NetworkQoS)]),
		})
	}
	return out, err
}

func forwardingSpecs(f *db.FloatingIP) (out []driver.PortForwardingSpec) {
	for _, x := range f.Forwardings {
		out = append(out, driver.PortForwardingSpec{
			FloatingIPID: f.ID, Protocol: x.Protocol, External: parseAddr(f.FloatingIPAddress), Internal: parseAddr(x.InternalIP),
			ExternalFirst: uint16(x.ExternalFirst), ExternalLast: uint16(x.ExternalLast), //nolint:gosec // 1 to 65535
			InternalFirst: uint16(x.InternalFirst), InternalLast: uint16(x.InternalLast), //nolint:gosec // 1 to 65535
		})
	}
	return out
}
