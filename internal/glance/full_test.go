package glance_test

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"gostack/internal/clock"
	"gostack/internal/glance"
	"gostack/internal/rest"
)

// A full disk is a clean refusal: the image is queued, nothing is left, and a smaller image still fits.
func TestFullDisk(t *testing.T) {
	if dir := os.Getenv("GLANCE_SMALL_DISK"); dir != "" {
		fillDisk(t, dir)
		return
	}
	if os.Geteuid() != 0 {
		t.Skip("SKIPPED: only root can mount a small file system")
	}
	dir := t.TempDir()
	images := filepath.Join(dir, "images")
	if err := os.Mkdir(images, 0o700); err != nil {
		t.Fatal(err)
	}
	// In a mount namespace of our own, so that nothing outside sees the mount.
	child := exec.Command("unshare", "-m", "--propagation", "private", "sh", "-c", `mount -t tmpfs -o size=4m none "$0" && exec "$1" -test.run='^TestFullDisk$'`, images, os.Args[0])
	child.Env = append(os.Environ(), "GLANCE_SMALL_DISK="+dir)
	if out, err := child.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

func fillDisk(t *testing.T, dir string) {
	s, _ := open(t, dir, clock.System)
	img := draft()
	if err := s.Create(t.Context(), img); err != nil {
		t.Fatal(err)
	}
	for _, announced := range []int64{8 << 20, 0} {
		err := s.Upload(t.Context(), img, io.LimitReader(zeros{}, 8<<20), announced)
		if rest.StatusOf(err) != 413 {
			t.Errorf("with %d bytes announced: %v", announced, err)
		}
		again, err := s.Image(t.Context(), nil, img.ID)
		if err != nil || again.Status != glance.Queued {
			t.Errorf("the image is %+v, %v", again, err)
		}
		if left, err := os.ReadDir(filepath.Join(dir, "images")); err != nil || len(left) > 0 {
			t.Errorf("left: %v, %v", left, err)
		}
	}
	if err := s.Upload(t.Context(), img, io.LimitReader(zeros{}, 1<<20), 1<<20); err != nil {
		t.Errorf("a small image: %v", err)
	}
	if err := s.Ready(t.Context()); err == nil {
		t.Error("a nearly full directory is called ready")
	}
}
