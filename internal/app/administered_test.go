package app

import (
	"context"
	"io"
	"log/slog"
	"os"
	"strings"
	"testing"

	"gostack/internal/config"
)

// administered starts the components up to one in a house of its own, with a configuration that change alters, and returns how its administrator
// asks: for an answer with a status that says something.
func administered(t *testing.T, component string, change func(*config.Config)) func(status int, says, method, path, body string) string {
	t.Helper()
	first := testHouse(t)
	change(first.Config)
	h := New(first.Config, slog.New(slog.NewTextHandler(io.Discard, nil)))
	if err := h.Start(context.Background(), component); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	password, err := os.ReadFile(AdminPasswordFile(h.Config))
	if err != nil {
		t.Fatal(err)
	}
	code, token := h.login(t, "admin", strings.TrimSpace(string(password)))
	if code != 201 {
		t.Fatal(code)
	}
	return func(status int, says, method, path, body string) string {
		t.Helper()
		code, text := h.ask(t, method, path, token, body)
		if code != status || !strings.Contains(text, says) {
			t.Fatalf("%s %s: %d %s, want %d and %s", method, path, code, text, status, says)
		}
		return text
	}
}
