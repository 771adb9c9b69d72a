package host

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gostack/test/machine"
)

// A guest that runs is not hurt by Down: it goes on, and so does the engine that it needs. Purge refuses.
func TestGuestsAreSpared(t *testing.T) {
	needEngines(t)
	if _, err := os.Stat("/usr/bin/qemu-system-x86_64"); err != nil {
		machine.Missing(t, "qemu-system-x86_64 is not installed (Debian package qemu-system-x86)")
	}
	machine.Inside(t, func(t *testing.T) {
		h := New(Options{})
		up(t, h)
		xml := filepath.Join(t.TempDir(), "guest.xml")
		if err := os.WriteFile(xml, []byte(`<domain type="qemu"><name>idle</name><memory unit="MiB">16</memory>
			<os><type arch="x86_64" machine="q35">hvm</type></os>
			<devices><serial type="pty"><log file="/var/log/libvirt/idle.log"/></serial></devices></domain>`), 0o600); err != nil {
			t.Fatal(err)
		}
		run(t, "virsh", "-q", "-c", "qemu:///system", "create", xml)
		if n := runningGuests(); n != 1 {
			t.Fatalf("%d guests are seen, 1 runs", n)
		}
		virtlogd := status(t, h, "virtlogd").PID

		if err := h.Purge(t.Context(), nil); err == nil || !strings.Contains(err.Error(), "guests still run") {
			t.Errorf("purge while a guest runs: %v", err)
		}
		if err := h.Down(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		if left := daemons(t); len(left) != 1 || left[0] != "virtlogd" {
			t.Errorf("down with a guest left %v, want virtlogd", left)
		}
		if runningGuests() != 1 {
			t.Error("down ended the guest")
		}

		up(t, h)
		if s := status(t, h, "virtlogd"); s.By != ByGostack || s.PID != virtlogd {
			t.Errorf("virtlogd after up: %+v, was %d", s, virtlogd)
		}
		if got := run(t, "virsh", "-q", "-c", "qemu:///system", "domstate", "idle"); strings.TrimSpace(got) != "running" {
			t.Errorf("libvirtd sees the guest as %q", got)
		}
		run(t, "virsh", "-q", "-c", "qemu:///system", "destroy", "idle")
		if err := h.Purge(t.Context(), nil); err != nil {
			t.Error(err)
		}
		if left := daemons(t); len(left) > 0 {
			t.Errorf("left %v", left)
		}
	})
}
