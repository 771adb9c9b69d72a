package libvirt

import (
	"context"
	"errors"
	"fmt"
	"os"

	rpc "github.com/digitalocean/go-libvirt"

	"gostack/internal/engine/libvirt"
	"gostack/internal/nova/driver"
)

// Define stores the domain, replacing an older definition of ours.
func (d *Driver) Define(ctx context.Context, spec driver.GuestSpec) error {
	if err := checkID(spec.ID); err != nil {
		return err
	}
	_, absent := d.owned(ctx, spec.ID)
	if absent != nil && !errors.Is(absent, driver.ErrNotFound) {
		return absent
	}
	caps, err := d.capabilities(ctx)
	if err != nil {
		return err
	}
	def, err := d.domain(ctx, caps, spec)
	if err != nil {
		return err
	}
	text, err := def.Marshal()
	if err != nil {
		return err
	}
	if err := d.bringFirmware(ctx, spec.ID); err != nil {
		return err
	}
	if err := d.restoreModule(spec, absent == nil); err != nil {
		return err
	}
	dom, err := libvirt.Call(ctx, d.Client, func(l *rpc.Libvirt) (rpc.Domain, error) {
		return l.DomainDefineXMLFlags(text, rpc.DomainDefineValidate)
	})
	if libvirt.Is(err, rpc.ErrConfigUnsupported, rpc.ErrXMLError, rpc.ErrXMLDetail, rpc.ErrXMLInvalidSchema) {
		return &driver.Fault{Code: driver.CodeUnsupported, Message: "The host cannot run a server like this.", Cause: err}
	}
	if err != nil {
		return fmt.Errorf("define domain: %w", err)
	}
	return d.locateDevices(ctx, dom, spec)
}

// Destroy removes the domain and all its files.
func (d *Driver) Destroy(ctx context.Context, id string) error {
	if err := checkID(id); err != nil {
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
		if err := d.undefine(ctx, dom); err != nil {
			return err
		}
	}
	if info, err := readInfoIn(d.asideDir(id)); err != nil {
		return err
	} else if info.Host == "" || info.Host == d.Hostname {
		if err := d.removeDir(d.asideDir(id)); err != nil {
			return err
		}
	}
	return d.removeFiles(id)
}

func (d *Driver) undefine(ctx context.Context, dom rpc.Domain) error {
	// No grace for the guest's disks: they go away too.
	err := d.do(ctx, func(l *rpc.Libvirt) error { return l.DomainDestroyFlags(dom, rpc.DomainDestroyDefault) })
	if err != nil && !gone(err) {
		return fmt.Errorf("power off domain: %w", err)
	}
	firmware, err := d.undefineFirmware(ctx, dom)
	if err != nil {
		return fmt.Errorf("undefine domain: %w", err)
	}
	err = d.do(ctx, func(l *rpc.Libvirt) error {
		return l.DomainUndefineFlags(dom, firmware|rpc.DomainUndefineManagedSave|rpc.DomainUndefineSnapshotsMetadata|rpc.DomainUndefineCheckpointsMetadata)
	})
	if err != nil && !libvirt.Is(err, rpc.ErrNoDomain) {
		return fmt.Errorf("undefine domain: %w", err)
	}
	if firmware == rpc.DomainUndefineKeepNvram { // a copy of before bringFirmware
		os.Remove(libvirtsVariables(dom.Name))
	}
	return nil
}
