package ops

import (
	"context"
	"sync"

	"gostack/internal/nova"
	"gostack/internal/nova/db"
	"gostack/internal/store"
)

// known are the servers of creations that this process has under way, as they were when a host was picked. What a creation needs of a
// server does not change while it lasts, and the row is there as long as the operation, so it is not read again for every step.
type known struct {
	mu      sync.Mutex
	servers map[string]*nova.Server // by operation
}

// mostKnown bounds the memory of creations that went on in another process.
const mostKnown = 1024

func (k *known) keep(operation string, srv *nova.Server) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.servers == nil || len(k.servers) >= mostKnown {
		k.servers = map[string]*nova.Server{}
	}
	k.servers[operation] = srv
}

func (k *known) forget(operation string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.servers, operation)
}

// read returns the server of a creation. It is not to be changed.
func (k *known) read(ctx context.Context, h store.Tx, r *createRun) (*nova.Server, error) {
	k.mu.Lock()
	srv := k.servers[r.Operation.ID]
	k.mu.Unlock()
	if srv != nil && r.Operation.Kind == nova.KindCreate {
		return srv, nil
	}
	srv, err := db.GetServer(ctx, h, r.State.ServerID)
	if store.IsNotFound(err) {
		return nil, gone(nil)
	}
	return srv, err
}
