// Package livetest moves running guests between two pretend machines with real libvirtd, QEMU and Open vSwitch.
package livetest

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"gostack/internal/nova/driver"
)

// patience is how long anything may take: a machine that is busy with other tests takes its time.
const patience = 10 * time.Minute

// limits are upstream's defaults.
var limits = driver.LiveLimits{CompletionTimeout: 800 * time.Second, Downtime: 500 * time.Millisecond, DowntimeSteps: 10, DowntimeDelay: 75 * time.Second}

// slow makes a move that does not end by itself while a test looks at it.
var slow = driver.LiveLimits{Bandwidth: 1, Downtime: 500 * time.Millisecond, DowntimeSteps: 10, DowntimeDelay: 75 * time.Second}

func TestLiveMigration(t *testing.T) {
	w := newWorld(t)
	spec := w.boot(w.a)
	conn := w.connect()

	// Local disks are copied, there and back.
	w.a.call("Hold", spec.ID+" here", new(string))
	left := make(chan error, 1)
	go func() { left <- w.a.try("Held", Nothing{}, nil) }() // its console ends when the server has left
	r := w.move(w.a, w.b, spec, limits)
	t.Logf("disks copied: %d ms, downtime %d ms", r.TotalMS, r.DowntimeMS)
	w.only(w.b, w.a, spec)
	if err := <-left; err != nil {
		t.Errorf("the serial console that was open: %v", err)
	}
	w.b.call("Type", spec.ID+" there", new(string))
	if err := w.a.try("Type", spec.ID+" here", new(string)); err == nil {
		t.Error("the source still has a serial console of the server")
	}
	if log := w.b.console(spec.ID); strings.Count(log, "MICRO-READY") != 1 {
		t.Errorf("the console's story is not whole:\n%s", log)
	}
	if xml, stored := w.b.domain(spec, ""), w.b.domain(spec, "--inactive"); !sameFiles(xml, stored) {
		t.Errorf("the stored definition names other files:\n%s\n%s", xml, stored)
	}
	w.aborted(w.b, w.a, spec)
	w.afterCopied(w.b, w.a, spec)
	w.forced(w.a, w.b, spec)
	w.agentDies(w.b, w.a, spec)
	t.Logf("longest silence of the connection over all moves: %v", conn.close())

	// It is whole: it starts again from the definition and the disks that came.
	w.b.call("Reboot", Move{ID: spec.ID}, nil)
	w.a.Eventually(t, patience, "the guest boots from what was copied", func() bool { return strings.Contains(w.b.console(spec.ID), "BOOTS 2 SECTORS 2097152") })
	w.b.call("Destroy", Move{ID: spec.ID}, nil)
	uefi := w.firmware()
	w.shared(uefi)
}

// aborted: the guest stays where it was, and nothing is left on the other host.
func (w *world) aborted(from, to *node, spec driver.GuestSpec) {
	w.t.Helper()
	m := w.plan(from, to, spec, slow)
	from.call("Begin", m, nil)
	from.call("Begin", m, nil) // again: nothing happens
	w.a.Eventually(w.t, patience, "something is copied", func() bool { p := from.state(m.ID).Progress; return p.MemoryProcessed+p.DiskProcessed > 0 })
	if s := to.state(m.ID); !s.Here || s.Power != driver.NoState {
		w.t.Errorf("the incoming copy is in state %+v", s)
	}
	if p := from.state(m.ID).Progress; p.DiskTotal <= 0 {
		w.t.Errorf("progress %+v", p)
	}
	from.call("Force", m, nil) // which pauses it, and an end that does not come lets it go on
	from.call("Abort", m, nil)
	if s := w.ended(from, m); s.Phase != driver.LiveFailed || !s.Aborted || !s.Here || s.Power != driver.Running {
		w.t.Errorf("after an abort: %+v", s)
	}
	to.call("Cancel", m, nil)
	to.call("Cancel", m, nil)
	w.cleaned(from, m)
	w.only(from, to, spec)
}

// copying waits until the memory of a server is on its way.
func (w *world) copying(from *node, m Move) {
	w.t.Helper()
	var s driver.LiveState
	w.t.Cleanup(func() { w.t.Logf("%+v", s) })
	w.a.Eventually(w.t, patience, "memory is copied", func() bool {
		s = from.state(m.ID)
		return s.Progress.MemoryProcessed > 0
	})
}

// cleaned forgets a failed move on its source, as the next one or the operation's end does.
func (w *world) cleaned(from *node, m Move) {
	w.t.Helper()
	from.call("Forget", m, nil)
}

// forced: paused, it arrives and goes on. The destination cannot after-copy, and does without.
func (w *world) forced(from, to *node, spec driver.GuestSpec) {
	w.t.Helper()
	limits := slow
	limits.Bandwidth, limits.PostCopy = 12, true
	m := w.plan(from, to, spec, limits)
	from.call("Begin", m, nil)
	w.copying(from, m)
	from.call("Force", m, nil)
	if s := w.ended(from, m); s.Phase != driver.LiveDone {
		w.t.Fatalf("after force: %+v", s)
	}
	to.call("Arrive", m, nil)
	from.call("Leave", m, nil)
	w.only(to, from, spec)
}

// afterCopied: forced, it runs on the other host before its memory is there. QEMU must be root there, or vm.unprivileged_userfaultfd set.
func (w *world) afterCopied(from, to *node, spec driver.GuestSpec) {
	w.t.Helper()
	limits := slow
	limits.Bandwidth, limits.PostCopy = 4, true
	m := w.plan(from, to, spec, limits)
	from.call("Begin", m, nil)
	w.copying(from, m)
	from.call("Force", m, nil)
	if s := from.state(m.ID); s.Phase == driver.LiveRunning {
		if !s.PostCopy {
			w.t.Errorf("not after-copying: %+v", s)
		}
		if err := from.try("Abort", m, nil); err == nil && from.state(m.ID).Phase == driver.LiveRunning {
			w.t.Error("a move past the point of return was aborted")
		}
	}
	if s := w.ended(from, m); s.Phase != driver.LiveDone {
		w.t.Fatalf("after-copy: %+v", s)
	}
	to.call("Arrive", m, nil)
	from.call("Leave", m, nil)
	w.only(to, from, spec)
}

// agentDies: the process that carries the channels is killed under a move. The guest goes on where it was, and the new process says so.
func (w *world) agentDies(on, to *node, spec driver.GuestSpec) {
	w.t.Helper()
	m := w.plan(on, to, spec, slow)
	on.call("Begin", m, nil)
	w.a.Eventually(w.t, patience, "something is copied", func() bool { p := on.state(m.ID).Progress; return p.MemoryProcessed+p.DiskProcessed > 0 })
	on.again(on.instances)
	s := w.ended(on, m)
	if s.Phase != driver.LiveNone || !s.Here {
		w.t.Errorf("after the death of the source's process: %+v", s)
	}
	// libvirtd says that the move has failed a moment before it lets the guest go on.
	w.a.Eventually(w.t, patience, "the guest goes on", func() bool { return on.state(m.ID).Power == driver.Running })
	to.call("Cancel", m, nil)
	w.cleaned(on, m)
	w.only(on, to, spec)
}

// shared: the disks stay where they are, and belong to who runs the server.
// The directory is one that hosts share, and so are the variables of a UEFI guest in it.
func (w *world) shared(uefi driver.GuestSpec) {
	w.t.Helper()
	dir := filepath.Join(w.dir, "shared")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		w.t.Fatal(err)
	}
	// On storage that hosts share QEMU is the same user on both.
	w.a.Run(w.t, "sh", "-ec", `: >/etc/libvirt/qemu.conf; p=$(cat /run/libvirtd.pid); kill $p; tail --pid=$p -s 0.05 -f /dev/null; libvirtd --daemon --listen --pid-file /run/libvirtd.pid`)
	w.a.again(dir)
	w.b.again(dir)
	spec := w.boot(w.a)
	conn := w.connect()
	r := w.move(w.a, w.b, spec, limits)
	w.t.Logf("disks shared: %d ms, downtime %d ms, the connection was silent for %v", r.TotalMS, r.DowntimeMS, conn.close())
	// What the source is told to remove later is not its own any more.
	w.a.call("Destroy", Move{ID: spec.ID}, nil)
	w.only(w.b, w.a, spec)
	w.b.call("Reboot", Move{ID: spec.ID}, nil)
	w.a.Eventually(w.t, patience, "the guest boots from the shared disk", func() bool { return strings.Contains(w.b.console(spec.ID), "BOOTS 2 ") })
	w.a.Eventually(w.t, patience, "the guest counts", func() bool { return strings.Contains(w.b.console(spec.ID), "TICK 1 ") })
	// There and back, three times.
	w.bootUEFI(w.b, uefi)
	w.mark(w.b, uefi)
	conn = w.connect()
	for from, to := range w.thereAndBack(3) {
		w.move(from, to, spec, limits)
		w.move(from, to, uefi, limits)
		w.marked(to, uefi)
	}
	w.t.Logf("six moves with shared disks: longest silence %v", conn.close())
	w.b.call("Reboot", Move{ID: spec.ID}, nil)
	w.a.Eventually(w.t, patience, "the guest boots after all those moves", func() bool { return strings.Contains(w.b.console(spec.ID), "BOOTS 3 ") })
	w.evacuated(w.b, w.a, uefi)
	w.only(w.b, w.a, spec)
	if os.Getenv("GOSTACK_BENCH") != "" {
		w.bare(w.b, w.a, spec)
	}
}

// bare moves the server with virsh alone, libvirtd listening on the network: what the same guest takes without us.
func (w *world) bare(from, to *node, spec driver.GuestSpec) {
	w.t.Helper()
	for i, n := range []*node{from, to} {
		n.Run(w.t, "sh", "-ec", fmt.Sprintf("ip link set br-int mtu 1400 up; ip addr add 10.1.0.%d/24 dev br-int; ethtool -K br-int tx off >/dev/null", 101+i))
	}
	conn := w.connect()
	from.Run(w.t, "virsh", "migrate", "--live", "--p2p", "--persistent", "--undefinesource", "--unsafe", "instance-"+spec.ID, "qemu+tcp://10.1.0.102/system", "tcp://10.1.0.102")
	took := to.Run(w.t, "sh", "-c", "virsh domjobinfo --completed instance-"+spec.ID+" | grep -E 'Time elapsed:|Total downtime'")
	w.t.Logf("bare virsh, disks shared: %s, the connection was silent for %v", strings.Join(strings.Fields(took), " "), conn.close())
}

// domain is a server's definition on a host.
func (n *node) domain(spec driver.GuestSpec, more ...string) string {
	n.t.Helper()
	return n.Run(n.t, "sh", "-c", "virsh dumpxml instance-"+spec.ID+" "+strings.Join(more, " "))
}

// sameFiles compares the files that two definitions name.
func sameFiles(a, b string) bool {
	files := func(text string) (all []string) {
		for line := range strings.Lines(text) {
			if _, file, ok := strings.Cut(line, "file='"); ok {
				file, _, _ = strings.Cut(file, "'")
				all = append(all, file)
			}
		}
		slices.Sort(all)
		return slices.Compact(all)
	}
	return len(files(a)) > 3 && slices.Equal(files(a), files(b))
}

// only fails unless the server runs on one host and the other has Nothing of it.
func (w *world) only(on, off *node, spec driver.GuestSpec) {
	w.t.Helper()
	if s := on.state(spec.ID); !s.Here || s.Power != driver.Running {
		w.t.Errorf("%s has the server in state %+v", on.Name, s)
	}
	if s := off.state(spec.ID); s.Here {
		w.t.Errorf("%s has the server too: %+v", off.Name, s)
	}
	for _, n := range []*node{on, off} {
		var files Files
		n.call("Disks", Nothing{}, &files)
		sets := files.Sets
		if (len(sets) == 1 && sets[0].ID == spec.ID) != (n == on) {
			w.t.Errorf("%s has the files of %+v", n.Name, sets)
		}
		if left, _ := filepath.Glob(n.Path("/run/gostack/live/*")); len(left) > 0 {
			w.t.Errorf("%s has channels left: %v", n.Name, left)
		}
	}
	before := strings.Count(on.console(spec.ID), "TICK")
	w.a.Eventually(w.t, patience, "the guest goes on counting", func() bool { return strings.Count(on.console(spec.ID), "TICK") > before+1 })
}
