package imageformat

import (
	"bytes"
	"fmt"
	"strings"
)

// The builders below make the smallest file that each format's reader would accept, and the hostile ones.

const gib = 1 << 30

func qcow2Header(version uint32, change func(h []byte)) []byte {
	h := make([]byte, 64<<10)
	copy(h, "QFI\xfb")
	be.PutUint32(h[4:], version)
	be.PutUint32(h[20:], 16)
	be.PutUint64(h[24:], gib)
	if version == 3 {
		be.PutUint32(h[100:], 104)
	}
	if change != nil {
		change(h)
	}
	return h
}

const goodDescriptor = "# Disk DescriptorFile\nversion=1\nCID=12345678\nparentCID=ffffffff\ncreateType=\"%s\"\n\n# Extent description\nRW 2097152 SPARSE \"disk.vmdk\"\n\n# The Disk Data Base\nddb.virtualHWVersion = \"4\"\n"

func vmdkFile(descriptor string, change func(h []byte)) []byte {
	f := make([]byte, 64<<10)
	copy(f, "KDMV")
	le.PutUint32(f[4:], 1)
	le.PutUint64(f[12:], gib/512)
	le.PutUint64(f[28:], 1)
	le.PutUint64(f[36:], 20)
	copy(f[512:], descriptor)
	if change != nil {
		change(f)
	}
	return f
}

func streamOptimized(change func(footer []byte)) []byte {
	f := vmdkFile(fmt.Sprintf(goodDescriptor, "streamOptimized"), func(h []byte) { le.PutUint64(h[56:], vmdkGDAtEnd) })
	tail := make([]byte, 3*512)
	le.PutUint64(tail, 1)
	le.PutUint32(tail[12:], 3)
	copy(tail[512:], f[:512])
	le.PutUint64(tail[512+56:], 30)
	if change != nil {
		change(tail[512:1024])
	}
	return append(f, tail...)
}

func vhdFooter(kind uint32) []byte {
	f := make([]byte, 512)
	copy(f, "conectix")
	be.PutUint64(f[0x28:], gib)
	be.PutUint32(f[0x3c:], kind)
	return f
}

func vdiFile(kind uint32) []byte {
	f := make([]byte, 4096)
	copy(f, "<<< Oracle VM VirtualBox Disk Image >>>\n")
	le.PutUint32(f[0x40:], 0xbeda107f)
	le.PutUint32(f[0x4c:], kind)
	le.PutUint64(f[0x170:], gib)
	return f
}

func guid(hex string) []byte {
	b := make([]byte, 16)
	if _, err := fmt.Sscanf(hex, "%x", &b); err != nil {
		panic(err)
	}
	return b
}

func vhdxFile(change func(f []byte)) []byte {
	const meta = 2 << 20
	f := make([]byte, meta+vhdxTableSize+64)
	copy(f, "vhdxfile")
	table := f[vhdxRegionTable:]
	copy(table, "regi")
	le.PutUint32(table[8:], 1)
	copy(table[16:], guid(vhdxMetadataRegion))
	le.PutUint64(table[32:], meta)
	copy(f[meta:], "metadata")
	le.PutUint16(f[meta+10:], 2)
	copy(f[meta+32:], guid(vhdxVirtualDiskSize))
	le.PutUint32(f[meta+48:], vhdxTableSize)
	copy(f[meta+64:], guid(vhdxFileParameters))
	le.PutUint32(f[meta+80:], vhdxTableSize+8)
	le.PutUint64(f[meta+vhdxTableSize:], gib)
	if change != nil {
		change(f)
	}
	return f
}

func isoFile() []byte {
	f := make([]byte, 40<<10)
	pvd := f[volumeStart:]
	pvd[0] = 1
	copy(pvd[1:], "CD001")
	le.PutUint32(pvd[80:], 20)
	le.PutUint16(pvd[128:], 2048)
	copy(f[volumeStart+2048+1:], "CD001")
	f[volumeStart+2048] = 255
	return f
}

func mbr(f []byte, kind byte) []byte {
	f[446], f[450] = 0x80, kind
	f[510], f[511] = 0x55, 0xaa
	return f
}

func ploopFile(version uint32) []byte {
	f := make([]byte, 4096)
	copy(f, "WithouFreSpacExt")
	le.PutUint32(f[16:], version)
	le.PutUint64(f[36:], gib/512)
	return f
}

func luksFile(version uint16) []byte {
	f := make([]byte, 2<<20)
	copy(f, "LUKS\xba\xbe")
	be.PutUint16(f[6:], version)
	be.PutUint32(f[104:], 2048)
	return f
}

func pad(s string, n int) []byte { return append([]byte(s), make([]byte, n-len(s))...) }

func raw(n int) []byte { return bytes.Repeat([]byte{0xa5}, n) }

func overlay(base, top []byte, at int) []byte {
	out := append([]byte(nil), base...)
	copy(out[at:], top)
	return out
}

type sample struct {
	name     string
	data     []byte
	declared Format
	refused  string // name of the check, "" when the image is good
	size     int64  // virtual size of a good one
}

// corpus is every sample, good and hostile.
func corpus() []sample {
	vmdk := func(kind string) string { return fmt.Sprintf(goodDescriptor, kind) }
	good := vmdk("monolithicSparse")
	return []sample{
		{"empty", nil, Raw, "", 0},
		{"one byte", []byte{1}, Raw, "", 1},
		{"raw", raw(100000), Raw, "", 100000},
		{"raw kernel", raw(5000), "aki", "", 5000},
		{"raw with mbr", mbr(make([]byte, 4096), 0x83), Raw, "", 4096},
		{"mbr as gpt", mbr(make([]byte, 4096), 0x83), GPT, "", 4096},
		{"gpt", overlay(mbr(make([]byte, 4096), 0xee), []byte("EFI PART"), 512), GPT, "", 4096},
		{"raw is not gpt", raw(5000), GPT, "format_match", 0},

		{"qcow2 v2", qcow2Header(2, nil), QCOW2, "", gib},
		{"qcow2 v3", qcow2Header(3, nil), QCOW2, "", gib},
		{"qcow2 known features", qcow2Header(3, func(h []byte) { h[79] = 0x18 }), QCOW2, "", gib},
		{"qcow2 as raw", qcow2Header(3, nil), Raw, "format_match", 0},
		{"qcow2 as ami", qcow2Header(3, nil), "ami", "format_match", 0},
		{"raw as qcow2", raw(70000), QCOW2, "format_match", 0},
		{"qcow2 backing file", qcow2Header(2, func(h []byte) { be.PutUint64(h[8:], 1024); be.PutUint32(h[16:], 11) }), QCOW2, "backing_file", 0},
		{"qcow2 backing file without length", qcow2Header(3, func(h []byte) { h[15] = 1 }), QCOW2, "backing_file", 0},
		{"qcow2 data file", qcow2Header(3, func(h []byte) { h[79] = 4 }), QCOW2, "data_file", 0},
		{"qcow2 data file name only", qcow2Header(3, func(h []byte) { copy(h[104:], "DATA\x00\x00\x00\x0b/etc/passwd") }), QCOW2, "data_file", 0},
		{"qcow2 data file name second", qcow2Header(3, func(h []byte) {
			be.PutUint32(h[104:], 0x6803f857)
			be.PutUint32(h[108:], 48)
			copy(h[160:], "DATA\x00\x00\x00\x0b/etc/passwd")
		}), QCOW2, "data_file", 0},
		{"qcow2 unknown feature", qcow2Header(3, func(h []byte) { h[79] = 0x20 }), QCOW2, "unknown_features", 0},
		{"qcow2 unknown high feature", qcow2Header(3, func(h []byte) { h[72] = 0x80 }), QCOW2, "unknown_features", 0},
		{"qcow2 version 4", qcow2Header(4, nil), QCOW2, "version", 0},
		{"qcow version 1", qcow2Header(1, nil), QCOW2, "format_match", 0},
		{"qcow2 clusters", qcow2Header(3, func(h []byte) { h[23] = 63 }), QCOW2, "header", 0},
		{"qcow2 header length", qcow2Header(3, func(h []byte) { be.PutUint32(h[100:], 1<<31) }), QCOW2, "header", 0},
		{"qcow2 size", qcow2Header(3, func(h []byte) { h[24] = 0xff }), QCOW2, "virtual_size", 0},
		{"qcow2 cut short", qcow2Header(3, nil)[:90], QCOW2, "header", 0},
		{"qcow2 header only", qcow2Header(3, nil)[:600], QCOW2, "truncated", 0},

		{"vmdk", vmdkFile(good, nil), VMDK, "", gib},
		{"vmdk stream", streamOptimized(nil), VMDK, "", gib},
		{"vmdk stream without footer", streamOptimized(nil)[:64<<10], VMDK, "footer", 0},
		{"vmdk stream other descriptor", streamOptimized(func(f []byte) { f[28] = 9 }), VMDK, "footer", 0},
		{"vmdk flat", vmdkFile(strings.Replace(vmdk("monolithicFlat"), "SPARSE", "FLAT", 1), nil), VMDK, "descriptor", 0},
		{"vmdk flat extent", vmdkFile(strings.Replace(good, "SPARSE", "FLAT", 1), nil), VMDK, "descriptor", 0},
		{"vmdk two extents", vmdkFile(strings.Replace(good, "\n\n# The", "\nRW 1 SPARSE \"b.vmdk\"\n# The", 1), nil), VMDK, "descriptor", 0},
		{"vmdk no extent", vmdkFile(strings.Replace(good, "RW ", "#", 1), nil), VMDK, "descriptor", 0},
		{"vmdk path", vmdkFile(strings.Replace(good, "disk.vmdk", "/etc/passwd", 1), nil), VMDK, "descriptor", 0},
		{"vmdk parent", vmdkFile(strings.Replace(good, "ffffffff", "12345678", 1), nil), VMDK, "descriptor", 0},
		{"vmdk parent name", vmdkFile(good+"parentFileNameHint=\"/etc/passwd\"\n", nil), VMDK, "descriptor", 0},
		{"vmdk device", vmdkFile(vmdk("fullDevice"), nil), VMDK, "descriptor", 0},
		{"vmdk two types", vmdkFile(good+"createType=\"monolithicFlat\"\n", nil), VMDK, "descriptor", 0},
		{"vmdk hidden text", vmdkFile(good+"\x00RW 1 FLAT \"/etc/passwd\" 0\n", nil), VMDK, "descriptor", 0},
		{"vmdk binary", vmdkFile("\x01\x02"+good, nil), VMDK, "descriptor", 0},
		{"vmdk moved descriptor", vmdkFile(good, func(h []byte) { h[28] = 3 }), VMDK, "descriptor", 0},
		{"vmdk huge descriptor", vmdkFile(good, func(h []byte) { h[42] = 1 }), VMDK, "descriptor", 0},
		{"vmdk no descriptor", vmdkFile(good, func(h []byte) { h[36] = 0 }), VMDK, "descriptor", 0},
		{"vmdk cut short", vmdkFile(good, nil)[:2000], VMDK, "descriptor", 0},
		{"vmdk text", []byte(strings.Replace(good, "SPARSE", "FLAT", 1)), VMDK, "descriptor", 0},
		{"vmdk text as raw", []byte(good), Raw, "format_match", 0},
		{"vmdk text behind comments", []byte("# nothing\n\n \nVersion=1\nCID=1\n"), Raw, "format_match", 0},
		{"vmdk esx", pad("COWD", 4096), VMDK, "format_match", 0},

		{"vdi", vdiFile(1), VDI, "", gib},
		{"vdi differencing", vdiFile(4), VDI, "parent", 0},
		{"vdi parent", overlay(vdiFile(1), []byte{1}, 0x1a8), VDI, "parent", 0},
		{"vhd dynamic", append(vhdFooter(3), vhdFooter(3)...), VHD, "", gib},
		{"vhd fixed", append(raw(8192), vhdFooter(2)...), VHD, "", gib},
		{"vhd fixed as raw", append(raw(8192), vhdFooter(2)...), Raw, "", gib},
		{"vhd differencing", append(vhdFooter(4), vhdFooter(4)...), VHD, "parent", 0},
		{"vhd dynamic at the end only", append(raw(8192), vhdFooter(3)...), VHD, "truncated", 0},
		{"vhdx", vhdxFile(nil), VHDX, "", gib},
		{"vhdx parent", vhdxFile(func(f []byte) { f[2<<20+vhdxTableSize+12] = 2 }), VHDX, "parent", 0},
		{"vhdx locator", vhdxFile(func(f []byte) { copy(f[2<<20+64:], guid(vhdxParentLocator)) }), VHDX, "parent", 0},
		{"vhdx backwards", vhdxFile(func(f []byte) { le.PutUint64(f[vhdxRegionTable+32:], 4096) }), VHDX, "header", 0},
		{"vhdx no region table", vhdxFile(nil)[:100000], VHDX, "truncated", 0},
		{"vhdx no metadata", vhdxFile(nil)[:1<<20], VHDX, "truncated", 0},
		{"vhdx many entries", vhdxFile(func(f []byte) { f[vhdxRegionTable+11] = 0xff }), VHDX, "header", 0},
		{"vhdx size", vhdxFile(func(f []byte) { f[2<<20+vhdxTableSize+7] = 0x7f }), VHDX, "virtual_size", 0},

		{"iso", isoFile(), ISO, "", 40 << 10},
		{"iso hybrid", mbr(isoFile(), 0x17), ISO, "", 40 << 10},
		{"iso as raw", isoFile(), Raw, "format_match", 0},
		{"iso and qcow2", overlay(isoFile(), qcow2Header(3, nil)[:512], 0), ISO, "ambiguous", 0},
		{"iso and vmdk as vmdk", overlay(isoFile(), vmdkFile(good, nil)[:2048], 0), VMDK, "ambiguous", 0},
		{"qcow2 and vdi", qcow2Header(2, func(h []byte) { le.PutUint32(h[0x40:], 0xbeda107f) }), QCOW2, "ambiguous", 0},
		{"qcow2 and vhd footer", append(qcow2Header(2, nil), vhdFooter(2)...), QCOW2, "ambiguous", 0},
		{"udf", overlay(overlay(make([]byte, 40<<10), []byte("BEA01"), volumeStart+1), []byte("NSR03"), volumeStart+2049), ISO, "", 40 << 10},

		{"ploop", ploopFile(2), Ploop, "", gib},
		{"ploop version", ploopFile(1), Ploop, "version", 0},
		{"luks", luksFile(1), LUKS, "", 1 << 20},
		{"luks 2", luksFile(2), LUKS, "version", 0},
		{"luks as raw", luksFile(1), Raw, "format_match", 0},
		{"qed", pad("QED\x00", 4096), QED, "banned", 0},
		{"qed as raw", pad("QED\x00", 4096), Raw, "format_match", 0},
		{"bochs", pad("Bochs Virtual HD Image", 4096), Raw, "format_match", 0},
		{"cloop", pad("#!/bin/sh\n#V2.0 Format\nmodprobe cloop", 4096), Raw, "format_match", 0},
		{"dmg", append(raw(4096), pad("koly", 512)...), Raw, "format_match", 0},
	}
}
