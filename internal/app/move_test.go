package app

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/uptrace/bun"

	"gostack/internal/config"
	"gostack/internal/dump"
	"gostack/internal/secret"
	"gostack/internal/store"
	"gostack/internal/store/storetest"
)

// client speaks to a running house as admin.
type client struct {
	t     *testing.T
	h     *House
	token string
}

func (c *client) do(method, path string, body, answer any) int {
	c.t.Helper()
	var text []byte
	kind := "application/json"
	switch b := body.(type) {
	case nil:
	case []byte:
		text, kind = b, "application/octet-stream"
	default:
		text, _ = json.Marshal(body)
	}
	r, err := http.NewRequestWithContext(c.t.Context(), method, "http://"+c.h.Listen.Addr()+path, bytes.NewReader(text))
	if err != nil {
		c.t.Fatal(err)
	}
	r.Header.Set("Content-Type", kind)
	r.Header.Set("X-Auth-Token", c.token)
	r.Header.Set("OpenStack-API-Version", "compute 2.60")
	a, err := http.DefaultClient.Do(r)
	if err != nil {
		c.t.Fatal(err)
	}
	defer func() { _ = a.Body.Close() }()
	got, err := io.ReadAll(a.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	if a.StatusCode >= 300 {
		c.t.Logf("%s %s: %d %s", method, path, a.StatusCode, got)
	} else if answer != nil {
		if err := json.Unmarshal(got, answer); err != nil {
			c.t.Fatalf("%s %s: %v: %s", method, path, err, got)
		}
	}
	return a.StatusCode
}

type thing struct{ ID string }

// make posts body and returns the new thing's id, found in the answer below key.
func (c *client) make(path, key string, body any) string {
	c.t.Helper()
	var answer map[string]json.RawMessage
	var raw json.RawMessage
	if code := c.do(http.MethodPost, path, body, &raw); code >= 300 {
		c.t.Fatalf("POST %s: %d", path, code)
	}
	var made thing
	if key != "" {
		_ = json.Unmarshal(raw, &answer)
		raw = answer[key]
	}
	_ = json.Unmarshal(raw, &made)
	return made.ID
}

func (c *client) login(password string) {
	c.t.Helper()
	var code int
	if code, c.token = c.h.login(c.t, "admin", password); code != http.StatusCreated {
		c.t.Fatalf("login: %d", code)
	}
}

func startHouse(t *testing.T, cfg *config.Config) *client {
	t.Helper()
	h := New(cfg, slog.New(slog.NewTextHandler(io.Discard, nil)))
	if err := h.Start(context.Background(), "control", "nova-compute"); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(AdminPasswordFile(cfg))
	if err != nil {
		t.Fatal(err)
	}
	c := &client{t: t, h: h}
	c.login(strings.TrimSpace(string(b)))
	return c
}

func (c *client) stop() {
	c.t.Helper()
	if err := c.h.Stop(context.Background()); err != nil {
		c.t.Error(err)
	}
}

func (c *client) await(server, status string) {
	c.t.Helper()
	for deadline := time.Now().Add(3 * time.Minute); ; time.Sleep(20 * time.Millisecond) {
		var got struct{ Server struct{ Status string } }
		code := c.do(http.MethodGet, "/compute/v2.1/servers/"+server, nil, &got)
		if got.Server.Status == status || status == "" && code == http.StatusNotFound {
			return
		}
		if time.Now().After(deadline) {
			c.t.Fatalf("server %s is %d %s, not %s", server, code, got.Server.Status, status)
		}
	}
}

type m = map[string]any

// inhabit makes things of every service and returns a server's id.
func (c *client) inhabit() string {
	c.t.Helper()
	image := c.make("/image/v2/images", "", m{"name": "img", "disk_format": "raw", "container_format": "bare", "tags": []string{"t"}, "os_distro": "x", "visibility": "shared"})
	if code := c.do(http.MethodPut, "/image/v2/images/"+image+"/file", bytes.Repeat([]byte("data"), 4096), nil); code != http.StatusNoContent {
		c.t.Fatalf("upload: %d", code)
	}
	project := c.make("/identity/v3/projects", "project", m{"project": m{"name": "p", "tags": []string{"a"}}})
	user := c.make("/identity/v3/users", "user", m{"user": m{"name": "u", "password": "pw-of-u"}})
	group := c.make("/identity/v3/groups", "group", m{"group": m{"name": "g"}})
	c.do(http.MethodPut, "/identity/v3/groups/"+group+"/users/"+user, nil, nil)
	c.make("/image/v2/images/"+image+"/members", "", m{"member": project})
	gone := c.make("/image/v2/images", "", m{"name": "gone"})
	c.do(http.MethodDelete, "/image/v2/images/"+gone, nil, nil)
	network := c.make("/network/v2.0/networks", "network", m{"network": m{"name": "n"}})
	subnet := c.make("/network/v2.0/subnets", "subnet", m{"subnet": m{"network_id": network, "ip_version": 4, "cidr": "10.9.0.0/24", "dns_nameservers": []string{"9.9.9.9"}}})
	external := c.make("/network/v2.0/networks", "network", m{"network": m{"name": "ext", "router:external": true}})
	c.make("/network/v2.0/subnets", "subnet", m{"subnet": m{"network_id": external, "ip_version": 4, "cidr": "172.30.0.0/24"}})
	router := c.make("/network/v2.0/routers", "router", m{"router": m{"name": "r", "external_gateway_info": m{"network_id": external}}})
	c.do(http.MethodPut, "/network/v2.0/routers/"+router+"/add_router_interface", m{"subnet_id": subnet}, nil)
	c.make("/network/v2.0/floatingips", "floatingip", m{"floatingip": m{"floating_network_id": external}})
	c.make("/network/v2.0/rbac-policies", "rbac_policy", m{"rbac_policy": m{"object_type": "network", "object_id": network, "action": "access_as_shared", "target_tenant": project}})
	c.do(http.MethodPut, "/network/v2.0/networks/"+network+"/tags/blue", nil, nil)
	c.do(http.MethodPut, "/network/v2.0/quotas/"+project, m{"quota": m{"network": 5}}, nil)
	flavor := c.make("/compute/v2.1/flavors", "flavor", m{"flavor": m{"name": "f", "ram": 64, "vcpus": 1, "disk": 1}})
	c.do(http.MethodPost, "/compute/v2.1/flavors/"+flavor+"/os-extra_specs", m{"extra_specs": m{"hw:x": "1"}}, nil)
	c.make("/compute/v2.1/os-keypairs", "keypair", m{"keypair": m{"name": "k", "public_key": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGiJ6g6p6f0YgG1pQ0OQ6b0f1xk7d1m2n3o4p5q6r7s8 x"}})
	c.make("/compute/v2.1/os-aggregates", "aggregate", m{"aggregate": m{"name": "a"}})
	c.make("/compute/v2.1/os-server-groups", "server_group", m{"server_group": m{"name": "sg", "policies": []string{"anti-affinity"}}})
	c.do(http.MethodPut, "/compute/v2.1/os-quota-sets/"+project, m{"quota_set": m{"cores": 7}}, nil)
	server := c.make("/compute/v2.1/servers", "server", m{"server": m{"name": "s", "imageRef": image, "flavorRef": flavor, "networks": []m{{"uuid": network}}, "metadata": m{"k": "v"}}})
	c.await(server, "ACTIVE")
	if code := c.do(http.MethodPut, "/compute/v2.1/servers/"+server+"/tags/red", nil, nil); code >= 300 {
		c.t.Fatalf("tag: %d", code)
	}
	return server
}

// byHand are values for columns that take not any.
var byHand = map[string]any{"saga_operations.phase": "forward", "keystone_endpoints.interface": "public"}

// fillEmpty gives every table that is still empty a row, and returns the names of those tables.
func fillEmpty(t *testing.T, db *store.DB) (filled []string) {
	t.Helper()
	err := db.Exclusive(t.Context(), func(ctx context.Context, tx bun.IDB) error {
		tables, err := dump.Tables(ctx, tx, db.Kind())
		if err != nil {
			return err
		}
		for pass := 0; pass < 5; pass++ { // parents before children
			for _, table := range tables {
				n, err := tx.NewSelect().TableExpr("?", bun.Ident(table.Name)).Count(ctx)
				if err != nil || n > 0 {
					if err != nil {
						return err
					}
					continue
				}
				var keys []struct{ From, Parent, To string }
				if err := tx.NewRaw(`SELECT "from", "table" AS parent, COALESCE("to", 'id') AS "to" FROM pragma_foreign_key_list(?)`, table.Name).Scan(ctx, &keys); err != nil {
					return err
				}
				row := m{}
				ready := true
				for _, c := range table.Columns {
					row[c.Name] = map[dump.Type]any{
						dump.Text: "made up", dump.Integer: int64(7), dump.Boolean: true, dump.Double: 1.5, dump.Timestamp: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
					}[c.Type]
					if v, ok := byHand[table.Name+"."+c.Name]; ok {
						row[c.Name] = v
					}
				}
				for _, k := range keys {
					if k.Parent == table.Name { // the only row there is
						row[k.From] = row[k.To]
						continue
					}
					var v any
					err := tx.NewRaw("SELECT ? FROM ? LIMIT 1", bun.Ident(k.To), bun.Ident(k.Parent)).Scan(ctx, &v)
					if store.IsNotFound(err) {
						ready = false
						break
					}
					if err != nil {
						return err
					}
					if b, ok := v.([]byte); ok {
						v = string(b)
					}
					row[k.From] = v
				}
				if !ready {
					continue
				}
				if _, err := tx.NewInsert().Model(&row).TableExpr("?", bun.Ident(table.Name)).Exec(ctx); err != nil {
					return fmt.Errorf("%s: %w", table.Name, err)
				}
				filled = append(filled, table.Name)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return filled
}

func differing(a, b map[string]dump.Sum) (out []string) {
	for name, s := range a {
		if b[name] != s {
			out = append(out, name)
		}
	}
	return out
}

// TestACloudMoves fills a cloud on SQLite, moves it to PostgreSQL and back, saves it, loses it and restores it, on either database. Every table of every service has rows.
func TestACloudMoves(t *testing.T) {
	cfg := testHouse(t).Config
	c := startHouse(t, cfg)
	server := c.inhabit()
	token := c.token
	quiet := func(string, dump.Sum) {}
	pg := storetest.PostgreSQLURL(t)
	if err := store.Exists("sqlite:" + cfg.StateDir + "/nothing"); err == nil {
		t.Error("a file that is missing exists")
	}
	c.stop()

	source, err := store.Open(t.Context(), cfg.Database)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("filled by hand, as no service did: %v", fillEmpty(t, source))
	_ = source.Close()

	there, err := CopyDatabase(t.Context(), cfg, cfg.Database, pg, quiet)
	if err != nil {
		t.Fatal(err)
	}
	for table, s := range there {
		if s.Rows == 0 {
			t.Errorf("table %s is empty: this test does not cover it; make a row in inhabit, or by hand", table)
		}
	}
	if _, err := CopyDatabase(t.Context(), cfg, cfg.Database, pg, quiet); !errors.Is(err, dump.ErrNotEmpty) {
		t.Errorf("a second copy: %v", err)
	}
	if _, err := CopyDatabase(t.Context(), cfg, cfg.Database, cfg.Database, quiet); err == nil {
		t.Error("a copy onto itself")
	}
	back := "sqlite:" + filepath.Join(t.TempDir(), "back.db")
	again, err := CopyDatabase(t.Context(), cfg, pg, back, quiet)
	if err != nil || !maps.Equal(there, again) {
		t.Errorf("moved back, %v differ (%v)", differing(there, again), err)
	}

	// Saved while nothing changes, it is the same on both databases.
	file := filepath.Join(t.TempDir(), "cloud.backup")
	o := BackupOptions{Config: cfg, ConfigFile: filepath.Join(t.TempDir(), "none.yaml"), File: file, Passphrase: secret.New("hush"), Images: true, Progress: t.Logf}
	manifest, err := Backup(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the backup has mode %v, %v", info.Mode(), err)
	}
	if len(manifest.Tables) != len(there) || len(manifest.Files) != 2 {
		t.Errorf("%d tables of %d, files %v", len(manifest.Tables), len(there), manifest.Files)
	}
	for _, url := range []string{"sqlite:" + filepath.Join(t.TempDir(), "r.db"), storetest.PostgreSQLURL(t)} {
		fresh := *cfg
		fresh.StateDir = t.TempDir()
		fresh.RunDir, fresh.Database = fresh.StateDir, url
		r := RestoreOptions{BackupOptions: o}
		r.Config = &fresh
		done, err := Restore(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		if len(done.Written) != 2 || len(done.Kept) != 0 {
			t.Errorf("files written %v, kept %v", done.Written, done.Kept)
		}
		if _, err := Restore(t.Context(), r); !errors.Is(err, dump.ErrNotEmpty) || !strings.Contains(err.Error(), "--force") {
			t.Errorf("restored over a cloud: %v", err)
		}
		r.Force = true
		if _, err := Restore(t.Context(), r); err != nil {
			t.Errorf("restored by force: %v", err)
		}
		fresh.StateDir = cfg.StateDir // the simulated hosts' memory, as guests survive the loss of a database
		moved := New(&fresh, slog.New(slog.NewTextHandler(io.Discard, nil)))
		if err := moved.Start(context.Background(), "control", "nova-compute"); err != nil {
			t.Fatal(err)
		}
		c := &client{t: t, h: moved, token: token}
		c.await(server, "ACTIVE") // with the token of before
		if _, err := Restore(t.Context(), r); !errors.Is(err, ErrRuns) {
			t.Errorf("restored under a running gostack: %v", err)
		}
		c.stop()
	}
}

// A cloud that went on after the backup is told apart from the engines' truth, and mended.
func TestRestoreToBefore(t *testing.T) {
	cfg := testHouse(t).Config
	c := startHouse(t, cfg)
	old := c.inhabit()
	file := filepath.Join(t.TempDir(), "b")
	o := BackupOptions{Config: cfg, ConfigFile: filepath.Join(t.TempDir(), "none.yaml"), File: file, Progress: t.Logf}
	if _, err := Backup(t.Context(), o); err != nil { // beside the running gostack
		t.Fatal(err)
	}
	var list struct{ Flavors, Images, Networks []thing }
	c.do(http.MethodGet, "/compute/v2.1/flavors", nil, &list)
	c.do(http.MethodGet, "/image/v2/images", nil, &list)
	c.do(http.MethodGet, "/network/v2.0/networks?name=n", nil, &list)
	young := c.make("/compute/v2.1/servers", "server", m{"server": m{"name": "young", "imageRef": list.Images[0].ID, "flavorRef": list.Flavors[0].ID, "networks": []m{{"uuid": list.Networks[0].ID}}}})
	c.await(young, "ACTIVE")
	c.stop()
	if _, err := Restore(t.Context(), RestoreOptions{BackupOptions: o, Force: true}); err != nil {
		t.Fatal(err)
	}
	c = startHouse(t, cfg)
	defer c.stop()
	c.await(old, "ACTIVE")
	c.await(young, "")
	found, err := c.h.Audit(t.Context(), false)
	if err != nil || len(found) == 0 {
		t.Fatalf("the audit finds %v, %v", found, err)
	}
	if _, err := c.h.Audit(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	if left, err := c.h.Audit(t.Context(), false); err != nil || len(left) > 0 {
		t.Errorf("after the repair the audit finds %v, %v", left, err)
	}
}
