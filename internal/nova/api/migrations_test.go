package api_test

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"gostack/internal/nova"
	"gostack/internal/nova/db"
	"gostack/internal/store"
)

// moved stores a move of a server of project-1.
func (c *cloud) moved(srv *nova.Server, kind, status string) *nova.Migration {
	c.t.Helper()
	c.clock.Advance(time.Second)
	one, two, user := int64(1), int64(2), "user-member"
	m := &nova.Migration{
		UUID: fmt.Sprintf("bbbbbbbb-0000-4000-8000-%012d", c.clock.Now().Unix()%1e12), ServerID: srv.ID, SourceCompute: "host-1", SourceNode: "node-1", DestCompute: "host-2", DestNode: "node-2", DestHost: "10.0.0.2",
		OldFlavorSeq: &one, NewFlavorSeq: &two, Type: kind, Status: status, UserID: &user, ProjectID: &srv.ProjectID, Details: json.RawMessage("{}"), CreatedAt: c.clock.Now(), UpdatedAt: c.clock.Now(),
	}
	m.MemoryTotal = &two
	if err := c.db.Write(context.Background(), func(ctx context.Context, tx store.Tx) error { return db.Insert(ctx, tx, m) }); err != nil {
		c.t.Fatal(err)
	}
	return m
}

func TestMigrationsAreListed(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		c.API.Handler = judged(t, c.API.Handler)
		admin := c.As("admin")
		srv, other := c.row("one", nil), c.row("two", func(s *nova.Server) { s.ProjectID = "project-2" })
		first := c.moved(srv, nova.TypeResize, nova.MoveConfirmed)
		since := c.clock.Now()
		c.moved(srv, nova.TypeLiveMigration, nova.MoveRunning)
		last := c.moved(other, nova.TypeEvacuation, nova.MoveDone)

		old := admin.Get(base+"/os-migrations").Want(200).Has("migrations.0.instance_uuid", other.ID).Has("migrations.2.dest_host", "10.0.0.2").Has("migrations.2.new_instance_type_id", 2)
		if old.Len("migrations") != 3 || old.At("migrations.0.migration_type") != nil || old.At("migrations.0.uuid") != nil {
			t.Errorf("%s", old.Body)
		}
		typed := admin.At("compute 2.23").Get(base+"/os-migrations?unknown=1").Want(200).Has("migrations.1.migration_type", "live-migration")
		if typed.At("migrations.1.links.0.href") == nil || typed.At("migrations.2.links") != nil {
			t.Errorf("links: %s", typed.Body)
		}
		paged := admin.At("compute 2.59")
		page := paged.Get(base+"/os-migrations?limit=1").Want(200).Has("migrations.0.uuid", last.UUID)
		page = paged.Get(page.Text("migrations_links.0.href")).Want(200).Has("migrations.0.status", "running")
		page = paged.Get(page.Text("migrations_links.0.href")).Want(200).Has("migrations.0.uuid", first.UUID)
		if page.At("migrations_links") != nil {
			t.Errorf("a page after the last: %s", page.Body)
		}
		paged.Get(base + "/os-migrations?unknown=1").Want(400)
		paged.Get(base + "/os-migrations?limit=-1").Want(400)
		paged.Get(base + "/os-migrations?changes-since=yesterday").Want(400)
		paged.Get(base + "/os-migrations?marker=" + srv.ID).Want(400).Says("Marker " + srv.ID + " could not be found.")
		paged.Get(base + "/os-migrations?changes-before=2026-01-01").Want(400)
		between := admin.At("compute 2.66")
		between.Get(base + "/os-migrations?changes-before=2026-01-01&changes-since=2026-01-02").Want(400).Says("must be less than or equal to")
		for query, n := range map[string]int{
			"changes-before=" + since.Format(time.RFC3339): 1, "changes-since=" + since.Add(time.Second).Format(time.RFC3339): 2, "host=host-2": 3, "source_compute=host-2": 0,
			"instance_uuid=" + srv.ID: 2, "status=done": 1, "migration_type=resize": 1, "hidden=true": 0, "hidden=false": 3, "limit=0": 0,
		} {
			if got := between.Get(base + "/os-migrations?" + query).Want(200).Len("migrations"); got != n {
				t.Errorf("%s: %d, want %d", query, got, n)
			}
		}
		if v := between.Get(base + "/os-migrations").Want(200); v.At("migrations.0.project_id") != nil {
			t.Errorf("%s", v.Body)
		}
		newest := admin.At("compute 2.80")
		newest.Get(base+"/os-migrations?project_id=project-2").Want(200).Has("migrations.0.uuid", last.UUID).Has("migrations.0.project_id", "project-2")
		newest.Get(base+"/os-migrations?user_id=nobody").Want(200).Has("migrations", "[]")

		// A project's manager sees the project's, when asking for them, and no host.
		manager := c.As("manager")
		manager.Get(base + "/os-migrations").Want(403)
		manager.At("compute 2.80").Get(base + "/os-migrations?project_id=project-2").Want(403)
		own := manager.At("compute 2.80").Get(base + "/os-migrations?project_id=project-1").Want(200)
		if own.Len("migrations") != 2 || own.At("migrations.0.dest_compute") != nil || own.At("migrations.0.source_node") != nil {
			t.Errorf("%s", own.Body)
		}
	})
}

func TestLiveMigrationsOfAServer(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		c.API.Handler = judged(t, c.API.Handler)
		admin := c.As("admin").At("compute 2.80")
		srv := c.row("one", nil)
		resize, live, over := c.moved(srv, nova.TypeResize, nova.MoveFinished), c.moved(srv, nova.TypeLiveMigration, nova.MoveRunning), c.moved(srv, nova.TypeLiveMigration, nova.MoveCompleted)
		path := base + "/servers/" + srv.ID + "/migrations"
		list := admin.Get(path).Want(200).Has("migrations.0.id", live.ID).Has("migrations.0.server_uuid", srv.ID).Has("migrations.0.memory_total_bytes", 2).Has("migrations.0.project_id", "project-1")
		if list.Len("migrations") != 1 || list.At("migrations.0.disk_total_bytes") != nil {
			t.Errorf("%s", list.Body)
		}
		admin.Get(fmt.Sprintf("%s/%d", path, live.ID)).Want(200).Has("migration.uuid", live.UUID).Has("migration.dest_host", "10.0.0.2")
		admin.Get(fmt.Sprintf("%s/%d", path, resize.ID)).Want(404).Says("is not live-migration.")
		admin.Get(fmt.Sprintf("%s/%d", path, over.ID)).Want(404).Says("is not in progress.")
		admin.Get(path + "/4711").Want(404).Says("In-progress live migration 4711 is not found for server " + srv.ID)
		admin.Get(path + "/x").Want(404)
		admin.At("compute 2.22").Get(path).Want(404)
		if v := c.As("manager").At("compute 2.23").Get(path).Want(200); v.At("migrations.0.source_compute") != nil || v.At("migrations.0.uuid") != nil {
			t.Errorf("%s", v.Body)
		}
	})
}
