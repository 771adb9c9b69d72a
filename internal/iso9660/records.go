package iso9660

import (
	"encoding/binary"
	"fmt"
	"strings"
	"time"
)

// primaryDescriptor is the Primary Volume Descriptor (ECMA-119 8.4).
func primaryDescriptor(label string, root *node, total, tableSize, tableL, tableM uint32, at time.Time) []byte {
	b := append([]byte{1}, "CD001\x01\x00"...)
	b = append(b, text("LINUX", 32)...)
	b = append(b, text(label, 32)...)
	b = append(b, make([]byte, 8)...)
	b = append(b, both(total)...)
	b = append(b, make([]byte, 32)...)
	b = append(b, both16(1)...)
	b = append(b, both16(1)...)
	b = append(b, both16(sectorSize)...)
	b = append(b, both(tableSize)...)
	b = binary.LittleEndian.AppendUint32(b, tableL)
	b = binary.LittleEndian.AppendUint32(b, 0)
	b = binary.BigEndian.AppendUint32(b, tableM)
	b = binary.BigEndian.AppendUint32(b, 0)
	b = append(b, record(root, "\x00", nil, at)...)
	b = append(b, text("", 128*4)...) // volume set, publisher, preparer, application
	b = append(b, text("", 37*3)...)
	stamp := longDate(at)
	b = append(b, stamp...)
	b = append(b, stamp...)
	b = append(b, append([]byte(strings.Repeat("0", 16)), 0)...)
	b = append(b, stamp...)
	b = append(b, 1)
	return padded(b)
}

func text(s string, n int) []byte { return []byte(s + strings.Repeat(" ", n-len(s))) }

func longDate(at time.Time) []byte {
	at = at.UTC()
	return append([]byte(at.Format("20060102150405")+fmt.Sprintf("%02d", at.Nanosecond()/1e7)), 0)
}

// record is a directory record (ECMA-119 9.1) with its system use area.
func record(n *node, id string, system []byte, at time.Time) []byte {
	at = at.UTC()
	flags := byte(0)
	size := n.size
	if n.dir {
		flags = 2
		size = int(sectors(n.size)) * sectorSize
	}
	b := []byte{0, 0}
	b = append(b, both(n.sector)...)
	b = append(b, both(uint32(size))...)
	b = append(b, byte(at.Year()-1900), byte(at.Month()), byte(at.Day()), byte(at.Hour()), byte(at.Minute()), byte(at.Second()), 0)
	b = append(b, flags, 0, 0)
	b = append(b, both16(1)...)
	b = append(b, byte(len(id)))
	b = append(b, id...)
	if len(b)%2 == 1 {
		b = append(b, 0)
	}
	b = append(b, system...)
	if len(b)%2 == 1 {
		b = append(b, 0)
	}
	b[0] = byte(len(b))
	return b
}

// rockRidge is the system use area of a named entry: POSIX attributes (PX) and
// the name (NM).
func rockRidge(n *node, name string) []byte {
	mode, links := uint32(0o100444), uint32(1)
	if n.dir {
		mode, links = 0o040555, 2
	}
	b := []byte{'P', 'X', 36, 1}
	b = append(b, both(mode)...)
	b = append(b, both(links)...)
	b = append(b, both(0)...)
	b = append(b, both(0)...)
	if name != "" {
		b = append(b, 'N', 'M', byte(5+len(name)), 1, 0)
		b = append(b, name...)
	}
	return b
}

// rootMark says that Rock Ridge is in use: SP first, then ER, in the root's "."
// entry only.
func rootMark() []byte {
	const id = "RRIP_1991A"
	b := []byte{'S', 'P', 7, 1, 0xbe, 0xef, 0}
	b = append(b, 'E', 'R', byte(8+len(id)), 1, byte(len(id)), 0, 0, 1)
	return append(b, id...)
}

func directoryRecords(d *node, at time.Time) [][]byte {
	self := rockRidge(d, "")
	if d.parent == d {
		self = append(rootMark(), self...)
	}
	all := [][]byte{record(d, "\x00", self, at), record(d.parent, "\x01", rockRidge(d.parent, ""), at)}
	for _, n := range d.children {
		all = append(all, record(n, n.identifier(), rockRidge(n, n.name), at))
	}
	return all
}

// encodeDirectory is a directory's extent: no record crosses a sector.
func encodeDirectory(d *node, at time.Time) []byte {
	var b []byte
	for _, r := range directoryRecords(d, at) {
		if len(b)%sectorSize+len(r) > sectorSize {
			b = padded(b)
		}
		b = append(b, r...)
	}
	return b
}

func directorySize(d *node) int { return len(encodeDirectory(d, time.Unix(0, 0))) }

// pathTable is encoded for its size only; sectors are not known yet.
func pathTable(dirs []*node) []byte { return encodeTable(dirs, false) }

func encodeTable(dirs []*node, big bool) []byte {
	var order interface {
		AppendUint32([]byte, uint32) []byte
		AppendUint16([]byte, uint16) []byte
	} = binary.LittleEndian
	if big {
		order = binary.BigEndian
	}
	var b []byte
	for _, d := range dirs {
		name := d.name
		if d.parent == d {
			name = "\x00"
		}
		b = append(b, byte(len(name)), 0)
		b = order.AppendUint32(b, d.sector)
		b = order.AppendUint16(b, uint16(d.parent.number))
		b = append(b, name...)
		if len(name)%2 == 1 {
			b = append(b, 0)
		}
	}
	return b
}
