package app

import "testing"

func TestPhysicalNetworks(t *testing.T) {
	got, err := physicalNetworks([]string{"physnet1:br-ex"}, []string{"physnet1:1:5", "physnet1:10:20", "remote:7:7"})
	if err != nil || len(got) != 2 || !got[0].Flat || len(got[0].VLANs) != 2 || got[1].Name != "remote" || got[1].Flat {
		t.Fatalf("%+v, %v", got, err)
	}
	for _, bad := range []string{"physnet1", "physnet1:0:5", "physnet1:9:5", "physnet1:1:4095", "physnet1:a:b"} {
		if _, err := physicalNetworks(nil, []string{bad}); err == nil {
			t.Errorf("vlan range %q is accepted", bad)
		}
	}
	if _, err := physicalNetworks([]string{"br-ex"}, nil); err == nil {
		t.Error("a mapping without a bridge is accepted")
	}
}

func TestSegmentRanges(t *testing.T) {
	got, err := segmentRanges([]string{"gre:1:1000", "gre:5000:6000", "nvgre:4096:5000"})
	if err != nil || len(got["gre"]) != 2 || got["nvgre"][0] != [2]int64{4096, 5000} {
		t.Fatalf("%v, %v", got, err)
	}
	for _, bad := range []string{"gre", "gre:0:5", "gre:9:5", "gre:1:1048576", "nvgre:1:5", "vxlan:1:16777216", "vlan:1:5", "gre:a:b"} {
		if _, err := segmentRanges([]string{bad}); err == nil {
			t.Errorf("tunnel id range %q is accepted", bad)
		}
	}
}
