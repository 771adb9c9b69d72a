package tunnel

import (
	"net/netip"
	"strings"
	"testing"
)

func TestSegments(t *testing.T) {
	for text, want := range map[string]segment{
		"gre 70001 12": {"gre", 70001, 12}, "vxlan 9000001 13": {"vxlan", 9000001, 13}, "nvgre 43981 14": {"nvgre", 43981 << 8, 14},
		"gre 4294967295 1": {"gre", 4294967295, 1},
	} {
		if got, err := parseSegment(text); err != nil || got != want {
			t.Errorf("%q is %+v, %v", text, got, err)
		}
	}
	for _, bad := range []string{"", "gre", "gre x 1", "gre 1 0", "gre 1 4095", "vxlan 16777216 1", "nvgre 16777216 1", "geneve 1 1", "gre 1 1 1", "gre 4294967296 1"} {
		if got, err := parseSegment(bad); err == nil {
			t.Errorf("%q is taken for %+v", bad, got)
		}
	}
}

func TestFlowsNeverSendFromPeerToPeer(t *testing.T) {
	peers := []netip.Addr{netip.MustParseAddr("10.99.0.2"), netip.MustParseAddr("10.99.0.3"), netip.MustParseAddr("fd00::4")}
	text := flows([]segment{{"gre", 5, 10}, {"nvgre", 5000 << 8, 11}, {"vxlan", 7, 12}}, peers)
	for line := range strings.Lines(text) {
		if strings.Contains(line, "table=2,") && strings.Contains(line, "output:t") && !strings.Contains(line, "output:"+innerPatch) {
			t.Errorf("a frame of a peer leaves to a peer: %s", line)
		}
	}
	names := map[string]bool{}
	for _, p := range peers {
		for _, c := range []string{"gre", "vxlan"} {
			if n := portName(c, p); len(n) > 15 || names[n] {
				t.Errorf("port name %q", n)
			} else {
				names[n] = true
			}
		}
	}
	for _, want := range []string{"tun_id=0x138800/0xffffff00", "tun_id=0x7,", "dl_vlan=12,dl_dst=01:00", "set_field:0x5->tun_id,output:tg"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if alone := flows([]segment{{"gre", 5, 10}}, nil); !strings.Contains(alone, "dl_vlan=10,actions=drop") {
		t.Errorf("without peers:\n%s", alone)
	}
}
