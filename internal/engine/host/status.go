package host

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"time"
)

// State of an engine.
type State string

const (
	Running State = "running"
	Stopped State = "stopped"
	Missing State = "not installed"
)

// Who runs an engine.
const (
	BySystemd = "systemd"
	ByGostack = "gostack"
	ByOther   = "somebody else"
)

// Status is what is seen of one engine.
type Status struct {
	Name    string    `json:"name"`
	Why     string    `json:"why"`
	State   State     `json:"state"`
	By      string    `json:"by,omitempty"`   // who runs it, when it runs
	Unit    string    `json:"unit,omitempty"` // systemd unit that runs or could run it
	PID     int       `json:"pid,omitempty"`
	Since   time.Time `json:"since,omitzero"`
	Ready   bool      `json:"ready"`
	Problem string    `json:"problem,omitempty"` // why it is not ready
	Log     string    `json:"log,omitempty"`     // of an engine of ours
}

// Status looks at every engine, in start order.
func (h *Host) Status(ctx context.Context) []Status {
	var all []Status
	for _, e := range h.engines {
		s := h.look(ctx, e)
		if s.State == Running {
			ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
			if err := e.ready(ctx); err != nil {
				s.Problem = err.Error()
			}
			cancel()
			s.Ready = s.Problem == ""
		}
		all = append(all, s)
	}
	return all
}

// look finds out whether an engine runs and by whom: our own record first, then systemd, then a pid file, then
// anybody who answers on its socket (such as a daemon whose pid lies in another namespace).
func (h *Host) look(ctx context.Context, e Engine) Status {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	s := Status{Name: e.Name, Why: e.Why, State: Stopped}

	running := func(by string, p process) Status {
		s.State, s.By, s.PID = Running, by, p.PID
		if p.PID != 0 {
			s.Since = p.since()
		}
		if by == ByGostack {
			s.Log = h.logFile(e.Name)
		}
		return s
	}

	r, ours := h.recorded(e.Name)
	if ours && r.PID != 0 && r.alive() {
		return running(ByGostack, r.process)
	}
	p, pidErr := pidFileProcess(e)
	if ours && r == (record{}) && pidErr == nil {
		// We were killed between starting it and writing its pid down.
		if h.remember(e.Name, record{process: p}) == nil {
			return running(ByGostack, p)
		}
	}
	unit, active := h.unitOf(ctx, e)
	s.Unit = unit
	if active {
		return running(BySystemd, p)
	}
	if pidErr == nil {
		return running(ByOther, p)
	}
	if e.ready(ctx) == nil {
		return running(ByOther, process{})
	}
	if _, err := os.Stat(e.Program); err != nil {
		s.State = Missing
	}
	return s
}

// Trouble is nil when every engine that gostack started runs and answers, or says which do not.
func (h *Host) Trouble(ctx context.Context) error {
	var all []error
	for _, s := range h.Status(ctx) {
		if _, ours := h.recorded(s.Name); ours && !s.Ready {
			all = append(all, fmt.Errorf("%s: %s", s.Name, cmp.Or(s.Problem, "does not run")))
		}
	}
	return errors.Join(all...)
}
