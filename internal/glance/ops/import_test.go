package ops_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gostack/internal/glance"
	"gostack/internal/glance/ops"
	"gostack/internal/rest/resttest"
	"gostack/internal/saga"
	"gostack/internal/saga/sagatest"
	"gostack/internal/store"
	"gostack/internal/store/storetest"
)

const direct = `{"method": {"name": "glance-direct"}}`

func TestGlanceDirect(t *testing.T) {
	each(t, nil, func(t *testing.T, w *world) {
		w.As("member").Get("/image/v2/info/import").Want(200).Has("import-methods.value.0", "glance-direct").Has("import-methods.value.2", "copy-image")
		id := w.create(draft)
		w.imports("member", id, direct).Want(409).Says("Image needs to be staged before 'glance-direct' method can be used")
		w.As("other").With("Content-Type", "application/octet-stream").Put(images+"/"+id+"/stage", "x").Want(404)
		w.stage(id, "hello").Want(204)
		w.stage(id, "again").Want(409).Says("Image status transition from uploading to uploading is not allowed")
		w.As("member").Get(images+"/"+id).Want(200).Has("status", "uploading").Has("size", 5).Has("checksum", nil)
		w.imports("member", id, direct).Want(202)
		w.succeeds(id).Has("size", 5).Has("checksum", "5d41402abc4b2a76b9719d911017c592").Has("os_glance_importing_to_stores", "").Has("os_glance_failed_import", "").
			Has("os_glance_import_task", nil)
		if got := w.As("member").Get(images + "/" + id + "/file").Want(200); string(got.Body) != "hello" {
			t.Errorf("the data is %q", got.Body)
		}
		w.As("member").Get(images+"/"+id+"/tasks").Want(200).Has("tasks.0.input.import_req.method.name", "glance-direct").Has("tasks.0.result.image_id", id).
			Has("tasks.0.type", "api_image_import").Has("tasks.0.user_id", "user-member")
		w.imports("member", id, direct).Want(409).Says("Image with status active cannot be target for import")
		w.clean()

		// What is staged goes with the image, and a bad image fails at its import.
		gone := w.create(draft)
		w.stage(gone, "x").Want(204)
		w.As("member").Delete(images + "/" + gone).Want(204)
		bad := w.create(draft)
		w.stage(bad, "QFI\xfb\x00\x00\x00\x02").Want(204)
		w.imports("member", bad, direct).Want(202)
		w.fails(bad, "qcow2").Has("status", "queued").Has("os_glance_import_task", nil)
		w.clean()
	})
}

func TestImportRefusals(t *testing.T) {
	either(t, nil, func(t *testing.T, w *world) {
		id := w.create(draft)
		for body, says := range map[string]string{
			`{}`:                          "Import request requires a 'method' field.",
			`{"method": {}}`:              "Import request requires a 'name' field.",
			`{"method": {"name": "odd"}}`: "Unknown import method name 'odd'.",
			`{"method": {"name": "glance-download", "glance_region": "r"}}`:      "Unknown import method name 'glance-download'.",
			webDownload(w.web.URL+"/data", `, "all_stores": 1`):                  "'all_stores' must be boolean value only",
			webDownload(w.web.URL+"/data", `, "all_stores_must_succeed": "x"`):   "'all_stores_must_succeed' must be boolean value only",
			webDownload(w.web.URL+"/data", `, "all_stores_must_succeed": false`): "All_stores_must_succeed can only be set with enabled_backends",
			webDownload("file:///etc/passwd", ""):                                "URI for web-download does not pass filtering: file:///etc/passwd",
			webDownload("http://localhost:22/", ""):                              "does not pass filtering",
			webDownload("http://2130706433/", ""):                                "does not pass filtering",
			`{"method": {"name": "web-download"}}`:                               "does not pass filtering",
		} {
			w.imports("member", id, body).Want(400).Says(says)
		}
		w.imports("member", id, `{"method": {"name": "copy-image"}}`).Want(409).Says("Only images with status active can be targeted for copying")
		w.imports("reader", id, webDownload(w.web.URL+"/data", "")).Want(403)
		w.imports("other", id, webDownload(w.web.URL+"/data", "")).Want(404)
		bare := w.create(`{}`)
		w.imports("member", bare, webDownload(w.web.URL+"/data", "")).Want(409).Says("'container_format' needs to be set before import")
	})
}

func TestWebDownload(t *testing.T) {
	each(t, nil, func(t *testing.T, w *world) {
		id := w.create(draft)
		w.imports("member", id, webDownload(w.web.URL+"/data", "")).Want(202)
		w.succeeds(id).Has("size", 100_000)
		w.clean()
		for path, says := range map[string]string{"/none": "could not be read", "/inside": "does not pass filtering", "/evil": "qcow2"} {
			id := w.create(draft)
			w.imports("member", id, webDownload(w.web.URL+path, "")).Want(202)
			w.fails(id, says).Has("status", "queued").Has("size", nil)
		}
		// A name that leads to this host is no way around.
		id = w.create(draft)
		w.imports("member", id, webDownload(strings.Replace(w.web.URL, "127.0.0.1", "127.0.0.2", 1)+"/data", "")).Want(202)
		w.fails(id, "does not pass filtering")
		w.clean()
	})
}

func TestSeveralStores(t *testing.T) {
	each(t, []string{"fast", "cheap", "web"}, func(t *testing.T, w *world) {
		w.As("reader").Get("/image/v2/info/stores").Want(200).Has("stores.0.default", "true").Has("stores.1.id", "cheap").Has("stores.2.read-only", "true").Has("stores.1.description", "not dear")
		w.As("reader").Get("/image/v2/info/stores/detail").Want(403)
		w.As("admin").Get("/image/v2/info/stores/detail").Want(200).Has("stores.0.type", "file").Has("stores.0.weight", 5).Has("stores.0.properties.data_dir", filepath.Join(w.dir, "fast"))
		created := w.As("member").Post(images, draft).Want(201)
		if got := created.Header.Get("OpenStack-Image-Store-Ids"); got != "fast,cheap,web" {
			t.Errorf("stores %q", got)
		}

		gone := w.create(draft)
		w.imports("member", gone, webDownload(w.web.URL+"/none", `, "stores": ["fast", "cheap"]`)).Want(202)
		w.fails(gone, "could not be read").Has("status", "queued").Has("os_glance_failed_import", "cheap,fast").Has("os_glance_importing_to_stores", "")
		all := w.create(draft)
		w.imports("member", all, webDownload(w.web.URL+"/data", `, "all_stores": true`)).Want(202)
		w.succeeds(all).Has("stores", "fast,cheap")
		w.clean()

		id := w.create(draft)
		put := w.As("member").With("Content-Type", "application/octet-stream")
		put.With("X-Image-Meta-Store", "none").Put(images+"/"+id+"/file", "hello").Want(400).Says("Store for identifier none not found")
		put.With("X-Image-Meta-Store", "web").Put(images+"/"+id+"/file", "hello").Want(410)
		put.With("X-Image-Meta-Store", "cheap").Put(images+"/"+id+"/file", "hello").Want(204)
		w.As("member").Get(images+"/"+id).Has("stores", "cheap")
		w.imports("member", id, `{"method": {"name": "copy-image"}, "stores": ["fast"]}`).Want(403)
		w.imports("admin", id, `{"method": {"name": "copy-image"}, "stores": ["cheap"]}`).Want(400).Says("Image is already present at store 'cheap'")
		w.imports("admin", id, `{"method": {"name": "copy-image"}, "stores": ["none"]}`).Want(409).Says("Store for identifier none not found")
		w.imports("admin", id, `{"method": {"name": "copy-image"}, "stores": ["fast"], "all_stores": true}`).Want(400)
		w.clock.Advance(time.Minute)
		w.imports("admin", id, `{"method": {"name": "copy-image"}, "all_stores": true, "all_stores_must_succeed": false}`).Want(202)
		w.succeeds(id).Has("stores", "cheap,fast").Has("os_glance_importing_to_stores", "")
		w.imports("admin", id, `{"method": {"name": "copy-image"}, "all_stores": true}`).Want(202)

		from := "/image/v2/stores/"
		w.As("admin").Delete(from + "none/" + id).Want(409).Says("The selected store none is not available on this node.")
		w.As("member").Delete(from + "cheap/" + id).Want(403)
		w.As("admin").Delete(from + "web/" + id).Want(404).Says("is not stored in store web")
		w.As("admin").Delete(from + "cheap/" + id).Want(204)
		w.As("admin").Delete(from + "fast/" + id).Want(403).Says("Cannot delete image data from the only store containing it.")
		if got := w.As("member").Get(images + "/" + id + "/file").Want(200); string(got.Body) != "hello" {
			t.Errorf("the data is %q", got.Body)
		}
		w.clean()
	}, "store_weight=fast:5", "store_description=cheap:not dear")
}

// A store that cannot be written fails the import of a client who insists on all, and is told of to one who does not.
func TestOneStoreFails(t *testing.T) {
	each(t, []string{"fast", "cheap"}, func(t *testing.T, w *world) {
		if err := os.RemoveAll(filepath.Join(w.dir, "cheap")); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(w.dir, "cheap"), nil, 0o600); err != nil { // now it is no directory
			t.Fatal(err)
		}
		id := w.create(draft)
		w.imports("member", id, webDownload(w.web.URL+"/data", `, "stores": ["fast", "cheap"]`)).Want(202)
		w.fails(id, "Internal Error").Has("status", "queued").Has("os_glance_failed_import", "cheap").Has("size", nil).Has("stores", nil)
		for deadline := time.Now().Add(3 * time.Minute); w.files("fast") != 0; time.Sleep(5 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatal("files are left in the store that succeeded")
			}
		}
		w.clock.Advance(time.Minute) // the newer task is listed first
		w.imports("member", id, webDownload(w.web.URL+"/data", `, "stores": ["fast", "cheap"], "all_stores_must_succeed": false`)).Want(202)
		w.succeeds(id).Has("os_glance_failed_import", "cheap").Has("stores", "fast")
	})
}

// An image that is deleted while it is imported is gone, and leaves nothing.
func TestDeleteDuringImport(t *testing.T) {
	db := storetest.Either(t, migrations...)
	w := newWorld(t, db, nil)
	w.engine = saga.NewEngine(db, saga.Options{})
	ops.New(w.service, w.engine) // not running yet
	id := w.create(draft)
	w.stage(id, "hello").Want(204)
	w.imports("member", id, direct).Want(202)
	w.As("member").Get(images+"/"+id).Want(200).Has("status", "importing")
	w.imports("member", id, direct).Want(409)
	w.As("member").Delete(images + "/" + id).Want(204)
	w.run()
	settled(t, w)
	w.As("admin").Get("/image/v2/tasks?image_id="+id).Want(200).Has("tasks.0.status", "failure")
	w.clean()
}

func settled(t *testing.T, w *world) {
	t.Helper()
	for deadline := time.Now().Add(3 * time.Minute); ; time.Sleep(10 * time.Millisecond) {
		n, err := w.engine.Live(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d operations live on", n)
		}
	}
}

func TestPlugins(t *testing.T) {
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	if _, err := z.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	either(t, nil, func(t *testing.T, w *world) {
		id := w.create(`{"disk_format": "raw", "container_format": "compressed", "a": "own"}`)
		w.stage(id, packed.String()).Want(204)
		w.imports("member", id, direct).Want(202)
		w.succeeds(id).Has("size", 5).Has("container_format", "bare").Has("a", "given").Has("b", "x:y")
		odd := w.create(`{"disk_format": "raw", "container_format": "compressed"}`)
		w.stage(odd, "not compressed").Want(204)
		w.imports("member", odd, direct).Want(202)
		w.fails(odd, "not compressed in a way that is known").Has("status", "queued").Has("container_format", "compressed")
		w.clean()
	}, "image_import_plugins=image_decompression inject_metadata", "inject=a:given", "inject=b:x:y")
}

// proof is an import into two stores, for sagatest.
func proof(t *testing.T, method string) *sagatest.World {
	w := newWorld(t, storetest.SQLite(t, migrations...), []string{"fast", "cheap", "slow"}, "image_import_plugins=image_decompression")
	register := func(e *saga.Engine) { ops.New(w.service, e) }
	register(saga.NewEngine(w.db, saga.Options{}))
	id := w.create(draft)
	in := glance.ImportRequest{Import: glance.Import{Method: method, Stores: []string{"fast", "cheap"}, MustSucceed: true, URI: w.web.URL + "/data"}}
	if method == glance.CopyImage {
		in.Stores = []string{"cheap", "slow"}
	}
	switch method {
	case glance.GlanceDirect:
		w.stage(id, "hello").Want(204)
	case glance.CopyImage:
		w.upload(id, "hello")
	}
	return &sagatest.World{
		DB: w.db, Register: register,
		Start: func(ctx context.Context, _ *saga.Engine, _ store.Tx) error {
			img, err := w.service.Image(ctx, nil, id)
			if err == nil {
				_, err = w.service.Import(ctx, resttest.Personas["admin"], img, in)
			}
			return err
		},
		Done: func(t *testing.T) {
			w.succeeds(id)
			w.clean()
			want := 2
			if method == glance.CopyImage {
				want = 3
			}
			if n := w.files("fast") + w.files("cheap") + w.files("slow"); n != want {
				t.Errorf("%d files are stored", n)
			}
		},
		Undone: func(t *testing.T) {
			status, left := "queued", 0
			if method == glance.CopyImage {
				status, left = "active", 1
			}
			w.fails(id, "").Has("status", status).Has("os_glance_import_task", nil).Has("os_glance_importing_to_stores", "")
			w.clean()
			if n := w.files("fast") + w.files("cheap") + w.files("slow"); n != left {
				t.Errorf("%d files are left", n)
			}
		},
	}
}

func TestImportsAreProved(t *testing.T) {
	for _, method := range []string{glance.WebDownload, glance.CopyImage} {
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			sagatest.Prove(t, glance.KindImport, func(t *testing.T) *sagatest.World { return proof(t, method) })
		})
	}
}
