package qemuimg

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// firstFD is the number that the first file handed to a child has there.
const firstFD = 3

// source is an image as it stands on the command line.
type source struct {
	name   string // json: pseudo file name that holds the whole chain
	format string // for -f
}

// checkPath refuses names that QEMU would read as something else than a file, or that depend on where we stand.
func checkPath(path string) error {
	if !filepath.IsAbs(path) || filepath.Clean(path) != path || strings.ContainsAny(path, "\x00\n") {
		return fmt.Errorf("qemu-img: %q is not a clean absolute path", path)
	}
	return nil
}

// hand gives an open file to the child and returns its name there.
func (c *call) hand(f *os.File) string {
	c.files = append(c.files, f)
	return fmt.Sprintf("/proc/self/fd/%d", firstFD+len(c.files)-1)
}

// open opens a regular file of ours; a symbolic link in its place is refused.
func open(path string, flags int) (*os.File, error) {
	if err := checkPath(path); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, flags|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0o600)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, err
	}
	if !info.Mode().IsRegular() {
		f.Close()
		return nil, fmt.Errorf("qemu-img: %s is not a regular file", path)
	}
	return f, nil
}

// source opens img and its backing chain for reading.
func (c *call) source(img Image) (source, error) {
	return c.chain(img, func(path string) (*os.File, error) {
		f, err := open(path, os.O_RDONLY)
		if err != nil {
			return nil, err
		}
		return f, c.grant(f)
	})
}

// writable opens img alone for writing.
func (c *call) writable(img Image) (source, error) {
	img.Backing = nil
	return c.chain(img, func(path string) (*os.File, error) {
		f, err := open(path, os.O_RDWR)
		if err != nil {
			return nil, err
		}
		return f, c.lend(f)
	})
}

// chain opens every file of the chain and writes the chain out as QEMU's block options, so that what a header says about
// a backing file is not looked at. https://www.qemu.org/docs/master/system/qemu-block-drivers.html, "json:".
func (c *call) chain(img Image, open func(path string) (*os.File, error)) (source, error) {
	format, err := qemuName(img.Format)
	if err != nil {
		return source{}, err
	}
	options, err := c.node(img, open)
	if err != nil {
		return source{}, err
	}
	delete(options, "driver") // -f says it
	text, err := json.Marshal(options)
	if err != nil {
		return source{}, err
	}
	return source{"json:" + string(text), format}, nil
}

func (c *call) node(img Image, open func(path string) (*os.File, error)) (map[string]any, error) {
	format, err := qemuName(img.Format)
	if err != nil {
		return nil, err
	}
	f, err := open(img.Path)
	if f != nil {
		defer func() {
			if err != nil {
				f.Close()
			}
		}()
	}
	if err != nil {
		return nil, err
	}
	options := map[string]any{"driver": format, "file": map[string]any{"driver": "file", "filename": c.hand(f)}}
	if format == "qcow2" {
		options["backing"] = nil
	}
	if img.Backing != nil {
		if format != "qcow2" {
			return nil, fmt.Errorf("qemu-img: a %s image has no backing file", img.Format)
		}
		if options["backing"], err = c.node(*img.Backing, open); err != nil {
			return nil, err
		}
	}
	return options, nil
}

// target makes the new file that the child writes to. It is removed again unless finish succeeds.
func (c *call) target(path string) (string, error) {
	f, err := open(path, os.O_RDWR|os.O_CREATE|os.O_EXCL)
	if err != nil {
		return "", err
	}
	c.created = path
	c.out = f
	name := c.hand(f)
	return name, c.lend(f)
}

// lend makes the sandbox user the owner of f until the call ends.
func (c *call) lend(f *os.File) error {
	if !c.tool.switchUser() {
		return nil
	}
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return err
	}
	if err := f.Chown(sandboxID, sandboxID); err != nil {
		return fmt.Errorf("qemu-img: cannot lend %s: %w", f.Name(), err)
	}
	c.after = append(c.after, func() error { return f.Chown(int(st.Uid), int(st.Gid)) })
	return nil
}

// finish runs a call that writes, makes what it wrote durable, and removes a new file when it failed.
func (c *call) finish(ctx context.Context) error {
	_, err := c.run(ctx)
	for _, undo := range c.after {
		err = errors.Join(err, undo())
	}
	c.after = nil
	if c.out == nil {
		return err
	}
	if err == nil {
		err = c.out.Sync()
	}
	if err == nil {
		c.created = ""
	}
	return err
}

// close lets go of everything. A target that finish did not accept is removed.
func (c *call) close() {
	for _, undo := range c.after {
		_ = undo() // the call failed before it began; the file is removed below or was never written
	}
	for _, f := range c.files {
		f.Close()
	}
	if c.created != "" {
		os.Remove(c.created)
	}
}
