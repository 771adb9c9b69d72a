package db

import (
	"context"

	"gostack/internal/store"
)

// Watcher is told of a row that was created, updated or deleted in a transaction.
type Watcher func(ctx context.Context, verb string, row any) error

type watcherKey struct{}

// Watch makes w hear of all changes of a database.
func Watch(d *store.DB, w Watcher) { d.Attach(watcherKey{}, w) }

// changed tells of a change that has worked.
func changed(ctx context.Context, verb string, row any, err error) error {
	if err != nil {
		return err
	}
	if w, _ := store.Attached(ctx, watcherKey{}).(Watcher); w != nil {
		return w(ctx, verb, row)
	}
	return nil
}
