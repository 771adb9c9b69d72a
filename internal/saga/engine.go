package saga

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/uptrace/bun"

	"gostack/internal/clock"
	"gostack/internal/policy"
	"gostack/internal/store"
)

// Options of an Engine. The zero value is right for one process on SQLite.
type Options struct {
	Clock clock.Clock
	Log   *slog.Logger
	// Name tells the timeline which control process worked on a step, as the host's name. Of several processes each has its own; one that
	// starts takes over at once what its predecessor of the same name had in hand.
	Name string
	// Owner names this run of the process in leases; default the name and a new UUID.
	Owner string
	// Shared says that other processes work on the same operations: then it looks for work of the dead every Poll (default 1 s) and waits for
	// the leases of others to expire. Otherwise all leases found at start are of dead predecessors and are taken over.
	Shared bool
	Poll   time.Duration
	// Lease is how long a worker may be silent; default 6 s, renewed at a third of it.
	Lease time.Duration
	// Interpose, when set by a test, is asked at each point of each step; ErrCrash makes the worker drop the operation there as a
	// killed process would.
	Interpose func(kind, step, point string) error
}

// ErrCrash is what Interpose returns to play dead.
var ErrCrash = errors.New("saga: crash")

// Engine runs operations.
type Engine struct {
	db   *store.DB
	opts Options
	defs map[string]definition

	observers map[string]Observer

	wake chan struct{}
	mu   sync.Mutex
	// held are the operations that a worker of this process has in hand.
	held    map[string]*held
	busy    map[string]int // by kind
	running bool
	trouble time.Time // when the database was last seen away
	rescued int64     // operations taken over from others
	stop    context.CancelFunc
	done    sync.WaitGroup
}

type held struct {
	cancel   context.CancelFunc // of the step under way
	canceled bool
}

// NewEngine makes an engine; Register the definitions, then Run it.
func NewEngine(db *store.DB, opts Options) *Engine {
	opts.Clock = orNil(opts.Clock, clock.System)
	if opts.Log == nil {
		opts.Log = slog.Default()
	}
	opts.Owner = or(opts.Owner, opts.Name+"/"+uuid.NewString())
	opts.Poll = or(opts.Poll, time.Second)
	opts.Lease = or(opts.Lease, 6*time.Second)
	return &Engine{
		db: db, opts: opts, defs: map[string]definition{}, observers: map[string]Observer{}, wake: make(chan struct{}, 1),
		held: map[string]*held{}, busy: map[string]int{},
	}
}

func orNil(c, absent clock.Clock) clock.Clock {
	if c == nil {
		return absent
	}
	return c
}

// Register makes a kind known. It panics when the kind is declared twice or a step has no name: a mistake of the programmer.
func Register[S any](e *Engine, d *Definition[S]) {
	if _, ok := e.defs[d.Kind]; ok || d.Kind == "" || len(d.Steps) == 0 {
		panic(fmt.Sprintf("saga: definition %q is declared twice or empty", d.Kind))
	}
	seen := map[string]bool{"": true}
	for _, s := range d.Steps {
		if seen[s.Name] {
			panic(fmt.Sprintf("saga: %s: step name %q is empty or used twice", d.Kind, s.Name))
		}
		seen[s.Name] = true
	}
	e.defs[d.Kind] = d
}

// Kinds lists the registered kinds with the names of their steps.
func (e *Engine) Kinds() map[string][]string {
	kinds := map[string][]string{}
	for k, d := range e.defs {
		for i := range d.size() {
			kinds[k] = append(kinds[k], d.step(i).name)
		}
	}
	return kinds
}

// Start stores an operation in tx and returns its id. It begins when tx is committed and earlier operations on the resource have ended.
func (e *Engine) Start(ctx context.Context, tx store.Tx, in Intent) (string, error) {
	d := e.defs[in.Kind]
	if d == nil {
		return "", fmt.Errorf("saga: unknown kind %q", in.Kind)
	}
	state, err := json.Marshal(in.State)
	if err != nil {
		return "", err
	}
	if in.Caller == nil {
		in.Caller = policy.Internal()
	}
	caller, err := json.Marshal(in.Caller)
	if err != nil {
		return "", err
	}
	if in.Supersede {
		if err := e.Cancel(ctx, tx, in.Resource); err != nil {
			return "", err
		}
	}
	now := e.opts.Clock.Now()
	deadline, _, _ := d.limits()
	r := &row{
		ID: uuid.NewString(), Kind: in.Kind, ResourceType: in.Resource.Type, ResourceID: in.Resource.ID,
		ProjectID: in.Caller.ProjectID, RequestID: in.RequestID, Caller: string(caller), State: string(state),
		Phase: forward, RewindTo: -1, RunAfter: now, StepDeadline: now.Add(d.step(0).deadline), Deadline: now.Add(deadline), CreatedAt: now,
	}
	if r.RequestID == "" {
		r.RequestID = in.Caller.RequestID
	}
	if _, err := tx.NewInsert().Model(r).Exec(ctx); err != nil {
		return "", err
	}
	store.AfterCommit(ctx, e.Wake)
	return r.ID, e.tell(ctx, tx, r, ChangeStarted, "", state)
}

// Cancel asks the live operations on a resource to undo themselves. Those that cannot be cancelled go on.
func (e *Engine) Cancel(ctx context.Context, tx store.Tx, res Resource) error {
	var rows []row
	err := tx.NewSelect().Model(&rows).Column("id", "kind").Where("resource_type = ?", res.Type).Where("resource_id = ?", res.ID).Scan(ctx)
	if err != nil {
		return err
	}
	for i := range rows {
		d := e.defs[rows[i].Kind]
		if d == nil {
			continue
		}
		if _, _, noCancel := d.limits(); noCancel {
			continue
		}
		id := rows[i].ID
		_, err := tx.NewUpdate().Model(&rows[i]).Set("cancel = ?", true).Set("run_after = ?", e.opts.Clock.Now()).Where("id = ?", id).Exec(ctx)
		if err != nil {
			return err
		}
		store.AfterCommit(ctx, func() { e.cancelHeld(id); e.Wake() })
		e.db.Announce(ctx, topic, "cancel "+id)
	}
	return nil
}

func (e *Engine) cancelHeld(id string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if h := e.held[id]; h != nil {
		h.canceled = true
		if h.cancel != nil {
			h.cancel()
		}
	}
}

// Kick calls waiting steps of a resource's operations now: what they wait for may have come. Those that a worker has in hand, of whichever process,
// look again before they sleep: the row says so, since an announcement may come while the worker writes or not at all.
func (e *Engine) Kick(ctx context.Context, res Resource) error {
	err := e.db.Write(ctx, func(ctx context.Context, tx store.Tx) error {
		live := func() *bun.UpdateQuery {
			return tx.NewUpdate().Model((*row)(nil)).Where("resource_type = ?", res.Type).Where("resource_id = ?", res.ID)
		}
		if _, err := live().Set("run_after = ?", e.opts.Clock.Now()).Where("lease_owner = ''").Exec(ctx); err != nil {
			return err
		}
		_, err := live().Set("kicked = ?", true).Where("lease_owner <> ''").Exec(ctx)
		return err
	})
	e.Wake()
	e.db.Announce(ctx, topic, "kick")
	return err
}

// Wake makes the engine look for work now.
func (e *Engine) Wake() {
	select {
	case e.wake <- struct{}{}:
	default:
	}
}

// Live returns how many operations have not ended.
func (e *Engine) Live(ctx context.Context) (int, error) {
	n, err := e.db.Read(ctx).NewSelect().Model((*row)(nil)).Count(ctx)
	return int(n), err
}

// Run starts working and returns at once; Stop ends it.
func (e *Engine) Run(ctx context.Context) error {
	ctx, stop := context.WithCancel(context.WithoutCancel(ctx))
	if err := e.takeOver(ctx); err != nil {
		stop()
		return err
	}
	e.mu.Lock()
	e.running, e.stop = true, stop
	e.mu.Unlock()
	e.done.Go(func() { e.dispatch(ctx) })
	e.done.Go(func() { e.renew(ctx) })
	e.db.Hear(topic, e.hear)
	return nil
}

// Stop ends the steps under way (their contexts are cancelled), gives the leases back and returns. The operations stay and are
// resumed by the next engine.
func (e *Engine) Stop(ctx context.Context) error {
	e.mu.Lock()
	stop := e.stop
	e.running = false
	e.mu.Unlock()
	if stop == nil {
		return nil
	}
	stop()
	e.done.Wait()
	return e.db.Write(ctx, func(ctx context.Context, tx store.Tx) error {
		_, err := tx.NewUpdate().Model((*row)(nil)).Set("lease_owner = ''").Where("lease_owner = ?", e.opts.Owner).Exec(ctx)
		return err
	})
}

// dispatch claims operations that may run and hands them to workers. It sleeps until it is woken or the next one is due.
func (e *Engine) dispatch(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		began := time.Now()
		next, err := e.claim(ctx)
		if time.Since(began) > e.opts.Lease/3 { // it waited for a database that was away
			e.noteTrouble(store.ErrClosed)
		}
		if err != nil && ctx.Err() == nil {
			e.noteTrouble(err)
			e.opts.Log.Error("operations cannot be claimed", "error", err)
			next = e.opts.Clock.Now().Add(time.Second)
		}
		timer.Stop()
		if !next.IsZero() {
			timer.Reset(max(next.Sub(e.opts.Clock.Now()), time.Millisecond))
		}
		select {
		case <-ctx.Done():
			return
		case <-e.wake:
		case <-timer.C:
		}
	}
}

const claimMax = 64

// claim leases what is due and returns when to look again; zero means when woken.
func (e *Engine) claim(ctx context.Context) (time.Time, error) {
	now := e.opts.Clock.Now()
	var due []row
	kinds := e.freeKinds()
	if len(kinds) > 0 {
		q := e.db.Read(ctx).NewSelect().Model(&due).Where("run_after <= ?", now).
			Where("(lease_owner = '' OR lease_until < ?)", e.silentSince(now)).
			Where("NOT EXISTS (SELECT 1 FROM saga_operations p WHERE p.resource_type = o.resource_type AND p.resource_id = o.resource_id AND p.seq < o.seq)").
			Where("kind IN (?)", in(kinds)).Order("seq").Limit(claimMax)
		if err := q.Scan(ctx); err != nil {
			return time.Time{}, err
		}
	}
	taken := due[:0]
	for _, r := range due {
		if e.take(&r) {
			taken = append(taken, r)
		}
	}
	if len(taken) > 0 {
		if err := e.lease(ctx, taken, now); err != nil {
			for i := range taken {
				e.drop(&taken[i])
			}
			return time.Time{}, err
		}
	}
	return e.nextDue(ctx, now, len(due) == claimMax)
}

// lease writes the leases and starts the workers of those rows that nobody else was quicker to take.
func (e *Engine) lease(ctx context.Context, rows []row, now time.Time) error {
	ids := make([]string, len(rows))
	for i := range rows {
		ids[i] = rows[i].ID
	}
	var got []row
	err := e.db.Write(ctx, func(ctx context.Context, tx store.Tx) error {
		got = nil
		err := tx.NewUpdate().Model((*row)(nil)).Set("lease_owner = ?", e.opts.Owner).Set("lease_until = ?", now.Add(e.opts.Lease)).
			Where("id IN (?)", in(ids)).Where("(lease_owner = '' OR lease_until < ?)", e.silentSince(now)).Returning("*").Scan(ctx, &got)
		if err != nil {
			return err
		}
		return e.noteRescues(ctx, tx, rows, got, now)
	})
	if err != nil {
		return err
	}
	mine := map[string]bool{}
	for i := range got {
		mine[got[i].ID] = true
		r := got[i]
		e.done.Go(func() { e.work(ctx, &r) })
	}
	for i := range rows {
		if !mine[rows[i].ID] {
			e.drop(&rows[i])
		}
	}
	return nil
}

func (e *Engine) nextDue(ctx context.Context, now time.Time, more bool) (time.Time, error) {
	if more {
		return now, nil
	}
	var next struct{ At *time.Time }
	err := e.db.Read(ctx).NewSelect().Model((*row)(nil)).ColumnExpr("run_after AS at").
		Where("lease_owner = ''").Where("run_after > ?", now).Order("run_after").Limit(1).Scan(ctx, &next)
	if err != nil && !store.IsNotFound(err) {
		return time.Time{}, err
	}
	var at time.Time
	if next.At != nil {
		at = *next.At
	}
	if poll := now.Add(e.opts.Poll); e.opts.Shared && (at.IsZero() || poll.Before(at)) {
		at = poll
	}
	return at, nil
}

// freeKinds lists the kinds that have a worker to spare.
func (e *Engine) freeKinds() (kinds []string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for k, d := range e.defs {
		if _, workers, _ := d.limits(); e.busy[k] < workers {
			kinds = append(kinds, k)
		}
	}
	return kinds
}

func (e *Engine) take(r *row) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	d := e.defs[r.Kind]
	if d == nil || e.held[r.ID] != nil {
		return false
	}
	if _, workers, _ := d.limits(); e.busy[r.Kind] >= workers {
		return false
	}
	e.busy[r.Kind]++
	e.held[r.ID] = &held{}
	return true
}

func (e *Engine) drop(r *row) {
	e.mu.Lock()
	e.busy[r.Kind]--
	delete(e.held, r.ID)
	e.mu.Unlock()
	e.Wake()
}
