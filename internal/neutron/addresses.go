package neutron

import (
	"encoding/hex"
	"math/big"
	"net"
	"net/netip"
)

// addrKey writes an address as 32 hexadecimal digits, so that text compares as addresses do.
func addrKey(a netip.Addr) string {
	b := a.As16()
	return hex.EncodeToString(b[:])
}

// lastAddr returns a prefix's last address.
func lastAddr(p netip.Prefix) netip.Addr {
	b := p.Masked().Addr().AsSlice()
	for i := p.Bits(); i < len(b)*8; i++ {
		b[i/8] |= 1 << (7 - i%8)
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}

// firstUsable and lastUsable bound what a subnet may give to ports: IPv4 subnets of more than two addresses keep their
// first (network) and last (broadcast) address, IPv6 subnets their first (the routers' anycast address).
func firstUsable(p netip.Prefix) netip.Addr {
	if p.Addr().BitLen()-p.Bits() <= 1 {
		return p.Addr()
	}
	return p.Addr().Next()
}

func lastUsable(p netip.Prefix) netip.Addr {
	last := lastAddr(p)
	if p.Addr().Is4() && 32-p.Bits() > 1 {
		return last.Prev()
	}
	return last
}

// usable tells whether a port may have an address of a subnet.
func usable(p netip.Prefix, a netip.Addr) bool {
	return p.Contains(a) && !a.Less(firstUsable(p)) && !lastUsable(p).Less(a)
}

// addrAt returns the address n after a.
func addrAt(a netip.Addr, n *big.Int) netip.Addr {
	sum := new(big.Int).Add(new(big.Int).SetBytes(a.AsSlice()), n)
	b := make([]byte, a.BitLen()/8)
	sum.FillBytes(b)
	r, _ := netip.AddrFromSlice(b)
	return r
}

// addrRange is a range of addresses, both ends included.
type addrRange struct{ first, last netip.Addr }

// size is the number of addresses.
func (r addrRange) size() *big.Int {
	n := new(big.Int).Sub(new(big.Int).SetBytes(r.last.AsSlice()), new(big.Int).SetBytes(r.first.AsSlice()))
	return n.Add(n, big.NewInt(1))
}

func (r addrRange) contains(a netip.Addr) bool { return !a.Less(r.first) && !r.last.Less(a) }

// eui64 is the address that a port with this MAC gives itself on a /64 (RFC 4862, RFC 4291 appendix A).
func eui64(p netip.Prefix, mac string) (netip.Addr, bool) {
	m, err := net.ParseMAC(mac)
	if err != nil || len(m) != 6 || !p.Addr().Is6() {
		return netip.Addr{}, false
	}
	b := p.Masked().Addr().As16()
	copy(b[8:], []byte{m[0] ^ 2, m[1], m[2], 0xff, 0xfe, m[3], m[4], m[5]})
	return netip.AddrFrom16(b), true
}
