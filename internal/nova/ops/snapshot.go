package ops

import (
	"context"
	"errors"
	"time"

	"gostack/internal/nova"
	"gostack/internal/nova/rpc"
	"gostack/internal/saga"
	"gostack/internal/store"
)

type snapshotRun = saga.Run[nova.SnapshotState]

// Deadlines of what depends on the size of a disk.
const (
	snapshotDeadline = 4 * time.Hour
	uploadDeadline   = 24 * time.Hour
)

// createImage makes an image of a server: the host takes the root disk into a file, sends the file to the image service and removes it.
// An image that does not come about is removed.
func (o *Ops) createImage() *saga.Definition[nova.SnapshotState] {
	task := func(name string) func(context.Context, store.Tx, *snapshotRun) error {
		return func(ctx context.Context, tx store.Tx, r *snapshotRun) error {
			return o.update(ctx, tx, r.Operation, name, nil)
		}
	}
	at := func(r *snapshotRun, step string) snapshotOf {
		return snapshotOf{onHost{r.Operation, r.State.ServerID, r.At, step}, r.State.ImageID}
	}
	event := func(r *snapshotRun) string {
		if r.State.Backup {
			return "compute_backup_instance"
		}
		return "compute_snapshot_instance"
	}
	return &saga.Definition[nova.SnapshotState]{
		Kind: nova.KindSnapshot, Deadline: snapshotDeadline + uploadDeadline, Workers: 16,
		Steps: []saga.Step[nova.SnapshotState]{
			{Name: "begin", Save: task("image_pending_upload")},
			{
				Name: "take the disk", Deadline: snapshotDeadline, Save: task("image_uploading"),
				Do:   func(ctx context.Context, r *snapshotRun) error { return o.takeSnapshot(ctx, at(r, "snapshot")) },
				Undo: func(ctx context.Context, r *snapshotRun) error { return o.dropSnapshot(ctx, at(r, anyTime)) },
			},
			{Name: "upload", Deadline: uploadDeadline, Do: func(ctx context.Context, r *snapshotRun) error { return o.uploadSnapshot(ctx, at(r, "upload")) }},
			{Name: "drop the copy", Deadline: time.Hour, Do: func(ctx context.Context, r *snapshotRun) error { return o.dropSnapshot(ctx, at(r, anyTime)) }},
			{Name: "rotate", Save: o.rotate},
		},
		OnDone: func(ctx context.Context, tx store.Tx, r *snapshotRun) error {
			host, err := o.settleImage(ctx, tx, r.Operation)
			return errors.Join(err, o.finishAction(ctx, tx, r.Operation, event(r), host, ""))
		},
		OnUndone: func(ctx context.Context, tx store.Tx, r *snapshotRun) error {
			host, err := o.settleImage(ctx, tx, r.Operation)
			return errors.Join(err, o.Nova.Made.Discard(ctx, r.State.ImageID), o.finishAction(ctx, tx, r.Operation, event(r), host, r.Cause))
		},
	}
}

// settleImage settles a server that was made into an image, or was not: it stays what it was.
func (o *Ops) settleImage(ctx context.Context, tx store.Tx, op saga.Operation) (host string, err error) {
	err = o.settle(ctx, tx, op, func(srv *nova.Server) []string {
		host = srv.Host
		srv.Kept.SnapshotID = ""
		return []string{"kept"}
	})
	return host, err
}

// snapshotOf is the snapshot that a step of some operation is about.
type snapshotOf struct {
	onHost
	image string
}

// takeSnapshot has the host write the root disk into a file.
func (o *Ops) takeSnapshot(ctx context.Context, s snapshotOf) error {
	return o.onItsHost(ctx, s.onHost, rpc.Snapshot, func(_ context.Context, srv *nova.Server) (any, error) {
		return rpc.SnapshotArgs{ServerID: s.server, ImageID: s.image, Quiesce: nova.QuiesceOf(srv), StepID: s.stepID()}, nil
	})
}

// uploadSnapshot has the host send the file.
func (o *Ops) uploadSnapshot(ctx context.Context, s snapshotOf) error {
	return o.onItsHost(ctx, s.onHost, rpc.UploadSnapshot, func(context.Context, *nova.Server) (any, error) {
		return rpc.SnapshotRef{ServerID: s.server, ImageID: s.image, StepID: s.stepID()}, nil
	})
}

// dropSnapshot has the host remove the file. A host that is down does so when it keeps house.
func (o *Ops) dropSnapshot(ctx context.Context, s snapshotOf) error {
	srv, err := o.server(ctx, s.server)
	if err != nil || srv == nil || srv.Host == "" {
		return err
	}
	s.at(srv.Host)
	err = o.Nova.Hosts.Call(ctx, srv.Host, rpc.DropSnapshot, rpc.SnapshotRef{ServerID: s.server, ImageID: s.image}, nil)
	return o.unlessDown(ctx, srv.Host, err)
}

// rotate removes the oldest backups of the type beyond those that shall stay; with none to stay, this one too.
func (o *Ops) rotate(ctx context.Context, _ store.Tx, r *snapshotRun) error {
	if !r.State.Backup {
		return nil
	}
	made, err := o.Nova.Made.Made(ctx, r.State.Project, map[string]string{
		"image_type": "backup", "backup_type": r.State.BackupType, "instance_uuid": r.State.ServerID,
	})
	if err != nil {
		return err
	}
	for i := range made {
		if i < r.State.Rotation {
			continue
		}
		if err := o.Nova.Made.Discard(ctx, made[i].ID); err != nil {
			return err
		}
	}
	return nil
}
