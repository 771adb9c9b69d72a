package libvirt

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	rpc "github.com/digitalocean/go-libvirt"
	"libvirt.org/go/libvirtxml"

	"gostack/internal/engine/libvirt"
)

// firmwareFile keeps the variables of a UEFI guest (its boot entries, its Secure Boot keys) while the guest has no definition: libvirt keeps them
// in a place of its own, and removes them with the definition.
const firmwareFile = "nvram.fd"

// firmwarePath is where libvirt keeps the variables of a domain; "" for a domain without.
func (d *Driver) firmwarePath(ctx context.Context, dom rpc.Domain) (string, error) {
	text, err := libvirt.Call(ctx, d.Client, func(l *rpc.Libvirt) (string, error) { return l.DomainGetXMLDesc(dom, rpc.DomainXMLInactive) })
	if err != nil {
		return "", err
	}
	var def libvirtxml.Domain
	if err := def.Unmarshal(text); err != nil {
		return "", err
	}
	switch {
	case def.OS == nil || def.OS.Firmware != "efi" && def.OS.Loader == nil:
		return "", nil
	case def.OS.NVRam != nil && def.OS.NVRam.NVRam != "":
		return def.OS.NVRam.NVRam, nil
	}
	return filepath.Join("/var/lib/libvirt/qemu/nvram", def.Name+"_VARS.fd"), nil // qemuDomainNVRAMPathFormat
}

// keepFirmware copies the variables to the server's files before the definition goes.
func (d *Driver) keepFirmware(ctx context.Context, dom rpc.Domain, id string) error {
	from, err := d.firmwarePath(ctx, dom)
	if err != nil || from == "" {
		return err
	}
	return copySmall(from, filepath.Join(d.serverDir(id), firmwareFile))
}

// returnFirmware gives a new definition the variables that were kept.
func (d *Driver) returnFirmware(ctx context.Context, id string) error {
	kept := filepath.Join(d.serverDir(id), firmwareFile)
	if !exists(kept) {
		return nil
	}
	dom, err := d.lookup(ctx, id)
	if err != nil {
		return err
	}
	to, err := d.firmwarePath(ctx, dom)
	if err != nil {
		return err
	}
	if to != "" && !exists(to) {
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return err
		}
		if err := copySmall(kept, to); err != nil {
			return err
		}
	}
	return os.Remove(kept)
}

// copySmall copies a file of at most a few megabytes; one that is not there is not copied.
func copySmall(from, to string) error {
	data, err := os.ReadFile(from)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return full(replaceFile(to, data, 0o600))
}
