package neutron

import (
	"net/netip"
	"slices"
)

// netSet is a set of addresses of one IP version: ranges in order that neither overlap nor touch.
type netSet []addrRange

// setOf makes the set of the addresses of prefixes, written as CIDRs.
func setOf(cidrs ...string) netSet {
	var s netSet
	for _, c := range cidrs {
		if p, err := netip.ParsePrefix(c); err == nil {
			s = append(s, addrRange{p.Masked().Addr(), lastAddr(p)})
		}
	}
	slices.SortFunc(s, func(a, b addrRange) int { return a.first.Compare(b.first) })
	var out netSet
	for _, r := range s {
		if n := len(out); n > 0 && touches(out[n-1], r) {
			if out[n-1].last.Less(r.last) {
				out[n-1].last = r.last
			}
			continue
		}
		out = append(out, r)
	}
	return out
}

// touches tells whether b, which does not begin before a, goes on where a is or ends.
func touches(a, b addrRange) bool {
	next := a.last.Next()
	return !a.last.Less(b.first) || next.IsValid() && next == b.first
}

// minus returns what is in s and not in other.
func (s netSet) minus(other netSet) netSet {
	out := netSet{}
	for _, r := range s {
		first, done := r.first, false
		for _, o := range other {
			if o.last.Less(first) || r.last.Less(o.first) {
				continue
			}
			if first.Less(o.first) {
				out = append(out, addrRange{first, o.first.Prev()})
			}
			if first = o.last.Next(); !first.IsValid() || r.last.Less(first) {
				done = true
				break
			}
		}
		if !done {
			out = append(out, addrRange{first, r.last})
		}
	}
	return out
}

// meets tells whether two sets have an address in common.
func (s netSet) meets(other netSet) bool {
	for _, a := range s {
		for _, b := range other {
			if !a.last.Less(b.first) && !b.last.Less(a.first) {
				return true
			}
		}
	}
	return false
}

// prefixes returns the fewest prefixes that make the set, in order.
func (s netSet) prefixes() []netip.Prefix {
	out := []netip.Prefix{}
	for _, r := range s {
		for first := r.first; ; {
			p := netip.PrefixFrom(first, first.BitLen())
			for p.Bits() > 0 {
				wider := netip.PrefixFrom(first, p.Bits()-1)
				if wider.Masked().Addr() != first || r.last.Less(lastAddr(wider)) {
					break
				}
				p = wider
			}
			out = append(out, p)
			if first = lastAddr(p).Next(); !first.IsValid() || r.last.Less(first) {
				break
			}
		}
	}
	return out
}

// cidrs writes the prefixes.
func (s netSet) cidrs() []string {
	out := []string{}
	for _, p := range s.prefixes() {
		out = append(out, p.String())
	}
	return out
}
