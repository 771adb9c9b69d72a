package neutron

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"gostack/internal/neutron/db"
	"gostack/internal/neutron/driver"
	"gostack/internal/store"
)

// realiser makes the engine equal to the database, resource by resource: it reads the present state, gives the spec (or the
// news that there is none any more) to the backend, and removes the note from neutron_pending if nothing changed meanwhile.
// What fails stays noted and is tried again for ever. Two replicas that realise the same resource at once do no harm: who finds
// the note gone or changed afterwards does it again.
type realiser struct {
	s     *Service
	slots chan struct{} // bounds what runs at once

	mu    sync.Mutex
	ctx   context.Context // of Run; nil while it does not run
	state map[key]*keyState
	work  sync.WaitGroup
	poke  chan struct{} // tells the retry loop that something failed
	done  chan *db.Pending
}

// keyState is what a process knows about a resource that has to be realised.
type keyState struct {
	dirty    bool // there is something newer than what runs
	running  bool
	waiters  []chan struct{}
	failures int
	next     time.Time // of the next try after a failure
}

const (
	parallel   = 16
	firstRetry = 50 * time.Millisecond
	lastRetry  = 10 * time.Second
)

// ranks order the work of one change: what others need comes first.
var ranks = map[string]int{kindNetwork: 0, kindSecurityGroup: 1, kindSubnet: 2, kindPort: 3, kindRouter: 4, kindLogging: 5}

func newRealiser(s *Service) *realiser {
	return &realiser{
		s: s, slots: make(chan struct{}, parallel), state: map[key]*keyState{}, poke: make(chan struct{}, 1), done: make(chan *db.Pending, 1024),
	}
}

// wake has resources realised soon. The tracker, if any, learns what to wait for.
func (r *realiser) wake(t *tracker, keys []key) {
	keys = slices.Clone(keys)
	slices.SortStableFunc(keys, func(a, b key) int { return ranks[a.kind] - ranks[b.kind] })
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, k := range keys {
		st := r.state[k]
		if st == nil {
			st = &keyState{}
			r.state[k] = st
		}
		st.dirty, st.next = true, time.Time{}
		if t != nil {
			w := make(chan struct{})
			st.waiters = append(st.waiters, w)
			t.mu.Lock()
			t.waits = append(t.waits, w)
			t.mu.Unlock()
		}
	}
	if r.ctx == nil {
		return // Run begins with everything that is noted
	}
	ctx := r.ctx
	r.work.Go(func() {
		select {
		case r.slots <- struct{}{}:
			defer func() { <-r.slots }()
		case <-ctx.Done():
			return
		}
		for _, k := range keys {
			r.run(ctx, k)
		}
	})
}

// run realises a resource until nothing newer is known, or it fails.
func (r *realiser) run(ctx context.Context, k key) {
	r.mu.Lock()
	defer r.mu.Unlock()
	st := r.state[k]
	if st == nil || st.running {
		return
	}
	st.running = true
	for st.dirty && ctx.Err() == nil {
		st.dirty = false
		waiters := st.waiters
		st.waiters = nil
		r.mu.Unlock()
		row, err := r.realise(ctx, k)
		if err == nil {
			for _, w := range waiters {
				close(w)
			}
			if row != nil {
				if k.kind == kindPort {
					r.s.refreshStatus(ctx, []string{k.id})
				}
				r.finished(ctx, row)
			}
		}
		r.mu.Lock()
		if err != nil {
			st.waiters = append(waiters, st.waiters...)
			st.dirty = true
			st.failures++
			st.next = time.Now().Add(backoff(st.failures))
			r.complain(k, st, err)
			select {
			case r.poke <- struct{}{}:
			default:
			}
			break
		}
		st.failures = 0
	}
	st.running = false
	if !st.dirty {
		delete(r.state, k)
	}
}

func backoff(failures int) time.Duration {
	return min(firstRetry<<min(failures-1, 10), lastRetry)
}

func (r *realiser) complain(k key, st *keyState, err error) {
	log := r.s.Log.Debug
	switch {
	case errors.Is(err, driver.ErrInvalid) && st.failures == 1, st.failures == 5, st.failures%100 == 0:
		log = r.s.Log.Warn
	}
	log("the network engine does not have a change yet", "type", k.kind, "id", k.id, "tries", st.failures, "error", err)
}

// realise tells the engine the present state of a resource. It returns the note that is settled by that, nil if there was none.
func (r *realiser) realise(ctx context.Context, k key) (*db.Pending, error) {
	row, err := db.GetPending(ctx, r.s.DB.Read(ctx), k.kind, k.id)
	if store.IsNotFound(err) {
		return nil, nil // another replica was faster
	}
	if err != nil {
		return nil, err
	}
	d, err := r.s.desired(ctx, selection{ids: map[string][]string{k.kind: {k.id}}})
	if err != nil {
		return nil, err
	}
	if err := tell(ctx, r.s.Backend, k, d); err != nil {
		return nil, err
	}
	return row, nil
}

// tell calls the method of the backend that fits.
func tell(ctx context.Context, b driver.Backend, k key, d driver.Desired) error {
	switch {
	case len(d.Networks) > 0:
		return b.EnsureNetwork(ctx, d.Networks[0])
	case len(d.Subnets) > 0:
		return b.EnsureSubnet(ctx, d.Subnets[0])
	case len(d.Ports) > 0:
		return b.EnsurePort(ctx, d.Ports[0])
	case len(d.Routers) > 0:
		return b.EnsureRouter(ctx, d.Routers[0])
	case len(d.SecurityGroups) > 0:
		return b.EnsureSecurityGroup(ctx, d.SecurityGroups[0])
	case d.Logging != nil:
		return b.EnsureLogging(ctx, *d.Logging)
	}
	switch k.kind {
	case kindNetwork:
		return b.DeleteNetwork(ctx, k.id)
	case kindSubnet:
		return b.DeleteSubnet(ctx, k.id)
	case kindPort:
		return b.DeletePort(ctx, k.id)
	case kindRouter:
		return b.DeleteRouter(ctx, k.id)
	}
	return b.DeleteSecurityGroup(ctx, k.id)
}

// finished has a note removed soon, together with others.
func (r *realiser) finished(ctx context.Context, row *db.Pending) {
	select {
	case r.done <- row:
	case <-ctx.Done():
	}
}

// settle removes settled notes, many in one transaction.
func (r *realiser) settle(ctx context.Context) {
	for {
		var rows []*db.Pending
		select {
		case row := <-r.done:
			rows = append(rows, row)
		case <-ctx.Done():
			return
		}
		for more := true; more && len(rows) < 200; {
			select {
			case row := <-r.done:
				rows = append(rows, row)
			default:
				more = false
			}
		}
		if err := r.remove(ctx, rows); err != nil && ctx.Err() == nil {
			r.s.Log.Warn("settled changes could not be forgotten; they will be told to the engine again", "error", err)
		}
	}
}

// remove settles notes. A note that is not there any more as it was means that somebody else changed or realised the resource
// meanwhile, so what the engine got from here may be the older state: it is told again. Only a note that is gone is written
// anew; changing one that is there would unsettle its reader, and two of them could go on for ever.
func (r *realiser) remove(ctx context.Context, rows []*db.Pending) error {
	last := map[key]*db.Pending{} // one process realises a resource in order, so its last note counts
	var order []key
	for _, row := range rows {
		k := key{row.ResourceType, row.ResourceID}
		if last[k] == nil {
			order = append(order, k)
		}
		last[k] = row
	}
	var again []key
	err := r.s.DB.Write(ctx, func(ctx context.Context, tx store.Tx) error {
		again = again[:0]
		for _, k := range order {
			settled, err := db.Realised(ctx, tx, last[k])
			if err != nil {
				return err
			}
			if settled {
				continue
			}
			again = append(again, k)
			_, err = db.GetPending(ctx, tx, k.kind, k.id)
			if store.IsNotFound(err) {
				err = db.Pend(ctx, tx, []*db.Pending{{ResourceType: k.kind, ResourceID: k.id, Mark: r.s.random(1<<62) + 1, NotedAt: r.s.Clock.Now()}})
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil && len(again) > 0 {
		r.wake(nil, again)
	}
	return err
}

// retry runs what failed when its time comes, and what other replicas left.
func (r *realiser) retry(ctx context.Context) {
	scan := time.NewTicker(r.s.ScanEvery)
	defer scan.Stop()
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-scan.C:
			r.scan(ctx, r.s.ScanEvery/2)
		case <-r.poke:
		case <-timer.C:
		}
		due, next := r.due(time.Now())
		if len(due) > 0 && r.s.Backend.Ready(ctx) != nil {
			next = time.Now().Add(time.Second) // the engine is away; do not ask the database in vain
			due = nil
		}
		for _, k := range due {
			select {
			case r.slots <- struct{}{}:
			case <-ctx.Done():
				return
			}
			r.work.Go(func() {
				defer func() { <-r.slots }()
				r.run(ctx, k)
			})
		}
		if next.IsZero() {
			next = time.Now().Add(time.Hour)
		}
		timer.Reset(max(time.Until(next), 10*time.Millisecond))
	}
}

// due returns the failed resources whose time has come, and when the next one's comes.
func (r *realiser) due(now time.Time) (keys []key, next time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for k, st := range r.state {
		switch {
		case st.running || !st.dirty || st.failures == 0:
		case !st.next.After(now):
			st.next = now.Add(time.Second) // should it not get to run now
			keys = append(keys, k)
		case next.IsZero() || st.next.Before(next):
			next = st.next
		}
	}
	slices.SortFunc(keys, func(a, b key) int { return ranks[a.kind] - ranks[b.kind] })
	return keys, next
}

// scan wakes what has been noted for some time.
func (r *realiser) scan(ctx context.Context, age time.Duration) {
	rows, err := db.AllPending(ctx, r.s.DB.Read(ctx))
	if err != nil {
		r.s.Log.Warn("noted changes could not be read", "error", err)
		return
	}
	limit := r.s.Clock.Now().Add(-age)
	var keys []key
	for _, row := range rows {
		if k := (key{row.ResourceType, row.ResourceID}); !row.NotedAt.After(limit) && !r.knows(k) {
			keys = append(keys, k)
		}
	}
	slices.SortStableFunc(keys, func(a, b key) int { return ranks[a.kind] - ranks[b.kind] })
	for batch := range slices.Chunk(keys, 50) {
		r.wake(nil, batch)
	}
}

func (r *realiser) knows(k key) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.state[k] != nil
}
