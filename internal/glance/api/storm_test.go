package api_test

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

// Many clients create, upload, interrupt, read, change and delete the same few images at once. Every answer is one of those
// that the API has, and afterwards rows and files agree.
func TestStorm(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		ids := make([]string, 6)
		for i := range ids {
			ids[i] = c.create("member", body(""))
		}
		var log bytes.Buffer // one line a request, with the operator's reason; slog's handler locks it
		c.Server.Log = slog.New(slog.NewTextHandler(&log, nil))
		var mu sync.Mutex
		codes := map[int]int{}
		do := func(method, path, contentType string, body io.Reader) {
			r := httptest.NewRequestWithContext(t.Context(), method, path, body)
			r.Header.Set("X-Auth-Token", "member")
			r.Header.Set("Content-Type", contentType)
			w := httptest.NewRecorder()
			c.Handler.ServeHTTP(w, r)
			mu.Lock()
			defer mu.Unlock()
			codes[w.Code]++
			if w.Code >= 500 {
				t.Errorf("%s %s: %d %s", method, path, w.Code, w.Body)
			}
		}
		var wg sync.WaitGroup
		for worker := range 8 {
			wg.Go(func() {
				random := rand.New(rand.NewPCG(uint64(worker), 1)) //nolint:gosec // repeatable
				for range 25 {
					slot := random.IntN(len(ids))
					mu.Lock()
					id := ids[slot]
					mu.Unlock()
					self := images + "/" + id
					switch random.IntN(8) {
					case 0:
						do("DELETE", self, "", nil)
						fresh := c.create("member", body(""))
						mu.Lock()
						ids[slot] = fresh
						mu.Unlock()
					case 1, 2:
						do("PUT", self+"/file", octets, strings.NewReader(strings.Repeat("x", 1+random.IntN(10000))))
					case 3:
						do("PUT", self+"/file", octets, &broken{random.IntN(10000), io.ErrUnexpectedEOF})
					case 4:
						do("GET", self+"/file", "", nil)
					case 5:
						do("PATCH", self, patch, strings.NewReader(fmt.Sprintf(`[{"op": "add", "path": "/p%d", "value": "v"}]`, worker)))
					case 6:
						do("PUT", fmt.Sprintf("%s/tags/t%d", self, worker), "", nil)
					case 7:
						if _, err := c.service.Reconcile(t.Context()); err != nil {
							t.Error(err)
						}
					}
				}
			})
		}
		wg.Wait()
		for line := range strings.Lines(log.String()) {
			if strings.Contains(line, "status=5") {
				t.Error(line)
			}
		}
		t.Logf("answers by status: %v", codes)
		c.clean()
		for _, id := range ids {
			if a := c.As("member").Get(images + "/" + id); a.Code == 200 && a.Text("status") == "saving" {
				t.Errorf("image %s is saving and nobody uploads", id)
			}
		}
	})
}
