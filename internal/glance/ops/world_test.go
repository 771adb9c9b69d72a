package ops_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gostack/internal/clock"
	"gostack/internal/engine/qemuimg"
	"gostack/internal/glance"
	"gostack/internal/glance/api"
	"gostack/internal/glance/ops"
	"gostack/internal/rest/resttest"
	"gostack/internal/saga"
	"gostack/internal/store"
	"gostack/internal/store/storetest"
)

const (
	images = "/image/v2/images"
	patch  = "application/openstack-images-v2.1-json-patch"
	draft  = `{"disk_format": "raw", "container_format": "bare"}`
)

// world is an image service with its operations, and a web server that it may read.
type world struct {
	*resttest.API
	service *glance.Service
	engine  *saga.Engine
	db      *store.DB
	clock   *clock.Manual
	web     *httptest.Server
	dir     string
}

// serve answers for the web server; a path that begins with / and a digit is that many bytes.
func serve(w http.ResponseWriter, r *http.Request) {
	switch {
	case strings.HasPrefix(r.URL.Path, "/data"):
		http.ServeContent(w, r, "", time.Time{}, strings.NewReader(strings.Repeat("x", 100_000)))
	case strings.HasPrefix(r.URL.Path, "/evil"):
		http.ServeContent(w, r, "", time.Time{}, strings.NewReader("QFI\xfb\x00\x00\x00\x02"+strings.Repeat("x", 1000)))
	case strings.HasPrefix(r.URL.Path, "/inside"):
		http.Redirect(w, r, "http://169.254.169.254/latest/meta-data", http.StatusFound)
	default:
		http.NotFound(w, r)
	}
}

// newWorld makes a service of the given options and stores ("fast", "cheap": file stores). The engine does not run yet.
func newWorld(t *testing.T, db *store.DB, stores []string, options ...string) *world {
	t.Helper()
	return newWorldOf(t, db, setup{}, stores, options...)
}

// setup is what tests of one thing have beside options.
type setup struct {
	Limits  glance.Limits
	Tool    *qemuimg.Tool
	SizeCap int64
}

func newWorldOf(t *testing.T, db *store.DB, with setup, stores []string, options ...string) *world {
	t.Helper()
	web := httptest.NewServer(http.HandlerFunc(serve))
	t.Cleanup(web.Close)
	u, err := url.Parse(web.URL)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{db: db, web: web, dir: t.TempDir(), clock: clock.NewManual(time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC))}
	cfg := glance.Config{Dir: filepath.Join(w.dir, "images"), Limits: with.Limits, UseLimits: with.Limits != nil, SizeCap: with.SizeCap, Import: glance.ImportConfig{Tool: with.Tool}, Clock: w.clock, Log: slog.New(slog.DiscardHandler)}
	var backends []string
	for _, name := range stores {
		if name == "web" {
			backends = append(backends, "web:http")
			continue
		}
		backends = append(backends, name+":file:"+filepath.Join(w.dir, name))
	}
	if err := cfg.Configure(backends, append([]string{"allowed_ports=80 " + u.Port(), "allowed_networks=127.0.0.1/32"}, options...)); err != nil {
		t.Fatal(err)
	}
	if w.service, err = glance.New(db, cfg); err != nil {
		t.Fatal(err)
	}
	w.API = resttest.New(t, api.Service(w.service)).With("Accept", "application/json")
	return w
}

// run starts an engine.
func (w *world) run() *world {
	w.T.Helper()
	w.engine = saga.NewEngine(w.db, saga.Options{Log: slog.New(slog.DiscardHandler)})
	ops.New(w.service, w.engine)
	if err := w.engine.Run(context.Background()); err != nil {
		w.T.Fatal(err)
	}
	w.T.Cleanup(func() {
		if err := w.engine.Stop(context.Background()); err != nil {
			w.T.Error(err)
		}
	})
	return w
}

var migrations = []store.Migrations{saga.Migrations, glance.Migrations}

// each runs a story on both databases.
func each(t *testing.T, stores []string, story func(t *testing.T, w *world), options ...string) {
	storetest.Each(t, func(t *testing.T, db *store.DB) { story(t, newWorld(t, db, stores, options...).run()) }, migrations...)
}

// either runs a story on one of the databases.
func either(t *testing.T, stores []string, story func(t *testing.T, w *world), options ...string) {
	story(t, newWorld(t, storetest.Either(t, migrations...), stores, options...).run())
}

func (w *world) create(body string) string {
	w.T.Helper()
	var img struct{ ID string }
	if err := json.Unmarshal(w.As("member").Post(images, body).Want(201).Body, &img); err != nil {
		w.T.Fatal(err)
	}
	return img.ID
}

func (w *world) stage(id, data string) *resttest.Answer {
	w.T.Helper()
	return w.As("member").With("Content-Type", "application/octet-stream").Put(images+"/"+id+"/stage", data)
}

func (w *world) upload(id, data string) {
	w.T.Helper()
	w.As("member").With("Content-Type", "application/octet-stream").Put(images+"/"+id+"/file", data).Want(204)
}

func (w *world) imports(as, id, body string) *resttest.Answer {
	w.T.Helper()
	return w.As(as).Post(images+"/"+id+"/import", body)
}

// ends waits until the newest task of an image has ended, and says how.
func (w *world) ends(id string) (status, message string) {
	w.T.Helper()
	for deadline := time.Now().Add(3 * time.Minute); ; time.Sleep(10 * time.Millisecond) {
		a := w.As("member").Get(images + "/" + id + "/tasks").Want(200)
		last := fmt.Sprintf("tasks.%d.", a.Len("tasks")-1) // they are in the order of their making
		if status = a.Text(last + "status"); status == "success" || status == "failure" {
			return status, a.Text(last + "message")
		}
		if time.Now().After(deadline) {
			w.T.Fatalf("the task is %s", a.Body)
		}
	}
}

func (w *world) succeeds(id string) *resttest.Answer {
	w.T.Helper()
	if status, message := w.ends(id); status != "success" {
		w.T.Fatalf("the task is a %s: %s", status, message)
	}
	return w.As("member").Get(images+"/"+id).Want(200).Has("status", "active")
}

func (w *world) fails(id, says string) *resttest.Answer {
	w.T.Helper()
	if status, message := w.ends(id); status != "failure" || !strings.Contains(message, says) {
		w.T.Fatalf("the task is a %s: %s", status, message)
	}
	return w.As("member").Get(images + "/" + id).Want(200)
}

// clean asserts that rows and files come to agree and nothing stays staged: files are removed after the commit that lets go of them.
func (w *world) clean() {
	w.T.Helper()
	for deadline := time.Now().Add(3 * time.Minute); ; time.Sleep(5 * time.Millisecond) {
		findings, err := w.service.Audit(context.Background())
		if err != nil {
			w.T.Fatal(err)
		}
		n := w.files("images-staging")
		if len(findings) == 0 && n == 0 {
			return
		}
		if time.Now().After(deadline) {
			w.T.Fatalf("audit: %v; %d files are staged", findings, n)
		}
	}
}

// files counts what a directory holds.
func (w *world) files(dir string) int {
	w.T.Helper()
	list, err := os.ReadDir(filepath.Join(w.dir, dir))
	if err != nil {
		w.T.Fatal(err)
	}
	return len(list)
}

func webDownload(address, more string) string {
	return fmt.Sprintf(`{"method": {"name": "web-download", "uri": %q}%s}`, address, more)
}
