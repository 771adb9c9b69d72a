package libvirt

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	rpc "github.com/digitalocean/go-libvirt"

	"gostack/internal/engine/libvirt"
	"gostack/internal/engine/qemuimg"
	"gostack/internal/imageformat"
	"gostack/internal/nova/driver"
)

// LivePrepare makes room for an incoming server and expects its channels.
func (d *Driver) LivePrepare(ctx context.Context, plan driver.LivePlan) error {
	if err := checkID(plan.ServerID); err != nil {
		return err
	}
	unlock, err := d.server.lock(ctx, plan.ServerID)
	if err != nil {
		return err
	}
	defer unlock()
	caps, err := d.capabilities(ctx)
	if err != nil {
		return err
	}
	if plan.Block {
		if err := d.liveRoom(ctx, plan); err != nil {
			return full(err)
		}
	}
	if err := errors.Join(d.serialDir(), d.channelDir(plan.ServerID, caps)); err != nil {
		return err
	}
	d.moves.expect(plan)
	return nil
}

// liveRoom makes the directory of a server whose disks are copied: images in the cache, and files of the sizes that the disks have.
func (d *Driver) liveRoom(ctx context.Context, plan driver.LivePlan) error {
	if plan.Spec == nil {
		return driver.Refuse(driver.CodeUnsupported, "what to run is not said")
	}
	if err := os.MkdirAll(d.serverDir(plan.ServerID), 0o711); err != nil {
		return err
	}
	if err := d.writeInfo(*plan.Spec); err != nil {
		return err
	}
	if image := plan.Spec.Image; image != nil {
		if err := d.EnsureImage(ctx, *image); err != nil {
			return err
		}
		for _, id := range []string{image.Properties[driver.PropKernelID], image.Properties[driver.PropRamdiskID]} {
			if id == "" {
				continue
			}
			if err := d.EnsureImage(ctx, driver.Image{ID: id, DiskFormat: "aki"}); err != nil {
				return err
			}
		}
	}
	for _, k := range plan.Disks {
		if k.File == rootFile && k.Image == "" {
			info, err := d.readInfo(plan.ServerID)
			if err != nil {
				return err
			}
			info.Alone, info.Image = true, ""
			if err := d.storeInfo(plan.ServerID, info); err != nil {
				return err
			}
		}
		if err := d.liveDisk(ctx, plan.ServerID, k); err != nil {
			return err
		}
	}
	return nil
}

// liveDisk makes an empty file for a disk that will be copied into it.
func (d *Driver) liveDisk(ctx context.Context, id string, k driver.LiveDisk) error {
	if k.File != filepath.Base(k.File) || k.File == "." || k.Size <= 0 {
		return driver.Refuse(driver.CodeUnsupported, "%q is not a disk of a server", k.File)
	}
	path := filepath.Join(d.serverDir(id), k.File)
	if _, err := os.Lstat(path); err == nil || k.ReadOnly {
		return nil
	}
	part := path + ".part"
	if err := os.RemoveAll(part); err != nil {
		return err
	}
	defer os.Remove(part)
	var err error
	switch {
	case k.Format == "raw":
		err = sparseFile(part, k.Size)
	case k.Format == "qcow2" && k.Image != "":
		if err = checkID(k.Image); err == nil {
			err = d.tool().CreateOverlay(ctx, part, qemuimg.Image{Path: d.basePath(k.Image), Format: imageformat.Raw}, k.Size)
		}
	case k.Format == "qcow2":
		err = d.tool().Create(ctx, part, imageformat.QCOW2, k.Size)
	default:
		err = driver.Refuse(driver.CodeUnsupported, "Disk format %q is not supported.", k.Format)
	}
	if err != nil {
		return err
	}
	return publish(part, path)
}

// channelDir is where the sockets of a server's move are; QEMU makes some of them.
func (d *Driver) channelDir(id string, caps *capabilities) error {
	dir := filepath.Join(d.LiveDir, id)
	if err := os.MkdirAll(dir, 0o711); err != nil {
		return err
	}
	return os.Chown(dir, caps.uid, caps.gid)
}

// forgetMove ends what is left of a move in this process.
func (d *Driver) forgetMove(id string) error {
	d.moves.forget(id)
	return os.RemoveAll(filepath.Join(d.LiveDir, id))
}

// LiveArrive makes the disks this host's and answers what the move took.
func (d *Driver) LiveArrive(ctx context.Context, plan driver.LivePlan) (driver.LiveResult, error) {
	var r driver.LiveResult
	dom, err := d.owned(ctx, plan.ServerID)
	if err != nil {
		return r, err
	}
	info, err := d.readInfo(plan.ServerID)
	if err != nil {
		return r, err
	}
	info.Host = d.Hostname
	if err := d.storeInfo(plan.ServerID, info); err != nil {
		return r, err
	}
	stats, err := d.jobStats(ctx, dom, rpc.DomainJobStatsCompleted|rpc.DomainJobStatsKeepCompleted)
	if err == nil { // after a restart of libvirtd they are gone
		r.TotalMS, r.DowntimeMS = stats.number(rpc.DomainJobTimeElapsed), stats.number(rpc.DomainJobDowntime)
	}
	return r, d.forgetMove(plan.ServerID)
}

// LiveLeave removes what a server that has gone left behind.
func (d *Driver) LiveLeave(ctx context.Context, plan driver.LivePlan) error {
	if err := checkID(plan.ServerID); err != nil {
		return err
	}
	unlock, err := d.server.lock(ctx, plan.ServerID)
	if err != nil {
		return err
	}
	defer unlock()
	dom, err := d.owned(ctx, plan.ServerID)
	switch {
	case err == nil:
		active, err := libvirt.Call(ctx, d.Client, func(l *rpc.Libvirt) (int32, error) { return l.DomainIsActive(dom) })
		if err != nil {
			return err
		}
		if active != 0 {
			return driver.Refuse(driver.CodeBadState, "Instance %s still runs on its source.", plan.ServerID)
		}
		if err := d.undefine(ctx, dom); err != nil {
			return err
		}
	case !errors.Is(err, driver.ErrNotFound):
		return err
	}
	if err := d.forgetMove(plan.ServerID); err != nil {
		return err
	}
	if !plan.Block {
		return nil
	}
	return d.removeFiles(plan.ServerID)
}

// LiveForget ends what is left of a failed move on its source.
func (d *Driver) LiveForget(_ context.Context, id string) error {
	if err := checkID(id); err != nil {
		return err
	}
	return d.forgetMove(id)
}

// LiveCancel removes what a failed move brought here.
func (d *Driver) LiveCancel(ctx context.Context, plan driver.LivePlan) error {
	if err := checkID(plan.ServerID); err != nil {
		return err
	}
	unlock, err := d.server.lock(ctx, plan.ServerID)
	if err != nil {
		return err
	}
	defer unlock()
	if err := d.forgetMove(plan.ServerID); err != nil {
		return err
	}
	dom, err := d.owned(ctx, plan.ServerID)
	switch {
	case err == nil:
		if err := d.undefine(ctx, dom); err != nil {
			return fmt.Errorf("remove the copy that did not arrive: %w", err)
		}
	case !errors.Is(err, driver.ErrNotFound):
		return err
	}
	if !plan.Block {
		return nil
	}
	return d.removeFiles(plan.ServerID)
}
