package imageformat

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
)

// vmdkGDAtEnd in the grain directory field says that a footer at the end of the file replaces the header: every
// streamOptimized image that was written in one pass has it.
const vmdkGDAtEnd = 1<<64 - 1

// vmdk reads a sparse extent header and asks for the descriptor that is embedded behind it.
func (i *Inspector) vmdk(h []byte, known int) {
	version, capacity := le.Uint32(h[4:]), le.Uint64(h[12:])
	descOffset, descSize := le.Uint64(h[28:]), le.Uint64(h[36:])
	gdOffset := le.Uint64(h[56:])
	if capacity > 1<<53 {
		capacity = 1 << 54 // refused by found
	}
	i.found(VMDK, capacity*512)
	if version < 1 || version > 3 {
		i.refuse("version", "unknown VMDK version")
		return
	}
	if descOffset != 1 || descSize == 0 || descSize*512 > maxWindow {
		// QEMU reads an embedded descriptor at byte 512 whatever the header says; anything else is a trick.
		i.refuse("descriptor", "the VMDK descriptor is not where it must be")
		return
	}
	i.keepOn(512, h[min(512, known):known], int(descSize*512), (*Inspector).vmdkDescriptor)
	if gdOffset == vmdkGDAtEnd {
		head := append([]byte(nil), h[:512]...)
		i.ends = append(i.ends, func(i *Inspector, tail []byte) { i.vmdkFooter(head, tail) })
	}
}

// vmdkFooter checks that the footer, which QEMU believes more than the header, says the same: only the place of the
// grain directory may differ. It is the sector before the end-of-stream marker, behind a marker of its own.
func (i *Inspector) vmdkFooter(head, tail []byte) {
	if len(tail) < tailSize || le.Uint64(tail) != 1 || le.Uint32(tail[8:]) != 0 || le.Uint32(tail[12:]) != 3 {
		i.refuse("footer", "the VMDK footer is missing")
		return
	}
	footer := tail[512:1024]
	if !bytes.Equal(footer[:56], head[:56]) || !bytes.Equal(footer[64:], head[64:]) {
		i.refuse("footer", "the VMDK footer does not agree with the header")
	}
	if le.Uint64(footer[56:]) == vmdkGDAtEnd {
		i.refuse("footer", "the VMDK footer points to itself")
	}
}

var (
	vmdkHeaderField = regexp.MustCompile(`^[a-z0-9_.]+\s*=`)
	vmdkExtent      = regexp.MustCompile(`^(rw|rdonly|noaccess) [0-9]+ (\S+) "([^"/\\:]*)"( [0-9]+)?$`)
)

// vmdkDescriptor reads the text that says how the disk is laid out. Every line must be one that we understand; the one
// extent must be this very file (OSSA-2023-002).
func (i *Inspector) vmdkDescriptor(data []byte, full bool) {
	if err := checkDescriptor(data, full); err != nil {
		i.refuse("descriptor", err.Error())
	}
}

func checkDescriptor(data []byte, full bool) error {
	if !full {
		return fmt.Errorf("the VMDK descriptor is cut short")
	}
	if n := bytes.IndexByte(data, 0); n >= 0 {
		if len(bytes.Trim(data[n:], "\x00")) > 0 {
			return fmt.Errorf("the VMDK descriptor has data behind its end")
		}
		data = data[:n]
	}
	for _, c := range data {
		if c >= 0x80 || c < ' ' && c != '\n' && c != '\r' && c != '\t' {
			return fmt.Errorf("the VMDK descriptor is not text")
		}
	}
	createType, extents := "", 0
	for _, line := range strings.Split(strings.ToLower(string(data)), "\n") {
		line = strings.TrimSpace(line)
		switch {
		case line == "" || line[0] == '#':
		case vmdkHeaderField.MatchString(line):
			name, value, _ := strings.Cut(line, "=")
			name, value = strings.TrimSpace(name), strings.Trim(strings.TrimSpace(value), `"`)
			switch name {
			case "createtype":
				if createType != "" {
					return fmt.Errorf("the VMDK descriptor states its type twice")
				}
				createType = value
			case "parentcid":
				if value != "ffffffff" {
					return fmt.Errorf("the VMDK has a parent image")
				}
			case "parentfilenamehint", "changetrackpath":
				return fmt.Errorf("the VMDK descriptor refers to another file")
			}
		default:
			extent := vmdkExtent.FindStringSubmatch(line)
			if extent == nil || extent[2] != "sparse" {
				return fmt.Errorf("the VMDK descriptor has a line that is not allowed")
			}
			extents++
		}
	}
	if createType != "monolithicsparse" && createType != "streamoptimized" {
		return fmt.Errorf("only VMDK types monolithicSparse and streamOptimized are allowed")
	}
	if extents != 1 {
		return fmt.Errorf("the VMDK must have exactly one extent")
	}
	return nil
}
