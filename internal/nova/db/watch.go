package db

import (
	"context"
	"strconv"

	"gostack/internal/store"
)

// Kinds of things whose changes are watched.
const (
	WatchServer      = "server"       // by id
	WatchFlavor      = "flavor"       // by id
	WatchKeyPair     = "keypair"      // by user and name, see KeyPairKey
	WatchServerGroup = "server_group" // by id
	WatchAggregate   = "aggregate"    // by number
	WatchService     = "service"      // by id
)

// Watcher is told what a transaction is about to change, or with made what it has just stored. Deleted says what is left of a server that goes
// in this transaction.
type Watcher interface {
	Touched(ctx context.Context, tx store.Tx, kind, key string, made bool, columns ...string) error
	Deleted(ctx context.Context, tx store.Tx, s *Server) error
}

type watcherKey struct{}

// Watch makes w hear of all changes of a database.
func Watch(d *store.DB, w Watcher) { d.Attach(watcherKey{}, w) }

func watcher(ctx context.Context) Watcher {
	w, _ := store.Attached(ctx, watcherKey{}).(Watcher)
	return w
}

func touch(ctx context.Context, tx store.Tx, kind, key string, columns ...string) error {
	if w := watcher(ctx); w != nil {
		return w.Touched(ctx, tx, kind, key, false, columns...)
	}
	return nil
}

// joining tells of what a row is about to change beside itself.
func joining(ctx context.Context, tx store.Tx, row any) error {
	switch r := row.(type) {
	case *FlavorAccess:
		return touch(ctx, tx, WatchFlavor, r.FlavorID)
	case *AggregateHost:
		return touch(ctx, tx, WatchAggregate, strconv.FormatInt(r.AggregateID, 10))
	}
	return nil
}

// made tells of a row that was stored.
func made(ctx context.Context, tx store.Tx, row any) error {
	w := watcher(ctx)
	if w == nil {
		return nil
	}
	switch r := row.(type) {
	case *Server:
		return w.Touched(ctx, tx, WatchServer, r.ID, true)
	case *Flavor:
		return w.Touched(ctx, tx, WatchFlavor, r.ID, true)
	case *KeyPair:
		return w.Touched(ctx, tx, WatchKeyPair, KeyPairKey(r.UserID, r.Name), true)
	case *ServerGroup:
		return w.Touched(ctx, tx, WatchServerGroup, r.ID, true)
	case *Aggregate:
		return w.Touched(ctx, tx, WatchAggregate, strconv.FormatInt(r.ID, 10), true)
	case *Service:
		return w.Touched(ctx, tx, WatchService, r.ID, true)
	}
	return nil
}

// KeyPairKey is what a key pair is known by.
func KeyPairKey(user, name string) string { return user + "\n" + name }
