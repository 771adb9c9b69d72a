package libvirt

import (
	"context"
	"sync"
	"time"

	"gostack/internal/nova/driver"
)

// moves are the moves that this process has to do with. They are not kept: what a lost process knew is asked of libvirtd.
type moves struct {
	mu  sync.Mutex
	in  map[string]driver.LivePlan // expected here, by server
	out map[string]*move           // begun here
}

// move is one that leaves this host.
type move struct {
	plan   driver.LivePlan
	cancel context.CancelFunc // before libvirtd has been asked, and of the channels
	began  time.Time

	mu       sync.Mutex
	ended    bool
	err      error
	abort    bool // wanted, by somebody or by the clock
	forced   bool
	postCopy bool
	broken   bool
	held     time.Time // since when the guest is paused because its memory goes; zero: it is not
	paused   time.Duration
	progress driver.LiveProgress
}

func (m *moves) expect(plan driver.LivePlan) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.in == nil {
		m.in = map[string]driver.LivePlan{}
	}
	m.in[plan.ServerID] = plan
}

func (m *moves) expected(server string) (driver.LivePlan, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	p, ok := m.in[server]
	return p, ok
}

// begin notes a new move unless one with the same ticket is known and has not broken off.
func (m *moves) begin(plan driver.LivePlan, cancel context.CancelFunc) (*move, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if old := m.out[plan.ServerID]; old != nil {
		old.mu.Lock()
		same := !old.ended || (old.plan.Ticket == plan.Ticket && !old.broken)
		old.mu.Unlock()
		if same {
			return old, false
		}
	}
	if m.out == nil {
		m.out = map[string]*move{}
	}
	v := &move{plan: plan, cancel: cancel, began: time.Now()}
	m.out[plan.ServerID] = v
	return v, true
}

func (m *moves) leaving(server string) *move {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.out[server]
}

// forget drops what is known of a server's moves.
func (m *moves) forget(server string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.in, server)
	if v := m.out[server]; v != nil {
		v.cancel()
		delete(m.out, server)
	}
}

func (v *move) end(err error, broken bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.ended, v.err, v.broken = true, err, broken
	if !v.held.IsZero() {
		v.paused = time.Since(v.held)
	}
}

// state is what the process itself knows.
func (v *move) state() driver.LiveState {
	v.mu.Lock()
	defer v.mu.Unlock()
	s := driver.LiveState{Phase: driver.LiveRunning, PostCopy: v.postCopy, Progress: v.progress, Aborted: v.abort, PausedMS: v.paused.Milliseconds()}
	switch {
	case !v.ended:
		s.Aborted = false
	case v.broken:
		s.Phase, s.Error = driver.LiveBroken, v.err.Error()
	case v.err != nil:
		s.Phase, s.Error = driver.LiveFailed, v.err.Error()
	default:
		s.Phase, s.Aborted = driver.LiveDone, false
	}
	return s
}
