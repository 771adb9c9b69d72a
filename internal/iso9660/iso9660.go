// Package iso9660 writes small ISO 9660 images with Rock Ridge names, as a
// config drive needs them.
//
// Names are kept as given, also where ECMA-119 level 1 would not have them
// (lower case, hyphens, as in "2012-08-10"): every reader of today accepts
// that, and Rock Ridge gives the same names to those that look there.
//
// Sources: ECMA-119 4th edition; System Use Sharing Protocol and Rock Ridge
// Interchange Protocol, IEEE P1281 and P1282 version 1.
package iso9660

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"time"
)

const sectorSize = 2048

// File is one file of an image; Path is slash-separated and relative.
type File struct {
	Path string
	Data []byte
}

// Write writes an image with the given volume label (at most 32 characters)
// and files. Parent directories come by themselves. The whole is at most 4 GiB
// and no name longer than 31 characters.
func Write(w io.Writer, label string, files []File, at time.Time) error {
	root, err := tree(files)
	if err != nil {
		return err
	}
	if len(label) > 32 {
		return fmt.Errorf("volume label %q is longer than 32 characters", label)
	}
	dirs := breadthFirst(root)
	table := pathTable(dirs)
	tableSectors := sectors(len(table))
	next := uint32(18)
	tableL, tableM := next, next+tableSectors
	next += 2 * tableSectors
	for _, d := range dirs {
		d.size = directorySize(d)
		d.sector, next = next, next+sectors(d.size)
	}
	for _, d := range dirs {
		for _, n := range d.children {
			if !n.dir {
				n.size = len(n.data)
				n.sector, next = next, next+sectors(n.size)
			}
		}
	}

	var image bytes.Buffer
	image.Write(make([]byte, 16*sectorSize))
	image.Write(primaryDescriptor(label, root, next, uint32(len(table)), tableL, tableM, at))
	image.Write(padded(append([]byte{255}, "CD001\x01"...)))
	for _, big := range []bool{false, true} {
		image.Write(padded(encodeTable(dirs, big)))
	}
	for _, d := range dirs {
		image.Write(padded(encodeDirectory(d, at)))
	}
	for _, d := range dirs {
		for _, n := range d.children {
			if !n.dir {
				image.Write(padded(n.data))
			}
		}
	}
	_, err = w.Write(image.Bytes())
	return err
}

// node is a directory or a file with its place in the image.
type node struct {
	name     string
	dir      bool
	data     []byte
	children []*node
	parent   *node
	number   int // in the path table, from 1
	sector   uint32
	size     int
}

func tree(files []File) (*node, error) {
	root := &node{dir: true}
	root.parent = root
	for _, f := range files {
		clean := path.Clean("/" + f.Path)[1:]
		if clean == "" || clean != f.Path {
			return nil, fmt.Errorf("bad path %q", f.Path)
		}
		at := root
		parts := strings.Split(clean, "/")
		for i, name := range parts {
			if len(name) > 31 || strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == ';' }) {
				return nil, fmt.Errorf("bad name %q", name)
			}
			leaf := i == len(parts)-1
			j := slices.IndexFunc(at.children, func(n *node) bool { return n.name == name })
			switch {
			case j < 0:
				n := &node{name: name, dir: !leaf, parent: at}
				at.children = append(at.children, n)
				at = n
			case leaf || !at.children[j].dir:
				return nil, fmt.Errorf("%q is there twice", f.Path)
			default:
				at = at.children[j]
			}
		}
		at.data = f.Data
	}
	return root, nil
}

// breadthFirst answers the directories in the path table's order and numbers
// them (ECMA-119 6.9.1), with children sorted by identifier.
func breadthFirst(root *node) []*node {
	all := []*node{root}
	for i := 0; i < len(all); i++ {
		d := all[i]
		d.number = i + 1
		slices.SortFunc(d.children, func(a, b *node) int { return cmp.Compare(a.identifier(), b.identifier()) })
		for _, n := range d.children {
			if n.dir {
				all = append(all, n)
			}
		}
	}
	return all
}

func (n *node) identifier() string {
	if n.dir {
		return n.name
	}
	if !strings.Contains(n.name, ".") {
		return n.name + ".;1"
	}
	return n.name + ";1"
}

func sectors(bytes int) uint32 { return uint32((bytes + sectorSize - 1) / sectorSize) }

func padded(b []byte) []byte {
	return append(b, make([]byte, int(sectors(len(b)))*sectorSize-len(b))...)
}

// both is a 32 bit number in both byte orders (ECMA-119 7.3.3).
func both(v uint32) []byte {
	b := binary.LittleEndian.AppendUint32(nil, v)
	return binary.BigEndian.AppendUint32(b, v)
}

func both16(v uint16) []byte {
	b := binary.LittleEndian.AppendUint16(nil, v)
	return binary.BigEndian.AppendUint16(b, v)
}
