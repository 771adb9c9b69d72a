package app

import (
	"context"
	"fmt"
	"time"

	"gostack/internal/clock"
	"gostack/internal/hosts"
	"gostack/internal/notify"
	"gostack/internal/replica"
	"gostack/internal/saga"
	"gostack/internal/store"
)

// Version is what the binary calls itself; set by its main package before a house is started.
var Version = "dev"

// Migrations are the tables of everything that any component keeps, in the order in which they are made.
func Migrations() []store.Migrations {
	sets := []store.Migrations{saga.Migrations, replica.Migrations, hosts.Migrations, notify.Migrations}
	for i := range Components {
		sets = append(sets, Components[i].Migrations...)
	}
	return sets
}

// openDatabase connects and brings the tables up to date. On PostgreSQL it waits, for as long as it takes, until the database can be reached:
// a process that ended instead would only be started again and again. What it waits for is in the log and in the status.
func (h *House) openDatabase(ctx context.Context) error {
	if h.DB == nil {
		db, err := store.Open(ctx, h.Config.Database)
		for pause := time.Second; err != nil && store.IsUnavailable(err); db, err = store.Open(ctx, h.Config.Database) {
			h.waitFor("database", err)
			h.Log.Error("the database cannot be reached; trying again", "error", err, "again_in", pause.String())
			select {
			case <-ctx.Done():
				return fmt.Errorf("ended while waiting for the database: %w", err)
			case <-time.After(pause):
			}
			pause = min(2*pause, 10*time.Second)
		}
		if err != nil {
			return err
		}
		h.DB = db
	}
	for {
		err := h.DB.Migrate(ctx, Migrations()...)
		if err == nil {
			break
		}
		if !store.IsUnavailable(err) || h.DB.Kind() != store.PostgreSQL {
			return err
		}
		h.waitFor("database", err)
		h.Log.Error("the database went away while its tables were brought up to date; trying again", "error", err)
		select {
		case <-ctx.Done():
			return err
		case <-time.After(time.Second):
		}
	}
	h.waitFor("", nil)
	if h.Clock == clock.System {
		h.Clock = h.DB.Clock()
	}
	h.Saga = saga.NewEngine(h.DB, saga.Options{Log: h.Log, Clock: h.Clock, Name: h.Config.Host, Shared: h.DB.Kind() == store.PostgreSQL})
	h.Replicas = replica.New(replica.Options{
		DB: h.DB, Name: h.Config.Host, Address: h.Config.InternalURL, Version: Version, Clock: h.Clock, Log: h.Log,
	})
	return nil
}

// patiently does a part of the start that needs the database, again and again while PostgreSQL is away: a process that ended instead would only be started again.
func (h *House) patiently(ctx context.Context, do func(context.Context) error) error {
	for pause := time.Second; ; pause = min(2*pause, 10*time.Second) {
		err := do(ctx)
		if err == nil || h.DB == nil || h.DB.Kind() != store.PostgreSQL || !store.IsUnavailable(err) {
			h.waitFor("", nil)
			return err
		}
		h.waitFor("database", err)
		h.Log.Error("the database went away during the start; trying again", "error", err, "again_in", pause.String())
		select {
		case <-ctx.Done():
			return fmt.Errorf("ended while waiting for the database: %w", err)
		case <-time.After(pause):
		}
	}
}

// waitFor tells the status what the start waits for; an empty name ends it.
func (h *House) waitFor(what string, why error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.waiting = nil
	if what != "" {
		h.waiting = &ComponentStatus{Name: what, State: "waiting", Why: why.Error()}
	}
}

// clockLimit is how far this machine's clock may be from the database's before operators hear of it.
const clockLimit = 2 * time.Second

// databaseStatus is a line of the status for what all control components stand on.
func (h *House) databaseStatus(ctx context.Context) ComponentStatus {
	s := ComponentStatus{Name: "database", State: "ready"}
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	if err := h.DB.Ping(ctx); err != nil {
		s.State, s.Why = "degraded", err.Error()
	} else if ahead := h.DB.ClockAhead(); ahead.Abs() > clockLimit {
		s.Why = fmt.Sprintf("this machine's clock is %s off the database's, whose time is used; set it by NTP", ahead.Round(time.Millisecond))
	}
	return s
}
