package agent

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"gostack/internal/bus"
	"gostack/internal/faultpoint"
	"gostack/internal/nova/rpc"
)

// jobDeadline bounds a change that nobody may be waiting for any more; the
// longest is fetching a large image.
const jobDeadline = time.Hour

// jobDeadlines are those of changes that may take longer.
var jobDeadlines = map[string]time.Duration{rpc.ImportDisks: 12 * time.Hour, rpc.Snapshot: 4 * time.Hour, rpc.UploadSnapshot: 24 * time.Hour}

// jobs are the changes under way. One server has one change at a time, in the
// order in which they came; a destroy ends the others.
type jobs struct {
	ctx   context.Context
	steps *steps
	idle  func(server string) // called when a server's last job has ended

	mu      sync.Mutex
	running map[string]*job   // by method and arguments
	lines   map[string][]*job // by server, the first one at work
	wg      sync.WaitGroup
}

// job is one change.
type job struct {
	key, server string
	method      string
	cancel      context.CancelFunc
	turn        chan struct{} // closed when it is the first in its line
	done        chan struct{}
	err         error
}

// head is what all arguments have in common.
type head struct {
	ServerID string `json:"server_id"`
	StepID   string `json:"step_id"`
	ID       string `json:"id"` // of an image
	Spec     struct {
		ID string `json:"id"`
	} `json:"spec"`
}

// subject is what the change is about: changes of one subject queue up.
func (h head) subject() string {
	switch {
	case h.ServerID != "":
		return h.ServerID
	case h.Spec.ID != "":
		return h.Spec.ID
	default:
		return "image:" + h.ID
	}
}

// change is a call that changes something on the host.
func change[A any](a *Agent, do func(context.Context, A) error) bus.Handler {
	return func(ctx context.Context, m *bus.Message) (any, error) {
		var args A
		var h head
		if err := json.Unmarshal(m.Args, &args); err != nil {
			return nil, bus.Fail(bus.CodePermanent, "arguments of %s: %v", m.Method, err)
		}
		if err := json.Unmarshal(m.Args, &h); err != nil {
			return nil, bus.Fail(bus.CodePermanent, "arguments of %s: %v", m.Method, err)
		}
		if h.StepID != "" && a.jobs.steps.done(h.StepID) {
			return nil, nil
		}
		if runs[m.Method] {
			select {
			case <-a.introduced:
			case <-ctx.Done():
				return nil, fmt.Errorf("%s waits until the host is known: %w", m.Method, ctx.Err())
			}
		}
		j := a.jobs.join(m.Method, string(m.Args), h.subject(), func(ctx context.Context) error {
			ctx = bus.WithRequestID(ctx, m.RequestID)
			began := time.Now()
			if op, _, ok := strings.Cut(h.StepID, "/"); ok && m.Method != rpc.Destroy && a.jobs.steps.done(op+"/"+rpc.StepUndone) {
				return bus.Fail(bus.CodePermanent, "%s comes too late: the operation was undone on this host", m.Method)
			}
			err := do(ctx, args)
			if err != nil {
				a.Log.WarnContext(ctx, "failed", "method", m.Method, "subject", h.subject(), "step", h.StepID, "request_id", m.RequestID, "error", err)
				return err
			}
			a.Log.DebugContext(ctx, "done", "method", m.Method, "subject", h.subject(), "step", h.StepID, "took", time.Since(began))
			faultpoint.Hit("nova-compute." + m.Method + ".done")
			return a.jobs.steps.remember(h.StepID)
		})
		select {
		case <-j.done:
			return nil, rpc.ToBus(j.err)
		case <-ctx.Done():
			return nil, fmt.Errorf("%s goes on: %w", m.Method, ctx.Err())
		}
	}
}

// join answers the job that does just this, starting it if there is none.
func (s *jobs) join(method, args, server string, do func(context.Context) error) *job {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := method + "\x00" + args
	if j := s.running[key]; j != nil {
		return j
	}
	if s.running == nil {
		s.running, s.lines = map[string]*job{}, map[string][]*job{}
	}
	ctx, cancel := context.WithTimeout(s.ctx, cmp.Or(jobDeadlines[method], jobDeadline))
	j := &job{key: key, server: server, method: method, cancel: cancel, turn: make(chan struct{}), done: make(chan struct{})}
	for _, other := range s.lines[server] {
		if method == rpc.Destroy && other.method != rpc.Destroy || slices.Contains(ends[method], other.method) {
			other.cancel()
		}
	}
	s.running[key] = j
	s.lines[server] = append(s.lines[server], j)
	if len(s.lines[server]) == 1 {
		close(j.turn)
	}
	s.wg.Go(func() {
		defer cancel()
		<-j.turn
		if j.err = ctx.Err(); j.err == nil {
			j.err = do(ctx)
		}
		s.end(j)
	})
	return j
}

// end takes the job out of its line and lets the next one work.
func (s *jobs) end(j *job) {
	s.mu.Lock()
	delete(s.running, j.key)
	line := s.lines[j.server][1:]
	if len(line) == 0 {
		delete(s.lines, j.server)
	} else {
		s.lines[j.server] = line
		close(line[0].turn)
	}
	s.mu.Unlock()
	if len(line) == 0 {
		s.idle(j.server)
	}
	close(j.done)
}

// busy tells whether a server is being changed.
func (s *jobs) busy(server string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.lines[server]) > 0
}

func (s *jobs) wait() { s.wg.Wait() }
