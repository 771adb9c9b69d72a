package libvirt

import (
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"gostack/internal/engine/qemuimg"
	"gostack/internal/imageformat"
	"gostack/internal/nova/driver"
)

// baseAge is how long an unused image stays in the cache (upstream's
// remove_unused_original_minimum_age_seconds).
const baseAge = 24 * time.Hour

func (d *Driver) baseDir() string { return filepath.Join(d.Dir, "_base") }

// basePath is where an image is kept: always raw, so that no header in it can
// mean anything. An image's data never changes, so its id is key enough.
func (d *Driver) basePath(imageID string) string { return filepath.Join(d.baseDir(), imageID) }

// EnsureImage brings an image into the cache. The content is hashed and
// inspected while it is copied, converted to raw, and appears under its name
// only when all of it is on the disk.
func (d *Driver) EnsureImage(ctx context.Context, image driver.Image) error {
	if err := checkID(image.ID); err != nil {
		return err
	}
	unlock, err := d.images.lock(ctx, image.ID)
	if err != nil {
		return err
	}
	defer unlock()
	base := d.basePath(image.ID)
	now := time.Now()
	if err := os.Chtimes(base, now, now); err == nil {
		return nil
	} else if !errors.Is(err, os.ErrNotExist) {
		return err
	}
	part, report, err := d.download(ctx, image)
	if part != "" {
		defer os.Remove(part)
	}
	if err != nil {
		return full(err)
	}
	format := report.Format()
	if raw(imageformat.Format(image.DiskFormat)) {
		return publish(part, base)
	}
	flat := part + ".raw"
	defer os.Remove(flat)
	src := qemuimg.Image{Path: part, Format: format}
	if err := d.tool().Convert(ctx, src, flat, imageformat.Raw, report.VirtualSize, qemuimg.ConvertOptions{}); err != nil {
		if ctx.Err() != nil || noSpace(err) {
			return full(err)
		}
		if tool := (*qemuimg.Error)(nil); errors.As(err, &tool) && tool.Transient() {
			return err
		}
		return &driver.Fault{Code: driver.CodeBadImage, Message: fmt.Sprintf("Image %s is unacceptable: it cannot be converted to raw", image.ID), Cause: err}
	}
	return publish(flat, base)
}

// raw tells formats whose content is the disk itself.
func raw(f imageformat.Format) bool {
	switch f {
	case imageformat.Raw, imageformat.ISO, "aki", "ari", "ami":
		return true
	}
	return false
}

// download copies the image into a file of its own beside the cache and judges
// it. The caller removes the file.
func (d *Driver) download(ctx context.Context, image driver.Image) (string, imageformat.Report, error) {
	var none imageformat.Report
	src, err := d.Images(ctx, image)
	if err != nil {
		return "", none, fmt.Errorf("open image %s: %w", image.ID, err)
	}
	defer src.Close()
	dst, err := os.CreateTemp(d.baseDir(), "."+image.ID+".part")
	if err != nil {
		return "", none, err
	}
	defer dst.Close()
	part := dst.Name()

	inspector := imageformat.New()
	sum := hasher(image.HashAlgo)
	sparse := &sparseWriter{file: dst}
	n, err := io.Copy(io.MultiWriter(sparse, inspector, sum), contextReader{ctx, src})
	if err == nil {
		err = sparse.finish()
	}
	if err != nil {
		return part, none, fmt.Errorf("copy image %s: %w", image.ID, err)
	}
	if image.Size > 0 && n != image.Size {
		return part, none, fmt.Errorf("copy image %s: got %d of %d bytes", image.ID, n, image.Size)
	}
	if image.HashValue != "" && image.HashAlgo != "" {
		if got := hex.EncodeToString(sum.Sum(nil)); !strings.EqualFold(got, image.HashValue) {
			return part, none, fmt.Errorf("copy image %s: %s is %s, not %s", image.ID, image.HashAlgo, got, image.HashValue)
		}
	}
	report := inspector.Report()
	if err := report.Check(imageformat.Format(image.DiskFormat)); err != nil {
		return part, none, &driver.Fault{Code: driver.CodeBadImage, Message: fmt.Sprintf("Image %s is unacceptable: %v", image.ID, err)}
	}
	return part, report, dst.Sync()
}

// hasher answers the hash that Glance names, or one that is not looked at.
func hasher(algo string) hash.Hash {
	switch algo {
	case "sha256":
		return sha256.New()
	case "sha384":
		return sha512.New384()
	default:
		return sha512.New()
	}
}

// contextReader ends a copy with its context.
type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (c contextReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}

// publish gives a finished file its name, surviving a power cut.
func publish(from, to string) error {
	f, err := os.OpenFile(from, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	err = errors.Join(f.Sync(), f.Chmod(0o644), f.Close())
	if err != nil {
		return full(err)
	}
	if err := os.Rename(from, to); err != nil {
		return err
	}
	return syncDir(filepath.Dir(to))
}

func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}

// full turns a full disk into a fault that says so.
func full(err error) error {
	if noSpace(err) {
		return &driver.Fault{Code: driver.CodeNoSpace, Message: "The host has no disk space left.", Cause: err}
	}
	return err
}

func noSpace(err error) bool {
	var tool *qemuimg.Error
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) ||
		(errors.As(err, &tool) && strings.Contains(tool.Message, "No space left on device"))
}

// sparseWriter leaves holes where blocks hold nothing but zeros.
type sparseWriter struct {
	file *os.File
	at   int64
}

func (s *sparseWriter) Write(p []byte) (int, error) {
	const block = 64 << 10
	for b := p; len(b) > 0; {
		n := min(len(b), block-int(s.at%block))
		if !zero(b[:n]) {
			if _, err := s.file.WriteAt(b[:n], s.at); err != nil {
				return 0, err
			}
		}
		s.at += int64(n)
		b = b[n:]
	}
	return len(p), nil
}

func (s *sparseWriter) finish() error { return s.file.Truncate(s.at) }

func zero(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}
