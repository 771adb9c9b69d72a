// Package gateways says which hosts carry the external side of routers, and which of them first.
//
// It is pure: hosts, the present choice and what an operator chose go in, hosts with priorities come out. The engine keeps the choice; Neutron
// asks with the same rules whether a host may be chosen at all.
package gateways

import (
	"cmp"
	"slices"

	"github.com/google/uuid"

	"gostack/internal/neutron/driver"
)

// Most bounds the hosts of one gateway that are chosen here: one works, the others stand by (upstream's MAX_GW_CHASSIS).
const Most = 5

// Possible are the hosts that can carry gateways to a physical network ("" for one of tunnels, which all hosts reach): those marked
// enable-chassis-as-gw, or all when none is; and only those of the zones, when there are any.
func Possible(all []driver.Chassis, physnet string, zones []string) []string {
	marked := slices.ContainsFunc(all, func(c driver.Chassis) bool { return c.Gateway })
	var out []string
	for i := range all {
		c := &all[i]
		if (physnet == "" || c.Bridges[physnet] != "") && (c.Gateway || !marked) && near(c, zones) {
			out = append(out, c.Name)
		}
	}
	return out
}

// near tells whether a host is in one of the zones.
func near(c *driver.Chassis, zones []string) bool {
	if len(c.Zones) == 0 {
		return len(zones) == 0 || slices.Contains(zones, driver.NoZone)
	}
	return len(zones) == 0 || slices.ContainsFunc(c.Zones, func(z string) bool { return slices.Contains(zones, z) })
}

// Assign gives a gateway's port its hosts. What was chosen counts, as far as it is possible; the hosts it keeps away never carry the port.
// While none of the chosen is possible others take their place, and without a choice all of them are for the taking. With no possible host at
// all the old ones stay: they are as good as none, and right again when they come back.
func Assign(port string, now []driver.GatewayHost, possible []string, chosen []driver.GatewayHost) []driver.GatewayHost {
	var wanted, here []driver.GatewayHost
	away := map[string]bool{}
	for _, h := range chosen {
		if h.Priority < 0 {
			away[h.Chassis] = true
			continue
		}
		wanted = append(wanted, h)
		if slices.Contains(possible, h.Chassis) {
			here = append(here, h)
		}
	}
	switch {
	case len(here) > 0:
		return Ordered(here)
	case len(possible) == 0 && len(wanted) > 0:
		return Ordered(wanted)
	}
	var names []string
	for _, h := range Ordered(now) {
		if !away[h.Chassis] {
			names = append(names, h.Chassis)
		}
	}
	if len(possible) > 0 {
		names = Choose(port, names, slices.DeleteFunc(slices.Clone(possible), func(name string) bool { return away[name] }))
	}
	return Ranked(names)
}

// Choose keeps the hosts that carry the port and are still possible, in their order, and appends others in an order that differs from port to
// port, so that gateways spread and none moves when a host joins.
func Choose(port string, now, possible []string) []string {
	var out []string
	for _, name := range now {
		if slices.Contains(possible, name) {
			out = append(out, name)
		}
	}
	rest := slices.DeleteFunc(slices.Clone(possible), func(name string) bool { return slices.Contains(out, name) })
	place := make(map[string]string, len(rest))
	for _, name := range rest {
		place[name] = uuid.NewSHA1(space, []byte("gw/"+port+"/"+name)).String()
	}
	slices.SortFunc(rest, func(a, b string) int { return cmp.Compare(place[a], place[b]) })
	out = append(out, rest...)
	return out[:min(len(out), Most)]
}

// space is the name space of the places of hosts.
var space = uuid.MustParse("9f0fa3a6-4c4e-5b0e-9d5e-0e6b6f6d7374")

// Ranked gives hosts priorities by their order: the last one has 1, the lowest that is given without being asked for.
func Ranked(names []string) []driver.GatewayHost {
	var out []driver.GatewayHost
	for i, name := range names {
		out = append(out, driver.GatewayHost{Chassis: name, Priority: len(names) - i})
	}
	return out
}

// Ordered sorts hosts, the first one first.
func Ordered(hosts []driver.GatewayHost) []driver.GatewayHost {
	out := slices.Clone(hosts)
	slices.SortFunc(out, func(a, b driver.GatewayHost) int {
		return cmp.Or(cmp.Compare(b.Priority, a.Priority), cmp.Compare(a.Chassis, b.Chassis))
	})
	return out
}
