package ovn

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"pgregory.net/rapid"

	"gostack/internal/engine/ovsdb/nb"
	"gostack/internal/neutron/driver"
)

func TestRuleMatches(t *testing.T) {
	const group = "11111111-2222-3333-4444-555555555555"
	const out, in = "outport == @pg_11111111_2222_3333_4444_555555555555", "inport == @pg_11111111_2222_3333_4444_555555555555"
	for _, c := range []struct {
		rule driver.SecurityGroupRule
		want string // empty: refused
	}{
		{driver.SecurityGroupRule{Direction: "ingress", IPVersion: 4}, out + " && ip4"},
		{driver.SecurityGroupRule{Direction: "egress", IPVersion: 6, Protocol: "tcp"}, in + " && ip6 && tcp"},
		{driver.SecurityGroupRule{Direction: "ingress", IPVersion: 4, Protocol: "tcp", PortMin: ptr(22), PortMax: ptr(22), RemotePrefix: prefix("10.0.0.7/8")}, out + " && ip4 && ip4.src == 10.0.0.0/8 && tcp && tcp.dst == 22"},
		{driver.SecurityGroupRule{Direction: "egress", IPVersion: 4, Protocol: "17", PortMin: ptr(1), PortMax: ptr(9)}, in + " && ip4 && udp && udp.dst >= 1 && udp.dst <= 9"},
		{driver.SecurityGroupRule{Direction: "ingress", IPVersion: 4, Protocol: "icmp", PortMin: ptr(8), PortMax: ptr(0)}, out + " && ip4 && icmp4 && icmp4.type == 8 && icmp4.code == 0"},
		{driver.SecurityGroupRule{Direction: "ingress", IPVersion: 6, Protocol: "icmp", PortMin: ptr(128)}, out + " && ip6 && icmp6 && icmp6.type == 128"},
		{driver.SecurityGroupRule{Direction: "ingress", IPVersion: 6, Protocol: "ipv6-icmp"}, out + " && ip6 && icmp6"},
		{driver.SecurityGroupRule{Direction: "ingress", IPVersion: 4, Protocol: "vrrp"}, out + " && ip4 && ip.proto == 112"},
		{driver.SecurityGroupRule{Direction: "ingress", IPVersion: 4, Protocol: "sctp", PortMin: ptr(5), PortMax: ptr(5)}, out + " && ip4 && sctp && sctp.dst == 5"},
		{driver.SecurityGroupRule{Direction: "ingress", IPVersion: 6, RemotePrefix: prefix("::/0")}, out + " && ip6"},
		{driver.SecurityGroupRule{Direction: "ingress", IPVersion: 4, RemoteGroupID: group}, out + " && ip4 && ip4.src == $pg_11111111_2222_3333_4444_555555555555_ip4"},
		{driver.SecurityGroupRule{Direction: "egress", IPVersion: 6, RemoteGroupID: group}, in + " && ip6 && ip6.dst == $pg_11111111_2222_3333_4444_555555555555_ip6"},

		{rule: driver.SecurityGroupRule{Direction: "ingress", IPVersion: 4, Protocol: "tcp || ip4"}},
		{rule: driver.SecurityGroupRule{Direction: "ingress", IPVersion: 4, Protocol: "256"}},
		{rule: driver.SecurityGroupRule{Direction: "ingress", IPVersion: 4, Protocol: "tcp", PortMin: ptr(9), PortMax: ptr(1)}},
		{rule: driver.SecurityGroupRule{Direction: "ingress", IPVersion: 4, Protocol: "vrrp", PortMin: ptr(1), PortMax: ptr(1)}},
		{rule: driver.SecurityGroupRule{Direction: "ingress", IPVersion: 4, PortMin: ptr(1), PortMax: ptr(1)}},
		{rule: driver.SecurityGroupRule{Direction: "ingress", IPVersion: 4, Protocol: "icmp", PortMin: ptr(300)}},
		{rule: driver.SecurityGroupRule{Direction: "ingress", IPVersion: 4, RemotePrefix: prefix("fd00::/8")}},
		{rule: driver.SecurityGroupRule{Direction: "ingress", IPVersion: 4, RemoteGroupID: "x} || 1"}},
		{rule: driver.SecurityGroupRule{Direction: "sideways", IPVersion: 4}},
		{rule: driver.SecurityGroupRule{Direction: "ingress", IPVersion: 5}},
	} {
		c.rule.ID = uuid.NewString()
		acl, err := renderRule(group, c.rule)
		switch {
		case c.want == "" && err == nil:
			t.Errorf("%+v: accepted as %q", c.rule, acl.Match)
		case c.want != "" && (err != nil || acl.Match != c.want):
			t.Errorf("%+v:\n got %v, %v\nwant %q", c.rule, acl, err, c.want)
		}
	}
}

// OSSA-2019-001, OSSA-2019-002: one rule the engine cannot take must not stop the others.
func TestOneBadRuleDoesNotStopTheOthers(t *testing.T) {
	b, ctx := testBackend(t)
	g := newCloud().web
	bad := driver.SecurityGroupRule{ID: uuid.NewString(), Direction: driver.Ingress, IPVersion: 4, Protocol: "vrrp", PortMin: ptr(1), PortMax: ptr(1)}
	g.Rules = append([]driver.SecurityGroupRule{bad}, g.Rules...)
	err := b.EnsureSecurityGroup(ctx, g)
	if !errors.Is(err, driver.ErrInvalid) || !strings.Contains(err.Error(), bad.ID) {
		t.Fatalf("got %v", err)
	}
	for _, r := range g.Rules[1:] {
		if get[nb.ACL](t, ctx, b.nb, r.ID) == nil {
			t.Errorf("rule %s is not there", r.ID)
		}
	}
}

func TestDHCPAnswers(t *testing.T) {
	b := &Backend{cfg: Config{DHCPLease: 600}}
	c := newCloud()
	p, err := b.renderSubnet(c.aSub)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"lease_time": "600", "mtu": "1442", "router": "10.6.1.1", "server_id": "10.6.1.1", "server_mac": serverMAC(c.aSub.ID),
		"dns_server": "{9.9.9.9, 1.1.1.1}", "domain_name": `"example.org"`,
		"classless_static_route": "{169.254.169.254/32,10.6.1.2, 192.168.7.0/24,10.6.1.9, 0.0.0.0/0,10.6.1.1}",
	}
	if d := cmp.Diff(want, p.rows[0].(*nb.DHCPOptions).Options); d != "" {
		t.Error(d)
	}
	// No gateway: the metadata port speaks for the server, and there is no default route.
	isolated := c.aSub
	isolated.Gateway, isolated.HostRoutes, isolated.DNS = netip.Addr{}, nil, nil
	p, _ = b.renderSubnet(isolated)
	o := p.rows[0].(*nb.DHCPOptions).Options
	if o["server_id"] != "10.6.1.2" || o["router"] != "" || o["classless_static_route"] != "{169.254.169.254/32,10.6.1.2}" {
		t.Errorf("isolated: %v", o)
	}
	// A domain that would break the expression costs the domain, not DHCP.
	evil := c.aSub
	evil.DNSDomain = "a\", \"router\"=\"6.6.6.6"
	p, err = b.renderSubnet(evil)
	if err != nil || len(p.rejected) != 1 || p.rows[0].(*nb.DHCPOptions).Options["domain_name"] != "" {
		t.Errorf("evil domain: %v %v", err, p)
	}
	for mode, rows := range map[driver.IPv6Mode]int{"": 0, driver.SLAAC: 0, driver.DHCPv6Stateful: 1, driver.DHCPv6Stateless: 1} {
		six := c.aSub6
		six.AddressMode = mode
		if p, err := b.renderSubnet(six); err != nil || len(p.rows) != rows {
			t.Errorf("mode %q: %d rows, %v", mode, len(p.rows), err)
		}
	}
}

func TestExtraDHCPOptions(t *testing.T) {
	for _, c := range []struct{ name, value, wantName, want string }{
		{"bootfile-name", "boot.ipxe", "bootfile_name", `"boot.ipxe"`},
		{"67", "x", "bootfile_name", `"x"`},
		{"server-ip-address", "10.0.0.1", "tftp_server_address", "10.0.0.1"},
		{"mtu", "1400", "mtu", "1400"},
		{"ntp-server", "1.1.1.1,2.2.2.2", "ntp_server", "{1.1.1.1, 2.2.2.2}"},
		{"classless-static-route", "10.1.0.9/16,10.0.0.1", "classless_static_route", "{10.1.0.0/16,10.0.0.1}"},
		{"ip-forward-enable", "true", "ip_forward_enable", "1"},
		{name: "mtu", value: "70000"},
		{name: "router", value: "1.1.1.1, 2.2.2.2"},
		{name: "router", value: "fd00::1"},
		{name: "ntp-server", value: "pool.ntp.org"},
		{name: "bootfile-name", value: "a\nb"},
		{name: "bootfile-name", value: `a"b`},
		{name: "unheard-of", value: "x"},
	} {
		name, value, err := dhcpOption(driver.DHCPOption{Name: c.name, Value: c.value, IPVersion: 4})
		if (err == nil) != (c.want != "") || (err == nil && (name != c.wantName || value != c.want)) {
			t.Errorf("%s=%q: %s=%s, %v", c.name, c.value, name, value, err)
		}
	}
}

// Whatever a tenant writes, the value stays one constant of OVN's expression language.
func TestQuotedStringsCannotEscape(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.String().Draw(t, "s")
		q, err := quoted(s)
		if err == nil && (q != `"`+s+`"` || strings.ContainsAny(s, "\"\\\n\r\x00")) {
			t.Fatalf("%q became %s", s, q)
		}
	})
}

func TestPortWithItsOwnOptionsFollowsItsSubnet(t *testing.T) {
	b, ctx := testBackend(t)
	c := newCloud()
	c.server.DHCPOptions = []driver.DHCPOption{{Name: "bootfile-name", Value: "pxe", IPVersion: 4}, {Name: "mtu", Value: "x", IPVersion: 4}}
	c.ensure(t, ctx, b)
	port := get[nb.LogicalSwitchPort](t, ctx, b.nb, c.server.ID)
	if port.DHCPv4 == nil || *port.DHCPv4 == c.aSub.ID || port.DHCPv6 == nil || *port.DHCPv6 != c.aSub6.ID {
		t.Fatalf("references: %v %v", port.DHCPv4, port.DHCPv6)
	}
	options := func() map[string]string { return get[nb.DHCPOptions](t, ctx, b.nb, *port.DHCPv4).Options }
	if o := options(); o["bootfile_name"] != `"pxe"` || o["mtu"] != "1442" || o["router"] != "10.6.1.1" {
		t.Errorf("own answers: %v", o)
	}
	c.aSub.MTU, c.aSub.Revision = 1300, 2
	if err := b.EnsureSubnet(ctx, c.aSub); err != nil {
		t.Fatal(err)
	}
	if o := options(); o["mtu"] != "1300" || o["bootfile_name"] != `"pxe"` {
		t.Errorf("after the subnet changed: %v", o)
	}
	report, err := b.Sync(ctx, c.desired(), false)
	if err != nil || len(report.Differences) > 0 || len(report.Rejected) != 1 {
		t.Errorf("%v %+v", err, report)
	}
	c.server.DHCPOptions = []driver.DHCPOption{{Name: "dhcp_disabled", Value: "True", IPVersion: 4}}
	if err := b.EnsurePort(ctx, c.server); err != nil {
		t.Fatal(err)
	}
	if port = get[nb.LogicalSwitchPort](t, ctx, b.nb, c.server.ID); port.DHCPv4 != nil || port.DHCPv6 == nil {
		t.Errorf("disabled for IPv4: %v %v", port.DHCPv4, port.DHCPv6)
	}
}

func TestPortSecurityLists(t *testing.T) {
	b, ctx := testBackend(t)
	c := newCloud()
	c.ensure(t, ctx, b)
	c.server.AllowedPairs = []driver.AddressPair{
		{Prefix: prefix("10.6.1.200/32")}, {MAC: "FA:16:3E:00:00:10", Prefix: prefix("172.20.0.0/16")}, {MAC: "fa:16:3e:aa:aa:aa", Prefix: prefix("10.6.1.201/32")},
	}
	check := func(addresses, security []string) {
		t.Helper()
		if err := b.EnsurePort(ctx, c.server); err != nil {
			t.Fatal(err)
		}
		p := get[nb.LogicalSwitchPort](t, ctx, b.nb, c.server.ID)
		slices.Sort(p.Addresses)
		slices.Sort(p.PortSecurity)
		if d := cmp.Diff(addresses, p.Addresses); d != "" {
			t.Error(d)
		}
		if d := cmp.Diff(security, p.PortSecurity); d != "" {
			t.Error(d)
		}
		noDifference(t, b, c.desired())
	}
	own := "fa:16:3e:00:00:10 10.6.1.10 fd00:6:1::10"
	check([]string{own, "fa:16:3e:aa:aa:aa"}, []string{own + " 10.6.1.200 172.20.0.0/16", "fa:16:3e:aa:aa:aa 10.6.1.201"})
	c.server.PortSecurity, c.server.SecurityGroups, c.server.AllowedPairs = false, nil, nil
	check([]string{own, "unknown"}, nil)
	c.server.PortSecurity = true
	check([]string{own}, []string{own})
}

func TestBadSpecsAreRefusedAndChangeNothing(t *testing.T) {
	b, ctx := testBackend(t)
	c := newCloud()
	id := uuid.NewString()
	for name, err := range map[string]error{
		"id":            b.EnsureNetwork(ctx, driver.NetworkSpec{ID: "x", Type: driver.Geneve}),
		"type":          b.EnsureNetwork(ctx, driver.NetworkSpec{ID: id, Type: "token-ring"}),
		"vlan":          b.EnsureNetwork(ctx, driver.NetworkSpec{ID: id, Type: driver.VLAN, Physnet: "p", Segment: 4095}),
		"physnet":       b.EnsureNetwork(ctx, driver.NetworkSpec{ID: id, Type: driver.Flat}),
		"subnet":        b.EnsureSubnet(ctx, driver.SubnetSpec{ID: id, NetworkID: c.a.ID}),
		"mac":           b.EnsurePort(ctx, driver.PortSpec{ID: id, NetworkID: c.a.ID, MAC: "zz"}),
		"two hosts":     b.EnsurePort(ctx, driver.PortSpec{ID: id, NetworkID: c.a.ID, MAC: c.server.MAC, Host: "h1,h2"}),
		"router's port": b.EnsureRouter(ctx, driver.RouterSpec{ID: id, Interfaces: []driver.RouterInterface{{PortID: id, MAC: c.aIf.MAC}}}),
	} {
		if !errors.Is(err, driver.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := b.EnsurePort(ctx, c.server); !errors.Is(err, driver.ErrDependency) {
		t.Errorf("port without network: %v", err)
	}
	noDifference(t, b, driver.Desired{})
	for _, err := range []error{b.DeletePort(ctx, id), b.DeleteNetwork(ctx, id), b.DeleteRouter(ctx, id), b.DeleteSubnet(ctx, id), b.DeleteSecurityGroup(ctx, id)} {
		if err != nil {
			t.Errorf("deleting what is not there: %v", err)
		}
	}
}

func TestRouterAdvertisements(t *testing.T) {
	got := advertisements(driver.RouterInterface{RAMode: driver.DHCPv6Stateless, MTU: 1442, RADNS: addr("fd00::53"), RADomain: "example.org."})
	want := map[string]string{"address_mode": "dhcpv6_stateless", "send_periodic": "true", "mtu": "1442", "rdnss": "fd00::53", "dnssl": "example.org"}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if got := advertisements(driver.RouterInterface{RAMode: driver.SLAAC, RADomain: "a\", x=1"}); got["dnssl"] != "" {
		t.Errorf("got %v", got)
	}
	if got := advertisements(driver.RouterInterface{MTU: 1442}); got != nil {
		t.Errorf("an IPv4 interface advertises %v", got)
	}
}
