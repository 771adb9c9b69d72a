package agent

import (
	"net"
	"net/netip"
)

// linkLocal is the IPv6 link-local address that belongs to a MAC address (RFC 4291, appendix A). OVN's port security lets a guest use
// no other, so it identifies the guest on its network.
func linkLocal(mac string) (netip.Addr, bool) {
	hw, err := net.ParseMAC(mac)
	if err != nil || len(hw) != 6 {
		return netip.Addr{}, false
	}
	return netip.AddrFrom16([16]byte{
		0: 0xfe, 1: 0x80, 8: hw[0] ^ 2, 9: hw[1], 10: hw[2], 11: 0xff, 12: 0xfe, 13: hw[3], 14: hw[4], 15: hw[5],
	}), true
}
