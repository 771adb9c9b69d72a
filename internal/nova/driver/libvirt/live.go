package libvirt

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	rpc "github.com/digitalocean/go-libvirt"
	"github.com/google/uuid"
	"libvirt.org/go/libvirtxml"

	"gostack/internal/engine/libvirt"
	"gostack/internal/nova/driver"
)

var _ driver.Mover = (*Driver)(nil)

// probePrefix marks the empty file by which two hosts find out that they share a directory, as upstream's test file does.
const probePrefix = ".probe-"

// probeAge is when a probe that nobody removed is removed.
const probeAge = time.Hour

// LiveSource describes a running server, and leaves a probe.
func (d *Driver) LiveSource(ctx context.Context, id string) (driver.LiveSource, error) {
	var s driver.LiveSource
	dom, err := d.owned(ctx, id)
	if err != nil {
		return s, err
	}
	state, err := d.stateOf(ctx, dom)
	if err != nil {
		return s, err
	}
	if state.PowerState != driver.Running && state.PowerState != driver.Paused {
		return s, driver.Refuse(driver.CodeBadState, "Instance %s is not running.", id)
	}
	def, err := d.definition(ctx, dom, rpc.DomainXMLMigratable)
	if err != nil {
		return s, err
	}
	s = driver.LiveSource{Dir: d.Dir, Virt: def.Type}
	if def.OS != nil && def.OS.Type != nil {
		s.Machine = def.OS.Type.Machine
	}
	if s.CPU, err = d.guestCPU(ctx, def.CPU); err != nil {
		return s, err
	}
	if s.Disks, err = d.liveDisks(ctx, dom, def, id); err != nil {
		return s, err
	}
	s.Probe = probePrefix + uuid.NewString()
	f, err := os.OpenFile(filepath.Join(d.Dir, s.Probe), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return s, full(err)
	}
	return s, f.Close()
}

// liveDisks lists the disks that are files in the server's directory. Their sizes are asked of QEMU, which has them open, and never of
// the files.
func (d *Driver) liveDisks(ctx context.Context, dom rpc.Domain, def *libvirtxml.Domain, id string) ([]driver.LiveDisk, error) {
	info, err := d.readInfo(id)
	if err != nil || def.Devices == nil {
		return nil, err
	}
	var all []driver.LiveDisk
	for i := range def.Devices.Disks {
		e := &def.Devices.Disks[i]
		if e.Source == nil || e.Source.File == nil || filepath.Dir(e.Source.File.File) != d.serverDir(id) || e.Driver == nil || e.Target == nil {
			continue
		}
		type size struct{ allocated, capacity uint64 }
		n, err := libvirt.Call(ctx, d.Client, func(l *rpc.Libvirt) (size, error) {
			allocated, capacity, _, err := l.DomainGetBlockInfo(dom, e.Target.Dev, 0)
			return size{allocated, capacity}, err
		})
		if err != nil {
			return nil, fmt.Errorf("size of disk %s: %w", e.Target.Dev, err)
		}
		k := driver.LiveDisk{
			File: filepath.Base(e.Source.File.File), Format: e.Driver.Type, Size: int64(n.capacity), Allocated: int64(n.allocated), ReadOnly: e.ReadOnly != nil,
		}
		if e.BackingStore != nil && e.BackingStore.Source != nil {
			k.Image = info.Image
		}
		all = append(all, k)
	}
	return all, nil
}

// LiveUnprobe removes a probe.
func (d *Driver) LiveUnprobe(_ context.Context, probe string) error {
	if !strings.HasPrefix(probe, probePrefix) || strings.Contains(probe, "/") {
		return driver.Refuse(driver.CodeUnsupported, "%q is not a probe", probe)
	}
	if err := os.Remove(filepath.Join(d.Dir, probe)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// sweepProbes removes old probes.
func (d *Driver) sweepProbes() error {
	probes, err := filepath.Glob(filepath.Join(d.Dir, probePrefix+"*"))
	for _, path := range probes {
		if fi, statErr := os.Stat(path); statErr == nil && time.Since(fi.ModTime()) > probeAge {
			err = errors.Join(err, os.Remove(path))
		}
	}
	return err
}

// LiveTarget compares what the guest has with what this host can give.
func (d *Driver) LiveTarget(ctx context.Context, id string, from driver.LiveSource) (driver.LiveTarget, error) {
	t := driver.LiveTarget{Dir: d.Dir, VNCListen: d.VNCListen, SerialDir: d.SerialDir, CPUs: d.CPUShared.String()}
	if err := checkID(id); err != nil {
		return t, err
	}
	caps, err := d.capabilities(ctx)
	if err != nil {
		return t, err
	}
	if from.Virt == "kvm" && caps.virtType != "kvm" {
		return t, driver.Refuse(driver.CodeUnsupported, "The supplied hypervisor type of is invalid.")
	}
	if !slices.Contains(caps.machines, from.Machine) {
		return t, driver.Refuse(driver.CodeUnsupported, "The instance requires a newer hypervisor version than has been provided.")
	}
	if err := d.compareCPU(ctx, caps, from); err != nil {
		return t, err
	}
	if strings.HasPrefix(from.Probe, probePrefix) && !strings.Contains(from.Probe, "/") {
		_, err := os.Stat(filepath.Join(d.Dir, from.Probe))
		t.Shared = err == nil
	}
	var fs syscall.Statfs_t
	if err := syscall.Statfs(d.Dir, &fs); err != nil {
		return t, err
	}
	t.FreeBytes = int64(fs.Bavail) * fs.Bsize
	return t, nil
}
