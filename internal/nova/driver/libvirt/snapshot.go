package libvirt

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"gostack/internal/engine/qemuimg"
	"gostack/internal/imageformat"
	"gostack/internal/nova/driver"
)

// snapshotPrefix begins the names of snapshots among a server's files.
const snapshotPrefix = "snapshot-"

func (d *Driver) snapshotPath(id, name string) string {
	return filepath.Join(d.serverDir(id), snapshotPrefix+name)
}

// Snapshot writes the root disk without its base: by QEMU's backup job while the guest runs, else by qemu-img.
func (d *Driver) Snapshot(ctx context.Context, id, name string, quiesce driver.Quiesce) error {
	if err := errors.Join(checkID(id), checkID(name)); err != nil {
		return err
	}
	dom, err := d.owned(ctx, id)
	if err != nil {
		return err
	}
	unlock, err := d.server.lock(ctx, id)
	if err != nil {
		return err
	}
	defer unlock()
	path := d.snapshotPath(id, name)
	if _, err := os.Lstat(path); err == nil {
		return nil
	}
	part := path + ".part"
	if err := d.endBackup(ctx, dom); err != nil {
		return err
	}
	if err := os.RemoveAll(part); err != nil {
		return err
	}
	s, err := d.stateOf(ctx, dom)
	if err != nil {
		return err
	}
	if s.PowerState == driver.Running || s.PowerState == driver.Paused {
		err = d.backup(ctx, dom, part, s.PowerState == driver.Running, quiesce)
	} else {
		err = d.flatten(ctx, id, part)
	}
	if err != nil {
		_ = os.Remove(part)
		return full(err)
	}
	return publish(part, path)
}

// flatten copies the root disk of a server that is off, with its base, into a qcow2 file.
func (d *Driver) flatten(ctx context.Context, id, to string) error {
	info, err := d.readInfo(id)
	if err != nil {
		return err
	}
	src := qemuimg.Image{Path: filepath.Join(d.serverDir(id), rootFile), Format: imageformat.QCOW2}
	now, err := d.tool().Info(ctx, src)
	if err != nil {
		return fmt.Errorf("root disk: %w", err)
	}
	if info.Image != "" {
		src.Backing = &qemuimg.Image{Path: d.basePath(info.Image), Format: imageformat.Raw}
	}
	if err := d.tool().Convert(ctx, src, to, imageformat.QCOW2, now.VirtualSize, qemuimg.ConvertOptions{}); err != nil {
		return fmt.Errorf("copy the root disk: %w", err)
	}
	return nil
}

// OpenSnapshot opens a snapshot that is complete.
func (d *Driver) OpenSnapshot(_ context.Context, id, name string) (io.ReadCloser, int64, error) {
	if err := errors.Join(checkID(id), checkID(name)); err != nil {
		return nil, 0, err
	}
	f, err := os.Open(d.snapshotPath(id, name))
	if errors.Is(err, os.ErrNotExist) {
		return nil, 0, driver.Refuse(driver.CodeNotFound, "Snapshot %s of instance %s could not be found.", name, id)
	}
	if err != nil {
		return nil, 0, err
	}
	fi, err := f.Stat()
	if err != nil {
		return nil, 0, errors.Join(err, f.Close())
	}
	return f, fi.Size(), nil
}

// DropSnapshot ends a backup job under way and removes the file, complete or not.
func (d *Driver) DropSnapshot(ctx context.Context, id, name string) error {
	if err := errors.Join(checkID(id), checkID(name)); err != nil {
		return err
	}
	unlock, err := d.server.lock(ctx, id)
	if err != nil {
		return err
	}
	defer unlock()
	dom, err := d.owned(ctx, id)
	if err != nil && !errors.Is(err, driver.ErrNotFound) {
		return err
	}
	if err == nil {
		if err := d.endBackup(ctx, dom); err != nil {
			return err
		}
	}
	path := d.snapshotPath(id, name)
	return errors.Join(os.RemoveAll(path+".part"), os.RemoveAll(path))
}

// snapshotAge is how long a snapshot may be of use: longer than any upload lasts.
const snapshotAge = 36 * time.Hour

// ageSnapshots removes what nobody has asked to be dropped because the host was away at the time.
func (d *Driver) ageSnapshots(id string) error {
	paths, err := filepath.Glob(filepath.Join(d.serverDir(id), snapshotPrefix+"*"))
	if err != nil {
		return err
	}
	for _, path := range paths {
		if fi, err := os.Stat(path); err == nil && time.Since(fi.ModTime()) > snapshotAge {
			if err := os.Remove(path); err != nil {
				return err
			}
		}
	}
	return nil
}
