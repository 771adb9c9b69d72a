package libvirt_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	engine "gostack/internal/engine/libvirt"
	"gostack/internal/engine/libvirt/libvirttest"
	"gostack/internal/nova/driver"
	"gostack/internal/nova/driver/libvirt"
)

func TestMain(m *testing.M) { libvirttest.Main(m) }

// Images of the micro guest.
const (
	kernelID  = "00000000-0000-4000-8000-00000000000a"
	ramdiskID = "00000000-0000-4000-8000-00000000000b"
	diskID    = "00000000-0000-4000-8000-00000000000c"
)

var micro = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("/var/lib/libvirt", "micro") // the machine's own, gone with it
	if err != nil {
		return "", err
	}
	out, err := exec.Command("bash", "testdata/micro.sh", dir).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("micro.sh: %w\n%s", err, out)
	}
	raw := filepath.Join(dir, "disk.raw")
	if err := os.WriteFile(raw, make([]byte, 4<<20), 0o600); err != nil {
		return "", err
	}
	out, err = exec.Command("qemu-img", "convert", "-f", "raw", "-O", "qcow2", raw, filepath.Join(dir, "disk")).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("qemu-img: %w\n%s", err, out)
	}
	return dir, nil
})

// lab is a driver on a real libvirtd with the micro guest's images.
type lab struct {
	*libvirt.Driver
	t       *testing.T
	daemon  *libvirttest.Daemon
	client  *engine.Client
	dir     string
	opens   int
	sources map[string]string // image id -> file
}

func newLab(t *testing.T) *lab {
	t.Helper()
	daemon := libvirttest.Need(t)
	dir, err := micro()
	if err != nil {
		t.Fatal(err)
	}
	l := &lab{t: t, daemon: daemon, client: engine.New(libvirttest.Socket), dir: t.TempDir(), sources: map[string]string{
		kernelID: filepath.Join(dir, "kernel"), ramdiskID: filepath.Join(dir, "ramdisk"), diskID: filepath.Join(dir, "disk"),
	}}
	t.Cleanup(l.client.Close)
	// QEMU runs as another user and must get through.
	if err := os.Chmod(filepath.Dir(l.dir), 0o755); err != nil {
		t.Fatal(err)
	}
	l.Driver = l.open()
	return l
}

// open makes another driver of the same host, as a restarted process does.
func (l *lab) open() *libvirt.Driver {
	return l.openWith(func(*libvirt.Options) {})
}

func (l *lab) openWith(more func(*libvirt.Options)) *libvirt.Driver {
	l.t.Helper()
	o := libvirt.Options{
		Client: l.client, Dir: filepath.Join(l.dir, "instances"), Owner: "cloud-1",
		Images: func(_ context.Context, image driver.Image) (io.ReadCloser, error) {
			id := image.ID
			l.opens++
			return os.Open(l.sources[id])
		},
	}
	more(&o)
	d, err := libvirt.New(o)
	if err != nil {
		l.t.Fatal(err)
	}
	return d
}

func spec() driver.GuestSpec {
	return driver.GuestSpec{
		ID: uuid.NewString(), Name: `web <1> & "co"`,
		Project: driver.Ref{ID: "p1", Name: "demo"}, User: driver.Ref{ID: "u1", Name: "alice"},
		Flavor: driver.Flavor{Name: "m1.tiny", VCPUs: 1, MemoryMB: 96, RootGB: 1},
		Image: &driver.Image{ID: diskID, DiskFormat: "qcow2", Properties: map[string]string{
			driver.PropKernelID: kernelID, driver.PropRamdiskID: ramdiskID, driver.PropCommandLine: "console=ttyS0 quiet panic=1",
		}},
		ConfigDrive: []driver.File{{Path: "openstack/latest/meta_data.json", Data: []byte(`{"name": "web"}`)}},
	}
}

func (l *lab) must(what string, err error) {
	l.t.Helper()
	if err != nil {
		l.t.Fatalf("%s: %v", what, err)
	}
}

// prepare makes disks and definition.
func (l *lab) prepare(s driver.GuestSpec) {
	l.t.Helper()
	ctx := l.t.Context()
	for _, id := range []string{kernelID, ramdiskID} {
		l.must("image", l.EnsureImage(ctx, driver.Image{ID: id, DiskFormat: "aki"}))
	}
	l.must("image", l.EnsureImage(ctx, *s.Image))
	l.must("disks", l.PrepareDisks(ctx, s))
	l.must("define", l.Define(ctx, s))
	l.t.Cleanup(func() { _ = l.Destroy(context.Background(), s.ID) })
}

// boot prepares, starts and waits until the guest has booted n times.
func (l *lab) boot(s driver.GuestSpec) {
	l.t.Helper()
	l.prepare(s)
	l.must("start", l.Start(l.t.Context(), s.ID))
	l.until(s.ID, "MICRO-READY")
}

// until waits for a text in the console log.
func (l *lab) until(id, text string) string {
	l.t.Helper()
	return l.untilCount(id, text, 1)
}

func (l *lab) untilCount(id, text string, n int) string {
	l.t.Helper()
	end := time.Now().Add(5 * time.Minute)
	for {
		log, err := l.ConsoleLog(l.t.Context(), id, -1)
		if err != nil {
			l.t.Fatalf("console log: %v", err)
		}
		if bytes.Count(log, []byte(text)) >= n {
			return string(log)
		}
		if time.Now().After(end) {
			l.t.Fatalf("no %q on the console:\n%s", text, tail(string(log)))
		}
		time.Sleep(100 * time.Millisecond) // polled: a file
	}
}

func tail(s string) string { return s[max(0, len(s)-2000):] }

func (l *lab) state(id string, want driver.PowerState) {
	l.t.Helper()
	got, err := l.PowerState(l.t.Context(), id)
	if err != nil || got != want {
		l.t.Fatalf("power state %v, %v; want %v", got, err, want)
	}
}

// ticks answers how far the guest has counted.
func ticks(log string) int {
	n := 0
	for line := range strings.Lines(log) {
		_, _ = fmt.Sscanf(strings.TrimSpace(line), "TICK %d", &n)
	}
	return n
}
