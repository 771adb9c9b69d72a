package attr

import (
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"gostack/internal/rest"
)

// String takes text of at most limit characters; 0 is no limit.
func String(limit int) Check {
	return func(v any) (any, string) {
		s, ok := v.(string)
		switch {
		case !ok:
			return nil, fmt.Sprintf("'%s' is not a valid string", show(v))
		case limit > 0 && utf8.RuneCountInString(s) > limit:
			return nil, fmt.Sprintf("'%s' exceeds maximum length of %d", s, limit)
		case strings.ContainsRune(s, 0):
			return nil, "it contains a NUL character"
		}
		return s, ""
	}
}

// OrNull takes what check takes, and null.
func OrNull(check Check) Check {
	return func(v any) (any, string) {
		if v == nil {
			return nil, ""
		}
		return check(v)
	}
}

// NullIsEmpty takes what check takes, and null as "".
func NullIsEmpty(check Check) Check {
	return func(v any) (any, string) {
		if v == nil {
			return "", ""
		}
		return check(v)
	}
}

// Boolean takes what neutron-lib's convert_to_boolean takes.
func Boolean(v any) (any, string) {
	switch v := v.(type) {
	case bool:
		return v, ""
	case string:
		switch strings.ToLower(v) {
		case "true", "1":
			return true, ""
		case "false", "0":
			return false, ""
		}
	case json.Number:
		switch v.String() {
		case "1":
			return true, ""
		case "0":
			return false, ""
		}
	}
	return nil, fmt.Sprintf("'%s' cannot be converted to boolean", show(v))
}

// Integer takes a number from lowest to highest, written as a number or as text.
func Integer(lowest, highest int64) Check {
	return func(v any) (any, string) {
		var n int64
		var err error
		switch v := v.(type) {
		case json.Number:
			n, err = v.Int64()
		case string:
			n, err = strconv.ParseInt(strings.TrimSpace(v), 10, 64)
		default:
			err = strconv.ErrSyntax
		}
		switch {
		case err != nil:
			return nil, fmt.Sprintf("'%s' is not an integer", show(v))
		case n < lowest:
			return nil, fmt.Sprintf("'%d' is too small - must be at least '%d'", n, lowest)
		case n > highest:
			return nil, fmt.Sprintf("'%d' is too large - must be no larger than '%d'", n, highest)
		}
		return n, ""
	}
}

// UUID takes an id.
func UUID(v any) (any, string) {
	s, ok := v.(string)
	if !ok || !rest.IsUUID(s) {
		return nil, fmt.Sprintf("'%s' is not a valid UUID", show(v))
	}
	return s, ""
}

// UUIDs takes a list of ids without repetition.
func UUIDs(v any) (any, string) {
	list, ok := v.([]any)
	if !ok {
		return nil, fmt.Sprintf("'%s' is not a list", show(v))
	}
	out := make([]string, 0, len(list))
	seen := map[string]bool{}
	for _, e := range list {
		s, reason := UUID(e)
		if reason != "" {
			return nil, reason
		}
		id := s.(string) //nolint:forcetypeassert // UUID gives nothing else
		if seen[id] {
			return nil, fmt.Sprintf("Duplicate items in the list: '%s'", id)
		}
		seen[id] = true
		out = append(out, id)
	}
	return out, ""
}

// OneOf takes one of some words.
func OneOf(words ...string) Check {
	return func(v any) (any, string) {
		s, ok := v.(string)
		for _, w := range words {
			if ok && s == w {
				return s, ""
			}
		}
		return nil, fmt.Sprintf("'%s' is not in ['%s']", show(v), strings.Join(words, "', '"))
	}
}

// IP takes an address and writes it in its usual form.
func IP(v any) (any, string) {
	s, _ := v.(string)
	a, err := netip.ParseAddr(s)
	if err != nil || a.Zone() != "" {
		return nil, fmt.Sprintf("'%s' is not a valid IP address", show(v))
	}
	return a.Unmap().String(), ""
}

// CIDR takes a network. Host bits are left as they are, and an address without a length is none (neutron-lib's validate_subnet).
func CIDR(v any) (any, string) {
	s, _ := v.(string)
	if a, err := netip.ParseAddr(s); err == nil && a.Zone() == "" {
		return nil, fmt.Sprintf("'%s' isn't a recognized IP subnet cidr, '%s' is recommended", s, netip.PrefixFrom(a, a.BitLen()))
	}
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return nil, fmt.Sprintf("'%s' is not a valid IP subnet", show(v))
	}
	return p.String(), ""
}

// MAC takes an Ethernet address of one station and writes it with colons and small letters.
func MAC(v any) (any, string) {
	s, _ := v.(string)
	m, err := net.ParseMAC(s)
	if err != nil || len(m) != 6 || m.String() == "00:00:00:00:00:00" {
		return nil, fmt.Sprintf("'%s' is not a valid MAC address", show(v))
	}
	return m.String(), ""
}

// Strings takes a list of texts of at most limit characters.
func Strings(limit int) Check {
	one := String(limit)
	return func(v any) (any, string) {
		list, ok := v.([]any)
		if !ok {
			return nil, fmt.Sprintf("'%s' is not a list", show(v))
		}
		out := make([]string, 0, len(list))
		for _, e := range list {
			s, reason := one(e)
			if reason != "" {
				return nil, reason
			}
			out = append(out, s.(string)) //nolint:forcetypeassert // String gives nothing else
		}
		return out, ""
	}
}

// Dict takes any JSON object.
func Dict(v any) (any, string) {
	if v == nil {
		return map[string]any{}, ""
	}
	m, ok := v.(map[string]any)
	if !ok {
		return nil, fmt.Sprintf("'%s' is not a dictionary", show(v))
	}
	return m, ""
}

// Member is a member of a sub-document.
type Member struct {
	Name     string
	Required bool
	Check    Check
}

// Doc takes a sub-document with these members only.
func Doc(members ...Member) Check {
	return func(v any) (any, string) {
		m, ok := v.(map[string]any)
		if !ok {
			return nil, fmt.Sprintf("'%s' is not a dictionary", show(v))
		}
		out := Values{}
		for k := range m {
			if !known(members, k) {
				return nil, fmt.Sprintf("Unexpected keys supplied: %s", k)
			}
		}
		for _, member := range members {
			raw, given := m[member.Name]
			if !given {
				if member.Required {
					return nil, fmt.Sprintf("Expected keys not found in dict: '%s'", member.Name)
				}
				continue
			}
			value, reason := member.Check(raw)
			if reason != "" {
				return nil, reason
			}
			out[member.Name] = value
		}
		return out, ""
	}
}

func known(members []Member, name string) bool {
	for _, m := range members {
		if m.Name == name {
			return true
		}
	}
	return false
}

// ListOf takes a list, each element as check takes it (a Doc); null is an empty one.
func ListOf(check Check) Check {
	return func(v any) (any, string) {
		if v == nil {
			return []Values{}, ""
		}
		list, ok := v.([]any)
		if !ok {
			return nil, fmt.Sprintf("Invalid data format: '%s'", show(v))
		}
		out := make([]Values, 0, len(list))
		for _, e := range list {
			d, reason := check(e)
			if reason != "" {
				return nil, reason
			}
			out = append(out, d.(Values)) //nolint:forcetypeassert // Doc gives nothing else
		}
		return out, ""
	}
}

var (
	dnsLabel = regexp.MustCompile(`^[a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?$`)
	allDigit = regexp.MustCompile(`^[0-9]+$`)
)

// DNSName takes a host name or a fully qualified one, or nothing (neutron-lib's validate_dns_name).
func DNSName(v any) (any, string) {
	if v == nil {
		return "", ""
	}
	s, ok := v.(string)
	if !ok {
		return nil, fmt.Sprintf("'%s' is not a valid string", show(v))
	}
	if s == "" {
		return s, ""
	}
	if len(s) > 255 {
		return nil, fmt.Sprintf("'%s' exceeds the 255 character FQDN limit", s)
	}
	labels := strings.Split(strings.TrimSuffix(s, "."), ".")
	for _, l := range labels {
		if !dnsLabel.MatchString(l) {
			return nil, fmt.Sprintf("'%s' not a valid PQDN or FQDN. Reason: Name contains an invalid label '%s'", s, l)
		}
	}
	if len(labels) > 1 && allDigit.MatchString(labels[len(labels)-1]) {
		return nil, fmt.Sprintf("'%s' not a valid PQDN or FQDN. Reason: TLD '%s' must not be all numeric", s, labels[len(labels)-1])
	}
	return strings.ToLower(s), ""
}

// domainKeywords stand in a domain for what is known of who asks (extension dns-integration-domain-keywords). What publishes names in a DNS
// outside fills them in; inside the cloud they stay as they are.
var domainKeywords = []string{"<project_id>", "<project_name>", "<user_name>", "<user_id>"}

// DNSDomain takes a domain that ends in a dot, or nothing. A label may be one of the keywords.
func DNSDomain(v any) (any, string) {
	d, reason := DNSName(v)
	if s, _ := v.(string); reason != "" && strings.Contains(s, "<") {
		labels := strings.Split(s, ".")
		for i, l := range labels {
			if slices.Contains(domainKeywords, l) {
				labels[i] = "k"
			}
		}
		if _, other := DNSName(strings.Join(labels, ".")); other == "" && len(s) <= 255 {
			d, reason = strings.ToLower(s), ""
		}
	}
	if s, _ := d.(string); reason == "" && s != "" && !strings.HasSuffix(s, ".") {
		return nil, fmt.Sprintf("'%s' is not a FQDN", s)
	}
	return d, reason
}
