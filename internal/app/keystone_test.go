package app

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"testing"

	"gostack/internal/secret"
)

// login asks a running house for a token and returns the status and the token.
func (h *House) login(t *testing.T, user, password string) (int, string) {
	t.Helper()
	body := `{"auth": {"identity": {"methods": ["password"], "password": {"user": {"name": "` + user + `", "domain": {"id": "default"}, "password": "` +
		password + `"}}}, "scope": {"project": {"name": "admin", "domain": {"id": "default"}}}}}`
	return h.send(t, "POST", "/identity/v3/auth/tokens", "", body)
}

// send returns the status and the token of the answer, ask the status and the body.
func (h *House) send(t *testing.T, method, path, token, body string) (int, string) {
	t.Helper()
	a, _ := h.request(t, method, path, token, body)
	return a.StatusCode, a.Header.Get("X-Subject-Token")
}

func (h *House) ask(t *testing.T, method, path, token, body string) (int, string) {
	t.Helper()
	a, text := h.request(t, method, path, token, body)
	return a.StatusCode, text
}

func (h *House) request(t *testing.T, method, path, token, body string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, "http://"+h.Listen.Addr()+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "application/json")
	r.Header.Set("X-Auth-Token", token)
	a, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = a.Body.Close() }()
	text, err := io.ReadAll(a.Body)
	if err != nil {
		t.Fatal(err)
	}
	return a, string(text)
}

func TestKeystoneBootstrapsItself(t *testing.T) {
	first := testHouse(t)
	// again is the same cloud, started anew with other components.
	again := func(names ...string) *House {
		t.Helper()
		h := New(first.Config, slog.New(slog.NewTextHandler(io.Discard, nil)))
		if err := h.Start(context.Background(), names...); err != nil {
			t.Fatal(err)
		}
		return h
	}
	stop := func(h *House) {
		t.Helper()
		if err := h.Stop(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	h := again("keystone-api")
	file := AdminPasswordFile(h.Config)
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	password := strings.TrimSpace(string(text))
	code, token := h.login(t, "admin", password)
	if code != 201 {
		t.Fatalf("the password of the file gives %d", code)
	}
	for _, path := range []string{"/", "/identity"} {
		if code, _ := h.send(t, "GET", path, "", ""); code != 300 {
			t.Errorf("%s: %d", path, code)
		}
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+h.Listen.Addr()+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Accept", "application/json-home")
		a, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(a.Body)
		_ = a.Body.Close()
		if err != nil || a.StatusCode != 200 || a.Header.Get("Content-Type") != "application/json-home" || !strings.Contains(string(text), `{"href":"/identity/v3/auth/tokens"}`) {
			t.Errorf("%s: %d %v", path, a.StatusCode, err)
		}
	}
	// The admin changes the password; the next start must not change it back.
	me, err := h.Keystone.Authenticate(t.Context(), token)
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Keystone.ChangePassword(t.Context(), me.UserID, secret.New(password), secret.New("own")); err != nil {
		t.Fatal(err)
	}
	stop(h)
	h = again("keystone-api")
	if code, _ := h.login(t, "admin", password); code != 401 {
		t.Errorf("the old password gives %d", code)
	}
	code, token = h.login(t, "admin", "own")
	if code != 201 {
		t.Errorf("the own password gives %d", code)
	}
	// The keys rotate and the operator resets the password beside the running process.
	if err := RotateFernetKeys(t.Context(), h.Config); err != nil {
		t.Fatal(err)
	}
	if code, _ := h.send(t, "GET", "/v3/auth/projects", token, ""); code != 200 {
		t.Errorf("a token of before the rotation gives %d", code)
	}
	if err := ResetAdmin(t.Context(), h.Config, secret.New("reset")); err != nil {
		t.Fatal(err)
	}
	if code, _ := h.login(t, "admin", "own"); code != 401 {
		t.Errorf("the password of before the reset gives %d", code)
	}
	code, token = h.login(t, "admin", "reset")
	if code != 201 {
		t.Errorf("the password of the reset gives %d", code)
	}
	if err := ResetAdmin(t.Context(), h.Config, secret.String{}); err == nil {
		t.Error("an empty password was set")
	}
	stop(h)
	// A process without the Identity API knows its tokens all the same.
	h = again("glance-api")
	defer stop(h)
	if code, _ := h.send(t, "GET", "/image/v2/images", token, ""); code != 200 {
		t.Errorf("glance alone answers %d", code)
	}
	if code, _ := h.send(t, "GET", "/image/v2/images", "nonsense", ""); code != 401 {
		t.Errorf("glance alone answers %d to nonsense", code)
	}
}
