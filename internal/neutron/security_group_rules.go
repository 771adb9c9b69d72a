package neutron

import (
	"context"
	"net/netip"
	"strconv"
	"strings"

	"gostack/internal/neutron/attr"
	"gostack/internal/neutron/db"
	"gostack/internal/policy"
)

// protocols are the names of the API with their numbers (neutron-lib's IP_PROTOCOL_MAP).
var protocols = map[string]int{
	"ah": 51, "dccp": 33, "egp": 8, "esp": 50, "gre": 47, "icmp": 1, "igmp": 2, "ipip": 4, "ipv6-encap": 41, "ipv6-frag": 44,
	"ipv6-icmp": 58, "icmpv6": 58, "ipv6-nonxt": 59, "ipv6-opts": 60, "ipv6-route": 43, "ospf": 89, "pgm": 113, "rsvp": 46,
	"sctp": 132, "tcp": 6, "udp": 17, "udplite": 136, "vrrp": 112,
}

// onlyIPv6 are protocols that upstream takes for IPv4 neither by name nor by number.
var onlyIPv6 = map[int]bool{41: true, 43: true, 44: true, 58: true, 59: true, 60: true}

// protocolNumber is -1 for none.
func protocolNumber(p string) int {
	if n, ok := protocols[p]; ok {
		return n
	}
	if n, err := strconv.Atoi(p); err == nil {
		return n
	}
	return -1
}

// CheckProtocol converts a rule's protocol: a name, a number from 0 to 255, or null for any.
func CheckProtocol(v any) (any, string) {
	if v == nil {
		return "", ""
	}
	p := strings.ToLower(strings.TrimSpace(textOf(v)))
	if p == "any" || p == "" {
		return "", ""
	}
	if _, ok := protocols[p]; ok {
		return p, ""
	}
	if n, err := strconv.Atoi(p); err == nil && n >= 0 && n <= 255 {
		return strconv.Itoa(n), ""
	}
	return nil, "Security group rule protocol " + p + " not supported. Only protocol names and integer representations [0 to 255] are supported"
}

func textOf(v any) string {
	if s, ok := v.(interface{ String() string }); ok {
		return s.String()
	}
	s, _ := v.(string)
	return s
}

// NormalizedCIDR is remote_ip_prefix without host bits, "" when there is none.
func NormalizedCIDR(prefix string) string {
	if prefix == "" {
		return ""
	}
	if p, err := netip.ParsePrefix(prefix); err == nil {
		return p.Masked().String()
	}
	if a, err := netip.ParseAddr(prefix); err == nil {
		return netip.PrefixFrom(a, a.BitLen()).String()
	}
	return ""
}

// CreateSecurityGroupRule adds a rule to a group.
func (s *Service) CreateSecurityGroupRule(ctx context.Context, c *policy.Caller, v attr.Values) (*db.SecurityGroupRule, error) {
	r := &db.SecurityGroupRule{
		SecurityGroupID: v.String("security_group_id"), Direction: v.String("direction"), Ethertype: v.String("ethertype"),
		Protocol: v.String("protocol"), PortRangeMin: v.IntPtr("port_range_min"), PortRangeMax: v.IntPtr("port_range_max"),
		RemoteIPPrefix: v.String("remote_ip_prefix"), RemoteGroupID: v.String("remote_group_id"),
		RemoteAddressGroupID: v.String("remote_address_group_id"),
	}
	if err := checkRule(r); err != nil {
		return nil, err
	}
	return r, s.write(ctx, func(ctx context.Context, u *unit) error {
		r.ID, r.Revision = s.newID(), 0
		g, err := u.group(ctx, r.SecurityGroupID)
		if err != nil {
			return err
		}
		if r.RemoteGroupID != "" && r.RemoteGroupID != g.ID {
			if err := u.groupsExist(ctx, c, g.ProjectID, []string{r.RemoteGroupID}); err != nil {
				return err
			}
		}
		if r.RemoteAddressGroupID != "" {
			if _, err := s.AddressGroups().visible(ctx, u, c, r.RemoteAddressGroupID); err != nil {
				return err
			}
		}
		for _, old := range g.Rules {
			if sameRule(old, r) {
				return conflict("SecurityGroupRuleExists", "Security group rule already exists. Rule id is %s.", old.ID)
			}
		}
		project := v.String("project_id")
		if err := u.checkQuota(ctx, project, quotaSecurityGroupRule, 1); err != nil {
			return err
		}
		r.GroupProject, r.OfDefault = g.ProjectID, g.IsDefault
		if err := u.create(ctx, r, project, v.String("description")); err != nil {
			return err
		}
		return u.rulesChanged(ctx, g.ID)
	})
}

// rulesChanged raises the group's revision, as upstream does.
func (u *unit) rulesChanged(ctx context.Context, group string) error {
	u.changed(kindSecurityGroup, group)
	_, err := u.tx.NewUpdate().Model((*db.SecurityGroup)(nil)).Set("revision_number = revision_number + 1").Set("updated_at = ?", u.now).
		Where("id = ?", group).Exec(ctx)
	return err
}

// DeleteSecurityGroupRule removes a rule.
func (s *Service) DeleteSecurityGroupRule(ctx context.Context, id string) error {
	return s.write(ctx, func(ctx context.Context, u *unit) error {
		r, err := db.Get[db.SecurityGroupRule](ctx, u.tx, id)
		if err != nil {
			return or(err, RuleNotFound(id))
		}
		if err := db.Delete(ctx, u.tx, r); err != nil {
			return err
		}
		return u.rulesChanged(ctx, r.SecurityGroupID)
	})
}

// checkRule applies what does not depend on other rows, in upstream's order.
func checkRule(r *db.SecurityGroupRule) error {
	remotes := 0
	for _, remote := range []string{r.RemoteIPPrefix, r.RemoteGroupID, r.RemoteAddressGroupID} {
		if remote != "" {
			remotes++
		}
	}
	if remotes > 1 {
		return bad("SecurityGroupMultipleRemoteEntites", "Only one of remote_ip_prefix, remote_group_id or remote_address_group_id may be provided.")
	}
	if onlyIPv6[protocolNumber(r.Protocol)] && r.Ethertype == "IPv4" {
		return bad("SecurityGroupEthertypeConflictWithProtocol", "Invalid ethertype %s for protocol %s.", r.Ethertype, r.Protocol)
	}
	if r.RemoteIPPrefix != "" {
		p, err := netip.ParsePrefix(NormalizedCIDR(r.RemoteIPPrefix))
		if err != nil {
			return bad("SecurityGroupInvalidRemoteIPPrefix", "Invalid remote_ip_prefix %s.", r.RemoteIPPrefix)
		}
		if p.Addr().Is4() != (r.Ethertype == "IPv4") {
			return bad("SecurityGroupRuleParameterConflict", "Conflicting value ethertype %s for CIDR %s", r.Ethertype, r.RemoteIPPrefix)
		}
	}
	return checkRulePorts(r)
}

func checkRulePorts(r *db.SecurityGroupRule) error {
	low, high := r.PortRangeMin, r.PortRangeMax
	if low == nil && high == nil {
		return nil
	}
	for _, x := range []*int64{low, high} { // whatever the protocol (convert_validate_port_value)
		if x != nil && (*x < 0 || *x > 65535) {
			return bad("SecurityGroupInvalidPortValue", "Invalid value for port %d", *x)
		}
	}
	if r.Protocol == "" {
		return bad("SecurityGroupProtocolRequiredWithPorts", "Must also specify protocol if port range is given.")
	}
	switch n := protocolNumber(r.Protocol); n {
	case 6, 17, 33, 132, 136: // those with ports
		switch {
		case low == nil || high == nil:
			return bad("SecurityGroupInvalidPortRange", "For TCP/UDP protocols, port_range_min must be <= port_range_max")
		case *low == 0 && n != 33:
			return bad("SecurityGroupInvalidPortValue", "Invalid value for port %d", *low)
		case *low > *high:
			return bad("SecurityGroupInvalidPortRange", "For TCP/UDP protocols, port_range_min must be <= port_range_max")
		}
	case 1, 58: // ICMP: type and code
		for i, x := range []*int64{low, high} {
			if x != nil && (*x < 0 || *x > 255) {
				field, name := "type", "port_range_min"
				if i == 1 {
					field, name = "code", "port_range_max"
				}
				return bad("SecurityGroupInvalidIcmpValue", "Invalid value for ICMP %s (%s) %d. It must be 0 to 255.", field, name, *x)
			}
		}
		if low == nil {
			return bad("SecurityGroupMissingIcmpType", "ICMP code (port-range-max) %d is provided but ICMP type (port-range-min) is missing.", *high)
		}
	default:
		return bad("SecurityGroupInvalidProtocolForPort",
			"Invalid protocol %s for port range, only supported for TCP, UDP, UDPLITE, SCTP and DCCP.", r.Protocol)
	}
	return nil
}

// sameRule tells whether two rules allow the same by the same means.
func sameRule(a, b *db.SecurityGroupRule) bool {
	same := func(x, y *int64) bool { return x == nil && y == nil || x != nil && y != nil && *x == *y }
	anywhere := func(s string) string {
		if n := NormalizedCIDR(s); n != "0.0.0.0/0" && n != "::/0" {
			return n
		}
		return ""
	}
	return a.Direction == b.Direction && a.Ethertype == b.Ethertype && protocolNumber(a.Protocol) == protocolNumber(b.Protocol) &&
		same(a.PortRangeMin, b.PortRangeMin) && same(a.PortRangeMax, b.PortRangeMax) &&
		anywhere(a.RemoteIPPrefix) == anywhere(b.RemoteIPPrefix) && a.RemoteGroupID == b.RemoteGroupID &&
		a.RemoteAddressGroupID == b.RemoteAddressGroupID
}
