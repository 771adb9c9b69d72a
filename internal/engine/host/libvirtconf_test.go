package host

import (
	"bytes"
	"os"
	"testing"
)

// A machine has one host UUID for good, another than other machines.
func TestLibvirtHostUUID(t *testing.T) {
	if theirs, err := os.ReadFile(libvirtConfig); err == nil && hostUUID.Match(theirs) {
		t.Skip("the operator of this machine has set a host UUID")
	}
	uuidOf := func(h *Host) []byte {
		t.Helper()
		if err := h.prepareLibvirtConfig(t.Context()); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(h.dir("libvirtd.conf"))
		if err != nil {
			t.Fatal(err)
		}
		if all := hostUUID.FindAll(text, -1); len(all) == 1 {
			return all[0]
		}
		t.Fatalf("not one host UUID in %s", text)
		return nil
	}
	a, b := New(Options{StateDir: t.TempDir()}), New(Options{StateDir: t.TempDir()})
	first, second, other := uuidOf(a), uuidOf(a), uuidOf(b)
	if !bytes.Equal(first, second) || bytes.Equal(first, other) {
		t.Errorf("%s, again %s, on another machine %s", first, second, other)
	}
}
