package imageformat

// Disk types in a VHD footer.
const (
	vhdFixed   = 2
	vhdDynamic = 3
)

// vhd reads the copy of the footer that a dynamic or differencing VHD has at its start.
func (i *Inspector) vhd(h []byte) {
	i.found(VHD, be.Uint64(h[0x28:]))
	switch be.Uint32(h[0x3c:]) {
	case vhdFixed, vhdDynamic:
	default:
		i.refuse("parent", "a VHD that depends on another file is not allowed")
	}
}

// vdi reads a VirtualBox header. Types are 1 dynamic, 2 fixed, 3 undo, 4 differencing.
func (i *Inspector) vdi(h []byte) {
	i.found(VDI, le.Uint64(h[0x170:]))
	if kind := le.Uint32(h[0x4c:]); kind != 1 && kind != 2 {
		i.refuse("parent", "a VDI that depends on another image is not allowed")
	}
	if le.Uint64(h[0x1a8:])|le.Uint64(h[0x1b0:]) != 0 {
		i.refuse("parent", "the VDI has a parent image")
	}
}

// ploop reads a Parallels header, whose size field is 32 bits wide in the older version.
func (i *Inspector) ploop(h []byte) {
	sectors := le.Uint64(h[36:])
	if string(h[:16]) == "WithoutFreeSpace" {
		sectors &= 1<<32 - 1
	}
	i.found(Ploop, min(sectors, 1<<55)*512)
	if le.Uint32(h[16:]) != 2 {
		i.refuse("version", "unknown ploop version")
	}
}

// luks notes an encrypted volume; QEMU opens version 1 only. The size inside is what follows the header.
func (i *Inspector) luks(h []byte) {
	i.found(LUKS, 0)
	if be.Uint16(h[6:]) != 1 {
		i.refuse("version", "only LUKS version 1 is known")
		return
	}
	payload := int64(be.Uint32(h[104:])) * 512
	i.ends = append(i.ends, func(i *Inspector, _ []byte) {
		if i.report.Formats[0] == LUKS {
			i.report.VirtualSize = max(0, i.pos-payload)
		}
	})
}
