package ops_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"gostack/internal/glance"
	"gostack/internal/glance/ops"
	"gostack/internal/rest/resttest"
	"gostack/internal/saga"
	"gostack/internal/saga/sagatest"
	"gostack/internal/store"
	"gostack/internal/store/storetest"
)

func sum256(data string) string {
	sum := sha256.Sum256([]byte(data))
	return hex.EncodeToString(sum[:])
}

// The location API of 2.17: the client names where the data is, and the hash is verified in the background.
func TestAddLocation(t *testing.T) {
	each(t, nil, func(t *testing.T, w *world) {
		address, good := w.web.URL+"/data", sum256(strings.Repeat("x", 100_000))
		add := func(as, id, body string) *resttest.Answer {
			return w.As(as).Post(images+"/"+id+"/locations", body)
		}
		id := w.create(draft)
		for body, code := range map[string]int{
			`{}`: 400, `{"url": "file:///etc/passwd"}`: 400, `{"url": "swift+config://x/y"}`: 400, `{"url": "cinder://x/y"}`: 400, `{"url": "http://localhost:22/"}`: 400,
			`{"url": "` + address + `", "odd": 1}`:                                                                       400,
			`{"url": "` + address + `", "validation_data": {"os_hash_value": "` + good + `"}}`:                           400,
			`{"url": "` + address + `", "validation_data": {"os_hash_algo": "sha123", "os_hash_value": "` + good + `"}}`: 400,
			`{"url": "` + address + `", "validation_data": {"os_hash_algo": "sha512", "os_hash_value": "` + good + `"}}`: 400,
			`{"url": "` + address + `", "validation_data": {"os_hash_algo": "sha256", "os_hash_value": "zz"}}`:           400,
		} {
			add("member", id, body).Want(code)
		}
		add("other", id, `{"url": "`+address+`"}`).Want(404)
		add("reader", id, `{"url": "`+address+`"}`).Want(403)
		add("member", id, fmt.Sprintf(`{"url": %q, "validation_data": {"os_hash_algo": "sha256", "os_hash_value": %q}}`, address, good)).Want(202)
		w.succeeds(id).Has("os_hash_algo", "sha256").Has("os_hash_value", good).Has("size", 100_000).Has("locations", nil).Has("direct_url", nil)
		if got := w.As("member").With("Range", "bytes=99990-").Get(images + "/" + id + "/file").Want(206); string(got.Body) != "xxxxxxxxxx" {
			t.Errorf("the data is %q", got.Body)
		}
		w.As("member").Get(images + "/" + id + "/locations").Want(403)
		w.As("service").Get(images+"/"+id+"/locations").Want(200).Has("0.url", address)
		add("member", id, `{"url": "`+address+`"}`).Want(409)

		plain := w.create(draft)
		add("member", plain, `{"url": "`+address+`"}`).Want(202)
		w.succeeds(plain).Has("os_hash_algo", "sha512").Has("size", 100_000)
		for url, says := range map[string]string{w.web.URL + "/none": "Invalid location", w.web.URL + "/evil": "qcow2", w.web.URL + "/inside": "Invalid location"} {
			id := w.create(draft)
			add("member", id, `{"url": "`+url+`"}`).Want(202)
			w.fails(id, says).Has("status", "queued").Has("size", nil)
		}
		wrong := w.create(draft)
		add("member", wrong, fmt.Sprintf(`{"url": %q, "validation_data": {"os_hash_algo": "sha256", "os_hash_value": %q}}`, address, sum256("other"))).Want(202)
		w.fails(wrong, "not matched with actual os_hash_value").Has("status", "queued").Has("os_hash_value", nil)
		w.clean()
	})
}

// Locations by PATCH, where they are shown.
func TestPatchLocations(t *testing.T) {
	either(t, nil, func(t *testing.T, w *world) {
		change := func(as, id, body string) *resttest.Answer {
			return w.As(as).With("Content-Type", patch).Patch(images+"/"+id, body)
		}
		location := func(path string) string { return fmt.Sprintf(`{"url": %q, "metadata": {"k": "v"}}`, w.web.URL+path) }
		id := w.create(draft)
		w.As("member").Get(images+"/"+id).Has("locations", "[]")
		for _, bad := range []string{`{"url": "file:///etc/passwd", "metadata": {}}`, `{"url": "swift+config:///x", "metadata": {}}`, `{"url": 5}`, `5`, location("/none"), `{"url": "http://localhost:22/", "metadata": {}}`} {
			change("member", id, `[{"op": "replace", "path": "/locations", "value": [`+bad+`]}]`).Want(400)
		}
		change("member", id, `[{"op": "replace", "path": "/locations", "value": []}]`).Want(403).Says("Cannot set locations to empty list.")
		change("member", id, `[{"op": "replace", "path": "/locations", "value": [`+location("/data")+`]}]`).Want(200).Has("status", "active").Has("size", 100_000).
			Has("locations.0.metadata.k", "v").Has("direct_url", w.web.URL+"/data")
		change("member", id, `[{"op": "add", "path": "/locations/-", "value": `+location("/data")+`}]`).Want(400)
		change("member", id, `[{"op": "add", "path": "/locations/0", "value": `+location("/data2")+`}]`).Want(200).Has("locations.0.url", w.web.URL+"/data2").Has("locations.1.url", w.web.URL+"/data")
		change("member", id, `[{"op": "add", "path": "/locations/x", "value": `+location("/data3")+`}]`).Want(400)
		change("member", id, `[{"op": "remove", "path": "/locations/0"}]`).Want(403)
		change("admin", id, `[{"op": "remove", "path": "/locations/7"}]`).Want(400)
		change("admin", id, `[{"op": "remove", "path": "/locations/0"}]`).Want(200).Has("locations.0.url", w.web.URL+"/data")
		change("admin", id, `[{"op": "remove", "path": "/locations/0"}]`).Want(403).Says("Cannot remove last location in the image.")
		// The hash of an active image is not for its owner to write (OSSA-2015-019).
		word := fmt.Sprintf(`{"url": %q, "metadata": {}, "validation_data": {"os_hash_algo": "sha512", "os_hash_value": "%0128d"}}`, w.web.URL+"/data4", 0)
		change("member", id, `[{"op": "add", "path": "/locations/-", "value": `+word+`}]`).Want(409)

		up := w.create(draft)
		w.upload(up, "hello")
		file := w.As("member").Get(images + "/" + up).Text("locations.0.url")
		if !strings.HasPrefix(file, "file://"+w.dir+"/images/"+up) {
			t.Errorf("the location is %s", file)
		}
		many := w.create(draft)
		change("member", many, `[{"op": "replace", "path": "/locations", "value": [`+strings.TrimSuffix(strings.Repeat(location("/data")+", ", 11), ", ")+`]}]`).Want(400).Says("already exists")
		various := make([]string, 11)
		for i := range various {
			various[i] = location(fmt.Sprintf("/data%d", i))
		}
		change("member", many, `[{"op": "replace", "path": "/locations", "value": [`+strings.Join(various, ", ")+`]}]`).Want(413).Says("allowed image locations. Attempted: 11, Maximum: 10")
		// A patch is taken whole or not at all.
		change("member", many, `[{"op": "add", "path": "/locations/-", "value": `+various[0]+`}, {"op": "add", "path": "/locations/-", "value": {"url": "ftp://a/b", "metadata": {}}}]`).Want(400)
		change("member", many, `[{"op": "add", "path": "/locations/-", "value": `+various[0]+`}, {"op": "remove", "path": "/none"}]`).Want(409)
		if n := w.As("member").Get(images + "/" + many).Want(200).Len("locations"); n != 0 {
			t.Errorf("%d locations", n)
		}
		change("member", many, `[{"op": "replace", "path": "/locations", "value": [`+strings.Join(various[1:], ", ")+`]}]`).Want(200)
		// Another's file is not for the taking, by whatever address (OSSA-2014-041).
		thief := w.create(draft)
		change("member", thief, `[{"op": "add", "path": "/locations/-", "value": {"url": "`+file+`", "metadata": {}}}]`).Want(400)
		replace := func(as, id string, locations ...string) *resttest.Answer {
			return change(as, id, `[{"op": "replace", "path": "/locations", "value": [`+strings.Join(locations, ", ")+`]}]`)
		}
		// A list that is there changes its order and what is said of each location; other data would be another image.
		replace("member", up, `{"url": "`+file+`", "metadata": {}}`, location("/data5")).Want(400).Says("Original locations is not empty: " + file)
		change("member", up, `[{"op": "add", "path": "/locations/-", "value": `+location("/data5")+`}]`).Want(200).Has("locations.1.url", w.web.URL+"/data5")
		replace("member", up, location("/data5")).Want(400).Says("Original locations is not empty")
		replace("member", up, `{"url": "`+file+`", "metadata": {}}`, location("/data6")).Want(400).Says("Original locations is not empty")
		replace("member", up, `{"url": "`+file+`", "metadata": {"k": 5}}`, location("/data5")).Want(400).Says("Invalid location")
		replace("member", up, location("/data5"), `{"url": "`+file+`", "metadata": {"date": "today"}}`).Want(200)
		w.As("member").Get(images+"/"+up).Has("locations.0.url", w.web.URL+"/data5").Has("locations.0.metadata.k", "v").Has("locations.1.metadata.date", "today")
		change("other", up, `[{"op": "add", "path": "/locations/-", "value": `+location("/data6")+`}]`).Want(404)
		change("admin", up, `[{"op": "remove", "path": "/locations/1"}]`).Want(200).Has("locations.0.url", w.web.URL+"/data5")
		w.clean()
		if n := w.files("images"); n != 0 {
			t.Errorf("%d files are left", n)
		}
		w.clean()
	}, "show_multiple_locations=true", "show_image_direct_url=true")
}

func TestLocationsAreInvisible(t *testing.T) {
	either(t, nil, func(t *testing.T, w *world) {
		id := w.create(draft)
		w.upload(id, "hello")
		w.As("member").Get(images+"/"+id).Has("locations", nil).Has("direct_url", nil).Has("stores", nil)
		for op, says := range map[string]string{
			`{"op": "add", "path": "/locations/-", "value": {"url": "http://a/b", "metadata": {}}}`:     "It's not allowed to add locations if locations are invisible.",
			`{"op": "replace", "path": "/locations", "value": [{"url": "http://a/b", "metadata": {}}]}`: "It's not allowed to update locations if locations are invisible.",
			`{"op": "remove", "path": "/locations/0"}`:                                                  "It's not allowed to remove locations if locations are invisible.",
		} {
			w.As("admin").With("Content-Type", patch).Patch(images+"/"+id, "["+op+"]").Want(403).Says(says)
		}
	})
}

func TestLocationIsProved(t *testing.T) {
	sagatest.Prove(t, glance.KindLocation, func(t *testing.T) *sagatest.World {
		w := newWorld(t, storetest.SQLite(t, migrations...), nil)
		register := func(e *saga.Engine) { ops.New(w.service, e) }
		register(saga.NewEngine(w.db, saga.Options{}))
		id := w.create(draft)
		return &sagatest.World{
			DB: w.db, Register: register,
			Start: func(ctx context.Context, _ *saga.Engine, _ store.Tx) error {
				img, err := w.service.Image(ctx, nil, id)
				if err == nil {
					err = w.service.AddLocation(ctx, resttest.Personas["member"], img, glance.LocationImport{
						URL: w.web.URL + "/data", HashAlgo: "sha256", HashValue: sum256(strings.Repeat("x", 100_000)),
					})
				}
				return err
			},
			Done: func(t *testing.T) { w.succeeds(id).Has("size", 100_000); w.clean() },
			Undone: func(t *testing.T) {
				w.fails(id, "").Has("status", "queued").Has("size", nil).Has("os_hash_value", nil)
				w.clean()
			},
		}
	})
}
