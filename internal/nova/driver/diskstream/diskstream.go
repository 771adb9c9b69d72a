// Package diskstream carries files with holes through a stream: the disks of a server on their way to another host.
//
// A stream is a list of files, each a head in JSON and then its data as pieces with their place, and an end mark. What comes from another host is not
// trusted: names, sizes and places are checked before anything is written.
package diskstream

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"

	"golang.org/x/sys/unix"
)

// Head describes a file.
type Head struct {
	Name string `json:"name"` // "" is the end of the stream
	Size int64  `json:"size"`
	// Alone says that a disk stands on nothing else.
	Alone bool `json:"alone,omitempty"`
}

const (
	maxHead  = 4 << 10
	maxPiece = 1 << 20
	endMark  = ^uint64(0)
)

var names = regexp.MustCompile(`^[a-z0-9][a-z0-9.]{0,30}$`)

// Write sends a file without its holes.
func Write(w io.Writer, h Head, f *os.File) error {
	if err := writeHead(w, h); err != nil {
		return err
	}
	buf := make([]byte, maxPiece)
	for at := int64(0); at < h.Size; {
		start, err := unix.Seek(int(f.Fd()), at, unix.SEEK_DATA)
		if errors.Is(err, unix.ENXIO) {
			break // a hole up to the end
		}
		if err != nil {
			return fmt.Errorf("%s: %w", h.Name, err)
		}
		end, err := unix.Seek(int(f.Fd()), start, unix.SEEK_HOLE)
		if err != nil {
			return fmt.Errorf("%s: %w", h.Name, err)
		}
		for at = start; at < min(end, h.Size); {
			n, err := f.ReadAt(buf[:min(maxPiece, min(end, h.Size)-at)], at)
			if err != nil && !(errors.Is(err, io.EOF) && n > 0) {
				return fmt.Errorf("%s: %w", h.Name, err)
			}
			if err := piece(w, uint64(at), buf[:n]); err != nil {
				return err
			}
			at += int64(n)
		}
	}
	return piece(w, endMark, nil)
}

// End ends a stream; without it the reader does not take it for whole.
func End(w io.Writer) error { return writeHead(w, Head{}) }

func writeHead(w io.Writer, h Head) error {
	text, err := json.Marshal(h)
	if err != nil {
		return err
	}
	_, err = w.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(text))), text...))
	return err
}

func piece(w io.Writer, at uint64, data []byte) error {
	if _, err := w.Write(binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint64(nil, at), uint32(len(data)))); err != nil {
		return err
	}
	_, err := w.Write(data)
	return err
}

// Next reads the next file's head; io.EOF at the end of a whole stream.
func Next(r io.Reader) (Head, error) {
	var h Head
	var size [4]byte
	if _, err := io.ReadFull(r, size[:]); err != nil {
		return h, unexpected(err)
	}
	n := binary.BigEndian.Uint32(size[:])
	if n > maxHead {
		return h, fmt.Errorf("a head of %d bytes", n)
	}
	text := make([]byte, n)
	if _, err := io.ReadFull(r, text); err != nil {
		return h, unexpected(err)
	}
	if err := json.Unmarshal(text, &h); err != nil {
		return h, fmt.Errorf("head: %w", err)
	}
	if h.Name == "" {
		return h, io.EOF
	}
	if !names.MatchString(h.Name) || h.Size < 0 {
		return h, fmt.Errorf("%q of %d bytes is no file of a server", h.Name, h.Size)
	}
	return h, nil
}

// Read writes the data of the file whose head was read last.
func Read(r io.Reader, h Head, f *os.File) error {
	if err := f.Truncate(h.Size); err != nil {
		return err
	}
	return pieces(r, h, func(at int64, data []byte) error {
		_, err := f.WriteAt(data, at)
		return err
	})
}

// Skip passes over the data of the file whose head was read last.
func Skip(r io.Reader, h Head) error { return pieces(r, h, func(int64, []byte) error { return nil }) }

func pieces(r io.Reader, h Head, take func(at int64, data []byte) error) error {
	buf := make([]byte, maxPiece)
	var head [12]byte
	for {
		if _, err := io.ReadFull(r, head[:]); err != nil {
			return fmt.Errorf("%s: %w", h.Name, unexpected(err))
		}
		at, n := binary.BigEndian.Uint64(head[:8]), binary.BigEndian.Uint32(head[8:])
		if at == endMark && n == 0 {
			return nil
		}
		if n == 0 || n > maxPiece || at > uint64(h.Size) || uint64(h.Size)-at < uint64(n) {
			return fmt.Errorf("%s: %d bytes at %d do not fit into %d", h.Name, n, at, h.Size)
		}
		if _, err := io.ReadFull(r, buf[:n]); err != nil {
			return fmt.Errorf("%s: %w", h.Name, unexpected(err))
		}
		if err := take(int64(at), buf[:n]); err != nil {
			return err
		}
	}
}

// unexpected makes an end in the middle an error that is not taken for the end of the stream.
func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
