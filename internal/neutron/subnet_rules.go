package neutron

import (
	"net/netip"
	"slices"
	"sort"

	"gostack/internal/neutron/attr"
	"gostack/internal/neutron/db"
)

// The most that a subnet may list (upstream's max_dns_nameservers, max_subnet_host_routes).
const (
	maxNameservers = 5
	maxHostRoutes  = 20
)

// autoAddressed tells whether guests make their own addresses on a subnet.
func autoAddressed(sn *db.Subnet) bool {
	return sn.IPv6AddressMode == "slaac" || sn.IPv6AddressMode == "dhcpv6-stateless"
}

// shapeSubnet derives and checks what a new subnet consists of: addresses, gateway, pools.
func shapeSubnet(sn *db.Subnet, cidr string, v attr.Values) error {
	p, err := netip.ParsePrefix(cidr)
	if err != nil {
		return invalidInput("'%s' is not a valid IP subnet", cidr)
	}
	p = p.Masked()
	if (sn.IPVersion == 4) != p.Addr().Is4() {
		return invalidInput("cidr '%s' does not match the ip_version '%d'", p, sn.IPVersion)
	}
	if p.Bits() == 0 {
		return invalidInput("0 is not allowed as CIDR prefix length")
	}
	if p.Addr().IsMulticast() {
		return invalidInput("Multicast IP subnet is not supported")
	}
	if p.Addr().IsLoopback() {
		return invalidInput("Loopback IP subnet is not supported")
	}
	sn.CIDR, sn.FirstKey, sn.LastKey = p.String(), addrKey(p.Addr()), addrKey(lastAddr(p))
	if err := checkIPv6Modes(sn, p); err != nil {
		return err
	}
	if v.Has("gateway_ip") {
		sn.GatewayIP = v.String("gateway_ip") // null: none
	} else {
		sn.GatewayIP = defaultGateway(p).String()
	}
	if err := checkGateway(p, sn.GatewayIP); err != nil {
		return err
	}
	if sn.AllocationPools = poolsOf(v.List("allocation_pools")); v["allocation_pools"] == nil {
		sn.AllocationPools = defaultPools(p, sn.GatewayIP)
	}
	if err := checkPools(p, sn.AllocationPools, sn.GatewayIP); err != nil {
		return err
	}
	return checkSubnetLists(sn)
}

// checkIPv6Modes follows the API's table of legal combinations (neutron.db.ipv6 _validate_ipv6_attributes).
func checkIPv6Modes(sn *db.Subnet, p netip.Prefix) error {
	ra, addr := sn.IPv6RAMode, sn.IPv6AddressMode
	if ra == "" && addr == "" {
		return nil
	}
	switch {
	case sn.IPVersion == 4:
		return invalidInput("%s is not valid for IPv4 subnets", firstOf(ra != "", "ipv6_ra_mode", "ipv6_address_mode"))
	case !sn.EnableDHCP:
		return invalidInput("ipv6_ra_mode or ipv6_address_mode cannot be set when enable_dhcp is set to False")
	case ra != "" && addr != "" && ra != addr:
		return invalidInput("ipv6_ra_mode set to '%s' with ipv6_address_mode set to '%s' is not valid. If both attributes are set, they must be the same value",
			ra, addr)
	case (ra == "slaac" || ra == "dhcpv6-stateless" || addr == "slaac" || addr == "dhcpv6-stateless") && p.Bits() != 64:
		return invalidInput("Invalid CIDR %s for IPv6 address mode. OpenStack uses the EUI-64 address format, which requires the prefix to be /64", p)
	}
	return nil
}

func defaultGateway(p netip.Prefix) netip.Addr {
	if p.IsSingleIP() {
		return p.Addr()
	}
	return firstUsable(p)
}

func checkGateway(p netip.Prefix, gateway string) error {
	if gateway == "" {
		return nil
	}
	g, err := netip.ParseAddr(gateway)
	switch {
	case err != nil || g.Is4() != p.Addr().Is4():
		return invalidInput("gateway_ip '%s' does not match the ip_version '%d'", gateway, version(p.Addr()))
	// A gateway outside of the subnet is allowed: a link-local one, or one that is reached on link.
	// Within it, IPv4 has two addresses that are nobody's; the first of an IPv6 subnet is its routers' (RFC 4291 2.6.1).
	case g.Is4() && p.Contains(g) && !usable(p, g):
		return invalidInput("Gateway is not valid on subnet")
	}
	return nil
}

func version(a netip.Addr) int {
	if a.Is4() {
		return 4
	}
	return 6
}

// defaultPools is everything but the gateway.
func defaultPools(p netip.Prefix, gateway string) []db.Pool {
	first, last := firstUsable(p), lastUsable(p)
	g, err := netip.ParseAddr(gateway)
	if err != nil || !(addrRange{first, last}).contains(g) {
		return []db.Pool{{Start: first.String(), End: last.String()}}
	}
	pools := []db.Pool{}
	if first.Less(g) {
		pools = append(pools, db.Pool{Start: first.String(), End: g.Prev().String()})
	}
	if g.Less(last) {
		pools = append(pools, db.Pool{Start: g.Next().String(), End: last.String()})
	}
	return pools
}

func poolsOf(list []attr.Values) []db.Pool {
	pools := make([]db.Pool, len(list))
	for i, p := range list {
		pools[i] = db.Pool{Start: p.String("start"), End: p.String("end")}
	}
	return pools
}

func routesOf(list []attr.Values) []db.Route {
	routes := make([]db.Route, len(list))
	for i, r := range list {
		routes[i] = db.Route{Destination: r.String("destination"), NextHop: r.String("nexthop")}
	}
	return routes
}

func ranges(pools []db.Pool) []addrRange {
	out := make([]addrRange, 0, len(pools))
	for _, p := range pools {
		first, err1 := netip.ParseAddr(p.Start)
		last, err2 := netip.ParseAddr(p.End)
		if err1 == nil && err2 == nil {
			out = append(out, addrRange{first, last})
		}
	}
	return out
}

// checkPools wants pools inside the subnet that neither overlap nor hold the gateway.
func checkPools(p netip.Prefix, pools []db.Pool, gateway string) error {
	all := ranges(pools)
	for i, r := range all {
		text := pools[i].Start + "-" + pools[i].End
		switch {
		case r.first.BitLen() != p.Addr().BitLen() || r.last.BitLen() != p.Addr().BitLen() || r.last.Less(r.first):
			return bad("InvalidAllocationPool", "The allocation pool %s is not valid.", text)
		case !usable(p, r.first) || !usable(p, r.last):
			return bad("OutOfBoundsAllocationPool", "The allocation pool %s spans beyond the subnet cidr %s.", text, p)
		}
	}
	sort.Slice(all, func(i, j int) bool { return all[i].first.Less(all[j].first) })
	for i := 1; i < len(all); i++ {
		if !all[i-1].last.Less(all[i].first) {
			return conflict("OverlappingAllocationPools", "Found overlapping allocation pools: %s-%s %s-%s for subnet %s.",
				all[i-1].first, all[i-1].last, all[i].first, all[i].last, p)
		}
	}
	if g, err := netip.ParseAddr(gateway); err == nil {
		for _, r := range all {
			if r.contains(g) {
				return conflict("GatewayConflictWithAllocationPools", "Gateway ip %s conflicts with allocation pool %s-%s.", g, r.first, r.last)
			}
		}
	}
	return nil
}

func checkSubnetLists(sn *db.Subnet) error {
	if len(sn.DNSNameservers) > maxNameservers {
		return bad("DNSNameServersExhausted", "Unable to complete operation for %s. The number of DNS nameservers exceeds the limit %d.",
			sn.ID, maxNameservers)
	}
	if len(sn.HostRoutes) > maxHostRoutes {
		return bad("HostRoutesExhausted", "Unable to complete operation for %s. The number of host routes exceeds the limit %d.", sn.ID, maxHostRoutes)
	}
	v4 := sn.IPVersion == 4
	for _, d := range sn.DNSNameservers {
		if a, err := netip.ParseAddr(d); err != nil || a.Is4() != v4 {
			return invalidInput("dns_nameserver '%s' does not match the ip_version '%d'", d, sn.IPVersion)
		}
	}
	for i, r := range sn.HostRoutes {
		if slices.Contains(sn.HostRoutes[:i], r) {
			return bad("HTTPBadRequest", "Invalid input for host_routes. Reason: Duplicate hostroute '{'destination': '%s', 'nexthop': '%s'}'.", r.Destination, r.NextHop)
		}
		p, err1 := netip.ParsePrefix(r.Destination)
		a, err2 := netip.ParseAddr(r.NextHop)
		if err1 != nil || err2 != nil || p.Addr().Is4() != v4 || a.Is4() != v4 {
			return invalidInput("Invalid route: destination %s, nexthop %s", r.Destination, r.NextHop)
		}
	}
	return nil
}
