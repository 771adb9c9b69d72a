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
