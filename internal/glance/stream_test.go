package glance_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"gostack/internal/clock"
	"gostack/internal/glance"
	"gostack/internal/store"
)

// zeros is an endless stream that costs nothing.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// An upload of any length needs the memory of a few chunks.
func TestUploadMemoryIsConstant(t *testing.T) {
	s, _ := open(t, t.TempDir(), clock.System)
	img := draft()
	if err := s.Create(t.Context(), img); err != nil {
		t.Fatal(err)
	}
	const size = 512 << 20
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	runtime.GC()
	before, most := heap(), uint64(0)
	watched := watch{io.LimitReader(zeros{}, size), func() { most = max(most, heap()) }, 0}
	if err := s.Upload(t.Context(), img, &watched, size); err != nil {
		t.Fatal(err)
	}
	if most > before+32<<20 {
		t.Errorf("an upload of %d MiB took %d MiB of memory", size>>20, (most-before)>>20)
	}
	got, err := s.Image(t.Context(), nil, img.ID)
	if err != nil || *got.Size != size || *got.Checksum != "aa559b4e3523a6c931f08f4df52d58f2" {
		t.Errorf("stored %v bytes, checksum %v, %v", *got.Size, *got.Checksum, err)
	}
}

type watch struct {
	io.Reader
	look func()
	n    int
}

func (w *watch) Read(p []byte) (int, error) {
	if w.n++; w.n%32 == 0 {
		w.look()
	}
	return w.Reader.Read(p)
}

// Uploads and downloads beside cp of the same file, all made durable. The baseline is stated in the same run.
func BenchmarkTransfer(b *testing.B) {
	const size = 256 << 20
	dir := b.TempDir()
	db, err := store.Open(context.Background(), "sqlite:"+filepath.Join(dir, "db"))
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	if err := db.Migrate(context.Background(), glance.Migrations); err != nil {
		b.Fatal(err)
	}
	s, err := glance.New(db, glance.Config{Dir: filepath.Join(dir, "images")})
	if err != nil {
		b.Fatal(err)
	}
	source := filepath.Join(dir, "source")
	f, err := os.Create(source)
	if err != nil {
		b.Fatal(err)
	}
	if _, err := io.CopyN(f, zeros{}, size); err != nil {
		b.Fatal(err)
	}
	f.Close()
	upload := func() *glance.Image {
		img := draft()
		if err := s.Create(b.Context(), img); err != nil {
			b.Fatal(err)
		}
		in, err := os.Open(source)
		if err != nil {
			b.Fatal(err)
		}
		defer in.Close()
		if err := s.Upload(b.Context(), img, in, size); err != nil {
			b.Fatal(err)
		}
		return img
	}
	b.Run("cp", func(b *testing.B) {
		b.SetBytes(size)
		for n := range b.N {
			in, err := os.Open(source)
			if err != nil {
				b.Fatal(err)
			}
			out, err := os.Create(filepath.Join(dir, fmt.Sprint("copy", n)))
			if err != nil {
				b.Fatal(err)
			}
			if _, err := io.Copy(out, in); err != nil {
				b.Fatal(err)
			}
			if err := out.Sync(); err != nil {
				b.Fatal(err)
			}
			in.Close()
			out.Close()
			os.Remove(out.Name())
		}
	})
	b.Run("upload", func(b *testing.B) {
		b.SetBytes(size)
		for b.Loop() {
			img := upload()
			b.StopTimer()
			if err := s.Delete(b.Context(), nil, img.ID); err != nil {
				b.Fatal(err)
			}
			b.StartTimer()
		}
	})
	img := upload()
	b.Run("download", func(b *testing.B) {
		b.SetBytes(size)
		for b.Loop() {
			r, _, err := s.Data(b.Context(), img.ID)
			if err != nil {
				b.Fatal(err)
			}
			if _, err := io.Copy(struct{ io.Writer }{io.Discard}, r); err != nil {
				b.Fatal(err)
			}
			r.Close()
		}
	})
}

// The reconciler's timer ends with Stop, and Ready says what it thinks of the directory.
func TestStartReadyStop(t *testing.T) {
	s, _ := open(t, t.TempDir(), clock.System)
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.Ready(t.Context()); err != nil {
		t.Errorf("ready: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	if err := s.Stop(ctx); err != nil {
		t.Errorf("stop: %v", err)
	}
}
