package ovn

import (
	"fmt"
	"strconv"

	"gostack/internal/neutron/driver"
)

// protocols are the names the API accepts for protocol (API reference, security group rules) with IANA's numbers.
var protocols = map[string]int{
	"ah": 51, "dccp": 33, "egp": 8, "esp": 50, "gre": 47, "hopopt": 0, "icmp": 1, "icmpv6": 58, "igmp": 2, "ip": 0, "ipip": 4,
	"ipv6-encap": 41, "ipv6-frag": 44, "ipv6-icmp": 58, "ipv6-nonxt": 59, "ipv6-opts": 60, "ipv6-route": 43, "ospf": 89, "pgm": 113,
	"rsvp": 46, "sctp": 132, "tcp": 6, "udp": 17, "udplite": 136, "vrrp": 112,
}

// protocolMatch is the part of a match about the transport protocol.
func protocolMatch(r driver.SecurityGroupRule) ([]string, error) {
	if r.Protocol == "" || r.Protocol == "any" {
		if r.PortMin != nil || r.PortMax != nil {
			return nil, fmt.Errorf("ports without a protocol")
		}
		return nil, nil
	}
	number, known := protocols[r.Protocol]
	if !known {
		n, err := strconv.ParseUint(r.Protocol, 10, 8)
		if err != nil {
			return nil, fmt.Errorf("protocol %q", r.Protocol)
		}
		number = int(n)
	}
	if r.IPVersion == 6 && r.Protocol == "icmp" {
		number = 58 // the API takes icmp with IPv6 for ICMPv6
	}
	switch number {
	case 6:
		return portMatch("tcp", r)
	case 17:
		return portMatch("udp", r)
	case 132:
		return portMatch("sctp", r)
	case 1:
		if r.IPVersion == 4 {
			return icmpMatch("icmp4", r)
		}
	case 58:
		if r.IPVersion == 6 {
			return icmpMatch("icmp6", r)
		}
	}
	if r.PortMin != nil || r.PortMax != nil {
		return nil, fmt.Errorf("OVN matches no ports of protocol %q", r.Protocol)
	}
	return []string{fmt.Sprintf("ip.proto == %d", number)}, nil
}

func portMatch(name string, r driver.SecurityGroupRule) ([]string, error) {
	match := []string{name}
	lo, hi := r.PortMin, r.PortMax
	if lo == nil && hi == nil {
		return match, nil
	}
	if lo == nil {
		lo = hi
	}
	if hi == nil {
		hi = lo
	}
	if *lo < 0 || *hi > 65535 || *lo > *hi {
		return nil, fmt.Errorf("ports %d-%d", *lo, *hi)
	}
	if *lo == *hi {
		return append(match, fmt.Sprintf("%s.dst == %d", name, *lo)), nil
	}
	return append(match, fmt.Sprintf("%s.dst >= %d", name, *lo), fmt.Sprintf("%s.dst <= %d", name, *hi)), nil
}

// icmpMatch reads the port range as type and code, as the API does.
func icmpMatch(name string, r driver.SecurityGroupRule) ([]string, error) {
	match := []string{name}
	for _, f := range []struct {
		field string
		value *int
	}{{"type", r.PortMin}, {"code", r.PortMax}} {
		if f.value == nil {
			continue
		}
		if *f.value < 0 || *f.value > 255 {
			return nil, fmt.Errorf("ICMP %s %d", f.field, *f.value)
		}
		match = append(match, fmt.Sprintf("%s.%s == %d", name, f.field, *f.value))
	}
	return match, nil
}
