package imageformat

import (
	"io"
	"os"
)

// Offsets and sizes of the windows that are kept, in bytes.
const (
	headerSize  = 1024      // every signature at the start of a file, the MBR and the GPT header
	volumeStart = 32 << 10  // ECMA-119 6.2.1: the system area is 16 sectors of 2048
	volumeSize  = 32 << 10  // 16 volume descriptors
	tailSize    = 3 * 512   // VMDK footer with its two markers; VHD and DMG keep theirs in the last 512
	maxWindow   = 1<<20 - 1 // longest VMDK descriptor that QEMU reads
)

// A window is a region of the stream that is kept. then runs once, when the window is full or the stream has ended.
type window struct {
	off  int64
	data []byte // grows to want
	want int
	then func(i *Inspector, data []byte, full bool)
	done bool
}

// Inspector looks at a stream written to it. The zero value is not usable; see New. It is not safe for concurrent use.
type Inspector struct {
	pos     int64
	windows []*window
	tail    [tailSize]byte // the last bytes, right aligned
	tailLen int
	closed  bool

	report  Report
	problem map[Problem]bool
	ends    []func(i *Inspector, tail []byte) // checks that need the end of the stream
}

// New returns an Inspector at the start of a stream.
func New() *Inspector {
	i := &Inspector{problem: map[Problem]bool{}}
	i.keep(0, headerSize, (*Inspector).header)
	i.keep(volumeStart, volumeSize, (*Inspector).volume)
	return i
}

// Write takes the next bytes of the stream. It never fails: judgement is Report's.
func (i *Inspector) Write(p []byte) (int, error) {
	n := len(p)
	i.keepTail(p)
	for len(p) > 0 {
		step := i.step(len(p))
		i.feed(p[:step])
		p = p[step:]
	}
	return n, nil
}

// Early returns what is sure to make Report refuse the stream as declared, as soon as it is: nil says nothing.
func (i *Inspector) Early(declared Format) error {
	for _, w := range i.windows[:2] { // the header and the volume descriptors
		if !w.done {
			return nil
		}
	}
	if len(i.report.Formats) == 0 {
		return nil
	}
	return i.report.Check(declared)
}

// Report ends the inspection and returns what was learned. Later writes do not change it.
func (i *Inspector) Report() Report {
	if i.closed {
		return i.report
	}
	i.closed = true
	for n := 0; n < len(i.windows); n++ { // a window's then may add windows
		if w := i.windows[n]; !w.done {
			w.done = true
			w.then(i, w.data, false)
		}
	}
	i.report.Size = i.pos
	tail := i.tail[tailSize-i.tailLen:]
	for _, check := range i.ends {
		check(i, tail)
	}
	i.trailer(tail)
	if len(i.report.Formats) == 0 {
		i.report.VirtualSize = i.pos
	}
	return i.report
}

// step returns how many of the next n bytes can be fed before a window fills, so that windows found by parsing one
// can begin at the very next byte.
func (i *Inspector) step(n int) int {
	for _, w := range i.windows {
		if w.done {
			continue
		}
		if left := w.off + int64(w.want) - i.pos; left > 0 && left < int64(n) {
			n = int(left)
		}
	}
	return n
}

func (i *Inspector) feed(p []byte) {
	start, end := i.pos, i.pos+int64(len(p))
	i.pos = end
	if i.closed {
		return
	}
	for n := 0; n < len(i.windows); n++ {
		w := i.windows[n]
		if w.done {
			continue
		}
		from := w.off + int64(len(w.data))
		if from < start || from >= end {
			continue
		}
		part := p[from-start:]
		if room := w.want - len(w.data); len(part) > room {
			part = part[:room]
		}
		w.data = append(w.data, part...)
		if len(w.data) == w.want {
			w.done = true
			w.then(i, w.data, true)
			w.data = nil
		}
	}
}

// keep asks for size bytes from offset off. A region that has already passed cannot be kept: then gets nothing.
func (i *Inspector) keep(off int64, size int, then func(i *Inspector, data []byte, full bool)) {
	i.windows = append(i.windows, &window{off: off, want: size, then: then})
}

// keepOn is keep for a region whose first bytes are known already.
func (i *Inspector) keepOn(off int64, known []byte, size int, then func(i *Inspector, data []byte, full bool)) {
	w := &window{off: off, data: append([]byte(nil), known[:min(size, len(known))]...), want: size, then: then}
	i.windows = append(i.windows, w)
	if len(w.data) == size {
		w.done = true
		then(i, w.data, true)
	}
}

func (i *Inspector) keepTail(p []byte) {
	if i.closed {
		return
	}
	if len(p) >= tailSize {
		copy(i.tail[:], p[len(p)-tailSize:])
		i.tailLen = tailSize
		return
	}
	copy(i.tail[:], i.tail[len(p):])
	copy(i.tail[tailSize-len(p):], p)
	i.tailLen = min(i.tailLen+len(p), tailSize)
}

func (i *Inspector) found(f Format, virtualSize uint64) {
	i.report.Formats = append(i.report.Formats, f)
	if virtualSize > 1<<62 {
		i.refuse("virtual_size", "the virtual size is impossible")
		virtualSize = 0
	}
	if len(i.report.Formats) == 1 {
		i.report.VirtualSize = int64(virtualSize)
	}
}

func (i *Inspector) refuse(check, detail string) {
	p := Problem{check, detail}
	if !i.problem[p] {
		i.problem[p] = true
		i.report.Problems = append(i.report.Problems, p)
	}
}

func (i *Inspector) ban(f Format) {
	i.found(f, 0)
	i.refuse("banned", "format "+string(f)+" is not allowed")
}

// Inspect reads r to its end.
func Inspect(r io.Reader) (Report, error) {
	i := New()
	if _, err := io.CopyBuffer(struct{ io.Writer }{i}, struct{ io.Reader }{r}, make([]byte, 256<<10)); err != nil {
		return Report{}, err
	}
	return i.Report(), nil
}

// InspectFile inspects the file at path, reading only the regions that decide.
func InspectFile(path string) (Report, error) {
	f, err := os.Open(path)
	if err != nil {
		return Report{}, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return Report{}, err
	}
	return inspectAt(f, info.Size())
}

func inspectAt(r io.ReaderAt, size int64) (Report, error) {
	i := New()
	for {
		w := i.next(size)
		if w == nil {
			break
		}
		i.pos = w.off + int64(len(w.data))
		if _, err := io.Copy(i, io.NewSectionReader(r, i.pos, min(w.off+int64(w.want), size)-i.pos)); err != nil {
			return Report{}, err
		}
		if !w.done { // the file ends inside it
			w.done = true
			w.then(i, w.data, false)
		}
	}
	i.tailLen = 0
	if i.pos = max(0, size-tailSize); i.pos < size {
		if _, err := io.Copy(i, io.NewSectionReader(r, i.pos, size-i.pos)); err != nil {
			return Report{}, err
		}
	}
	i.pos = size
	return i.Report(), nil
}

// next returns a window that begins inside the file and is still wanted.
func (i *Inspector) next(size int64) *window {
	for _, w := range i.windows {
		if !w.done && w.off+int64(len(w.data)) < size {
			return w
		}
	}
	return nil
}
