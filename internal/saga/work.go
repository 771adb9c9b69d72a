package saga

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/uptrace/bun"

	"gostack/internal/faultpoint"
	"gostack/internal/store"
)

func in(ids []string) any { return bun.List(ids) }

// errLost says that another worker has the operation now, or it has ended.
var errLost = errors.New("the lease is lost")

// work runs an operation until it ends, must wait, or the engine stops.
func (e *Engine) work(ctx context.Context, r *row) {
	defer e.drop(r)
	if r.Attempt > 0 || r.Step > 0 {
		faultpoint.Hit("saga:" + r.Kind + ":resumed")
	}
	for {
		again, err := e.advance(ctx, r)
		switch {
		case errors.Is(err, ErrCrash):
			return
		case errors.Is(err, errLost), ctx.Err() != nil:
			return
		case err != nil:
			// The database refused; the lease will expire or the next try succeeds.
			e.opts.Log.Error("an operation could not be recorded", "operation", r.ID, "kind", r.Kind, "error", err)
			e.release(ctx, r, time.Second)
			return
		case !again:
			return
		}
	}
}

// advance does or undoes one step and records it. It reports whether there is more to do at once.
func (e *Engine) advance(ctx context.Context, r *row) (bool, error) {
	d := e.defs[r.Kind]
	now := e.opts.Clock.Now()
	_, _, noCancel := d.limits()
	if r.Phase == forward && !noCancel && (r.Cancel || e.canceled(r.ID)) {
		r.Cancel = true
		return true, e.turn(ctx, r, errors.New("cancelled: another operation took its place"), EventCancel, -1, false)
	}
	if r.Phase == forward && now.After(r.Deadline) {
		return true, e.turn(ctx, r, fmt.Errorf("the operation did not end within its deadline: %s", or(r.Cause, "no error was reported")), EventFailed, -1, false)
	}
	if r.Phase == forward {
		return e.forward(ctx, r, d)
	}
	return e.backward(ctx, r, d)
}

// points are the places around a step where a process may die, in order.
func (e *Engine) point(r *row, step, point string) error {
	faultpoint.Hit("saga:" + r.Kind + ":" + step + ":" + point)
	if e.opts.Interpose != nil {
		return e.opts.Interpose(r.Kind, step, point)
	}
	return nil
}

func (e *Engine) forward(ctx context.Context, r *row, d definition) (bool, error) {
	s := d.step(r.Step)
	e.firstTry(r, s)
	start := time.Now()
	if err := e.point(r, s.name, "before-do"); err != nil {
		return e.stepFailed(ctx, r, d, s, outcome{state: []byte(r.State)}, err, start)
	}
	stepCtx, cancel := e.stepContext(ctx, r, s)
	out, err := d.do(stepCtx, r.operation(), r.Step, []byte(r.State))
	cancel()
	if err == nil {
		err = e.point(r, s.name, "after-do")
	}
	if err == nil {
		err = e.recordDone(ctx, r, d, s, out, time.Since(start))
		if err == nil {
			if err := e.point(r, s.name, "after-save"); err != nil {
				return false, err
			}
			return r.Step < d.size(), nil
		}
	}
	if ctx.Err() != nil || errors.Is(err, errLost) {
		return false, err
	}
	return e.stepFailed(ctx, r, d, s, out, err, start)
}

// firstTry gives a step its time from its first try on: until then the operation waited, for a worker or for an earlier operation on the resource, and a
// storm would leave its last ones without a second try.
func (e *Engine) firstTry(r *row, s stepLimits) {
	if r.Attempt == 0 && r.StepDeadline.Equal(r.RunAfter.Add(s.deadline)) { // as written when the step became the next one: nobody has tried since
		r.StepDeadline = e.opts.Clock.Now().Add(s.deadline)
	}
}

// recordDone saves a finished step: its row changes, the state, the place in the definition and the timeline.
func (e *Engine) recordDone(ctx context.Context, r *row, d definition, s stepLimits, out outcome, took time.Duration) error {
	var next row
	err := e.db.Write(ctx, func(ctx context.Context, tx store.Tx) error {
		now := e.opts.Clock.Now()
		state, err := d.save(ctx, tx, r.operation(), r.Step, out.state)
		if err != nil {
			return err
		}
		next = *r
		next.State, next.Attempt, next.RunAfter = string(state), 0, now
		if next.Step, err = d.after(r.Step, state); err != nil {
			return err
		}
		if err := insertEvent(ctx, tx, e.event(r, s.name, EventDone, out, took, now, out.note)); err != nil {
			return err
		}
		if err := e.tell(ctx, tx, r, ChangeStep, s.name, state); err != nil {
			return err
		}
		if next.Step == d.size() {
			if err := e.stillMine(ctx, tx, r); err != nil {
				return err
			}
			if err := e.tell(ctx, tx, &next, ChangeDone, s.name, state); err != nil {
				return err
			}
			if err := d.ended(ctx, tx, next.operation(), true, state); err != nil {
				return err
			}
			return finish(ctx, tx, &next, "done", now)
		}
		next.StepDeadline = now.Add(d.step(next.Step).deadline)
		ok, err := own(ctx, tx, &next, e.opts.Owner, "state", "step", "attempt", "run_after", "step_deadline")
		if err == nil && !ok {
			err = errLost
		}
		return err
	})
	if err == nil {
		next.LeaseUntil = r.LeaseUntil
		*r = next
	}
	return err
}

func (e *Engine) stillMine(ctx context.Context, tx store.Tx, r *row) error {
	ok, err := tx.NewSelect().Model((*row)(nil)).Where("id = ?", r.ID).Where("lease_owner = ?", e.opts.Owner).Exists(ctx)
	if err == nil && !ok {
		err = errLost
	}
	return err
}

func (e *Engine) event(r *row, step, name string, out outcome, took time.Duration, now time.Time, detail string) *eventRow {
	return &eventRow{OperationID: r.ID, At: now, Step: step, Event: name, Attempt: r.Attempt + 1, Host: out.host, Worker: e.opts.Name, DurationUS: took.Microseconds(), Detail: detail}
}

// stepFailed decides what a failed step means: try again, wait, rewind or undo all.
func (e *Engine) stepFailed(ctx context.Context, r *row, d definition, s stepLimits, out outcome, err error, start time.Time) (bool, error) {
	if errors.Is(err, ErrCrash) {
		return false, err
	}
	now := e.opts.Clock.Now()
	if e.canceled(r.ID) {
		r.State = string(out.state)
		return true, nil // advance sees it
	}
	var back rewind
	if errors.As(err, &back) {
		to := d.index(back.to)
		if to >= 0 && to <= r.Step {
			r.State = string(out.state)
			return true, e.turnWith(ctx, r, err, EventRewind, to, false, out, time.Since(start))
		}
		err = Permanent(fmt.Errorf("rewind to the unknown step %q: %w", back.to, err))
	}
	var w wait
	if errors.As(err, &w) && now.Before(r.StepDeadline) {
		return false, e.pause(ctx, r, out, w.after, nil)
	}
	if IsPermanent(err) || !now.Before(r.StepDeadline) {
		r.State = string(out.state)
		return true, e.turnWith(ctx, r, err, EventFailed, -1, false, out, time.Since(start))
	}
	r.Attempt++
	r.Cause = err.Error()
	return false, e.pause(ctx, r, out, backoff(s, r.Attempt), e.event(r, s.name, EventRetry, out, time.Since(start), now, out.explain(err)))
}

func backoff(s stepLimits, attempt int) time.Duration {
	return min(s.retry<<min(attempt-1, 20), s.retryMax)
}

// pause puts the operation to sleep and gives the lease back. One that was kicked or cancelled since its worker looked last is due at once.
func (e *Engine) pause(ctx context.Context, r *row, out outcome, d time.Duration, ev *eventRow) error {
	now := e.opts.Clock.Now()
	r.State = string(out.state)
	r.RunAfter = now.Add(d)
	if r.Phase == forward && r.StepDeadline.Before(r.RunAfter) {
		r.RunAfter = r.StepDeadline
	}
	r.LeaseOwner = ""
	return e.db.Write(ctx, func(ctx context.Context, tx store.Tx) error {
		if ev != nil {
			if err := insertEvent(ctx, tx, ev); err != nil {
				return err
			}
		}
		var news []struct{ Kicked, Cancel bool }
		err := tx.NewUpdate().Model(r).Column("state", "run_after", "step_deadline", "attempt", "cause", "lease_owner", "step", "phase").
			Where("id = ?", r.ID).Where("lease_owner = ?", e.opts.Owner).Returning("kicked, cancel").Scan(ctx, &news)
		if err != nil && !store.IsNotFound(err) {
			return err
		}
		if len(news) == 0 {
			return errLost
		}
		if !news[0].Kicked && (!news[0].Cancel || r.Cancel) {
			return nil
		}
		_, err = tx.NewUpdate().Model(r).Set("kicked = ?", false).Set("run_after = ?", now).Where("id = ?", r.ID).Exec(ctx)
		return err
	})
}

func (e *Engine) release(ctx context.Context, r *row, d time.Duration) {
	if err := e.pause(ctx, r, outcome{state: []byte(r.State)}, d, nil); err != nil && !errors.Is(err, errLost) && ctx.Err() == nil {
		e.opts.Log.Error("a lease could not be given back; it will expire", "operation", r.ID, "error", err)
	}
}

func (e *Engine) turn(ctx context.Context, r *row, cause error, ev string, rewindTo int, failed bool) error {
	return e.turnWith(ctx, r, cause, ev, rewindTo, failed, outcome{state: []byte(r.State)}, 0)
}

// turnWith makes the operation go backward from the step it is at.
func (e *Engine) turnWith(ctx context.Context, r *row, cause error, ev string, rewindTo int, failed bool, out outcome, took time.Duration) error {
	d := e.defs[r.Kind]
	now := e.opts.Clock.Now()
	name := d.step(r.Step).name
	line := e.event(r, name, ev, out, took, now, out.explain(cause))
	r.Phase, r.Cause, r.RewindTo, r.Attempt, r.Failed, r.RunAfter = undoing, cause.Error(), rewindTo, 0, failed, now
	deadline, _, _ := d.limits()
	r.StepDeadline = now.Add(deadline)
	return e.db.Write(ctx, func(ctx context.Context, tx store.Tx) error {
		if err := insertEvent(ctx, tx, line); err != nil {
			return err
		}
		if err := e.tell(ctx, tx, r, ChangeTurned, name, []byte(r.State)); err != nil {
			return err
		}
		ok, err := own(ctx, tx, r, e.opts.Owner, "phase", "cause", "rewind_to", "attempt", "failed", "run_after", "step_deadline", "state", "cancel")
		if err == nil && !ok {
			return errLost
		}
		return err
	})
}

func (e *Engine) backward(ctx context.Context, r *row, d definition) (bool, error) {
	s := d.step(r.Step)
	start := time.Now()
	if err := e.point(r, s.name, "before-undo"); err != nil {
		return false, err
	}
	stepCtx, cancel := e.undoContext(ctx, s)
	out, err := d.undo(stepCtx, r.operation(), r.Step, []byte(r.State))
	cancel()
	if ctx.Err() != nil {
		return false, ctx.Err()
	}
	now := e.opts.Clock.Now()
	gaveUp := false
	if err != nil && !errors.Is(err, ErrCrash) && !now.Before(r.StepDeadline) {
		gaveUp = true
		out.note = err.Error()
	} else if err != nil {
		r.Attempt++
		return false, e.pause(ctx, r, out, backoff(s, r.Attempt), e.event(r, s.name, EventRetry, out, time.Since(start), now, "undo: "+err.Error()))
	}
	if err := e.point(r, s.name, "after-undo"); err != nil {
		return false, err
	}
	more, err := e.recordUndone(ctx, r, d, s, out, time.Since(start), gaveUp)
	if err == nil {
		err = e.point(r, s.name, "after-undo-save")
	}
	return more, err
}

// recordUndone saves an undone step and turns forward again, goes on, or ends the operation.
func (e *Engine) recordUndone(ctx context.Context, r *row, d definition, s stepLimits, out outcome, took time.Duration, gaveUp bool) (bool, error) {
	var next row
	ended := false
	err := e.db.Write(ctx, func(ctx context.Context, tx store.Tx) error {
		now := e.opts.Clock.Now()
		ended = false
		next = *r
		name := EventUndone
		if gaveUp {
			name, next.Failed = EventGaveUp, true
		}
		state, err := d.undoSave(ctx, tx, r.operation(), r.Step, out.state)
		if err != nil {
			return err
		}
		if err := insertEvent(ctx, tx, e.event(r, s.name, name, out, took, now, out.note)); err != nil {
			return err
		}
		next.State, next.Attempt, next.RunAfter = string(state), 0, now
		deadline, _, _ := d.limits()
		next.StepDeadline = now.Add(deadline)
		switch {
		case r.Step == r.RewindTo && !r.Cancel && !e.canceled(r.ID):
			next.Phase, next.RewindTo = forward, -1
			next.StepDeadline = now.Add(s.deadline)
		case r.Step == 0:
			if err := e.stillMine(ctx, tx, r); err != nil {
				return err
			}
			if e.canceled(r.ID) {
				next.Cancel = true
			}
			ended = true
			if err := e.tell(ctx, tx, &next, ChangeUndone, s.name, state); err != nil {
				return err
			}
			if err := d.ended(ctx, tx, next.operation(), false, state); err != nil {
				return err
			}
			outcome := "undone"
			if next.Failed {
				outcome = "failed"
			}
			return finish(ctx, tx, &next, outcome, now)
		default:
			next.Step--
		}
		ok, err := own(ctx, tx, &next, e.opts.Owner, "state", "attempt", "run_after", "step_deadline", "phase", "rewind_to", "step", "failed")
		if err == nil && !ok {
			err = errLost
		}
		return err
	})
	if err == nil {
		*r = next
	}
	return !ended, err
}

func (e *Engine) canceled(id string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	h := e.held[id]
	return h != nil && h.canceled
}

// graceAfterOutage is what a step gets at least, when nobody was there to run it until its deadline had passed.
const graceAfterOutage = 10 * time.Second

// stepContext ends at the step's deadline and when the operation is cancelled.
func (e *Engine) stepContext(ctx context.Context, r *row, s stepLimits) (context.Context, context.CancelFunc) {
	left := max(r.StepDeadline.Sub(e.opts.Clock.Now()), min(s.deadline, graceAfterOutage))
	ctx, cancel := context.WithTimeout(ctx, left)
	_, _, noCancel := e.defs[r.Kind].limits()
	e.mu.Lock()
	if h := e.held[r.ID]; h != nil && !noCancel {
		h.cancel = cancel
		if h.canceled {
			cancel()
		}
	}
	e.mu.Unlock()
	return ctx, func() {
		cancel()
		e.mu.Lock()
		if h := e.held[r.ID]; h != nil {
			h.cancel = nil
		}
		e.mu.Unlock()
	}
}

// undoContext gives one try at undoing as long as the step had.
func (e *Engine) undoContext(ctx context.Context, s stepLimits) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, s.deadline)
}
