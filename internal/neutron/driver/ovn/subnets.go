package ovn

import (
	"context"
	"crypto/sha256"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"gostack/internal/engine/ovsdb/nb"
	"gostack/internal/neutron/driver"
)

// EnsureSubnet implements driver.Backend.
func (b *Backend) EnsureSubnet(ctx context.Context, s driver.SubnetSpec) error {
	b.structure.Lock()
	defer b.structure.Unlock()
	err := b.converge(ctx, owner(kindSubnet, s.ID), func(context.Context) (*plan, error) { return b.renderSubnet(s) })
	if err != nil {
		return err
	}
	return b.relink(ctx, s.ID)
}

// DeleteSubnet implements driver.Backend. Ports lose their reference to the answers by themselves.
func (b *Backend) DeleteSubnet(ctx context.Context, id string) error {
	b.structure.Lock()
	defer b.structure.Unlock()
	return b.remove(ctx, kindSubnet, id)
}

// renderSubnet is a row of DHCP answers. A subnet without DHCP, or with SLAAC only, needs none.
func (b *Backend) renderSubnet(s driver.SubnetSpec) (*plan, error) {
	p, err := newPlan(kindSubnet, s.ID, s.Revision, s.NetworkID)
	if err != nil {
		return nil, err
	}
	if !s.CIDR.IsValid() {
		return nil, fmt.Errorf("%w: subnet %s: no CIDR", driver.ErrInvalid, s.ID)
	}
	if !s.EnableDHCP {
		return p, nil
	}
	var options map[string]string
	if s.CIDR.Addr().Is4() {
		options = b.dhcpv4(s)
	} else if s.AddressMode == driver.DHCPv6Stateful || s.AddressMode == driver.DHCPv6Stateless {
		options = dhcpv6(s)
	} else {
		return p, nil
	}
	if domain, err := quoted(s.DNSDomain); err != nil {
		p.reject("subnet %s: dns domain: %w", s.ID, err)
	} else if s.DNSDomain != "" {
		name := "domain_name"
		if !s.CIDR.Addr().Is4() {
			name = "domain_search"
		}
		options[name] = domain
	}
	p.add(&nb.DHCPOptions{
		UUID: s.ID, CIDR: s.CIDR.Masked().String(), Options: options,
		ExternalIDs: map[string]string{"subnet_id": s.ID, "neutron:network_id": s.NetworkID},
	}, "")
	return p, nil
}

// dhcpv4 are the answers of RFC 2131/2132 as OVN names them (ovn-nb(5), DHCP_Options).
func (b *Backend) dhcpv4(s driver.SubnetSpec) map[string]string {
	server := s.Gateway
	if !server.IsValid() {
		if server = s.MetadataIP; !server.IsValid() {
			server = s.CIDR.Masked().Addr().Next()
		}
	}
	o := map[string]string{
		"lease_time": strconv.Itoa(b.cfg.DHCPLease), "server_id": server.String(), "server_mac": serverMAC(s.ID),
	}
	if s.MTU > 0 {
		o["mtu"] = strconv.Itoa(s.MTU)
	}
	if s.Gateway.IsValid() {
		o["router"] = s.Gateway.String()
	}
	if v4 := family(s.DNS, true); len(v4) > 0 {
		o["dns_server"] = "{" + strings.Join(v4, ", ") + "}"
	}
	var routes []string
	if s.MetadataIP.IsValid() {
		routes = append(routes, "169.254.169.254/32,"+s.MetadataIP.String())
	}
	for _, r := range s.HostRoutes {
		routes = append(routes, r.Destination.Masked().String()+","+r.NextHop.String())
	}
	if len(routes) > 0 {
		// RFC 3442: a client that gets classless routes ignores the router option, so the default route is repeated here.
		if s.Gateway.IsValid() {
			routes = append(routes, "0.0.0.0/0,"+s.Gateway.String())
		}
		o["classless_static_route"] = "{" + strings.Join(routes, ", ") + "}"
	}
	return o
}

// dhcpv6 are the answers of RFC 8415.
func dhcpv6(s driver.SubnetSpec) map[string]string {
	o := map[string]string{"server_id": serverMAC(s.ID)}
	if v6 := family(s.DNS, false); len(v6) > 0 {
		o["dns_server"] = "{" + strings.Join(v6, ", ") + "}"
	}
	if s.AddressMode == driver.DHCPv6Stateless {
		o["dhcpv6_stateless"] = "true"
	}
	return o
}

// serverMAC is the address from which the DHCP server of a subnet speaks: stable, in Neutron's range.
func serverMAC(subnetID string) string {
	h := sha256.Sum256([]byte("dhcp/" + subnetID))
	return fmt.Sprintf("fa:16:3e:%02x:%02x:%02x", h[0], h[1], h[2])
}

func family(addrs []netip.Addr, v4 bool) []string {
	var out []string
	for _, a := range addrs {
		if a.Is4() == v4 {
			out = append(out, a.String())
		}
	}
	return out
}

// quoted makes an OVN string constant. String options need the quotes inside the value, else ovn-controller drops all DHCP of the port.
// Characters that would end or escape the string, or go beyond printable ASCII, are refused (OSSA-2021-005).
func quoted(s string) (string, error) {
	for _, r := range s {
		if r < 0x20 || r > 0x7e || r == '"' || r == '\\' {
			return "", fmt.Errorf("character %q is not allowed", r)
		}
	}
	return `"` + s + `"`, nil
}
