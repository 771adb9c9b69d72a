// Package qemuimg runs qemu-img, the one external tool that ever opens disk images, inside a fence.
//
// Every call names the formats (-f, -F, -O): QEMU never guesses (OSSA-2026-002). Files reach the tool as open file
// descriptors and with their backing chain spelled out, so a reference inside an image is never followed. The process
// has another user id when gostack is root, no capabilities, its own network, PID, IPC, UTS and mount namespaces,
// limits on memory, CPU time and file size (OSSA-2016-012), and a deadline.
//
// It does not decide whether an image is safe: package imageformat does, and is asked first.
package qemuimg

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"

	"gostack/internal/imageformat"
)

// Image is a disk image file and, for an overlay, what it stands on. Path is absolute.
type Image struct {
	Path    string
	Format  imageformat.Format
	Backing *Image // nil: none, whatever the file's header says
}

// Info is what qemu-img info says about one file.
type Info struct {
	Format        string `json:"format"`
	VirtualSize   int64  `json:"virtual-size"` // bytes
	ActualSize    int64  `json:"actual-size"`  // bytes on disk
	ClusterSize   int64  `json:"cluster-size"`
	BackingFile   string `json:"backing-filename"` // as written in the header; not opened
	BackingFormat string `json:"backing-filename-format"`
	Encrypted     bool   `json:"encrypted"`
}

// Info reads the header of img. It also works while a guest uses the file.
func (t *Tool) Info(ctx context.Context, img Image) (Info, error) {
	call := t.call("info", "--output=json", "-U")
	defer call.close()
	source, err := call.source(img)
	if err != nil {
		return Info{}, err
	}
	call.args = append(call.args, "-f", source.format, source.name)
	out, err := call.run(ctx)
	if err != nil {
		return Info{}, err
	}
	var info Info
	if err := json.Unmarshal(out, &info); err != nil {
		return Info{}, fmt.Errorf("qemu-img info: cannot read its answer: %w", err)
	}
	return info, nil
}

// Create makes an empty image of size bytes at dst, which must not exist.
func (t *Tool) Create(ctx context.Context, dst string, format imageformat.Format, size int64) error {
	call := t.call("create", "-q")
	defer call.close()
	name, err := call.target(dst)
	if err != nil {
		return err
	}
	qemu, err := qemuName(format)
	if err != nil {
		return err
	}
	call.args = append(call.args, "-f", qemu, name, strconv.FormatInt(size, 10))
	call.length = size
	return call.finish(ctx)
}

// CreateOverlay makes a qcow2 of size bytes at dst that shows base until it is written to. dst must not exist. The
// header names base by its path and format; base is not opened, so its caller has inspected it.
func (t *Tool) CreateOverlay(ctx context.Context, dst string, base Image, size int64) error {
	call := t.call("create", "-q", "-u")
	defer call.close()
	name, err := call.target(dst)
	if err != nil {
		return err
	}
	if err := checkPath(base.Path); err != nil {
		return err
	}
	qemu, err := qemuName(base.Format)
	if err != nil {
		return err
	}
	call.args = append(call.args, "-f", "qcow2", "-F", qemu, "-b", base.Path, name, strconv.FormatInt(size, 10))
	return call.finish(ctx)
}

// Convert copies what src shows (through its stated backing chain) to a new image dst without backing. virtualSize is
// the size of the disk in bytes; it bounds what may be written and how long it may take.
func (t *Tool) Convert(ctx context.Context, src Image, dst string, format imageformat.Format, virtualSize int64, opts ConvertOptions) error {
	call := t.call("convert", "-q")
	defer call.close()
	source, err := call.source(src)
	if err != nil {
		return err
	}
	name, err := call.target(dst)
	if err != nil {
		return err
	}
	qemu, err := qemuName(format)
	if err != nil {
		return err
	}
	if opts.Compress {
		call.args = append(call.args, "-c")
	}
	if opts.Shared {
		call.args = append(call.args, "-U")
	}
	call.args = append(call.args, "-f", source.format, "-O", qemu, source.name, name)
	call.copied, call.length = virtualSize, virtualSize
	return call.finish(ctx)
}

// ConvertOptions change how Convert works.
type ConvertOptions struct {
	Compress bool // compress clusters (qcow2 and streamOptimized only)
	Shared   bool // the source is in use by a guest
}

// Resize changes the virtual size of img to size bytes, in place. Making it smaller needs shrink and loses data.
func (t *Tool) Resize(ctx context.Context, img Image, size int64, shrink bool) error {
	call := t.call("resize", "-q")
	defer call.close()
	if shrink {
		call.args = append(call.args, "--shrink")
	}
	source, err := call.writable(img)
	if err != nil {
		return err
	}
	call.args = append(call.args, "-f", source.format, source.name, strconv.FormatInt(size, 10))
	call.length = size
	return call.finish(ctx)
}

func qemuName(f imageformat.Format) (string, error) {
	name, ok := f.QEMU()
	if !ok {
		return "", fmt.Errorf("qemu-img: format %q is not allowed", f)
	}
	return name, nil
}
