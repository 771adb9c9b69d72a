package libvirt

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	rpc "github.com/digitalocean/go-libvirt"
	"libvirt.org/go/libvirtxml"

	"gostack/internal/engine/libvirt"
	"gostack/internal/nova/driver"
)

// Values of virDomainJobOperation and virDomainJobType that the client library does not name.
const (
	jobNone      = 0
	jobCompleted = 3
	jobBackup    = 9 // VIR_DOMAIN_JOB_OPERATION_BACKUP
)

// backup copies the root disk of a live guest as it is when the job begins: what the guest overwrites afterwards is copied first. The
// file has no base. When running, the guest is asked to write out its file systems for that moment.
func (d *Driver) backup(ctx context.Context, dom rpc.Domain, to string, running bool, quiesce driver.Quiesce) error {
	def, err := d.definition(ctx, dom, 0)
	if err != nil {
		return err
	}
	text, err := backupXML(def, filepath.Join(d.serverDir(libvirt.UUIDString(dom.UUID)), rootFile), to)
	if err != nil {
		return err
	}
	frozen := false
	if running && quiesce != driver.QuiesceNot {
		if frozen, err = d.freeze(ctx, dom); err != nil && quiesce == driver.QuiesceMust {
			return &driver.Fault{Code: driver.CodeUnsupported, Message: "Quiescing is not supported in instance " + libvirt.UUIDString(dom.UUID), Cause: err}
		}
		if err != nil {
			d.Log.InfoContext(ctx, "snapshot of a guest that is not quiesced", "server", libvirt.UUIDString(dom.UUID), "error", err)
		}
	}
	err = d.do(ctx, func(l *rpc.Libvirt) error { return l.DomainBackupBegin(dom, text, nil, 0) })
	if frozen {
		err = errors.Join(err, d.thaw(context.WithoutCancel(ctx), dom))
	}
	if err != nil {
		return fmt.Errorf("begin the backup job: %w", err)
	}
	return d.awaitBackup(ctx, dom)
}

// backupXML asks for a full backup of one disk, by its file, into another file.
func backupXML(def *libvirtxml.Domain, root, to string) (string, error) {
	b := libvirtxml.DomainBackup{Push: &libvirtxml.DomainBackupPush{Disks: &libvirtxml.DomainBackupPushDisks{}}}
	found := false
	for i := range def.Devices.Disks {
		k := &def.Devices.Disks[i]
		if k.Target == nil {
			continue
		}
		e := libvirtxml.DomainBackupPushDisk{Name: k.Target.Dev, Backup: "no"}
		if k.Source != nil && k.Source.File != nil && k.Source.File.File == root {
			found = true
			e.Backup, e.BackupMode = "yes", "full"
			e.Driver = &libvirtxml.DomainBackupDiskDriver{Type: "qcow2"}
			e.Target = &libvirtxml.DomainDiskSource{File: &libvirtxml.DomainDiskSourceFile{File: to}}
		}
		b.Push.Disks.Disks = append(b.Push.Disks.Disks, e)
	}
	if !found {
		return "", driver.Refuse(driver.CodeUnsupported, "Instance %s has no local root disk.", def.UUID)
	}
	return b.Marshal()
}

// awaitBackup waits until the job has ended; with ctx it ends the job.
func (d *Driver) awaitBackup(ctx context.Context, dom rpc.Domain) error {
	for {
		busy, err := d.backupRuns(ctx, dom)
		if err != nil {
			return err
		}
		if !busy {
			break
		}
		if err := pause(ctx, pollEvery); err != nil {
			end, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
			defer cancel()
			return errors.Join(err, d.endBackup(end, dom))
		}
	}
	return d.do(ctx, func(l *rpc.Libvirt) error {
		kind, params, err := l.DomainGetJobStats(dom, rpc.DomainJobStatsCompleted)
		if err != nil {
			return fmt.Errorf("outcome of the backup job: %w", err)
		}
		if kind != jobCompleted || operation(params) != jobBackup {
			return fmt.Errorf("the backup job has failed (type %d)%s", kind, said(params))
		}
		return nil
	})
}

// backupRuns tells whether the domain's job is a backup.
func (d *Driver) backupRuns(ctx context.Context, dom rpc.Domain) (bool, error) {
	return libvirt.Call(ctx, d.Client, func(l *rpc.Libvirt) (bool, error) {
		kind, params, err := l.DomainGetJobStats(dom, 0)
		if libvirt.Is(err, rpc.ErrOperationInvalid) { // it does not run
			return false, nil
		}
		return err == nil && kind != jobNone && operation(params) == jobBackup, err
	})
}

func operation(params []rpc.TypedParam) int32 {
	for _, p := range params {
		if n, ok := p.Value.I.(int32); ok && p.Field == "operation" {
			return n
		}
	}
	return 0
}

// said is what libvirt tells of a job that failed.
func said(params []rpc.TypedParam) string {
	for _, p := range params {
		if text, ok := p.Value.I.(string); ok && p.Field == "errmsg" {
			return ": " + text
		}
	}
	return ""
}

// endBackup ends a backup job that runs, and lets a guest go on whose file systems were frozen for one.
func (d *Driver) endBackup(ctx context.Context, dom rpc.Domain) error {
	for asked := false; ; {
		busy, err := d.backupRuns(ctx, dom)
		if err != nil {
			return err
		}
		if !busy {
			break
		}
		if !asked {
			err := d.do(ctx, func(l *rpc.Libvirt) error { return l.DomainAbortJob(dom) })
			if err != nil && !libvirt.Is(err, rpc.ErrOperationInvalid) {
				return fmt.Errorf("end the backup job: %w", err)
			}
			asked = true
		}
		if err := pause(ctx, pollEvery); err != nil {
			return err
		}
	}
	// Whether a killed process of ours had frozen it is not known. Thawing what is not frozen does nothing.
	if err := d.thaw(ctx, dom); err != nil {
		d.Log.DebugContext(ctx, "no thaw", "server", libvirt.UUIDString(dom.UUID), "error", err)
	}
	return nil
}

// freeze asks the guest's agent to write out and hold its file systems. A guest without an agent is not asked.
func (d *Driver) freeze(ctx context.Context, dom rpc.Domain) (bool, error) {
	if there, err := d.agent(ctx, dom); err != nil || !there {
		return false, errors.Join(err, errors.New("QEMU guest agent is not enabled"))
	}
	err := d.do(ctx, func(l *rpc.Libvirt) error {
		_, err := l.DomainFsfreeze(dom, nil, 0)
		return err
	})
	return err == nil, err
}

// thaw lets the guest's file systems go on.
func (d *Driver) thaw(ctx context.Context, dom rpc.Domain) error {
	if there, err := d.agent(ctx, dom); err != nil || !there {
		return err
	}
	return d.do(ctx, func(l *rpc.Libvirt) error {
		_, err := l.DomainFsthaw(dom, nil, 0)
		return err
	})
}

// agentChannel is where QEMU's guest agent listens inside.
const agentChannel = "org.qemu.guest_agent.0"

// agent tells whether a guest runs with a channel to an agent that has opened it.
func (d *Driver) agent(ctx context.Context, dom rpc.Domain) (bool, error) {
	def, err := d.layer(ctx, dom, rpc.DomainDeviceModifyLive)
	if err != nil || def == nil || def.Devices == nil {
		return false, err
	}
	for i := range def.Devices.Channels {
		if t := def.Devices.Channels[i].Target; t != nil && t.VirtIO != nil && t.VirtIO.Name == agentChannel {
			return t.VirtIO.State == "connected", nil
		}
	}
	return false, nil
}
