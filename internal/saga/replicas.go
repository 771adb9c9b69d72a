package saga

import (
	"context"
	"strings"
	"time"

	"gostack/internal/store"
)

// topic is what engines on one database announce to each other. What is missed costs a poll or the time to the next renewal of a lease.
const topic = "saga"

// hear takes what another engine announced.
func (e *Engine) hear(detail string) {
	what, rest, _ := strings.Cut(detail, " ")
	if what == "cancel" {
		e.cancelHeld(rest)
	}
	e.Wake()
}

// takeOver frees the leases of those that are certainly dead: of all, when this process is the only one; else of its predecessor of the same name.
func (e *Engine) takeOver(ctx context.Context) error {
	return e.db.Write(ctx, func(ctx context.Context, tx store.Tx) error {
		q := tx.NewUpdate().Model((*row)(nil)).Set("lease_owner = ''").Where("lease_owner <> ''")
		if e.opts.Shared {
			if e.opts.Name == "" {
				return nil
			}
			prefix := e.opts.Name + "/"
			q.Where("substr(lease_owner, 1, ?) = ?", len([]rune(prefix)), prefix)
		}
		_, err := q.Exec(ctx)
		return err
	})
}

// silentSince is the time before which a lease must have ended to be taken from its owner. While the database was away nobody could
// renew: afterwards the owners get the time of a lease to do so.
func (e *Engine) silentSince(now time.Time) time.Time {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.trouble.IsZero() && now.Sub(e.trouble) < e.opts.Lease {
		return now.Add(-e.opts.Lease)
	}
	return now
}

func (e *Engine) noteTrouble(err error) {
	if !store.IsUnavailable(err) {
		return
	}
	e.mu.Lock()
	e.trouble = e.opts.Clock.Now()
	e.mu.Unlock()
}

// noteRescues tells the timelines of operations whose owner fell silent.
func (e *Engine) noteRescues(ctx context.Context, tx store.Tx, was, got []row, now time.Time) error {
	owners := map[string]string{}
	for i := range was {
		owners[was[i].ID] = was[i].LeaseOwner
	}
	for i := range got {
		r := &got[i]
		owner := owners[r.ID]
		if owner == "" {
			continue
		}
		name, _, _ := strings.Cut(owner, "/")
		step := ""
		if d := e.defs[r.Kind]; d != nil && r.Step < d.size() {
			step = d.step(r.Step).name
		}
		line := e.event(r, step, EventResumed, outcome{}, 0, now, "taken over from "+or(name, owner)+", which fell silent")
		if err := insertEvent(ctx, tx, line); err != nil {
			return err
		}
		store.AfterCommit(ctx, func() {
			e.mu.Lock()
			e.rescued++
			e.mu.Unlock()
		})
	}
	return nil
}

// Rescued is how many operations this engine took over from others that fell silent.
func (e *Engine) Rescued() int64 {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.rescued
}

// renew keeps the leases of this process. It learns of cancellations that other processes wrote, and of leases that others have taken.
func (e *Engine) renew(ctx context.Context) {
	tick := time.NewTicker(e.opts.Lease / 3)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		e.mu.Lock()
		ids := make([]string, 0, len(e.held))
		for id := range e.held {
			ids = append(ids, id)
		}
		e.mu.Unlock()
		if len(ids) == 0 {
			continue
		}
		var mine []row
		err := e.db.Write(ctx, func(ctx context.Context, tx store.Tx) error {
			mine = nil
			return tx.NewUpdate().Model((*row)(nil)).Set("lease_until = ?", e.opts.Clock.Now().Add(e.opts.Lease)).
				Where("lease_owner = ?", e.opts.Owner).Where("id IN (?)", in(ids)).Returning("id, cancel").Scan(ctx, &mine)
		})
		if err != nil && ctx.Err() == nil && !store.IsNotFound(err) {
			e.noteTrouble(err)
			e.opts.Log.Error("leases cannot be renewed", "error", err)
			continue
		}
		kept := map[string]bool{}
		for i := range mine {
			kept[mine[i].ID] = true
			if mine[i].Cancel {
				e.cancelHeld(mine[i].ID)
			}
		}
		for _, id := range ids {
			if !kept[id] {
				e.stopHeld(id)
			}
		}
	}
}

// stopHeld ends the step under way of an operation that another process has taken, or that has just gone to sleep: then there is none.
func (e *Engine) stopHeld(id string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if h := e.held[id]; h != nil && h.cancel != nil {
		h.cancel()
	}
}
