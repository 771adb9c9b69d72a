package e2e

import (
	"strings"
)

// slaac: green's guests made themselves the addresses that Neutron computed from their MAC addresses, and reach each other by them.
func (g *gopherWalk) slaac() {
	one, two := g.servers["one"], g.servers["two"]
	for name, s := range map[string]*guest{"one": one, "two": two} {
		if !strings.HasPrefix(s.fixed6, "fd31:0:0:1:") && !strings.HasPrefix(s.fixed6, "fd31::1:") {
			g.t.Errorf("server %s got %q", name, s.fixed6)
		}
		g.eventually(name+" has "+s.fixed6, func() bool {
			return strings.Contains(g.shell(g.key, s.floating, "ip -o -6 addr show dev eth0 scope global"), " "+s.fixed6+"/64")
		})
		if out := g.shell(g.key, s.floating, "ip -6 route show default"); !strings.Contains(out, "via fe80:") {
			g.t.Errorf("%s has no default route by router advertisement: %q", name, out)
		}
	}
	g.shell(g.key, one.floating, "ping6 -c 1 -W 2 "+two.fixed6)
	g.shell(g.key, two.floating, "ping6 -c 1 -W 2 "+one.fixed6)
}

// dhcpv6: blue's router says that addresses come by DHCPv6. The guest image has no client for that (busybox has none), so the guest must not have
// made itself an address; given by hand the one that Neutron chose, it is reached across the router.
func (g *gopherWalk) dhcpv6() {
	one, three := g.servers["one"], g.servers["three"]
	if out := g.shell(g.key, three.floating, "ip -6 route show default"); !strings.Contains(out, "via fe80:") {
		g.t.Errorf("no default route by router advertisement: %q", out)
	}
	if out := g.shell(g.key, three.floating, "ip -o -6 addr show dev eth0 scope global"); out != "" {
		g.t.Errorf("the guest made itself an address where DHCPv6 gives them: %s", out)
	}
	g.shell(g.key, three.floating, "ip -6 addr add "+three.fixed6+"/64 dev eth0")
	g.shell(g.key, one.floating, "ping6 -c 1 -W 2 "+three.fixed6)
	g.shell(g.key, three.floating, "ping6 -c 1 -W 2 "+one.fixed6)
}
