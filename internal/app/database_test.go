package app

import (
	"context"
	"strings"
	"testing"
	"time"

	"gostack/internal/store/storetest"
)

// TestTheDatabaseComesLater starts a control process whose database is away: it says so and waits, does not end, and goes on by itself.
func TestTheDatabaseComesLater(t *testing.T) {
	server := storetest.NewServer(t)
	h := testHouse(t)
	h.Config.Database = server.Database()
	server.Stop()
	started := make(chan error, 1)
	go func() { started <- h.Start(t.Context(), "keystone-api") }()
	line := func() (ComponentStatus, bool) {
		for _, c := range h.Status(t.Context()) {
			if c.Name == "database" {
				return c, true
			}
		}
		return ComponentStatus{}, false
	}
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		if c, found := line(); found && c.State == "waiting" && strings.Contains(c.Why, "connect") {
			break
		}
		select {
		case err := <-started:
			t.Fatalf("it did not wait: %v", err)
		default:
		}
		if time.Now().After(deadline) {
			c, _ := line()
			t.Fatalf("the status says %+v", c)
		}
	}
	server.Start()
	if err := <-started; err != nil {
		t.Fatal(err)
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if err := h.Stop(ctx); err != nil {
			t.Error(err)
		}
	}()
	if c, _ := line(); c.State != "ready" {
		t.Errorf("with the database back: %+v", c)
	}
}
