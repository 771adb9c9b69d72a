package replica

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"gostack/internal/store"
)

// Lead runs fn whenever this process is the one to do the named work, until ctx ends or the process leaves the group. fn's context ends when the lease is lost, before another replica
// begins; fn should run until then, and is run again when it returns earlier.
func (g *Group) Lead(ctx context.Context, name string, fn func(ctx context.Context)) {
	if !g.shared {
		for ctx.Err() == nil {
			fn(ctx)
			pause(ctx, time.Second)
		}
		return
	}
	w := &led{start: make(chan struct{}, 1)}
	g.mu.Lock()
	g.wanted[name] = w
	g.mu.Unlock()
	g.look()
	defer func() {
		g.mu.Lock()
		delete(g.wanted, name)
		g.mu.Unlock()
	}()
	for {
		select {
		case <-ctx.Done():
			return
		case <-w.start:
		}
		term, end := context.WithCancel(ctx)
		g.mu.Lock()
		held := w.held
		w.end = end
		g.mu.Unlock()
		for held && term.Err() == nil {
			fn(term)
			pause(term, time.Second)
		}
		end()
	}
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// Every runs fn at once and then in intervals, a tenth more or less, on one replica at a time. A replica that takes over begins with a run.
func (g *Group) Every(ctx context.Context, name string, interval time.Duration, fn func(ctx context.Context) error) {
	g.Lead(ctx, name, func(ctx context.Context) {
		for ctx.Err() == nil {
			if err := fn(ctx); err != nil && ctx.Err() == nil {
				g.Log.Warn("periodic work failed; it will be tried again", "work", name, "error", err)
			}
			pause(ctx, interval-interval/10+time.Duration(rand.Int64N(int64(interval/5)+1)))
		}
	})
}

// ErrBusy says that another replica does this work now.
var ErrBusy = errors.New("another control process is doing this now")

// Alone runs fn unless it runs somewhere already: then the error is ErrBusy and names who. For work that a person asks for.
func (g *Group) Alone(ctx context.Context, name string, fn func(ctx context.Context) error) error {
	if !g.shared {
		return fn(ctx)
	}
	owner := ""
	take := func(ctx context.Context) error {
		return g.DB.Write(ctx, func(ctx context.Context, tx store.Tx) error {
			got, err := g.acquire(ctx, tx, []string{name}, g.Clock.Now())
			if err != nil || len(got) == 1 {
				return err
			}
			if err := tx.NewSelect().Model((*lease)(nil)).Column("owner").Where("name = ?", name).Scan(ctx, &owner); err != nil {
				return err
			}
			who, _, _ := strings.Cut(owner, "/")
			return fmt.Errorf("%w (%s, on %s)", ErrBusy, name, who)
		})
	}
	g.mu.Lock()
	busy := g.wanted["alone "+name] != nil
	if !busy {
		g.wanted["alone "+name] = &led{}
	}
	g.mu.Unlock()
	if busy {
		return fmt.Errorf("%w (%s, on %s)", ErrBusy, name, g.Name)
	}
	defer func() {
		g.mu.Lock()
		delete(g.wanted, "alone "+name)
		g.mu.Unlock()
	}()
	if err := take(ctx); err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	renewed := make(chan struct{})
	go func() {
		defer close(renewed)
		for {
			pause(ctx, g.Lease/3)
			if ctx.Err() != nil {
				return
			}
			if err := take(ctx); errors.Is(err, ErrBusy) {
				cancel(err)
			}
		}
	}()
	err := fn(ctx)
	cancel(nil)
	<-renewed
	drop := g.DB.Write(context.WithoutCancel(ctx), func(ctx context.Context, tx store.Tx) error {
		_, err := tx.NewDelete().Model((*lease)(nil)).Where("name = ?", name).Where("owner = ?", g.self.Instance).Exec(ctx)
		return err
	})
	return errors.Join(err, drop)
}

// Members lists the control processes, living and dead, with what each leads.
func (g *Group) Members(ctx context.Context) ([]Member, error) {
	if !g.shared {
		me := g.self
		me.Alive = true
		return []Member{me}, nil
	}
	var members []Member
	var leases []lease
	if err := g.DB.Read(ctx).NewSelect().Model(&members).Order("name").Scan(ctx); err != nil {
		return nil, err
	}
	if err := g.DB.Read(ctx).NewSelect().Model(&leases).Order("name").Scan(ctx); err != nil {
		return nil, err
	}
	now := g.Clock.Now()
	for i := range members {
		m := &members[i]
		m.Alive = now.Sub(m.SeenAt) < 2*g.Lease
		for _, l := range leases {
			if l.Owner == m.Instance && !l.Until.Before(now) {
				m.Leads = append(m.Leads, l.Name)
			}
		}
	}
	return members, nil
}

// Self is this process.
func (g *Group) Self() Member { return g.self }

// Shared tells whether there may be other control processes.
func (g *Group) Shared() bool { return g.shared }

// Living lists control processes that were seen lately, for those who are about to replace the database under them.
func Living(ctx context.Context, db *store.DB, within time.Duration) ([]Member, error) {
	var members []Member
	err := db.Read(ctx).NewSelect().Model(&members).Where("seen_at > ?", db.Clock().Now().Add(-within)).Order("name").Scan(ctx)
	return members, err
}
