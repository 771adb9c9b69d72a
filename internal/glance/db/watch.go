package db

import (
	"context"

	"gostack/internal/store"
)

// Watcher is told which images and members a transaction is about to change; made says that the row has just been stored.
type Watcher interface {
	Image(ctx context.Context, tx store.Tx, id string, made bool) error
	Member(ctx context.Context, verb string, m *Member) error
}

type watcherKey struct{}

// Watch makes w hear of all changes of a database.
func Watch(d *store.DB, w Watcher) { d.Attach(watcherKey{}, w) }

func watcher(ctx context.Context) Watcher {
	w, _ := store.Attached(ctx, watcherKey{}).(Watcher)
	return w
}

func touch(ctx context.Context, tx store.Tx, id string) error {
	if w := watcher(ctx); w != nil {
		return w.Image(ctx, tx, id, false)
	}
	return nil
}

func made(ctx context.Context, tx store.Tx, id string, err error) error {
	if w := watcher(ctx); w != nil && err == nil {
		return w.Image(ctx, tx, id, true)
	}
	return err
}

func member(ctx context.Context, verb string, m *Member, err error) error {
	if w := watcher(ctx); w != nil && err == nil {
		return w.Member(ctx, verb, m)
	}
	return err
}
