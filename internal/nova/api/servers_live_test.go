package api_test

import (
	"fmt"
	"testing"

	"gostack/internal/nova"
)

func TestLiveMigrationInTheAPI(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		c.API.Handler = judged(t, c.API.Handler)
		srv := c.row("one", nil)
		action := base + "/servers/" + srv.ID + "/action"
		admin := c.As("admin")
		move := func(body map[string]any) any { return map[string]any{"os-migrateLive": body} }

		// The body changes with the microversion.
		for _, bad := range []struct {
			version string
			body    map[string]any
		}{
			{"2.1", map[string]any{"host": nil, "block_migration": false}},
			{"2.1", map[string]any{"host": nil, "block_migration": "auto", "disk_over_commit": false}},
			{"2.25", map[string]any{"host": nil, "block_migration": "auto", "disk_over_commit": false}},
			{"2.25", map[string]any{"host": nil, "block_migration": "perhaps"}},
			{"2.25", map[string]any{"host": nil, "block_migration": "auto", "force": true}},
			{"2.25", map[string]any{"block_migration": "auto"}},
			{"2.30", map[string]any{"host": 7, "block_migration": "auto"}},
			{"2.68", map[string]any{"host": "host-2", "block_migration": "auto", "force": false}},
			{"2.68", map[string]any{"host": "a b", "block_migration": "auto"}},
		} {
			admin.At("compute "+bad.version).Post(action, move(bad.body)).Want(400)
		}
		admin.At("compute 2.30").Post(action, move(map[string]any{"host": nil, "block_migration": "auto", "force": true})).Want(400).Says("Can't force to a non-provided destination")
		admin.At("compute 2.68").Post(action, move(map[string]any{"host": "nowhere", "block_migration": "auto"})).Want(400).Says("Compute host nowhere could not be found.")

		// A manager may move a project's servers, but not say where to.
		manager := c.As("manager").At("compute 2.68")
		manager.Post(action, move(map[string]any{"host": "host-2", "block_migration": "auto"})).Want(403)
		c.As("member").At("compute 2.68").Post(action, move(map[string]any{"host": nil, "block_migration": "auto"})).Want(403)
		off := c.row("off", func(s *nova.Server) { s.VMState = nova.Stopped })
		admin.At("compute 2.68").Post(base+"/servers/"+off.ID+"/action", move(map[string]any{"host": nil, "block_migration": "auto"})).Want(409).
			Says("Cannot 'os-migrateLive' instance " + off.ID + " while it is in vm_state stopped")
	})
}

// What is wrong with a migration that goes on is told in package ops, where migrations go on.
func TestLiveMigrationsThatAreNone(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		c.API.Handler = judged(t, c.API.Handler)
		admin := c.As("admin")
		srv := c.row("still", nil)
		m := c.moved(srv, nova.TypeLiveMigration, nova.MoveCompleted)
		path, force := fmt.Sprintf("%s/servers/%s/migrations/%d", base, srv.ID, m.ID), map[string]any{"force_complete": nil}
		admin.At("compute 2.24").Delete(path).Want(409).Says("Cannot 'abort live migration' instance " + srv.ID + " while it is in task_state None")
		admin.At("compute 2.23").Delete(path).Want(404)
		admin.At("compute 2.22").Post(path+"/action", force).Want(409).Says("Cannot 'force_complete' instance " + srv.ID + " while it is in task_state None")
		admin.At("compute 2.22").Post(path+"/action", map[string]any{"force_complete": "now"}).Want(400)
		admin.At("compute 2.21").Post(path+"/action", force).Want(404)
		c.As("member").At("compute 2.65").Delete(path).Want(403)
		c.As("member").At("compute 2.22").Post(path+"/action", force).Want(403)
	})
}
