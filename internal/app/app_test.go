package app

import (
	"context"
	"io"
	"log/slog"
	"strings"
	"testing"

	"gostack/internal/config"
)

func testHouse(t *testing.T) *House {
	t.Helper()
	dir := t.TempDir()
	cfg := config.Default()
	cfg.StateDir, cfg.RunDir, cfg.LogDir = dir, dir, dir
	cfg.Database = "sqlite:" + dir + "/gostack.db"
	cfg.Listen = "127.0.0.1:0"
	cfg.Nova.Driver = "simulated"
	cfg.Keystone.BcryptCost = 4
	return New(cfg, slog.New(slog.NewTextHandler(io.Discard, nil)))
}

func TestNeedsAreKnownAndComeFirst(t *testing.T) {
	list, err := Resolve("all")
	if err != nil {
		t.Fatal(err)
	}
	at := map[string]int{}
	for i, c := range list {
		at[c.Name] = i + 1
		if c.What == "" || c.Build == nil {
			t.Errorf("%s says nothing of itself or cannot be built", c.Name)
		}
		for _, n := range c.Needs {
			if at[n] == 0 {
				t.Errorf("%s starts before %s, which it needs", c.Name, n)
			}
		}
	}
	if len(list) != len(Components) {
		t.Errorf("all is %d of %d components", len(list), len(Components))
	}
	if _, err := Resolve("nova-nothing"); err == nil || !strings.Contains(err.Error(), "control") {
		t.Errorf("an unknown name: %v", err)
	}
}

// Each role alone, and each control component with what it needs, starts and stops cleanly.
func TestEachStartsAlone(t *testing.T) {
	names := []string{"control"}
	for i := range Components {
		if Components[i].Control {
			names = append(names, Components[i].Name)
		}
	}
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			h := testHouse(t)
			if err := h.Start(context.Background(), name); err != nil {
				t.Fatal(err)
			}
			for _, c := range h.Status(context.Background()) {
				if c.State != "ready" && c.State != "degraded" {
					t.Errorf("%s is %s", c.Name, c.State)
				}
			}
			if err := h.Stop(context.Background()); err != nil {
				t.Error(err)
			}
		})
	}
}
