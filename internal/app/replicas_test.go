package app

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gostack/internal/config"
	"gostack/internal/store/storetest"
	"gostack/test/freeport"
)

// replicaConfig is that of a control replica with directories and an address of its own.
func replicaConfig(t *testing.T, name, url string) *config.Config {
	t.Helper()
	c := *testHouse(t).Config
	c.Host, c.Database = name, url
	var err error
	if c.Listen, err = freeport.Address(); err != nil {
		t.Fatal(err)
	}
	c.InternalURL = "http://" + c.Listen
	return &c
}

func startReplica(t *testing.T, c *config.Config) *House {
	t.Helper()
	h := New(c, slog.New(slog.NewTextHandler(io.Discard, nil)))
	if err := h.Start(context.Background(), "control"); err != nil {
		t.Fatal(err)
	}
	return h
}

func soon(t *testing.T, what string, cond func() bool) {
	t.Helper()
	for deadline := time.Now().Add(3 * time.Minute); !cond(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within three minutes: %s", what)
		}
	}
}

// Two replicas whose image directories are not the same one: whoever is asked gives the data, and says clearly when it cannot.
func TestImagesOfAnotherReplica(t *testing.T) {
	url := storetest.PostgreSQLURL(t)
	ca, cb := replicaConfig(t, "alpha", url), replicaConfig(t, "beta", url)
	a := startReplica(t, ca)
	b := startReplica(t, cb)
	defer func() { _ = b.Stop(context.Background()) }()
	password, err := os.ReadFile(AdminPasswordFile(ca))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(AdminPasswordFile(cb)); err == nil {
		t.Error("the second replica has a password of its own in a file")
	}
	at := &client{t: t, h: a}
	at.login(strings.TrimSpace(string(password)))
	image := at.make("/image/v2/images", "", m{"name": "img", "disk_format": "raw", "container_format": "bare"})
	data := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
	if code := at.do(http.MethodPut, "/image/v2/images/"+image+"/file", data, nil); code != http.StatusNoContent {
		t.Fatalf("upload: %d", code)
	}
	get := func(h *House, from string) (int, []byte) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+h.Listen.Addr()+"/image/v2/images/"+image+"/file", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("X-Auth-Token", at.token)
		if from != "" {
			r.Header.Set("Range", from)
		}
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = resp.Body.Close() }()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Error(err)
		}
		return resp.StatusCode, body
	}
	if code, body := get(b, ""); code != http.StatusOK || !bytes.Equal(body, data) {
		t.Errorf("from the other replica: %d, %d bytes", code, len(body))
	}
	if code, body := get(b, "bytes=1000000-1000015"); code != http.StatusPartialContent || !bytes.Equal(body, data[1000000:1000016]) {
		t.Errorf("a part from the other replica: %d, %q", code, body)
	}
	r, size, err := b.Glance.Data(t.Context(), image)
	if err != nil || size != int64(len(data)) {
		t.Fatalf("Data: %d, %v", size, err)
	}
	if _, err := r.Seek(-4, io.SeekEnd); err != nil {
		t.Error(err)
	}
	if tail, err := io.ReadAll(r); err != nil || string(tail) != "cdef" {
		t.Errorf("%q, %v", tail, err)
	}
	_ = r.Close()
	for _, h := range []*House{a, b} {
		if found, err := h.Glance.Audit(t.Context()); err != nil || len(found) > 0 {
			t.Errorf("the audit on %s finds %v, %v", h.Config.Host, found, err)
		}
	}
	// Nobody gets data without a ticket for it.
	files, err := os.ReadDir(filepath.Join(ca.StateDir, "images"))
	if err != nil || len(files) == 0 {
		t.Fatal(err)
	}
	for _, header := range []http.Header{{}, {imageDataTicket: {"x.y"}, imageDataPeer: {"beta"}}} {
		req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, ca.InternalURL+imageDataPath+files[0].Name(), nil)
		req.Header = header
		resp, err := http.DefaultClient.Do(req)
		if err != nil || resp.StatusCode != http.StatusForbidden {
			t.Errorf("without a ticket: %v, %v", resp, err)
		}
		_ = resp.Body.Close()
	}
	// Deleted on one, the data is gone from the other.
	second := at.make("/image/v2/images", "", m{"name": "two", "disk_format": "raw", "container_format": "bare"})
	at.do(http.MethodPut, "/image/v2/images/"+second+"/file", data[:64], nil)
	bt := &client{t: t, h: b, token: at.token}
	if code := bt.do(http.MethodDelete, "/image/v2/images/"+second, nil, nil); code != http.StatusNoContent {
		t.Fatalf("delete: %d", code)
	}
	soon(t, "the other replica removes the data", func() bool {
		left, _ := filepath.Glob(filepath.Join(ca.StateDir, "images", second+"*"))
		return len(left) == 0
	})
	if err := a.Stop(context.Background()); err != nil {
		t.Error(err)
	}
	if code, body := get(b, ""); code != http.StatusServiceUnavailable || !strings.Contains(string(body), image) {
		t.Errorf("while the replica that has it is away: %d %s", code, body)
	}
	found, err := b.Glance.Audit(t.Context())
	if err != nil || len(found) != 1 || !strings.Contains(fmt.Sprint(found), "does not answer") {
		t.Errorf("the audit finds %v, %v", found, err)
	}
}
