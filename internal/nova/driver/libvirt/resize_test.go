package libvirt_test

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"gostack/internal/bus"
	"gostack/internal/hostlink"
	"gostack/internal/nova/agent"
	"gostack/internal/nova/driver"
	"gostack/internal/nova/driver/libvirt"
)

// A real guest goes to another host and back, and once more when its image is gone: what it wrote on its disk goes with it, and the disk has grown.
// Two drivers with directories of their own stand for two hosts; a server is defined on one of them at a time, so they can share a libvirtd. The disks go
// through hostlink.
func TestGuestMovesWhileOff(t *testing.T) {
	l := newLab(t)
	ctx := t.Context()
	s := spec()
	info, err := l.HostInfo(ctx)
	l.must("host", err)
	module := slices.Contains(info.Traits, "COMPUTE_SECURITY_TPM_2_0")
	if module {
		s.Flavor.ExtraSpecs = map[string]string{"hw:tpm_version": "2.0"}
	}
	l.boot(s)
	l.until(s.ID, "BOOTS 1 SECTORS 2097152")

	dir := filepath.Join(l.dir, "there")
	there, err := libvirt.New(libvirt.Options{
		Client: l.client, Dir: dir, Owner: "cloud-1", Hostname: "host-b",
		Images: func(_ context.Context, image driver.Image) (io.ReadCloser, error) {
			return os.Open(l.sources[image.ID])
		},
	})
	l.must("another host", err)
	other := &lab{Driver: there, t: t, client: l.client, dir: dir, sources: l.sources}
	source, err := agent.New(agent.Options{Host: "host-a", Bus: bus.NewMemory(), Driver: l.Driver})
	l.must("agent", err)
	var fabric hostlink.Fabric
	from := hostlink.New(hostlink.Options{Self: hostlink.Identity{Host: "host-a"}, Fabric: &fabric})
	to := hostlink.New(hostlink.Options{Self: hostlink.Identity{Host: "host-b"}, Fabric: &fabric})
	t.Cleanup(from.Stop)
	t.Cleanup(to.Stop)
	from.Handle(driver.DisksService, agent.DisksHandler(func(string) *agent.Agent { return source }))
	fetch := func(host, move string, alone bool) func(context.Context) (io.ReadCloser, error) {
		return func(ctx context.Context) (io.ReadCloser, error) {
			return to.Dial(ctx, hostlink.Host("host-a", ""), driver.DisksService, agent.DisksHeader{Host: "host-a", ServerID: s.ID, Move: move, For: host, Alone: alone})
		}
	}
	t.Cleanup(func() { _ = there.Destroy(context.Background(), s.ID) })

	bigger := s
	bigger.Flavor.RootGB, bigger.Flavor.EphemeralGB, bigger.Flavor.MemoryMB = 2, 1, 112
	for _, id := range []string{kernelID, ramdiskID} {
		l.must("image", there.EnsureImage(ctx, driver.Image{ID: id, DiskFormat: "aki"}))
	}
	l.must("image", there.EnsureImage(ctx, *s.Image))
	const variables = "what a guest's UEFI keeps"
	l.must("variables", os.WriteFile(filepath.Join(l.dir, "instances", s.ID, "nvram.fd"), []byte(variables), 0o600))
	// brought says that what the server's trusted platform module keeps went with the disks: libvirt has it again as it was aside.
	brought := func() {
		t.Helper()
		aside, err := os.ReadFile(filepath.Join(l.dir, "instances", s.ID+"_resize", "tpm.2.0.tis"))
		now, nowErr := os.ReadFile(filepath.Join("/var/lib/libvirt/swtpm", s.ID, "tpm2", "tpm2-00.permall"))
		if module && (err != nil || nowErr != nil || len(aside) == 0 || !bytes.Equal(aside, now)) {
			t.Errorf("the module's state: %d bytes aside (%v), %d at libvirt's (%v)", len(aside), err, len(now), nowErr)
		}
	}
	came := func(where string) {
		t.Helper()
		if got, err := os.ReadFile(filepath.Join(where, s.ID, "nvram.fd")); err != nil || string(got) != variables {
			t.Errorf("the firmware's variables came as %q, %v", got, err)
		}
	}
	move := uuid.NewString()
	l.must("set aside", l.SetAside(ctx, s.ID, move, "host-b", time.Minute))
	if code := hostlink.Code(second(fetch("host-c", move, false)(ctx))); code != hostlink.CodeForbidden {
		t.Errorf("a host for which the disks are not: %q", code)
	}
	if code := hostlink.Code(second(fetch("host-b", uuid.NewString(), false)(ctx))); code != hostlink.CodeNotFound {
		t.Errorf("a move that is not: %q", code)
	}
	l.must("copy", there.ImportDisks(ctx, bigger, move, fetch("host-b", move, false)))
	l.must("disks", there.PrepareDisks(ctx, bigger))
	l.must("define", there.Define(ctx, bigger))
	brought()
	l.must("start", there.Start(ctx, s.ID))
	other.until(s.ID, "BOOTS 2 SECTORS 4194304")
	came(dir)

	// Back: what happened there is given up.
	l.must("drop the copy", there.DropCopy(ctx, s.ID))
	l.must("restore", l.Restore(ctx, s.ID, move))
	l.must("define", l.Define(ctx, s))
	l.must("start", l.Start(ctx, s.ID))
	l.until(s.ID, "BOOTS 2 SECTORS 2097152")

	came(filepath.Join(l.dir, "instances"))

	// Without its image the disk stands alone.
	l.must("forget the image", os.Remove(filepath.Join(dir, "_base", diskID)))
	move = uuid.NewString()
	l.must("set aside", l.SetAside(ctx, s.ID, move, "host-b", time.Minute))
	l.must("copy", there.ImportDisks(ctx, bigger, move, fetch("host-b", move, true)))
	l.must("disks", there.PrepareDisks(ctx, bigger))
	l.must("define", there.Define(ctx, bigger))
	l.must("start", there.Start(ctx, s.ID))
	other.until(s.ID, "BOOTS 3 SECTORS 4194304")
	came(dir)
	l.must("confirm", l.Destroy(ctx, s.ID))
	if left, err := filepath.Glob(filepath.Join(l.dir, "instances", s.ID+"*")); err != nil || len(left) != 0 {
		t.Errorf("left on the source: %v, %v", left, err)
	}
}

func second[T any](_ T, err error) error { return err }
