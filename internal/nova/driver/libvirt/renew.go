package libvirt

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"gostack/internal/engine/qemuimg"
	"gostack/internal/imageformat"
	"gostack/internal/nova/driver"
)

// RenewDisks removes a server's disks and makes new ones. The old root disk goes before its base is forgotten: a server without a root disk
// does not start, one on another base would start with nonsense.
func (d *Driver) RenewDisks(ctx context.Context, spec driver.GuestSpec, keepEphemeral bool) error {
	if err := checkID(spec.ID); err != nil {
		return err
	}
	dom, err := d.owned(ctx, spec.ID)
	defined := !errors.Is(err, driver.ErrNotFound) // a server without a definition is off
	if err != nil && defined {
		return err
	}
	unlock, err := d.server.lock(ctx, spec.ID)
	if err != nil {
		return err
	}
	defer unlock()
	if defined {
		s, err := d.stateOf(ctx, dom)
		if err != nil {
			return err
		}
		if s.PowerState != driver.Shutdown && s.PowerState != driver.Crashed {
			return driver.Refuse(driver.CodeBadState, "Instance %s is %s.", spec.ID, s.PowerState)
		}
	}
	if err := os.MkdirAll(d.serverDir(spec.ID), 0o711); err != nil {
		return full(err)
	}
	old := []string{rootFile, swapFile, configFile, rescueFile, rescueConfigFile, firmwareFile}
	for i, name := range old {
		old[i] = filepath.Join(d.serverDir(spec.ID), name)
	}
	if !keepEphemeral {
		ephemeral, err := ephFiles(d.serverDir(spec.ID))
		if err != nil {
			return err
		}
		old = append(old, ephemeral...)
	}
	if defined {
		old = append(old, libvirtsVariables(dom.Name))
	}
	for _, path := range old {
		if err := os.RemoveAll(path); err != nil {
			return err
		}
	}
	return d.makeDisks(ctx, spec)
}

// copyBase makes a root disk that stands on nothing, for an image that goes away.
func (d *Driver) copyBase(ctx context.Context, base string, from int64, path string, size int64) error {
	src := qemuimg.Image{Path: base, Format: imageformat.Raw}
	if err := d.tool().Convert(ctx, src, path, imageformat.QCOW2, from, qemuimg.ConvertOptions{}); err != nil {
		return err
	}
	if size == from {
		return nil
	}
	return d.tool().Resize(ctx, qemuimg.Image{Path: path, Format: imageformat.QCOW2}, size, false)
}
