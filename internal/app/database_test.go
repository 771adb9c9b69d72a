package app

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"gostack/internal/store"
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
	for deadline := time.Now().Add(3 * time.Minute); ; time.Sleep(10 * time.Millisecond) {
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
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
		defer cancel()
		if err := h.Stop(ctx); err != nil {
			t.Error(err)
		}
	}()
	if c, _ := line(); c.State != "ready" {
		t.Errorf("with the database back: %+v", c)
	}
}

// A database that goes away in the middle of a start does not end the process either (found by the crash suite).
func TestTheDatabaseGoesAwayDuringTheStart(t *testing.T) {
	server := storetest.NewServer(t)
	h := testHouse(t)
	h.Config.Database = server.Database()
	if err := h.openDatabase(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = h.DB.Close() }()
	server.Stop()
	tries := 0
	err := h.patiently(t.Context(), func(ctx context.Context) error {
		if tries++; tries == 2 {
			server.Start()
		}
		return h.DB.Ping(ctx)
	})
	if err != nil || tries < 2 {
		t.Errorf("after %d tries: %v", tries, err)
	}
	broken := errors.New("broken")
	if err := h.patiently(t.Context(), func(context.Context) error { return broken }); !errors.Is(err, broken) {
		t.Errorf("an error that no waiting mends: %v", err)
	}
}

// TestTheClockIsWrong puts a replica's clock an hour behind the database's: leases and tokens follow the database's, on which all replicas agree, and the status says so.
func TestTheClockIsWrong(t *testing.T) {
	url := storetest.PostgreSQLURL(t)
	ctx := t.Context()
	db, err := store.Open(ctx, url)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Write(ctx, func(ctx context.Context, tx store.Tx) error {
		var name string
		if err := tx.QueryRowContext(ctx, "SELECT current_database()").Scan(&name); err != nil {
			return err
		}
		for _, statement := range []string{
			"CREATE FUNCTION public.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE AS $$ SELECT pg_catalog.clock_timestamp() + interval '1 hour' $$",
			`ALTER DATABASE "` + name + `" SET search_path = public, pg_catalog`,
		} {
			if _, err := tx.ExecContext(ctx, statement); err != nil {
				return err
			}
		}
		return nil
	})
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	if db, err = store.Open(ctx, url); err != nil {
		t.Fatal(err)
	}
	if ahead := db.ClockAhead(); ahead < 50*time.Minute { // from the first moment on: the first lease is taken by it
		t.Errorf("the database is ahead by %s", ahead)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	h := testHouse(t)
	h.Config.Database = url
	if err := h.Start(ctx, "keystone-api"); err != nil {
		t.Fatal(err)
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
		defer cancel()
		if err := h.Stop(ctx); err != nil {
			t.Error(err)
		}
	}()
	if off := time.Until(h.Clock.Now().Add(-time.Hour)); off.Abs() > 10*time.Minute {
		t.Errorf("the cloud's clock is %s off the database's", off)
	}
	if s := h.databaseStatus(ctx); !strings.Contains(s.Why, "this machine's clock is") || !strings.Contains(s.Why, "set it by NTP") {
		t.Errorf("%+v", s)
	}
}
