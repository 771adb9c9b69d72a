package tunnel

import (
	"encoding/hex"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// segment is a network on the wire.
type segment struct {
	kind string // gre, vxlan, nvgre
	key  uint32 // of the tunnel header; for NVGRE the VSID is its upper 24 bits
	vlan int    // on the host's bridge
}

// parseSegment reads "gre 70001 12".
func parseSegment(text string) (segment, error) {
	fields := strings.Fields(text)
	if len(fields) != 3 {
		return segment{}, fmt.Errorf("%q is not TYPE SEGMENT VLAN", text)
	}
	id, err1 := strconv.ParseUint(fields[1], 10, 32)
	vlan, err2 := strconv.Atoi(fields[2])
	s := segment{kind: fields[0], key: uint32(id), vlan: vlan} //nolint:gosec // parsed as 32 bits
	switch {
	case err1 != nil || err2 != nil || vlan < 1 || vlan > 4094:
		return s, fmt.Errorf("%q is not TYPE SEGMENT VLAN", text)
	case s.kind == "gre":
	case id >= 1<<24:
		return s, fmt.Errorf("segment id %d has more than 24 bits", id)
	case s.kind == "nvgre":
		s.key <<= 8 // RFC 7637: 24 bits of VSID, then 8 of the flow
	case s.kind != "vxlan":
		return s, fmt.Errorf("unknown type %q", s.kind)
	}
	return s, nil
}

// carrier is the kind of the port that carries the segment.
func (s segment) carrier() string {
	if s.kind == "vxlan" {
		return "vxlan"
	}
	return "gre"
}

// match is the condition on arriving packets: any flow of an NVGRE segment.
func (s segment) match() string {
	if s.kind == "nvgre" {
		return fmt.Sprintf("tun_id=0x%x/0xffffff00", s.key)
	}
	return fmt.Sprintf("tun_id=0x%x", s.key)
}

// portName is the port to a peer; Linux allows 15 characters.
func portName(carrier string, peer netip.Addr) string {
	b := peer.As16()
	short := hex.EncodeToString(b[10:])
	return map[string]string{"gre": "tg", "vxlan": "tx"}[carrier] + short
}

// The tables of the tunnel bridge: arrival, frames from this host, frames from others, what was learned.
const (
	fromHere  = 1
	fromPeers = 2
	learned   = 20
)

// flows are all static flows of the tunnel bridge, one a line. A frame from this host goes to the peer from which its destination was heard,
// else to all; a frame from a peer goes to this host only, so that no frame circles.
func flows(segments []segment, peers []netip.Addr) string {
	var b strings.Builder
	add := func(format string, args ...any) { fmt.Fprintf(&b, "cookie="+cookie+","+format+"\n", args...) }
	add("table=0,priority=0,actions=drop")
	add("table=0,priority=10,in_port=%s,actions=resubmit(,%d)", innerPatch, fromHere)
	for _, p := range peers {
		for _, carrier := range []string{"gre", "vxlan"} {
			add("table=0,priority=10,in_port=%s,actions=resubmit(,%d)", portName(carrier, p), fromPeers)
		}
	}
	add("table=%d,priority=0,actions=drop", fromHere)
	add("table=%d,priority=0,actions=drop", fromPeers)
	for _, s := range segments {
		var outputs []string
		for _, p := range peers {
			outputs = append(outputs, "output:"+portName(s.carrier(), p))
		}
		flood := "drop"
		if len(outputs) > 0 {
			flood = fmt.Sprintf("strip_vlan,set_field:0x%x->tun_id,%s", s.key, strings.Join(outputs, ","))
		}
		add("table=%d,priority=10,dl_vlan=%d,dl_dst=01:00:00:00:00:00/01:00:00:00:00:00,actions=%s", fromHere, s.vlan, flood)
		add("table=%d,priority=5,dl_vlan=%d,actions=resubmit(,%d)", fromHere, s.vlan, learned)
		add("table=%d,priority=0,dl_vlan=%d,actions=%s", learned, s.vlan, flood)
		for _, p := range peers {
			// The learned flow lies above its table's flooding and ages; the segment id is written anew, so that NVGRE's is ours.
			add("table=%d,priority=10,in_port=%s,%s,actions=mod_vlan_vid:%d,learn(table=%d,cookie=0x%s,hard_timeout=300,priority=10,NXM_OF_VLAN_TCI[0..11],"+
				"NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[],load:0->NXM_OF_VLAN_TCI[],load:0x%x->NXM_NX_TUN_ID[],output:NXM_OF_IN_PORT[]),output:%s",
				fromPeers, portName(s.carrier(), p), s.match(), s.vlan, learned, learnedCookie, s.key, innerPatch)
		}
	}
	return b.String()
}
