package ops_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gostack/internal/glance"
	"gostack/internal/store"
	"gostack/internal/store/storetest"
)

const cachePath = "/image/v2/cache"

// Data that is elsewhere is read from there once, and from the copy when its server is gone.
func TestImageCache(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		dir := filepath.Join(t.TempDir(), "cache")
		w := newWorld(t, db, nil, "image_cache_dir="+dir, "image_cache_max_size=150000", "worker_self_reference_url=http://node-1:5000").run()
		admin := w.As("admin")
		tend := func() {
			t.Helper()
			if err := w.service.TendCache(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		located := func() string {
			t.Helper()
			id := w.create(draft)
			w.As("service").Post(images+"/"+id+"/locations", `{"url": "`+w.web.URL+`/data"}`).Want(202)
			w.succeeds(id)
			return id
		}
		queued := w.create(draft)
		admin.Put(cachePath+"/"+queued, nil).Want(400).Says("Only images with status active can be targeted for queueing")
		admin.Put(cachePath+"/none", nil).Want(404).Says("Image none not found.")
		admin.Delete(cachePath + "/none").Want(404).Says("Image none not found.")
		w.As("member").Put(cachePath+"/"+queued, nil).Want(403)
		admin.With("X-Image-Cache-Clear-Target", "both").Delete(cachePath).Want(400)

		// A local file is not copied by being read, but linked when somebody asks for it.
		own := w.create(draft)
		w.upload(own, "hello")
		w.As("member").Get(images + "/" + own + "/file").Want(200)
		tend()
		if got := admin.Get(cachePath).Want(200); strings.TrimSpace(string(got.Body)) != `{"cached_images":[],"queued_images":[]}` {
			t.Errorf("%s", got.Body)
		}
		admin.Put(cachePath+"/"+own, nil).Want(202)
		admin.Get(cachePath).Want(200).Has("queued_images.0", own)
		tend()
		admin.Get(cachePath).Want(200).Has("queued_images.0", nil).Has("cached_images.0.image_id", own).Has("cached_images.0.size", 5).Has("cached_images.0.hits", 0)
		if got := admin.Get(cachePath + "/nodes/" + own).Want(200); strings.TrimSpace(string(got.Body)) != `["http://node-1:5000"]` {
			t.Errorf("%s", got.Body)
		}
		admin.Get(cachePath + "/nodes/none").Want(404)

		w.clock.Advance(time.Minute)
		far := located()
		whole := w.As("member").Get(images + "/" + far + "/file").Want(200).Body
		w.clock.Advance(time.Minute)
		other := located()
		tend()
		w.As("member").Get(images + "/" + far + "/file").Want(200)
		admin.Get(cachePath).Want(200).Has("cached_images.1.image_id", far).Has("cached_images.1.size", 100_000).Has("cached_images.1.hits", 1)

		// What goes over the limit drives out what was used least recently.
		w.clock.Advance(time.Minute)
		w.As("member").Get(images + "/" + own + "/file").Want(200) // from the store: that is no use of the copy
		admin.Put(cachePath+"/"+other, nil).Want(202)
		w.clock.Advance(time.Minute)
		tend()
		admin.Get(cachePath).Want(200).Has("cached_images.0.image_id", other).Has("cached_images.1", nil)
		admin.Post(cachePath+"/prune", nil).Want(200).Has("total_files_pruned", 0).Has("total_bytes_pruned", 0)
		w.web.Close()
		if got := w.As("member").Get(images + "/" + other + "/file").Want(200).Body; !bytes.Equal(got, whole) {
			t.Errorf("%d bytes came from the cache", len(got))
		}
		w.As("member").Get(images + "/" + far + "/file").Want(503)

		// What is of no use goes: leavings, and the copies of images that are gone.
		for _, name := range []string{"leaving", "dead.part"} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte("x"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		admin.Post(cachePath+"/clean", nil).Want(200)
		if n := w.cacheFiles(dir); n != 1 {
			t.Errorf("%d files are in the cache", n)
		}
		w.As("member").Delete(images + "/" + other).Want(204)
		admin.Delete(cachePath + "/" + other).Want(204)
		admin.Put(cachePath+"/"+own, nil).Want(202)
		tend()
		w.As("member").Delete(images + "/" + own).Want(204)
		tend()
		admin.Put(cachePath+"/"+far, nil).Want(202)
		tend() // its server is gone, so it is not queued for ever
		admin.Get(cachePath).Want(200).Has("cached_images.0", nil).Has("queued_images.0", nil)
		admin.Put(cachePath+"/"+far, nil).Want(202)
		admin.With("X-Image-Cache-Clear-Target", "queue").Delete(cachePath).Want(204)
		admin.Get(cachePath).Want(200).Has("queued_images.0", nil)
		if n := w.cacheFiles(dir); n != 0 {
			t.Errorf("%d files are in the cache", n)
		}
		w.clean()
	}, migrations...)
}

func (w *world) cacheFiles(dir string) int {
	w.T.Helper()
	list, err := os.ReadDir(dir)
	if err != nil {
		w.T.Fatal(err)
	}
	return len(list)
}

// The service looks after its cache by itself, and never in the directory of its images.
func TestCacheIsTended(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t, migrations...), nil, "image_cache_dir="+filepath.Join(t.TempDir(), "cache")).run()
	if err := w.service.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.service.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	id := w.create(draft)
	w.upload(id, "hello")
	w.As("admin").Put(cachePath+"/"+id, nil).Want(202)
	for deadline := time.Now().Add(3 * time.Minute); ; time.Sleep(5 * time.Millisecond) {
		if a := w.As("admin").Get(cachePath).Want(200); strings.Contains(string(a.Body), `"queued_images":[]`) {
			a.Has("cached_images.0.image_id", id)
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the queue waits")
		}
	}
	dir := t.TempDir()
	if _, err := glance.New(w.db, glance.Config{Dir: dir, Cache: glance.CacheConfig{Dir: dir}}); err == nil {
		t.Error("the cache would remove the images")
	}
}
