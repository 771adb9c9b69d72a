package neutron

import (
	"context"
	"maps"
	"net/netip"
	"slices"

	"gostack/internal/neutron/attr"
	"gostack/internal/neutron/db"
	"gostack/internal/policy"
)

// setGateway makes a router's first gateway what external_gateway_info says; nil or no network takes it away, and then the oldest of the others
// takes its place (upstream's l3_extra_gws_db, _update_router_gw_info).
func (u *unit) setGateway(ctx context.Context, c *policy.Caller, r *db.Router, info attr.Values) error {
	network := info.String("network_id")
	if network != r.GWNetworkID && r.GWPortID != "" {
		if err := u.dropGateway(ctx, r, gatewaysOf(r)[0]); err != nil {
			return err
		}
	}
	if network == "" {
		return nil
	}
	var err error
	if r.QoSPolicyID, err = u.chooseQoS(ctx, c, info, r.QoSPolicyID); err != nil {
		return err
	}
	if info.Has("enable_snat") {
		r.EnableSNAT = info.Bool("enable_snat")
	}
	if r.GWPortID != "" && r.GWNetworkID == network {
		ips, err := u.moveGateway(ctx, r.GWPortID, info)
		if ips != nil {
			r.GatewayIPs = ips
		}
		return err
	}
	g, err := u.newGateway(ctx, c, r, info)
	if err != nil {
		return err
	}
	if r.GWPortID != "" { // the one that took the place of the old first gateway
		r.MoreGateways = append([]db.Gateway{gatewaysOf(r)[0]}, r.MoreGateways...)
	}
	r.GWPortID, r.GWNetworkID, r.GatewayIPs = g.PortID, g.NetworkID, g.IPs
	return nil
}

// newGateway gives a router a port on an external network.
func (u *unit) newGateway(ctx context.Context, c *policy.Caller, r *db.Router, info attr.Values) (g db.Gateway, err error) {
	network := info.String("network_id")
	n, err := u.gatewayNetwork(ctx, c, r, network)
	if err != nil {
		return g, err
	}
	subnets, err := u.subnetsOf(ctx, network)
	if err != nil {
		return g, err
	}
	asks := asksOf(info.List("external_fixed_ips"))
	p := &db.Port{NetworkID: network, AdminStateUp: true, Status: statusDown, DeviceID: r.ID, RouterID: r.ID, DeviceOwner: ownerRouterGateway, NovaIndex: -1}
	if err := u.createPort(ctx, portRequest{row: p, given: len(asks) > 0, asks: asks, network: n, subnets: subnets, noQuota: true}, nil); err != nil {
		return g, err
	}
	if len(p.FixedIPs) == 0 && len(subnets) > 0 { // a network without subnets gives a gateway without addresses, which does nothing yet
		return g, badRequest("router", "No IPs available for external network %s", network)
	}
	return db.Gateway{PortID: p.ID, NetworkID: network, IPs: p.FixedIPs}, u.noOverlap(ctx, r.ID, p)
}

// gatewayNetwork is a network that the router's project may leave by, or one of the administrator's choice.
func (u *unit) gatewayNetwork(ctx context.Context, c *policy.Caller, r *db.Router, network string) (*db.Network, error) {
	n, err := u.network(ctx, network, r.ProjectID)
	switch {
	case err != nil:
		return nil, err
	case !n.Shared && !n.ExternalAccess && n.ProjectID != r.ProjectID && !c.IsAdmin():
		return nil, NetworkNotFound(network)
	case !n.External:
		return nil, badRequest("router", "Network %s is not an external network", network)
	}
	return n, nil
}

// moveGateway gives a gateway's port the addresses that info asks for; nil if it asks for none.
func (u *unit) moveGateway(ctx context.Context, port string, info attr.Values) ([]db.Allocation, error) {
	asks := asksOf(info.List("external_fixed_ips"))
	if len(asks) == 0 {
		return nil, nil
	}
	p, err := u.port(ctx, port)
	if err != nil {
		return nil, err
	}
	if nothingNew(p.FixedIPs, asks) {
		return nil, nil
	}
	if err := u.moveAddresses(ctx, p, asks); err != nil {
		return nil, err
	}
	u.changed(kindPort, p.ID)
	return p.FixedIPs, u.update(ctx, p)
}

// nothingNew tells whether the subnets and the addresses that are named are the ones a gateway has; another address of its subnet, one that is not
// named, is no change (upstream: L3_NAT_dbonly_mixin._check_for_external_ip_change).
func nothingNew(has []db.Allocation, asks []fixedAsk) bool {
	subnets, addresses := map[string]bool{}, map[string]bool{}
	for _, a := range has {
		subnets[a.SubnetID], addresses[a.IPAddress] = true, true
	}
	askedSubnets, askedAddresses := map[string]bool{}, map[string]bool{}
	for _, a := range asks {
		if a.subnet != "" {
			askedSubnets[a.subnet] = true
		}
		if a.ip.IsValid() {
			askedAddresses[a.ip.String()] = true
		}
	}
	return maps.Equal(subnets, askedSubnets) && maps.Equal(addresses, askedAddresses)
}

// dropGateway takes one of a router's gateways away.
func (u *unit) dropGateway(ctx context.Context, r *db.Router, g db.Gateway) error {
	if err := u.gatewayFree(ctx, r, g); err != nil {
		return err
	}
	if err := u.removePorts(ctx, []string{g.PortID}); err != nil {
		return err
	}
	if g.PortID != r.GWPortID {
		r.MoreGateways = slices.DeleteFunc(slices.Clone(r.MoreGateways), func(x db.Gateway) bool { return x.PortID == g.PortID })
		return nil
	}
	if len(r.MoreGateways) > 0 {
		next := r.MoreGateways[0]
		r.GWPortID, r.GWNetworkID, r.GatewayIPs, r.MoreGateways = next.PortID, next.NetworkID, next.IPs, r.MoreGateways[1:]
		return nil
	}
	r.GWPortID, r.GWNetworkID, r.EnableSNAT, r.GatewayIPs, r.QoSPolicyID = "", "", true, nil, ""
	return nil
}

// gatewayFree fails while floating IPs need a gateway, and takes away the routes that lead through it.
func (u *unit) gatewayFree(ctx context.Context, r *db.Router, g db.Gateway) error {
	another := slices.ContainsFunc(gatewaysOf(r), func(x db.Gateway) bool { return x.PortID != g.PortID && x.NetworkID == g.NetworkID })
	used, err := u.tx.NewSelect().Model((*db.FloatingIP)(nil)).Where("t.router_id = ? AND t.floating_network_id = ?", r.ID, g.NetworkID).Exists(ctx)
	if err != nil {
		return err
	}
	if used && !another {
		return conflict("RouterExternalGatewayInUseByFloatingIp",
			"Gateway cannot be updated for router %s, since a gateway to external network %s is required by one or more floating IPs.", r.ID, g.NetworkID)
	}
	on, err := u.routerAddresses(ctx, r.ID)
	if err != nil {
		return err
	}
	through := func(route db.Route, is func(port string) bool) bool {
		return slices.ContainsFunc(on, func(a routerAddress) bool {
			return is(a.PortID) && netip.MustParsePrefix(a.CIDR).Contains(parseAddr(route.NextHop))
		})
	}
	r.Routes = slices.DeleteFunc(slices.Clone(r.Routes), func(route db.Route) bool {
		return through(route, func(port string) bool { return port == g.PortID }) && !through(route, func(port string) bool { return port != g.PortID })
	})
	return nil
}

// noOverlap fails when a router's new port is on a subnet that overlaps one the router is on already. Several gateways may be on one network.
func (u *unit) noOverlap(ctx context.Context, router string, p *db.Port) error {
	on, err := u.routerAddresses(ctx, router)
	if err != nil {
		return err
	}
	cidr := map[string]netip.Prefix{}
	for _, a := range on {
		cidr[a.SubnetID] = netip.MustParsePrefix(a.CIDR)
	}
	for _, n := range p.FixedIPs {
		for _, a := range on {
			if a.PortID == p.ID || p.DeviceOwner == ownerRouterGateway && a.DeviceOwner == ownerRouterGateway && a.NetworkID == p.NetworkID {
				continue
			}
			if a.SubnetID == n.SubnetID {
				return badRequest("router", "Router already has a port on subnet %s", n.SubnetID)
			}
			if cidr[n.SubnetID].IsValid() && cidr[n.SubnetID].Overlaps(cidr[a.SubnetID]) {
				return badRequest("router", "Cidr %s of subnet %s overlaps with cidr %s of subnet %s", cidr[n.SubnetID], n.SubnetID, a.CIDR, a.SubnetID)
			}
		}
	}
	return nil
}
