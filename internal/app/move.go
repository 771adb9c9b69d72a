package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"time"

	"gostack/internal/config"
	"gostack/internal/dump"
	"gostack/internal/replica"
	"gostack/internal/store"
)

// ErrRuns says that a control process works on a database that is to be moved or replaced.
var ErrRuns = errors.New("gostack runs on this database")

// seenLately is how long ago a control process may have been seen to count as running.
const seenLately = 15 * time.Second

// nobodyRuns is an error when a control process works on the database: the one of this machine by its admin socket, others by what they wrote into
// the database, and any by what it has locked.
func nobodyRuns(ctx context.Context, c *config.Config, url string, db *store.DB) error {
	if c != nil && sameDatabase(c.Database, url) {
		socket := AdminSocket(c.RunDir)
		if conn, err := net.DialTimeout("unix", socket, time.Second); err == nil {
			_ = conn.Close()
			return fmt.Errorf("%w: %s answers; stop it first", ErrRuns, socket)
		}
	}
	if path, ok := strings.CutPrefix(url, "sqlite:"); ok {
		if err := store.Unused(ctx, path); err != nil {
			return fmt.Errorf("%w: %w", ErrRuns, err)
		}
	}
	if db == nil || db.Kind() != store.PostgreSQL {
		return nil
	}
	if v, err := dump.Versions(ctx, db.Read(ctx), db.Kind()); err != nil || v["replica"] == 0 {
		return err
	}
	living, err := replica.Living(ctx, db, seenLately)
	if err != nil {
		return err
	}
	if len(living) > 0 {
		names := make([]string, len(living))
		for i, m := range living {
			names[i] = m.Name
		}
		return fmt.Errorf("%w: control processes on %s were seen within %s; stop them first", ErrRuns, strings.Join(names, ", "), seenLately)
	}
	return nil
}

func sameDatabase(a, b string) bool {
	pa, oka := strings.CutPrefix(a, "sqlite:")
	pb, okb := strings.CutPrefix(b, "sqlite:")
	if oka && okb {
		xa, _ := filepath.Abs(pa)
		xb, _ := filepath.Abs(pb)
		return xa == xb
	}
	return a == b
}

// CopyDatabase moves a cloud's rows from one database to another, which must be empty or not exist yet (SQLite). c is this machine's configuration.
func CopyDatabase(ctx context.Context, c *config.Config, from, to string, progress dump.Progress) (map[string]dump.Sum, error) {
	if sameDatabase(from, to) {
		return nil, errors.New("the two databases are the same")
	}
	if err := store.Exists(from); err != nil {
		return nil, err
	}
	if err := nobodyRuns(ctx, c, from, nil); err != nil {
		return nil, err
	}
	source, err := store.Open(ctx, from)
	if err != nil {
		return nil, err
	}
	defer func() { _ = source.Close() }()
	if err := nobodyRuns(ctx, nil, "", source); err != nil {
		return nil, err
	}
	if err := nobodyRuns(ctx, c, to, nil); err != nil {
		return nil, err
	}
	target, err := store.Open(ctx, to)
	if err != nil {
		return nil, err
	}
	defer func() { _ = target.Close() }()
	if err := nobodyRuns(ctx, nil, "", target); err != nil {
		return nil, err
	}
	if err := target.Migrate(ctx, Migrations()...); err != nil {
		return nil, err
	}
	return dump.Copy(ctx, source, target, progress)
}

// MigrateDatabase brings the tables up to date, as every start of a control process does.
func MigrateDatabase(ctx context.Context, c *config.Config) ([]store.Version, error) {
	db, err := store.Open(ctx, c.Database)
	if err != nil {
		return nil, err
	}
	defer func() { _ = db.Close() }()
	if err := db.Migrate(ctx, Migrations()...); err != nil {
		return nil, err
	}
	return db.Versions(ctx, Migrations()...)
}

// DatabaseVersions tells which versions the tables of each service have and should have. It changes nothing.
func DatabaseVersions(ctx context.Context, c *config.Config) ([]store.Version, error) {
	if err := store.Exists(c.Database); err != nil {
		return nil, err
	}
	db, err := store.Open(ctx, c.Database)
	if err != nil {
		return nil, err
	}
	defer func() { _ = db.Close() }()
	return db.Versions(ctx, Migrations()...)
}
