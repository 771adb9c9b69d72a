package ops_test

import (
	"strings"
	"testing"

	"gostack/internal/nova"
	"gostack/internal/nova/driver"
)

// A server goes only where its processor can be given: the scheduler's next choice is tried, and a host that was asked for is refused in upstream's words.
func TestLiveMigrationComparesProcessors(t *testing.T) {
	w := liveWorld(t, 3, 0)
	srv := w.settled("one")
	const text = "Unacceptable CPU info: CPU doesn't have compatibility.\n\n0\n\nRefer to http://libvirt.org/html/libvirt-libvirt-host.html#virCPUCompareResult"
	w.Hosts[srv.Host].CPU = []string{"avx", "avx512f"}
	first := w.other(srv.Host)
	var second string
	for name, h := range w.Hosts {
		if name != srv.Host && name != first {
			second = name
			h.CPU = []string{"avx", "avx512f", "amx-tile"}
		}
	}
	for _, forced := range []bool{false, true} {
		if err := w.live(srv, nova.LiveRequest{Host: first, Force: forced, Wait: true}); !refusedSaying(err, text) {
			t.Errorf("forced %v: %v", forced, err)
		}
		if m := w.until(srv, nova.MoveError); m.DestCompute != "" {
			t.Errorf("forced %v: refused migration %+v", forced, m)
		}
		if now := w.on(srv, srv.Host); now.Fault == nil || !strings.Contains(now.Fault.Message+now.Fault.Details, "Unacceptable CPU info") {
			t.Errorf("forced %v: fault %+v", forced, now.Fault)
		}
	}
	// From the newer host there is nowhere to go back to with what it could have used there.
	w.Hosts[first].MemoryMB = 1 << 21 // the scheduler likes the one that cannot best
	must(t, w.live(srv, nova.LiveRequest{Wait: true}))
	from := srv.Host
	srv = w.on(srv, second)
	if m := w.until(srv, nova.MoveCompleted); m.DestCompute != second {
		t.Errorf("migration %+v", m)
	}
	if err := w.live(srv, nova.LiveRequest{Wait: true}); !refusedSaying(err, "No valid host was found. There are not enough hosts available.") {
		t.Errorf("nowhere to go: %v", err)
	}
	w.on(srv, second)
	if s, err := w.Hosts[from].PowerState(t.Context(), srv.ID); driver.CodeOf(err) != driver.CodeNotFound {
		t.Errorf("on its first host it is %v, %v", s, err)
	}
}
