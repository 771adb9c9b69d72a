package ops

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gostack/internal/nova"
	"gostack/internal/nova/db"
	"gostack/internal/nova/driver"
	"gostack/internal/nova/rpc"
	"gostack/internal/saga"
	"gostack/internal/store"
)

// livePoll is how often a move under way is looked at.
const livePoll = 500 * time.Millisecond

// liveBegin has the source begin. The host knows the move by its ticket and begins it once.
func (o *Ops) liveBegin(ctx context.Context, r *liveRun) error {
	p := &r.State.Progress
	r.At(r.State.SourceHost)
	p.Begun = true
	plan := p.Plan
	return here(o.call(ctx, r.Attempt, r.State.SourceHost, rpc.LiveStart, rpc.LiveArgs{ServerID: r.State.ServerID, Plan: plan}))
}

// outcome is where a server is after a move, or that it is not decided yet.
type liveOutcome int

const (
	liveOpen   liveOutcome = iota // ask again
	liveLanded                    // it runs on the destination
	liveStays                     // it is where it was
	liveLost                      // it is nowhere
)

// liveLook asks both hosts where the server is. What they say decides, whatever was planned; a host is asked for what it has, not for what it
// remembers, so that it does not matter which process died meanwhile.
func (o *Ops) liveLook(ctx context.Context, r *liveRun) (driver.LiveState, liveOutcome, error) {
	ref := rpc.ServerRef{ServerID: r.State.ServerID}
	var src, dst driver.LiveState
	srcErr := o.Nova.Hosts.Call(ctx, r.State.SourceHost, rpc.LiveState, ref, &src)
	if srcErr == nil {
		switch {
		case src.Phase == driver.LiveRunning || src.Phase == driver.LiveBroken:
			return src, liveOpen, nil
		case src.Here && src.Power != driver.NoState && src.Phase != driver.LiveDone:
			return src, liveStays, nil
		case src.Here:
			// Between the two: frozen for the last step, or not thawed yet, or about to be removed.
			return src, liveOpen, nil
		}
	}
	dstErr := o.Nova.Hosts.Call(ctx, liveDest(r), rpc.LiveState, ref, &dst)
	switch {
	case dstErr == nil && dst.Here && dst.Power != driver.NoState:
		return src, liveLanded, nil
	case dstErr == nil && srcErr == nil && !dst.Here && !src.Here:
		return src, liveLost, nil
	case srcErr != nil:
		// A source that is down for good has the server, as far as anybody can tell: what is done about that is not this operation's.
		if up, err := o.hostUp(ctx, r.State.SourceHost); err == nil && !up && dstErr == nil && !dst.Here {
			return src, liveStays, nil
		}
		return src, liveOpen, srcErr
	default:
		return src, liveOpen, dstErr
	}
}

// liveWatch waits until the move has ended and counts meanwhile.
func (o *Ops) liveWatch(ctx context.Context, r *liveRun) error {
	p := &r.State.Progress
	r.At(r.State.SourceHost)
	var told driver.LiveProgress
	lost := 0
	for {
		s, outcome, err := o.liveLook(ctx, r)
		if err != nil && ctx.Err() != nil {
			return ctx.Err()
		}
		switch outcome {
		case liveLanded:
			p.Landed, p.PausedMS = true, s.PausedMS
			return o.liveCount(ctx, r, s.Progress)
		case liveStays:
			p.Aborted = s.Aborted
			if s.Error == "" {
				s.Error = "the migration was interrupted"
			}
			return saga.Permanent(fmt.Errorf("Live migration failed: %s", s.Error)) //nolint:staticcheck // upstream's sentence
		case liveLost:
			if lost++; lost > 3 { // an instant between two looks is no loss
				return saga.Permanent(errors.New("the server is on neither host any more"))
			}
		case liveOpen:
			lost = 0
			if s.Phase == driver.LiveBroken {
				if err := o.liveMend(ctx, r); err != nil {
					o.Log.WarnContext(ctx, "a live migration that is past the point of return is not mended yet", "server", r.State.ServerID, "error", err)
				}
			}
			if s.Progress != told && s.Progress != (driver.LiveProgress{}) {
				told = s.Progress
				if err := o.liveCount(ctx, r, told); err != nil {
					return err
				}
			}
		}
		wait := livePoll
		if n := s.Progress; n.MemoryTotal > 0 && n.DiskRemaining == 0 {
			wait = livePoll / 5 // the end is near, and a port with a floating IP waits for us to see it
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait):
		}
	}
}

// liveMend opens new channels for a guest some of whose memory is still on the source.
func (o *Ops) liveMend(ctx context.Context, r *liveRun) error {
	args := rpc.LiveArgs{ServerID: r.State.ServerID, Plan: r.State.Progress.Plan}
	if err := o.Nova.Hosts.Call(ctx, liveDest(r), rpc.LivePrepare, args, nil); err != nil {
		return err
	}
	return o.Nova.Hosts.Call(ctx, r.State.SourceHost, rpc.LiveStart, args, nil)
}

// liveCount writes how far a move is.
func (o *Ops) liveCount(ctx context.Context, r *liveRun, n driver.LiveProgress) error {
	percent := 0
	if total := n.MemoryTotal + n.DiskTotal; total > 0 {
		percent = int(100 - min(total, n.MemoryRemaining+n.DiskRemaining)*100/total)
	}
	return o.Nova.DB.Write(ctx, func(ctx context.Context, tx store.Tx) error {
		now := o.Nova.Now()
		if err := db.SetMigration(ctx, tx, r.State.Migration, now, map[string]any{
			"memory_total": n.MemoryTotal, "memory_processed": n.MemoryProcessed, "memory_remaining": n.MemoryRemaining,
			"disk_total": n.DiskTotal, "disk_processed": n.DiskProcessed, "disk_remaining": n.DiskRemaining,
		}); err != nil {
			return err
		}
		return o.update(ctx, tx, r.Operation, nova.TaskMigrating, map[string]any{"progress": percent})
	})
}

// settlePatience is how long one attempt to settle waits for a move to end.
const settlePatience = 30 * time.Second

// liveSettle ends a move that is not wanted any more and finds out where the server is.
func (o *Ops) liveSettle(ctx context.Context, r *liveRun) error {
	p := &r.State.Progress
	r.At(r.State.SourceHost)
	ref := rpc.ServerRef{ServerID: r.State.ServerID}
	end := time.Now().Add(settlePatience)
	lost := 0
	for {
		if err := o.Nova.Hosts.Call(ctx, r.State.SourceHost, rpc.LiveAbort, ref, nil); err != nil && ctx.Err() != nil {
			return ctx.Err()
		}
		s, outcome, err := o.liveLook(ctx, r)
		switch {
		case outcome == liveLanded:
			p.Landed = true
			return nil
		case outcome == liveStays:
			return o.unlessDown(ctx, r.State.SourceHost, o.Nova.Hosts.Call(ctx, r.State.SourceHost, rpc.LiveForget, ref, nil))
		case outcome == liveLost:
			if lost++; lost > 3 {
				return nil
			}
		case s.Phase == driver.LiveBroken:
			if err := o.liveMend(ctx, r); err != nil {
				return err
			}
		}
		if time.Now().After(end) {
			if err == nil {
				err = errors.New("the migration has not ended yet")
			}
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(livePoll / 5):
		}
	}
}
