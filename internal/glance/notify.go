package glance

import (
	"context"
	"reflect"
	"strings"
	"time"

	"gostack/internal/glance/db"
	"gostack/internal/notify"
	"gostack/internal/policy"
	"gostack/internal/store"
)

// watch turns what becomes of images into upstream's notifications (glance/notifier.py), in the transaction in which it becomes so.
type watch struct{ s *Service }

type touched struct {
	id       string
	old, now *Image
}

type touchedKey struct{}

// Image implements db.Watcher.
func (w *watch) Image(ctx context.Context, tx store.Tx, id string, made bool) error {
	if notify.Sending(ctx) == nil {
		return nil
	}
	all, _ := store.PerWrite(ctx, touchedKey{}, func() any { return &[]*touched{} }).(*[]*touched)
	for _, t := range *all {
		if t.id == id {
			return nil
		}
	}
	t := &touched{id: id}
	if !made {
		old, err := db.Get(ctx, tx, db.Scope{All: true}, id)
		if store.IsNotFound(err) {
			return nil
		}
		if err != nil {
			return err
		}
		t.old = old
	}
	*all = append(*all, t)
	caller := policy.CallerOf(ctx)
	store.BeforeCommit(ctx, func(ctx context.Context, tx store.Tx) (err error) {
		if t.now, err = db.Get(ctx, tx, db.Scope{All: true}, id); store.IsNotFound(err) {
			t.now, err = nil, nil
		}
		if err != nil {
			return err
		}
		return w.s.emit(ctx, caller, t.events(w.s.clock.Now())...)
	})
	return nil
}

// Member implements db.Watcher.
func (w *watch) Member(ctx context.Context, verb string, m *Member) error {
	if notify.Sending(ctx) == nil {
		return nil
	}
	payload := map[string]any{
		"image_id": m.ImageID, "member_id": m.MemberID, "status": m.Status, "created_at": isotime(m.CreatedAt), "updated_at": isotime(m.UpdatedAt),
		"deleted": false, "deleted_at": nil,
	}
	if verb == "delete" {
		payload["deleted"], payload["deleted_at"] = true, isotime(w.s.clock.Now())
	}
	return w.s.emit(ctx, policy.CallerOf(ctx), notify.Event{Type: "image.member." + verb, Payload: payload})
}

// events says what an image has come to by the states before and after.
func (t *touched) events(now time.Time) []notify.Event {
	old, img := t.old, t.now
	event := func(typ string, img *Image) notify.Event { return notify.Event{Type: typ, Payload: imagePayload(img)} }
	switch {
	case old == nil && img == nil:
		return nil
	case old == nil:
		return []notify.Event{event("image.create", img)}
	case img == nil:
		gone := imagePayload(old)
		gone["status"], gone["deleted"], gone["deleted_at"] = "deleted", true, isotime(now)
		return []notify.Event{{Type: "image.delete", Payload: gone}}
	case old.Status == Queued && img.Status == Saving:
		return []notify.Event{event("image.prepare", img)}
	case old.Status == Saving && img.Status == Queued:
		return []notify.Event{{Type: "image.upload", Priority: notify.Error, Payload: "Failed to upload image data for image " + img.ID}}
	case img.Status == Active && old.Status != Active && old.Status != Deactivated:
		return []notify.Event{event("image.upload", img), event("image.activate", img)}
	case reflect.DeepEqual(old, img):
		return nil
	}
	return []notify.Event{event("image.update", img)}
}

func imagePayload(img *Image) map[string]any {
	properties, tags := img.Properties, img.Tags
	if properties == nil {
		properties = map[string]string{}
	}
	if tags == nil {
		tags = []string{}
	}
	return map[string]any{
		"id": img.ID, "name": img.Name, "status": img.Status, "created_at": isotime(img.CreatedAt), "updated_at": isotime(img.UpdatedAt),
		"min_disk": img.MinDisk, "min_ram": img.MinRAM, "protected": img.Protected, "checksum": img.Checksum, "owner": img.Owner,
		"disk_format": img.DiskFormat, "container_format": img.ContainerFormat, "size": img.Size, "virtual_size": img.VirtualSize,
		"is_public": img.Visibility == Public, "visibility": img.Visibility, "properties": properties, "tags": tags, "deleted": false, "deleted_at": nil,
	}
}

func isotime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05Z") }

// Sent tells that an image's data went to a user: n bytes, all that were asked for or not.
func (s *Service) Sent(ctx context.Context, c *policy.Caller, img *Image, n int64, whole bool) {
	if notify.Of(s.db) == nil {
		return
	}
	e := notify.Event{Type: "image.send", Payload: map[string]any{
		"bytes_sent": n, "image_id": img.ID, "owner_id": img.Owner, "receiver_tenant_id": c.ProjectID, "receiver_user_id": c.UserID,
	}}
	if !whole {
		e.Priority = notify.Error
	}
	if err := s.emit(context.WithoutCancel(ctx), c, e); err != nil {
		s.log.Warn("a notification is lost", "event", e.Type, "image", img.ID, "error", err)
	}
}

func (s *Service) emit(ctx context.Context, c *policy.Caller, events ...notify.Event) error {
	sender := notify.Sending(ctx)
	if sender == nil {
		sender = notify.Of(s.db)
	}
	var wanted []notify.Event
	for _, e := range events {
		if s.muted(e.Type) || sender == nil {
			continue
		}
		e.Service, e.Publisher, e.Caller = "glance", "image."+sender.Host, c
		wanted = append(wanted, e)
	}
	return sender.Emit(ctx, wanted...)
}

// muted tells whether the operator does not want a notification, or the group that it is in.
func (s *Service) muted(typ string) bool {
	for _, name := range s.silent {
		if typ == name || strings.HasPrefix(typ, name+".") && (name != "image" || !strings.HasPrefix(typ, "image.member.")) {
			return true
		}
	}
	return false
}
