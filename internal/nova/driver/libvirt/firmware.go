package libvirt

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	rpc "github.com/digitalocean/go-libvirt"
	"libvirt.org/go/libvirtxml"

	"gostack/internal/engine/libvirt"
	"gostack/internal/nova/driver"
)

// The variables of a UEFI guest (its boot entries, its Secure Boot keys) are a file among its disks, and go where these go: to another host with a resize or a cold
// migration, into the hands of whoever takes over a shared directory, away with a rebuild or an offload. libvirt makes the file from the firmware's template when
// it is not there, and QEMU carries its contents along in a live migration.

// firmwareFile is the file's name in the server's directory.
const firmwareFile = "nvram.fd"

// variables names the file in a definition.
func (d *Driver) variables(id string) *libvirtxml.DomainNVRam {
	return &libvirtxml.DomainNVRam{NVRam: filepath.Join(d.serverDir(id), firmwareFile)}
}

// libvirtsVariables is where libvirt keeps them unless it is told another place, as for servers that were defined by a gostack before this one
// (qemuDomainNVRAMPathFormat).
func libvirtsVariables(name string) string {
	return filepath.Join("/var/lib/libvirt/qemu/nvram", name+"_VARS.fd")
}

// firmwarePath is where the variables of a stored definition are; "" for a domain without.
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
	return libvirtsVariables(def.Name), nil
}

// bringFirmware copies variables that libvirt keeps in its own place to the server's files, before the definition that names that place goes.
func (d *Driver) bringFirmware(ctx context.Context, id string) error {
	dom, err := d.owned(ctx, id)
	if errors.Is(err, driver.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	here := filepath.Join(d.serverDir(id), firmwareFile)
	from, err := d.firmwarePath(ctx, dom)
	if err != nil || from != libvirtsVariables(dom.Name) || exists(here) || !exists(d.serverDir(id)) {
		return err
	}
	return copySmall(from, here)
}

// undefineFirmware says what libvirt does with a domain's variables when it forgets the domain: those among the server's files it leaves, since they belong to the
// disks, which another host may run by now.
func (d *Driver) undefineFirmware(ctx context.Context, dom rpc.Domain) (rpc.DomainUndefineFlagsValues, error) {
	path, err := d.firmwarePath(ctx, dom)
	if libvirt.Is(err, rpc.ErrNoDomain) {
		return 0, nil
	}
	if filepath.Base(path) == firmwareFile {
		return rpc.DomainUndefineKeepNvram, err
	}
	return rpc.DomainUndefineNvram, err
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
