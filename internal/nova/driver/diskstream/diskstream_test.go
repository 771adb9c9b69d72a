package diskstream_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"gostack/internal/nova/driver/diskstream"
)

func file(t *testing.T, name string, size int64, at map[int64]string) *os.File {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), name))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	for where, text := range at {
		if _, err := f.WriteAt([]byte(text), where); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Truncate(size); err != nil {
		t.Fatal(err)
	}
	return f
}

func stream(t *testing.T, size int64, at map[int64]string) []byte {
	t.Helper()
	var b bytes.Buffer
	err := errors.Join(diskstream.Write(&b, diskstream.Head{Name: "disk", Size: size}, file(t, "from", size, at)), diskstream.Write(&b, diskstream.Head{Name: "empty"}, file(t, "empty", 0, nil)),
		diskstream.End(&b))
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestHolesStayHoles(t *testing.T) {
	const size = 1 << 30
	raw := stream(t, size, map[int64]string{0: "head", 512 << 20: "middle", size - 4: "tail"})
	if len(raw) > 1<<20 {
		t.Errorf("%d bytes on the wire for three words", len(raw))
	}
	r := bytes.NewReader(raw)
	h, err := diskstream.Next(r)
	if err != nil || h.Name != "disk" || h.Size != size {
		t.Fatalf("%+v %v", h, err)
	}
	to := file(t, "to", 0, nil)
	if err := diskstream.Read(r, h, to); err != nil {
		t.Fatal(err)
	}
	for where, text := range map[int64]string{0: "head", 512 << 20: "middle", size - 4: "tail"} {
		got := make([]byte, len(text))
		if _, err := to.ReadAt(got, where); err != nil || string(got) != text {
			t.Errorf("at %d: %q %v", where, got, err)
		}
	}
	fi, err := to.Stat()
	if err != nil || fi.Size() != size || fi.Sys().(*syscall.Stat_t).Blocks*512 > 4<<20 {
		t.Errorf("%+v %v", fi, err)
	}
	if h, err = diskstream.Next(r); err != nil || h.Name != "empty" {
		t.Fatalf("%+v %v", h, err)
	}
	if err := diskstream.Skip(r, h); err != nil {
		t.Error(err)
	}
	if _, err = diskstream.Next(r); !errors.Is(err, io.EOF) {
		t.Errorf("at the end: %v", err)
	}
}

// read takes a whole stream to nowhere.
func read(raw []byte) error {
	r := bytes.NewReader(raw)
	for {
		h, err := diskstream.Next(r)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := diskstream.Skip(r, h); err != nil {
			return err
		}
	}
}

func TestHalfAStreamIsNotWhole(t *testing.T) {
	raw := stream(t, 8192, map[int64]string{0: "word"})
	if err := read(raw); err != nil {
		t.Fatal(err)
	}
	for n := range raw {
		if err := read(raw[:n]); err == nil {
			t.Fatalf("%d of %d bytes are taken for the whole", n, len(raw))
		}
	}
}

func TestNamesAreFilesOfAServer(t *testing.T) {
	for _, name := range []string{"../disk", "/etc/passwd", ".hidden", "a/b", "DISK"} {
		var b bytes.Buffer
		if err := diskstream.Write(&b, diskstream.Head{Name: name}, file(t, "x", 0, nil)); err != nil {
			t.Fatal(err)
		}
		if _, err := diskstream.Next(&b); err == nil {
			t.Errorf("%q is taken", name)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte{0, 0, 0, 2, '{', '}'})
	f.Add([]byte("\x00\x00\x00\x18{\"name\":\"d\",\"size\":9999}\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01a"))
	f.Fuzz(func(_ *testing.T, raw []byte) { _ = read(raw) })
}
