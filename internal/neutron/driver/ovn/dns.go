package ovn

import (
	"fmt"
	"net/netip"
	"strings"

	"gostack/internal/engine/ovsdb/nb"
	"gostack/internal/neutron/driver"
)

// dnsRecords are the names of a port on its switch, with the way back from its addresses (RFC 1035 section 3.5, RFC 3596).
func dnsRecords(p *plan, s driver.PortSpec) {
	records := map[string]string{}
	for _, n := range s.DNS {
		if !domainName(strings.TrimSuffix(n.Name, ".")) {
			p.reject("port %s: DNS name %q", s.ID, n.Name)
			continue
		}
		var texts []string
		for _, a := range n.Addresses {
			texts = append(texts, a.String())
			if strings.Contains(n.Name, ".") {
				records[reverseName(a)] = n.Name
			}
		}
		if len(texts) > 0 {
			records[n.Name] = strings.Join(texts, " ")
		}
	}
	if len(records) > 0 {
		p.add(&nb.DNS{UUID: rowID("dns", s.ID), Records: records, ExternalIDs: map[string]string{"ls_name": switchName(s.NetworkID)}}, s.NetworkID)
	}
}

// reverseName is the name under which an address is looked up.
func reverseName(a netip.Addr) string {
	var labels []string
	if a.Is4() {
		for _, b := range a.As4() {
			labels = append([]string{fmt.Sprint(b)}, labels...)
		}
		return strings.Join(labels, ".") + ".in-addr.arpa"
	}
	for _, b := range a.As16() {
		labels = append([]string{fmt.Sprintf("%x", b&15), fmt.Sprintf("%x", b>>4)}, labels...)
	}
	return strings.Join(labels, ".") + ".ip6.arpa"
}

// virtual makes a port one that belongs to whichever of its parents announces its address (ovn-nb(5), type virtual).
func virtual(lsp *nb.LogicalSwitchPort, s driver.PortSpec) error {
	if len(s.VirtualParents) == 0 || len(s.FixedIPs) == 0 {
		return nil
	}
	for _, id := range s.VirtualParents {
		if err := checkID(id); err != nil {
			return err
		}
	}
	lsp.Type = "virtual"
	lsp.Options["virtual-ip"] = s.FixedIPs[0].Address.String()
	lsp.Options["virtual-parents"] = strings.Join(s.VirtualParents, ",")
	return nil
}
