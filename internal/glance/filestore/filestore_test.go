package filestore_test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"gostack/internal/glance/filestore"
)

func open(t *testing.T) *filestore.Store {
	t.Helper()
	s, err := filestore.Open(filepath.Join(t.TempDir(), "images"))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func put(t *testing.T, s *filestore.Store, key, content string) {
	t.Helper()
	w, err := s.Create(key, int64(len(content)))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(w, content); err != nil {
		t.Fatal(err)
	}
	if err := w.Commit(); err != nil {
		t.Fatal(err)
	}
	w.Close()
}

func TestWriteReadDelete(t *testing.T) {
	s := open(t)
	put(t, s, "a1", "content")
	f, size, err := s.Read("a1")
	if err != nil || size != 7 {
		t.Fatalf("read: %d, %v", size, err)
	}
	defer f.Close()
	if err := s.Delete("a1"); err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(f); string(b) != "content" || err != nil {
		t.Errorf("a reader lost the file under its hands: %q, %v", b, err)
	}
	if _, _, err := s.Read("a1"); !errors.Is(err, filestore.ErrAbsent) {
		t.Errorf("read after delete: %v", err)
	}
	if err := s.Delete("a1"); err != nil {
		t.Errorf("second delete: %v", err)
	}
	info, err := os.Stat(s.Dir())
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("directory: %v, %v", info.Mode(), err)
	}
}

func TestNothingIsThereBeforeCommit(t *testing.T) {
	s := open(t)
	w, err := s.Create("k", 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte("half")); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.Read("k"); !errors.Is(err, filestore.ErrAbsent) {
		t.Errorf("a part can be read: %v", err)
	}
	if _, err := s.Create("k", 0); err == nil {
		t.Error("a second writer of the same key was let in")
	}
	entries, err := s.List()
	if err != nil || len(entries) != 1 || !entries[0].Part || !s.Writing("k") {
		t.Errorf("list: %+v, %v", entries, err)
	}
	if err := s.RemovePart("k"); err != nil {
		t.Fatal(err)
	}
	if err := w.Commit(); err != nil {
		t.Errorf("RemovePart took the file of a living writer: %v", err)
	}
	if !s.Writing("k") {
		t.Error("the writer let go of the file before Close")
	}
	w.Close()
	if f, _, err := s.Read("k"); err != nil || s.Writing("k") {
		t.Errorf("after Commit and Close: %v, still held %v", err, s.Writing("k"))
	} else {
		f.Close()
	}
}

func TestCloseWithoutCommitLeavesNothing(t *testing.T) {
	s := open(t)
	w, err := s.Create("k", 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	w.Close()
	if entries, err := s.List(); len(entries) != 0 || err != nil {
		t.Errorf("left: %+v, %v", entries, err)
	}
}

// A process that dies while writing leaves a part that is known to be dead and can be removed.
func TestDeadWriter(t *testing.T) {
	if dir := os.Getenv("FILESTORE_DIE_IN"); dir != "" {
		s, _ := filestore.Open(dir)
		w, _ := s.Create("k", 0)
		_, _ = w.Write([]byte("half"))
		_ = unix.Kill(os.Getpid(), unix.SIGKILL)
		select {}
	}
	s := open(t)
	child := exec.Command(os.Args[0], "-test.run=TestDeadWriter")
	child.Env = append(os.Environ(), "FILESTORE_DIE_IN="+s.Dir())
	if err := child.Run(); err == nil {
		t.Fatal("the child lived")
	}
	entries, err := s.List()
	if err != nil || len(entries) != 1 || !entries[0].Part || s.Writing("k") {
		t.Fatalf("list: %+v, %v", entries, err)
	}
	if err := s.RemovePart("k"); err != nil {
		t.Fatal(err)
	}
	if entries, _ := s.List(); len(entries) != 0 {
		t.Errorf("left: %+v", entries)
	}
}

// Somebody who looks for dead parts all the time never takes one from a living writer.
func TestReconcilersDoNotDisturbWriters(t *testing.T) {
	s := open(t)
	stop := make(chan struct{})
	var looking sync.WaitGroup
	for range 4 {
		looking.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				entries, err := s.List()
				if err != nil {
					t.Error(err)
					return
				}
				for _, e := range entries {
					if e.Part && !s.Writing(e.Key) {
						if err := s.RemovePart(e.Key); err != nil {
							t.Error(err)
						}
					}
				}
			}
		})
	}
	for n := range 120 {
		w, err := s.Create(fmt.Sprint("k", n), 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
		if n%6 == 0 {
			if err := w.Commit(); err != nil {
				t.Fatal(err)
			}
		}
		w.Close()
	}
	close(stop)
	looking.Wait()
	entries, err := s.List()
	if err != nil || len(entries) != 20 {
		t.Errorf("%d files, want 20, %v", len(entries), err)
	}
}

func TestFullDisk(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("SKIPPED: only root can mount a small file system")
	}
	if dir := os.Getenv("FILESTORE_SMALL"); dir != "" {
		small(t, dir)
		return
	}
	// In a mount namespace of our own, so that nothing outside sees the mount.
	child := exec.Command("unshare", "-m", "--propagation", "private", "sh", "-c", `mount -t tmpfs -o size=4m none "$0" && exec "$1" -test.run=TestFullDisk`, t.TempDir(), os.Args[0])
	child.Env = append(os.Environ(), "FILESTORE_SMALL="+child.Args[7])
	if out, err := child.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

func small(t *testing.T, dir string) {
	s, err := filestore.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Create("known", 8<<20); !errors.Is(err, filestore.ErrFull) {
		t.Errorf("a size that cannot fit: %v", err)
	}
	w, err := s.Create("unknown", 0)
	if err != nil {
		t.Fatal(err)
	}
	for range 8 {
		if _, err = w.Write(make([]byte, 1<<20)); err != nil {
			break
		}
	}
	if !errors.Is(err, filestore.ErrFull) {
		t.Errorf("writing on: %v", err)
	}
	w.Close()
	if entries, _ := s.List(); len(entries) != 0 {
		t.Errorf("left: %+v", entries)
	}
}

func TestBadKeys(t *testing.T) {
	s := open(t)
	for _, key := range []string{"", ".", "..", "../x", "a/b", "/etc/passwd", "a.part", "-x", "a\x00", "ä"} {
		if _, err := s.Create(key, 0); err == nil {
			t.Errorf("key %q was taken", key)
		}
	}
}
