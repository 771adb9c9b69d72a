package neutron

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"unicode"

	"gostack/internal/neutron/attr"
	"gostack/internal/neutron/db"
)

// The device owners of ports that Neutron itself makes.
const (
	ownerRouterInterface = "network:router_interface"
	ownerRouterGateway   = "network:router_gateway"
	ownerFloatingIP      = "network:floatingip"
	ownerDistributed     = "network:distributed" // the metadata port, as networking-ovn names it
	ownerDHCP            = "network:dhcp"
)

// The statuses of resources.
const (
	statusActive = "ACTIVE"
	statusDown   = "DOWN"
	statusBuild  = "BUILD"
	statusNA     = "N/A"
)

var routerOwners = []string{ownerRouterInterface, ownerRouterGateway}

func isRouterOwner(owner string) bool { return slices.Contains(routerOwners, owner) }

// autoDeleted tells whether ports of this owner go away with their network or subnet.
func autoDeleted(owner string) bool { return owner == ownerDHCP || owner == ownerDistributed }

// trusted ports belong to the network itself: they have no security groups and no anti-spoofing.
func trusted(owner string) bool { return strings.HasPrefix(owner, "network:") }

// maxAddressPairs of a port (upstream's max_allowed_address_pair).
const maxAddressPairs = 10

func tooManyPairs() error {
	return bad("AllowedAddressPairExhausted", "The number of allowed address pair exceeds the maximum %d.", maxAddressPairs)
}

// pairsOf checks allowed_address_pairs (neutron-lib's validate_allowed_address_pairs; max_allowed_address_pair is 10).
func pairsOf(list []attr.Values, mac string) ([]db.AddressPair, error) {
	if len(list) > maxAddressPairs {
		return nil, tooManyPairs()
	}
	pairs := make([]db.AddressPair, len(list))
	for i, x := range list {
		pairs[i] = db.AddressPair{IPAddress: x.String("ip_address"), MACAddress: x.String("mac_address")}
		if pairs[i].MACAddress == "" {
			pairs[i].MACAddress = mac
		}
		if slices.Contains(pairs[:i], pairs[i]) {
			return nil, bad("DuplicateAddressPairInRequest", "Request contains duplicate address pair: mac_address %s ip_address %s.",
				pairs[i].MACAddress, pairs[i].IPAddress)
		}
	}
	return pairs, nil
}

// mergeDHCPOpts lays options over those a port has: a value of null removes one.
func mergeDHCPOpts(have []db.DHCPOpt, list []attr.Values) []db.DHCPOpt {
	out := slices.Clone(have)
	for _, x := range list {
		o := db.DHCPOpt{OptName: x.String("opt_name"), OptValue: x.String("opt_value"), IPVersion: int(x.Int("ip_version"))}
		if o.IPVersion == 0 {
			o.IPVersion = 4
		}
		out = slices.DeleteFunc(out, func(old db.DHCPOpt) bool { return old.OptName == o.OptName && old.IPVersion == o.IPVersion })
		if x["opt_value"] != nil {
			out = append(out, o)
		}
	}
	return out
}

// CheckDHCPOptText refuses what could break out of a line of a DHCP server's configuration (OSSA-2021-005).
func CheckDHCPOptText(s string) string {
	if strings.ContainsFunc(s, unicode.IsControl) {
		return fmt.Sprintf("%q contains control characters", s)
	}
	return ""
}

// dnsNameOf makes a host name of a server's name, as Nova does for dns_name (its sanitize_hostname).
func dnsNameOf(name string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(name) {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '-':
			b.WriteRune(r)
		case r == '_' || r == ' ' || r == '.':
			b.WriteByte('-')
		}
	}
	s := strings.Trim(b.String(), "-.")
	if len(s) > 63 {
		s = strings.TrimRight(s[:63], "-")
	}
	return s
}

// DNSAssignment is one of a port's dns_assignment.
type DNSAssignment struct {
	Hostname  string `json:"hostname"`
	IPAddress string `json:"ip_address"`
	FQDN      string `json:"fqdn"`
}

// DNSAssignments returns the names that the engine's DNS gives to a port's addresses.
func (s *Service) DNSAssignments(p *db.Port) []DNSAssignment {
	domain := strings.TrimSuffix(s.DNSDomain, ".") + "."
	if d := p.DNSDomain; d != "" && p.DNSName != "" {
		domain = d
	} else if p.NetworkDNS != "" && p.DNSName != "" {
		domain = p.NetworkDNS
	}
	out := make([]DNSAssignment, len(p.FixedIPs))
	for i, a := range p.FixedIPs {
		host := p.DNSName
		if host == "" {
			host = "host-" + strings.NewReplacer(".", "-", ":", "-").Replace(a.IPAddress)
		}
		out[i] = DNSAssignment{Hostname: host, IPAddress: a.IPAddress, FQDN: host + "." + domain}
	}
	return out
}

// usableMAC draws a MAC below upstream's base_mac.
func (s *Service) newMAC() string {
	n := s.random(1 << 24)
	return fmt.Sprintf("fa:16:3e:%02x:%02x:%02x", n>>16&0xff, n>>8&0xff, n&0xff)
}

func parseAddr(s string) netip.Addr { a, _ := netip.ParseAddr(s); return a }

// applyPortHardware sets what a port says about hardware and about its guest's view of the link.
func applyPortHardware(p *db.Port, v attr.Values) {
	setBool(v, "propagate_uplink_status", &p.PropagateUplinkStatus)
	setText(v, "numa_affinity_policy", &p.NUMAAffinityPolicy)
	setText(v, "device_profile", &p.DeviceProfile)
	setText(v, "data_plane_status", &p.DataPlaneStatus)
	setText(v, "hardware_offload_type", &p.HardwareOffloadType)
	if v.Has("hints") {
		p.Hints, _ = v["hints"].(map[string]any)
	}
	if v.Has("trusted") {
		p.Trusted = nil
		if b, ok := v["trusted"].(bool); ok {
			p.Trusted = &b
		}
	}
}
