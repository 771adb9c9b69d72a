package libvirt_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"gostack/internal/nova/driver"
)

// TestUEFI: a guest's variables are among its files, in whatever a gostack before this one has defined too; they go with a rebuild and with the server.
func TestUEFI(t *testing.T) {
	l := newLab(t)
	s := spec()
	s.Flavor.MemoryMB = 256
	s.Image.Properties = map[string]string{driver.PropFirmware: "uefi", driver.PropQGA: "yes", driver.PropDiskBus: "scsi", driver.PropVideoModel: "none"}
	here := filepath.Join(l.dir, "instances", s.ID, "nvram.fd")
	libvirts := "/var/lib/libvirt/qemu/nvram/instance-" + s.ID + "_VARS.fd"
	read := func(path string) string {
		text, err := os.ReadFile(path)
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		return string(text)
	}
	virsh := func(args ...string) string {
		t.Helper()
		out, err := exec.CommandContext(t.Context(), "virsh", append([]string{"-c", "qemu+unix:///system"}, args...)...).CombinedOutput()
		if err != nil {
			t.Fatalf("virsh %q: %v %s", args, err, out)
		}
		return string(out)
	}
	l.prepare(s)
	l.must("start", l.Start(t.Context(), s.ID))
	l.until(s.ID, "BdsDxe") // OVMF looks for something to boot
	if read(here) == "" || read(libvirts) != "" {
		t.Errorf("%d bytes of variables here, %d at libvirt's", len(read(here)), len(read(libvirts)))
	}
	l.must("stop", l.Stop(t.Context(), s.ID, 0))

	// As an older gostack has defined it.
	text := virsh("dumpxml", "--inactive", "instance-"+s.ID)
	old := strings.Replace(text, here, libvirts, 1)
	if old == text {
		t.Fatalf("the definition does not name %s:\n%s", here, text)
	}
	file := filepath.Join(t.TempDir(), "old.xml")
	l.must("write", os.WriteFile(file, []byte(old), 0o600))
	virsh("define", file)
	l.must("remove", os.Remove(here))
	l.must("variables", os.MkdirAll(filepath.Dir(libvirts), 0o755))
	l.must("variables", os.WriteFile(libvirts, []byte("older"), 0o600))
	for range 2 {
		l.must("define", l.Define(t.Context(), s))
		if read(here) != "older" {
			t.Errorf("the variables became %q", read(here))
		}
	}
	// A rebuild begins with the firmware's own.
	l.must("rebuild", l.RenewDisks(t.Context(), s, true))
	if read(here)+read(libvirts) != "" {
		t.Error("a rebuilt server has the variables of the one before")
	}
	l.must("define", l.Define(t.Context(), s))
	l.must("start", l.Start(t.Context(), s.ID))
	if read(here) == "" {
		t.Error("the rebuilt server has no variables")
	}
	l.must("destroy", l.Destroy(t.Context(), s.ID))
	if left, err := os.ReadDir(filepath.Dir(libvirts)); err != nil || len(left) != 0 || read(here) != "" {
		t.Errorf("firmware variables left over: %v, %v", left, err)
	}
}
