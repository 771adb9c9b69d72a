package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"gostack/internal/clock"
	"gostack/internal/glance"
	"gostack/internal/glance/api"
	"gostack/internal/rest/resttest"
	"gostack/internal/store"
	"gostack/internal/store/storetest"
)

// cloud is an image service under test.
type cloud struct {
	*resttest.API
	service *glance.Service
	clock   *clock.Manual
	dir     string
}

const (
	images = "/image/v2/images"
	octets = "application/octet-stream"
	patch  = "application/openstack-images-v2.1-json-patch"
)

// each runs a story on both databases.
func each(t *testing.T, story func(t *testing.T, c *cloud)) {
	storetest.Each(t, func(t *testing.T, db *store.DB) { story(t, start(t, db, glance.Config{})) }, glance.Migrations)
}

func start(t *testing.T, db *store.DB, cfg glance.Config) *cloud {
	t.Helper()
	clk := clock.NewManual(time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC))
	cfg.Dir, cfg.Clock = filepath.Join(t.TempDir(), "images"), clk
	cfg.Log = slog.New(slog.DiscardHandler)
	s, err := glance.New(db, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return &cloud{resttest.New(t, api.Service(s)), s, clk, cfg.Dir}
}

// create makes an image and returns its id.
func (c *cloud) create(as, body string) string {
	c.T.Helper()
	a := c.As(as).Post(images, body).Want(201)
	var img struct{ ID string }
	if err := json.Unmarshal(a.Body, &img); err != nil {
		c.T.Fatal(err)
	}
	return img.ID
}

func (c *cloud) upload(as, id string, data []byte) *resttest.Answer {
	c.T.Helper()
	return c.As(as).With("Content-Type", octets).Put(images+"/"+id+"/file", data)
}

// active makes an image with data.
func (c *cloud) active(as, body string, data []byte) string {
	c.T.Helper()
	id := c.create(as, body)
	c.upload(as, id, data).Want(204)
	return id
}

func (c *cloud) patch(as, id, body string) *resttest.Answer {
	c.T.Helper()
	return c.As(as).With("Content-Type", patch).Patch(images+"/"+id, body)
}

// clean asserts that rows and files agree.
func (c *cloud) clean() {
	c.T.Helper()
	findings, err := c.service.Audit(context.Background())
	if err != nil || len(findings) > 0 {
		c.T.Errorf("audit: %v, %v", findings, err)
	}
}

const raw = `{"name": "img", "disk_format": "raw", "container_format": "bare"%s}`

func body(more string) string { return fmt.Sprintf(raw, more) }

func TestLifeOfAnImage(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		id := c.create("member", body(`, "min_disk": 1, "os_distro": "debian", "tags": ["b", "a", "b"]`))
		self := images + "/" + id
		c.As("member").Get(self).Want(200).Has("status", "queued").Has("visibility", "shared").Has("owner", "project-1").
			Has("checksum", nil).Has("size", nil).Has("min_disk", 1).Has("os_distro", "debian").Has("protected", false).
			Has("created_at", "2026-11-22T10:00:00Z").Has("self", "/v2/images/"+id).Has("file", "/v2/images/"+id+"/file").
			Has("schema", "/v2/schemas/image").Has("tags.0", "a").Has("tags.1", "b")
		c.As("member").Get(self + "/file").Want(204)

		data := bytes.Repeat([]byte("0123456789"), 300_000)
		c.clock.Advance(time.Minute)
		c.upload("member", id, data).Want(204)
		c.As("member").Get(self).Want(200).Has("status", "active").Has("size", len(data)).Has("virtual_size", len(data)).
			Has("checksum", md5of(data)).Has("os_hash_algo", "sha512").Has("os_hash_value", sha512of(data)).
			Has("updated_at", "2026-11-22T10:01:00Z")
		got := c.As("member").Get(self + "/file").Want(200)
		if !bytes.Equal(got.Body, data) {
			t.Error("the download differs from the upload")
		}
		if got.Header.Get("Content-MD5") != md5of(data) || got.Header.Get("Content-Length") != fmt.Sprint(len(data)) || got.Header.Get("Content-Type") != octets {
			t.Errorf("headers %v", got.Header)
		}
		c.upload("member", id, data).Want(409).Says("Image status transition from active to saving is not allowed")
		c.clean()

		c.As("member").Delete(self).Want(204)
		c.As("member").Get(self).Want(404).Says("No image found with ID " + id)
		c.As("member").Get(self + "/file").Want(404)
		c.As("member").Delete(self).Want(404)
		c.As("member").Post(images, fmt.Sprintf(`{"id": %q}`, id)).Want(409)
		c.clean()
	})
}

func TestRanges(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		file := images + "/" + c.active("member", body(""), []byte("0123456789")) + "/file"
		for _, s := range []struct{ header, value, want, contentRange string }{
			{"Range", "bytes=0-3", "0123", "bytes 0-3/10"},
			{"Range", "bytes=4-", "456789", "bytes 4-9/10"},
			{"Range", "bytes=-2", "89", "bytes 8-9/10"},
			{"Range", "bytes=-50", "0123456789", "bytes 0-9/10"},
			{"Range", "bytes=9-100", "9", "bytes 9-9/10"},
			{"Content-Range", "bytes 2-4/10", "234", "bytes 2-4/10"},
			{"Content-Range", "bytes 2-4/*", "234", "bytes 2-4/10"},
		} {
			a := c.As("member").With(s.header, s.value).Get(file).Want(206)
			if string(a.Body) != s.want || a.Header.Get("Content-Range") != s.contentRange || a.Header.Get("Content-Length") != fmt.Sprint(len(s.want)) {
				t.Errorf("%s: %s gives %q, %v", s.header, s.value, a.Body, a.Header)
			}
		}
		for _, value := range []string{"bytes=10-", "bytes=5-2", "bytes=-0", "bytes=", "bytes=x-y", "5", "items=0-1", "bytes=0-1,3-4", "bytes=99999999999999999999-"} {
			c.As("member").With("Range", value).Get(file).Want(416)
		}
		c.As("member").With("Content-Range", "bytes 2-").Get(file).Want(416)
		c.As("member").Head(file).Want(200)
	})
}
