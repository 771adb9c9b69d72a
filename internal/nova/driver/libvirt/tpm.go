package libvirt

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"

	rpc "github.com/digitalocean/go-libvirt"

	"gostack/internal/nova/driver"
	"gostack/internal/nova/hardware"
)

// What a trusted platform module remembers libvirt keeps apart from the server's disks, and throws away with the definition. While a server is
// between two definitions, in a resize or a cold migration, it lies among the disks and goes where these go; from there the next definition takes
// it back (as upstream does: nova/virt/libvirt/utils.py, save_and_migrate_vtpm_dir and restore_vtpm_dir). The module of a flavor that wants another
// one begins anew, and a revert finds the old one where it was put aside.

// libvirtsModules is where libvirt keeps the modules' state (qemuTPMEmulatorInitStorage).
const libvirtsModules = "/var/lib/libvirt/swtpm"

// modules are all that a server can have.
var modules = []hardware.TPM{
	{Version: hardware.TPM12, Model: hardware.TPMTIS}, {Version: hardware.TPM20, Model: hardware.TPMTIS}, {Version: hardware.TPM20, Model: hardware.TPMCRB},
}

// moduleFile is the file among a server's disks that holds a module's state. It says which module it is of ("tpm.2.0.crb"), in letters that a stream of
// disks takes.
func moduleFile(t hardware.TPM) string {
	return "tpm." + t.Version + "." + strings.TrimPrefix(t.Model, "tpm-")
}

// maxModule is the most that a module keeps; swtpm's are some kilobytes.
const maxModule = 1 << 20

// moduleState is the file in which swtpm keeps a module's state.
func (d *Driver) moduleState(id string, t hardware.TPM) string {
	if t.Version == hardware.TPM12 {
		return filepath.Join(d.modules, id, "tpm1.2", "tpm-00.permall")
	}
	return filepath.Join(d.modules, id, "tpm2", "tpm2-00.permall")
}

// saveModule copies the state of the module in a server's definition to its disks, before the definition goes.
func (d *Driver) saveModule(ctx context.Context, id string) error {
	dom, err := d.owned(ctx, id)
	if errors.Is(err, driver.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	def, err := d.definition(ctx, dom, rpc.DomainXMLInactive)
	if err != nil || def.Devices == nil {
		return err
	}
	for _, has := range def.Devices.TPMs {
		if has.Backend == nil || has.Backend.Emulator == nil {
			continue
		}
		t := hardware.TPM{Version: has.Backend.Emulator.Version, Model: has.Model}
		if err := copySmall(d.moduleState(id, t), filepath.Join(d.serverDir(id), moduleFile(t))); err != nil {
			return fmt.Errorf("trusted platform module of %s: %w", id, err)
		}
	}
	return nil
}

// restoreModule gives libvirt what is among the disks of the module that the server gets now, and drops what is of another. A server that is defined
// has its module's state at libvirt's: what is among its disks then is of a move that was given up before it began.
func (d *Driver) restoreModule(spec driver.GuestSpec, defined bool) error {
	want, err := driver.WishOf(spec.Flavor, spec.Image).TPM()
	if err != nil {
		return driver.Refuse(driver.CodeUnsupported, "%s", err.Error())
	}
	for _, t := range modules {
		here := filepath.Join(d.serverDir(spec.ID), moduleFile(t))
		if !exists(here) {
			continue
		}
		if want != nil && *want == t && !(defined && exists(d.moduleState(spec.ID, t))) {
			if err := d.giveModule(spec.ID, t, here); err != nil {
				return fmt.Errorf("trusted platform module of %s: %w", spec.ID, err)
			}
		}
		if err := os.Remove(here); err != nil {
			return err
		}
	}
	return nil
}

// giveModule puts a state where libvirt looks for it, readable for the user that swtpm runs as.
func (d *Driver) giveModule(id string, t hardware.TPM, from string) error {
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	to := d.moduleState(id, t)
	if err := os.MkdirAll(d.modules, 0o711); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		return full(err)
	}
	if err := replaceFile(to, data, 0o600); err != nil {
		return full(err)
	}
	uid, gid, err := swtpmUser()
	if err != nil || os.Geteuid() != 0 {
		return err
	}
	for _, path := range []string{filepath.Dir(filepath.Dir(to)), filepath.Dir(to), to} {
		if err := os.Chown(path, uid, gid); err != nil {
			return err
		}
	}
	return nil
}

// swtpmUser is who libvirt runs swtpm as where nobody says otherwise: tss, or root where there is none.
func swtpmUser() (uid, gid int, err error) {
	u, err := user.Lookup("tss")
	if err != nil {
		return 0, 0, nil //nolint:nilerr // as libvirt does
	}
	if uid, err = strconv.Atoi(u.Uid); err != nil {
		return 0, 0, err
	}
	gid, err = strconv.Atoi(u.Gid)
	return uid, gid, err
}
