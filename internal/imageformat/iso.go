package imageformat

// volume looks at the volume descriptors of ISO 9660 (ECMA-119 8) and UDF (ECMA-167 2/9), which share their place. A
// primary descriptor states the size; any standard identifier among the first sixteen makes it an optical image.
func (i *Inspector) volume(data []byte, _ bool) {
	iso := false
	var size uint64
	for off := 0; off+2048 <= len(data); off += 2048 {
		sector := data[off:][:2048]
		id := string(sector[1:6])
		switch id {
		case "CD001", "NSR02", "NSR03":
			iso = true
		case "BEA01", "TEA01", "BOOT2", "CDW02":
			continue
		default:
			off = len(data) // the sequence ends at the first sector that is none of them
			continue
		}
		if id == "CD001" && sector[0] == 1 && size == 0 {
			size = uint64(le.Uint32(sector[80:])) * uint64(le.Uint16(sector[128:]))
		}
	}
	if !iso {
		return
	}
	i.found(ISO, size)
	if size == 0 && i.report.Formats[0] == ISO {
		i.ends = append(i.ends, func(i *Inspector, _ []byte) { i.report.VirtualSize = i.pos })
	}
}
