package imageformat

import (
	"bytes"
	"encoding/binary"
)

var (
	le = binary.LittleEndian
	be = binary.BigEndian
)

// header looks at the first kilobyte, where most formats sign. A short stream is padded with zeros, so that a
// truncated header is still recognised, and refused, as what it pretends to be.
func (i *Inspector) header(data []byte, full bool) {
	h := make([]byte, headerSize)
	copy(h, data)
	starts := func(magic string) bool { return bytes.HasPrefix(h, []byte(magic)) }

	switch {
	case starts("QFI\xfb"):
		i.qcow(h)
	case starts("KDMV"):
		i.vmdk(h, len(data))
	case starts("conectix"):
		i.vhd(h)
	case starts("vhdxfile"):
		i.vhdx()
	case starts("WithoutFreeSpace"), starts("WithouFreSpacExt"):
		i.ploop(h)
	case starts("LUKS\xba\xbe"):
		i.luks(h)
	case starts("QED\x00"):
		i.ban(QED)
	case starts("COWD"):
		i.ban(COWD)
	case starts("Bochs Virtual HD Image"):
		i.ban(Bochs)
	case starts("#!/bin/sh\n#V2.0 Format\nmodprobe cloop"):
		i.ban(Cloop)
	case isDescriptor(h):
		// A descriptor alone names other files: the way to read the host's (OSSA-2023-002).
		i.found(VMDK, 0)
		i.refuse("descriptor", "a VMDK descriptor that refers to other files is not allowed")
	}
	if le.Uint32(h[0x40:]) == 0xbeda107f { // VDI signs at 64, so it can hide behind another signature
		i.vdi(h)
	}
	i.partitions(h)
	if !full && len(i.report.Formats) > 0 {
		i.refuse("truncated", "the header is cut short")
	}
}

// isDescriptor follows QEMU's probe: comment and blank lines, then a line with "version=" and a number.
func isDescriptor(h []byte) bool {
	h = bytes.TrimRight(h, "\x00")
	for len(h) > 0 {
		line, rest, _ := bytes.Cut(h, []byte("\n"))
		h = rest
		line = bytes.TrimSpace(line)
		if bytes.HasPrefix(bytes.ToLower(line), []byte("# disk descriptorfile")) {
			return true
		}
		if len(line) == 0 || line[0] == '#' {
			continue
		}
		return bytes.HasPrefix(bytes.ToLower(line), []byte("version="))
	}
	return false
}

// partitions notes an MBR or GPT. A boot sector of a file system also ends in 55 AA: it counts only if the four
// entries have a legal boot flag and one of them is in use.
func (i *Inspector) partitions(h []byte) {
	if h[510] != 0x55 || h[511] != 0xaa {
		return
	}
	used, protective := false, false
	for e := 446; e < 510; e += 16 {
		if h[e] != 0 && h[e] != 0x80 {
			return
		}
		if kind := h[e+4]; kind != 0 {
			used = true
			protective = protective || kind == 0xee
		}
	}
	switch {
	case protective && bytes.Equal(h[512:520], []byte("EFI PART")):
		i.report.Partitions = "gpt"
	case used:
		i.report.Partitions = "mbr"
	}
}

// trailer looks at the last bytes of the stream.
func (i *Inspector) trailer(tail []byte) {
	if len(tail) < 512 {
		return
	}
	last := tail[len(tail)-512:]
	switch {
	case bytes.HasPrefix(last, []byte("koly")):
		i.ban(DMG)
	case bytes.HasPrefix(last, []byte("conectix")) && !i.has(VHD):
		i.report.footer = len(i.report.Formats) == 0
		i.found(VHD, be.Uint64(last[0x28:]))
		if be.Uint32(last[0x3c:]) != vhdFixed {
			i.refuse("truncated", "a dynamic VHD needs a copy of its footer at the start")
		}
	}
}

func (i *Inspector) has(f Format) bool {
	for _, found := range i.report.Formats {
		if found == f {
			return true
		}
	}
	return false
}
