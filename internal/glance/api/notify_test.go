package api_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gostack/internal/glance"
	"gostack/internal/notify"
	"gostack/internal/notify/notifytest"
	"gostack/internal/store/storetest"
)

// TestWhatIsTold compares event types and payload members with upstream's glance/notifier.py.
func TestWhatIsTold(t *testing.T) {
	db := storetest.Either(t, glance.Migrations, notify.Migrations)
	ear := notifytest.Hear(t, db)
	c := start(t, db, glance.Config{Silent: []string{"image.deactivate"}})
	m := c.As("member")
	image := strings.Fields(`checksum container_format created_at deleted deleted_at disk_format id is_public min_disk min_ram name owner properties protected
		size status tags updated_at virtual_size visibility`)
	slices.Sort(image)
	expect := func(what string, fields []string, types ...string) (payloads []map[string]any) {
		t.Helper()
		list := ear.Since(t)
		if diff := cmp.Diff(types, notifytest.Types(list)); diff != "" {
			t.Fatalf("%s:\n%s", what, diff)
		}
		for _, n := range list {
			p := notifytest.Payload(t, n)
			if n.Service != "glance" || n.Publisher != "image.control-1" || n.Versioned || n.Priority != "info" || n.Context["user_id"] == nil {
				t.Errorf("%s: %+v", what, n)
			}
			if diff := cmp.Diff(fields, slices.Sorted(maps.Keys(p))); diff != "" {
				t.Errorf("%s:\n%s", n.EventType, diff)
			}
			payloads = append(payloads, p)
		}
		return payloads
	}
	id := c.create("member", `{"name": "i", "disk_format": "raw", "container_format": "bare"}`)
	p := expect("create", image, "image.create")
	if p[0]["status"] != "queued" || p[0]["id"] != id || p[0]["is_public"] != false {
		t.Errorf("%v", p)
	}
	m.With("Content-Type", octets).Put(images+"/"+id+"/file", "data").Want(204)
	p = expect("upload", image, "image.prepare", "image.upload", "image.activate")
	if p[0]["status"] != "saving" || p[2]["status"] != "active" || p[2]["size"] != 4.0 || p[2]["checksum"] == nil {
		t.Errorf("%v", p)
	}
	m.With("Content-Type", patch).Patch(images+"/"+id, `[{"op": "replace", "path": "/name", "value": "j"}]`).Want(200)
	if p = expect("update", image, "image.update"); p[0]["name"] != "j" {
		t.Errorf("%v", p)
	}
	m.Get(images + "/" + id + "/file").Want(200)
	p = expect("send", []string{"bytes_sent", "image_id", "owner_id", "receiver_tenant_id", "receiver_user_id"}, "image.send")
	if p[0]["bytes_sent"] != 4.0 || p[0]["image_id"] != id {
		t.Errorf("%v", p)
	}
	members := []string{"created_at", "deleted", "deleted_at", "image_id", "member_id", "status", "updated_at"}
	m.Post(images+"/"+id+"/members", `{"member": "p2"}`).Want(200)
	m.Delete(images + "/" + id + "/members/p2").Want(204)
	if p = expect("members", members, "image.member.create", "image.member.delete"); p[1]["deleted"] != true || p[1]["status"] != "pending" {
		t.Errorf("%v", p)
	}
	m.Delete(images + "/" + id).Want(204)
	if p = expect("delete", image, "image.delete"); p[0]["deleted"] != true || p[0]["deleted_at"] == nil {
		t.Errorf("%v", p)
	}
}
