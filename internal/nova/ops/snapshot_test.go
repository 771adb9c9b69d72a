package ops_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"gostack/internal/glance"
	"gostack/internal/nova"
	"gostack/internal/nova/db"
	"gostack/internal/nova/driver"
	"gostack/internal/nova/novatest"
	"gostack/internal/saga/sagatest"
	"gostack/internal/store"
)

// images are the images that servers have become, newest first.
func (w *world) images(t *testing.T) []glance.Image {
	t.Helper()
	list, err := w.Glance.List(context.Background(), nil, glance.Filter{Visibility: "all"}, []glance.Sort{{Column: "created_at", Desc: true}}, "", 100)
	must(t, err)
	return list
}

// noCopies fails when a host has a copy of a disk.
func (w *world) noCopies(t *testing.T, image string) {
	t.Helper()
	for name, h := range w.Hosts {
		for _, srv := range w.Servers() {
			if _, _, err := h.OpenSnapshot(context.Background(), srv.ID, image); !errors.Is(err, driver.ErrNotFound) {
				t.Errorf("%s still has a copy of %s: %v", name, srv.ID, err)
			}
		}
	}
}

// whole fails unless the images are there with the data of the only server, and nothing else is in the image store.
func (w *world) whole(t *testing.T, images ...glance.Image) {
	t.Helper()
	for _, i := range images {
		if i.Status != glance.Active || i.VirtualSize == nil || *i.VirtualSize != 1<<30 {
			t.Errorf("image %s is %s, %v bytes", i.ID, i.Status, i.VirtualSize)
			continue
		}
		data, _, err := w.Glance.Open(t.Context(), &i)
		must(t, err)
		text, err := io.ReadAll(data)
		must(t, err)
		_ = data.Close()
		if !strings.Contains(string(text), "snapshot "+i.ID+" of ") {
			t.Errorf("image %s holds something else", i.ID)
		}
		w.noCopies(t, i.ID)
	}
	novatest.Until(t, "the image store has nothing else", func() bool { // files go right after their rows
		found, err := w.Glance.Audit(context.Background())
		return err == nil && len(found) == 0
	})
}

func TestCreateImage(t *testing.T) {
	each(t, 1, func(t *testing.T, w *world) {
		ctx := t.Context()
		srv := w.settled("web")
		id, err := w.Nova.CreateImage(ctx, w.caller, srv.ID, nova.ImageRequest{Name: "copy", Properties: map[string]string{"mine": "1"}})
		must(t, err)
		w.has(t, srv.ID, nova.Active, driver.Running)
		image, err := w.Glance.Image(ctx, w.caller, id)
		must(t, err)
		for name, want := range map[string]string{
			"mine": "1", "instance_uuid": srv.ID, "base_image_ref": novatest.ImageID, "image_type": "snapshot", "user_id": w.caller.UserID, "owner_id": srv.ProjectID, "image_state": "available",
		} {
			if got := image.Properties[name]; got != want {
				t.Errorf("property %s is %q, want %q", name, got, want)
			}
		}
		if *image.Name != "copy" || image.Visibility != glance.Private || *image.Owner != srv.ProjectID || image.MinDisk != 1 || *image.DiskFormat != "qcow2" {
			t.Errorf("image %+v", image)
		}
		w.whole(t, *image)
		actions, events := w.lastAction(t, srv.ID)
		if actions.Action != "createImage" || actions.Message != nil || len(events) != 1 || events[0].Event != "compute_snapshot_instance" || events[0].Host != srv.Host {
			t.Errorf("action %+v, events %+v", actions, events)
		}
		// A stranger's host, an unexpected image: nothing is taken.
		for _, x := range [][2]string{{"host-9", id}, {srv.Host, novatest.ImageID}, {srv.Host, id}} {
			if _, err := w.Nova.ReceiveSnapshot(ctx, x[0], srv.ID, x[1], 1, strings.NewReader("x")); !errors.Is(err, driver.ErrNotFound) {
				t.Errorf("host %s sends %s: %v", x[0], x[1], err)
			}
		}
		boot, err := w.Nova.CreateServers(ctx, w.caller, nova.CreateRequest{Name: "again", FlavorID: "1", ImageID: id, Min: 1, Max: 1})
		must(t, err)
		w.has(t, boot[0].ID, nova.Active, driver.Running)
		w.Clean(t)
	})
}

// lastAction is what was done last to a server.
func (w *world) lastAction(t *testing.T, id string) (*nova.Action, []*nova.ActionEvent) {
	t.Helper()
	list, err := db.ListActions(t.Context(), w.DB.Read(t.Context()), nova.ActionFilter{ServerID: id, Limit: 1})
	must(t, err)
	events, err := db.ListActionEvents(t.Context(), w.DB.Read(t.Context()), list[0].Seq)
	must(t, err)
	return list[0], events
}

func TestBackupRotation(t *testing.T) {
	each(t, 1, func(t *testing.T, w *world) {
		srv := w.settled("web")
		var ids []string
		backup := func(kind string, rotation int) {
			t.Helper()
			id, err := w.Nova.CreateImage(t.Context(), w.caller, srv.ID, nova.ImageRequest{Name: "b", Backup: true, BackupType: kind, Rotation: rotation})
			must(t, err)
			w.has(t, srv.ID, nova.Active, driver.Running)
			ids = append(ids, id)
		}
		for range 3 {
			backup("daily", 2)
		}
		backup("weekly", 2)
		left := w.images(t)
		if len(left) != 3 || left[0].ID != ids[3] || left[1].ID != ids[2] || left[2].ID != ids[1] {
			t.Errorf("left %+v of %v", left, ids)
		}
		w.whole(t, left...)
		backup("daily", 0)
		if left := w.images(t); len(left) != 1 || left[0].ID != ids[3] || left[0].Properties["backup_type"] != "weekly" || left[0].Properties["image_type"] != "backup" {
			t.Errorf("left after rotation 0: %+v", left)
		}
		if a, events := w.lastAction(t, srv.ID); a.Action != "createBackup" || events[0].Event != "compute_backup_instance" {
			t.Errorf("action %+v", a)
		}
	})
}

// An image that its owner deletes while it is being made ends the making, not the server; a deleted server takes its image with it.
func TestImageDeletedMeanwhile(t *testing.T) {
	each(t, 1, func(t *testing.T, w *world) {
		ctx := t.Context()
		srv := w.settled("web")
		w.Agents[srv.Host].Stop() // so that the making hangs
		id, err := w.Nova.CreateImage(ctx, w.caller, srv.ID, nova.ImageRequest{Name: "copy"})
		must(t, err)
		_, err = w.Nova.CreateImage(ctx, w.caller, srv.ID, nova.ImageRequest{Name: "another"})
		if err == nil || !strings.Contains(err.Error(), "Cannot 'createImage' instance "+srv.ID+" while it is in task_state image_") {
			t.Errorf("a second one: %v", err)
		}
		must(t, w.Glance.Delete(ctx, w.caller, id))
		w.StartAgent(srv.Host)
		w.has(t, srv.ID, nova.Active, driver.Running)
		if a, _ := w.lastAction(t, srv.ID); a.Message == nil {
			t.Errorf("action %+v", a)
		}
		w.noCopies(t, id)

		w.Agents[srv.Host].Stop()
		_, err = w.Nova.CreateImage(ctx, w.caller, srv.ID, nova.ImageRequest{Name: "copy"})
		must(t, err)
		must(t, w.Nova.Delete(ctx, w.caller, srv.ID))
		w.StartAgent(srv.Host)
		if w.Settled(srv.ID) != nil {
			t.Error("the server is still there")
		}
		if left := w.images(t); len(left) != 0 {
			t.Errorf("left %+v", left)
		}
		w.Clean(t)
	})
}

func TestSnapshotIsProved(t *testing.T) {
	t.Parallel()
	for _, backup := range []bool{false, true} {
		sagatest.Prove(t, nova.KindSnapshot, proof(func(w *world) { w.settled("proof") },
			func(ctx context.Context, w *world) error {
				srv, err := w.only(ctx)
				if err != nil {
					return err
				}
				_, err = w.Nova.CreateImage(ctx, w.caller, srv.ID, nova.ImageRequest{Name: "copy", Backup: backup, BackupType: "daily", Rotation: 1})
				return err
			},
			func(t *testing.T, w *world) {
				t.Helper()
				w.Clean(t)
				w.one(t, nova.Active, driver.Running)
				images := w.images(t)
				if len(images) != 1 {
					t.Fatalf("%d images", len(images))
				}
				w.whole(t, images...)
			},
			func(t *testing.T, w *world) {
				t.Helper()
				w.Clean(t)
				if srv := w.one(t, nova.Active, driver.Running); srv.Kept.SnapshotID != "" {
					t.Errorf("kept %+v", srv.Kept)
				}
				if images := w.images(t); len(images) != 0 {
					t.Errorf("left %+v", images)
				}
				w.whole(t)
			}))
	}
}

// An upload that died with its control process holds the image for the time of its lease. The next one waits.
func TestUploadWaitsForALease(t *testing.T) {
	each(t, 1, func(t *testing.T, w *world) {
		ctx := t.Context()
		srv := w.settled("web")
		w.Agents[srv.Host].Stop()
		id, err := w.Nova.CreateImage(ctx, w.caller, srv.ID, nova.ImageRequest{Name: "copy"})
		must(t, err)
		lease := func(status, key string) {
			t.Helper()
			must(t, w.DB.Write(ctx, func(ctx context.Context, tx store.Tx) error {
				_, err := tx.NewUpdate().Table("glance_images").Set("status = ?", status).Set("upload_key = ?", key).Where("id = ?", id).Exec(ctx)
				return err
			}))
		}
		lease(glance.Saving, "another-process")
		w.StartAgent(srv.Host)
		novatest.Until(t, "the upload waits", func() bool {
			n, err := w.DB.Read(ctx).NewSelect().Table("saga_operations").Where("kind = ?", nova.KindSnapshot).Where("attempt > 1 OR step >= 2").Count(ctx)
			return err == nil && n == 1
		})
		lease(glance.Queued, "")
		w.has(t, srv.ID, nova.Active, driver.Running)
		left := w.images(t)
		if len(left) != 1 || left[0].ID != id {
			t.Errorf("images %v", left)
		}
		w.whole(t, left...)
	})
}
