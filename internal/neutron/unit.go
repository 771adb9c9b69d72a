package neutron

import (
	"context"
	"net/http"
	"sync"
	"time"

	"gostack/internal/neutron/db"
	"gostack/internal/store"
)

// The types of resources that the engine has to hear of.
const (
	kindNetwork       = "network"
	kindSubnet        = "subnet"
	kindPort          = "port"
	kindRouter        = "router"
	kindSecurityGroup = "security_group"
	kindLogging       = "logging"
)

// key names a resource of the engine.
type key struct{ kind, id string }

// unit is one change of the database: the transaction, its time, and what the engine must be told when it is committed.
type unit struct {
	s       *Service
	tx      store.Tx
	now     time.Time
	pending map[key]bool
	order   []key
	told    []told
}

type unitKey struct{}

// Write runs fn as one transaction, in which all changes made through ctx take part.
func (s *Service) Write(ctx context.Context, fn func(ctx context.Context) error) error {
	return s.write(ctx, func(ctx context.Context, _ *unit) error { return fn(ctx) })
}

// write runs fn in a transaction (the one of ctx, if there is one) and notes what fn told the unit.
func (s *Service) write(ctx context.Context, fn func(ctx context.Context, u *unit) error) error {
	if u, ok := ctx.Value(unitKey{}).(*unit); ok && u.s == s {
		return fn(ctx, u)
	}
	return s.DB.Write(ctx, func(ctx context.Context, tx store.Tx) error {
		u := &unit{s: s, tx: tx, now: s.Clock.Now(), pending: map[key]bool{}}
		if err := fn(context.WithValue(ctx, unitKey{}, u), u); err != nil {
			return err
		}
		return u.flush(ctx)
	})
}

// changed notes that the engine must hear of resources.
func (u *unit) changed(kind string, ids ...string) {
	for _, id := range ids {
		k := key{kind, id}
		if id != "" && !u.pending[k] {
			u.pending[k] = true
			u.order = append(u.order, k)
		}
	}
}

func (u *unit) flush(ctx context.Context) error {
	if err := u.tell(ctx); err != nil {
		return err
	}
	if len(u.order) == 0 {
		return nil
	}
	rows := make([]*db.Pending, len(u.order))
	for i, k := range u.order {
		rows[i] = &db.Pending{ResourceType: k.kind, ResourceID: k.id, Mark: u.s.random(1<<62) + 1, NotedAt: u.now}
	}
	if err := db.Pend(ctx, u.tx, rows); err != nil {
		return err
	}
	keys := u.order
	store.AfterCommit(ctx, func() { u.s.realiser.wake(trackerOf(ctx), keys) })
	return nil
}

// create fills the standard attributes of a new row and stores it.
func (u *unit) create(ctx context.Context, row db.Row, project, description string) error {
	b := row.Base()
	if b.ID == "" {
		b.ID = u.s.newID()
	}
	b.ProjectID, b.Description = project, description
	b.CreatedAt, b.UpdatedAt = u.now, u.now
	return db.Insert(ctx, u.tx, row)
}

type revisionKey struct{}

type onRevision struct {
	id   string
	want int64
}

// OnRevision returns a context in which a change of a resource fails unless it has a revision (extension revision-if-match).
func OnRevision(ctx context.Context, id string, revision int64) context.Context {
	return context.WithValue(ctx, revisionKey{}, onRevision{id, revision})
}

// update stores a row again with the next revision number.
func (u *unit) update(ctx context.Context, row db.Row) error {
	b := row.Base()
	if on, ok := ctx.Value(revisionKey{}).(onRevision); ok && on.id == b.ID && b.Revision != on.want {
		return fault(http.StatusPreconditionFailed, "RevisionNumberConstraintFailed", "Constrained to %d, but current revision is %d", on.want, b.Revision)
	}
	b.Revision++
	b.UpdatedAt = u.now
	return db.Update(ctx, u.tx, row)
}

// tracker collects what one request has to wait for.
type tracker struct {
	mu    sync.Mutex
	waits []<-chan struct{}
}

type trackerKey struct{}

func trackerOf(ctx context.Context) *tracker {
	t, _ := ctx.Value(trackerKey{}).(*tracker)
	return t
}

// Track returns a context whose changes Await waits for.
func Track(ctx context.Context) context.Context {
	if trackerOf(ctx) != nil {
		return ctx
	}
	return context.WithValue(ctx, trackerKey{}, &tracker{})
}

// Await waits until the engine has what was changed under a context of Track, but not longer than Config.Wait. Not to have it
// by then is no error, the realiser goes on; but it returns false.
func (s *Service) Await(ctx context.Context) bool {
	t := trackerOf(ctx)
	if t == nil {
		return true
	}
	t.mu.Lock()
	waits := t.waits
	t.waits = nil
	t.mu.Unlock()
	if len(waits) == 0 {
		return true
	}
	timer := time.NewTimer(s.Wait)
	defer timer.Stop()
	for _, w := range waits {
		select {
		case <-w:
		case <-timer.C:
			return false
		case <-ctx.Done():
			return false
		}
	}
	return true
}
