package glance_test

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"gostack/internal/clock"
	"gostack/internal/glance"
	"gostack/internal/store"
)

func text(s string) *string { return &s }

func open(t testing.TB, dir string, now clock.Clock) (*glance.Service, *store.DB) {
	t.Helper()
	ctx := context.Background()
	db, err := store.Open(ctx, "sqlite:"+filepath.Join(dir, "db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	if err := db.Migrate(ctx, glance.Migrations); err != nil {
		t.Fatal(err)
	}
	s, err := glance.New(db, glance.Config{Dir: filepath.Join(dir, "images"), Staging: filepath.Join(dir, "staging"), Host: os.Getenv("GLANCE_HOST"), Clock: now, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return s, db
}

func draft() *glance.Image {
	return &glance.Image{Name: text("x"), Owner: text("p"), DiskFormat: text("raw"), ContainerFormat: text("bare")}
}

// killUpload lets another process, on a host of the given name, upload to an image and die at a fault point.
func killUpload(t *testing.T, dir, id, point, host string) {
	t.Helper()
	child := exec.Command(os.Args[0], "-test.run=^TestKilledDuringUpload$")
	child.Env = append(os.Environ(), "GLANCE_UPLOAD_IN="+dir, "GLANCE_UPLOAD_ID="+id, "GLANCE_HOST="+host, "GOSTACK_FAULTPOINT="+point)
	out, err := child.CombinedOutput()
	if status, ok := child.ProcessState.Sys().(syscall.WaitStatus); !ok || status.Signal() != syscall.SIGKILL {
		t.Fatalf("the child was not killed: %v\n%s", err, out)
	}
}

// The process is killed at each step of an upload, and of the staging of an import. After a restart the image is queued again, nothing is left behind, and
// the upload can be repeated.
func TestKilledDuringUpload(t *testing.T) {
	if dir := os.Getenv("GLANCE_UPLOAD_IN"); dir != "" {
		s, _ := open(t, dir, clock.System)
		img, err := s.Image(t.Context(), nil, os.Getenv("GLANCE_UPLOAD_ID"))
		send := s.Upload
		if strings.HasPrefix(os.Getenv("GOSTACK_FAULTPOINT"), "glance-stage") {
			send = s.Stage
		}
		if err == nil {
			err = send(t.Context(), img, bytes.NewReader(make([]byte, 3<<20)), 0)
		}
		t.Fatalf("the upload outlived its fault point: %v", err)
	}
	for _, point := range []string{"glance-upload-created", "glance-upload-began", "glance-upload-received", "glance-upload-stored", "glance-stage-created", "glance-stage-began", "glance-stage-stored"} {
		t.Run(point, func(t *testing.T) {
			dir := t.TempDir()
			s, _ := open(t, dir, clock.System)
			img := draft()
			if err := s.Create(t.Context(), img); err != nil {
				t.Fatal(err)
			}
			killUpload(t, dir, img.ID, point, "")
			s, _ = open(t, dir, clock.System)
			if _, err := s.Reconcile(t.Context()); err != nil {
				t.Fatal(err)
			}
			if findings, err := s.Audit(t.Context()); err != nil || len(findings) > 0 {
				t.Errorf("audit: %v, %v", findings, err)
			}
			for _, files := range []string{"images", "staging"} {
				if left, err := os.ReadDir(filepath.Join(dir, files)); err != nil || len(left) > 0 {
					t.Errorf("left: %v, %v", left, err)
				}
			}
			again, err := s.Image(t.Context(), nil, img.ID)
			if err != nil || again.Status != glance.Queued {
				t.Fatalf("after the restart: %+v, %v", again, err)
			}
			if err := s.Upload(t.Context(), again, bytes.NewReader([]byte("again")), 5); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// Another host's locks may not be visible here, so its uploads are given their lease.
func TestUploadOfAnotherHostIsGivenItsLease(t *testing.T) {
	dir, now := t.TempDir(), clock.NewManual(time.Now().UTC())
	s, _ := open(t, dir, now)
	img := draft()
	if err := s.Create(t.Context(), img); err != nil {
		t.Fatal(err)
	}
	killUpload(t, dir, img.ID, "glance-upload-received", "elsewhere")
	for _, want := range []string{glance.Saving, glance.Queued} {
		if _, err := s.Reconcile(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got, err := s.Image(t.Context(), nil, img.ID); err != nil || got.Status != want {
			t.Fatalf("the image is %v, %v, want %s", got.Status, err, want)
		}
		now.Advance(2 * time.Minute)
	}
	if left, err := os.ReadDir(filepath.Join(dir, "images")); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}
