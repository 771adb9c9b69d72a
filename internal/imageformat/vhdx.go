package imageformat

import "encoding/hex"

// Places and names in a VHDX (MS-VHDX 2.2 and 2.6).
const (
	vhdxRegionTable = 192 << 10
	vhdxTableSize   = 64 << 10
	vhdxMaxEntries  = 2047

	vhdxMetadataRegion  = "06a27c8b90479a4bb8fe575f050f886e"
	vhdxVirtualDiskSize = "2442a52f1bcd7648b2115dbed83bf4b8"
	vhdxFileParameters  = "3767a1ca36fa434db3b633f0aa44e76b"
	vhdxParentLocator   = "2d5fd3a80bb34d45abf7d3d84834ab0c"
)

// vhdx follows region table → metadata table → virtual disk size through the stream. The tables may stand anywhere behind
// the one that points to them; a pointer backwards cannot be followed in a stream and is refused.
func (i *Inspector) vhdx() {
	i.found(VHDX, 0)
	i.keep(vhdxRegionTable, vhdxTableSize, (*Inspector).vhdxRegions)
}

func (i *Inspector) vhdxRegions(data []byte, full bool) {
	if !full || string(data[:4]) != "regi" {
		i.refuse("truncated", "the VHDX has no region table")
		return
	}
	count := le.Uint32(data[8:])
	if count > vhdxMaxEntries {
		i.refuse("header", "the VHDX region table is too long")
		return
	}
	for n := range int(count) {
		entry := data[16+32*n:][:32]
		if hex.EncodeToString(entry[:16]) != vhdxMetadataRegion {
			continue
		}
		off := le.Uint64(entry[16:])
		if off < vhdxRegionTable+vhdxTableSize || off > 1<<40 {
			i.refuse("header", "the VHDX metadata is in an impossible place")
			return
		}
		i.keep(int64(off), vhdxTableSize, func(i *Inspector, data []byte, full bool) { i.vhdxMetadata(int64(off), data, full) })
		return
	}
	i.refuse("header", "the VHDX has no metadata region")
}

func (i *Inspector) vhdxMetadata(base int64, data []byte, full bool) {
	if !full || string(data[:8]) != "metadata" {
		i.refuse("truncated", "the VHDX has no metadata table")
		return
	}
	count := le.Uint16(data[10:])
	if count > vhdxMaxEntries {
		i.refuse("header", "the VHDX metadata table is too long")
		return
	}
	sized := false
	for n := range int(count) {
		entry := data[32+32*n:][:32]
		off := int64(le.Uint32(entry[16:]))
		switch hex.EncodeToString(entry[:16]) {
		case vhdxParentLocator:
			i.refuse("parent", "the VHDX has a parent image")
		case vhdxFileParameters:
			i.item(base, off, 8, func(i *Inspector, item []byte) {
				if le.Uint32(item[4:])&2 != 0 {
					i.refuse("parent", "the VHDX has a parent image")
				}
			})
		case vhdxVirtualDiskSize:
			sized = true
			i.item(base, off, 8, func(i *Inspector, item []byte) {
				size := le.Uint64(item)
				if size > 64<<40 { // MS-VHDX 2.6.2.2: at most 64 TiB
					i.refuse("virtual_size", "the virtual size is impossible")
				} else if i.report.Formats[0] == VHDX {
					i.report.VirtualSize = int64(size)
				}
			})
		}
	}
	if !sized {
		i.refuse("virtual_size", "the VHDX states no virtual size")
	}
}

// item asks for a metadata item. MS-VHDX 2.6.1.2: its offset is at least 64 KiB, behind the table.
func (i *Inspector) item(base, off int64, size int, then func(i *Inspector, item []byte)) {
	if off < vhdxTableSize {
		i.refuse("header", "a VHDX metadata item is in an impossible place")
		return
	}
	i.keep(base+off, size, func(i *Inspector, data []byte, full bool) {
		if !full {
			i.refuse("truncated", "a VHDX metadata item is missing")
			return
		}
		then(i, data)
	})
}
