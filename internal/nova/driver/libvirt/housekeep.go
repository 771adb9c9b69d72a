package libvirt

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// consoleKeep is how much of a console log is kept when it has grown beyond
// consoleMax: a guest must not fill the host's disk by talking.
const (
	consoleMax  = 4 << 20
	consoleKeep = 1 << 20
)

// sweep removes what a killed process left half done: parts of images and
// directories on their way out.
func (d *Driver) sweep() error {
	parts, err := filepath.Glob(filepath.Join(d.baseDir(), ".*.part*"))
	if err != nil {
		return err
	}
	dying, err := filepath.Glob(filepath.Join(d.Dir, ".*"+dyingSuffix))
	if err != nil {
		return err
	}
	for _, path := range append(parts, dying...) {
		if err := os.RemoveAll(path); err != nil {
			return err
		}
	}
	return nil
}

// Housekeep ages the image cache and trims console logs. Call it now and then.
func (d *Driver) Housekeep(ctx context.Context) error {
	used := map[string]bool{}
	servers, asides, err := d.allDirs()
	if err != nil {
		return err
	}
	for _, name := range asides {
		info, err := readInfoIn(filepath.Join(d.Dir, name))
		if err != nil {
			return err
		}
		used[info.Image], used[info.Kernel], used[info.Ramdisk] = true, true, true
	}
	errs := []error{d.sweepProbes()}
	for _, id := range servers {
		info, err := d.readInfo(id)
		if err != nil {
			return err // without all of them nothing may be called unused
		}
		used[info.Image], used[info.Kernel], used[info.Ramdisk], used[info.Rescue] = true, true, true, true
		errs = append(errs, d.ageSnapshots(id))
		errs = append(errs, trim(d.consolePath(id)))
	}
	bases, err := os.ReadDir(d.baseDir())
	if err != nil {
		return err
	}
	for _, b := range bases {
		if used[b.Name()] || strings.HasPrefix(b.Name(), ".") {
			continue
		}
		errs = append(errs, d.age(ctx, b.Name()))
	}
	return errors.Join(errs...)
}

// age removes an image that nobody has asked for in a long time. Every use
// touches the file under the same lock.
func (d *Driver) age(ctx context.Context, imageID string) error {
	unlock, err := d.images.lock(ctx, imageID)
	if err != nil {
		return err
	}
	defer unlock()
	fi, err := os.Stat(d.basePath(imageID))
	if err != nil || time.Since(fi.ModTime()) < baseAge {
		return err
	}
	d.Log.InfoContext(ctx, "image leaves the cache", "image", imageID)
	return os.Remove(d.basePath(imageID))
}

// trim moves the end of a large console log to its predecessor and empties it.
// QEMU appends, so it goes on at the start.
func trim(path string) error {
	fi, err := os.Stat(path)
	if errors.Is(err, os.ErrNotExist) || (err == nil && fi.Size() <= consoleMax) {
		return nil
	}
	if err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	tail := make([]byte, consoleKeep)
	n, err := f.ReadAt(tail, fi.Size()-consoleKeep)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if err := replaceFile(path+".0", tail[:n], 0o600); err != nil {
		return err
	}
	return f.Truncate(0)
}
