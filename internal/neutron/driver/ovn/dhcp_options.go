package ovn

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"gostack/internal/neutron/driver"
)

// optionKind is how OVN writes the value of a DHCP option (ovn-nb(5)).
type optionKind int

const (
	textOption optionKind = iota
	ipOption
	ipsOption
	routesOption
	boolOption
	uint8Option
	uint16Option
	uint32Option
)

// options4 maps names of extra_dhcp_opts (dnsmasq's names and IANA numbers, as networking-ovn accepts them) to OVN's.
var options4 = map[string]struct {
	name string
	kind optionKind
}{
	"netmask": {"netmask", ipOption}, "1": {"netmask", ipOption},
	"router": {"router", ipOption}, "3": {"router", ipOption},
	"dns-server": {"dns_server", ipsOption}, "6": {"dns_server", ipsOption},
	"log-server": {"log_server", ipsOption}, "7": {"log_server", ipsOption},
	"lpr-server": {"lpr_server", ipsOption}, "9": {"lpr_server", ipsOption},
	"hostname": {"hostname", textOption}, "12": {"hostname", textOption},
	"domain-name": {"domain_name", textOption}, "15": {"domain_name", textOption},
	"swap-server": {"swap_server", ipOption}, "16": {"swap_server", ipOption},
	"ip-forward-enable": {"ip_forward_enable", boolOption}, "19": {"ip_forward_enable", boolOption},
	"default-ttl": {"default_ttl", uint8Option}, "23": {"default_ttl", uint8Option},
	"mtu": {"mtu", uint16Option}, "26": {"mtu", uint16Option},
	"router-discovery": {"router_discovery", boolOption}, "31": {"router_discovery", boolOption},
	"router-solicitation": {"router_solicitation", ipOption}, "32": {"router_solicitation", ipOption},
	"arp-timeout": {"arp_cache_timeout", uint32Option}, "35": {"arp_cache_timeout", uint32Option},
	"ethernet-encap": {"ethernet_encap", boolOption}, "36": {"ethernet_encap", boolOption},
	"tcp-ttl": {"tcp_ttl", uint8Option}, "37": {"tcp_ttl", uint8Option},
	"tcp-keepalive": {"tcp_keepalive_interval", uint32Option}, "38": {"tcp_keepalive_interval", uint32Option},
	"nis-server": {"nis_server", ipsOption}, "41": {"nis_server", ipsOption},
	"ntp-server": {"ntp_server", ipsOption}, "42": {"ntp_server", ipsOption},
	"lease-time": {"lease_time", uint32Option}, "51": {"lease_time", uint32Option},
	"server-id": {"server_id", ipOption}, "54": {"server_id", ipOption},
	"T1": {"T1", uint32Option}, "58": {"T1", uint32Option},
	"T2": {"T2", uint32Option}, "59": {"T2", uint32Option},
	"tftp-server": {"tftp_server", textOption}, "66": {"tftp_server", textOption},
	"bootfile-name": {"bootfile_name", textOption}, "67": {"bootfile_name", textOption},
	"domain-search": {"domain_search_list", textOption}, "119": {"domain_search_list", textOption},
	"classless-static-route": {"classless_static_route", routesOption}, "121": {"classless_static_route", routesOption},
	"tftp-server-address": {"tftp_server_address", ipsOption}, "150": {"tftp_server_address", ipsOption},
	"server-ip-address": {"tftp_server_address", ipsOption},
	"path-prefix":       {"path_prefix", textOption}, "210": {"path_prefix", textOption},
	"ms-classless-static-route": {"ms_classless_static_route", routesOption}, "249": {"ms_classless_static_route", routesOption},
	"wpad": {"wpad", textOption}, "252": {"wpad", textOption},
	"bootfile-name-alt": {"bootfile_name_alt", textOption},
}

var options6 = map[string]struct {
	name string
	kind optionKind
}{
	"dns-server": {"dns_server", ipsOption}, "23": {"dns_server", ipsOption},
	"domain-search": {"domain_search", textOption}, "24": {"domain_search", textOption},
}

// dhcpOption translates one extra option. Every value is parsed: a single malformed one would take all DHCP from the port.
func dhcpOption(o driver.DHCPOption) (name, value string, err error) {
	table := options4
	if o.IPVersion == 6 {
		table = options6
	}
	known, ok := table[o.Name]
	if !ok {
		return "", "", errors.New("not supported by OVN")
	}
	value, err = optionValue(known.kind, strings.TrimSpace(o.Value), o.IPVersion != 6)
	return known.name, value, err
}

func optionValue(kind optionKind, s string, v4 bool) (string, error) {
	switch kind {
	case ipOption, ipsOption:
		var out []string
		for _, part := range strings.FieldsFunc(s, separator) {
			a, err := netip.ParseAddr(part)
			if err != nil || a.Is4() != v4 || a.Zone() != "" {
				return "", fmt.Errorf("%q is not an address", part)
			}
			out = append(out, a.String())
		}
		if len(out) == 0 || (kind == ipOption && len(out) > 1) {
			return "", fmt.Errorf("%q is not one address", s)
		}
		if len(out) == 1 {
			return out[0], nil
		}
		return "{" + strings.Join(out, ", ") + "}", nil
	case routesOption:
		fields := strings.FieldsFunc(s, separator)
		if len(fields) == 0 || len(fields)%2 != 0 {
			return "", fmt.Errorf("%q is not a list of destination,next hop", s)
		}
		var out []string
		for i := 0; i < len(fields); i += 2 {
			dst, err := netip.ParsePrefix(fields[i])
			hop, err2 := netip.ParseAddr(fields[i+1])
			if err != nil || err2 != nil || !dst.Addr().Is4() || !hop.Is4() {
				return "", fmt.Errorf("%q is not a list of destination,next hop", s)
			}
			out = append(out, dst.Masked().String()+","+hop.String())
		}
		return "{" + strings.Join(out, ", ") + "}", nil
	case boolOption:
		on, err := strconv.ParseBool(s)
		if err != nil {
			return "", err
		}
		if on {
			return "1", nil
		}
		return "0", nil
	case uint8Option:
		return number(s, 8)
	case uint16Option:
		return number(s, 16)
	case uint32Option:
		return number(s, 32)
	}
	if n := len(s); n > 1 && s[0] == '"' && s[n-1] == '"' { // upstream leaves quotes to whoever sets them
		s = s[1 : n-1]
	}
	return quoted(s)
}

func number(s string, bits int) (string, error) {
	n, err := strconv.ParseUint(s, 10, bits)
	return strconv.FormatUint(n, 10), err
}

func separator(r rune) bool { return r == ',' || r == ' ' || r == '{' || r == '}' }
