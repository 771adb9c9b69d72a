package agent

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"gostack/internal/bus"
	"gostack/internal/nova/driver"
	"gostack/internal/nova/rpc"
)

var conductor = bus.To{Topic: rpc.ConductorTopic}

// report introduces the host, describes it now and then, and says in between
// that it lives. Hosts that began together, or lost the control side together, do not all come in one moment.
func (a *Agent) report(ctx context.Context) {
	var described time.Time
	firstRetry := min(time.Second, a.Heartbeat)
	retry := firstRetry
	for {
		wait := a.Heartbeat
		var err error
		if time.Since(described) >= a.Report || a.Ready() != nil {
			if err = a.describe(ctx); err == nil {
				described = time.Now()
			}
		} else {
			err = a.heartbeat(ctx)
		}
		if ctx.Err() != nil {
			return
		}
		a.note(ctx, err)
		if err != nil {
			// Who was not heard may have been taken for dead: the control side says what became of its servers.
			described = time.Time{}
			wait = retry
			retry = min(2*retry, a.Heartbeat)
		} else {
			retry = firstRetry
		}
		select {
		case <-ctx.Done():
			return
		case <-a.wake:
			described = time.Time{}
		case <-time.After(wait - rand.N(wait/4+1)):
		}
	}
}

// note keeps the agent's state and logs when it changes.
func (a *Agent) note(ctx context.Context, err error) {
	a.mu.Lock()
	was := a.state
	a.state = err
	a.mu.Unlock()
	switch {
	case err == nil && was != nil:
		a.Log.InfoContext(ctx, "host is known to the control side")
	case err != nil && (was == nil || was == errStarting): //nolint:errorlint // the value itself
		a.Log.WarnContext(ctx, "host cannot be reported", "error", err)
	}
}

func (a *Agent) describe(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	info, err := a.Driver.HostInfo(ctx)
	if err != nil {
		return fmt.Errorf("hypervisor: %w", err)
	}
	info.LinkAddress = a.LinkAddress
	var off []string
	if a.Resume && a.NodeID() == "" {
		guests, err := a.Driver.List(ctx)
		if err != nil {
			return fmt.Errorf("hypervisor: %w", err)
		}
		for _, g := range guests {
			if g.State == driver.Shutdown || g.State == driver.Crashed {
				off = append(off, g.ID)
			}
		}
	}
	var reply rpc.HostUpReply
	if err := a.Bus.Call(ctx, conductor, rpc.HostUp, rpc.HostUpArgs{Host: a.Host, Info: info, RPC: rpc.Version, Resume: off}, &reply); err != nil {
		return fmt.Errorf("control side: %w", err)
	}
	if err := a.leave(ctx, reply.Evacuations); err != nil {
		return err
	}
	a.mu.Lock()
	first := a.node == ""
	a.node = reply.NodeID
	a.mu.Unlock()
	if first {
		close(a.introduced)
		a.compare(ctx, reply.Servers)
	}
	return nil
}

func (a *Agent) heartbeat(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	err := a.Bus.Cast(bus.Ephemeral(ctx), conductor, rpc.Heartbeat, rpc.HeartbeatArgs{Host: a.Host, At: time.Now().UTC()})
	if err != nil {
		return fmt.Errorf("control side: %w", err)
	}
	return nil
}

// compare says at the start what was adopted and what is not as the control
// side believes. It changes nothing: that is for the audit, which looks at both
// sides and asks a person or waits.
func (a *Agent) compare(ctx context.Context, expected []string) {
	guests, err := a.Driver.List(ctx)
	if err != nil {
		a.Log.WarnContext(ctx, "servers cannot be listed", "error", err)
		return
	}
	here := map[string]bool{}
	running := 0
	for _, g := range guests {
		here[g.ID] = true
		if g.State == driver.Running {
			running++
		}
	}
	missing := 0
	for _, id := range expected {
		if !here[id] {
			missing++
		}
		delete(here, id)
	}
	a.Log.InfoContext(ctx, "servers adopted", "servers", len(guests), "running", running, "missing", missing, "unknown", len(here))
	for id := range here {
		a.Log.WarnContext(ctx, "a server is here that the control side does not expect; see gostack audit", "server", id)
	}
}

// unroutable tells that nobody is there yet.
func unroutable(err error) bool { return errors.Is(err, bus.ErrUnroutable) }
