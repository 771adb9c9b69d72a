package imageformat

import (
	"bytes"
	"errors"
	"io"
	"runtime"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestCorpus(t *testing.T) {
	for _, s := range corpus() {
		t.Run(s.name, func(t *testing.T) {
			report, err := Inspect(bytes.NewReader(s.data))
			if err != nil {
				t.Fatal(err)
			}
			err = report.Check(s.declared)
			var refused *RefusedError
			switch {
			case s.refused == "" && err != nil:
				t.Fatalf("refused: %v", err)
			case s.refused == "" && report.VirtualSize != s.size:
				t.Errorf("virtual size %d, want %d", report.VirtualSize, s.size)
			case s.refused != "" && !errors.As(err, &refused):
				t.Fatalf("accepted, want it refused by %s: %+v", s.refused, report)
			case s.refused != "" && refused.Check != s.refused:
				t.Errorf("refused by %s (%v), want %s", refused.Check, err, s.refused)
			}
		})
	}
}

// However the bytes come, the answer is the same.
func TestSameAnswerHoweverRead(t *testing.T) {
	readers := map[string]func(io.Reader) io.Reader{
		"byte by byte": iotest.OneByteReader,
		"halves":       iotest.HalfReader,
		"sevens":       func(r io.Reader) io.Reader { return &limited{r, 7} },
	}
	for _, s := range corpus() {
		want, err := Inspect(bytes.NewReader(s.data))
		if err != nil {
			t.Fatal(err)
		}
		equal := func(how string, got Report) {
			t.Helper()
			if diff := cmp.Diff(want, got, cmp.AllowUnexported(Report{}), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("%s read %s differs (-whole +so):\n%s", s.name, how, diff)
			}
		}
		for how, wrap := range readers {
			got, err := Inspect(wrap(bytes.NewReader(s.data)))
			if err != nil {
				t.Fatal(err)
			}
			equal(how, got)
		}
		got, err := inspectAt(bytes.NewReader(s.data), int64(len(s.data)))
		if err != nil {
			t.Fatal(err)
		}
		equal("by offset", got)
	}
}

type limited struct {
	r io.Reader
	n int
}

func (l *limited) Read(p []byte) (int, error) { return l.r.Read(p[:min(len(p), l.n)]) }

func TestMemoryIsConstant(t *testing.T) {
	chunk := make([]byte, 1<<20)
	copy(chunk, vmdkFile("# Disk DescriptorFile\n", func(h []byte) { le.PutUint64(h[36:], 2047) }))
	i := New()
	measure := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := measure()
	for range 256 {
		_, _ = i.Write(chunk)
	}
	if after := measure(); after > before+4<<20 {
		t.Errorf("heap grew from %d to %d bytes over a stream of 256 MiB", before, after)
	}
	if got := i.Report().Size; got != 256<<20 {
		t.Errorf("size %d", got)
	}
}

// What is refused early is refused in the end, and a wrong format is seen after 64 KiB.
func TestEarly(t *testing.T) {
	for _, s := range corpus() {
		i := New()
		_, _ = i.Write(s.data)
		early := i.Early(s.declared)
		if late := i.Report().Check(s.declared); early != nil && late == nil {
			t.Errorf("%s: refused early (%v) and accepted late", s.name, early)
		}
	}
	i := New()
	_, _ = i.Write(qcow2Header(3, nil))
	if err := i.Early(Raw); err == nil {
		t.Error("a qcow2 declared raw is not seen after its first 64 KiB")
	}
}

func TestReadErrorIsReported(t *testing.T) {
	boom := errors.New("boom")
	if _, err := Inspect(io.MultiReader(bytes.NewReader(raw(10)), iotest.ErrReader(boom))); !errors.Is(err, boom) {
		t.Errorf("got %v", err)
	}
}

// FuzzInspect: nothing panics, the split of the stream never matters, and an image that passes as raw has no signature.
func FuzzInspect(f *testing.F) {
	for _, s := range corpus() {
		if len(s.data) < 70<<10 {
			f.Add(s.data, 100)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte, split int) {
		want, err := Inspect(bytes.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		i := New()
		at := min(max(split, 0), len(data))
		_, _ = i.Write(data[:at])
		_, _ = i.Write(data[at:])
		if diff := cmp.Diff(want, i.Report(), cmp.AllowUnexported(Report{})); diff != "" {
			t.Fatal(diff)
		}
		at2, err := inspectAt(bytes.NewReader(data), int64(len(data)))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, at2, cmp.AllowUnexported(Report{})); diff != "" {
			t.Fatal(diff)
		}
		if want.VirtualSize < 0 {
			t.Fatalf("virtual size %d", want.VirtualSize)
		}
		if want.Check(Raw) == nil && bytes.HasPrefix(data, []byte("QFI\xfb")) {
			t.Fatal("a qcow2 passed as raw")
		}
	})
}

func BenchmarkInspect(b *testing.B) {
	chunk := make([]byte, 1<<20)
	i := New()
	b.SetBytes(int64(len(chunk)))
	for b.Loop() {
		_, _ = i.Write(chunk)
	}
}
