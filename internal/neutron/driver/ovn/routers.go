package ovn

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"gostack/internal/engine/ovsdb/nb"
	"gostack/internal/neutron/driver"
	"gostack/internal/neutron/driver/gateways"
)

const (
	fipPortKey     = "neutron:fip_port_id"
	fipMACKey      = "neutron:fip_external_mac"
	distributedKey = "gostack:fip_distributed"
	physnetKey     = "gostack:physnet"
	gatewayKey     = "neutron:is_ext_gw"
	zonesKey       = "gostack:zones"
)

func routerPortName(portID string) string { return "lrp-" + portID }
func routerPortID(portID string) string   { return rowID("lrp", portID) }

// EnsureRouter implements driver.Backend.
func (b *Backend) EnsureRouter(ctx context.Context, r driver.RouterSpec) error {
	b.structure.Lock()
	defer b.structure.Unlock()
	return b.converge(ctx, owner(kindRouter, r.ID), func(ctx context.Context) (*plan, error) {
		return renderRouter(ctx, live{b}, r)
	})
}

// DeleteRouter implements driver.Backend.
func (b *Backend) DeleteRouter(ctx context.Context, id string) error {
	b.structure.Lock()
	defer b.structure.Unlock()
	return b.remove(ctx, kindRouter, id)
}

// renderRouter is a distributed logical router with its ports, routes and NAT rules.
func renderRouter(ctx context.Context, v view, r driver.RouterSpec) (*plan, error) {
	p, err := newPlan(kindRouter, r.ID, r.Revision)
	if err != nil {
		return nil, err
	}
	lr := &nb.LogicalRouter{
		UUID: r.ID, Name: switchName(r.ID), Enabled: ptr(r.AdminStateUp),
		// Do not learn neighbours nobody asked for; resolve other routers on demand. Keeps the neighbour tables small.
		Options:     map[string]string{"always_learn_from_arp_request": "false", "dynamic_neigh_routers": "true"},
		ExternalIDs: map[string]string{"neutron:router_name": r.Name},
	}
	p.add(lr, "")
	largest := 0
	for _, i := range r.Interfaces {
		largest = max(largest, i.MTU)
	}
	for _, g := range r.Gateways() {
		largest = max(largest, g.MTU)
	}
	if r.Gateway != nil {
		lr.ExternalIDs["neutron:gw_port_id"] = r.Gateway.PortID
	}
	for _, i := range r.Interfaces {
		lrp, err := routerPort(r.ID, i.PortID, i.NetworkID, i.MAC, i.Addresses, i.MTU, largest)
		if err != nil {
			return nil, err
		}
		if r.Gateway != nil && (i.NetworkType == driver.VLAN || i.NetworkType == driver.Flat) {
			// Otherwise every host would answer on the wire with the same router MAC.
			lrp.Options["reside-on-redirect-chassis"] = "true"
		}
		lrp.IPv6RAConfigs = advertisements(i)
		p.add(lrp, r.ID)
	}
	for _, g := range r.Gateways() {
		if err := gateway(ctx, v, p, r, g, largest); err != nil {
			return nil, err
		}
	}
	if r.Gateway != nil {
		if err := floatingIPs(ctx, v, p, r); err != nil {
			return nil, err
		}
	}
	forwardings(p, lr, r)
	for _, route := range r.Routes {
		if !route.Destination.IsValid() || !route.NextHop.IsValid() {
			p.reject("router %s: route %v via %v", r.ID, route.Destination, route.NextHop)
			continue
		}
		p.add(staticRoute(r.ID, route.Destination.Masked(), route.NextHop, ""), r.ID)
	}
	return p, nil
}

func routerPort(routerID, portID, networkID, mac string, addrs []netip.Prefix, mtu, largest int) (*nb.LogicalRouterPort, error) {
	if err := checkID(portID); err != nil {
		return nil, err
	}
	hw, err := net.ParseMAC(mac)
	if err != nil || len(addrs) == 0 {
		return nil, fmt.Errorf("%w: router %s: port %s: MAC %q, addresses %v", driver.ErrInvalid, routerID, portID, mac, addrs)
	}
	lrp := &nb.LogicalRouterPort{
		UUID: routerPortID(portID), Name: routerPortName(portID), MAC: hw.String(), Options: map[string]string{},
		ExternalIDs: map[string]string{"neutron:router_name": routerID, networkKey: switchName(networkID)},
	}
	for _, a := range addrs {
		lrp.Networks = append(lrp.Networks, a.String())
	}
	if mtu > 0 && mtu < largest {
		// Packets from a network with larger frames get "fragmentation needed" instead of vanishing.
		lrp.Options["gateway_mtu"] = strconv.Itoa(mtu)
	}
	return lrp, nil
}

// advertisements are the IPv6 router advertisements of an interface (RFC 4861; ovn-nb(5), ipv6_ra_configs).
func advertisements(i driver.RouterInterface) map[string]string {
	mode := map[driver.IPv6Mode]string{
		driver.SLAAC: "slaac", driver.DHCPv6Stateful: "dhcpv6_stateful", driver.DHCPv6Stateless: "dhcpv6_stateless",
	}[i.RAMode]
	if mode == "" {
		return nil
	}
	ra := map[string]string{"address_mode": mode, "send_periodic": "true"}
	if i.MTU > 0 {
		ra["mtu"] = strconv.Itoa(i.MTU)
	}
	if i.RADNS.IsValid() {
		ra["rdnss"] = i.RADNS.String()
	}
	if domain := strings.TrimSuffix(i.RADomain, "."); domainName(domain) {
		ra["dnssl"] = domain
	}
	return ra
}

// domainName tells whether s is made of letters, digits, dots and dashes only; OVN writes it unquoted.
func domainName(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return r != '.' && r != '-' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	})
}

// gateway is an external port with its standby hosts, default routes and source NAT.
func gateway(ctx context.Context, v view, p *plan, r driver.RouterSpec, g *driver.RouterGateway, largest int) error {
	lrp, err := routerPort(r.ID, g.PortID, g.NetworkID, g.MAC, g.Addresses, g.MTU, largest)
	if err != nil {
		return err
	}
	lrp.ExternalIDs[gatewayKey] = "True"
	lrp.ExternalIDs[physnetKey] = g.Physnet
	if len(g.Zones) > 0 {
		lrp.ExternalIDs[zonesKey] = strings.Join(g.Zones, ",")
	}
	p.add(lrp, r.ID)
	now, all, err := v.gateways(ctx, r.ID, g.PortID)
	if err != nil {
		return err
	}
	lrp.ExternalIDs[choiceKey] = g.PortID
	chosen, err := chosenText(g.Chosen)
	if err != nil {
		return err
	}
	setIf(lrp.ExternalIDs, chosenKey, chosen)
	for _, h := range gateways.Assign(g.PortID, now, gateways.Possible(all, g.Physnet, g.Zones), g.Chosen) {
		p.add(gatewayChassis(g.PortID, h), lrp.UUID)
	}
	for _, hop := range g.NextHops {
		route := staticRoute(r.ID, netip.PrefixFrom(unspecified(hop), 0), hop, lrp.Name)
		route.ExternalIDs = map[string]string{gatewayKey: "true"}
		if r.WatchNextHops {
			session := &nb.BFD{UUID: rowID("bfd", g.PortID, hop.String()), LogicalPort: lrp.Name, DstIP: hop.String()}
			p.add(session, "")
			route.BFD = ptr(session.UUID)
		}
		p.add(route, r.ID)
	}
	sourceNAT(p, r, g)
	gatewayQoS(p, g)
	return nil
}

// sourceNAT gives what leaves by a gateway its address there, interface by interface.
func sourceNAT(p *plan, r driver.RouterSpec, g *driver.RouterGateway) {
	external := firstV4(g.Addresses)
	if !r.Gateway.EnableSNAT || !external.IsValid() {
		return
	}
	seen := map[netip.Prefix]bool{}
	for _, i := range r.Interfaces {
		for _, a := range i.Addresses {
			inside := a.Masked()
			if !a.Addr().Is4() || seen[inside] {
				continue
			}
			seen[inside] = true
			nat := &nb.NAT{UUID: rowID("snat", r.ID, inside.String()), Type: "snat", ExternalIP: external.String(), LogicalIP: inside.String()}
			if g != r.Gateway {
				nat.UUID = rowID("snat", r.ID, inside.String(), g.PortID)
			}
			nat.GatewayPort = natPort(r, g)
			p.add(nat, r.ID)
		}
	}
}

// natPort says at which of several gateways a rule translates. With one there is no choice, and OVN wants none said.
func natPort(r driver.RouterSpec, g *driver.RouterGateway) *string {
	if len(r.MoreGateways) == 0 {
		return nil
	}
	return ptr(routerPortID(g.PortID))
}

func gatewayChassis(portID string, h driver.GatewayHost) *nb.GatewayChassis {
	return &nb.GatewayChassis{
		UUID: rowID("gwc", portID, h.Chassis), Name: routerPortName(portID) + "_" + h.Chassis, ChassisName: h.Chassis, Priority: h.Priority,
	}
}

func staticRoute(routerID string, dst netip.Prefix, hop netip.Addr, port string) *nb.StaticRoute {
	return &nb.StaticRoute{
		UUID: rowID("route", routerID, dst.String(), hop.String(), port), IPPrefix: dst.String(), NextHop: hop.String(), OutputPort: optional(port),
	}
}

func unspecified(a netip.Addr) netip.Addr {
	if a.Is4() {
		return netip.IPv4Unspecified()
	}
	return netip.IPv6Unspecified()
}

func firstV4(addrs []netip.Prefix) netip.Addr {
	for _, a := range addrs {
		if a.Addr().Is4() {
			return a.Addr()
		}
	}
	return netip.Addr{}
}
