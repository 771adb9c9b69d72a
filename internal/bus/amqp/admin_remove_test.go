package amqp_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"gostack/internal/bus/amqp"
)

// The broker answers 500 for a connection that ends while somebody ends it: it is looked for again, and gone. What stays is an error.
func TestRemovedUserWhoseConnectionIsEnding(t *testing.T) {
	for name, c := range map[string]struct {
		fails int // how often the broker cannot end the connection
		ok    bool
	}{"once": {1, true}, "always": {1000, false}} {
		t.Run(name, func(t *testing.T) {
			users, tries := 0, 0
			broker := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				path := strings.TrimPrefix(r.URL.Path, "/api/")
				switch {
				case r.Method == http.MethodDelete && strings.HasPrefix(path, "users/"):
					users++
				case r.Method == http.MethodGet && strings.HasPrefix(path, "connections/username/") && tries >= c.fails:
					fmt.Fprint(w, "[]")
				case r.Method == http.MethodGet && strings.HasPrefix(path, "connections/username/"):
					fmt.Fprint(w, `[{"name": "127.0.0.1:1 -> 127.0.0.1:2"}]`)
				case r.Method == http.MethodDelete && path == "connections/127.0.0.1:1 -> 127.0.0.1:2":
					tries++
					w.WriteHeader(http.StatusInternalServerError)
				default:
					t.Errorf("%s %s", r.Method, r.URL)
				}
			}))
			defer broker.Close()
			admin, err := amqp.OpenAdmin(strings.Replace(broker.URL, "//", "//u:p@", 1), "/", "", "", "")
			if err != nil {
				t.Fatal(err)
			}
			defer admin.Close()
			if err := admin.RemoveHostUser(t.Context(), "one"); (err == nil) != c.ok || users != 1 || tries == 0 {
				t.Errorf("%v after %d tries, %d users removed", err, tries, users)
			}
		})
	}
}
