package imageformat

// Incompatible feature bits of qcow2 (QEMU docs/interop/qcow2.txt, bytes 72-79).
const (
	qcowDataFile  = 1 << 2
	qcowKnownBits = 1<<5 - 1 // dirty, corrupt, external data file, compression type, extended L2
)

// Header extension types of qcow2.
const (
	qcowExtEnd      = 0
	qcowExtDataFile = 0x44415441
)

// qcow reads a qcow or qcow2 header: no reference to another file may be in it, and no feature that we do not know,
// because a feature we do not know may be such a reference (OSSA-2015-014, OSSA-2024-001).
func (i *Inspector) qcow(h []byte) {
	version := be.Uint32(h[4:])
	if version == 1 {
		i.ban(QCOW1)
		return
	}
	i.found(QCOW2, be.Uint64(h[24:]))
	if version != 2 && version != 3 {
		i.refuse("version", "unknown qcow2 version")
		return
	}
	if be.Uint64(h[8:]) != 0 || be.Uint32(h[16:]) != 0 {
		i.refuse("backing_file", "the image has a backing file")
	}
	clusterBits := be.Uint32(h[20:])
	if clusterBits < 9 || clusterBits > 21 {
		i.refuse("header", "the cluster size is impossible")
		return
	}
	headerLength := uint32(72)
	if version == 3 {
		features := be.Uint64(h[72:])
		if features&qcowDataFile != 0 {
			i.refuse("data_file", "the image has an external data file")
		}
		if features&^qcowKnownBits != 0 {
			i.refuse("unknown_features", "the image uses features that are not known")
		}
		headerLength = be.Uint32(h[100:])
		if headerLength < 104 || headerLength > 1<<clusterBits {
			i.refuse("header", "the header length is impossible")
			return
		}
	}
	size := min(1<<clusterBits, 64<<10)
	if int(headerLength) >= size {
		return
	}
	i.qcowExtensions(h, int(headerLength), size)
}

// qcowExtensions walks the header extensions for a data file name that no feature bit announces. Those within the first
// kilobyte are looked at: QEMU writes them right behind the header, and ignores the name when the bit is off.
func (i *Inspector) qcowExtensions(h []byte, off, size int) {
	for off+8 <= min(len(h), size) {
		kind, length := be.Uint32(h[off:]), be.Uint32(h[off+4:])
		switch {
		case kind == qcowExtEnd:
			return
		case kind == qcowExtDataFile:
			i.refuse("data_file", "the image names an external data file")
			return
		case length > uint32(size):
			i.refuse("header", "a header extension is too long")
			return
		}
		off += 8 + int(length+7)&^7
	}
}
