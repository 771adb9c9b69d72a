package simulated

import (
	"net/netip"
	"path/filepath"
	"testing"

	"gostack/internal/neutron/driver"
)

// Two processes on one file have one network: what either makes the other sees, compares and waits for.
func TestTwoProcessesShareANetwork(t *testing.T) {
	file := filepath.Join(t.TempDir(), "network")
	share := func() *Backend {
		b, err := Share(file, "h1")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(b.Close)
		return b
	}
	a, b := share(), share()
	n := driver.NetworkSpec{ID: "n", MTU: 1400}
	s := driver.SubnetSpec{ID: "s", NetworkID: "n", CIDR: netip.MustParsePrefix("10.0.0.0/24")}
	p := driver.PortSpec{ID: "p", NetworkID: "n", AdminStateUp: true}
	if err := a.EnsureNetwork(t.Context(), n); err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{b.EnsureSubnet(t.Context(), s), b.EnsurePort(t.Context(), p)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	up := make(chan error, 1)
	go func() { up <- b.WaitPortUp(t.Context(), "p") }()
	p.Host = "h1"
	if err := a.EnsurePort(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	if err := <-up; err != nil {
		t.Fatal(err)
	}
	want := driver.Desired{Networks: []driver.NetworkSpec{n}, Subnets: []driver.SubnetSpec{s}, Ports: []driver.PortSpec{p}}
	for _, x := range []*Backend{a, b, share()} {
		if r, err := x.Sync(t.Context(), want, false); err != nil || len(r.Differences) > 0 || r.Checked != 3 {
			t.Errorf("%+v, %v", r, err)
		}
	}
	if err := b.DeletePort(t.Context(), "p"); err != nil {
		t.Fatal(err)
	}
	if states, err := a.PortStates(t.Context(), []string{"p"}); err != nil || len(states) != 0 {
		t.Errorf("%v, %v", states, err)
	}
	if r, err := a.Sync(t.Context(), want, true); err != nil || len(r.Differences) != 1 {
		t.Errorf("%+v, %v", r, err)
	}
	if r, err := b.Sync(t.Context(), want, false); err != nil || len(r.Differences) != 0 {
		t.Errorf("after the repair: %+v, %v", r, err)
	}
}
