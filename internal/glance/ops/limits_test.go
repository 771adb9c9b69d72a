package ops_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"gostack/internal/glance"
	"gostack/internal/store"
	"gostack/internal/store/storetest"
)

// limits are those of every project, enforced as oslo.limit does.
type limits map[string]int64

func (l limits) Of(context.Context, string) (map[string]int64, error) { return l, nil }

func (l limits) Enforce(ctx context.Context, project string, deltas map[string]int64, usage glance.Usage) error {
	for name, delta := range deltas {
		used, err := usage(ctx, []string{project}, []string{name})
		if err != nil {
			return err
		}
		if now := used[project][name]; l[name] >= 0 && now+delta > l[name] {
			return glance.OverLimitError{Text: fmt.Sprintf("Project %s is over a limit for [Resource %s is over limit of %d due to current usage %d and delta %d]", project, name, l[name], now, delta)}
		}
	}
	return nil
}

const mib = 1 << 20

func TestKeystoneLimits(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		most := limits{glance.SizeTotal: 4, glance.StageTotal: 2, glance.CountTotal: 5, glance.CountUploading: 1}
		w := newWorldOf(t, db, setup{Limits: most}, []string{"fast", "cheap"}).run()
		usage := func(as, name string, used int) {
			t.Helper()
			w.As(as).Get("/image/v2/info/usage").Want(200).Has("usage."+name+".usage", used).Has("usage."+name+".limit", most[name])
		}
		data := strings.Repeat("x", 3*mib)
		first := w.create(draft)
		w.upload(first, data)
		usage("member", glance.SizeTotal, 3)
		usage("other", glance.SizeTotal, 0)
		usage("member", glance.CountTotal, 1)

		// What is over the limit is refused, not what goes over it: sizes are not known before, as upstream.
		second := w.create(draft)
		w.upload(second, data)
		usage("member", glance.SizeTotal, 6)
		third := w.create(draft)
		put := w.As("member").With("Content-Type", "application/octet-stream")
		put.Put(images+"/"+third+"/file", "x").Want(413).Says("The request returned a 413 Request Entity Too Large.").
			Says("Project project-1 is over a limit for [Resource image_size_total is over limit of 4 due to current usage 6 and delta 0]")
		w.As("member").Get(images+"/"+third).Want(200).Has("status", "queued")
		w.imports("member", third, webDownload(w.web.URL+"/data", "")).Want(413).Says("image_size_total is over limit")
		w.As("member").Delete(images + "/" + second).Want(204)

		// Copies count, and are refused in the task when staging them would be too much.
		w.imports("admin", first, `{"method": {"name": "copy-image"}, "stores": ["cheap"]}`).Want(202)
		w.fails(first, "image_stage_total is over limit of 2 due to current usage 3 and delta 3").Has("status", "active").Has("stores", "fast")
		most[glance.StageTotal] = -1
		w.clock.Advance(time.Minute)
		w.imports("admin", first, `{"method": {"name": "copy-image"}, "stores": ["cheap"]}`).Want(202)
		w.succeeds(first)
		usage("member", glance.SizeTotal, 6)
		w.As("member").Delete(images + "/" + first).Want(204)
		usage("member", glance.SizeTotal, 0)

		// Staged data counts until it is imported; the import knows how much it brings.
		most[glance.StageTotal] = 2
		w.stage(third, data).Want(204)
		usage("member", glance.StageTotal, 3)
		usage("member", glance.CountUploading, 1)
		fourth := w.create(draft)
		w.stage(fourth, "x").Want(413).Says("image_stage_total is over limit of 2 due to current usage 3 and delta 0")
		put.Put(images+"/"+fourth+"/file", "x").Want(413).Says("image_count_uploading is over limit of 1 due to current usage 2 and delta 0")
		w.As("member").Get(images+"/"+fourth).Want(200).Has("status", "queued")
		most[glance.SizeTotal] = 2
		w.imports("member", third, direct).Want(202)
		w.fails(third, "image_size_total is over limit of 2 due to current usage 0 and delta 3").Has("status", "queued")
		usage("member", glance.StageTotal, 0)

		for range 3 {
			w.create(draft)
		}
		w.As("member").Post(images, draft).Want(413).Says("image_count_total is over limit of 5 due to current usage 5 and delta 1")
		w.As("other").Post(images, draft).Want(201)
		w.clean()
	}, migrations...)
}

// Without Keystone's limits there is no usage, and switched on without Keystone the service does not start.
func TestLimitsAreOff(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t, migrations...), nil)
	if got := w.As("member").Get("/image/v2/info/usage").Want(200); strings.TrimSpace(string(got.Body)) != `{"usage":{}}` {
		t.Errorf("%s", got.Body)
	}
	var cfg glance.Config
	if err := cfg.Configure(nil, []string{"use_keystone_limits=true"}); err != nil {
		t.Fatal(err)
	}
	cfg.Dir = t.TempDir()
	if _, err := glance.New(w.db, cfg); err == nil {
		t.Error("limits of nobody hold")
	}
}
