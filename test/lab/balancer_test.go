package lab

import (
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// Connections go in turn to the replicas that are well; one that is degraded helps out only when nobody is well, one that is dead never.
func TestBalancer(t *testing.T) {
	var well [2]atomic.Int64
	var backends []string
	var servers []*httptest.Server
	for i := range well {
		well[i].Store(http.StatusOK)
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/healthcheck" {
				w.WriteHeader(int(well[i].Load()))
			}
			_, _ = io.WriteString(w, string(rune('a'+i)))
		}))
		t.Cleanup(s.Close)
		servers = append(servers, s)
		backends = append(backends, strings.TrimPrefix(s.URL, "http://"))
	}
	b, err := Balance("127.0.0.1:0", backends...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	ask := func() string {
		c := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: time.Minute}
		resp, err := c.Get("http://" + b.listener.Addr().String())
		if err != nil {
			return err.Error()
		}
		defer func() { _ = resp.Body.Close() }()
		text, _ := io.ReadAll(resp.Body)
		return string(text)
	}
	until := func(want ...string) {
		t.Helper()
		var got string
		for end := time.Now().Add(2 * time.Minute); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
			if got = ask() + ask() + ask() + ask(); slices.Contains(want, got) {
				return
			}
		}
		t.Fatalf("got %q, want %q", got, want)
	}
	until("abab", "baba")
	well[0].Store(http.StatusServiceUnavailable)
	until("bbbb")
	well[1].Store(http.StatusServiceUnavailable)
	until("abab", "baba")
	servers[1].Close()
	until("aaaa")
}
