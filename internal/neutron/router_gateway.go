package neutron

import (
	"context"
	"net/netip"
	"slices"

	"gostack/internal/neutron/attr"
	"gostack/internal/neutron/db"
	"gostack/internal/policy"
)

// setGateway makes a router's gateway what external_gateway_info says; nil or no network takes it away.
func (u *unit) setGateway(ctx context.Context, c *policy.Caller, r *db.Router, info attr.Values) error {
	network := info.String("network_id")
	if network != r.GWNetworkID && r.GWPortID != "" {
		if err := u.gatewayFree(ctx, r); err != nil {
			return err
		}
		if err := u.removePorts(ctx, []string{r.GWPortID}); err != nil {
			return err
		}
		r.GWPortID, r.GWNetworkID, r.EnableSNAT, r.GatewayIPs = "", "", true, nil
		r.QoSPolicyID = ""
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
	given := info.Has("external_fixed_ips") && len(info.List("external_fixed_ips")) > 0
	asks := asksOf(info.List("external_fixed_ips"))
	if r.GWPortID != "" {
		return u.moveGateway(ctx, r, given, asks)
	}
	n, err := u.network(ctx, network, r.ProjectID)
	if err != nil {
		return err
	}
	if !n.External {
		return badRequest("router", "Network %s is not an external network", network)
	}
	if !n.Shared && !n.ExternalAccess && n.ProjectID != r.ProjectID {
		return NetworkNotFound(network)
	}
	subnets, err := u.subnetsOf(ctx, network)
	if err != nil {
		return err
	}
	if len(subnets) == 0 {
		return badRequest("router", "No subnets available on external network %s", network)
	}
	p := &db.Port{NetworkID: network, AdminStateUp: true, Status: statusDown, DeviceID: r.ID, RouterID: r.ID, DeviceOwner: ownerRouterGateway, NovaIndex: -1}
	if err := u.createPort(ctx, portRequest{row: p, given: given, asks: asks, network: n, subnets: subnets, noQuota: true}, nil); err != nil {
		return err
	}
	if len(p.FixedIPs) == 0 {
		return badRequest("router", "No IPs available for external network %s", network)
	}
	r.GWPortID, r.GWNetworkID, r.GatewayIPs = p.ID, network, p.FixedIPs
	return u.noOverlap(ctx, r.ID, p.FixedIPs, p.ID)
}

func (u *unit) moveGateway(ctx context.Context, r *db.Router, given bool, asks []fixedAsk) error {
	if !given {
		return nil
	}
	p, err := u.port(ctx, r.GWPortID)
	if err != nil {
		return err
	}
	if err := u.moveAddresses(ctx, p, asks); err != nil {
		return err
	}
	u.changed(kindPort, p.ID)
	r.GatewayIPs = p.FixedIPs
	return u.update(ctx, p)
}

// gatewayFree fails while floating IPs or routes need the gateway.
func (u *unit) gatewayFree(ctx context.Context, r *db.Router) error {
	used, err := u.tx.NewSelect().Model((*db.FloatingIP)(nil)).Where("t.router_id = ?", r.ID).Exists(ctx)
	if err != nil {
		return err
	}
	if used {
		return conflict("RouterExternalGatewayInUseByFloatingIp",
			"Gateway cannot be updated for router %s, since a gateway to external network %s is required by one or more floating IPs.", r.ID, r.GWNetworkID)
	}
	on, err := u.routerAddresses(ctx, r.ID)
	if err != nil {
		return err
	}
	r.Routes = slices.DeleteFunc(slices.Clone(r.Routes), func(route db.Route) bool {
		return slices.ContainsFunc(on, func(a routerAddress) bool {
			return a.PortID == r.GWPortID && netip.MustParsePrefix(a.CIDR).Contains(parseAddr(route.NextHop))
		})
	})
	return nil
}

// noOverlap fails when a router's new addresses are on a subnet that overlaps one it is on already.
func (u *unit) noOverlap(ctx context.Context, router string, added []db.Allocation, port string) error {
	on, err := u.routerAddresses(ctx, router)
	if err != nil {
		return err
	}
	cidr := map[string]netip.Prefix{}
	for _, a := range on {
		cidr[a.SubnetID] = netip.MustParsePrefix(a.CIDR)
	}
	for _, n := range added {
		for _, a := range on {
			if a.PortID == port {
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
