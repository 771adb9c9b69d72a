package libvirt

import (
	"context"
	"io"
	"os"
	"strings"
	"testing"

	"libvirt.org/go/libvirtxml"

	engine "gostack/internal/engine/libvirt"
	"gostack/internal/engine/libvirt/libvirttest"
	"gostack/internal/nova/driver"
)

// TestProcessorsAreCompared asks a real libvirt about guests that come from other hosts. Without KVM it compares with what QEMU emulates, which lacks what newer
// processors have.
func TestProcessorsAreCompared(t *testing.T) {
	libvirttest.Need(t)
	client := engine.New(libvirttest.Socket)
	t.Cleanup(client.Close)
	d, err := New(Options{Client: client, Dir: t.TempDir(), Owner: "cloud-1", VirtType: "qemu", Images: func(context.Context, driver.Image) (io.ReadCloser, error) { return nil, io.EOF }})
	if err != nil {
		t.Fatal(err)
	}
	caps, err := d.capabilities(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	const refusal = "Unacceptable CPU info: CPU doesn't have compatibility.\n\n"
	for _, c := range []struct{ file, refused string }{
		{"qemu64.xml", ""},
		{"skylake-server.xml", refusal + "0\n\nRefer to http://libvirt.org/html/libvirt-libvirt-host.html#virCPUCompareResult"},
		{"epyc-milan-host.xml", refusal + "0\n\n"},
		{"newer-than-this-libvirt.xml", refusal}, // and libvirt's words
	} {
		text, err := os.ReadFile("testdata/cpu/" + c.file)
		if err != nil {
			t.Fatal(err)
		}
		from := driver.LiveSource{Virt: "kvm", CPU: string(text), Machine: caps.machine}
		err = d.compareCPU(t.Context(), caps, from)
		switch {
		case c.refused == "" && err != nil:
			t.Errorf("%s: %v", c.file, err)
		case c.refused != "" && (driver.CodeOf(err) != driver.CodeUnsupported || !strings.HasPrefix(err.Error(), c.refused)):
			t.Errorf("%s: %v", c.file, err)
		}
		from.Virt = "qemu" // emulated: the same everywhere
		if err := d.compareCPU(t.Context(), caps, from); err != nil {
			t.Errorf("%s emulated: %v", c.file, err)
		}
	}
	if err := d.compareCPU(t.Context(), caps, driver.LiveSource{Virt: "kvm", CPU: "<cpu", Machine: caps.machine}); driver.CodeOf(err) != driver.CodeUnsupported {
		t.Errorf("no processor at all: %v", err)
	}
	// A libvirt that does not answer has refused nothing: another try may do.
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := d.compareCPU(ctx, caps, driver.LiveSource{Virt: "kvm", CPU: "<cpu/>", Machine: caps.machine}); err == nil || driver.CodeOf(err) == driver.CodeUnsupported {
		t.Errorf("no answer: %v", err)
	}
}

// A guest with the host's own processor has no model of its own: the host's is compared, and it is one that libvirt can read.
func TestGuestsProcessor(t *testing.T) {
	d := &Driver{}
	host := &libvirtxml.CapsHostCPU{Arch: "x86_64", Model: "EPYC-Milan", Vendor: "AMD", FeatureFlags: []libvirtxml.CapsHostCPUFeatureFlag{{Name: "ht"}, {Name: "invtsc"}}}
	d.caps = &capabilities{hostCPU: hostCPU(host)}
	const want = `<cpu><arch>x86_64</arch><model>EPYC-Milan</model><vendor>AMD</vendor><feature name="ht"></feature><feature name="invtsc"></feature></cpu>`
	for _, mode := range []string{"host-passthrough", "maximum"} {
		if got, err := d.guestCPU(t.Context(), &libvirtxml.DomainCPU{Mode: mode}); err != nil || got != want {
			t.Errorf("%s: %s %v", mode, got, err)
		}
	}
	if got, err := d.guestCPU(t.Context(), nil); err != nil || got != want {
		t.Errorf("no processor said: %s %v", got, err)
	}
	if got, err := d.guestCPU(t.Context(), &libvirtxml.DomainCPU{Mode: "custom", Model: &libvirtxml.DomainCPUModel{Value: "Nehalem"}}); err != nil || !strings.Contains(got, "Nehalem") {
		t.Errorf("its own model: %s %v", got, err)
	}
	if got := hostCPU(&libvirtxml.CapsHostCPU{Arch: "aarch64"}); got != "" {
		t.Errorf("a host whose processor libvirt does not know: %s", got)
	}
}
