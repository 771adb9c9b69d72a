package api_test

import (
	"net/http/httptest"
	"strings"
	"testing"

	"gostack/internal/store"
)

// statements runs a request and returns how many SQL statements it took.
func (c *cloud) statements(as, method, path, contentType, body string, want int) int {
	c.T.Helper()
	ctx, count := store.Count(c.T.Context())
	r := httptest.NewRequestWithContext(ctx, method, path, strings.NewReader(body))
	r.Header.Set("X-Auth-Token", as)
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	w := httptest.NewRecorder()
	c.Handler.ServeHTTP(w, r)
	if w.Code != want {
		c.T.Fatalf("%s %s: %d %s", method, path, w.Code, w.Body)
	}
	return count.Statements()
}

func TestStatementBudgets(t *testing.T) {
	each(t, func(t *testing.T, c *cloud) {
		for range 30 {
			c.create("member", body(`, "p": "v", "tags": ["t"]`))
		}
		id := c.active("member", body(""), []byte("data"))
		for _, s := range []struct {
			what, method, path, contentType, body string
			status, most                          int
		}{
			{"show", "GET", images + "/" + id, "", "", 200, 2},
			{"download", "GET", images + "/" + id + "/file", "", "", 200, 2},
			{"list", "GET", images + "?limit=1000&tag=t&p=v", "", "", 200, 3},
			{"list behind a marker", "GET", images + "?limit=2&sort=name:asc&marker=" + id, "", "", 200, 3},
			{"members", "GET", images + "/" + id + "/members", "", "", 200, 3},
			{"create", "POST", images, "application/json", body(`, "a": "1", "b": "2", "tags": ["x", "y"]`), 201, 12},
			{"update", "PATCH", images + "/" + id, patch, `[{"op": "add", "path": "/c", "value": "3"}, {"op": "replace", "path": "/tags", "value": ["z"]}]`, 200, 12},
			{"add member", "POST", images + "/" + id + "/members", "application/json", `{"member": "project-2"}`, 200, 12},
		} {
			n := c.statements("member", s.method, s.path, s.contentType, s.body, s.status)
			t.Logf("%s: %d statements", s.what, n)
			if n == 0 || n > s.most {
				t.Errorf("%s took %d statements, the budget is %d", s.what, n, s.most)
			}
		}
	})
}
