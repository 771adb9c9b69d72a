package imageformat

// Format names a disk format as the image API's disk_format does; formats the API does not know have QEMU's name.
type Format string

// The formats told apart. Raw is everything that is none of the others, with or without a partition table.
const (
	Raw   Format = "raw"
	QCOW2 Format = "qcow2"
	VMDK  Format = "vmdk"
	VDI   Format = "vdi"
	VHD   Format = "vhd"
	VHDX  Format = "vhdx"
	ISO   Format = "iso"
	Ploop Format = "ploop"
	LUKS  Format = "luks"
	GPT   Format = "gpt"

	// Known only in order to be refused.
	QCOW1 Format = "qcow"
	QED   Format = "qed"
	COWD  Format = "vmdk-cowd"
	Bochs Format = "bochs"
	Cloop Format = "cloop"
	DMG   Format = "dmg"
)

// QEMU returns the name to give to qemu-img's -f for a file of this format, and whether QEMU may open it at all.
func (f Format) QEMU() (string, bool) {
	switch f {
	case Raw, ISO, GPT, "ami", "ari", "aki":
		return "raw", true
	case QCOW2, VMDK, VDI, VHDX:
		return string(f), true
	case VHD:
		return "vpc", true
	case Ploop:
		return "parallels", true
	}
	return "", false
}

// A Problem is one reason why an image must not be used. Detail is safe to show to the tenant who sent the image.
type Problem struct {
	Check  string // stable name of the check: backing_file, data_file, descriptor, banned, truncated, …
	Detail string
}

// Report is what an Inspector learned.
type Report struct {
	Size        int64    // bytes seen
	Formats     []Format // every format whose signature is there, most specific first; never Raw; empty means raw
	VirtualSize int64    // bytes of the disk inside; Size for raw
	Partitions  string   // "", "mbr" or "gpt": a partition table at the start, of a raw or hybrid image
	Problems    []Problem

	footer bool // the only VHD sign is a footer at the end, so the body is also a plain raw disk
}

// Format returns the single detected format: Raw when no signature matched. When several did, it is the first;
// Check refuses those.
func (r Report) Format() Format {
	if len(r.Formats) == 0 {
		return Raw
	}
	return r.Formats[0]
}

// A RefusedError says why an image was refused. Its text is safe to show to the tenant.
type RefusedError struct {
	Check  string // name of the check that failed; format_match and ambiguous besides those of Problem
	Detail string
}

func (e *RefusedError) Error() string { return e.Detail }

// Check returns nil when the image is what declared says it is and is safe to hand to QEMU as that, else a *RefusedError.
// The kernel, ramdisk and root formats aki, ari and ami stand for raw data.
func (r Report) Check(declared Format) error {
	formats := r.Formats
	if r.footer && declared != VHD {
		formats = nil // a fixed VHD read as raw is its disk and 512 bytes more
	}
	detected := Raw
	switch len(formats) {
	case 0:
	case 1:
		detected = formats[0]
	default:
		return &RefusedError{"ambiguous", "Image content matches more than one format: " + join(formats)}
	}
	if !matches(declared, detected, r.Partitions) {
		return &RefusedError{"format_match", "Image content does not match disk_format: declared " + string(declared) + ", content is " + string(detected)}
	}
	for _, p := range r.Problems {
		return &RefusedError{p.Check, "Image is not safe to use: " + p.Detail}
	}
	return nil
}

func matches(declared, detected Format, partitions string) bool {
	switch declared {
	case GPT:
		return detected == Raw && partitions != ""
	case "ami", "ari", "aki":
		return detected == Raw
	}
	return declared == detected
}

func join(formats []Format) string {
	s := ""
	for i, f := range formats {
		if i > 0 {
			s += ", "
		}
		s += string(f)
	}
	return s
}
