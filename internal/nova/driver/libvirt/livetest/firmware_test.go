package livetest

import (
	"bytes"
	"iter"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/uuid"

	"gostack/internal/nova/driver"
)

// variablesMark is written at the end of the file of a guest's variables, where its firmware never writes: where it is seen again the contents have come along.
var variablesMark = []byte("gostack was here")

// firmware moves a guest with UEFI whose files are copied: its variables go along, and nothing of them stays behind.
func (w *world) firmware() driver.GuestSpec {
	w.t.Helper()
	s := driver.GuestSpec{
		ID: uuid.NewString(), Name: "uefi", Project: driver.Ref{ID: "p1"}, User: driver.Ref{ID: "u1"},
		Flavor: driver.Flavor{Name: "m1.tiny", VCPUs: 1, MemoryMB: 128, RootGB: 1},
		Image:  &driver.Image{ID: diskID, DiskFormat: "qcow2", Properties: map[string]string{driver.PropFirmware: "uefi", driver.PropVideoModel: "none"}},
	}
	w.bootUEFI(w.b, s)
	w.mark(w.b, s)
	for from, to := range w.thereAndBack(1) {
		w.move(from, to, s, limits)
		w.marked(to, s)
		if _, err := os.Stat(w.variables(from, s)); err == nil {
			w.t.Errorf("the variables are on %s too", from.Name)
		}
	}
	w.b.call("Destroy", Move{ID: s.ID}, nil)
	if _, err := os.Stat(w.variables(w.b, s)); err == nil {
		w.t.Error("variables of a server that is no more")
	}
	return s
}

// evacuated: its host lost it, another one starts it from the files that both see, and has its variables. What the first host removes when it
// is back is its own definition only.
func (w *world) evacuated(dead, to *node, s driver.GuestSpec) {
	w.t.Helper()
	dead.Run(w.t, "virsh", "destroy", "instance-"+s.ID)
	var shared bool
	to.call("Adopt", Move{ID: s.ID, Plan: driver.LivePlan{Ticket: uuid.NewString(), Source: dead.Name}}, &shared)
	if !shared {
		w.t.Fatal("the files of the server are not seen")
	}
	if err := os.Truncate(filepath.Join(to.instances, s.ID, "console.log"), 0); err != nil {
		w.t.Fatal(err)
	}
	w.bootUEFI(to, s)
	w.marked(to, s)
	dead.call("Destroy", Move{ID: s.ID}, nil)
	w.marked(to, s)
	if st := dead.state(s.ID); st.Here {
		w.t.Errorf("the dead host still has the server: %+v", st)
	}
	to.call("Destroy", Move{ID: s.ID}, nil)
}

// bootUEFI starts a guest and waits until its firmware looks for something to boot.
func (w *world) bootUEFI(on *node, s driver.GuestSpec) {
	w.t.Helper()
	on.call("Boot", s, nil)
	w.t.Cleanup(func() {
		for _, n := range []*node{w.a, w.b} {
			_ = n.try("Destroy", Move{ID: s.ID}, nil)
		}
	})
	w.a.Eventually(w.t, patience, "the firmware is at work", func() bool { return strings.Contains(on.console(s.ID), "BdsDxe") })
}

// variables is the file of a guest's variables as seen from outside the node.
func (w *world) variables(n *node, s driver.GuestSpec) string {
	path := filepath.Join(n.instances, s.ID, "nvram.fd")
	if strings.HasPrefix(path, w.dir) {
		return path // the shared directory
	}
	return n.Path(path)
}

// mark writes the mark and has QEMU read the file anew.
func (w *world) mark(on *node, s driver.GuestSpec) {
	w.t.Helper()
	f, err := os.OpenFile(w.variables(on, s), os.O_RDWR, 0)
	if err != nil {
		w.t.Fatal(err)
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil {
		w.t.Fatal(err)
	}
	if _, err := f.WriteAt(variablesMark, fi.Size()-int64(len(variablesMark))); err != nil {
		w.t.Fatal(err)
	}
	on.call("Reboot", Move{ID: s.ID}, nil)
	w.a.Eventually(w.t, patience, "the firmware is at work again", func() bool { return strings.Count(on.console(s.ID), "BdsDxe: failed") > 0 })
}

// marked fails unless the mark is in the variables that the guest has there.
func (w *world) marked(on *node, s driver.GuestSpec) {
	w.t.Helper()
	if st := on.state(s.ID); !st.Here || st.Power != driver.Running {
		w.t.Errorf("%s has the guest in state %+v", on.Name, st)
	}
	text, err := os.ReadFile(w.variables(on, s))
	if err != nil || !bytes.HasSuffix(text, variablesMark) {
		w.t.Errorf("the variables did not come to %s: %d bytes, %v", on.Name, len(text), err)
	}
}

// thereAndBack are moves from b to a and back, n times.
func (w *world) thereAndBack(n int) iter.Seq2[*node, *node] {
	return func(yield func(from, to *node) bool) {
		for range n {
			if !yield(w.b, w.a) || !yield(w.a, w.b) {
				return
			}
		}
	}
}
