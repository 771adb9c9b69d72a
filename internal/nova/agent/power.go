package agent

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"gostack/internal/nova/driver"
	"gostack/internal/nova/rpc"
)

// powerEvents are power states that the control side has not heard yet: the
// last one of each server.
type powerEvents struct {
	wake chan struct{}

	mu      sync.Mutex
	pending map[string]driver.Event
	held    map[string]bool // changed while the agent itself was at work on it
}

// watch takes the driver's events. What happens to a server while a change of
// ours is under way (the off between a reboot's off and on) is not news; the
// state at the end of it is.
func (a *Agent) watch(events <-chan driver.Event) {
	for e := range events {
		if a.jobs.busy(e.ServerID) {
			a.power.hold(e.ServerID)
			if a.jobs.busy(e.ServerID) {
				continue
			}
			// The change ended between the two looks; settled may have
			// missed the note.
			a.settled(e.ServerID)
			continue
		}
		a.power.put(e)
	}
}

func (p *powerEvents) hold(server string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.held == nil {
		p.held = map[string]bool{}
	}
	p.held[server] = true
}

func (p *powerEvents) put(e driver.Event) {
	p.mu.Lock()
	if p.pending == nil {
		p.pending = map[string]driver.Event{}
	}
	p.pending[e.ServerID] = e
	p.mu.Unlock()
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// settled tells the state of a server that was changed, if it changed.
func (a *Agent) settled(server string) {
	a.power.mu.Lock()
	held := a.power.held[server]
	delete(a.power.held, server)
	a.power.mu.Unlock()
	if !held {
		return
	}
	ctx, cancel := context.WithTimeout(a.jobs.ctx, 10*time.Second)
	defer cancel()
	e := driver.Event{ServerID: server, At: time.Now().UTC()}
	state, err := a.Driver.PowerState(ctx, server)
	switch {
	case errors.Is(err, driver.ErrNotFound):
		e.Gone = true
	case err != nil:
		return // the driver tells all states when it can again
	default:
		e.State = state
	}
	a.power.put(e)
}

// tellPower sends what is pending until the control side has taken it.
func (a *Agent) tellPower(ctx context.Context) {
	retry := time.Second
	if a.Resume { // who is off because the host was must not count as stopped before it could be resumed
		select {
		case <-ctx.Done():
			return
		case <-a.introduced:
		}
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-a.power.wake:
		}
		for {
			batch := a.power.take()
			if len(batch) == 0 {
				break
			}
			err := a.send(ctx, batch)
			if err == nil {
				retry = time.Second
				continue
			}
			a.power.putBack(batch)
			if !unroutable(err) && ctx.Err() == nil {
				a.Log.WarnContext(ctx, "power states cannot be told", "servers", len(batch), "error", err)
			}
			select {
			case <-ctx.Done():
				return
			case <-time.After(retry):
				retry = min(2*retry, 30*time.Second)
			}
		}
	}
}

func (a *Agent) send(ctx context.Context, batch []driver.Event) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	return a.Bus.Call(ctx, conductor, rpc.PowerEvents, rpc.PowerEventsArgs{Host: a.Host, Events: batch}, nil)
}

// take answers what is pending, oldest first.
func (p *powerEvents) take() []driver.Event {
	p.mu.Lock()
	defer p.mu.Unlock()
	batch := slices.SortedFunc(maps.Values(p.pending), func(a, b driver.Event) int { return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.ServerID, b.ServerID)) })
	clear(p.pending)
	return batch
}

// putBack keeps a batch that was not taken, unless there is newer news.
func (p *powerEvents) putBack(batch []driver.Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, e := range batch {
		if _, newer := p.pending[e.ServerID]; !newer {
			p.pending[e.ServerID] = e
		}
	}
}
