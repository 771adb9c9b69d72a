package ovn

import (
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"

	"gostack/internal/neutron/driver"
	"gostack/internal/neutron/driver/ovn/ovntest"
	"gostack/test/machine"
)

// ovn-controller parses what northd writes, and says only in its log what it could not parse: then the flow is missing, and with one bad
// option all DHCP of a port. So every kind of rule and every option goes through the real parser once.
func TestEverythingWrittenIsUnderstood(t *testing.T) {
	machine.Inside(t, func(t *testing.T) {
		s, ctx := newScene(t)
		rule := func(r driver.SecurityGroupRule) {
			for _, direction := range []driver.Direction{driver.Ingress, driver.Egress} {
				r.ID, r.Direction = uuid.NewString(), direction
				if _, err := renderRule(s.web.ID, r); err == nil {
					s.web.Rules = append(s.web.Rules, r)
				}
			}
		}
		for _, version := range []int{4, 6} {
			remote := map[int]string{4: "10.0.0.0/8", 6: "fd00::/8"}[version]
			for _, protocol := range append(slices.Sorted(maps.Keys(protocols)), "", "0", "255") {
				rule(driver.SecurityGroupRule{IPVersion: version, Protocol: protocol})
				rule(driver.SecurityGroupRule{IPVersion: version, Protocol: protocol, RemotePrefix: prefix(remote)})
				rule(driver.SecurityGroupRule{IPVersion: version, Protocol: protocol, RemoteGroupID: s.web.ID})
				rule(driver.SecurityGroupRule{IPVersion: version, Protocol: protocol, PortMin: ptr(8)})
				rule(driver.SecurityGroupRule{IPVersion: version, Protocol: protocol, PortMin: ptr(1), PortMax: ptr(200)})
			}
		}
		if len(s.web.Rules) < 300 {
			t.Errorf("only %d rules", len(s.web.Rules))
		}
		if err := s.b.EnsureSecurityGroup(ctx, s.web); err != nil {
			t.Fatal(err)
		}
		values := map[optionKind]string{
			textOption: "text.example", ipOption: "10.6.1.7", ipsOption: "10.6.1.7,10.6.1.8", routesOption: "10.1.0.0/16,10.6.1.9", boolOption: "1",
			uint8Option: "64", uint16Option: "1400", uint32Option: "3600",
		}
		s.server.DHCPOptions = nil
		for _, name := range slices.Sorted(maps.Keys(options4)) {
			s.server.DHCPOptions = append(s.server.DHCPOptions, driver.DHCPOption{Name: name, Value: values[options4[name].kind], IPVersion: 4})
		}
		six := map[optionKind]string{textOption: "text.example", ipsOption: "fd00::1,fd00::2"}
		for _, name := range slices.Sorted(maps.Keys(options6)) {
			s.server.DHCPOptions = append(s.server.DHCPOptions, driver.DHCPOption{Name: name, Value: six[options6[name].kind], IPVersion: 6})
		}
		if err := s.b.EnsurePort(ctx, s.server); err != nil {
			t.Fatal(err)
		}
		s.host.Settled(t)
		for _, line := range complaints(t) {
			t.Error(line)
		}
		out := s.s1.Run(t, "busybox", "udhcpc", "-q", "-n", "-f", "-t", "5", "-i", "eth0", "-s", "/bin/true")
		if !strings.Contains(out, "lease of 10.6.1.10 obtained") {
			t.Errorf("no DHCP with all options:\n%s", out)
		}
		// The same check does find a mistake.
		ovntest.Run(t, "ovn-nbctl", "set", "dhcp_options", s.aSub.ID, "options:domain_name=unquoted")
		ovntest.Eventually(t, "a string without quotes is complained of", func() bool { return len(complaints(t)) > 0 })
	})
}

// complaints are the lines of the daemons' logs about what they do not understand.
func complaints(t *testing.T) (out []string) {
	t.Helper()
	read := 0
	for _, log := range []string{
		"/var/log/openvswitch/ovn-controller.log", "/var/log/ovn/ovn-controller.log", "/var/log/openvswitch/ovn-northd.log", "/var/log/ovn/ovn-northd.log",
	} {
		text, err := os.ReadFile(log)
		if err != nil {
			continue
		}
		read++
		for line := range strings.Lines(string(text)) {
			if strings.Contains(line, "pars") || strings.Contains(line, "yntax") || strings.Contains(line, "|ERR|") {
				out = append(out, line)
			}
		}
	}
	if read == 0 {
		t.Fatal("no log of OVN found")
	}
	return out
}
