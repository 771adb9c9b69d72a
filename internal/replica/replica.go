// Package replica knows the control processes of one cloud: who lives, where each is reached, and which of them does the work that must be done
// by one at a time.
//
// Replicas are equal: any request and any operation may go to any of them. Only periodic work over the whole cloud is led: by whoever holds its lease,
// and by another one within seconds when that one dies. On SQLite there is one process, which leads everything and writes nothing for it.
package replica

import (
	"context"
	"embed"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/uptrace/bun"

	"gostack/internal/clock"
	"gostack/internal/store"
)

//go:embed migrations/*.sql
var files embed.FS

// Migrations are the tables of replicas and their leases.
var Migrations = store.Migrations{Service: "replica", FS: files}

// Options of a Group.
type Options struct {
	DB      *store.DB
	Name    string // of this replica; no two have the same
	Address string // scheme, host and port at which other replicas reach it
	Version string
	Clock   clock.Clock
	Log     *slog.Logger
	// Lease is how long a leader may be silent; default 6 s, renewed at a third of it.
	Lease time.Duration
}

// Member is a control process.
type Member struct {
	bun.BaseModel `bun:"replica_members,alias:m" json:"-"`

	Name      string    `bun:",pk" json:"name"`
	Instance  string    `json:"instance"`
	Address   string    `json:"address"`
	Version   string    `json:"version"`
	StartedAt time.Time `json:"started_at"`
	SeenAt    time.Time `json:"seen_at"`
	Alive     bool      `bun:"-" json:"alive"`
	Leads     []string  `bun:"-" json:"leads,omitempty"`
}

type lease struct {
	bun.BaseModel `bun:"replica_leases,alias:l"`

	Name  string `bun:",pk"`
	Owner string
	Until time.Time
}

// topic is announced when a replica gives up its leases.
const topic = "replica"

// Group is this process among the others.
type Group struct {
	Options
	self   Member
	shared bool
	wake   chan struct{}
	stop   context.CancelFunc
	done   sync.WaitGroup

	mu     sync.Mutex
	wanted map[string]*led
}

// led is work that this process does whenever it holds the lease.
type led struct {
	held  bool
	until time.Time // of the lease, by this process's own clock
	start chan struct{}
	end   context.CancelFunc // of the work under way
}

// New makes the group. Start joins it.
func New(o Options) *Group {
	if o.Clock == nil {
		o.Clock = clock.System
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.Lease == 0 {
		o.Lease = 6 * time.Second
	}
	return &Group{
		Options: o, shared: o.DB.Kind() == store.PostgreSQL, wake: make(chan struct{}, 1), wanted: map[string]*led{},
		self: Member{Name: o.Name, Instance: o.Name + "/" + uuid.NewString(), Address: o.Address, Version: o.Version},
	}
}

// Start makes this process known and begins to ask for leases.
func (g *Group) Start(ctx context.Context) error {
	ctx, g.stop = context.WithCancel(context.WithoutCancel(ctx))
	if !g.shared {
		return nil
	}
	g.self.StartedAt = g.Clock.Now()
	if err := g.beat(ctx); err != nil {
		g.stop()
		return fmt.Errorf("replica %s: %w", g.Name, err)
	}
	g.DB.Hear(topic, func(string) { g.look() })
	g.done.Go(func() { g.run(ctx) })
	g.done.Go(func() { g.watch(ctx) })
	return nil
}

// Stop gives the leases back, so that another replica goes on at once, and leaves the group. Those who called Lead have ended before.
func (g *Group) Stop(ctx context.Context) error {
	if g.stop == nil {
		return nil
	}
	g.stop()
	g.done.Wait()
	if !g.shared {
		return nil
	}
	return g.DB.Write(ctx, func(ctx context.Context, tx store.Tx) error {
		if _, err := tx.NewDelete().Model((*lease)(nil)).Where("owner = ?", g.self.Instance).Exec(ctx); err != nil {
			return err
		}
		_, err := tx.NewDelete().Model((*Member)(nil)).Where("name = ?", g.Name).Where("instance = ?", g.self.Instance).Exec(ctx)
		g.DB.Announce(ctx, topic, "left")
		return err
	})
}

func (g *Group) look() {
	select {
	case g.wake <- struct{}{}:
	default:
	}
}

func (g *Group) run(ctx context.Context) {
	every := g.Lease / 3
	timer := time.NewTimer(every)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-g.wake:
		}
		if err := g.beat(ctx); err != nil && ctx.Err() == nil {
			g.Log.Warn("this replica cannot tell the database that it lives", "error", err)
		}
		timer.Reset(every - time.Duration(rand.Int64N(int64(every/4)+1)))
	}
}

// watch ends what this process may not lead any more, also while a beat waits for a database that is away.
func (g *Group) watch(ctx context.Context) {
	tick := time.NewTicker(g.Lease / 6)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			g.expire()
		}
	}
}

// beat says that this process lives, renews what it leads and takes what nobody does.
func (g *Group) beat(ctx context.Context) error {
	g.mu.Lock()
	names := make([]string, 0, len(g.wanted))
	for n, w := range g.wanted {
		if w.start != nil {
			names = append(names, n)
		}
	}
	g.mu.Unlock()
	began := time.Now()
	var got []string
	err := g.DB.Write(ctx, func(ctx context.Context, tx store.Tx) error {
		got = nil
		me := g.self
		me.SeenAt = g.Clock.Now()
		_, err := tx.NewInsert().Model(&me).On("CONFLICT (name) DO UPDATE").
			Set("instance = EXCLUDED.instance, address = EXCLUDED.address, version = EXCLUDED.version, started_at = EXCLUDED.started_at, seen_at = EXCLUDED.seen_at").Exec(ctx)
		if err != nil || len(names) == 0 {
			return err
		}
		got, err = g.acquire(ctx, tx, names, me.SeenAt)
		return err
	})
	if err != nil {
		return err
	}
	g.fence(got, began)
	return nil
}

// acquire writes leases that are ours, or nobody's any more, and returns their names.
func (g *Group) acquire(ctx context.Context, tx store.Tx, names []string, now time.Time) ([]string, error) {
	var rows []lease
	if err := tx.NewSelect().Model(&rows).Where("name IN (?)", bun.List(names)).Scan(ctx); err != nil {
		return nil, err
	}
	taken := map[string]bool{}
	for _, r := range rows {
		taken[r.Name] = r.Owner != g.self.Instance && !r.Until.Before(now)
	}
	var mine []lease
	var got []string
	for _, n := range names {
		if !taken[n] {
			mine = append(mine, lease{Name: n, Owner: g.self.Instance, Until: now.Add(g.Lease)})
			got = append(got, n)
		}
	}
	if len(mine) == 0 {
		return nil, nil
	}
	_, err := tx.NewInsert().Model(&mine).On("CONFLICT (name) DO UPDATE").Set("owner = EXCLUDED.owner, until = EXCLUDED.until").Exec(ctx)
	return got, err
}

// fence starts the work of leases that were got, counted from began, and ends that of leases that were lost.
func (g *Group) fence(got []string, began time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for n, w := range g.wanted {
		switch {
		case w.start == nil: // somebody runs it Alone
		case slices.Contains(got, n):
			w.until = began.Add(g.Lease)
			if !w.held {
				w.held = true
				select {
				case w.start <- struct{}{}:
				default:
				}
			}
		case w.held:
			g.lose(n, w)
		}
	}
}

// expire ends the work of leases that could not be renewed in time: others may take them now.
func (g *Group) expire() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for n, w := range g.wanted {
		if w.held && time.Now().After(w.until.Add(-g.Lease/3)) {
			g.lose(n, w)
		}
	}
}

func (g *Group) lose(name string, w *led) {
	g.Log.Warn("this replica does not lead any more", "work", name)
	w.held = false
	if w.end != nil {
		w.end()
	}
}
